#include "podctl/podd/trace.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "mime/date.h"

bool trace_id_is_valid(const char *id)
{
	size_t len = strlen(id);

	return len > 0 && len <= 64 &&
	       strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
}

/* The length of a value in text form: a word, or a string in quotes with those inside escaped. */
static size_t value_len(struct span rest)
{
	size_t end = 1;

	if (rest.len == 0 || rest.p[0] != '"')
		return span_head(rest, span_find_byte(rest, ' ')).len;
	for (; end < rest.len && rest.p[end] != '"'; end++)
		if (rest.p[end] == '\\')
			end++;
	return end < rest.len ? end + 1 : rest.len;
}

static struct span unquoted(struct span value)
{
	bool quoted = value.len >= 2 && value.p[0] == '"';

	return quoted ? span_head(span_skip(value, 1), value.len - 2) : value;
}

/* TIME LEVEL PROGRAM[PID] EVENT name=value ..., field by field, so that nothing inside a value is taken for one. */
static bool text_field(struct span line, struct span name, struct span *ret_value)
{
	struct span rest = line;

	for (int i = 0; i < 4; i++)
		(void) span_split(rest, ' ', &rest);
	while (rest.len > 0) {
		struct span key = span_split(rest, '=', &rest), value = span_head(rest, value_len(rest));

		if (span_eq(key, name) && rest.p) {
			*ret_value = unquoted(value);
			return true;
		}
		rest = span_skip(rest, value.len + 1);
	}
	return false;
}

/* A quote inside a JSON string is escaped: ,"name":" occurs outside of one only. */
static bool json_field(struct span line, struct span name, struct span *ret_value)
{
	char prefix[64];
	size_t at;
	struct span rest;

	(void) snprintf(prefix, sizeof(prefix), ",\"" SPAN_FMT "\":\"", SPAN_ARG(name));
	at = span_find(line, span_of(prefix));
	if (at == SIZE_MAX)
		return false;
	rest = span_skip(line, at + strlen(prefix) - 1);
	*ret_value = unquoted(span_head(rest, value_len(rest)));
	return true;
}

bool trace_line_field(struct span line, const char *name, struct span *ret_value)
{
	return line.len > 0 && line.p[0] == '{' ? json_field(line, span_of(name), ret_value)
	                                        : text_field(line, span_of(name), ret_value);
}

int64_t trace_line_time_ms(struct span line)
{
	struct span time = span_split(line, ' ', &(struct span){ 0 });
	struct mail_date date;
	int64_t ms = 0;

	if (span_starts_nocase(line, SPAN_LIT("{\"time\":\"")))
		time = span_split(span_skip(line, strlen("{\"time\":\"")), '"', &(struct span){ 0 });
	if (date_parse_rfc3339(time, &date) < 0)
		return 0;
	for (size_t i = 20, unit = 100; i < 23 && i < time.len && ascii_is_digit(time.p[i]); i++, unit /= 10)
		ms += (int64_t) (unit * (size_t) (time.p[i] - '0'));
	return date.unix_s * 1000 + ms;
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
