/*
 * The cores of replication under random lives: what a flush waits for with two peers, a directory that
 * answers late and links that come and go; and two replicas that are promoted, die and meet again, against
 * logs that are compared record by record. PODMAIL_SEED runs one seed, which a failure names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "replicator/core/generation.h"
#include "replicator/core/record.h"
#include "replicator/core/replication.h"

#define SEEDS 300

static uint64_t seed;

static uint64_t below(uint64_t limit)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (seed * UINT64_C(2685821657736338717) >> 11) % limit;
}

static void with_seeds(void (*life)(uint64_t number))
{
	const char *one = getenv("PODMAIL_SEED");

	for (uint64_t n = 1; n <= SEEDS; n++) {
		uint64_t number = one ? strtoull(one, NULL, 10) : n;

		seed = number * UINT64_C(0x9e3779b97f4a7c15) | 1;
		life(number);
		if (one)
			return;
	}
}

/* ---- what a flush waits for ---- */

#define PEERS     2
#define WAIT_MS   300
#define LAG_BYTES 5000u

struct sim_peer {
	bool up, in_list;                     /* connected; in the directory's list */
	uint64_t received, accepted, durable; /* what it really has */
	uint64_t once_accepted;               /* had, before it lost power */
	/* A question on its way to the directory and the answer back. */
	enum repl_action_type question; /* REPL_RELEASE: none */
	uint64_t serial, answer_ms;
};

struct sim {
	struct repl r;
	uint64_t number, now, staged, durable, flushed, flushed_ms, released;
	struct sim_peer peers[PEERS];
	bool directory_is_away;
};

static void act(struct sim *s, const struct repl_actions *actions);

static void event(struct sim *s, struct repl_event e)
{
	struct repl_actions actions;

	e.now_ms = s->now;
	repl_step(&s->r, &e, &actions);
	act(s, &actions);
}

static void peer_event(struct sim *s, enum repl_event_type type, size_t peer, uint64_t lsn)
{
	event(s, (struct repl_event){ .type = type, .peer = peer, .lsn = lsn });
}

/* What counts of what a peer has: for a semi-sync one, what it had before it lost power. */
static uint64_t has_of(const struct sim *s, size_t i)
{
	bool semi = s->r.peers[i].config.mode == PEER_SEMI_SYNC;

	return semi ? s->peers[i].once_accepted : s->peers[i].durable;
}

/* The promise itself: who may be promoted without an operator's word has what is acknowledged now. */
static void check_release(struct sim *s, uint64_t lsn)
{
	if (lsn > s->durable)
		fail_msg("seed %" PRIu64 ": acknowledged before it is durable here", s->number);
	for (size_t i = 0; i < PEERS; i++) {
		if (s->peers[i].in_list && lsn > has_of(s, i))
			fail_msg("seed %" PRIu64 ": %" PRIu64
			         " is acknowledged, and peer %zu, which counts as in sync, has %" PRIu64,
			         s->number, lsn, i, has_of(s, i));
	}
	assert_true(lsn > s->released);
	s->released = lsn;
}

static void act(struct sim *s, const struct repl_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++) {
		const struct repl_action *a = &actions->a[i];
		struct sim_peer *p = &s->peers[a->peer];

		switch (a->type) {
		case REPL_RELEASE: check_release(s, a->lsn); break;
		case REPL_ASK_STRIKE:
		case REPL_ASK_JOIN:
			if (p->question == a->type && p->serial == a->serial)
				break; /* again */
			p->question = a->type;
			p->serial = a->serial;
			p->answer_ms = s->now + below(100);
			break;
		case REPL_GO_AHEAD: assert_true(a->lsn <= p->durable); break;
		case REPL_START_RESYNC:
		case REPL_STATE: break;
		}
	}
}

/* The directory has it first, then it is answered; now and then the answer is lost, and asked for again. */
static void directory(struct sim *s)
{
	for (size_t i = 0; i < PEERS; i++) {
		struct sim_peer *p = &s->peers[i];
		bool join = p->question == REPL_ASK_JOIN;

		if (s->directory_is_away || p->question == REPL_RELEASE || s->now < p->answer_ms)
			continue;
		if (join && has_of(s, i) < s->released)
			fail_msg("seed %" PRIu64 ": peer %zu joins, and lacks what was acknowledged",
			         s->number, i);
		p->in_list = join;
		p->question = REPL_RELEASE;
		if (below(10))
			event(s, (struct repl_event){ .type = join ? REPL_JOINED : REPL_STRUCK,
			                              .peer = i,
			                              .serial = p->serial });
	}
}

