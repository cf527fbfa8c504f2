/* One run of podctl: what was asked for, how the answer is to look, and how it failed. */
#ifndef PODCTL_CLI_H
#define PODCTL_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"
#include "conf/conf.h"
#include "podctl/command.h"

/* Exit statuses, as podctl(1) documents them. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NOTFOUND = 3,
	CLI_EXISTS = 4,
	CLI_UNREACHABLE = 5, /* the pod does not run, or does not answer */
	CLI_DENIED = 6,
	CLI_LIMIT = 7, /* a volume, a mailbox or a disk is full, or another limit was met */
};
int cli_exit_of(int code); /* of a POD_E_* code */

enum cli_format { CLI_TABLE, CLI_JSON };

#define CLI_OPTIONS_MAX 16

struct cli_value {
	const struct command_option *option;
	const char *value; /* "" for a switch */
};

struct cli {
	const struct command_group *group;
	const struct command *command;
	const char **args;
	size_t args_n;
	struct cli_value values[CLI_OPTIONS_MAX];
	size_t values_n;
	enum cli_format format;
	bool quiet, help;
	const char *dir;         /* of the pod: absolute where it exists */
	struct arena *arena;     /* for as long as the run */
	const struct conf *conf; /* once cli_conf was asked for */
	struct err err;          /* what failed */
	const char *hint;        /* and what to do about it; may be NULL */
};

/*
 * Reads the command line; pure. -POD_E_SYNTAX with words in cli->err where it is not one: the group and the
 * command are set as far as they were understood. Everything points into argv and the arena.
 */
int cli_parse(struct cli *cli, int argc, char **argv);
/* The value of an option ("--quota"), "" for a switch; NULL where it was not given. */
const char *cli_option(const struct cli *cli, const char *name);

/* The folder of the pod: --dir, $PODMAIL_DIR, or the default. */
int cli_find_dir(struct cli *cli);
/* The pod's configuration; -POD_E_NOTFOUND where there is no pod in DIR. Fills err and hint. */
int cli_conf(struct cli *cli, const struct conf **ret_conf);

/* Says what failed (as JSON where that was asked for) and returns the exit status for it. */
int cli_fail(struct cli *cli);
/* The same for words of our own. */
int cli_fail_with(struct cli *cli, int code, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* For progress and remarks: to standard error, unless --quiet. */
void cli_note(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* help.c */
void help_print_all(FILE *out);
void help_print_group(FILE *out, const struct command_group *group);
void help_print_command(FILE *out, const struct command_group *group, const struct command *command);

#endif
