#include "base/version.h"
#include "podctl/commands.h"
#include "podctl/output.h"

static int run_version(struct cli *cli)
{
	if (cli->format == CLI_JSON)
		(void) printf("{\"version\": \"%s\"}\n", POD_VERSION);
	else
		(void) printf("podctl %s\n", POD_VERSION);
	return CLI_OK;
}

static const struct command commands[] = {
	{ "", "", 0, 0, "Says the version.", NULL, NULL, run_version },
};

const struct command_group command_version = { "version", "Says the version.", commands, 1 };
