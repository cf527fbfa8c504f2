#include <string.h>

#include "base/cleanup.h"
#include "podctl/commands.h"
#include "podctl/man.h"
#include "podctl/output.h"

static int run_help(struct cli *cli)
{
	const struct command_group *group = cli->args_n > 0 ? command_group_find(cli->args[0]) : NULL;
	const struct command *command = group && cli->args_n > 1 ? command_find(group, cli->args[1]) : NULL;

	if (cli_option(cli, "--man")) {
		man_print_commands(stdout);
		return CLI_OK;
	}
	if ((cli->args_n > 0 && !group) || (cli->args_n > 1 && !command))
		return cli_fail_with(cli, POD_E_SYNTAX, "podctl --help lists the commands",
		                     "unknown command %s", cli->args[cli->args_n - 1]);
	if (command)
		help_print_command(stdout, group, command);
	else if (group)
		help_print_group(stdout, group);
	else
		help_print_all(stdout);
	return CLI_OK;
}

static const struct command_option options[] = {
	{ "--man", NULL, "Prints the commands as the manual page podctl(1) has them." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "", "[COMMAND [COMMAND]]", 0, 2, "Says what a command does and takes.", NULL, options, run_help },
};

const struct command_group command_help = { "help", "Says what a command does and takes.", commands, 1 };
