#include "imapd/imap/input.h"

#include "imapd/imap/parse.h"

#define REFUSED_HEAD  256 /* kept of a refused command, for its tag */
#define REFUSED_TAIL  64  /* kept of its current line, for a literal's header */
#define KEEP_CAPACITY 1024

/* Moves n bytes from in to the end of the command. */
static bool gather(struct imap_input *i, struct evbuffer *in, size_t n)
{
	uint8_t *to = buf_reserve(&i->cmd, n);

	if (!to)
		return false;
	(void) evbuffer_remove(in, to, n);
	i->cmd.len += n;
	return true;
}

static void refuse(struct imap_input *i, enum imap_input_refusal why)
{
	i->refused = why;
	if (i->cmd.len > REFUSED_HEAD)
		i->cmd.len = REFUSED_HEAD;
	i->line_start = i->cmd.len;
}

/* Of a refused command's line only the end matters. */
static bool gather_tail(struct imap_input *i, struct evbuffer *in, size_t n)
{
	size_t have = i->cmd.len - i->line_start;

	if (n > REFUSED_TAIL) {
		(void) evbuffer_drain(in, n - REFUSED_TAIL);
		n = REFUSED_TAIL;
		have = 0;
		i->cmd.len = i->line_start;
	}
	if (have > REFUSED_TAIL) {
		memmove(i->cmd.p + i->line_start, i->cmd.p + i->cmd.len - REFUSED_TAIL, REFUSED_TAIL);
		i->cmd.len = i->line_start + REFUSED_TAIL;
	}
	return gather(i, in, n);
}

/* What is there of the line. 1: it ends in LF. */
static int take_line(struct imap_input *i, struct evbuffer *in, size_t limit)
{
	struct evbuffer_ptr lf = evbuffer_search(in, "\n", 1, NULL);
	size_t n = lf.pos >= 0 ? (size_t) lf.pos + 1 : evbuffer_get_length(in);

	if (n == 0)
		return 0;
	if (!i->refused && i->cmd.len + n > limit + 2) {
		/* The tag may be in this very piece. limit is above REFUSED_HEAD, so that the LF is not. */
		size_t head = i->cmd.len < REFUSED_HEAD ? REFUSED_HEAD - i->cmd.len : 0;

		if (head > 0 && !gather(i, in, head))
			return -POD_E_NOMEM;
		n -= head;
		refuse(i, INPUT_TOO_LONG);
	}
	if (!(i->refused ? gather_tail(i, in, n) : gather(i, in, n)))
		return -POD_E_NOMEM;
	return lf.pos >= 0;
}

/* A whole line is in cmd. */
static enum imap_input_event line_event(struct imap_input *i)
{
	struct span line;

	if (i->cmd.len - i->line_start < 2 || i->cmd.p[i->cmd.len - 2] != '\r') {
		i->refused = INPUT_BARE_LF;
		return INPUT_REFUSED;
	}
	i->cmd.len -= 2;
	line = span_skip(buf_span(&i->cmd), i->line_start);
	if (!imap_literal_header(line, &i->literal, &i->literal_sync))
		return i->refused ? INPUT_REFUSED : INPUT_LINE;
	if (!i->refused)
		return INPUT_WANTS_LITERAL;
	if (i->literal_sync)
		return INPUT_REFUSED; /* it waits for a "+" and gets a BAD: the command ends here */
	i->literal_left = i->literal;
	i->cmd.len = i->line_start;
	return INPUT_MORE;
}

/* False where the literal is not complete. */
static bool take_literal(struct imap_input *i, struct evbuffer *in, bool *ret_nomem)
{
	size_t there = evbuffer_get_length(in);
	size_t n = i->literal_left < there ? (size_t) i->literal_left : there;

	if (i->refused)
		(void) evbuffer_drain(in, n);
	else if (n > 0 && !gather(i, in, n))
		*ret_nomem = true;
	i->literal_left -= n;
	if (!i->refused)
		i->line_start = i->cmd.len;
	return i->literal_left == 0;
}

enum imap_input_event imap_input_step(struct imap_input *i, struct evbuffer *in, size_t limit)
{
	for (;;) {
		bool nomem = false;
		enum imap_input_event event;
		int r;

		if (i->literal_left > 0 && !take_literal(i, in, &nomem))
			return nomem ? INPUT_NOMEM : INPUT_MORE;
		r = nomem ? -POD_E_NOMEM : take_line(i, in, limit);
		if (r <= 0)
			return r < 0 ? INPUT_NOMEM : INPUT_MORE;
		event = line_event(i);
		if (event != INPUT_MORE)
			return event;
	}
}

void imap_input_accept_literal(struct imap_input *i)
{
	buf_add(&i->cmd, SPAN_LIT("\r\n"));
	i->literal_left = i->literal;
	i->line_start = i->cmd.len;
}

void imap_input_pass_literal(struct imap_input *i)
{
	i->line_start = i->cmd.len;
}

void imap_input_refuse_literal(struct imap_input *i, enum imap_input_refusal why)
{
	refuse(i, why);
	i->literal_left = i->literal_sync ? 0 : i->literal;
}

void imap_input_reset(struct imap_input *i, bool give_back)
{
	if (give_back || i->cmd.cap > KEEP_CAPACITY)
		buf_done(&i->cmd);
	else
		buf_clear(&i->cmd);
	i->line_start = 0;
	i->literal_left = 0;
	i->refused = INPUT_NOT_REFUSED;
}
