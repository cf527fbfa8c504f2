#include "podctl/output.h"

#include <stdarg.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "podctl/table.h"

void output_json(const json_t *json)
{
	(void) json_dumpf(json, stdout, JSON_INDENT(2));
	(void) fputc('\n', stdout);
}

void output_error(const struct err *err, const char *hint)
{
	json_t *json = json_pack("{s:{ss, ss, ss*}}", "error", "code", err_code_name(err->code), "message",
	                         err_text(err), "hint", hint);

	if (json)
		(void) json_dumpf(json, stderr, JSON_INDENT(2));
	(void) fputc('\n', stderr);
	json_decref(json);
}

/* ---- cells ---- */

static const char *size_text(struct arena *a, json_int_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = (double) bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1024;
		unit++;
	}
	return arena_printf(a, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static const char *time_text(struct arena *a, json_int_t seconds)
{
	time_t t = (time_t) seconds;
	struct tm tm;
	char text[64];

	if (seconds == 0 || !localtime_r(&t, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		return "never";
	return arena_str(a, span_of(text));
}

static const char *span_text(struct arena *a, json_int_t s)
{
	if (s < 60)
		return arena_printf(a, "%llds", s);
	if (s < 3600)
		return arena_printf(a, "%lldm %llds", s / 60, s % 60);
	if (s < 86400)
		return arena_printf(a, "%lldh %lldm", s / 3600, s % 3600 / 60);
	return arena_printf(a, "%lldd %lldh", s / 86400, s % 86400 / 3600);
}

static const char *list_text(struct arena *a, const json_t *list)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) buf_printf(&b, "%s%s", i ? ", " : "",
	                                             json_string_value(item) ? json_string_value(item) : "?");
	return arena_str(a, buf_span(&b));
}

static const char *cell_text(struct arena *a, const json_t *value, enum output_type type)
{
	if (json_is_array(value))
		return list_text(a, value);
	if (json_is_boolean(value))
		return json_boolean_value(value) ? "yes" : "no";
	if (!json_is_integer(value))
		return json_is_string(value) ? json_string_value(value) : "";
	switch (type) {
	case OUTPUT_SIZE: return size_text(a, json_integer_value(value));
	case OUTPUT_QUOTA:
		return json_integer_value(value) ? size_text(a, json_integer_value(value)) : "none";
	case OUTPUT_TIME: return time_text(a, json_integer_value(value));
	case OUTPUT_SPAN: return span_text(a, json_integer_value(value));
	case OUTPUT_TEXT:
	case OUTPUT_NUMBER:
	case OUTPUT_YESNO:
	case OUTPUT_LIST: break;
	}
	return arena_printf(a, "%lld", (long long) json_integer_value(value));
}

static bool is_right(enum output_type type)
{
	return type == OUTPUT_NUMBER || type == OUTPUT_SIZE || type == OUTPUT_QUOTA;
}

/* ---- answers ---- */

static int print_buf(struct cli *cli, struct buf *b)
{
	if (b->failed)
		return cli_fail_with(cli, POD_E_NOMEM, NULL, "out of memory");
	(void) fwrite(b->p, 1, b->len, stdout);
	return CLI_OK;
}

int output_rows(struct cli *cli, const struct output_column *columns, size_t n, const json_t *rows,
                const json_t *whole)
{
	const char *titles[TABLE_COLUMNS_MAX] = { NULL }, **cells;
	bool right[TABLE_COLUMNS_MAX];
	_cleanup_buf_ struct buf b = BUF_INIT;
	json_t *row;
	size_t i;

	if (cli->format == CLI_JSON) {
		output_json(whole);
		return CLI_OK;
	}
	cells = arena_array(cli->arena, json_array_size(rows) * n + 1, sizeof(*cells));
	if (!cells)
		return cli_fail_with(cli, POD_E_NOMEM, NULL, "out of memory");
	for (i = 0; i < n; i++) {
		titles[i] = columns[i].title;
		right[i] = is_right(columns[i].type);
	}
	json_array_foreach(rows, i, row) for (size_t j = 0; j < n; j++) cells[i * n + j] =
		cell_text(cli->arena, json_object_get(row, columns[j].key), columns[j].type);
	table_print(&b, titles, right, n, cells, json_array_size(rows));
	return print_buf(cli, &b);
}

int output_object(struct cli *cli, const struct output_column *columns, size_t n, const json_t *object)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	size_t width = 0;

	if (cli->format == CLI_JSON) {
		output_json(object);
		return CLI_OK;
	}
	for (size_t i = 0; i < n; i++)
		if (text_width(columns[i].title) > width)
			width = text_width(columns[i].title);
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(object, columns[i].key);

		if (!value)
			continue;
		buf_printf(&b, "%-*s  ", (int) width, columns[i].title);
		text_add_visible(&b, cell_text(cli->arena, value, columns[i].type));
		buf_add_byte(&b, '\n');
	}
	return print_buf(cli, &b);
}

int output_done(struct cli *cli, const json_t *object, const char *fmt, ...)
{
	va_list ap;

	if (cli->format == CLI_JSON) {
		output_json(object);
		return CLI_OK;
	}
	if (cli->quiet)
		return CLI_OK;
	va_start(ap, fmt);
	(void) vprintf(fmt, ap);
	va_end(ap);
	(void) fputc('\n', stdout);
	return CLI_OK;
}
