#include "podctl/queue_calls.h"

#include "podctl/client.h"
#include "podctl/output.h"

int queue_call(struct cli *cli, const char *method, const char *id, const char *what, json_t **ret_answer)
{
	const char *path = arena_printf(cli->arena, "/queue/%s%s", client_segment(cli, id), what);

	return path ? client_call(cli, method, path, NULL, ret_answer)
	            : err_set(&cli->err, POD_E_NOMEM, "message %s", id);
}

int queue_show_message(struct cli *cli)
{
	json_t *answer;

	if (queue_call(cli, "GET", cli->args[0], "/message", &answer) < 0)
		return cli_fail(cli);
	if (cli->format == CLI_TABLE) {
		const json_t *text = json_object_get(answer, "text");

		(void) fwrite(json_string_value(text), 1, json_string_length(text), stdout);
		if (json_is_true(json_object_get(answer, "cut")))
			(void) fputs("\n[the rest is not shown]\n", stdout);
	} else {
		output_json(answer);
	}
	json_decref(answer);
	return CLI_OK;
}
