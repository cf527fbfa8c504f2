/*
 * Power cuts, kills and cut links under a primary and a standby with changes under way. After each: what a
 * replica holds is exactly the state after some change, has everything that was acknowledged to it, and the
 * two become the same again.
 *
 * Each round goes on from where the last one left the two. PODMAIL_CUTS sets how many (default 25; a soak
 * makes 1,000), PODMAIL_SEED the draws; both are said when a round fails, and the replicas' folders are kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/fault/cut_replica.h"

/* What happens to one side. */
enum fate { FATE_KILL, FATE_POWER, FATE_STEP_KILL, FATE_STEP_POWER, FATES };

/* What happens before, while the load goes on. */
enum trouble { TROUBLE_NONE, TROUBLE_LINK, TROUBLE_STANDBY_KILLED, TROUBLE_STANDBY_POWER, TROUBLES };

static const char *const fate_names[] = { "killed", "power cut", "killed at a step", "power cut at a step" };
static const char *const trouble_names[] = { "none", "link cut", "standby killed", "standby's power cut" };
static const char *const step_names[] = { "stage",       "log write",    "log flush",   "place",
	                                  "place flush", "place commit", "committed",   "copy",
	                                  "copy flush",  "apply",        "apply flush", "superblock",
	                                  "bitmap",      "snapshot" };
_Static_assert(ARRAY_SIZE(step_names) == DISK_STEPS, "each step has a name");
static const char *const mode_names[] = { "async", "semi-sync", "sync" };

struct play {
	char folder[64];
	struct cut_shared *shared;
	struct cut_replica replicas[2];
	pid_t relay;
	uint64_t seed, round, serial, token;
	bool lies;
	/* Figures. */
	unsigned int cuts, lost_writes, switched, resyncs, by_fate[FATES], by_trouble[TROUBLES],
		by_step[DISK_STEPS];
	uint64_t changes, acknowledged;
	char what[160], text[512]; /* a round, and what is wrong */
};

static uint64_t below(struct play *p, uint64_t limit)
{
	return cut_below(&p->seed, limit);
}

__attribute__((format(printf, 2, 3))) static bool wrong(struct play *p, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void) vsnprintf(p->text, sizeof(p->text), format, ap);
	va_end(ap);
	return false;
}

static struct cut_replica *primary(struct play *p)
{
	return &p->replicas[p->shared->primary];
}

static struct cut_replica *standby(struct play *p)
{
	return &p->replicas[1 - p->shared->primary];
}

static struct cut_side *side(struct cut_replica *r)
{
	return &r->shared->sides[r->number];
}

static bool order(struct play *p, struct cut_replica *r, enum cut_order o, const char *what)
{
	if (cut_replica_order(r, o) < 0)
		return wrong(p, "replica %d cannot %s: %s", r->number, what, side(r)->text);
	return true;
}

/* ---- what must hold ---- */

/* What a replica is known to have, whatever happened to it. */
static int64_t owed_to_primary(const struct play *p, enum fate fate)
{
	const struct cut_history *h = &p->shared->history;

	/* The stage outlives the process: what was written is there. The power takes it, not what was
	 * flushed. */
	return (int64_t) (fate == FATE_KILL || fate == FATE_STEP_KILL ? h->done : h->acknowledged);
}

/* Its own unflushed writes may be torn by the loss of power, as on any disk; of those that the log takes none
 * ever is. */
static uint64_t torn_at_primary(const struct play *p, enum fate fate)
{
	bool power = fate == FATE_POWER || fate == FATE_STEP_POWER;

	return power ? p->shared->history.acknowledged : UINT64_MAX;
}

/*
 * A semi-sync peer has confirmed what it had not yet flushed: its own loss of power, now or before in this
 * round, takes that from it, and where the primary is lost too before it could strike it, from everybody.
 */
static int64_t owed_to_standby(const struct play *p, enum fate fate, enum trouble before)
{
	bool power = fate == FATE_POWER || fate == FATE_STEP_POWER || before == TROUBLE_STANDBY_POWER;

	if (!p->shared->in_sync || p->shared->mode == PEER_ASYNC ||
	    (p->shared->mode == PEER_SEMI_SYNC && power))
		return 0;
	return (int64_t) p->shared->history.acknowledged;
}

