/* One milter in one session: connected, negotiated, told what it missed, asked. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "mta/milter/chain.h"

#define TERMS_ARENA_MAX (256u << 10)

static const struct milter_link_ops link_ops;

void milter_member_send(struct milter_member *m, bool answer)
{
	const struct conf_milter *conf = &m->filter->conf;
	unsigned int ms =
		(unsigned int) (m->talk.stage == MILTER_END ? conf->end_timeout_ms : conf->timeout_ms);

	milter_link_send(m->link, buf_span(&m->chain->out));
	buf_clear(&m->chain->out);
	milter_link_expect(m->link, answer ? ms : 0);
	if (answer)
		m->asked_us = clock_mono_us();
}

bool milter_member_say(struct milter_member *m, enum milter_stage stage, const struct milter_words *words)
{
	bool answer = milter_talk_say(&m->talk, &m->chain->out, stage, m->chain->facts, words);

	milter_member_send(m, answer);
	return answer;
}

/* ---- connecting ---- */

static void disconnect(struct milter_member *m, struct span last)
{
	m->link = milter_link_close(m->link, last);
	m->arena = arena_free(m->arena);
	milter_talk_reset(&m->talk);
	m->open = m->stale = m->told_connect = m->in_message = false;
	m->told_helo = 0;
}

static bool take_over(struct milter_member *m)
{
	struct milter_line line;

	if (m->fresh_only || !milter_filter_take(m->filter, &link_ops, m, &line))
		return false;
	m->link = line.link;
	m->arena = line.arena;
	milter_talk_resume(&m->talk, &line.terms);
	m->open = m->stale = true;
	return true;
}

static void connect_to(struct milter_member *m)
{
	const struct conf_milter *conf = &m->filter->conf;
	const struct milter_limits limits = { (unsigned int) conf->connect_timeout_ms,
		                              (unsigned int) conf->send_timeout_ms };
	struct err err = { 0 };

	if (take_over(m))
		return;
	m->fresh_only = false;
	m->arena = arena_create(TERMS_ARENA_MAX);
	if (m->arena)
		m->link = milter_link_open(m->filter->set->base, &m->filter->address, &limits, &link_ops, m,
		                           &err);
	if (!m->link)
		milter_member_fail(m, m->arena ? err_text(&err) : "out of memory");
}

/* Connected, and told what was before the question. DONE: it is, or will not be. */
static enum milter_run get_ready(struct milter_member *m)
{
	struct milter_chain *c = m->chain;
	const struct milter_words helo = { .text = buf_span(&c->helo) };

	if (!m->link)
		connect_to(m);
	if (!m->link)
		return MILTER_RUN_DONE;
	if (!m->open || m->talk.waiting)
		return MILTER_RUN_WAIT;
	if (!m->talk.negotiated) {
		milter_talk_open(&m->talk, &c->out, m->filter->conf.protocol);
		milter_member_send(m, true);
		return MILTER_RUN_WAIT;
	}
	if (!m->told_connect) {
		m->told_connect = true;
		if (milter_member_say(m, MILTER_CONNECT, &helo))
			return MILTER_RUN_WAIT;
	}
	if (m->told_helo != c->helo_no && !m->accepted_connection) {
		m->told_helo = c->helo_no;
		if (milter_member_say(m, MILTER_HELO, &helo))
			return MILTER_RUN_WAIT;
	}
	return MILTER_RUN_DONE;
}

/* ---- asking ---- */

/* Only the beginning of a session or a message is worth a new connection: what came between cannot be told
 * again. */
static bool may_connect(const struct milter_member *m)
{
	enum milter_stage stage = m->chain->question.stage;

	return stage == MILTER_CONNECT || stage == MILTER_MAIL;
}

static bool is_left_out(const struct milter_member *m)
{
	const struct milter_question *q = &m->chain->question;

	if (m->failed || m->accepted_connection ||
	    (m->accepted_message && q->stage != MILTER_MAIL && m->chain->in_message))
		return true;
	if (q->stage == MILTER_RCPT && q->refused &&
	    !(m->talk.negotiated && milter_terms_want_refused(&m->talk.terms)))
		return true;
	return !m->link && !may_connect(m);
}

static enum milter_run ask(struct milter_member *m)
{
	const struct milter_question *q = &m->chain->question;

	/* Connecting and greeting were told on the way here. */
	if (m->told || q->stage == MILTER_CONNECT || q->stage == MILTER_HELO)
		return MILTER_RUN_DONE;
	m->told = true;
	if (q->stage == MILTER_MAIL)
		m->in_message = true;
	return milter_member_say(m, q->stage, &q->words) ? MILTER_RUN_WAIT : MILTER_RUN_DONE;
}

