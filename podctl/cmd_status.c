#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"

static const struct output_column columns[] = {
	{ "PROCESS", "name", OUTPUT_TEXT },        { "STATE", "state", OUTPUT_TEXT },
	{ "FOR", "since_s", OUTPUT_SPAN },         { "PID", "pid", OUTPUT_NUMBER },
	{ "RESTARTS", "restarts", OUTPUT_NUMBER }, { "LAST END", "last_end", OUTPUT_TEXT },
};

static void print_head(const json_t *s)
{
	const char *name;
	json_t *e;

	(void) printf("Pod %s (%s) in %s, podd %lld\n", json_string_value(json_object_get(s, "pod")),
	              json_string_value(json_object_get(s, "domain")),
	              json_string_value(json_object_get(s, "dir")),
	              (long long) json_integer_value(json_object_get(s, "pid")));
	json_object_foreach(json_object_get(s, "endpoints"), name, e)(void)
		printf("  %-12s %s port %lld\n", name, json_string_value(json_object_get(e, "host")),
	               (long long) json_integer_value(json_object_get(e, "port")));
	(void) fputc('\n', stdout);
}

static int run_status(struct cli *cli)
{
	bool ready;
	json_t *answer;
	int status;

	if (client_call(cli, "GET", "/status", NULL, &answer) < 0)
		return cli_fail(cli);
	ready = json_is_true(json_object_get(answer, "ready"));
	if (cli->format == CLI_TABLE && !cli->quiet)
		print_head(answer);
	status = output_rows(cli, columns, ARRAY_SIZE(columns), json_object_get(answer, "processes"), answer);
	json_decref(answer);
	return status != CLI_OK || ready ? status : CLI_FAILED;
}

static const struct command commands[] = {
	{ "", "", 0, 0, "Shows the pod's processes and where they listen.",
	  "Ends with status 0 where every process is ready, 1 where one is not, 5 where the pod does not "
	  "run.",
	  NULL, run_status },
};

const struct command_group command_status = { "status", "The pod's processes and where they listen.",
	                                      commands, 1 };
