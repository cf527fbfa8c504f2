/* volattach's command line. */
#ifndef POD_REPLICATOR_ATTACH_OPTIONS_H
#define POD_REPLICATOR_ATTACH_OPTIONS_H

#include "replicator/attach/attach.h"

/* Exit statuses, as volattach(8) lists them. */
enum attach_exit {
	ATTACH_EXIT_GOOD = 0,
	ATTACH_EXIT_FAILED =
		1, /* not attached, or not known whether all was written; standard error says why */
	ATTACH_EXIT_USAGE = 2,
	ATTACH_EXIT_NO_SERVER = 3, /* nothing was attached: no server, or it has no such export */
};

/* -1: go on; else the exit status (help was asked for, or the command line is wrong). */
int attach_options_parse(int argc, char **argv, struct attach_options *ret);

#endif
