/* Messages that filters hold back: those of the queue whose hold is a quarantine. */
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/duration.h"
#include "podctl/output.h"
#include "podctl/queue_calls.h"

static const struct output_column list_columns[] = {
	{ "ID", "id", OUTPUT_TEXT },
	{ "ARRIVED", "created", OUTPUT_TIME },
	{ "UNTIL", "hold_until", OUTPUT_TIME },
	{ "SIZE", "size", OUTPUT_SIZE },
	{ "FROM", "sender", OUTPUT_TEXT },
	{ "TO", "recipients", OUTPUT_LIST },
	{ "WHY", "hold_text", OUTPUT_TEXT },
};

static const struct output_column show_columns[] = {
	{ "Id", "id", OUTPUT_TEXT },         { "Trace", "trace", OUTPUT_TEXT },
	{ "From", "sender", OUTPUT_TEXT },   { "To", "recipients", OUTPUT_LIST },
	{ "Size", "size", OUTPUT_SIZE },     { "Arrived", "created", OUTPUT_TIME },
	{ "Why", "hold_text", OUTPUT_TEXT }, { "Thrown away", "hold_until", OUTPUT_TIME },
};

/* ---- which ---- */

static const char *list_path(struct cli *cli)
{
	const char *from = cli_option(cli, "--from"), *to = cli_option(cli, "--to");
	const char *path = "/queue?limit=1000&hold=quarantine";

	if (from)
		path = arena_printf(cli->arena, "%s&from=%s", path, client_segment(cli, from));
	if (path && to)
		path = arena_printf(cli->arena, "%s&to=%s", path, client_segment(cli, to));
	return path;
}

/* Removes from the list what arrived before --since. */
static int keep_since(struct cli *cli, json_t *messages)
{
	const char *since = cli_option(cli, "--since");
	uint64_t s = 0;

	if (since && duration_parse(span_of(since), &s, &cli->err) < 0)
		return -POD_E_SYNTAX;
	for (size_t i = json_array_size(messages); since && i-- > 0;)
		if (json_integer_value(json_object_get(json_array_get(messages, i), "created")) <
		    time(NULL) - (json_int_t) s)
			(void) json_array_remove(messages, i);
	return 0;
}

/* The messages that the options mean; the caller's to json_decref. */
static int find(struct cli *cli, json_t **ret_answer)
{
	const char *path = list_path(cli);
	int r = path ? client_list(cli, path, "messages", ret_answer)
	             : err_set(&cli->err, POD_E_NOMEM, "quarantine");

	if (r < 0)
		return r;
	r = keep_since(cli, json_object_get(*ret_answer, "messages"));
	if (r < 0)
		json_decref(*ret_answer);
	return r;
}

static int run_list(struct cli *cli)
{
	json_t *answer;
	int status;

	if (find(cli, &answer) < 0)
		return cli_fail(cli);
	status = output_rows(cli, list_columns, ARRAY_SIZE(list_columns), json_object_get(answer, "messages"),
	                     answer);
	json_decref(answer);
	return status;
}

/* ---- one ---- */

/* The queue holds other mail, too, that is none of these commands' business. */
static int get(struct cli *cli, const char *id, json_t **ret_answer)
{
	const char *hold;
	int r = queue_call(cli, "GET", id, "", ret_answer);

	if (r < 0)
		return r;
	hold = json_string_value(json_object_get(*ret_answer, "hold"));
	if (hold && strcmp(hold, "quarantine") == 0)
		return 0;
	json_decref(*ret_answer);
	cli->hint = "podctl quarantine list";
	return err_set(&cli->err, POD_E_NOTFOUND, "%s is not in the quarantine", id);
}

static int run_show(struct cli *cli)
{
	json_t *answer;
	int status;

	if (get(cli, cli->args[0], &answer) < 0)
		return cli_fail(cli);
	status = cli_option(cli, "--message")
	                 ? queue_show_message(cli)
	                 : output_object(cli, show_columns, ARRAY_SIZE(show_columns), answer);
	json_decref(answer);
	return status;
}

