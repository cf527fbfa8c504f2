#include "replicator/core/replication.h"

#include <string.h>

/* Close enough behind for flushes to wait: it has what was asked for this long ago. */
#define CATCH_MS 200

struct step {
	struct repl *r;
	const struct repl_event *e;
	struct repl_actions *out;
};

static void emit(struct step *s, enum repl_action_type type, size_t peer, uint64_t lsn, uint64_t serial)
{
	if (s->out->n < REPL_ACTIONS_MAX)
		s->out->a[s->out->n++] =
			(struct repl_action){ .type = type, .peer = peer, .lsn = lsn, .serial = serial };
}

static uint64_t sooner(uint64_t at, uint64_t than)
{
	return at < than ? at : than;
}

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ---- marks: when which flush was asked for ---- */

/* Half of the marks make room: each two old ones become one, so that the newest stay fine. */
static void marks_thin(struct repl *r)
{
	size_t to = 0, half = REPL_MARKS / 2;

	for (size_t i = 0; i + 1 < half; i += 2)
		r->marks[to++] =
			(struct repl_mark){ .lsn = r->marks[i + 1].lsn, .time_ms = r->marks[i].time_ms };
	memmove(&r->marks[to], &r->marks[half], (r->n_marks - half) * sizeof(r->marks[0]));
	r->n_marks -= half - to;
}

static void mark(struct repl *r, uint64_t lsn, uint64_t now_ms)
{
	struct repl_mark *last = r->n_marks ? &r->marks[r->n_marks - 1] : NULL;

	if (last && last->lsn >= lsn)
		return;
	if (last && now_ms - last->time_ms < 2) {
		last->lsn = lsn;
		return;
	}
	if (r->n_marks == REPL_MARKS)
		marks_thin(r);
	r->marks[r->n_marks++] = (struct repl_mark){ .lsn = lsn, .time_ms = now_ms };
}

/* The oldest mark that says more than lsn; NULL: none. */
static const struct repl_mark *mark_behind(const struct repl *r, uint64_t lsn)
{
	size_t low = 0, high = r->n_marks;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (r->marks[mid].lsn > lsn)
			high = mid;
		else
			low = mid + 1;
	}
	return low < r->n_marks ? &r->marks[low] : NULL;
}

/* What every peer has needs no mark. */
static void marks_forget(struct repl *r)
{
	uint64_t least = r->staged;
	const struct repl_mark *first;
	size_t gone;

	for (size_t i = 0; i < PEERS_MAX; i++)
		if (r->peers[i].used && r->peers[i].durable < least)
			least = r->peers[i].durable;
	first = mark_behind(r, least);
	gone = first ? (size_t) (first - r->marks) : r->n_marks;
	if (gone < REPL_MARKS / 4 && gone < r->n_marks)
		return;
	memmove(r->marks, r->marks + gone, (r->n_marks - gone) * sizeof(r->marks[0]));
	r->n_marks -= gone;
}

static uint64_t age(const struct repl *r, uint64_t lsn, uint64_t now_ms)
{
	const struct repl_mark *m = mark_behind(r, lsn);

	return m && now_ms > m->time_ms ? now_ms - m->time_ms : 0;
}

/* ---- a peer ---- */

static bool waited_for(const struct repl_peer *p)
{
	return p->used && p->membership != PEER_OUT;
}

/* What the mode counts; a member that became async counts as durable until it is struck. */
static uint64_t position(const struct repl_peer *p)
{
	return p->config.mode == PEER_SEMI_SYNC ? p->accepted : p->durable;
}

static bool sent_to(const struct repl_peer *p)
{
	return p->used && (p->state == PEER_FOLLOWING || p->state == PEER_RESYNC);
}

static void set_state(struct step *s, size_t i, enum peer_state state)
{
	struct repl_peer *p = &s->r->peers[i];

	if (p->state == state)
		return;
	p->state = state;
	p->since_ms = s->e->now_ms;
	p->resync_asked = false;
	emit(s, REPL_STATE, i, 0, 0);
}

