/* What is decided between replicas, as tables and transcripts: generations, and what a flush waits for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "replicator/core/generation.h"
#include "replicator/core/replication.h"

/* ---- generations
 * ------------------------------------------------------------------------------------------- */

#define LIST(...)           \
	{                   \
		__VA_ARGS__ \
	}

struct generation_case {
	const char *name;
	struct generation us[GENERATIONS_MAX];
	uint64_t us_token, us_end, us_tail;
	struct generation peer[GENERATIONS_MAX];
	uint64_t peer_token, peer_end;
	bool was_primary, resyncing, settling, other_volume;
	enum generation_verdict verdict;
	uint64_t lsn;
	bool orphan, marks_count;
};

static const struct generation_case generation_cases[] = {
	{ "a peer in the same generation that is behind follows from where it is", LIST({ 7, 0 }), 3, 90000,
	  20000, LIST({ 7, 0 }), 3, 50000, .verdict = GENERATION_FOLLOW, .lsn = 50000 },
	{ "one whose place the log no longer holds is resynchronised by marks", LIST({ 7, 0 }), 3, 90000,
	  60000, LIST({ 7, 0 }), 3, 50000, .verdict = GENERATION_RESYNC, .lsn = 50000, .marks_count = true },
	{ "a new replica follows from the beginning while the log has it", LIST({ 7, 0 }), 3, 90000, 4096,
	  LIST({ 0, 0 }), 0, 4096, .verdict = GENERATION_FOLLOW, .lsn = 4096 },
	{ "and is sent everything that was marked since where it has not", LIST({ 7, 0 }), 3, 90000, 8192,
	  LIST({ 0, 0 }), 0, 4096, .verdict = GENERATION_RESYNC, .lsn = 4096, .marks_count = true },
	{ "a replica that was promoted once but never written to is as good as new", LIST({ 7, 0 }), 3, 90000,
	  4096, LIST({ 9, 0 }), 1, 4096, .verdict = GENERATION_FOLLOW, .lsn = 4096 },
	{ "after a clean handover the old primary follows in the new generation",
	  LIST({ 8, 0 }, { 7, 50000 }), 4, 90000, 20000, LIST({ 7, 0 }), 3, 50000, true,
	  .verdict = GENERATION_FOLLOW, .lsn = 50000 },
	{ "an old primary that wrote on behind the branch takes that back, and keeps it as an orphan",
	  LIST({ 8, 0 }, { 7, 50000 }), 4, 90000, 20000, LIST({ 7, 0 }), 3, 60000, true,
	  .verdict = GENERATION_PEER_HAS_TAIL, .lsn = 50000, .orphan = true, .marks_count = true },
	{ "a secondary that got more from the old primary than we did takes it back without one",
	  LIST({ 8, 0 }, { 7, 50000 }), 4, 90000, 20000, LIST({ 7, 0 }), 3, 60000,
	  .verdict = GENERATION_PEER_HAS_TAIL, .lsn = 50000, .marks_count = true },
	{ "two that were promoted apart and both wrote are a split brain", LIST({ 8, 0 }, { 7, 50000 }), 5,
	  90000, 20000, LIST({ 9, 0 }, { 7, 50000 }), 4, 60000, true, .verdict = GENERATION_SPLIT_BRAIN,
	  .lsn = 50000, .orphan = true, .marks_count = true },
	{ "one that was promoted apart but wrote nothing follows", LIST({ 8, 0 }, { 7, 50000 }), 5, 90000,
	  20000, LIST({ 9, 0 }, { 7, 50000 }), 4, 50000, true, .verdict = GENERATION_FOLLOW, .lsn = 50000 },
	{ "a peer two promotions behind follows from its own end", LIST({ 9, 0 }, { 8, 70000 }, { 7, 50000 }),
	  5, 90000, 20000, LIST({ 7, 0 }), 3, 40000, .verdict = GENERATION_FOLLOW, .lsn = 40000 },
	{ "an old primary whose recovery began a generation of its own takes that back: nobody was told of "
	  "it",
	  LIST({ 9, 0 }, { 7, 50000 }), 5, 90000, 20000, LIST({ 8 | GENERATION_RECOVERED, 0 }, { 7, 40000 }),
	  4, 60000, true, .verdict = GENERATION_PEER_HAS_TAIL, .lsn = 40000, .orphan = true,
	  .marks_count = true },
	{ "but not where it was promoted again behind that", LIST({ 9, 0 }, { 7, 50000 }), 5, 90000, 20000,
	  LIST({ 6, 0 }, { 8 | GENERATION_RECOVERED, 45000 }, { 7, 40000 }), 4, 60000, true,
	  .verdict = GENERATION_SPLIT_BRAIN, .lsn = 40000, .orphan = true, .marks_count = true },
	{ "a peer in a middle generation follows from its own end",
	  LIST({ 9, 0 }, { 8, 70000 }, { 7, 50000 }), 5, 90000, 20000, LIST({ 8, 0 }, { 7, 50000 }), 4, 60000,
	  .verdict = GENERATION_FOLLOW, .lsn = 60000 },
	{ "the branch is where the middle generation ended here", LIST({ 9, 0 }, { 8, 70000 }, { 7, 50000 }),
	  5, 90000, 20000, LIST({ 8, 0 }, { 7, 50000 }), 4, 80000, true, .verdict = GENERATION_PEER_HAS_TAIL,
	  .lsn = 70000, .orphan = true, .marks_count = true },
	{ "a peer that knows a newer token stops us, whatever else it has", LIST({ 7, 0 }), 3, 90000, 20000,
	  LIST({ 8, 0 }, { 7, 50000 }), 4, 60000, .verdict = GENERATION_NEWER_TOKEN },
	{ "histories without anything in common are not mixed", LIST({ 7, 0 }), 3, 90000, 20000,
	  LIST({ 9, 0 }), 3, 50000, .verdict = GENERATION_UNRELATED },
	{ "nor are volumes", LIST({ 7, 0 }), 3, 90000, 20000, LIST({ 7, 0 }), 9, 50000, .other_volume = true,
	  .verdict = GENERATION_UNRELATED },
	{ "a resync that was cut goes on by the marks of who began it", LIST({ 7, 0 }), 3, 90000, 20000,
	  LIST({ 7, 0 }), 3, 60000, .resyncing = true, .verdict = GENERATION_RESYNC, .marks_count = true },
	{ "one that somebody else began starts over", LIST({ 7, 0 }), 3, 90000, 20000, LIST({ 9, 0 }), 3,
	  60000, .resyncing = true, .verdict = GENERATION_RESYNC },
	{ "one whose primary has begun another generation since starts over, too: it may have lost what it "
	  "had sent",
	  LIST({ 8, 0 }, { 7, 50000 }), 3, 90000, 20000, LIST({ 7, 0 }), 3, 40000, .resyncing = true,
	  .verdict = GENERATION_RESYNC },
	{ "a resync that has ended but not settled goes on by the log", LIST({ 7, 0 }), 3, 90000, 20000,
	  LIST({ 7, 0 }), 3, 60000, .settling = true, .verdict = GENERATION_FOLLOW, .lsn = 60000 },
	{ "unless its primary has begun another generation", LIST({ 8, 0 }, { 7, 65000 }), 3, 90000, 20000,
	  LIST({ 7, 0 }), 3, 60000, .settling = true, .verdict = GENERATION_RESYNC },
	{ "a log that says more than the generation's end counts up to its own end only",
	  LIST({ 8, 0 }, { 7, 50000 }), 4, 90000, 20000, LIST({ 8, 0 }, { 7, 50000 }), 4, 30000,
	  .verdict = GENERATION_FOLLOW, .lsn = 30000 },
};