/*
 * The replica has been opened again: what it holds is a state that was, with all that is owed. torn_from:
 * changes from there on may be torn where they are long, see cut_history.h.
 */
static bool is_prefix(struct play *p, struct cut_replica *r, const char *who, int64_t owed,
                      uint64_t torn_from)
{
	char text[160];
	int64_t n;

	if (!order(p, r, CUT_DUMP, "be read"))
		return false;
	if (!side(r)->consistent) {
		p->resyncs++; /* in the middle of a resync: it has a snapshot to fall back to */
		return true;
	}
	n = cut_history_find(&p->shared->history, side(r)->found, torn_from, text, sizeof(text));
	if (n < 0)
		return wrong(p, "the %s holds a state that never was: %s", who, text);
	if (n < owed)
		return wrong(p, "the %s holds the state after change %lld, and owes %lld", who, (long long) n,
		             (long long) owed);
	return true;
}

static bool snapshots_are_same(struct play *p)
{
	struct cut_side *a = side(&p->replicas[0]), *b = side(&p->replicas[1]);

	for (size_t i = 0; i < a->n_snapshots; i++)
		for (size_t k = 0; k < b->n_snapshots; k++)
			if (a->snapshots[i].name[0] ==
			            's' && /* cut by the stream: "s...", not by a side for itself */
			    strcmp(a->snapshots[i].name, b->snapshots[k].name) == 0 &&
			    a->hashes[i] != b->hashes[k])
				return wrong(p, "snapshot %s is not the same at both sites",
				             a->snapshots[i].name);
	return true;
}

static bool are_same(struct play *p)
{
	if (!order(p, primary(p), CUT_SAME, "bring the standby up") ||
	    !order(p, primary(p), CUT_DUMP, "be read") || !order(p, standby(p), CUT_DUMP, "be read"))
		return false;
	for (uint32_t b = 0; b < CUT_BLOCKS; b++)
		if (side(primary(p))->found[b] != side(standby(p))->found[b])
			return wrong(p,
			             "block %u is of change %llu at the primary and of %llu at the standby",
			             b, (unsigned long long) side(primary(p))->found[b],
			             (unsigned long long) side(standby(p))->found[b]);
	return snapshots_are_same(p);
}

/* ---- a round ---- */

static bool start(struct play *p, struct cut_replica *r)
{
	if (cut_replica_start(r) < 0)
		return wrong(p, "replica %d does not open: %s", r->number, side(r)->text);
	volatile_disk_lie(r->disk, p->lies);
	return true;
}

static bool link_up(struct play *p)
{
	if (p->relay)
		cut_relay_kill(p->relay);
	p->relay = cut_relay_start(atomic_load(&side(standby(p))->port), &p->shared->relay_port);
	return order(p, primary(p), CUT_PEER, "take its peer");
}

static bool serve_standby(struct play *p)
{
	return order(p, standby(p), CUT_SERVE, "serve") && order(p, standby(p), CUT_PEER, "take its peer");
}

/* Both are open: the primary of this round is promoted, and the other comes up. */
static bool join(struct play *p)
{
	p->shared->token = ++p->token;
	atomic_store(&p->shared->reported_lsn, 0);
	if (!serve_standby(p) || !order(p, primary(p), CUT_SERVE, "serve") || !link_up(p) ||
	    !order(p, primary(p), CUT_PROMOTE, "be promoted") || !are_same(p))
		return false;
	p->shared->serial = p->serial;
	p->shared->seed = below(p, UINT64_MAX - 1) + 1;
	cut_history_restart(&p->shared->history, side(primary(p))->found);
	return order(p, primary(p), CUT_LOAD, "write");
}

static void nap(struct play *p, uint64_t ms)
{
	(void) usleep((unsigned int) (1000 * below(p, ms)));
}

static enum volatile_loss any_loss(struct play *p)
{
	return (enum volatile_loss) below(p, VOLATILE_LOSSES);
}