static void connect_peer(struct sim *s, size_t i)
{
	struct sim_peer *p = &s->peers[i];

	p->up = true;
	p->received = p->accepted = p->durable;
	peer_event(s, REPL_PEER_FOLLOWS, i, p->durable);
	peer_event(s, REPL_PEER_CREDIT, i, UINT64_MAX);
}

static void disconnect_peer(struct sim *s, size_t i)
{
	s->peers[i].up = false;
	event(s, (struct repl_event){ .type = REPL_PEER_DOWN, .peer = i, .state = PEER_DOWN });
}

/* A part of the way from here to its disk. */
static void advance_peer(struct sim *s, size_t i, bool all)
{
	struct sim_peer *p = &s->peers[i];

	if (!p->up)
		return;
	switch (s->r.peers[i].state) {
	case PEER_FOLLOWING: break;
	case PEER_AHEAD:
		if (s->r.peers[i].resync_asked) {
			p->received = p->accepted = p->durable = s->durable;
			if (p->durable > p->once_accepted)
				p->once_accepted = p->durable;
			peer_event(s, REPL_PEER_RESYNCS, i, s->durable);
			peer_event(s, REPL_PEER_CREDIT, i, UINT64_MAX);
		}
		return;
	case PEER_RESYNC: peer_event(s, REPL_PEER_RESYNCED, i, 0); return;
	case PEER_DOWN:
	case PEER_PAUSED:
	case PEER_SPLIT_BRAIN:
	case PEER_REFUSED: return;
	}
	p->received += all ? s->staged - p->received : below(s->staged - p->received + 1);
	peer_event(s, REPL_PEER_SENT, i, p->received);
	peer_event(s, REPL_PEER_RECEIVED, i, p->received);
	p->accepted += all ? p->received - p->accepted : below(p->received - p->accepted + 1);
	if (p->accepted > p->once_accepted)
		p->once_accepted = p->accepted;
	peer_event(s, REPL_PEER_ACCEPTED, i, p->accepted);
	p->durable += all ? p->accepted - p->durable : below(p->accepted - p->durable + 1);
	peer_event(s, REPL_PEER_DURABLE, i, p->durable);
}

static void flush(struct sim *s)
{
	if (s->released >= s->flushed)
		s->flushed_ms = s->now;
	s->flushed = s->staged;
	peer_event(s, REPL_FLUSH, 0, s->staged);
}

static void sim_step(struct sim *s)
{
	size_t i = (size_t) below(PEERS);

	switch (below(12)) {
	case 0:
	case 1:
	case 2:
		s->staged += 1 + below(400);
		peer_event(s, REPL_STAGED, 0, s->staged);
		break;
	case 3:
	case 4: flush(s); break;
	case 5:
		s->durable += below(s->staged - s->durable + 1);
		peer_event(s, REPL_LOCAL_DURABLE, 0, s->durable);
		break;
	case 6:
	case 7: advance_peer(s, i, below(2)); break;
	case 8:
		if (s->peers[i].up && below(4) == 0)
			disconnect_peer(s, i);
		else if (!s->peers[i].up)
			connect_peer(s, i);
		break;
	case 9: s->now += below(below(4) ? 20 : 500); break;
	case 10:
		if (below(20) == 0)
			s->directory_is_away = !s->directory_is_away;
		break;
	default: peer_event(s, REPL_TICK, 0, 0); break;
	}
	directory(s);
	peer_event(s, REPL_TICK, 0, 0); /* who ceases to be waited for is looked at by the next event */
	peer_event(s, REPL_TICK, 0, 0);
	for (i = 0; i < PEERS; i++)
		if (s->r.peers[i].state == PEER_FOLLOWING && !repl_waits_for(&s->r, i) &&
		    !s->r.peers[i].settling && repl_lag_bytes(&s->r, i) > LAG_BYTES)
			fail_msg("seed %" PRIu64 ": peer %zu lags too far and is still sent the log",
			         s->number, i);
}

