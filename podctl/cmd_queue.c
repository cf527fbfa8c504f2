#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"

static const struct output_column list_columns[] = {
	{ "ID", "id", OUTPUT_TEXT },
	{ "ARRIVED", "arrived", OUTPUT_TEXT },
	{ "SIZE", "size", OUTPUT_SIZE },
	{ "STATE", "state", OUTPUT_TEXT },
	{ "TRIES", "attempts", OUTPUT_NUMBER },
	{ "NEXT TRY", "next_attempt", OUTPUT_TEXT },
	{ "FROM", "sender", OUTPUT_TEXT },
	{ "TO", "to", OUTPUT_LIST },
};

static const struct output_column show_columns[] = {
	{ "Id", "id", OUTPUT_TEXT },
	{ "Trace", "trace", OUTPUT_TEXT },
	{ "From", "sender", OUTPUT_TEXT },
	{ "Size", "size", OUTPUT_SIZE },
	{ "Arrived", "arrived", OUTPUT_TEXT },
	{ "State", "state", OUTPUT_TEXT },
	{ "Tries", "attempts", OUTPUT_NUMBER },
	{ "Next try", "next_attempt", OUTPUT_TEXT },
};

static const struct output_column recipient_columns[] = {
	{ "RECIPIENT", "address", OUTPUT_TEXT },
	{ "STATE", "state", OUTPUT_TEXT },
	{ "LAST ANSWER", "text", OUTPUT_TEXT },
};

/* For the table: the addresses of a message's recipients as one list. */
static void add_to(json_t *message)
{
	json_t *to = json_array(), *recipient;
	size_t i;

	json_array_foreach(json_object_get(message, "recipients"), i, recipient)(void)
		json_array_append(to, json_object_get(recipient, "address"));
	(void) json_object_set_new(message, "to", to);
}

static int run_list(struct cli *cli)
{
	json_t *answer, *message;
	int status;
	size_t i;

	if (client_call(cli, "GET", "/queue", NULL, &answer) < 0)
		return cli_fail(cli);
	if (cli->format == CLI_TABLE)
		json_array_foreach(json_object_get(answer, "messages"), i, message) add_to(message);
	status = output_rows(cli, list_columns, ARRAY_SIZE(list_columns), json_object_get(answer, "messages"),
	                     answer);
	json_decref(answer);
	return status;
}

static int queue_call(struct cli *cli, const char *method, const char *what, json_t **ret_answer)
{
	return client_call(cli, method,
	                   arena_printf(cli->arena, "/queue/%s%s", client_segment(cli, cli->args[0]), what),
	                   NULL, ret_answer);
}

static int run_show(struct cli *cli)
{
	json_t *answer;
	int status;

	if (queue_call(cli, "GET", "", &answer) < 0)
		return cli_fail(cli);
	status = output_object(cli, show_columns, ARRAY_SIZE(show_columns), answer);
	if (status == CLI_OK && cli->format == CLI_TABLE) {
		(void) fputc('\n', stdout);
		status = output_rows(cli, recipient_columns, ARRAY_SIZE(recipient_columns),
		                     json_object_get(answer, "recipients"), answer);
	}
	json_decref(answer);
	return status;
}

static int retry_all(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "POST", "/queue/retry", NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "%lld messages are tried again now.",
	                     (long long) json_integer_value(json_object_get(answer, "retried")));
	json_decref(answer);
	return status;
}

static int run_retry(struct cli *cli)
{
	bool all = cli_option(cli, "--all") != NULL;
	json_t *answer;
	int status;

	if (all == (cli->args_n == 1))
		return cli_fail_with(cli, POD_E_SYNTAX, NULL, "which? give the ID of a message, or --all");
	if (all)
		return retry_all(cli);
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

static const struct command_option retry_options[] = {
	{ "--all", NULL, "All messages that wait." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "list", "", 0, 0, "Lists the messages that wait.",
	  "Mail waits where a volume does not answer, or for another domain.", NULL, run_list },
	{ "show", "ID", 1, 1, "Shows a message of the queue.", "ID is the queue's, or the trace id.", NULL,
	  run_show },
	{ "retry", "[ID]", 0, 1, "Tries to deliver a message now.", NULL, retry_options, run_retry },
	{ "remove", "ID", 1, 1, "Throws a message away; its sender is told nothing.", NULL, NULL,
	  run_remove },
};

const struct command_group command_queue = { "queue", "Mail that waits to be delivered.", commands,
	                                     ARRAY_SIZE(commands) };
