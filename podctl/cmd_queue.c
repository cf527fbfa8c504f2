#include <time.h>

#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/duration.h"
#include "podctl/output.h"
#include "podctl/queue_calls.h"
#include "podctl/show.h"

static const struct output_column list_columns[] = {
	{ "ID", "id", OUTPUT_TEXT },
	{ "ARRIVED", "created", OUTPUT_TIME },
	{ "SIZE", "size", OUTPUT_SIZE },
	{ "STATE", "state", OUTPUT_TEXT },
	{ "TRIES", "attempts", OUTPUT_NUMBER },
	{ "NEXT TRY", "next_attempt", OUTPUT_TIME },
	{ "FROM", "sender", OUTPUT_TEXT },
	{ "TO", "recipients", OUTPUT_LIST },
	{ "WHY", "reason", OUTPUT_TEXT },
};

static const struct output_column show_columns[] = {
	{ "Id", "id", OUTPUT_TEXT },
	{ "Trace", "trace", OUTPUT_TEXT },
	{ "From", "sender", OUTPUT_TEXT },
	{ "Submitted by", "login", OUTPUT_TEXT },
	{ "Size", "size", OUTPUT_SIZE },
	{ "Arrived", "created", OUTPUT_TIME },
	{ "Priority", "priority", OUTPUT_NUMBER },
	{ "State", "state", OUTPUT_TEXT },
	{ "Held", "hold", OUTPUT_TEXT },
	{ "Held for", "hold_text", OUTPUT_TEXT },
	{ "Held until", "hold_until", OUTPUT_TIME },
	{ "Deliver by", "deliver_by", OUTPUT_TIME },
	{ "Tries", "attempts", OUTPUT_NUMBER },
	{ "Next try", "next_attempt", OUTPUT_TIME },
	{ "Expires", "expires", OUTPUT_TIME },
};

static const struct output_column recipient_columns[] = {
	{ "RECIPIENT", "address", OUTPUT_TEXT },
	{ "STATE", "state", OUTPUT_TEXT },
	{ "DESTINATION", "destination", OUTPUT_TEXT },
	{ "TRIES", "attempts", OUTPUT_NUMBER },
	{ "NEXT TRY", "next_attempt", OUTPUT_TIME },
	{ "LAST ANSWER", "text", OUTPUT_TEXT },
};

static const struct output_column lane_columns[] = {
	{ "DESTINATION", "destination", OUTPUT_TEXT },
	{ "KIND", "kind", OUTPUT_TEXT },
	{ "WAITING", "waiting", OUTPUT_NUMBER },
	{ "RUNNING", "running", OUTPUT_NUMBER },
	{ "PLACES", "places", OUTPUT_NUMBER },
	{ "FAILURES", "failures", OUTPUT_NUMBER },
	{ "NEXT TRY", "next_attempt", OUTPUT_TIME },
	{ "WHY", "reason", OUTPUT_TEXT },
};

/* ---- list ---- */

/* The filters that were given, as a query. NULL: memory is out. */
static const char *list_path(struct cli *cli)
{
	static const struct {
		const char *option, *param;
	} filters[] = { { "--from", "from" },   { "--to", "to" },       { "--domain", "domain" },
		        { "--login", "login" }, { "--state", "state" }, { "--hold", "hold" } };
	const char *path = "/queue?limit=1000";

	for (size_t i = 0; path && i < ARRAY_SIZE(filters); i++) {
		const char *value = cli_option(cli, filters[i].option);

		if (value)
			path = arena_printf(cli->arena, "%s&%s=%s", path, filters[i].param,
			                    client_segment(cli, value));
	}
	return path;
}

/* Page after page; the queue goes on with its work in between. */
static int run_list(struct cli *cli)
{
	const char *path = list_path(cli);

	if (!path)
		return cli_fail_with(cli, POD_E_NOMEM, NULL, "queue");
	return show_list(cli, path, "messages", list_columns, ARRAY_SIZE(list_columns));
}

static int run_lanes(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "GET", "/queue/lanes", NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_rows(cli, lane_columns, ARRAY_SIZE(lane_columns), json_object_get(answer, "lanes"), answer);
	json_decref(answer);
	return status;
}

static const struct output_column safety_columns[] = {
	{ "VOLUME", "volume", OUTPUT_TEXT },  { "MESSAGES", "messages", OUTPUT_NUMBER },
	{ "BYTES", "bytes", OUTPUT_SIZE },    { "OLDEST", "oldest", OUTPUT_TIME },
	{ "SAFE UNTIL", "safe_until", OUTPUT_TIME }, { "STATE", "state", OUTPUT_TEXT },
};

static int run_safetynet(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "GET", "/queue/safetynet", NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_rows(cli, safety_columns, ARRAY_SIZE(safety_columns), json_object_get(answer, "volumes"), answer);
	json_decref(answer);
	return status;
}

/* ---- one message ---- */

static int run_show(struct cli *cli)
{
	json_t *answer;
	int status;

	if (cli_option(cli, "--message"))
		return queue_show_message(cli);
	if (queue_call(cli, "GET", cli->args[0], "", &answer) < 0)
		return cli_fail(cli);
	status = output_object(cli, show_columns, ARRAY_SIZE(show_columns), answer);
	if (status == CLI_OK && cli->format == CLI_TABLE) {
		(void) fputc('\n', stdout);
		status = output_rows(cli, recipient_columns, ARRAY_SIZE(recipient_columns),
		                     json_object_get(answer, "details"), answer);
	}
	json_decref(answer);
	return status;
}

