/* Looking lines up in the trace book. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "podctl/podd/trace.h"
#include "podctl/podd/tracebook_internal.h"

#define FOUND_MEMORY (32u << 20)
#define ID_MARGIN_MS (3600 * INT64_C(1000)) /* how far clocks of several hosts may be apart */

/* What a line must be, beyond having the hash that was looked for. */
typedef bool wanted_fn(const void *arg, struct span line);

/* Calls fn for the lines at the offsets. 1: fn has enough. */
static int read_lines(int fd, const uint64_t *offsets, size_t n, wanted_fn *wanted, const void *wanted_arg,
                      tracebook_fn *fn, void *arg)
{
	char text[TRACE_LINE_MAX];

	for (size_t i = 0; i < n; i++) {
		ssize_t got = pread(fd, text, sizeof(text), (off_t) offsets[i]);
		struct span line = span_make(text, got > 0 ? (size_t) got : 0);
		size_t end = span_find_byte(line, '\n');

		if (end == SIZE_MAX || !wanted(wanted_arg, span_head(line, end)))
			continue;
		if (!fn(arg, span_head(line, end)))
			return 1;
	}
	return 0;
}

static int find_in_segment(const struct tracebook *book, const struct segment *s, uint64_t hash, wanted_fn *wanted,
                           const void *wanted_arg, tracebook_fn *fn, void *arg, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(FOUND_MEMORY);
	_cleanup_(closep) int fd = -1;
	bool last = s == &book->segments[book->n - 1];
	uint64_t *offsets;
	size_t n;
	int r = a ? trace_index_find(book, s, hash, last, a, &offsets, &n, err) : err_set(err, POD_E_NOMEM, "trace");

	if (r < 0 || n == 0)
		return r;
	r = trace_segment_open(book, s, "log", O_RDONLY, &fd, err);
	return r < 0 ? r : read_lines(fd, offsets, n, wanted, wanted_arg, fn, arg);
}

/* When a segment's last line was written, at the latest. */
static int64_t end_of(const struct tracebook *book, size_t i)
{
	return i + 1 < book->n ? book->segments[i + 1].start_ms : INT64_MAX;
}

/* ---- by message ---- */

static bool is_of_message(const void *arg, struct span line)
{
	struct span id = span_of(arg), value;

	return (trace_line_field(line, "trace", &value) && span_eq(value, id)) ||
	       (trace_line_field(line, "report", &value) && span_eq(value, id));
}

/* An id begins with the 40 low bits of the milliseconds it was made at; 0 where it has another form. */
static int64_t made_at(const char *trace, int64_t newest_ms)
{
	uint64_t low = 0;
	int64_t ms;

	for (int i = 0; i < 10; i++) {
		const char *digits = "0123456789abcdef", *at = trace[i] ? strchr(digits, trace[i]) : NULL;

		if (!at)
			return 0;
		low = low << 4 | (uint64_t) (at - digits);
	}
	ms = (newest_ms & ~INT64_C(0xffffffffff)) | (int64_t) low;
	return ms > newest_ms + ID_MARGIN_MS ? ms - INT64_C(0x10000000000) : ms;
}

int tracebook_of_message(struct tracebook *book, const char *trace, tracebook_fn *fn, void *arg, struct err *err)
{
	uint64_t hash = trace_hash(TRACE_MESSAGE, span_of(trace));
	int64_t from_ms = strlen(trace) == 16 && book->n
	                          ? made_at(trace, book->segments[book->n - 1].start_ms + 86400000) - ID_MARGIN_MS
	                          : 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < book->n; i++)
		if (end_of(book, i) >= from_ms)
			r = find_in_segment(book, &book->segments[i], hash, is_of_message, trace, fn, arg, err);
	return r < 0 ? r : 0;
}

/* ---- by people and time ---- */

static bool field_is(struct span line, const char *field, const char *address)
{
	struct span value;

	return trace_line_field(line, field, &value) && span_eq_nocase(value, span_of(address));
}

static bool is_wanted(const void *arg, struct span line)
{
	const struct tracebook_query *q = arg;
	int64_t ms = trace_line_time_ms(line);

	if ((q->since_ms && ms < q->since_ms) || (q->until_ms && ms > q->until_ms))
		return false;
	if (q->from && !field_is(line, "sender", q->from))
		return false;
	return !q->to || field_is(line, "rcpt", q->to) || field_is(line, "mailbox", q->to);
}

/* Where the first line stands that is not before since_ms: lines are in the order of time, nearly. */
static uint64_t seek_time(int fd, uint64_t size, int64_t since_ms)
{
	uint64_t low = 0, high = size;
	char text[2 * TRACE_LINE_MAX];

	while (low + TRACE_LINE_MAX < high) {
		uint64_t mid = low + (high - low) / 2;
		ssize_t got = pread(fd, text, sizeof(text), (off_t) mid);
		struct span rest = span_make(text, got > 0 ? (size_t) got : 0);
		size_t end = span_find_byte(rest, '\n');

		if (end == SIZE_MAX || trace_line_time_ms(span_skip(rest, end + 1)) >= since_ms)
			high = mid;
		else
			low = mid + end + 1;
	}
	return low;
}

/* All lines of a time, without an index: they are in order. */
static int scan_segment(const struct tracebook *book, const struct segment *s, const struct tracebook_query *q,
                        tracebook_fn *fn, void *arg, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	char line[TRACE_LINE_MAX];
	int r = trace_segment_open(book, s, "log", O_RDONLY, &fd, err);
	FILE *f = r == 0 ? fdopen(fd, "r") : NULL;

	if (r < 0)
		return r;
	if (!f)
		return err_errno(err, errno, "trace");
	if (fseeko(f, (off_t) seek_time(fd, s->log_bytes, q->since_ms), SEEK_SET) < 0)
		r = err_errno(err, errno, "trace");
	fd = -1;
	while (r == 0 && fgets(line, sizeof(line), f)) {
		struct span text = span_trim(span_of(line));

		if (q->until_ms && trace_line_time_ms(text) > q->until_ms)
			break;
		if (is_wanted(q, text) && !fn(arg, text))
			r = 1;
	}
	(void) fclose(f);
	return r;
}

int tracebook_search(struct tracebook *book, const struct tracebook_query *q, tracebook_fn *fn, void *arg,
                     struct err *err)
{
	uint64_t hash = q->from ? trace_hash(TRACE_FROM, span_of(q->from))
	                        : trace_hash(TRACE_TO, span_of(q->to ? q->to : ""));
	int r = 0;

	for (size_t i = 0; r == 0 && i < book->n; i++) {
		const struct segment *s = &book->segments[i];

		if (end_of(book, i) < q->since_ms || (q->until_ms && s->start_ms > q->until_ms))
			continue;
		r = q->from || q->to ? find_in_segment(book, s, hash, is_wanted, q, fn, arg, err)
		                     : scan_segment(book, s, q, fn, arg, err);
	}
	return r < 0 ? r : 0;
}