enum milter_run milter_member_run(struct milter_member *m)
{
	if (is_left_out(m))
		return MILTER_RUN_DONE;
	if (get_ready(m) == MILTER_RUN_WAIT)
		return MILTER_RUN_WAIT;
	if (!m->link || m->accepted_connection)
		return MILTER_RUN_DONE;
	if (m->chain->question.stage != MILTER_END)
		return ask(m);
	if (!m->in_message)
		return MILTER_RUN_DONE;
	if (!m->feed.on)
		m->feed = (struct milter_feed){ .on = true, .stage = MILTER_HEADER };
	return milter_feed_run(m);
}

/* ---- answers ---- */

static void count_verdict(const struct milter_member *m, const struct milter_verdict *v)
{
	size_t row = m->filter->counters;

	milter_count(row, MILTER_COUNT_QUESTIONS, 1);
	milter_count(row, MILTER_COUNT_MICROSECONDS, (int64_t) (clock_mono_us() - m->asked_us));
	milter_count(row, MILTER_COUNT_REFUSALS, v->action == MILTER_REFUSE || v->action == MILTER_DROP);
	milter_count(row, MILTER_COUNT_DISCARDS, v->action == MILTER_DISCARD);
}

static void log_verdict(const struct milter_member *m, enum milter_stage stage,
                        const struct milter_verdict *v)
{
	uint64_t us = clock_mono_us() - m->asked_us;
	bool plain = v->action == MILTER_GO_ON && stage != MILTER_END;

	if (v->action == MILTER_REFUSE)
		log_event(m->chain->log, LOGL_INFO, "milter.verdict", F_STR("milter", m->filter->conf.name),
		          F_STR("stage", milter_stages[stage].name),
		          F_STR("action", v->code < 500 ? "tempfail" : "reject"), F_UINT("code", v->code),
		          F_STR("text", v->text), F_UINT("us", us));
	else
		log_event(m->chain->log, plain ? LOGL_DEBUG : LOGL_INFO, "milter.verdict",
		          F_STR("milter", m->filter->conf.name), F_STR("stage", milter_stages[stage].name),
		          F_STR("action", milter_action_words[v->action]), F_UINT("us", us));
}

/* A step of the message that nobody waits for: what is decided holds until its end. */
static bool is_shown(enum milter_stage stage)
{
	return stage == MILTER_HEADER || stage == MILTER_EOH || stage == MILTER_BODY;
}

static void note_accept(struct milter_member *m, enum milter_stage stage)
{
	if (stage == MILTER_CONNECT || stage == MILTER_HELO)
		m->accepted_connection = true;
	else if (stage != MILTER_UNKNOWN) {
		m->accepted_message = true;
		m->in_message = false;
		m->feed.on = false;
	}
}

static void end_message(struct milter_member *m, const struct milter_verdict *v)
{
	m->in_message = false;
	m->feed.on = false;
	if ((v->action == MILTER_GO_ON || v->action == MILTER_ACCEPT) && milter_changes_apply(m) < 0)
		milter_member_fail(m, "its changes do not fit into the message's header");
	milter_changes_forget(m);
}

/* A discard, or a refusal of a message while it is shown. */
static void decide(struct milter_chain *c, const struct milter_verdict *v)
{
	if (c->fate.action == MILTER_GO_ON)
		c->fate = *v;
}

static void on_verdict(struct milter_member *m, const struct milter_verdict *v)
{
	struct milter_chain *c = m->chain;
	enum milter_stage stage = m->talk.stage;
	bool its_turn = milter_chain_asks(c, m);

	count_verdict(m, v);
	log_verdict(m, stage, v);
	if (stage == MILTER_END)
		end_message(m, v);
	if (v->action == MILTER_ACCEPT)
		note_accept(m, stage);
	if (v->action == MILTER_DISCARD ||
	    (is_shown(stage) && v->action != MILTER_GO_ON && v->action != MILTER_ACCEPT))
		decide(c, v);
	else if (its_turn && (v->action == MILTER_REFUSE || v->action == MILTER_DROP) &&
	         !c->question.refused) {
		milter_chain_conclude(c, v);
		return;
	}
	if (m->feed.on && !its_turn)
		(void) milter_feed_run(m);
	else if (its_turn)
		milter_chain_go_on(c);
}