static void generations_say_how_two_replicas_stand(void **state)
{
	static const uint8_t ids[2][16] = { { 1 }, { 2 } };

	for (size_t i = 0; i < ARRAY_SIZE(generation_cases); i++) {
		const struct generation_case *c = &generation_cases[i];
		struct generation_side us = {
			ids[0], c->us, c->us_token, c->us_end, c->us_tail, false, false
		};
		struct generation_side peer = { ids[c->other_volume], c->peer,    c->peer_token,
			                        c->peer_end,          0,          c->was_primary,
			                        c->resyncing,         c->settling };
		struct generation_result r = generation_compare(&us, &peer);

		if (r.verdict != c->verdict || r.lsn != c->lsn || r.orphan != c->orphan ||
		    r.marks_count != c->marks_count)
			fail_msg("%s: %s at %" PRIu64 "%s%s", c->name, generation_verdict_text(r.verdict),
			         r.lsn, r.orphan ? ", orphan" : "", r.marks_count ? ", marks count" : "");
	}
}

static void a_new_generation_ends_the_older_ones_where_it_begins(void **state)
{
	struct generation list[GENERATIONS_MAX] = { { 0, 0 } };

	generation_begin(list, 1, 4096);
	assert_int_equal(list[0].id, 1);
	assert_int_equal(list[1].id, 0);
	generation_begin(list, 2, 50000);
	assert_int_equal(list[1].end, 50000);
	generation_begin(list, 3, 40000); /* a fall back to a snapshot before the end of generation 1 */
	assert_int_equal(list[0].id, 3);
	assert_int_equal(list[0].end, 0);
	assert_int_equal(list[1].end, 40000);
	assert_int_equal(list[2].end, 40000);
	for (uint64_t id = 4; id < 40; id++)
		generation_begin(list, id, 60000 + id);
	assert_int_equal(list[0].id, 39);
	assert_int_equal(list[GENERATIONS_MAX - 1].id, 39 - (GENERATIONS_MAX - 1));
}