static void set_membership(struct step *s, size_t i, enum peer_membership m)
{
	struct repl_peer *p = &s->r->peers[i];

	if (p->membership == m)
		return;
	p->membership = m;
	emit(s, REPL_STATE, i, 0, 0);
}

static void ask(struct step *s, size_t i, enum peer_membership m, enum repl_action_type question)
{
	struct repl_peer *p = &s->r->peers[i];

	p->serial = ++s->r->serial;
	p->asked_ms = s->e->now_ms;
	set_membership(s, i, m);
	emit(s, question, i, 0, p->serial);
}

static void ask_again(struct step *s, size_t i)
{
	struct repl_peer *p = &s->r->peers[i];

	if (s->e->now_ms - p->asked_ms < s->r->limits.repeat_ms)
		return;
	p->asked_ms = s->e->now_ms;
	emit(s, p->membership == PEER_JOINING ? REPL_ASK_JOIN : REPL_ASK_STRIKE, i, 0, p->serial);
}

/* A flush has waited for it for too long. */
static bool too_slow(const struct repl *r, const struct repl_peer *p, uint64_t now_ms)
{
	return r->flush_lsn > position(p) && age(r, position(p), now_ms) >= p->config.wait_ms;
}

static void step_out(struct step *s, size_t i)
{
	struct repl_peer *p = &s->r->peers[i];
	uint64_t close_ms = p->config.wait_ms / 2 < CATCH_MS ? p->config.wait_ms / 2 : CATCH_MS;

	if (p->config.mode != PEER_ASYNC && p->state == PEER_FOLLOWING &&
	    age(s->r, position(p), s->e->now_ms) <= close_ms)
		set_membership(s, i, PEER_CATCHING);
}

static void step_catching(struct step *s, size_t i)
{
	struct repl_peer *p = &s->r->peers[i];

	if (p->state != PEER_FOLLOWING || p->config.mode == PEER_ASYNC || too_slow(s->r, p, s->e->now_ms))
		set_membership(s, i, PEER_OUT); /* the directory never heard of it */
	else if (position(p) >= s->r->acknowledged)
		ask(s, i, PEER_JOINING, REPL_ASK_JOIN);
}

static void step_member(struct step *s, size_t i)
{
	struct repl_peer *p = &s->r->peers[i];

	if (p->unfit || p->config.mode == PEER_ASYNC || too_slow(s->r, p, s->e->now_ms))
		ask(s, i, PEER_STRIKING, REPL_ASK_STRIKE);
	else if (p->membership == PEER_JOINING)
		ask_again(s, i);
}

static void step_membership(struct step *s, size_t i)
{
	switch (s->r->peers[i].membership) {
	case PEER_OUT: step_out(s, i); break;
	case PEER_CATCHING: step_catching(s, i); break;
	case PEER_JOINING:
	case PEER_IN: step_member(s, i); break;
	case PEER_STRIKING: ask_again(s, i); break;
	}
}

static void enter_ahead(struct step *s, size_t i)
{
	s->r->peers[i].resync_at_ms = s->e->now_ms + s->r->limits.ahead_min_ms;
	set_state(s, i, PEER_AHEAD);
}

static void go_ahead(struct step *s, size_t i)
{
	enter_ahead(s, i);
	emit(s, REPL_GO_AHEAD, i, s->r->peers[i].durable, 0);
}

static void step_lag(struct step *s, size_t i)
{
	struct repl_peer *p = &s->r->peers[i];
	const struct repl_limits *l = &s->r->limits;

	bool lags = repl_lag_bytes(s->r, i) > l->lag_bytes || age(s->r, p->durable, s->e->now_ms) > l->lag_ms;

	p->settling = p->settling && lags;
	if (p->state == PEER_FOLLOWING && !waited_for(p) && lags && !p->settling)
		go_ahead(s, i);
	if (p->state == PEER_AHEAD && !p->resync_asked && p->received >= p->sent &&
	    s->e->now_ms >= p->resync_at_ms) {
		p->resync_asked = true;
		emit(s, REPL_START_RESYNC, i, 0, 0);
	}
}

/* ---- events ---- */

