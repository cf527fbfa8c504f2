/* The gate: who may write now, and what a flush waits for. */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "replicator/link/link_internal.h"

static int closed(struct replication *r, struct err *err)
{
	if (atomic_load(&r->open))
		return err_set(err, POD_E_STALE, "the lease of this primary is over: writes are refused");
	return err_set(err, POD_E_STALE, "this replica is not the primary: writes are refused");
}

static bool may_write(struct replication *r)
{
	uint64_t lease_ms = atomic_load(&r->lease_ms);

	return atomic_load(&r->open) && (lease_ms == 0 || clock_mono_ms() < lease_ms);
}

static void leave(struct replication *r)
{
	if (atomic_fetch_sub(&r->writers, 1) != 1 || atomic_load(&r->open))
		return;
	/* Somebody closed the gate and waits until the last has left. */
	(void) pthread_mutex_lock(&r->lock);
	(void) pthread_cond_broadcast(&r->changed);
	(void) pthread_mutex_unlock(&r->lock);
}

static int enter(struct replication *r, struct err *err)
{
	/* Counted first: who closes the gate and then sees nobody inside is sure of it. */
	atomic_fetch_add(&r->writers, 1);
	if (may_write(r))
		return 0;
	leave(r);
	return closed(r, err);
}

/* Sends to those that flushes wait for what they have not been sent yet. */
static void ship_to_waited_for(struct replication *r)
{
	uint64_t staged = disk_staged(r->disk);

	for (size_t i = 0; i < PEERS_MAX; i++)
		if (atomic_load(&r->peers[i].waited_for) && atomic_load(&r->peers[i].shipped) < staged)
			ship_now(&r->peers[i]);
}

/* The stage, or the log, would run over before a peer that flushes wait for has it: then writers wait for it
 * as well. A peer that does not answer is struck as if a flush had waited. */
static void keep_pace(struct replication *r)
{
	struct disk_cursors c;
	uint64_t behind = atomic_load(&r->waited_floor);

	if (behind == UINT64_MAX || disk_staged(r->disk) <= behind + r->ahead_bytes_max)
		return;
	disk_cursors(r->disk, &c);
	/* It makes whole epochs durable: where the last one ended so long ago, this one has to end now. */
	if (c.staged > c.committed + r->ahead_bytes_max && disk_commit(r->disk, &c.committed, NULL) == 0)
		ship_to_waited_for(r);
	(void) pthread_mutex_lock(&r->lock);
	step_lsn(r, REPL_FLUSH, 0, c.committed);
	r->pacing++;
	answer_expect(r);
	while (r->core.primary && !r->stopping &&
	       atomic_load(&r->waited_floor) < c.staged - r->ahead_bytes_max)
		(void) pthread_cond_wait(&r->released, &r->lock);
	answer_expect_end(r);
	r->pacing--;
	(void) pthread_mutex_unlock(&r->lock);
}

int replication_write_begin(struct replication *r, struct err *err)
{
	keep_pace(r);
	pace_writers(r);
	return enter(r, err);
}

/*
 * Who flushes after every single write waits for one round trip after the other: his next flush is as good as
 * asked for when his write comes, so the epoch ends and travels while he still gets the write's answer. A
 * guess that was wrong costs one commit, and ends the guessing.
 */
static void commit_ahead(struct replication *r)
{
	uint64_t lsn;

	if (atomic_fetch_add(&r->unflushed, 1) > 0 || atomic_load(&r->lone) < LONE_FLUSHES ||
	    atomic_load(&r->waited_floor) == UINT64_MAX)
		return;
	if (disk_commit(r->disk, &lsn, NULL) == 0)
		ship_to_waited_for(r);
}

static void learn(struct replication *r)
{
	unsigned int writes = atomic_exchange(&r->unflushed, 0);

	if (writes > 1)
		atomic_store(&r->lone, 0);
	else if (writes == 1 && atomic_load(&r->lone) < LONE_FLUSHES)
		atomic_fetch_add(&r->lone, 1);
}

int replication_write_end(struct replication *r, struct err *err)
{
	uint64_t lease_ms = atomic_load(&r->lease_ms);
	/* A write that was let in before a demote closed the gate is waited for there, and counts. */
	bool fine = !atomic_load(&r->fenced) && (lease_ms == 0 || clock_mono_ms() < lease_ms);

	if (fine)
		commit_ahead(r);
	leave(r);
	return fine ? 0 : closed(r, err);
}