/* ---- what a flush waits for
 * -------------------------------------------------------------------------------- */

/*
 * A transcript: lines of "TIME EVENT [PEER] [ARG...]" and, behind "=>", what is asked for: "release LSN",
 * "strike PEER SERIAL", "join PEER SERIAL", "ahead PEER LSN", "resync PEER". States are said with "? PEER
 * STATE MEMBERSHIP". All flushes wait for is in them.
 */
static const char *const state_names[] = { "down",   "following", "ahead",  "resync",
	                                   "paused", "split",     "refused" };
static const char *const membership_names[] = { "out", "catching", "joining", "in", "striking" };

static const struct {
	const char *name;
	enum repl_event_type type;
	enum { NOTHING, LSN, PEER, PEER_LSN, PEER_SERIAL, CONFIG } args;
} event_names[] = {
	{ "tick", REPL_TICK, NOTHING },
	{ "primary", REPL_PRIMARY, LSN },
	{ "secondary", REPL_SECONDARY, NOTHING },
	{ "staged", REPL_STAGED, LSN },
	{ "local", REPL_LOCAL_DURABLE, LSN },
	{ "flush", REPL_FLUSH, LSN },
	{ "set", REPL_PEER_SET, CONFIG },
	{ "remove", REPL_PEER_REMOVE, PEER },
	{ "down", REPL_PEER_DOWN, PEER },
	{ "follows", REPL_PEER_FOLLOWS, PEER_LSN },
	{ "resyncs", REPL_PEER_RESYNCS, PEER_LSN },
	{ "resynced", REPL_PEER_RESYNCED, PEER },
	{ "overrun", REPL_PEER_OVERRUN, PEER },
	{ "not-yet", REPL_PEER_NOT_YET, PEER },
	{ "sent", REPL_PEER_SENT, PEER_LSN },
	{ "received", REPL_PEER_RECEIVED, PEER_LSN },
	{ "accepted", REPL_PEER_ACCEPTED, PEER_LSN },
	{ "durable", REPL_PEER_DURABLE, PEER_LSN },
	{ "credit", REPL_PEER_CREDIT, PEER_LSN },
	{ "struck", REPL_STRUCK, PEER_SERIAL },
	{ "joined", REPL_JOINED, PEER_SERIAL },
};