static void on_primary(struct step *s)
{
	struct repl *r = s->r;

	r->primary = true;
	r->staged = r->durable = r->flush_lsn = r->acknowledged = s->e->lsn;
	r->n_marks = 0;
	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct repl_peer *p = &r->peers[i];

		p->membership = p->used && p->config.in_sync ? PEER_IN : PEER_OUT;
		p->sent = p->received = p->accepted = p->durable = p->credit = p->confirmed = 0;
		p->unfit = false;
	}
}

static void on_secondary(struct step *s)
{
	s->r->primary = false;
	s->r->n_marks = 0;
	for (size_t i = 0; i < PEERS_MAX; i++) {
		s->r->peers[i].membership = PEER_OUT;
		if (s->r->peers[i].used)
			set_state(s, i, PEER_DOWN);
	}
}

static void on_peer_set(struct step *s)
{
	struct repl_peer *p = &s->r->peers[s->e->peer];
	bool is_new = !p->used;

	if (is_new)
		*p = (struct repl_peer){ .used = true, .state = PEER_DOWN, .since_ms = s->e->now_ms };
	p->config = s->e->config;
	if (s->r->primary && is_new)
		p->membership = p->config.in_sync ? PEER_IN : PEER_OUT;
	emit(s, REPL_STATE, s->e->peer, 0, 0);
}

static void on_peer_positioned(struct step *s, enum peer_state state)
{
	struct repl_peer *p = &s->r->peers[s->e->peer];

	/* A disk that was exchanged, a semi-sync peer that lost power, a resync: it lacks what was
	 * acknowledged. */
	p->unfit = p->membership >= PEER_JOINING &&
	           (p->unfit || state == PEER_RESYNC || s->e->lsn < p->confirmed);
	p->sent = p->received = p->accepted = p->durable = s->e->lsn;
	p->credit = 0;
	p->settling = true;
	set_state(s, s->e->peer, state);
}

static void on_answer(struct step *s, enum peer_membership asked, enum peer_membership then)
{
	struct repl_peer *p = &s->r->peers[s->e->peer];

	if (p->membership != asked || p->serial != s->e->serial)
		return;
	p->unfit = false;
	p->config.in_sync = then == PEER_IN;
	set_membership(s, s->e->peer, then);
}

static void on_peer_down(struct step *s)
{
	/* What it has is known again when it is back; for a member what counts is what it has said. */
	s->r->peers[s->e->peer].credit = 0;
	set_state(s, s->e->peer, s->e->state);
}

static void on_overrun(struct step *s)
{
	if (sent_to(&s->r->peers[s->e->peer]))
		enter_ahead(s, s->e->peer); /* the disk has marked it already */
}

static void on_not_yet(struct step *s)
{
	struct repl_peer *p = &s->r->peers[s->e->peer];

	p->resync_asked = false;
	p->resync_at_ms = s->e->now_ms + s->r->limits.ahead_min_ms;
}

static void take(struct step *s)
{
	struct repl *r = s->r;
	const struct repl_event *e = s->e;
	struct repl_peer *p = &r->peers[e->peer < PEERS_MAX ? e->peer : 0];

	switch (e->type) {
	case REPL_TICK: break;
	case REPL_PRIMARY: on_primary(s); break;
	case REPL_SECONDARY: on_secondary(s); break;
	case REPL_STAGED: r->staged = max64(r->staged, e->lsn); break;
	case REPL_LOCAL_DURABLE: r->durable = max64(r->durable, e->lsn); break;
	case REPL_FLUSH:
		r->staged = max64(r->staged, e->lsn);
		r->flush_lsn = max64(r->flush_lsn, e->lsn);
		mark(r, e->lsn, e->now_ms);
		break;
	case REPL_PEER_SET: on_peer_set(s); break;
	case REPL_PEER_REMOVE: *p = (struct repl_peer){ 0 }; break;
	case REPL_PEER_DOWN: on_peer_down(s); break;
	case REPL_PEER_FOLLOWS: on_peer_positioned(s, PEER_FOLLOWING); break;
	case REPL_PEER_RESYNCS: on_peer_positioned(s, PEER_RESYNC); break;
	case REPL_PEER_RESYNCED:
		if (p->state == PEER_RESYNC) {
			p->settling = true;
			set_state(s, e->peer, PEER_FOLLOWING);
		}
		break;
	case REPL_PEER_OVERRUN: on_overrun(s); break;
	case REPL_PEER_NOT_YET: on_not_yet(s); break;
	case REPL_PEER_SENT: p->sent = max64(p->sent, e->lsn); break;
	case REPL_PEER_RECEIVED: p->received = max64(p->received, e->lsn); break;
	case REPL_PEER_ACCEPTED: p->accepted = max64(p->accepted, e->lsn); break;
	case REPL_PEER_DURABLE:
		p->durable = max64(p->durable, e->lsn);
		p->accepted = max64(p->accepted, p->durable);
		p->received = max64(p->received, p->durable);
		p->sent = max64(p->sent, p->durable); /* who sent it may tell later */
		break;
	case REPL_PEER_CREDIT: p->credit = e->lsn; break;
	case REPL_STRUCK: on_answer(s, PEER_STRIKING, PEER_OUT); break;
	case REPL_JOINED: on_answer(s, PEER_JOINING, PEER_IN); break;
	}
}

