#include "podctl/podd/trace.h"

#include <string.h>

#include "base/cleanup.h"

bool trace_id_is_valid(const char *id)
{
	size_t len = strlen(id);

	return len > 0 && len <= 64 &&
	       strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
}

/* `prefix` ID `end`, where the id is followed by end or the line is over. */
static bool has_field(struct span line, struct span prefix, struct span id, uint8_t end)
{
	size_t at;

	while ((at = span_find(line, prefix)) != SIZE_MAX) {
		line = span_skip(line, at + prefix.len);
		if (span_eq(span_head(line, id.len), id) && (line.len == id.len || line.p[id.len] == end))
			return true;
	}
	return false;
}

bool trace_line_matches(struct span line, struct span id)
{
	/* Values with spaces or quotes are quoted with those escaped: neither form can occur inside a value.
	 */
	if (line.len > 0 && line.p[0] == '{')
		return has_field(line, SPAN_LIT(",\"trace\":\""), id, '"');
	return has_field(line, SPAN_LIT(" trace="), id, ' ');
}

/* ---- a line as JSON ---- */

/* Takes the value behind "name=": up to a space, or quoted with \\, \" and \uXXXX as JSON has them. */
static json_t *take_value(struct span *rest)
{
	size_t end = 0;
	json_t *value;

	if (rest->len == 0 || rest->p[0] != '"') {
		struct span word = span_split(*rest, ' ', rest);

		return json_stringn((const char *) word.p, word.len);
	}
	for (end = 1; end < rest->len && rest->p[end] != '"'; end++)
		if (rest->p[end] == '\\')
			end++;
	end = end < rest->len ? end + 1 : rest->len;
	value = json_loadb((const char *) rest->p, end, JSON_DECODE_ANY, NULL);
	if (!value) /* cut off in the middle */
		value = json_stringn((const char *) rest->p, end);
	*rest = span_skip(*rest, end + 1);
	return value;
}

static int take_fields(json_t *fields, struct span rest)
{
	while (rest.len > 0) {
		struct span name = span_split(rest, '=', &rest);
		json_t *value;

		if (!rest.p)
			return 0; /* "..." where the line was cut */
		value = take_value(&rest);
		if (!value || json_object_setn_new(fields, (const char *) name.p, name.len, value) < 0)
			return -POD_E_NOMEM;
	}
	return 0;
}

/* "mta[123]" */
static json_t *program_json(struct span who, int *ret_pid)
{
	struct span pid, name = span_split(who, '[', &pid);
	uint32_t number = 0;

	if (pid.len > 0)
		(void) span_to_u32(span_head(pid, pid.len - 1), &number);
	*ret_pid = (int) number;
	return json_stringn((const char *) name.p, name.len);
}

/* TIME LEVEL PROGRAM[PID] EVENT name=value ... (lib/base/log.c) */
static json_t *text_line_json(struct span line)
{
	struct span rest, time = span_split(line, ' ', &rest), level = span_split(rest, ' ', &rest),
			  who = span_split(rest, ' ', &rest), event = span_split(rest, ' ', &rest);
	json_t *fields = json_object(), *json, *program;
	int pid;

	if (!fields || event.len == 0 || take_fields(fields, rest) < 0) {
		json_decref(fields);
		return NULL;
	}
	program = program_json(who, &pid);
	json = json_pack("{ss%, ss%, so, si, ss%, so}", "time", time.p, time.len, "level", level.p, level.len,
	                 "program", program, "pid", pid, "event", event.p, event.len, "fields", fields);
	return json;
}

/* The JSON form has its fields beside the rest. */
static json_t *json_line_json(struct span line)
{
	static const char *const head[] = { "time", "level", "program", "pid", "event" };
	json_t *fields = json_loadb((const char *) line.p, line.len, 0, NULL), *json = json_object();

	if (!json_is_object(fields) || !json) {
		json_decref(fields);
		json_decref(json);
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(head); i++) {
		json_t *value = json_object_get(fields, head[i]);

		if (value && json_object_set(json, head[i], value) == 0)
			(void) json_object_del(fields, head[i]);
	}
	if (json_object_set_new(json, "fields", fields) == 0)
		return json;
	json_decref(json);
	return NULL;
}

json_t *trace_line_json(struct span line)
{
	json_t *json = line.len > 0 && line.p[0] == '{' ? json_line_json(line) : text_line_json(line);

	return json ? json : json_pack("{ss%}", "line", line.p, line.len);
}