static bool read_event(const char *line, struct repl_event *e)
{
	char name[16], mode[16], in[16] = "";
	unsigned long long now, a = 0, b = 0;
	int n = sscanf(line, "%llu %15s %llu %llu", &now, name, &a, &b);

	if (n < 2)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(event_names); i++) {
		if (strcmp(event_names[i].name, name) != 0)
			continue;
		*e = (struct repl_event){ .type = event_names[i].type, .now_ms = now };
		if (event_names[i].args == LSN)
			e->lsn = a;
		else
			e->peer = a;
		e->lsn = event_names[i].args == PEER_LSN ? b : e->lsn;
		e->serial = b;
		if (event_names[i].args != CONFIG)
			return true;
		if (sscanf(line, "%*u %*s %*u %15s %llu %15s", mode, &b, in) < 2)
			return false;
		e->config = (struct repl_peer_config){
			.mode = mode[0] == 'a'              ? PEER_ASYNC
			        : strcmp(mode, "semi") == 0 ? PEER_SEMI_SYNC
			                                    : PEER_SYNC,
			.wait_ms = (uint32_t) b,
			.in_sync = in[0] == 'i',
		};
		return true;
	}
	return false;
}

static void say(const struct repl_actions *out, char *text, size_t size)
{
	text[0] = '\0';
	for (size_t i = 0; i < out->n; i++) {
		const struct repl_action *a = &out->a[i];
		size_t at = strlen(text);
		const char *comma = at ? ", " : "";

		switch (a->type) {
		case REPL_RELEASE:
			(void) snprintf(text + at, size - at, "%srelease %" PRIu64, comma, a->lsn);
			break;
		case REPL_ASK_STRIKE:
			(void) snprintf(text + at, size - at, "%sstrike %zu %" PRIu64, comma, a->peer,
			                a->serial);
			break;
		case REPL_ASK_JOIN:
			(void) snprintf(text + at, size - at, "%sjoin %zu %" PRIu64, comma, a->peer,
			                a->serial);
			break;
		case REPL_GO_AHEAD:
			(void) snprintf(text + at, size - at, "%sahead %zu %" PRIu64, comma, a->peer, a->lsn);
			break;
		case REPL_START_RESYNC:
			(void) snprintf(text + at, size - at, "%sresync %zu", comma, a->peer);
			break;
		case REPL_STATE: break;
		}
	}
}

static void check_state(const struct repl *r, const char *transcript, const char *line)
{
	unsigned int peer;
	char state[16], membership[16];

	assert_int_equal(sscanf(line, "? %u %15s %15s", &peer, state, membership), 3);
	if (strcmp(state, state_names[r->peers[peer].state]) != 0 ||
	    strcmp(membership, membership_names[r->peers[peer].membership]) != 0)
		fail_msg("%s: \"%s\": it is %s, %s", transcript, line, state_names[r->peers[peer].state],
		         membership_names[r->peers[peer].membership]);
}

struct transcript {
	const char *name;
	const char *lines[40];
};

