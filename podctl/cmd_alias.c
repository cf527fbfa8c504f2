#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"
#include "podctl/show.h"

static const struct output_column columns[] = {
	{ "ALIAS", "address", OUTPUT_TEXT },
	{ "GOES TO", "targets", OUTPUT_LIST },
};

static json_t *targets_json(const struct cli *cli)
{
	json_t *targets = json_array();

	for (size_t i = 1; i < cli->args_n; i++)
		(void) json_array_append_new(targets, json_string(cli->args[i]));
	return targets;
}

static int run_add(struct cli *cli)
{
	json_t *body = json_pack("{ss, so}", "address", cli->args[0], "targets", targets_json(cli));
	json_t *answer;
	int status;

	if (client_call(cli, "POST", "/aliases", body, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Added the alias %s.", cli->args[0]);
	json_decref(answer);
	return status;
}

static int run_list(struct cli *cli)
{
	return show_list(cli, "/aliases", "aliases", columns, ARRAY_SIZE(columns));
}

static const char *alias_path(struct cli *cli)
{
	return arena_printf(cli->arena, "/aliases/%s", client_segment(cli, cli->args[0]));
}

static int run_show(struct cli *cli)
{
	return show_object(cli, alias_path(cli), columns, ARRAY_SIZE(columns));
}

static int run_remove(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "DELETE", alias_path(cli), NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Removed the alias %s.", cli->args[0]);
	json_decref(answer);
	return status;
}

static const struct command commands[] = {
	{ "add", "ADDRESS TARGET...", 2, COMMAND_ARGS_MANY, "Makes an address that stands for others.",
	  "A target may be here or elsewhere. The address \"@DOMAIN\" is a catch-all: it takes what is to "
	  "nobody else in the "
	  "domain.",
	  NULL, run_add },
	{ "list", "", 0, 0, "Lists the aliases.", NULL, NULL, run_list },
	{ "show", "ADDRESS", 1, 1, "Shows an alias.", NULL, NULL, run_show },
	{ "remove", "ADDRESS", 1, 1, "Removes an alias.", NULL, NULL, run_remove },
};

const struct command_group command_alias = { "alias", "Addresses that stand for others.", commands,
	                                     ARRAY_SIZE(commands) };
