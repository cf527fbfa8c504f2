/*
 * Lines off a stream's input. What was scanned is remembered, so that a line that drips in byte by byte is
 * looked at once, and what was handed out is drained at the next call, so that nothing is copied where the
 * line is in one piece.
 */
#include "net/stream_internal.h"

/* Index of the first CR or LF at or after from, among the first limit bytes; limit where there is none. */
static size_t find_cr_or_lf(struct evbuffer *in, size_t from, size_t limit)
{
	struct evbuffer_ptr at;

	if (from >= limit || evbuffer_ptr_set(in, &at, from, EVBUFFER_PTR_SET) < 0)
		return limit;
	while (from < limit) {
		struct evbuffer_iovec run = {0};
		const uint8_t *p;

		(void) evbuffer_peek(in, (ev_ssize_t) (limit - from), &at, &run, 1);
		p = run.iov_base;
		for (size_t i = 0; i < run.iov_len && from < limit; i++, from++)
			if (p[i] == '\r' || p[i] == '\n')
				return from;
		if (from < limit &&
		    (run.iov_len == 0 || evbuffer_ptr_set(in, &at, run.iov_len, EVBUFFER_PTR_ADD) < 0))
			break;
	}
	return limit;
}

static uint8_t byte_at(struct evbuffer *in, size_t i)
{
	struct evbuffer_ptr at;
	struct evbuffer_iovec run = {0};

	if (evbuffer_ptr_set(in, &at, i, EVBUFFER_PTR_SET) < 0 || evbuffer_peek(in, 1, &at, &run, 1) < 1)
		return 0;
	return *(const uint8_t *) run.iov_base;
}

enum found { FOUND_NOTHING, FOUND_CRLF, FOUND_BARE };

/*
 * Looks for a line end from *at on: the CR of a CRLF, or a CR or LF alone. FOUND_NOTHING leaves *at where
 * the next look begins: at the end, or at a CR whose successor is not there yet.
 */
static enum found find_end(struct evbuffer *in, size_t limit, size_t *at)
{
	size_t len = evbuffer_get_length(in), i = find_cr_or_lf(in, *at, len < limit ? len : limit);

	*at = i;
	if (i == len || i == limit)
		return FOUND_NOTHING;
	if (byte_at(in, i) == '\n')
		return FOUND_BARE;
	if (i + 1 == len)
		return FOUND_NOTHING;
	return byte_at(in, i + 1) == '\n' ? FOUND_CRLF : FOUND_BARE;
}

/* Drops the rest of a line already reported, up to and with its CRLF. False: that has not come yet. */
static bool swallow(struct stream *s)
{
	for (;;) {
		size_t at = 0;
		enum found f = find_end(s->in, SIZE_MAX, &at);

		(void) evbuffer_drain(s->in, at + (f == FOUND_CRLF ? 2 : f == FOUND_BARE ? 1 : 0));
		if (f == FOUND_CRLF) {
			s->line_fault = LINE_SOUND;
			return true;
		}
		if (f == FOUND_NOTHING)
			return false;
	}
}

static int start_swallowing(struct stream *s, int r)
{
	s->line_scanned = 0;
	s->line_fault = LINE_SWALLOWING;
	(void) swallow(s);
	return r;
}

static void drain_taken(struct stream *s)
{
	size_t n = s->line_drain;

	s->line_drain = 0;
	if (n)
		(void) evbuffer_drain(s->in, n);
}

void line_forget(struct stream *s)
{
	drain_taken(s);
	s->line_scanned = 0;
}

int line_take(struct stream *s, size_t max, struct span *ret_line)
{
	enum found f;
	size_t at;

	drain_taken(s);
	if (s->line_fault == LINE_SWALLOWING && !swallow(s))
		return 0;
	at = s->line_scanned;
	f = find_end(s->in, max + 1, &at);
	if (f == FOUND_NOTHING && at > max)
		return start_swallowing(s, -POD_E_LIMIT);
	if (f == FOUND_BARE)
		return start_swallowing(s, -POD_E_SYNTAX);
	if (f == FOUND_NOTHING) {
		s->line_scanned = at;
		return 0;
	}
	s->line_scanned = 0;
	s->line_drain = at + 2;
	*ret_line = span_make(evbuffer_pullup(s->in, (ev_ssize_t) (at + 2)), at);
	return ret_line->p ? 1 : -POD_E_NOMEM;
}
