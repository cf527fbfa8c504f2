/*
 * The commands of podctl as tables: from them come what is accepted, --help at every level, the completion of
 * the shell and podctl(1). A command is one row in its cmd_NAME.c.
 */
#ifndef PODCTL_COMMAND_H
#define PODCTL_COMMAND_H

#include <stddef.h>

struct cli;

struct command_option {
	const char *name; /* "--quota" */
	const char *arg;  /* "SIZE"; NULL: a switch */
	const char *help;
};

struct command {
	const char *name; /* "add"; "" where the group is one command */
	const char *args; /* "ADDRESS TARGET..." */
	size_t args_min, args_max;
	const char *summary;                  /* one line */
	const char *details;                  /* more for --help and the manual; may be NULL */
	const struct command_option *options; /* up to one without a name; NULL: none */
	int (*run)(struct cli *cli);          /* returns the exit status */
};

struct command_group {
	const char *name; /* "user" */
	const char *summary;
	const struct command *commands;
	size_t n;
};

#define COMMAND_ARGS_MANY 1000

/* All groups, in the order of --help. */
extern const struct command_group *const command_groups[];
extern const size_t command_groups_n;
/* Options of every command. */
extern const struct command_option command_globals[];

/* NULL where there is none. A group of one unnamed command has it for every name. */
const struct command_group *command_group_find(const char *name);
const struct command *command_find(const struct command_group *group, const char *name);
const struct command_option *command_option_find(const struct command_option *options, const char *name);

#endif
