/* podctl: the admin's command. See podctl(1). */
#include <jansson.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "podctl/cli.h"
#include "podctl/commands.h"
#include "podctl/output.h"

#define ARENA_MAX (256u << 20)

static int show_help(const struct cli *cli)
{
	if (!cli->group)
		help_print_all(stdout);
	else if (!cli->command)
		help_print_group(stdout, cli->group);
	else
		help_print_command(stdout, cli->group, cli->command);
	return CLI_OK;
}

static int usage_error(struct cli *cli)
{
	cli->hint = !cli->group     ? "podctl --help lists the commands"
	            : !cli->command ? arena_printf(cli->arena, "podctl %s --help lists its commands",
	                                           cli->group->name)
	                            : arena_printf(cli->arena, "usage: podctl %s%s%s%s%s%s", cli->group->name,
	                                           cli->command->name[0] ? " " : "", cli->command->name,
	                                           cli->command->options ? " [OPTION...]" : "",
	                                           cli->command->args[0] ? " " : "", cli->command->args);
	(void) cli_fail(cli);
	return CLI_USAGE;
}

/* JSON can carry nothing else, and so the API neither. */
static int check_utf8(struct cli *cli, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		json_t *text = json_string(argv[i]);

		if (!text)
			return err_set(&cli->err, POD_E_SYNTAX, "argument %d is not valid UTF-8", i);
		json_decref(text);
	}
	return 0;
}

static int run(struct cli *cli, int argc, char **argv)
{
	if (argc == 1) {
		help_print_all(stderr);
		return CLI_USAGE;
	}
	if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0))
		return command_find(&command_version, "")->run(cli);
	if (check_utf8(cli, argc, argv) < 0 || cli_parse(cli, argc, argv) < 0)
		return usage_error(cli);
	return cli->help ? show_help(cli) : cli->command->run(cli);
}

int main(int argc, char **argv)
{
	struct cli cli = { .arena = arena_create(ARENA_MAX) };
	int status;

	if (!cli.arena) {
		(void) fputs("podctl: out of memory\n", stderr);
		return CLI_FAILED;
	}
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		(void) setlocale(LC_CTYPE, "");
	status = run(&cli, argc, argv);
	(void) conf_free(cli.conf);
	(void) arena_free(cli.arena);
	if (fflush(stdout) != 0 && status == CLI_OK)
		status = CLI_FAILED; /* a script must not take half an answer for a whole one */
	return status;
}
