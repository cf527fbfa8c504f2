#include "podctl/operation.h"

#include <poll.h>
#include <string.h>

#include "podctl/client.h"
#include "podctl/output.h"

#define LOOK_EVERY_MS 100

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

static double seconds_of(const json_t *operation)
{
	return (double) json_integer_value(json_object_get(operation, "took_ms")) / 1000;
}

static int code_of(const char *name)
{
	for (int code = 1; code < POD_E_END; code++)
		if (strcmp(err_code_name(code), name) == 0)
			return code;
	return POD_E_INTERNAL;
}

/* Names and the number of bytes change within a step: a remark is worth it when the step itself does. */
static void remark(struct cli *cli, const json_t *operation, char *last, size_t size)
{
	const char *step = text_of(operation, "step");
	size_t head = strcspn(step, ":");

	if (strncmp(step, last, head) == 0 && last[head] == '\0')
		return;
	(void) snprintf(last, size, "%.*s", (int) head, step);
	cli_note(cli, "%7.1f s  %s", seconds_of(operation), step);
}

static int finish(struct cli *cli, const char *volume, const json_t *operation)
{
	const json_t *error = json_object_get(operation, "error");

	if (error)
		return cli_fail_with(cli, code_of(text_of(error, "code")), NULL, "%s of %s to %s: %s",
		                     text_of(operation, "kind"), volume, text_of(operation, "to"),
		                     text_of(error, "message"));
	return output_done(cli, operation, "%s is served at %s now; the %s took %.1f s.", volume,
	                   text_of(operation, "to"), text_of(operation, "kind"), seconds_of(operation));
}

/* 1: it has ended. */
static int look(struct cli *cli, const char *path, json_int_t id, json_t **ret_operation)
{
	json_t *answer;
	int r = client_call(cli, "GET", path, NULL, &answer);

	if (r < 0)
		return r;
	*ret_operation = json_incref(json_object_get(answer, "operation"));
	json_decref(answer);
	if (json_integer_value(json_object_get(*ret_operation, "id")) != id) {
		json_decref(*ret_operation);
		return err_set(&cli->err, POD_E_CANCELLED, "another operation has taken its place");
	}
	return strcmp(text_of(*ret_operation, "state"), "running") != 0;
}

static int wait(struct cli *cli, const char *volume, json_int_t id)
{
	const char *path = arena_printf(cli->arena, "/volumes/%s/operation", client_segment(cli, volume));
	struct arena *whole_run = cli->arena, *turn = arena_create(1 << 20);
	char last[200] = "";
	json_t *operation = NULL;
	int r = path && turn ? 0 : err_set(&cli->err, POD_E_NOMEM, "operation"), status;

	while (r == 0) {
		cli->arena = turn; /* asking again and again must not fill the run's */
		r = look(cli, path, id, &operation);
		cli->arena = whole_run;
		arena_reset(turn);
		if (r == 0) {
			remark(cli, operation, last, sizeof(last));
			json_decref(operation);
			(void) poll(NULL, 0, LOOK_EVERY_MS);
		}
	}
	(void) arena_free(turn);
	if (r < 0)
		return cli_fail(cli);
	status = finish(cli, volume, operation);
	json_decref(operation);
	return status;
}

int operation_run(struct cli *cli, const char *volume, const char *path, json_t *body)
{
	json_int_t id;
	json_t *begun;

	if (client_call(cli, "POST", path, body, &begun) < 0)
		return cli_fail(cli);
	id = json_integer_value(json_object_get(begun, "id"));
	json_decref(begun);
	return wait(cli, volume, id);
}