/* ---- release and delete: those that are named, or those that the options mean ---- */

static bool has_filter(const struct cli *cli)
{
	return cli_option(cli, "--from") || cli_option(cli, "--to") || cli_option(cli, "--since");
}

static int act_on(struct cli *cli, const char *method, const char *what, const char *id, json_t *done)
{
	json_t *answer;
	int r = queue_call(cli, method, id, what, &answer);

	if (r < 0)
		return r;
	json_decref(answer);
	return json_array_append_new(done, json_string(id)) < 0
	               ? err_set(&cli->err, POD_E_NOMEM, "quarantine")
	               : 0;
}

static int act_on_named(struct cli *cli, const char *method, const char *what, json_t *done)
{
	json_t *answer;
	int r = 0;

	for (size_t i = 0; r == 0 && i < cli->args_n; i++) {
		r = get(cli, cli->args[i], &answer);
		if (r < 0)
			break;
		r = act_on(cli, method, what, json_string_value(json_object_get(answer, "id")), done);
		json_decref(answer);
	}
	return r;
}

static int act_on_found(struct cli *cli, const char *method, const char *what, json_t *done)
{
	json_t *answer, *message;
	size_t i;
	int r = find(cli, &answer);

	if (r < 0)
		return r;
	json_array_foreach(json_object_get(answer, "messages"), i, message)
	{
		r = act_on(cli, method, what, json_string_value(json_object_get(message, "id")), done);
		if (r < 0)
			break;
	}
	json_decref(answer);
	return r;
}

static int act(struct cli *cli, const char *method, const char *what, const char *word)
{
	json_t *done = json_array(), *answer;
	int status, r;

	if (has_filter(cli) == (cli->args_n > 0)) {
		json_decref(done);
		return cli_fail_with(cli, POD_E_SYNTAX, NULL, "which? give IDs, or --from, --to or --since");
	}
	r = cli->args_n ? act_on_named(cli, method, what, done) : act_on_found(cli, method, what, done);
	if (r < 0) {
		json_decref(done);
		return cli_fail(cli);
	}
	answer = json_pack("{s:o}", word, done);
	status = output_done(cli, answer, "%zu messages %s.", json_array_size(done), word);
	json_decref(answer);
	return status;
}

static int run_release(struct cli *cli)
{
	return act(cli, "POST", "/release", "released");
}

static int run_delete(struct cli *cli)
{
	return act(cli, "DELETE", "", "deleted");
}

#define FILTERS                                                                       \
	{ "--from", "TEXT", "Those whose sender contains it; <> is the empty one." }, \
		{ "--to", "TEXT", "Those with a recipient that contains it." },       \
	{                                                                             \
		"--since", "DURATION", "Those that arrived in that time: 2h, 1d."     \
	}

static const struct command_option filters[] = { FILTERS, { NULL, NULL, NULL } };
static const struct command_option show_options[] = {
	{ "--message", NULL, "The message itself: the first 64 KiB of it." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "list", "", 0, 0, "Lists the messages that are held back.",
	  "Filters put them there: podfilter (filter.quarantine_score, filter.banned_action) and other "
	  "milters. They are thrown "
	  "away after mta.quarantine_lifetime.",
	  filters, run_list },
	{ "show", "ID", 1, 1, "Shows one of them.", "ID is the queue's, or the trace id.", show_options,
	  run_show },
	{ "release", "[ID...]", 0, COMMAND_ARGS_MANY, "Delivers messages after all.",
	  "Those that are named, or all that the options mean.", filters, run_release },
	{ "delete", "[ID...]", 0, COMMAND_ARGS_MANY, "Throws messages away; their senders are told nothing.",
	  "Those that are named, or all that the options mean.", filters, run_delete },
};

const struct command_group command_quarantine = { "quarantine", "Mail that filters hold back.", commands,
	                                          ARRAY_SIZE(commands) };
