/* Peers that are slower than who writes here: how fast they are, whether a resync has a chance, and writers
 * that wait a moment rather than leave one behind. */
#include <time.h>

#include "base/clock.h"
#include "replicator/link/link_internal.h"

#define WINDOW_MS 500
/* The line may be a better one by now; only a try will tell. */
#define FORGET_MS 60000
/* How long one write waits at most for a peer that nobody counts on. An async one must not be felt; the
 * others are to be in sync again. */
#define ASYNC_WAIT_MS 20
#define SYNC_WAIT_MS  200

/*
 * What it made durable while there was always more than the socket took: the speed of the line, or of the
 * peer. What the socket took would not say: buffers of megabytes come first. Nor what travels beside a
 * resync.
 */
void pace_note(struct peer *p, bool busy)
{
	struct pace *pace = &p->pace;
	uint64_t now = clock_mono_ms();

	if (!busy || p->compare.kind != COMPARE_NONE) {
		pace->from_ms = 0;
		return;
	}
	if (pace->from_ms != 0 && now - pace->from_ms < WINDOW_MS)
		return;
	if (pace->from_ms != 0)
		pace->bytes_per_s = 1 + (p->durable_lsn - pace->from_lsn) * 1000 / (now - pace->from_ms);
	pace->from_ms = now;
	pace->from_lsn = p->durable_lsn;
}

void pace_ahead(struct peer *p)
{
	struct disk_cursors c;

	disk_cursors(p->r->disk, &c);
	p->pace.ahead_ms = clock_mono_ms();
	p->pace.ahead_lsn = c.staged;
	p->pace.from_ms = p->pace.put_off_ms = 0;
}

/*
 * All that is marked and the log beside it have to travel before that log fills up to half. Too much is
 * assumed for what is marked (of a chunk often one block travels): a resync that is put off costs nobody
 * anything.
 */
bool pace_can_finish(struct peer *p)
{
	uint64_t took_ms = clock_mono_ms() - p->pace.ahead_ms, speed = p->pace.bytes_per_s,
		 ahead_lsn = p->pace.ahead_lsn;
	uint64_t dirty = disk_peer_dirty_bytes(p->r->disk, p->config.name), grows;
	struct disk_cursors c;

	if (p->pace.put_off_ms == 0)
		p->pace.put_off_ms = clock_mono_ms();
	if (speed == 0 || p->pace.ahead_ms == 0 || clock_mono_ms() - p->pace.put_off_ms >= FORGET_MS)
		return true;
	if (took_ms < WINDOW_MS)
		return false;
	disk_cursors(p->r->disk, &c);
	p->pace.ahead_ms = clock_mono_ms(); /* the next judgement is by what comes from now on */
	p->pace.ahead_lsn = c.staged;
	grows = (c.staged - ahead_lsn) * 1000 / (took_ms + 1);
	if (grows == 0)
		return true;
	if (grows + grows / 4 >= speed)
		return false;
	return dirty / (speed - grows) < p->r->log_bytes / 2 / grows;
}

/* ---- writers ---- */

/* Its log may grow to half of ours as a follower, and to nearly all of it in a resync. */
static uint64_t starts_at(const struct replication *r, const struct repl_peer *p)
{
	uint64_t limit = p->state == PEER_RESYNC ? r->log_bytes : r->o.lag_limit_bytes;

	return p->durable + limit / 4 * 3;
}

void pace_note_lagging(struct replication *r)
{
	uint64_t at = UINT64_MAX;

	r->lagging_wait_ms = 0;
	for (size_t i = 0; r->core.primary && i < PEERS_MAX; i++) {
		const struct repl_peer *p = &r->core.peers[i];
		uint32_t wait_ms = p->config.mode == PEER_ASYNC ? ASYNC_WAIT_MS : SYNC_WAIT_MS;

		if (!p->used || repl_waits_for(&r->core, i) ||
		    (p->state != PEER_FOLLOWING && p->state != PEER_RESYNC))
			continue;
		if (starts_at(r, p) < at)
			at = starts_at(r, p);
		if (wait_ms > r->lagging_wait_ms)
			r->lagging_wait_ms = wait_ms;
	}
	atomic_store(&r->lagging_at, at);
}

void pace_writers(struct replication *r)
{
	struct disk_cursors c;
	uint64_t until_ms;
	struct timespec t;

	if (atomic_load(&r->lagging_at) == UINT64_MAX)
		return;
	disk_cursors(r->disk, &c);
	if (c.staged < atomic_load(&r->lagging_at))
		return;
	(void) pthread_mutex_lock(&r->lock);
	until_ms = clock_mono_ms() + r->lagging_wait_ms;
	t = (struct timespec){ (time_t) (until_ms / 1000), (long) (until_ms % 1000) * 1000000 };
	r->pacing++;
	while (!r->stopping && c.staged >= atomic_load(&r->lagging_at) && clock_mono_ms() < until_ms)
		(void) pthread_cond_timedwait(&r->released, &r->lock, &t);
	r->pacing--;
	(void) pthread_mutex_unlock(&r->lock);
}
