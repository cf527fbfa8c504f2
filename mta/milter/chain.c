#include "mta/milter/chain.h"

#include <stdlib.h>

#include "base/cleanup.h"

#define ARENA_MAX (4u << 20) /* changes of one message, texts of replies */
#define WORDS_MAX (64u << 10)

struct milter_chain *milter_chain_create(struct milter_set *set, const struct milter_facts *facts,
                                         milter_answer_fn *fn, void *arg)
{
	struct milter_chain *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct milter_chain){ .facts = facts,
		                    .fn = fn,
		                    .arg = arg,
		                    .helo = { .limit = WORDS_MAX },
		                    .words = { .limit = WORDS_MAX } };
	c->set = milter_set_ref(set);
	c->arena = arena_create(ARENA_MAX);
	c->members = calloc(set->n, sizeof(*c->members));
	if (!c->arena || !c->members)
		return milter_chain_free(c);
	for (; c->n < set->n; c->n++) {
		c->members[c->n].chain = c;
		c->members[c->n].filter = &set->filters[c->n];
	}
	return c;
}

struct milter_chain *milter_chain_free(struct milter_chain *c)
{
	if (!c)
		return NULL;
	milter_chain_message_over(c);
	for (size_t i = 0; i < c->n; i++)
		milter_member_done(&c->members[i]);
	free(c->members);
	(void) arena_free(c->arena);
	buf_done(&c->out);
	buf_done(&c->helo);
	buf_done(&c->words);
	(void) milter_set_unref(c->set);
	free(c);
	return NULL;
}

bool milter_chain_wants_refused(const struct milter_chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->members[i].talk.negotiated && milter_terms_want_refused(&c->members[i].talk.terms))
			return true;
	return false;
}

bool milter_chain_asks(const struct milter_chain *c, const struct milter_member *m)
{
	return c->asking && m == &c->members[c->turn];
}

void milter_chain_conclude(struct milter_chain *c, const struct milter_verdict *v)
{
	c->asking = false;
	c->fn(c->arg, v);
}

/* Decided already: refusals are repeated, a discard is kept until the end. */
static const struct milter_verdict *verdict_of_fate(const struct milter_chain *c)
{
	static const struct milter_verdict go_on = { .action = MILTER_GO_ON };

	if (!c->in_message || c->question.stage == MILTER_UNKNOWN)
		return &go_on;
	return c->fate.action == MILTER_DISCARD && c->question.stage != MILTER_END ? &go_on : &c->fate;
}

void milter_chain_go_on(struct milter_chain *c)
{
	while (c->asking && c->turn < c->n) {
		if (c->in_message && c->fate.action != MILTER_GO_ON && c->question.stage != MILTER_UNKNOWN)
			break;
		if (milter_member_run(&c->members[c->turn]) == MILTER_RUN_WAIT)
			return;
		c->turn++;
	}
	if (c->asking)
		milter_chain_conclude(c, verdict_of_fate(c));
}

/* The question's words are the session's only during the call. */
static void keep_words(struct milter_chain *c, const struct milter_question *q)
{
	buf_clear(&c->words);
	buf_add(&c->words, q->words.text);
	buf_add(&c->words, q->words.more);
	c->question = *q;
	c->log = q->log;
	c->question.words.text = span_head(buf_span(&c->words), q->words.text.len);
	c->question.words.more = span_skip(buf_span(&c->words), q->words.text.len);
}

/* A header that does not fit into the room filters have for it. */
static void too_large(struct milter_chain *c)
{
	c->fate = (struct milter_verdict){ MILTER_REFUSE, 552, "5.3.4", "The header is too large" };
}

static void message_begins(struct milter_chain *c)
{
	milter_chain_message_over(c);
	c->in_message = true;
	for (size_t i = 0; i < c->n; i++)
		c->members[i].accepted_message = false;
}

void milter_chain_ask(struct milter_chain *c, const struct milter_question *q)
{
	keep_words(c, q);
	if (q->stage == MILTER_HELO) {
		buf_clear(&c->helo);
		buf_add(&c->helo, q->words.text);
		c->helo_no++;
	}
	if (q->stage == MILTER_MAIL)
		message_begins(c);
	if (q->stage == MILTER_END) {
		c->complete = true;
		if (milter_message_end(&c->message) < 0)
			too_large(c);
	}
	for (size_t i = 0; i < c->n; i++)
		c->members[i].told = c->members[i].failed = false;
	c->asking = true;
	c->turn = 0;
	milter_chain_go_on(c);
}

/* ---- the message ---- */

void milter_chain_message_over(struct milter_chain *c)
{
	c->asking = false;
	if (!c->in_message)
		return;
	for (size_t i = 0; i < c->n; i++) {
		milter_member_abort(&c->members[i]);
		milter_changes_forget(&c->members[i]);
		c->members[i].feed = (struct milter_feed){ 0 };
	}
	milter_message_done(&c->message);
	c->in_message = c->streaming = c->complete = false;
	c->fate = (struct milter_verdict){ .action = MILTER_GO_ON };
	c->quarantine = NULL;
	c->edits = NULL;
	c->n_edits = c->cap_edits = 0;
	arena_reset(c->arena);
}

void milter_chain_message_begin(struct milter_chain *c, struct spool *spool, struct span ours)
{
	bool changed = false;

	if (milter_message_init(&c->message, spool) < 0 || milter_message_add(&c->message, ours, true) < 0)
		too_large(c);
	c->streaming = true;
	/* Those are shown it as it comes before whom nobody may change it. */
	for (size_t i = 0; i < c->n; i++) {
		struct milter_member *m = &c->members[i];

		if (!m->in_message || m->accepted_message)
			continue;
		m->feed = (struct milter_feed){ .on = !changed, .stage = MILTER_HEADER };
		changed = changed || milter_terms_change_content(&m->talk.terms);
	}
}

void milter_chain_message_add(struct milter_chain *c, struct span bytes)
{
	if (c->fate.action != MILTER_GO_ON)
		return;
	if (milter_message_add(&c->message, bytes, false) < 0) {
		too_large(c);
		return;
	}
	for (size_t i = 0; i < c->n && c->fate.action == MILTER_GO_ON; i++)
		if (c->members[i].feed.on)
			(void) milter_feed_run(&c->members[i]);
}

struct milter_changes milter_chain_changes(const struct milter_chain *c)
{
	return (struct milter_changes){ c->edits, c->n_edits, c->quarantine };
}

const char *milter_chain_field(struct milter_chain *c, struct span name)
{
	_cleanup_buf_ struct buf value = BUF_INIT;

	for (size_t i = 0; i < c->message.n; i++) {
		const struct milter_field *f = &c->message.fields[i];

		if (!f->is_field || f->ours || !span_eq_nocase(milter_field_name(f), name))
			continue;
		milter_field_value(f, false, &value);
		for (size_t k = 0; k < value.len; k++)
			if (value.p[k] == '\n')
				value.p[k] = ' ';
		return value.failed ? NULL : arena_str(c->arena, span_trim(buf_span(&value)));
	}
	return NULL;
}

int milter_chain_set_return_path(struct milter_chain *c, struct span sender)
{
	return milter_message_set_return_path(&c->message, sender);
}

int milter_chain_settle(struct milter_chain *c, bool *ret_changed, struct err *err)
{
	*ret_changed = c->message.header_changed || c->message.body;
	return milter_message_settle(&c->message, err);
}
