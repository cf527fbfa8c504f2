/* The log on its way to a peer: by its own thread, or by a flush that will wait for the peer anyway. */
#include "base/le.h"
#include "replicator/core/record.h"
#include "replicator/link/link_internal.h"

/* More than this in the connection's buffer: let the socket take some first. */
#define PENDING_MAX (FRAME_PAYLOAD_MAX / 2)
/* Then what the peer has to say is heard first: a stream that the socket takes as it comes need never end. */
#define TURN_BYTES (1u << 20)
/* At least so much, for which a peer waits rather than to flush what it has. */
#define MORE_BYTES (64u * 1024)

/* A burst for a peer that nobody waits for: it need not flush its disk for each frame of it. */
static bool more_follows(const struct peer *p)
{
	const struct ship *s = &p->ship;
	uint64_t end = disk_staged(p->r->disk);

	if (end > s->credit)
		end = s->credit;
	return !atomic_load(&p->waited_for) && (p->hello.features & LINK_FEATURE_MORE) && end > s->next &&
	       end - s->next >= MORE_BYTES;
}

static int ship_some(struct peer *p, bool *ret_more, struct err *err)
{
	struct ship *s = &p->ship;
	size_t most = FRAME_PAYLOAD_MAX - 8, n = 0;
	uint8_t *to;
	int r;

	*ret_more = false;
	if (!s->on || s->credit <= s->next || wire_pending(p->wire) > PENDING_MAX)
		return 0;
	to = wire_frame_begin(p->wire, FRAME_PAYLOAD_MAX);
	if (!to)
		return 0;
	if (s->credit - s->next < most)
		most = (size_t) (s->credit - s->next);
	r = disk_log_read(p->r->disk, s->next, to + 8, most, &n, err);
	if (r == -POD_E_NOTFOUND && most < RECORD_SIZE_MAX)
		return 0; /* the next record is larger than the credit that is left: there will be more */
	if (r == -POD_E_STALE) {
		s->on = false;
		atomic_store(&p->shipped, UINT64_MAX);
		s->overrun = true; /* its thread will see to it */
		return 0;
	}
	if (r < 0 || n == 0)
		return r;
	le_put64(to, s->next);
	s->next += n;
	wire_frame_end(p->wire, FRAME_LOG,
	               (uint8_t) ((s->reply ? FRAME_REPLY : 0) | (more_follows(p) ? FRAME_MORE : 0)), 8 + n);
	atomic_store(&p->shipped, s->next);
	*ret_more = true;
	return wire_push(p->wire, err);
}

int ship_log(struct peer *p, bool *ret_more, struct err *err)
{
	uint64_t from = p->ship.next;
	int r = 0;

	*ret_more = true;
	while (r == 0 && *ret_more && p->ship.next - from < TURN_BYTES)
		r = ship_some(p, ret_more, err);
	return r;
}

void ship_now(struct peer *p)
{
	bool all = false, more;

	if (!p->wire || !wire_trylock(p->wire)) {
		peer_wake(p);
		return;
	}
	if (p->ship.on)
		all = ship_log(p, &more, NULL) == 0 && !more && wire_pending(p->wire) == 0 &&
		      !p->ship.overrun;
	wire_unlock(p->wire);
	if (!all)
		peer_wake(p); /* and if it broke, its thread hears of it from the socket */
}

void ship_from(struct peer *p, uint64_t lsn)
{
	wire_lock(p->wire);
	p->ship = (struct ship){ .on = true, .next = lsn };
	atomic_store(&p->shipped, lsn);
	wire_unlock(p->wire);
}

void ship_stop(struct peer *p)
{
	wire_lock(p->wire);
	p->ship.on = false;
	atomic_store(&p->shipped, UINT64_MAX);
	wire_unlock(p->wire);
}