/* Time passes as it does for the keeper: to the next deadline. */
static void pass_time(struct sim *s, uint64_t ms, bool peers_work)
{
	for (uint64_t end = s->now + ms; s->now < end; s->now += 5) {
		for (size_t i = 0; i < PEERS && peers_work; i++)
			advance_peer(s, i, true);
		if (repl_deadline(&s->r, s->now) <= s->now)
			peer_event(s, REPL_TICK, 0, 0);
		directory(s);
	}
}

static void flushing_life(uint64_t number)
{
	const struct repl_limits limits = {
		.lag_bytes = LAG_BYTES, .lag_ms = 2000, .ahead_min_ms = 100, .repeat_ms = 50
	};
	struct sim s = { .number = number,
		         .now = 1000,
		         .staged = 4096,
		         .durable = 4096,
		         .flushed = 4096,
		         .released = 4096 };

	repl_init(&s.r, &limits);
	for (size_t i = 0; i < PEERS; i++) {
		s.peers[i] = (struct sim_peer){
			.received = 4096, .accepted = 4096, .durable = 4096, .once_accepted = 4096
		};
		event(&s, (struct repl_event){
				  .type = REPL_PEER_SET,
				  .peer = i,
				  .config = { .mode = (enum peer_mode) below(3), .wait_ms = WAIT_MS } });
	}
	peer_event(&s, REPL_PRIMARY, 0, 4096);
	for (int n = 0; n < 3000; n++)
		sim_step(&s);
	/* Nobody answers any more, but the directory does: a flush is acknowledged without them, in time. */
	s.directory_is_away = false;
	for (size_t i = 0; i < PEERS; i++)
		if (s.peers[i].up)
			disconnect_peer(&s, i);
	s.staged += 100;
	flush(&s);
	s.durable = s.staged;
	peer_event(&s, REPL_LOCAL_DURABLE, 0, s.durable);
	pass_time(&s, WAIT_MS + 600, false);
	if (s.released < s.flushed)
		fail_msg("seed %" PRIu64 ": a flush waits for ever for peers that are away", number);
	/* All is well again: who is to be in sync becomes so, and has everything. */
	for (size_t i = 0; i < PEERS; i++)
		connect_peer(&s, i);
	pass_time(&s, 3000, true);
	for (size_t i = 0; i < PEERS; i++)
		if (s.r.peers[i].config.mode != PEER_ASYNC &&
		    (!s.peers[i].in_list || s.r.peers[i].membership != PEER_IN))
			fail_msg("seed %" PRIu64 ": peer %zu does not come in sync again", number, i);
}

static void what_is_acknowledged_is_at_everybody_who_counts_as_in_sync(void **state)
{
	with_seeds(flushing_life);
}

/* ---- generations ---- */

#define LOG_MAX 400

struct replica {
	uint64_t records[LOG_MAX]; /* what was written, by number: the same number is the same record */
	uint8_t writers[LOG_MAX];  /* who wrote it as primary */
	size_t end, durable;
	struct generation list[GENERATIONS_MAX];
	uint64_t token;
	bool primary, follows;
};

struct world {
	struct replica x[2];
	uint64_t number, next_record, next_generation, token;
	unsigned int verdicts[GENERATION_UNRELATED + 1];
};

static uint64_t lsn_of(size_t records)
{
	return RECORD_ALIGN * (uint64_t) (records + 1);
}

static size_t common_records(const struct world *w)
{
	size_t n = 0;

	while (n < w->x[0].end && n < w->x[1].end && w->x[0].records[n] == w->x[1].records[n])
		n++;
	return n;
}

static void promote(struct world *w, size_t i)
{
	struct replica *x = &w->x[i];

	x->token = ++w->token;
	x->primary = true;
	x->durable = x->end; /* a promotion makes durable what was received first */
	x->follows = w->x[1 - i].follows = false;
	generation_begin(x->list, ++w->next_generation, lsn_of(x->end));
}

/* The power goes: what was not durable is lost, and a primary begins a generation, as its stage is gone. */
static void lose_power(struct world *w, size_t i)
{
	struct replica *x = &w->x[i];

	x->end = x->durable;
	w->x[0].follows = w->x[1].follows = false;
	if (x->primary)
		generation_begin(x->list, ++w->next_generation, lsn_of(x->end));
}

