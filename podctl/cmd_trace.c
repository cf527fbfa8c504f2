#include <stdlib.h>

#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"

static void print_event(const json_t *event)
{
	const char *line = json_string_value(json_object_get(event, "line")), *name;
	json_t *fields = json_object_get(event, "fields"), *value;

	if (line) {
		(void) printf("%s\n", line);
		return;
	}
	(void) printf("%s  %-8s %-20s", json_string_value(json_object_get(event, "time")) ?: "",
	              json_string_value(json_object_get(event, "program")) ?: "",
	              json_string_value(json_object_get(event, "event")) ?: "");
	json_object_foreach(fields, name, value)
	{
		char *text = json_dumps(value, JSON_ENCODE_ANY);

		if (text)
			(void) printf(" %s=%s", name,
			              json_is_string(value) ? json_string_value(value) : text);
		free(text);
	}
	(void) fputc('\n', stdout);
}

static int run_trace(struct cli *cli)
{
	json_t *answer, *event;
	size_t i;

	if (client_call(cli, "GET", arena_printf(cli->arena, "/trace/%s", client_segment(cli, cli->args[0])),
	                NULL, &answer) < 0)
		return cli_fail(cli);
	if (cli->format == CLI_JSON)
		output_json(answer);
	else
		json_array_foreach(json_object_get(answer, "events"), i, event) print_event(event);
	json_decref(answer);
	return CLI_OK;
}

static const struct command commands[] = {
	{ "", "ID", 1, 1, "Shows the way of one message through the pod.",
	  "The id is in the answer to who sent the message (\"250 2.0.0 Ok id=ID\"), in its Received field, "
	  "and in the log as "
	  "trace=ID.",
	  NULL, run_trace },
};

const struct command_group command_trace = { "trace", "The way of one message through the pod.", commands,
	                                     1 };
