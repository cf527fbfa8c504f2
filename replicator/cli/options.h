/* Command lines whose options are rows of the configuration's kind: --link-listen is the row link_listen. */
#ifndef REPLICATOR_CLI_OPTIONS_H
#define REPLICATOR_CLI_OPTIONS_H

#include "conf/item.h"

enum replicator_exit {
	REPLICATOR_EXIT_GOOD = 0,
	REPLICATOR_EXIT_FAILED = 1, /* standard error says why */
	REPLICATOR_EXIT_USAGE = 2,
};

struct option_rows {
	const struct conf_item *items;
	size_t n;
	/* Takes one option's text (of a flag: "yes"); an error is told to the user and ends the program. */
	int (*take)(void *arg, const struct conf_item *item, const char *text, struct err *err);
	void *arg;
};

/*
 * Reads argv behind the command's name. -1: go on. Otherwise the exit status: --help was printed (usage, then
 * the rows), or something is wrong and was told.
 */
int options_parse(const char *command, const char *usage, const struct option_rows *rows, size_t rows_n,
                  int argc, char **argv);
/* Tells what is wrong with the command line; returns REPLICATOR_EXIT_USAGE. */
int options_wrong(const char *command, const struct err *err);

#endif
