/*
 * One change at a time, and the thread that hands chunks of deleted snapshots down to the next older one, a
 * piece at a time, so that writes never wait for more than a piece.
 */
#include "replicator/snapshot/snapshot_internal.h"

#include <fcntl.h>
#include <sys/prctl.h>

#define PIECE_CHUNKS 128u /* 8 MiB, with two flushes */

void gate_enter(struct snapshots *s)
{
	pthread_mutex_lock(&s->gate);
	s->gate_waiting++;
	while (s->gate_taken)
		pthread_cond_wait(&s->gate_moved, &s->gate);
	s->gate_waiting--;
	s->gate_taken = true;
	pthread_mutex_unlock(&s->gate);
}

void gate_leave(struct snapshots *s)
{
	pthread_mutex_lock(&s->gate);
	s->gate_taken = false;
	pthread_cond_broadcast(&s->gate_moved);
	pthread_mutex_unlock(&s->gate);
}

void gate_tell(struct snapshots *s)
{
	pthread_mutex_lock(&s->gate);
	pthread_cond_broadcast(&s->gate_moved);
	pthread_mutex_unlock(&s->gate);
}

/* The oldest deleted one; s->n where there is no work (any more). Under the mutex with the gate free, or in
 * the gate. */
static size_t sweep_next(const struct snapshots *s)
{
	for (size_t i = 0; i < s->n && !s->broken && !s->sweep_failed; i++)
		if (s->chain[i]->deleted)
			return i;
	return s->n;
}

void gate_wait_for_sweeper(struct snapshots *s)
{
	size_t n = s->n;

	pthread_mutex_lock(&s->gate);
	s->gate_taken = false;
	pthread_cond_broadcast(&s->gate_moved);
	while (s->gate_taken || (s->n == n && sweep_next(s) < s->n))
		pthread_cond_wait(&s->gate_moved, &s->gate);
	s->gate_taken = true;
	pthread_mutex_unlock(&s->gate);
}

/* ---- handing down ---- */

/* Whether chain[i - 1] needs what chain[i] has of the chunk. */
static bool is_needed(const struct snapshots *s, size_t i, uint64_t chunk)
{
	return snapshot_state(s->chain[i - 1], chunk) == CHUNK_NONE &&
	       snapshot_state(s->chain[i], chunk) != CHUNK_NONE;
}

/* Makes up to a piece of chunks from chunk *at on pending in chain[i - 1]. */
static int piece_copy(struct snapshots *s, size_t i, uint64_t *at, struct err *err)
{
	struct snapshot *from = s->chain[i], *to = s->chain[i - 1];
	uint64_t done = 0;
	int r = 0;

	while (r == 0 && *at < to->chunks && done < PIECE_CHUNKS) {
		uint64_t n = 0;

		while (n < RUN_CHUNKS && *at + n < to->chunks && is_needed(s, i, *at + n))
			n++;
		if (n)
			r = copy_run(s, to, from->data, *at, n, err);
		*at += r == 0 ? (n ? n : 1) : 0;
		done += n;
	}
	return r;
}

/* What has been handed down is given back to the file system; where that cannot be, it goes with the file. */
static void piece_punch(struct snapshot *from, uint64_t first, uint64_t end)
{
	if (from->map)
		(void) fallocate(from->data, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		                 (off_t) (first * SNAPSHOT_CHUNK), (off_t) ((end - first) * SNAPSHOT_CHUNK));
}

/* chain[i] is deleted, chain[i - 1] is not: the next piece, or its end. */
static int sweep_piece(struct snapshots *s, size_t i, struct err *err)
{
	struct snapshot *from = s->chain[i], *to = s->chain[i - 1];
	uint64_t first = from->sweep_at, at = first, copied;
	int r = 0;

	if (!to->map || at >= to->chunks)
		return chain_remove(s, i, err);
	r = piece_copy(s, i, &at, err);
	copied = chunk_map_copied(s->pending);
	if (r == 0)
		r = copy_finish(s, to, err);
	if (r < 0) {
		copy_abandon(s);
		return r;
	}
	from->needed -= copied < from->needed ? copied : from->needed;
	from->sweep_at = at;
	piece_punch(from, first, at);
	return 0;
}

static void sweep(struct snapshots *s)
{
	struct err err = { 0 };
	size_t i = sweep_next(s);
	int r;

	if (i == s->n)
		return;
	r = i == 0 ? chain_remove(s, 0, &err) : sweep_piece(s, i, &err);
	if (r == -POD_E_NOSPACE && !s->broken)
		r = chain_drop(s, &err);
	if (r < 0)
		s->sweep_failed = true; /* it stays, and is found: the next deletion or open tries again */
}

/* Waits for work that nobody stands in the way of; false: it is to end. */
static bool sweeper_enter(struct snapshots *s)
{
	bool go;

	pthread_mutex_lock(&s->gate);
	while (!s->closing && (s->gate_taken || s->gate_waiting || sweep_next(s) == s->n))
		pthread_cond_wait(&s->gate_moved, &s->gate);
	go = !s->closing;
	s->gate_taken = go;
	pthread_mutex_unlock(&s->gate);
	return go;
}

static void *sweeper_run(void *arg)
{
	struct snapshots *s = arg;

	/* A file system may wait for us: our own I/O must not wait for it. Refused without privilege, where
	 * none does. */
	(void) prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	while (sweeper_enter(s)) {
		sweep(s);
		gate_leave(s);
	}
	return NULL;
}

int sweeper_start(struct snapshots *s, struct err *err)
{
	int errnum = pthread_create(&s->sweeper, NULL, sweeper_run, s);

	if (errnum)
		return err_errno(err, errnum, "snapshots: start a thread");
	s->sweeper_runs = true;
	return 0;
}

void sweeper_stop(struct snapshots *s)
{
	if (!s->sweeper_runs)
		return;
	pthread_mutex_lock(&s->gate);
	s->closing = true;
	pthread_cond_broadcast(&s->gate_moved);
	pthread_mutex_unlock(&s->gate);
	(void) pthread_join(s->sweeper, NULL);
}