static const struct transcript transcripts[] = {
	{ "a flush without peers needs the local disk only",
	  { "0 primary 100", "1 flush 200", "2 local 200 => release 200" } },
	{ "a flush waits for the durable commit of a sync peer, whichever comes first",
	  { "0 set 0 sync 5000 in", "0 primary 100", "1 follows 0 100", "2 flush 200", "3 local 200",
	    "4 received 0 200", "5 durable 0 200 => release 200", "6 flush 300", "7 durable 0 300",
	    "8 local 300 => release 300", "? 0 following in" } },
	{ "a semi-sync peer's receipt of whole epochs is enough",
	  { "0 set 0 semi 5000 in", "0 primary 100", "1 follows 0 100", "2 flush 200", "3 local 200",
	    "4 received 0 200", "5 accepted 0 200 => release 200" } },
	{ "an async peer is never waited for",
	  { "0 set 0 async 5000", "0 primary 100", "1 follows 0 100", "2 flush 200",
	    "3 local 200 => release 200", "? 0 following out" } },
	{ "with several peers the slowest of those in sync counts",
	  { "0 set 0 sync 5000 in", "0 set 1 semi 5000 in", "0 set 2 async 5000", "0 primary 100",
	    "1 follows 0 100", "1 follows 1 100", "1 follows 2 100", "2 flush 200", "3 local 200",
	    "4 durable 0 200", "5 accepted 1 150 => release 150", "6 accepted 1 200 => release 200" } },
	{ "a silent sync peer is struck after its time, and only then the flush goes on",
	  { "0 set 0 sync 5000 in", "0 primary 100", "1 follows 0 100", "1000 flush 200", "1001 local 200",
	    "5999 tick", "6000 tick => strike 0 1", "7000 tick", "7001 struck 0 9",
	    "7002 struck 0 1 => release 200", "? 0 following out" } },
	{ "a question that nobody answers is asked again under its number",
	  { "0 set 0 sync 1000 in", "0 primary 100", "10 flush 200", "11 local 200",
	    "1010 tick => strike 0 1", "3010 tick => strike 0 1", "3011 tick", "5010 tick => strike 0 1" } },
	{ "a peer that comes back in time is not struck",
	  { "0 set 0 sync 5000 in", "0 primary 100", "1 follows 0 100", "2 down 0", "1000 flush 200",
	    "1001 local 200", "4000 follows 0 100", "4001 durable 0 200 => release 200", "9000 tick",
	    "? 0 following in" } },
	{ "one that catches up while it is being struck releases the flush, and has to join again",
	  { "0 set 0 sync 1000 in", "0 primary 100", "1 follows 0 100", "10 flush 200", "11 local 200",
	    "1010 tick => strike 0 1", "1020 durable 0 200 => release 200", "? 0 following striking",
	    "1030 struck 0 1", "? 0 following catching", "1031 tick => join 0 2" } },
	{ "a peer that is down is not struck while nobody waits",
	  { "0 set 0 sync 1000 in", "0 primary 100", "1 follows 0 100", "2 down 0", "90000 tick",
	    "? 0 down in", "90001 staged 300", "99000 tick", "? 0 down in" } },
	{ "a peer joins when it has all that was acknowledged, and is waited for from before it is asked",
	  { "0 set 0 sync 1000", "0 primary 100", "1 follows 0 50", "? 0 following catching", "2 flush 200",
	    "3 local 200", "4 durable 0 100 => join 0 1", "? 0 following joining",
	    "5 durable 0 200 => release 200", "6 joined 0 1", "? 0 following in" } },
	{ "who is asked to join and goes silent has to be struck: the directory may have it",
	  { "0 set 0 sync 1000", "0 primary 100", "1 follows 0 100", "2 tick => join 0 1", "10 flush 200",
	    "11 local 200", "12 down 0", "1010 tick => strike 0 2", "1011 joined 0 1", "? 0 down striking",
	    "1012 struck 0 2 => release 200" } },
	{ "who only comes closer and is too slow is let go without a word",
	  { "0 set 0 sync 1000", "0 primary 500", "1 follows 0 50", "? 0 following catching", "2 flush 600",
	    "3 local 600", "1002 tick", "? 0 following out", "1003 tick => release 600" } },
	{ "a member that becomes async is struck before flushes do without it",
	  { "0 set 0 sync 1000 in", "0 primary 100", "1 follows 0 100", "2 set 0 async 1000 => strike 0 1",
	    "3 flush 200", "4 local 200", "5 struck 0 1 => release 200", "9 tick", "? 0 following out" } },
	{ "a member that comes back without what it had confirmed is struck at once",
	  { "0 set 0 semi 5000 in", "0 primary 100", "1 follows 0 100", "2 flush 200", "3 local 200",
	    "4 received 0 200", "5 accepted 0 200 => release 200", "5 down 0",
	    "6 follows 0 150 => strike 0 1" } },
	{ "a member that has to be resynchronised is struck at once",
	  { "0 set 0 sync 5000 in", "0 primary 100", "1 resyncs 0 100 => strike 0 1", "2 struck 0 1",
	    "3 resynced 0", "4 tick => join 0 2" } },
	{ "a peer that lags in bytes goes ahead, and is resynchronised once it has what it was sent",
	  { "0 set 0 async 5000", "0 primary 100", "1 follows 0 100", "2 sent 0 600", "3 staged 1100",
	    "4 staged 1101 => ahead 0 100", "? 0 ahead out", "2000 tick", "2001 received 0 600 => resync 0",
	    "2002 tick", "2003 resyncs 0 2000", "2004 resynced 0", "? 0 following out" } },
	{ "a resync does not begin before ahead mode has lasted",
	  { "0 set 0 async 5000", "0 primary 100", "1 follows 0 100", "4 staged 2000 => ahead 0 100",
	    "5 tick", "1003 tick", "1004 tick => resync 0" } },
	{ "a peer that lags in time goes ahead",
	  { "0 set 0 async 5000", "0 primary 100", "1 follows 0 100", "10 flush 200",
	    "11 local 200 => release 200", "10010 tick", "10011 tick => ahead 0 100" } },
	{ "a member does not go ahead: it is struck first",
	  { "0 set 0 sync 5000 in", "0 primary 100", "1 follows 0 100", "4 staged 2000", "5 flush 2000",
	    "6 local 2000", "5005 tick => strike 0 1", "5006 struck 0 1 => release 2000, ahead 0 100" } },
	{ "a log that has run over takes the peer out of the stream",
	  { "0 set 0 async 5000", "0 primary 100", "1 resyncs 0 100", "2 overrun 0", "? 0 ahead out" } },
	{ "a peer that comes from far behind is given the time to catch up",
	  { "0 set 0 async 5000", "0 primary 100", "1 staged 5000", "2 follows 0 100", "3 staged 6000",
	    "20000 tick", "20001 durable 0 5500", "20002 staged 7000 => ahead 0 5500" } },
	{ "so is one at the end of its resync",
	  { "0 set 0 async 5000", "0 primary 100", "1 resyncs 0 100", "2 staged 5000", "3 resynced 0",
	    "? 0 following out", "4 durable 0 4500", "5 staged 5501 => ahead 0 4500" } },
	{ "a resync that could not end is asked for again",
	  { "0 set 0 async 5000", "0 primary 100", "1 resyncs 0 100", "2 overrun 0", "1002 tick => resync 0",
	    "1003 tick", "1500 not-yet 0", "2499 tick", "2500 tick => resync 0" } },
	{ "a secondary asks nobody for anything",
	  { "0 set 0 sync 1000 in", "0 primary 100", "1 flush 200", "2 secondary", "9000 tick",
	    "? 0 down out", "9001 primary 200", "? 0 down in" } },
};

