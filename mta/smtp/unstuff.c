#include "mta/smtp/smtp.h"

struct run {
	smtp_unstuff_fn *fn;
	void *arg;
	int *ret_r;
};

static void give(const struct run *to, const uint8_t *from, const uint8_t *end)
{
	int r = end > from ? to->fn(to->arg, span_make(from, (size_t) (end - from))) : 0;

	if (r < 0 && *to->ret_r == 0)
		*to->ret_r = r;
}

static void give_lit(const struct run *to, struct span s)
{
	give(to, s.p, s.p + s.len);
}

/*
 * A CR or LF stood alone. Kept as it is the message will be refused; mended it becomes a line end of the
 * text, but never one after which a dot could end the data.
 */
static void give_bare(struct smtp_unstuff *u, const struct run *to, uint8_t c)
{
	u->bare = true;
	if (u->mend)
		give_lit(to, SPAN_LIT("\r\n"));
	else
		give(to, &c, &c + 1);
}

/* Text up to the next CR or LF in one run: the path nearly all bytes take. */
static const uint8_t *text_end(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *lf = memchr(p, '\n', (size_t) (end - p));
	const uint8_t *cr = memchr(p, '\r', (size_t) ((lf ? lf : end) - p));

	return cr ? cr : lf ? lf : end;
}

/* Whole lines with nothing to look into: from p, at a line start, to the last CRLF before a dot, a CR or LF alone. */
static const uint8_t *plain_lines(const uint8_t *p, const uint8_t *end, bool raw)
{
	while (p < end && (raw || *p != '.')) {
		const uint8_t *eol = text_end(p, end);

		if (end - eol < 2 || eol[0] != '\r' || eol[1] != '\n')
			break;
		p = eol + 2;
	}
	return p;
}

static const uint8_t *text_step(struct smtp_unstuff *u, const struct run *to, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *eol = text_end(p, end);

	give(to, p, eol);
	if (eol == end)
		return end;
	if (*eol == '\r')
		u->state = UNSTUFF_CR;
	else
		give_bare(u, to, '\n');
	return eol + 1;
}

/* A dot at the start of a line: it goes, unless CRLF follows, which ends it all (RFC 5321 4.5.2). */
static const uint8_t *after_dot(struct smtp_unstuff *u, const uint8_t *p)
{
	if (*p == '\r') {
		u->state = UNSTUFF_DOT_CR;
		return p + 1;
	}
	u->state = UNSTUFF_TEXT;
	return p;
}

static const uint8_t *step(struct smtp_unstuff *u, const struct run *to, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *q;

	switch (u->state) {
	case UNSTUFF_LINE_START:
		q = plain_lines(p, end, u->raw);
		give(to, p, q);
		if (q == end)
			return q;
		u->state = *q == '.' && !u->raw ? UNSTUFF_DOT : UNSTUFF_TEXT;
		return u->state == UNSTUFF_DOT ? q + 1 : q;
	case UNSTUFF_DOT:
		return after_dot(u, p);
	case UNSTUFF_DOT_CR:
		if (*p == '\n') {
			u->state = UNSTUFF_END;
			return p + 1;
		}
		give_bare(u, to, '\r');
		u->state = UNSTUFF_TEXT;
		return p;
	case UNSTUFF_TEXT:
		return text_step(u, to, p, end);
	case UNSTUFF_CR:
		if (*p == '\n') {
			give_lit(to, SPAN_LIT("\r\n"));
			u->state = UNSTUFF_LINE_START;
			return p + 1;
		}
		give_bare(u, to, '\r');
		u->state = UNSTUFF_TEXT;
		return p;
	case UNSTUFF_END:
		break;
	}
	return end;
}

size_t smtp_unstuff(struct smtp_unstuff *u, struct span in, smtp_unstuff_fn *fn, void *arg, int *ret_r)
{
	const struct run to = { fn, arg, ret_r };
	const uint8_t *p = in.p, *end;

	if (!in.len) /* an empty chunk has no address to count from */
		return 0;
	end = p + in.len;
	while (p < end && u->state != UNSTUFF_END)
		p = step(u, &to, p, end);
	return (size_t) (p - in.p);
}

void smtp_unstuff_last(struct smtp_unstuff *u, smtp_unstuff_fn *fn, void *arg, int *ret_r)
{
	const struct run to = { fn, arg, ret_r };

	if (u->state == UNSTUFF_CR)
		give_bare(u, &to, '\r');
	u->state = UNSTUFF_END;
}