static bool restart_standby(struct play *p, enum trouble t)
{
	struct cut_replica *s = standby(p);
	uint64_t reported;
	int64_t owed;

	if (t == TROUBLE_STANDBY_POWER)
		p->lost_writes += (unsigned int) cut_replica_power_off(s, any_loss(p));
	else
		cut_replica_kill(s);
	reported = atomic_load(&p->shared->reported_lsn);
	/* Nothing more is acknowledged that it lacks, before it is struck. */
	owed = owed_to_standby(p, FATE_KILL, t);
	nap(p, 500);
	if (!start(p, s) || !is_prefix(p, s, "standby, while the primary goes on,", owed, UINT64_MAX))
		return false;
	if (side(s)->durable_lsn < reported && side(s)->consistent)
		return wrong(p, "the standby has LSN %llu, and %llu was reported",
		             (unsigned long long) side(s)->durable_lsn, (unsigned long long) reported);
	return serve_standby(p) && link_up(p);
}

static bool make_trouble(struct play *p, enum trouble t)
{
	switch (t) {
	case TROUBLE_NONE: return true;
	case TROUBLE_LINK:
		cut_relay_kill(p->relay);
		p->relay = 0;
		nap(p, 600); /* longer than a flush waits, or not */
		return link_up(p);
	case TROUBLE_STANDBY_KILLED:
	case TROUBLE_STANDBY_POWER: return restart_standby(p, t);
	case TROUBLES: break;
	}
	return wrong(p, "no such trouble");
}

static void meet(struct play *p, struct cut_replica *r, enum fate fate)
{
	if (fate == FATE_STEP_KILL || fate == FATE_STEP_POWER) {
		uint64_t limit = clock_mono_ms() + 400;

		side(r)->last_step = (enum disk_step) below(p, DISK_STEPS);
		side(r)->died_at_step = false;
		atomic_store(&side(r)->steps_left, (long) (1 + below(p, 4)));
		while (!cut_replica_is_dead(r) && clock_mono_ms() < limit)
			(void) usleep(500);
		p->by_step[side(r)->last_step] += side(r)->died_at_step;
	}
	if (fate == FATE_POWER || fate == FATE_STEP_POWER)
		p->lost_writes += (unsigned int) cut_replica_power_off(r, any_loss(p));
	else
		cut_replica_kill(r);
	p->by_fate[fate]++;
	p->cuts++;
}

/* The other one takes over where it may; then its state is what counts. */
static void choose_primary(struct play *p)
{
	bool may = side(standby(p))->consistent && (p->shared->in_sync || p->shared->mode == PEER_ASYNC);

	if (may && below(p, 2)) {
		p->shared->primary = 1 - p->shared->primary;
		atomic_store(&p->shared->in_sync, false);
		p->switched++;
	}
	p->shared->mode = (enum peer_mode)(below(p, 5) > 2 ? PEER_SYNC : below(p, 3));
	if (p->shared->mode == PEER_ASYNC)
		atomic_store(&p->shared->in_sync, false);
}

static bool play_round(struct play *p)
{
	enum fate first = (enum fate) below(p, FATES), second = (enum fate) below(p, FATES);
	enum trouble trouble = below(p, 2) ? TROUBLE_NONE : (enum trouble) below(p, TROUBLES);
	bool primary_first = below(p, 2);
	uint64_t reported;

	p->by_trouble[trouble]++;
	(void) snprintf(p->what, sizeof(p->what), "mode %s, trouble: %s, primary %s, standby %s, %s first",
	                mode_names[p->shared->mode], trouble_names[trouble], fate_names[first],
	                fate_names[second], primary_first ? "primary" : "standby");
	if (!join(p))
		return false;
	nap(p, 120);
	if (!make_trouble(p, trouble))
		return false;
	nap(p, 80);
	meet(p, primary_first ? primary(p) : standby(p), primary_first ? first : second);
	nap(p, below(p, 3) ? 5 : 600);
	meet(p, primary_first ? standby(p) : primary(p), primary_first ? second : first);
	reported = atomic_load(&p->shared->reported_lsn);
	p->serial += p->shared->history.begun;
	p->changes += p->shared->history.done;
	p->acknowledged += p->shared->history.acknowledged;
	if (!start(p, primary(p)) || !start(p, standby(p)) ||
	    !is_prefix(p, primary(p), "primary", owed_to_primary(p, first), torn_at_primary(p, first)) ||
	    !is_prefix(p, standby(p), "standby", owed_to_standby(p, second, trouble), UINT64_MAX))
		return false;
	if (side(standby(p))->consistent && side(standby(p))->durable_lsn < reported)
		return wrong(p, "the standby has LSN %llu, and %llu was reported",
		             (unsigned long long) side(standby(p))->durable_lsn,
		             (unsigned long long) reported);
	choose_primary(p);
	return true;
}

