/*
 * A peer's answer is read by who waits for it, where that is one flush alone: else the peer's thread would be
 * woken for each answer, and wake the flush in turn. Two changes of threads less in each flush of a client
 * that writes a little, flushes, and waits.
 *
 * The thread has peer.reading while it works, and leaves it while it waits. As long as such flushes come, it
 * does not even wait for the socket, but looks every ANSWER_AWAY_MS whether they still do; a flush that does
 * not read itself calls it back first. A flush takes answers only: whatever else comes, and what is wrong, is
 * left to the thread.
 */
#include <poll.h>

#include "replicator/link/link_internal.h"

#define READ_MS 50 /* then the thread is called: other things may end the wait, too */

/* The only one that flushes wait for. NULL: there is none, or several. */
static struct peer *only_one(struct replication *r)
{
	struct peer *found = NULL;

	for (size_t i = 0; i < PEERS_MAX; i++) {
		if (!atomic_load(&r->peers[i].waited_for))
			continue;
		if (found)
			return NULL;
		found = &r->peers[i];
	}
	return found;
}

static bool is_released(struct replication *r, uint64_t lsn)
{
	bool released;

	(void) pthread_mutex_lock(&r->flush_lock);
	released = r->flushes.acknowledged >= lsn;
	(void) pthread_mutex_unlock(&r->flush_lock);
	return released;
}

static bool is_answer(const struct wire *w)
{
	return wire_next_is(w, FRAME_DURABLE) || wire_next_is(w, FRAME_RECEIVED) ||
	       wire_next_is(w, FRAME_CREDIT) || wire_next_is(w, FRAME_PONG);
}

/* Takes the answers that are there. 1: and there is something else; 0; or an error. */
static int take_answers(struct peer *p, uint64_t now_ms, struct err *err)
{
	struct frame f;
	int r;

	do {
		while (is_answer(p->wire) && (r = wire_next(p->wire, &f, err)) != 0) {
			if (r > 0)
				r = peer_on_frame(p, &f, err);
			if (r < 0)
				return r;
		}
		if (wire_has_header(p->wire) && !is_answer(p->wire))
			return 1;
		r = wire_pull_at(p->wire, now_ms, err);
	} while (r > 0);
	return r;
}

/* Under p->reading. Whether the thread has to be called. */
static bool read_until(struct peer *p, uint64_t lsn, uint64_t began_ms)
{
	struct pollfd fds[2] = { { .fd = wire_fd(p->wire), .events = POLLIN },
		                 { .fd = p->wake.fd, .events = POLLIN } };

	for (;;) {
		int r = take_answers(p, began_ms, &p->failure);

		p->failed = r < 0 ? r : 0;
		if (r != 0)
			return true;
		if (is_released(p->r, lsn)) {
			atomic_fetch_add(&p->r->answers_read, 1);
			return false;
		}
		/* Also until the thread is wanted for something else. */
		if (poll(fds, 2, READ_MS) <= 0 || fds[1].revents)
			return false; /* who waits on calls it */
	}
}

bool answer_read(struct replication *r, uint64_t lsn, uint64_t began_ms)
{
	struct peer *p = atomic_load(&r->lone) >= LONE_FLUSHES ? only_one(r) : NULL;
	bool call = false;

	if (is_released(r, lsn))
		return true;
	if (!p || pthread_mutex_trylock(&p->reading) != 0)
		return false;
	if (p->serving && p->failed == 0 && p->compare.kind == COMPARE_NONE)
		call = read_until(p, lsn, began_ms);
	(void) pthread_mutex_unlock(&p->reading);
	if (call)
		peer_wake(p);
	return is_released(r, lsn);
}

void answer_expect(struct replication *r)
{
	/* Counted first: a thread that goes away now sees it, or is seen to be away. */
	atomic_fetch_add(&r->flush_waiters, 1);
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (atomic_load(&r->peers[i].away))
			peer_wake(&r->peers[i]);
}

void answer_expect_end(struct replication *r)
{
	atomic_fetch_sub(&r->flush_waiters, 1);
}

bool answer_may_leave(struct peer *p)
{
	uint64_t asked = atomic_load(&p->r->asked_lsn);
	bool flushes_come = asked != p->asked_seen && atomic_load(&p->r->lone) >= LONE_FLUSHES;

	p->asked_seen = asked;
	if (!flushes_come || only_one(p->r) != p || p->compare.kind != COMPARE_NONE)
		return false;
	atomic_store(&p->away, true);
	if (atomic_load(&p->r->flush_waiters) == 0)
		return true;
	atomic_store(&p->away, false);
	return false;
}

void answer_is_back(struct peer *p)
{
	atomic_store(&p->away, false);
}
