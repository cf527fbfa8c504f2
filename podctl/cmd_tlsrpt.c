#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"

/* clang-format off */
static const struct output_column columns[] = {
	{ "DOMAIN", "domain", OUTPUT_TEXT },
	{ "POLICY", "policy", OUTPUT_TEXT },
	{ "GOOD", "good", OUTPUT_NUMBER },
	{ "FAILED", "failed", OUTPUT_NUMBER },
	{ "WHY", "why", OUTPUT_LIST },
};
/* clang-format on */

/* A policy of the report as a row of the table. */
static json_t *row_of(const char *domain, const json_t *policy)
{
	const json_t *summary = json_object_get(policy, "summary");
	json_t *why = json_array(), *failure;
	size_t i;

	json_array_foreach(json_object_get(policy, "failure-details"), i, failure)
	{
		(void) json_array_append(why, json_object_get(failure, "result-type"));
	}
	return json_pack("{s:s, s:O, s:O, s:O, s:o}", "domain", domain, "policy",
	                 json_object_get(json_object_get(policy, "policy"), "policy-type"), "good",
	                 json_object_get(summary, "total-successful-session-count"), "failed",
	                 json_object_get(summary, "total-failure-session-count"), "why", why);
}

static json_t *rows_of(const json_t *answer)
{
	json_t *rows = json_array(), *domain, *policy;
	size_t i, k;

	json_array_foreach(json_object_get(answer, "domains"), i, domain)
	{
		const char *name = json_string_value(json_object_get(domain, "domain"));

		json_array_foreach(json_object_get(domain, "policies"), k, policy)
		{
			(void) json_array_append_new(rows, row_of(name, policy));
		}
	}
	return rows;
}

static const char *path_of(struct cli *cli, const char *path)
{
	const char *day = cli_option(cli, "--day");

	return day ? arena_printf(cli->arena, "%s?day=%s", path, client_segment(cli, day)) : path;
}

static int run_show(struct cli *cli)
{
	json_t *answer, *rows;
	int status;

	if (client_call(cli, "GET", path_of(cli, "/tlsrpt"), NULL, &answer) < 0)
		return cli_fail(cli);
	rows = rows_of(answer);
	status = output_rows(cli, columns, ARRAY_SIZE(columns), rows, answer);
	json_decref(rows);
	json_decref(answer);
	return status;
}

static int run_send(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "POST", path_of(cli, "/tlsrpt/send"), NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(
		cli, answer, "%s: %lld of %lld domains ask for reports; %lld sent, %lld failed%s.",
		json_string_value(json_object_get(answer, "day")),
		(long long) json_integer_value(json_object_get(answer, "asked")),
		(long long) json_integer_value(json_object_get(answer, "domains")),
		(long long) json_integer_value(json_object_get(answer, "sent")),
		(long long) json_integer_value(json_object_get(answer, "failed")),
		json_is_true(json_object_get(answer, "running")) ? "; the others are on their way" : "");
	if (status == CLI_OK && json_integer_value(json_object_get(answer, "failed")) > 0)
		status = CLI_FAILED;
	json_decref(answer);
	return status;
}

static const struct command_option day_options[] = {
	{ "--day", "DATE", "A day of the last two weeks, in UTC, such as 2026-11-25." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "show", "", 0, 0, "Shows how TLS with other domains went on a day.",
	  "Without --day today's sessions, up to some seconds ago. --format json has what a report would "
	  "say.",
	  day_options, run_show },
	{ "send", "", 0, 0, "Sends a day's reports now, to all who ask for them.",
	  "Without --day yesterday's. They are sent every night by themselves (outbound.tls_reports); this "
	  "sends them again.",
	  day_options, run_send },
};

const struct command_group command_tlsrpt = { "tlsrpt", "Reports on TLS with other domains (RFC 8460).",
	                                      commands, ARRAY_SIZE(commands) };
