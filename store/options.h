/* stored's command line. */
#ifndef POD_STORE_OPTIONS_H
#define POD_STORE_OPTIONS_H

#include <stdbool.h>

enum store_command { STORE_SERVE, STORE_CREATE, STORE_REBUILD, STORE_CHECK_FILES };

struct store_options {
	enum store_command command;
	const char *config, *volume; /* NULL where not given */
	const char *path, *name; /* of --create, --rebuild, --fsck without a configuration */
	bool repair, json;
};

/* Exit statuses of the offline commands, as stored(8) lists them. */
enum store_exit {
	STORE_EXIT_GOOD = 0,
	STORE_EXIT_FAILED = 1, /* could not be done; standard error says why */
	STORE_EXIT_USAGE = 2,
	STORE_EXIT_PROBLEMS = 3, /* --fsck: problems were found, and not all of them mended */
};

/* -1: go on; else the exit status (help was asked for, or the command line is wrong). */
int store_options_parse(int argc, char **argv, struct store_options *ret);

#endif
