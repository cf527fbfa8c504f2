/* Showing a message to a milter: its fields, its body in pieces, its end; as far as it is there. */
#include <libmilter/mfdef.h>

#include "base/cleanup.h"
#include "mta/milter/chain.h"

static bool say_field(struct milter_member *m, const struct milter_field *f)
{
	_cleanup_buf_ struct buf value = BUF_INIT;
	struct milter_words words = { .text = milter_field_name(f) };

	if (!f->is_field || f->ours || !milter_terms_want(&m->talk.terms, MILTER_HEADER))
		return false;
	milter_field_value(f, milter_terms_leading_space(&m->talk.terms), &value);
	words.more = buf_span(&value);
	return milter_member_say(m, MILTER_HEADER, &words);
}

/* The next piece of the body; a short one only where no more will come. *ret_more: there was one. */
static int say_body(struct milter_member *m, bool *ret_more, struct err *err)
{
	struct milter_chain *c = m->chain;
	uint64_t left = milter_message_body_size(&c->message) - m->feed.body;
	size_t n = left < MILTER_CHUNK_SIZE ? (size_t) left : MILTER_CHUNK_SIZE;
	uint8_t piece[MILTER_CHUNK_SIZE];
	struct milter_words words = { .text = span_make(piece, n) };
	int r;

	*ret_more = n > 0 && (n == MILTER_CHUNK_SIZE || c->complete);
	if (!*ret_more)
		return 0;
	r = milter_message_body_read(&c->message, m->feed.body, piece, n, err);
	if (r < 0)
		return r;
	m->feed.body += n;
	(void) milter_member_say(m, MILTER_BODY, &words);
	return 0;
}

/* One step further. False: none is possible now. */
static bool step(struct milter_member *m)
{
	struct milter_chain *c = m->chain;
	static const struct milter_words none;
	struct err err = { 0 };
	bool more;

	switch (m->feed.stage) {
	case MILTER_HEADER:
		if (m->feed.field < c->message.n)
			(void) say_field(m, &c->message.fields[m->feed.field++]);
		else if (c->message.header_complete)
			m->feed.stage = MILTER_EOH;
		else
			return false;
		return true;
	case MILTER_EOH:
		m->feed.stage = MILTER_BODY;
		(void) milter_member_say(m, MILTER_EOH, &none);
		return true;
	case MILTER_BODY:
		if (!milter_terms_want(&m->talk.terms, MILTER_BODY) ||
		    (m->talk.stage == MILTER_BODY && m->talk.skip)) {
			m->feed.stage = MILTER_END;
			return true;
		}
		if (say_body(m, &more, &err) < 0) {
			milter_member_fail(m, err_text(&err));
			return false;
		}
		if (!more && c->complete)
			m->feed.stage = MILTER_END;
		return more || c->complete;
	default:
		if (m->told || !milter_chain_asks(c, m))
			return false;
		m->told = true;
		(void) milter_member_say(m, MILTER_END, &none);
		return true;
	}
}

enum milter_run milter_feed_run(struct milter_member *m)
{
	while (m->feed.on) {
		if (m->talk.waiting || milter_link_is_full(m->link))
			return MILTER_RUN_WAIT;
		if (!step(m))
			return m->feed.on ? MILTER_RUN_WAIT : MILTER_RUN_DONE;
	}
	return MILTER_RUN_DONE;
}
