#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"

static const struct output_column list_columns[] = {
	{ "ID", "id", OUTPUT_TEXT },         { "SINCE", "created", OUTPUT_TIME },
	{ "SIZE", "size", OUTPUT_SIZE },     { "FROM", "sender", OUTPUT_TEXT },
	{ "TO", "recipients", OUTPUT_LIST }, { "NEXT TRY", "next_attempt", OUTPUT_TIME },
	{ "WHY", "reason", OUTPUT_TEXT },
};

static int run_list(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "GET", "/queue", NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_rows(cli, list_columns, ARRAY_SIZE(list_columns), json_object_get(answer, "messages"), answer);
	json_decref(answer);
	return status;
}

static int queue_call(struct cli *cli, const char *method, const char *what, json_t **ret_answer)
{
	return client_call(cli, method,
	                   arena_printf(cli->arena, "/queue/%s%s", client_segment(cli, cli->args[0]), what), NULL,
	                   ret_answer);
}

static int run_show(struct cli *cli)
{
	json_t *answer;
	int status;

	if (queue_call(cli, "GET", "", &answer) < 0)
		return cli_fail(cli);
	status = output_object(cli, list_columns, ARRAY_SIZE(list_columns), answer);
	json_decref(answer);
	return status;
}

static int run_retry(struct cli *cli)
{
	json_t *answer;
	int status;

	if (queue_call(cli, "POST", "/retry", &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "%s is tried again now.", cli->args[0]);
	json_decref(answer);
	return status;
}

static int run_remove(struct cli *cli)
{
	json_t *answer;
	int status;

	if (queue_call(cli, "DELETE", "", &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Removed %s from the queue.", cli->args[0]);
	json_decref(answer);
	return status;
}

static const struct command commands[] = {
	{ "list", "", 0, 0, "Lists the messages that wait.",
	  "Mail waits where a volume does not answer, or for another domain.", NULL, run_list },
	{ "show", "ID", 1, 1, "Shows a message of the queue.", NULL, NULL, run_show },
	{ "retry", "ID", 1, 1, "Tries to deliver a message now.", NULL, NULL, run_retry },
	{ "remove", "ID", 1, 1, "Throws a message away; its sender is told nothing.", NULL, NULL, run_remove },
};

const struct command_group command_queue = { "queue", "Mail that waits to be delivered.", commands,
	                                     ARRAY_SIZE(commands) };