static void release(struct step *s)
{
	struct repl *r = s->r;
	uint64_t lsn = r->durable;

	for (size_t i = 0; i < PEERS_MAX; i++)
		if (waited_for(&r->peers[i]) && position(&r->peers[i]) < lsn)
			lsn = position(&r->peers[i]);
	if (lsn <= r->acknowledged)
		return;
	r->acknowledged = lsn;
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (waited_for(&r->peers[i]))
			r->peers[i].confirmed = lsn;
	emit(s, REPL_RELEASE, 0, lsn, 0);
}

void repl_init(struct repl *r, const struct repl_limits *limits)
{
	*r = (struct repl){ .limits = *limits };
}

void repl_step(struct repl *r, const struct repl_event *e, struct repl_actions *ret_actions)
{
	struct step s = { .r = r, .e = e, .out = ret_actions };

	ret_actions->n = 0;
	take(&s);
	if (!r->primary)
		return;
	/* Release before anybody is asked to join: what is acknowledged now is what a joiner must have. */
	release(&s);
	for (size_t i = 0; i < PEERS_MAX; i++) {
		if (!r->peers[i].used)
			continue;
		step_lag(&s, i);
		step_membership(&s, i);
	}
	marks_forget(r);
}

uint64_t repl_deadline(const struct repl *r, uint64_t now_ms)
{
	uint64_t at = UINT64_MAX;

	for (size_t i = 0; r->primary && i < PEERS_MAX; i++) {
		const struct repl_peer *p = &r->peers[i];
		const struct repl_mark *m = mark_behind(r, position(p));

		if (!p->used)
			continue;
		if (p->membership == PEER_JOINING || p->membership == PEER_STRIKING)
			at = sooner(p->asked_ms + r->limits.repeat_ms, at);
		if (m && p->membership != PEER_OUT && p->membership != PEER_STRIKING)
			at = sooner(m->time_ms + p->config.wait_ms, at);
		if (m && p->state == PEER_FOLLOWING && p->membership == PEER_OUT && !p->settling)
			at = sooner(m->time_ms + r->limits.lag_ms + 1, at);
		if (p->state == PEER_AHEAD && !p->resync_asked && p->received >= p->sent)
			at = sooner(p->resync_at_ms, at);
	}
	return at < now_ms ? now_ms : at;
}

bool repl_waits_for(const struct repl *r, size_t peer)
{
	return waited_for(&r->peers[peer]);
}

uint64_t repl_send_limit(const struct repl *r, size_t peer)
{
	const struct repl_peer *p = &r->peers[peer];

	return sent_to(p) ? p->credit : 0;
}

uint64_t repl_lag_bytes(const struct repl *r, size_t peer)
{
	const struct repl_peer *p = &r->peers[peer];

	return p->used && r->staged > p->durable ? r->staged - p->durable : 0;
}

uint64_t repl_lag_ms(const struct repl *r, size_t peer, uint64_t now_ms)
{
	const struct repl_peer *p = &r->peers[peer];

	return p->used ? age(r, p->durable, now_ms) : 0;
}