static void take_back(struct world *w, struct replica *us, struct replica *peer,
                      const struct generation_result *r)
{
	size_t keep = (size_t) (r->lsn / RECORD_ALIGN) - 1, own = 0;
	uint8_t me = (uint8_t) (peer - w->x);

	for (size_t n = keep; n < peer->end; n++)
		own += peer->writers[n] == me;
	if (own && !r->orphan)
		fail_msg("seed %" PRIu64
		         ": what the peer acknowledged as primary is taken back without being kept",
		         w->number);
	peer->end = keep;
	peer->durable = keep;
}

/* The two meet: the one with the newer token is the primary of both. */
static void meet(struct world *w)
{
	static const uint8_t volume[16] = { 1 };
	struct replica *us = &w->x[w->x[1].token > w->x[0].token], *peer = us == w->x ? &w->x[1] : &w->x[0];
	const struct generation_side a = { .volume_id = volume,
		                           .generations = us->list,
		                           .token = us->token,
		                           .end = lsn_of(us->end),
		                           .tail = RECORD_ALIGN };
	const struct generation_side b = { .volume_id = volume,
		                           .generations = peer->list,
		                           .token = peer->token,
		                           .end = lsn_of(peer->end),
		                           .was_primary = peer->primary };
	struct generation_result r = generation_compare(&a, &b);
	size_t common = common_records(w);

	if (!us->primary || us->follows || peer->follows)
		return;
	w->verdicts[r.verdict]++;
	switch (r.verdict) {
	case GENERATION_FOLLOW:
		if (peer->end > common || r.lsn != lsn_of(peer->end))
			fail_msg("seed %" PRIu64 ": follows at LSN %" PRIu64
			         " with %zu records, of which %zu are ours",
			         w->number, r.lsn, peer->end, common);
		break;
	case GENERATION_PEER_HAS_TAIL:
	case GENERATION_SPLIT_BRAIN: /* an operator gives his word for us */
		if (r.lsn > lsn_of(common) || r.lsn >= lsn_of(peer->end))
			fail_msg("seed %" PRIu64 ": branch at LSN %" PRIu64 ", but %zu records are the same",
			         w->number, r.lsn, common);
		take_back(w, us, peer, &r);
		break;
	case GENERATION_RESYNC:
	case GENERATION_NEWER_TOKEN:
	case GENERATION_UNRELATED:
		fail_msg("seed %" PRIu64 ": %s", w->number, generation_verdict_text(r.verdict));
	}
	memcpy(peer->list, us->list, sizeof(peer->list));
	peer->token = us->token;
	peer->primary = false;
	peer->follows = true;
}

/* The log goes over as the primary has it; a part of it is durable at each side, whichever is faster. */
static void ship(struct world *w)
{
	for (size_t i = 0; i < 2; i++) {
		struct replica *us = &w->x[i], *peer = &w->x[1 - i];

		if (!us->primary || !peer->follows)
			continue;
		for (uint64_t n = below(5); n > 0 && peer->end < us->end; n--) {
			peer->records[peer->end] = us->records[peer->end];
			peer->writers[peer->end] = us->writers[peer->end];
			peer->end++;
		}
		if (below(2))
			peer->durable = peer->end;
	}
}

static void write_some(struct world *w, size_t i)
{
	struct replica *x = &w->x[i];

	for (uint64_t n = below(4); x->primary && n > 0 && x->end < LOG_MAX; n--) {
		x->records[x->end] = ++w->next_record;
		x->writers[x->end++] = (uint8_t) i;
	}
	if (below(2))
		x->durable = x->end;
}

static void meeting_life(uint64_t number)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned int apart = 0; /* generations begun since they met: a list has place for so many */

	assert_non_null(w);
	w->number = number;
	promote(w, 0);
	meet(w);
	for (int n = 0; n < 2000; n++) {
		size_t i = (size_t) below(2);

		switch (below(40)) {
		case 0:
			if (apart++ < 6)
				promote(w, i);
			break;
		case 1:
			if (apart++ < 6)
				lose_power(w, i);
			break;
		case 2: w->x[0].follows = w->x[1].follows = false; break; /* the link is cut */
		case 3:
		case 4:
			meet(w);
			apart = 0;
			break;
		default: write_some(w, i); ship(w);
		}
	}
	free(w);
}

static void two_that_meet_find_what_they_have_in_common_and_mix_nothing_else(void **state)
{
	with_seeds(meeting_life);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_acknowledged_is_at_everybody_who_counts_as_in_sync),
		cmocka_unit_test(two_that_meet_find_what_they_have_in_common_and_mix_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
