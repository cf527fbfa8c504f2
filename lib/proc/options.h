/* The command line of a daemon that takes --config FILE, --help and --version, and nothing else. */
#ifndef POD_PROC_OPTIONS_H
#define POD_PROC_OPTIONS_H

struct daemon_words {
	const char *name;    /* "mta" */
	const char *what;    /* "The SMTP front end of a pod: ...": one sentence */
	const char *signals; /* what it does at which, and where that is written; lines end with LF */
};

/* -1: go on, with *ret_config; else the exit status, and what was to be said is. argv outlives *ret_config.
 */
int daemon_options(const struct daemon_words *words, int argc, char **argv, const char **ret_config);

#endif