static void run_transcript(const struct transcript *t)
{
	static const struct repl_limits limits = {
		.lag_bytes = 1000,
		.lag_ms = 10000,
		.ahead_min_ms = 1000,
		.repeat_ms = 2000,
	};
	struct repl r;

	repl_init(&r, &limits);
	for (size_t i = 0; i < ARRAY_SIZE(t->lines) && t->lines[i]; i++) {
		const char *want = strstr(t->lines[i], " => ");
		struct repl_event e;
		struct repl_actions out;
		char text[256];

		if (t->lines[i][0] == '?') {
			check_state(&r, t->name, t->lines[i]);
			continue;
		}
		if (!read_event(t->lines[i], &e))
			fail_msg("%s: \"%s\" is no event", t->name, t->lines[i]);
		repl_step(&r, &e, &out);
		say(&out, text, sizeof(text));
		if (strcmp(text, want ? want + 4 : "") != 0)
			fail_msg("%s: \"%s\": \"%s\"", t->name, t->lines[i], text);
		assert_true(repl_deadline(&r, e.now_ms) >= e.now_ms);
	}
}

static void flushes_wait_for_what_the_modes_ask(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(transcripts); i++)
		run_transcript(&transcripts[i]);
}

/* Whatever happens in whatever order: nothing is released that a member lacks, and deadlines do not spin. */
static void no_order_of_events_releases_what_a_member_lacks(void **state)
{
	static const struct repl_limits limits = {
		.lag_bytes = 5000,
		.lag_ms = 500,
		.ahead_min_ms = 50,
		.repeat_ms = 100,
	};
	struct repl r;
	struct repl_actions out;
	uint64_t now = 0, staged = 100, in[PEERS_MAX] = { 0 };
	unsigned int seed = 4711;

	repl_init(&r, &limits);
	for (size_t i = 0; i < PEERS_MAX; i++)
		repl_step(&r,
		          &(struct repl_event){ .type = REPL_PEER_SET,
		                                .peer = i,
		                                .config = { (enum peer_mode)(i % 3), 100, false } },
		          &out);
	repl_step(&r, &(struct repl_event){ .type = REPL_PRIMARY, .lsn = staged }, &out);
	for (int n = 0; n < 200000; n++) {
		size_t peer = (size_t) rand_r(&seed) % PEERS_MAX;
		struct repl_peer *p = &r.peers[peer];
		struct repl_event e = { .peer = peer,
			                .now_ms = now += (uint64_t) rand_r(&seed) % 8,
			                .serial = p->serial };
		bool linked = p->state == PEER_FOLLOWING || p->state == PEER_RESYNC;

		switch (rand_r(&seed) % 12) {
		case 0: e.type = REPL_FLUSH, e.lsn = staged += (uint64_t) rand_r(&seed) % 300; break;
		case 1: e.type = REPL_LOCAL_DURABLE, e.lsn = staged; break;
		case 2:
		case 3:
		case 4: e.type = linked ? REPL_PEER_DURABLE : REPL_TICK, e.lsn = staged; break;
		case 5: e.type = linked ? REPL_PEER_ACCEPTED : REPL_TICK, e.lsn = staged; break;
		case 6:
			e.type = p->state == PEER_DOWN ? REPL_PEER_FOLLOWS : REPL_TICK, e.lsn = p->durable;
			break;
		case 7: e.type = n % 16 ? REPL_TICK : REPL_PEER_DOWN; break;
		case 8:
			e.type = p->state == PEER_AHEAD ? REPL_PEER_RESYNCS : REPL_TICK, e.lsn = staged;
			break;
		case 9: e.type = REPL_STRUCK; break;
		case 10: e.type = REPL_JOINED; break;
		default: e.type = p->state == PEER_RESYNC ? REPL_PEER_RESYNCED : REPL_TICK; break;
		}
		repl_step(&r, &e, &out);
		for (size_t i = 0; i < PEERS_MAX; i++) {
			bool may_be_in =
				r.peers[i].membership >= PEER_JOINING; /* what the directory may say */
			uint64_t has = r.peers[i].config.mode == PEER_SEMI_SYNC ? r.peers[i].accepted
			                                                        : r.peers[i].durable;

			in[i] += may_be_in;
			if (may_be_in && !r.peers[i].unfit && has < r.acknowledged)
				fail_msg("event %d: %" PRIu64 " released, member %zu has %" PRIu64, n,
				         r.acknowledged, i, has);
		}
		if (repl_deadline(&r, now) == now) {
			struct repl_event tick = { .type = REPL_TICK, .now_ms = now };

			for (int spins = 0; repl_deadline(&r, now) == now; spins++) {
				assert_true(spins < 10);
				repl_step(&r, &tick, &out);
			}
		}
	}
	assert_true(in[1] > 1000 && in[2] > 1000 && in[0] == 0);
	assert_true(r.acknowledged > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generations_say_how_two_replicas_stand),
		cmocka_unit_test(a_new_generation_ends_the_older_ones_where_it_begins),
		cmocka_unit_test(flushes_wait_for_what_the_modes_ask),
		cmocka_unit_test(no_order_of_events_releases_what_a_member_lacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
