#include <string.h>

#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"

static const struct output_column show_columns[] = {
	{ "DOMAIN", "domain", OUTPUT_TEXT }, { "MESSAGES", "messages", OUTPUT_NUMBER },
	{ "POLICY", "p", OUTPUT_TEXT },      { "REPORTS TO", "rua", OUTPUT_TEXT },
	{ "SENT", "sent", OUTPUT_YESNO },
};

static const struct output_column report_columns[] = {
	{ "DOMAIN", "domain", OUTPUT_TEXT },
	{ "MESSAGES", "messages", OUTPUT_NUMBER },
	{ "TO", "address", OUTPUT_TEXT },
	{ "REPORT", "status", OUTPUT_TEXT },
};

static int run_show(struct cli *cli)
{
	const char *date = cli_option(cli, "--date");
	const char *path = arena_printf(cli->arena, "/dmarc%s%s", date ? "?date=" : "",
	                                date ? client_segment(cli, date) : "");
	json_t *answer, *rows, *row;
	int status;
	size_t i;

	if (client_call(cli, "GET", path, NULL, &answer) < 0)
		return cli_fail(cli);
	rows = json_deep_copy(json_object_get(answer, "domains"));
	json_array_foreach(rows, i, row)(void) json_object_update(row, json_object_get(row, "policy"));
	status = output_rows(cli, show_columns, ARRAY_SIZE(show_columns), rows, answer);
	json_decref(rows);
	json_decref(answer);
	return status;
}

/* A line for each address. */
static json_t *flatten(const json_t *domains)
{
	json_t *rows = json_array(), *domain, *to;
	size_t i, k;

	json_array_foreach(domains, i, domain)
	{
		json_array_foreach(json_object_get(domain, "to"), k, to)
		{
			json_t *row = json_copy(to);

			(void) json_object_set(row, "domain", json_object_get(domain, "domain"));
			(void) json_object_set(row, "messages", json_object_get(domain, "messages"));
			(void) json_array_append_new(rows, row);
		}
	}
	return rows;
}

static int run_report(struct cli *cli)
{
	json_t *body = json_pack("{s:s*, s:b}", "date", cli_option(cli, "--date"), "again",
	                         cli_option(cli, "--again") != NULL);
	json_t *answer, *rows;
	int status;

	if (client_call(cli, "POST", "/dmarc/report", body, &answer) < 0)
		return cli_fail(cli);
	rows = flatten(json_object_get(answer, "domains"));
	if (json_array_size(rows) == 0)
		cli_note(cli, "No domain is owed a report for %s.",
		         json_string_value(json_object_get(answer, "date")));
	status = output_rows(cli, report_columns, ARRAY_SIZE(report_columns), rows, answer);
	json_decref(rows);
	json_decref(answer);
	return status;
}

static const struct command_option show_options[] = {
	{ "--date", "DATE", "A day in UTC, such as 2026-11-26. Default: today." },
	{ NULL, NULL, NULL },
};

static const struct command_option report_options[] = {
	{ "--date", "DATE", "A day in UTC. Default: yesterday. Two weeks are kept." },
	{ "--again", NULL, "Also reports that have gone out already." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "report", "", 0, 0, "Sends the aggregate reports of a day now.",
	  "This happens by itself each night, unless auth.dmarc_reports is no.", report_options, run_report },
	{ "show", "", 0, 0,
	  "Lists the domains that want reports of a day, and how much mail claimed to be theirs.", NULL,
	  show_options, run_show },
};

const struct command_group command_dmarc = { "dmarc", "Reports to domains on mail that claims to be theirs.",
	                                     commands, ARRAY_SIZE(commands) };
