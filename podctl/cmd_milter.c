#include <string.h>

#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"

/* clang-format off */
static const struct output_column list_columns[] = {
	{ "LISTENER", "listener", OUTPUT_TEXT },
	{ "MILTER", "name", OUTPUT_TEXT },
	{ "SOCKET", "socket", OUTPUT_TEXT },
	{ "ON FAILURE", "on_failure", OUTPUT_TEXT },
	{ "ANSWERS", "answers", OUTPUT_NUMBER },
	{ "MEAN MS", "mean_ms", OUTPUT_TEXT },
	{ "REFUSALS", "refusals", OUTPUT_NUMBER },
	{ "DISCARDS", "discards", OUTPUT_NUMBER },
	{ "FAILURES", "failures", OUTPUT_NUMBER },
};
static const struct output_column test_columns[] = {
	{ "LISTENER", "listener", OUTPUT_TEXT },
	{ "MILTER", "name", OUTPUT_TEXT },
	{ "STATE", "state", OUTPUT_TEXT },
	{ "VERSION", "version", OUTPUT_NUMBER },
	{ "MS", "ms", OUTPUT_TEXT },
	{ "ACTIONS", "actions", OUTPUT_LIST },
	{ "STEPS", "steps", OUTPUT_LIST },
	{ "MACROS", "macros", OUTPUT_LIST },
};
/* clang-format on */

static const char *milliseconds(struct cli *cli, json_int_t us)
{
	return arena_printf(cli->arena, "%.1f", (double) us / 1000);
}

static json_t *entries_of(const json_t *answer)
{
	return json_object_get(answer, "milters");
}

/* ---- list ---- */

static void add_mean(struct cli *cli, json_t *entry)
{
	json_int_t answers = json_integer_value(json_object_get(entry, "answers"));
	json_int_t us = json_integer_value(json_object_get(entry, "waited_us"));

	if (answers)
		(void) json_object_set_new(entry, "mean_ms", json_string(milliseconds(cli, us / answers)));
}

static int run_list(struct cli *cli)
{
	json_t *answer, *rows, *entry;
	size_t i;
	int status;

	if (client_call(cli, "GET", "/milters", NULL, &answer) < 0)
		return cli_fail(cli);
	rows = json_deep_copy(entries_of(answer));
	json_array_foreach(rows, i, entry)
	{
		add_mean(cli, entry);
	}
	status = output_rows(cli, list_columns, ARRAY_SIZE(list_columns), rows, answer);
	json_decref(rows);
	json_decref(answer);
	return status;
}

/* ---- test ---- */

/* {"mail": "i {auth_authen}"} as ["mail: i {auth_authen}"]. */
static json_t *macros_rows(struct cli *cli, json_t *macros)
{
	json_t *rows = json_array(), *list;
	const char *step;

	json_object_foreach(macros, step, list)
	{
		(void) json_array_append_new(
			rows, json_string(arena_printf(cli->arena, "%s: %s", step, json_string_value(list))));
	}
	return rows;
}

static bool is_fine(const json_t *entry)
{
	return json_is_true(json_object_get(json_object_get(entry, "test"), "ok"));
}

static json_t *test_row(struct cli *cli, const json_t *entry)
{
	const json_t *test = json_object_get(entry, "test");

	if (!is_fine(entry))
		return json_pack("{s:O, s:O, s:O}", "listener", json_object_get(entry, "listener"), "name",
		                 json_object_get(entry, "name"), "state", json_object_get(test, "error"));
	return json_pack("{s:O, s:O, s:s, s:O, s:s, s:O, s:O, s:o}", "listener",
	                 json_object_get(entry, "listener"), "name", json_object_get(entry, "name"), "state",
	                 "fine", "version", json_object_get(test, "version"), "ms",
	                 milliseconds(cli, json_integer_value(json_object_get(test, "connect_us")) +
	                                           json_integer_value(json_object_get(test, "answer_us"))),
	                 "actions", json_object_get(test, "actions"), "steps", json_object_get(test, "steps"),
	                 "macros", macros_rows(cli, json_object_get(test, "macros")));
}

/* Entries of another name than the one asked for go. Whether there are any, and all of them are fine. */
static void keep_only(json_t *entries, const char *name)
{
	for (size_t i = json_array_size(entries); name && i-- > 0;)
		if (strcmp(json_string_value(json_object_get(json_array_get(entries, i), "name")), name) != 0)
			(void) json_array_remove(entries, i);
}

static int show_test(struct cli *cli, const json_t *entry)
{
	json_t *row = test_row(cli, entry);
	int status = output_object(cli, test_columns, ARRAY_SIZE(test_columns), row);

	json_decref(row);
	return status;
}

static int show_tests(struct cli *cli, const json_t *answer)
{
	bool all_fine = true;
	int status = CLI_OK;
	json_t *entry;
	size_t i;

	if (cli->format == CLI_JSON)
		output_json(answer);
	json_array_foreach(entries_of(answer), i, entry)
	{
		all_fine &= is_fine(entry);
		if (cli->format == CLI_JSON)
			continue;
		if (i)
			(void) putchar('\n');
		status = status == CLI_OK ? show_test(cli, entry) : status;
	}
	return status == CLI_OK && !all_fine ? CLI_FAILED : status;
}

static int run_test(struct cli *cli)
{
	const char *name = cli->args_n ? cli->args[0] : NULL;
	json_t *answer;
	int status;

	if (client_call(cli, "GET", "/milters?test=1", NULL, &answer) < 0)
		return cli_fail(cli);
	keep_only(entries_of(answer), name);
	if (name && json_array_size(entries_of(answer)) == 0)
		status = cli_fail_with(cli, POD_E_NOTFOUND, "podctl milter list shows them",
		                       "no milter is called %s", name);
	else
		status = show_tests(cli, answer);
	json_decref(answer);
	return status;
}

static const struct command commands[] = {
	{ "list", "", 0, 0, "Shows which milters each listener asks, in their order, and how they did.",
	  "Counted since the mta's files of metrics were made: steps that were answered, the mean time until "
	  "an answer, "
	  "answers that refuse and that discard, and times it could not be asked, did not answer or broke "
	  "the protocol. "
	  "podfilter, which is the pod's own, comes last.",
	  NULL, run_list },
	{ "test", "[NAME]", 0, 1, "Connects to the milters, or to one, and shows what was agreed.",
	  "The version of the protocol, how a milter may change messages (actions), what it does not want, "
	  "does not answer "
	  "and understands (steps), which macros it asked for, and the time until its answer. The mta itself "
	  "asks, with "
	  "its own rights, on a connection of its own; sessions under way notice nothing. Status 1 where one "
	  "of them is "
	  "not fine.",
	  NULL, run_test },
};

const struct command_group command_milter = { "milter", "Filters of others that look at mail.", commands,
	                                      ARRAY_SIZE(commands) };
