/*
 * replicator: makes, serves and looks at one replica of a volume. Serving is nbdkit's work, with our plugin
 * in it (replicator/plugin): this program only prepares it and becomes it.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/version.h"
#include "replicator/cli/commands.h"
#include "replicator/cli/options.h"

static const char help[] =
	"usage: replicator create --folder DIR --size SIZE   make an empty replica\n"
	"       replicator serve  --folder DIR ...           serve it: NBD, links to other replicas, control "
        "socket\n"
	"       replicator dump   --folder DIR               print what its superblock and its log say\n"
	"\n"
	"One replica of a volume: a block device that is written at one site and held, block for block, at "
        "others.\n"
	"podd starts it, one for each replicated volume. replicator COMMAND --help tells a command's "
        "options.\n"
	"\n"
	"Exit status: 0 good; 1 it could not be done; 2 wrong usage. See replicator(8).\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "create", cmd_create },
	{ "serve", cmd_serve },
	{ "dump", cmd_dump },
};

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (strcmp(name, "--help") == 0) {
		(void) fputs(help, stdout);
		return REPLICATOR_EXIT_GOOD;
	}
	if (strcmp(name, "--version") == 0) {
		(void) puts("replicator (podmail) " POD_VERSION);
		return REPLICATOR_EXIT_GOOD;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	(void) fprintf(stderr, "replicator: %s%s%s. Try replicator --help.\n",
	               *name ? "there is no command " : "", *name ? name : "which command", *name ? "" : "?");
	return REPLICATOR_EXIT_USAGE;
}
