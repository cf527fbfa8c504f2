/* Peers that are slower than who writes here: how fast they are, whether a resync has a chance, and writers
 * that wait a moment rather than leave one behind. */
#include <time.h>

#include "base/clock.h"
#include "replicator/link/link_internal.h"

#define WINDOW_MS     500
#define WINDOW_MIN_MS 100 /* shorter ones say nothing */
/* While it is written to, a peer is left in peace for so long; twice as long each time in a row that it did
 * not help. */
#define HOLD_MIN_MS 1000
#define HOLD_MAX_MS 60000
/* How long one write waits at most for a peer that nobody counts on, rather than leave it behind. An async
 * one must not be felt: it is left behind, but for a resync into it, which would never end otherwise. The
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
	bool measures = busy && p->compare.kind == COMPARE_NONE;
	uint64_t now = clock_mono_ms(), took_ms = pace->from_ms == 0 ? 0 : now - pace->from_ms;

	if (measures && pace->from_ms != 0 && took_ms < WINDOW_MS)
		return;
	if (took_ms >= WINDOW_MIN_MS && p->compare.kind == COMPARE_NONE)
		pace->bytes_per_s = 1 + (p->durable_lsn - pace->from_lsn) * 1000 / took_ms;
	pace->from_ms = measures ? now : 0;
	pace->from_lsn = p->durable_lsn;
}

static void begin_window(struct pace *pace, uint64_t staged)
{
	pace->window_ms = clock_mono_ms();
	pace->window_lsn = staged;
}

void pace_ahead(struct peer *p)
{
	struct pace *pace = &p->pace;
	uint64_t now = clock_mono_ms();
	struct disk_cursors c;

	disk_cursors(p->r->disk, &c);
	pace->hold_ms = pace->ahead_ms == 0 || now - pace->ahead_ms > HOLD_MAX_MS + pace->hold_ms
	                        ? HOLD_MIN_MS
	                : 2 * pace->hold_ms < HOLD_MAX_MS ? 2 * pace->hold_ms
	                                                  : HOLD_MAX_MS;
	pace->ahead_ms = now;
	begin_window(pace, c.staged);
}

/*
 * All that is marked and the log beside it have to travel before that log fills up to half. Too much is
 * assumed for what is marked (of a chunk often one block travels): a resync that is put off costs nobody
 * anything. Where nobody writes there is nothing to judge; where it does not look well it is tried now and
 * then all the same, because the line may be a better one by now.
 */
bool pace_can_finish(struct peer *p)
{
	struct pace *pace = &p->pace;
	uint64_t now = clock_mono_ms(), took_ms = now - pace->window_ms, speed = pace->bytes_per_s, grows;
	struct disk_cursors c;

	if (pace->ahead_ms == 0)
		return true;
	if (took_ms < WINDOW_MS)
		return false;
	disk_cursors(p->r->disk, &c);
	grows = (c.staged - pace->window_lsn) * 1000 / took_ms;
	begin_window(pace, c.staged);
	if (grows == 0 || now - pace->ahead_ms >= HOLD_MAX_MS)
		return true;
	if (now - pace->ahead_ms < pace->hold_ms)
		return false;
	if (speed == 0)
		return true;
	if (grows + grows / 4 >= speed)
		return false;
	return disk_peer_dirty_bytes(p->r->disk, p->config.name) / (speed - grows) <
	       p->r->log_bytes / 2 / grows;
}

/* ---- writers ---- */

/* How long a write waits for it at most; 0: not at all. */
static uint32_t wait_for_ms(const struct replication *r, size_t i)
{
	const struct repl_peer *p = &r->core.peers[i];

	if (!p->used || repl_waits_for(&r->core, i))
		return 0; /* keep_pace (gate.c) does */
	if (p->state == PEER_RESYNC)
		return p->config.mode == PEER_ASYNC ? ASYNC_WAIT_MS : SYNC_WAIT_MS;
	return p->state == PEER_FOLLOWING && p->config.mode != PEER_ASYNC ? SYNC_WAIT_MS : 0;
}

void pace_note_lagging(struct replication *r)
{
	uint64_t at = UINT64_MAX;

	r->lagging_wait_ms = 0;
	for (size_t i = 0; r->core.primary && i < PEERS_MAX; i++) {
		uint64_t until = r->core.peers[i].durable + r->o.lag_limit_bytes / 4 * 3;
		uint32_t wait_ms = wait_for_ms(r, i);

		if (wait_ms > 0 && until < at)
			at = until;
		if (wait_ms > r->lagging_wait_ms)
			r->lagging_wait_ms = wait_ms;
	}
	atomic_store(&r->lagging_at, at);
}

void pace_writers(struct replication *r)
{
	uint64_t staged = disk_staged(r->disk);
	uint64_t until_ms;
	struct timespec t;

	if (atomic_load(&r->lagging_at) == UINT64_MAX || staged < atomic_load(&r->lagging_at))
		return;
	(void) pthread_mutex_lock(&r->lock);
	until_ms = clock_mono_ms() + r->lagging_wait_ms;
	t = (struct timespec){ (time_t) (until_ms / 1000), (long) (until_ms % 1000) * 1000000 };
	r->pacing++;
	while (!r->stopping && staged >= atomic_load(&r->lagging_at) && clock_mono_ms() < until_ms)
		(void) pthread_cond_timedwait(&r->released, &r->lock, &t);
	r->pacing--;
	(void) pthread_mutex_unlock(&r->lock);
}
