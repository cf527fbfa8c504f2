#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"

/* A pipe takes this much in one piece, so that lines of processes that share podd's pipe do not mix
 * (pipe(7)). */
#define LINE_MAX_BYTES PIPE_BUF
#define VALUE_MAX      600 /* bytes of one value, before quoting makes them up to six times as many */
#define TAIL_ROOM      32  /* of the line, for saying that something is missing, and for its end */

static const char *const level_names[] = { "debug", "info", "notice", "warning", "error" };

/* Set once in main before threads start, read-only afterwards. */
static struct {
	const char *program;
	int fd;
	enum log_format format;
	enum log_level least;
} logger = { "podmail", STDERR_FILENO, LOG_FORMAT_TEXT, LOGL_INFO };

/* What log_gather asked for. */
static _Thread_local struct {
	bool on;
	size_t len;
	uint8_t bytes[LINE_MAX_BYTES];
} gathered;

void log_setup(const char *program, int fd, enum log_format format, enum log_level least)
{
	logger.program = program;
	logger.fd = fd;
	logger.format = format;
	logger.least = least;
}

bool log_enabled(enum log_level level)
{
	return level >= logger.least;
}

int log_level_parse(struct span name, enum log_level *ret_level)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (span_eq_nocase(name, span_of(level_names[i]))) {
			*ret_level = (enum log_level) i;
			return 0;
		}
	}
	return -POD_E_SYNTAX;
}

/* Bytes from a peer may be anything: what is not printable ASCII leaves as an escape, byte by byte. */
static void add_quoted(struct buf *b, struct span s)
{
	buf_add_byte(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];

		if (c == '"' || c == '\\') {
			buf_add_byte(b, '\\');
			buf_add_byte(b, c);
		} else if (c >= 0x20 && c < 0x7f) {
			buf_add_byte(b, c);
		} else {
			buf_printf(b, "\\u%04x", c);
		}
	}
	buf_add_byte(b, '"');
}

static bool is_plain(struct span s)
{
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\')
			return false;
	return true;
}

static void add_text_value(struct buf *b, struct span s)
{
	if (is_plain(s))
		buf_add(b, s);
	else
		add_quoted(b, s);
}

/* A peer decides how long its words are. What is cut off is marked. */
static void add_bounded(struct buf *b, struct span s)
{
	void (*add)(struct buf *, struct span) =
		logger.format == LOG_FORMAT_JSON ? add_quoted : add_text_value;
	uint8_t cut[VALUE_MAX + 3];

	if (s.len > VALUE_MAX) {
		memcpy(cut, s.p, VALUE_MAX);
		memcpy(cut + VALUE_MAX, "...", 3);
		s = span_make(cut, sizeof(cut));
	}
	add(b, s);
}

static void add_value(struct buf *b, const struct log_field *f)
{
	switch (f->type) {
	case LOG_FIELD_STR: add_bounded(b, span_of(f->v.s ? f->v.s : "")); break;
	case LOG_FIELD_SPAN: add_bounded(b, f->v.span); break;
	case LOG_FIELD_INT: buf_printf(b, "%lld", (long long) f->v.i); break;
	case LOG_FIELD_UINT: buf_printf(b, "%llu", (unsigned long long) f->v.u); break;
	case LOG_FIELD_END: break;
	}
}

/* Whole or not at all: a reader must never meet half a field. False where it did not fit. */
static bool add_field(struct buf *b, const struct log_field *f)
{
	size_t before = b->len;

	buf_printf(b, logger.format == LOG_FORMAT_JSON ? ",\"%s\":" : " %s=", f->name);
	add_value(b, f);
	if (!b->failed)
		return true;
	b->len = before;
	b->failed = false;
	return false;
}

/* Returns how many did not fit. */
static unsigned int add_inherited(struct buf *b, const struct log *log)
{
	unsigned int lost;

	if (!log)
		return 0;
	lost = add_inherited(b, log->parent);
	for (size_t i = 0; i < LOG_FIELDS_MAX && log->fields[i].type != LOG_FIELD_END; i++)
		lost += !add_field(b, &log->fields[i]);
	return lost;
}

static void write_out(struct span lines)
{
	ssize_t n;

	/* A log that cannot be written must not stop the service; there is nowhere to say so. */
	do
		n = write(logger.fd, lines.p, lines.len);
	while (n < 0 && errno == EINTR);
}

void log_gather(void)
{
	gathered.on = true;
}

void log_flush(void)
{
	if (gathered.len)
		write_out(span_make(gathered.bytes, gathered.len));
	gathered.len = 0;
}

void log_at_once(void)
{
	log_flush();
	gathered.on = false;
}

static void put_line(struct span line, enum log_level level)
{
	if (!gathered.on) {
		write_out(line);
		return;
	}
	if (gathered.len + line.len > sizeof(gathered.bytes))
		log_flush();
	memcpy(gathered.bytes + gathered.len, line.p, line.len);
	gathered.len += line.len;
	if (level >= LOGL_WARNING)
		log_flush();
}

void log_write(const struct log *log, enum log_level level, const char *event, const struct log_field *fields)
{
	_cleanup_buf_ struct buf b = { .limit = LINE_MAX_BYTES - TAIL_ROOM };
	char stamp[CLOCK_ISO_SIZE];
	unsigned int lost;

	clock_format_iso(clock_wall_ms(), stamp, sizeof(stamp));
	if (logger.format == LOG_FORMAT_JSON)
		buf_printf(&b,
		           "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"pid\":%d,\"event\":\"%s\"",
		           stamp, level_names[level], logger.program, (int) getpid(), event);
	else
		buf_printf(&b, "%s %s %s[%d] %s", stamp, level_names[level], logger.program, (int) getpid(),
		           event);
	lost = add_inherited(&b, log);
	for (; fields->type != LOG_FIELD_END; fields++)
		lost += !add_field(&b, fields);
	b.limit = LINE_MAX_BYTES;
	if (lost)
		(void) add_field(&b, &F_UINT("fields_left_out", lost));
	buf_add_str(&b, logger.format == LOG_FORMAT_JSON ? "}\n" : "\n");
	put_line(buf_span(&b), level);
}