void replication_lease(struct replication *r, uint64_t deadline_ms)
{
	atomic_store(&r->lease_ms, deadline_ms);
}

/* The core counts from when somebody waits; those who wait for the same need not tell it again. */
static int commit(struct replication *r, uint64_t now_ms, uint64_t *ret_lsn, struct err *err)
{
	int ret = disk_commit(r->disk, ret_lsn, err);

	if (ret < 0 || *ret_lsn <= atomic_load(&r->asked_lsn))
		return ret;
	(void) pthread_mutex_lock(&r->lock);
	if (*ret_lsn > atomic_load(&r->asked_lsn)) {
		step_at(r, now_ms, REPL_FLUSH, 0, *ret_lsn);
		atomic_store(&r->asked_lsn, *ret_lsn);
	}
	(void) pthread_mutex_unlock(&r->lock);
	return 0;
}

/* Until it may be answered, or nothing more is to be expected. began_ms: when it came. */
static int wait_told(struct replication *r, uint64_t began_ms, uint64_t lsn, unsigned int term,
                     struct flush_state *ret, struct err *err)
{
	uint64_t limit_ms = r->o.flush_wait_max_ms, until_ms = began_ms + limit_ms;
	struct timespec at = { (time_t) (until_ms / 1000), (long) (until_ms % 1000) * 1000000 };
	const struct flush_state *f = &r->flushes;
	int ret_wait = 0;

	(void) pthread_mutex_lock(&r->flush_lock);
	while (ret_wait == 0 && f->acknowledged < lsn && f->term == term && !f->ended) {
		if (limit_ms == 0)
			(void) pthread_cond_wait(&r->flush_over, &r->flush_lock);
		else if (clock_mono_ms() >= until_ms)
			ret_wait = err_set(err, POD_E_UNAVAILABLE,
			                   "a peer in sync does not answer, and nobody strikes it");
		else
			(void) pthread_cond_timedwait(&r->flush_over, &r->flush_lock, &at);
	}
	*ret = *f;
	(void) pthread_mutex_unlock(&r->flush_lock);
	return ret_wait;
}

static int wait_released(struct replication *r, uint64_t began_ms, uint64_t lsn, unsigned int term,
                         struct flush_state *ret, struct err *err)
{
	int ret_wait;

	if (answer_read(r, lsn, began_ms))
		return wait_told(r, began_ms, lsn, term, ret, err); /* nothing to wait for */
	answer_expect(r);
	ret_wait = wait_told(r, began_ms, lsn, term, ret, err);
	answer_expect_end(r);
	return ret_wait;
}

/* A flush whose wait is over. What was released before we stopped being primary is safe; the rest may be lost
 * where another takes over. */
static int judge(struct replication *r, const struct flush_state *f, uint64_t lsn, unsigned int term,
                 struct err *err)
{
	int ret = 0;

	if (f->term == term && f->acknowledged >= lsn)
		return 0;
	(void) pthread_mutex_lock(&r->lock);
	if (atomic_load(&r->term) != term) {
		if (atomic_load(&r->term) != term + 1 || r->acknowledged_then < lsn)
			ret = closed(r, err);
	} else if (r->stopping) {
		ret = err_set(err, POD_E_CANCELLED, "replication ends");
	} else if (r->core.acknowledged < lsn) {
		ret = err_set(err, POD_E_IO, "%s", disk_broken(r->disk));
	}
	(void) pthread_mutex_unlock(&r->lock);
	return ret;
}

int replication_flush(struct replication *r, struct err *err)
{
	unsigned int term = atomic_load(&r->term); /* before the gate: a change after it is noticed */
	uint64_t lsn = 0, began_ms = clock_mono_ms();
	struct flush_state f;
	int ret = enter(r, err);

	if (ret < 0)
		return ret;
	learn(r);
	ret = commit(r, began_ms, &lsn, err);
	leave(r);
	if (ret < 0)
		return ret;
	/* The peer's disk works while ours does. */
	ship_to_waited_for(r);
	ret = disk_make_durable(r->disk, lsn, err);
	if (ret == 0)
		note_local_durable(r, lsn);
	if (ret >= 0)
		ret = wait_released(r, began_ms, lsn, term, &f, err);
	if (ret == 0)
		ret = judge(r, &f, lsn, term, err);
	if (ret == 0 && atomic_load(&r->lease_ms) && clock_mono_ms() >= atomic_load(&r->lease_ms))
		ret = closed(r, err);
	return ret;
}