static void on_packet(void *owner, const struct milter_packet *p)
{
	struct milter_member *m = owner;
	struct milter_chain *c = m->chain;
	struct arena *a = m->talk.negotiated ? c->arena : m->arena;
	struct milter_answer answer;
	struct err err = { 0 };
	int r;

	m->stale = false;
	r = milter_talk_take(&m->talk, a, m->filter->conf.protocol, p, &answer, &err);

	if (r == 0 && answer.heard == MILTER_HEARD_EDIT)
		r = milter_changes_note(m, &answer.edit, &err);
	if (r < 0) {
		milter_member_fail(m, err_text(&err));
		milter_chain_go_on(c);
		return;
	}
	if (answer.heard == MILTER_HEARD_PROGRESS || answer.heard == MILTER_HEARD_EDIT) {
		milter_link_expect(m->link, (unsigned int) (m->talk.stage == MILTER_END
		                                                    ? m->filter->conf.end_timeout_ms
		                                                    : m->filter->conf.timeout_ms));
		return;
	}
	milter_link_expect(m->link, 0);
	if (answer.heard == MILTER_HEARD_VERDICT)
		on_verdict(m, &answer.verdict);
	else
		milter_chain_go_on(c);
}

static void on_open(void *owner)
{
	struct milter_member *m = owner;

	m->open = true;
	milter_chain_go_on(m->chain);
}

static void on_room(void *owner)
{
	struct milter_member *m = owner;

	if (milter_chain_asks(m->chain, m))
		milter_chain_go_on(m->chain);
	else if (m->feed.on)
		(void) milter_feed_run(m);
}

static void on_lost(void *owner, const char *why)
{
	struct milter_member *m = owner;

	bool its_turn = milter_chain_asks(m->chain, m);

	/* A connection that was kept may have been closed meanwhile: where all can be told again, a new one
	 * does. */
	if (m->stale && its_turn && may_connect(m)) {
		disconnect(m, SPAN_NONE);
		m->fresh_only = true;
		m->told = false;
	} else if (its_turn || m->in_message) {
		milter_member_fail(m, why);
	} else {
		disconnect(m, SPAN_NONE);
	}
	milter_chain_go_on(m->chain);
}

static const struct milter_link_ops link_ops = { on_open, on_packet, on_room, on_lost };

/* ---- failure ---- */

static struct milter_verdict failure_verdict(unsigned int on_failure)
{
	if (on_failure == CONF_MILTER_REJECT)
		return (struct milter_verdict){ MILTER_REFUSE, 554, "5.3.0",
			                        "A filter of this server is out of order" };
	return (struct milter_verdict){ MILTER_REFUSE, 451, "4.3.0",
		                        "A filter of this server does not answer, try again later" };
}

static void apply_failure(struct milter_member *m)
{
	struct milter_chain *c = m->chain;
	unsigned int on_failure = m->filter->conf.on_failure;
	struct milter_verdict v;

	m->accepted_message = true;
	if (on_failure == CONF_MILTER_ACCEPT)
		return;
	if (on_failure == CONF_MILTER_QUARANTINE) {
		if (!c->quarantine)
			c->quarantine = arena_printf(c->arena, "filter %s failed", m->filter->conf.name);
		if (c->quarantine)
			return;
	}
	v = failure_verdict(on_failure);
	decide(c, &v);
}

void milter_member_fail(struct milter_member *m, const char *why)
{
	static const char *const words[] = { "tempfail", "accept", "reject", "quarantine" };

	log_event(m->chain->log, LOGL_WARNING, "milter.failed", F_STR("milter", m->filter->conf.name),
	          F_STR("socket", m->filter->conf.socket), F_STR("stage", milter_stages[m->talk.stage].name),
	          F_STR("action", m->chain->in_message ? words[m->filter->conf.on_failure] : "none"),
	          F_STR("error", why));
	milter_count(m->filter->counters, MILTER_COUNT_FAILURES, 1);
	disconnect(m, SPAN_NONE);
	milter_changes_forget(m);
	m->feed.on = false;
	m->failed = true;
	/* Outside a message nothing is decided: it is tried again when one begins. */
	if (m->chain->in_message)
		apply_failure(m);
}

/* ---- the end ---- */

void milter_member_abort(struct milter_member *m)
{
	bool told = m->in_message;

	m->in_message = false;
	if (!m->link || !told)
		return;
	/* An answer that is outstanding would be taken for one to something else. */
	if (m->talk.waiting || !m->open) {
		disconnect(m, SPAN_NONE);
		return;
	}
	milter_talk_abort(&m->chain->out);
	milter_member_send(m, false);
}

void milter_member_done(struct milter_member *m)
{
	struct buf *out = &m->chain->out;

	buf_clear(out);
	if (m->link && m->open && milter_talk_may_go_on(&m->talk)) {
		const struct milter_line line = { m->link, m->talk.terms, m->arena };

		milter_talk_quit_nc(out);
		milter_link_send(m->link, buf_span(out));
		milter_filter_keep(m->filter, &line);
		m->link = NULL;
		m->arena = NULL;
	} else if (m->link && m->open && m->talk.negotiated) {
		milter_talk_quit(out);
	}
	disconnect(m, buf_span(out));
	milter_changes_forget(m);
}