/* Asks for what is done to one message, and says that it is. */
static int act(struct cli *cli, const char *method, const char *what, const char *done)
{
	json_t *answer;
	int status;

	if (queue_call(cli, method, cli->args[0], what, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "%s %s", cli->args[0], done);
	json_decref(answer);
	return status;
}

static int run_hold(struct cli *cli)
{
	const char *text = cli_option(cli, "--reason"), *duration = cli_option(cli, "--for");
	const char *what = arena_printf(cli->arena, "/hold?text=%s", client_segment(cli, text ? text : ""));
	uint64_t s = 0;

	if (duration && duration_parse(span_of(duration), &s, &cli->err) < 0)
		return cli_fail(cli);
	if (what && duration)
		what = arena_printf(cli->arena, "%s&until=%lld", what, (long long) time(NULL) + (long long) s);
	return what ? act(cli, "POST", what, "is held.") : cli_fail_with(cli, POD_E_NOMEM, NULL, "queue");
}

static int run_release(struct cli *cli)
{
	return act(cli, "POST", "/release", "is released.");
}

static int run_remove(struct cli *cli)
{
	return act(cli, "DELETE", "", "is removed from the queue.");
}

/* ---- trying again ---- */

static int retry_many(struct cli *cli, const char *path)
{
	json_t *answer;
	int status;

	if (!path)
		return cli_fail_with(cli, POD_E_NOMEM, NULL, "queue");
	if (client_call(cli, "POST", path, NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "%lld messages are tried again now.",
	                     (long long) json_integer_value(json_object_get(answer, "retried")));
	json_decref(answer);
	return status;
}

static int run_retry(struct cli *cli)
{
	bool all = cli_option(cli, "--all") != NULL;

	if (all == (cli->args_n == 1))
		return cli_fail_with(cli, POD_E_SYNTAX, NULL, "which? give the ID of a message, or --all");
	return all ? retry_many(cli, "/queue/retry") : act(cli, "POST", "/retry", "is tried again now.");
}

static int run_flush(struct cli *cli)
{
	return retry_many(cli, arena_printf(cli->arena, "/queue/flush?domain=%s", client_segment(cli, cli->args[0])));
}

static const struct command_option list_options[] = {
	{ "--from", "TEXT", "Only those whose sender contains it; <> is the empty one." },
	{ "--to", "TEXT", "Only those with a recipient that contains it." },
	{ "--domain", "DOMAIN", "Only those with a recipient in the domain." },
	{ "--login", "ADDRESS", "Only those that this user submitted." },
	{ "--state", "STATE", "Only those that are held, active, waiting (for a volume) or outbound." },
	{ "--hold", "REASON", "Only those held for it: undo, quarantine, admin or future." },
	{ NULL, NULL, NULL },
};

static const struct command_option show_options[] = {
	{ "--message", NULL, "The message itself: the first 64 KiB of it." },
	{ NULL, NULL, NULL },
};

static const struct command_option retry_options[] = {
	{ "--all", NULL, "All messages that wait." },
	{ NULL, NULL, NULL },
};

static const struct command_option hold_options[] = {
	{ "--reason", "TEXT", "Why, for people." },
	{ "--for", "DURATION", "It is released after so long: 2h, 1d. Default: when somebody does." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "list", "", 0, 0, "Lists the messages that wait.",
	  "Mail waits where a volume or another server does not answer or asks for it to come later, or while it is "
	  "held.",
	  list_options, run_list },
	{ "lanes", "", 0, 0, "Lists destinations, and how they do.",
	  "A destination is another domain, or a volume of the pod. PLACES is how many messages it is given at once, "
	  "which adapts to what it bears; one that does not answer is probed with one message.",
	  NULL, run_lanes },
	{ "safetynet", "", 0, 0, "Shows which delivered messages are kept until a standby has them.",
	  "Messages delivered to a volume whose standby is asynchronous, or not in sync, are kept until the standby has them. "
	  "When it is promoted without, they are delivered again; the store takes each once. SAFE UNTIL is the moment up to "
	  "which the standbys have everything.",
	  NULL, run_safetynet },
	{ "show", "ID", 1, 1, "Shows a message of the queue.", "ID is the queue's, or the trace id.", show_options,
	  run_show },
	{ "retry", "[ID]", 0, 1, "Tries to deliver a message now.", NULL, retry_options, run_retry },
	{ "flush", "DESTINATION", 1, 1, "Tries all messages to a domain or volume now.", NULL, NULL, run_flush },
	{ "hold", "ID", 1, 1, "Holds a message: it is not tried until it is released.",
	  "An attempt that is under way comes to its end. A message that is held does not expire.", hold_options,
	  run_hold },
	{ "release", "ID", 1, 1, "Ends a hold, whatever it was for.", NULL, NULL, run_release },
	{ "remove", "ID", 1, 1, "Throws a message away; its sender is told nothing.", NULL, NULL,
	  run_remove },
};

const struct command_group command_queue = { "queue", "Mail that waits to be delivered.", commands,
	                                     ARRAY_SIZE(commands) };