/* ---- plays ---- */

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void play_make(struct play *p, bool lies)
{
	*p = (struct play){ .serial = 1, .lies = lies, .seed = number_from("PODMAIL_SEED", 0) };
	(void) signal(SIGPIPE, SIG_IGN);
	if (p->seed == 0)
		p->seed = clock_mono_us() | 1;
	print_message("seed %llu\n", (unsigned long long) p->seed);
	srandom((unsigned int) p->seed);
	(void) snprintf(p->folder, sizeof(p->folder), "%s/podmail-cuts-XXXXXX",
	                access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(p->folder));
	p->shared = mmap(NULL, sizeof(*p->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(p->shared != MAP_FAILED);
	cut_keys_make(p->folder);
	p->shared->mode = PEER_SYNC;
	for (int i = 0; i < 2; i++)
		cut_replica_make(&p->replicas[i], i, p->folder, p->shared);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void play_end(struct play *p, bool keep)
{
	if (p->relay)
		cut_relay_kill(p->relay);
	for (int i = 0; i < 2; i++)
		cut_replica_end(&p->replicas[i]);
	if (keep)
		print_message("the replicas are kept in %s\n", p->folder);
	else
		(void) nftw(p->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	(void) munmap(p->shared, sizeof(*p->shared));
}

static bool play_rounds(struct play *p, uint64_t rounds)
{
	if (!start(p, &p->replicas[0]) || !start(p, &p->replicas[1]))
		return false;
	for (p->round = 1; p->round <= rounds; p->round++) {
		if (!play_round(p))
			return false;
		if (p->round % 50 == 0)
			print_message("%llu rounds\n", (unsigned long long) p->round);
	}
	return true;
}

static void report(const struct play *p)
{
	print_message("%u cuts, %llu changes written, %llu of them acknowledged; %u unflushed writes at "
	              "power cuts; "
	              "%u switched sites, %u found in a resync\n",
	              p->cuts, (unsigned long long) p->changes, (unsigned long long) p->acknowledged,
	              p->lost_writes, p->switched, p->resyncs);
	print_message("  %llu long writes went straight to an image\n",
	              (unsigned long long) (p->shared->sides[0].placed + p->shared->sides[1].placed));
	for (size_t i = 0; i < FATES; i++)
		print_message("  %u %s\n", p->by_fate[i], fate_names[i]);
	for (size_t i = 0; i < DISK_STEPS; i++)
		print_message("  %u at the step: %s\n", p->by_step[i], step_names[i]);
	for (size_t i = 1; i < TROUBLES; i++)
		print_message("  %u times before that: %s\n", p->by_trouble[i], trouble_names[i]);
}

static void after_any_cut_a_replica_is_what_the_primary_was_and_nothing_acknowledged_is_missing(void **state)
{
	struct play p;
	bool ok;

	play_make(&p, false);
	ok = play_rounds(&p, (number_from("PODMAIL_CUTS", 50) + 1) / 2);
	if (!ok)
		print_error("round %llu (%s): %s\n", (unsigned long long) p.round, p.what, p.text);
	report(&p);
	play_end(&p, !ok);
	assert_true(ok);
}

static void where_flushes_are_dropped_that_does_not_hold(void **state)
{
	struct play p;
	bool ok;

	play_make(&p, true);
	ok = play_rounds(&p, 60);
	print_message("round %llu (%s): %s\n", (unsigned long long) p.round, p.what, p.text);
	play_end(&p, false);
	assert_false(ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			after_any_cut_a_replica_is_what_the_primary_was_and_nothing_acknowledged_is_missing),
		cmocka_unit_test(where_flushes_are_dropped_that_does_not_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
