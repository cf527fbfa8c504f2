/*
 * What comes over a replica's control socket: lines, in the pieces that it comes in (the first byte says how
 * large they are), of requests, as far as they are read without a replica: JSON, the command, its fields, a
 * peer's settings.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "replicator/plugin/control_internal.h"

static void check_refusal(int r, const struct err *err)
{
	json_t *json = control_request_refused(r, err);
	_cleanup_(freep) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	/* Whatever was quoted of the request, the answer is one line. */
	if (!text || strchr(text, '\n'))
		abort();
	json_decref(json);
}

static void check_peer(const struct control_request *q)
{
	struct peer_config p;
	struct err err = { 0 };
	int r = control_peer_config(q, &p, &err);

	if (r < 0)
		check_refusal(r, &err);
	else if (strcmp(p.name, q->name) != 0 || strlen(p.address) >= sizeof(p.address) ||
	         strcmp(control_peer_mode_name(p.mode), q->mode) != 0)
		abort();
}

static int on_line(void *arg, struct span line, struct err *unused)
{
	const struct control_command *command = NULL;
	struct control_request q;
	struct err err = { 0 };
	json_t *json = NULL;
	int r = control_request_read(line, &json, &command, &q, &err);

	(void) unused;
	*(size_t *) arg += 1;
	if (r < 0) {
		check_refusal(r, &err);
		return 0;
	}
	if (strcmp(command->name, json_string_value(json_object_get(json, "do"))) != 0)
		abort();
	if (strcmp(command->name, "peer_set") == 0)
		check_peer(&q);
	json_decref(json);
	return 0;
}

static size_t count_lines(const uint8_t *data, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += data[i] == '\n';
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t buffer[CONTROL_LINE_MAX];
	size_t piece = len > 0 ? 1 + (size_t) data[0] * 16 : 1, have = 0, lines = 0;

	for (size_t at = 1; at < len;) {
		size_t n = len - at < piece ? len - at : piece;

		n = n < sizeof(buffer) - have ? n : sizeof(buffer) - have;
		memcpy(buffer + have, data + at, n);
		have += n;
		at += n;
		if (control_lines_take(buffer, &have, on_line, &lines, NULL) < 0)
			return 0; /* the connection ends: a line was too long */
	}
	if (len > 0 && lines != count_lines(data + 1, len - 1))
		abort();
	return 0;
}
