/*
 * Resync and verify on the primary: pieces of the volume are asked for by the hashes of their blocks, and
 * what differs is sent. A chunk is read and sent with the wire locked, so that none of the log goes in
 * between: what the peer has got of the log before a chunk is older than the chunk, and what comes after
 * makes it newer.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/le.h"
#include "replicator/link/link_internal.h"

#define BLOCK   4096u
#define BUSY_MS 10

static bool bit(const uint8_t *bits, uint32_t i)
{
	return bits[i / 8] >> i % 8 & 1;
}

static void done(struct peer *p, enum replication_event_type type, const char *text)
{
	struct compare *c = &p->compare;

	(void) pthread_mutex_lock(&p->r->lock);
	p->done = (struct replication_event){
		.type = type,
		.role = p->r->role,
		.token = p->r->token,
		.state = p->r->core.peers[p->place].state,
		.bytes = c->compared_bytes,
		.sent_bytes = c->sent_bytes,
		.differing_bytes = c->differing_bytes,
		.repaired_bytes = c->repaired_bytes,
		.first_offset = c->first_offset,
	};
	memcpy(p->done.peer, p->config.name, sizeof(p->done.peer));
	(void) snprintf(p->done.text, sizeof(p->done.text), "%s", text);
	p->tell_done = true;
	if (type == REPLICATION_VERIFY_DONE)
		p->verifying = false;
	bell_ring(&p->r->keeper_wake);
	(void) pthread_mutex_unlock(&p->r->lock);
	c->kind = COMPARE_NONE;
}

void compare_begin(struct peer *p, enum compare_kind kind, bool repair)
{
	struct compare *c = &p->compare;
	uint64_t now = clock_mono_ms();

	memset(c->ranges, 0, sizeof(c->ranges));
	c->kind = kind;
	c->repair = repair;
	c->offset = c->end_lsn = c->repaired_bytes = c->first_offset = 0;
	c->allowed_ms = now;
	c->allowed_bytes = 0;
	atomic_store(&c->began_ms, now);
	atomic_store(&c->compared_bytes, 0);
	atomic_store(&c->sent_bytes, 0);
	atomic_store(&c->differing_bytes, 0);
}

void compare_abort(struct peer *p, const char *why)
{
	bool verifying;

	(void) pthread_mutex_lock(&p->r->lock);
	verifying = p->verifying;
	(void) pthread_mutex_unlock(&p->r->lock);
	if (p->compare.kind == COMPARE_VERIFY || verifying)
		done(p, REPLICATION_VERIFY_DONE, why);
	p->compare.kind = COMPARE_NONE;
}

/* ---- asking ---- */

static struct range *free_range(struct compare *c)
{
	for (size_t i = 0; i < RANGES_MAX; i++)
		if (c->ranges[i].state == RANGE_FREE)
			return &c->ranges[i];
	return NULL;
}

static bool none_under_way(const struct compare *c)
{
	for (size_t i = 0; i < RANGES_MAX; i++)
		if (c->ranges[i].state != RANGE_FREE)
			return false;
	return true;
}

/* Where to go on; false: at the end. */
static bool next_piece(struct peer *p, uint64_t *ret_offset, uint64_t *ret_length)
{
	struct compare *c = &p->compare;
	uint64_t size = disk_size(p->r->disk), offset = c->offset, length = size > offset ? size - offset : 0;

	if (c->kind == COMPARE_RESYNC &&
	    !disk_peer_dirty_next(p->r->disk, p->config.name, c->offset, &offset, &length))
		return false;
	if (offset >= size || length == 0)
		return false;
	if (length > size - offset)
		length = size - offset;
	*ret_offset = offset;
	*ret_length = length < RANGE_BYTES ? length : RANGE_BYTES;
	return true;
}

/* So that a resync leaves the disks and the line to others. */
static bool rate_allows(struct peer *p, uint64_t bytes)
{
	struct compare *c = &p->compare;
	uint64_t rate = p->r->o.resync_bytes_per_s, now = clock_mono_ms();

	if (rate == 0)
		return true;
	c->allowed_bytes += (now - c->allowed_ms) * rate / 1000;
	c->allowed_ms = now;
	if (c->allowed_bytes > rate / 4 + RANGE_BYTES)
		c->allowed_bytes = rate / 4 + RANGE_BYTES;
	if (c->allowed_bytes < bytes)
		return false;
	c->allowed_bytes -= bytes;
	return true;
}

struct moving {
	struct range *g;
};

/* What was written behind the LSN at which the peer compares is not to be judged. */
static int mark_moving(void *arg, uint64_t offset, uint64_t length, int kind)
{
	struct range *g = ((struct moving *) arg)->g;
	uint64_t from = offset > g->offset ? offset : g->offset;
	uint64_t to = offset + length < g->offset + g->length ? offset + length : g->offset + g->length;

	for (; from < to; from += BLOCK)
		g->moving[(from - g->offset) / BLOCK / 8] |= (uint8_t) (1u << (from - g->offset) / BLOCK % 8);
	return 0;
}

/* Under the wire's lock: the peer will be at ship.next when it reads the frame. */
static int put_hashes(struct peer *p, struct range *g, struct err *err)
{
	struct disk *d = p->r->disk;
	bool check = p->compare.kind == COMPARE_VERIFY;
	uint32_t blocks = (uint32_t) (g->length / BLOCK);
	uint64_t hashes[RANGE_BLOCKS];
	bool more;
	uint8_t *to;
	int r = check ? ship_log(p, &more, err) : 0;

	if (r < 0)
		return r;
	to = wire_frame_begin(p->wire, 16 + 8 * (size_t) blocks);
	if (!to)
		return -POD_E_BUSY;
	r = disk_hashes(d, g->offset, g->length, hashes, err);
	if (r == 0 && check)
		r = disk_log_extents(d, p->ship.next, mark_moving, &(struct moving){ g }, err);
	if (r < 0)
		return r;
	le_put64(to, g->offset);
	le_put64(to + 8, g->length);
	for (uint32_t i = 0; i < blocks; i++)
		le_put64(to + 16 + 8 * (size_t) i, hashes[i]);
	wire_frame_end(p->wire, FRAME_HASHES, check ? FRAME_CHECK : 0, 16 + 8 * (size_t) blocks);
	return wire_push(p->wire, err);
}

/* 1: asked for a piece, 0: cannot now. */
static int ask(struct peer *p, struct err *err)
{
	struct compare *c = &p->compare;
	struct range *g = free_range(c);
	uint64_t offset, length;
	int r;

	if (!g || !next_piece(p, &offset, &length) || !rate_allows(p, length))
		return 0;
	*g = (struct range){ .state = RANGE_FREE, .offset = offset, .length = length };
	wire_lock(p->wire);
	r = put_hashes(p, g, err);
	wire_unlock(p->wire);
	if (r == -POD_E_BUSY)
		return 0;
	if (r < 0)
		return r;
	g->state = RANGE_ASKED;
	c->offset = offset + length;
	atomic_fetch_add(&c->sent_bytes, FRAME_HEADER_SIZE + 16 + 8 * length / BLOCK);
	return 1;
}

/* ---- sending ---- */

static bool all_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static uint32_t run_from(const struct range *g, uint32_t first)
{
	uint32_t n = 0, blocks = (uint32_t) (g->length / BLOCK);

	while (first + n < blocks && bit(g->differs, first + n) && n < CHUNK_BYTES / BLOCK)
		n++;
	return n;
}

/* Under the wire's lock. */
static int put_chunk(struct peer *p, struct range *g, uint32_t n, struct err *err)
{
	size_t size = (size_t) n * BLOCK;
	uint64_t offset = g->offset + (uint64_t) g->next * BLOCK;
	uint8_t flags = p->compare.kind == COMPARE_VERIFY ? FRAME_CHECK : 0, *to;
	int r;

	to = wire_frame_begin(p->wire, 16 + size);
	if (!to)
		return -POD_E_BUSY;
	r = disk_read(p->r->disk, offset, to + 16, size, err);
	if (r < 0)
		return r;
	le_put64(to, offset);
	le_put64(to + 8, size);
	if (all_zero(to + 16, size))
		flags |= FRAME_ZERO;
	wire_frame_end(p->wire, FRAME_CHUNK, flags, flags & FRAME_ZERO ? 16 : 16 + size);
	atomic_fetch_add(&p->compare.sent_bytes, FRAME_HEADER_SIZE + 16 + (flags & FRAME_ZERO ? 0 : size));
	atomic_fetch_add(&p->resync_sent_total, flags & FRAME_ZERO ? 0 : size);
	return wire_push(p->wire, err);
}

/* 1: sent something, 0: cannot now. */
static int send_range(struct peer *p, struct range *g, struct err *err)
{
	uint32_t blocks = (uint32_t) (g->length / BLOCK), n;
	int r;

	while (g->next < blocks && !bit(g->differs, g->next))
		g->next++;
	if (g->next >= blocks) {
		g->state = RANGE_SENT;
		return 1;
	}
	n = run_from(g, g->next);
	wire_lock(p->wire);
	r = put_chunk(p, g, n, err);
	wire_unlock(p->wire);
	if (r == -POD_E_BUSY)
		return 0;
	if (r < 0)
		return r;
	g->next += n;
	return 1;
}

static int send_ranges(struct peer *p, struct err *err)
{
	struct compare *c = &p->compare;
	int sent = 0;

	for (size_t i = 0; i < RANGES_MAX; i++) {
		int r = c->ranges[i].state == RANGE_SENDING ? send_range(p, &c->ranges[i], err) : 0;

		if (r < 0)
			return r;
		sent |= r;
	}
	return sent;
}

/* ---- the end ---- */

static int end_resync(struct peer *p, struct err *err)
{
	struct compare *c = &p->compare;
	uint64_t offset, length;
	int r;

	if (disk_peer_dirty_next(p->r->disk, p->config.name, 0, &offset, &length)) {
		c->offset = 0; /* marked meanwhile, behind us */
		return 0;
	}
	r = disk_commit(p->r->disk, &c->end_lsn, err);
	if (r < 0)
		return r;
	wire_lock(p->wire);
	r = wire_put_u64(p->wire, FRAME_RESYNC_END, 0, c->end_lsn);
	if (r == 0)
		r = wire_push(p->wire, err);
	else
		c->end_lsn = 0; /* no room: in the next round */
	wire_unlock(p->wire);
	if (c->end_lsn == 0)
		return 0;
	return r < 0 ? r : compare_on_log_durable(p, p->durable_lsn, err);
}

int compare_on_log_durable(struct peer *p, uint64_t lsn, struct err *err)
{
	struct compare *c = &p->compare;
	int r;

	if (c->kind != COMPARE_RESYNC || c->end_lsn == 0 || lsn < c->end_lsn)
		return 0;
	r = disk_peer_set(p->r->disk, p->config.name, lsn,
	                  err); /* with no marks left, the bitmap ends to count */
	if (r == -POD_E_STALE)
		return 0; /* the log ran over at the last moment */
	if (r < 0)
		return r;
	p->needs_lsn = lsn;
	p->resyncing = false;
	done(p, REPLICATION_RESYNC_DONE, "");
	(void) pthread_mutex_lock(&p->r->lock);
	step_lsn(p->r, REPL_PEER_RESYNCED, p->place, lsn);
	(void) pthread_mutex_unlock(&p->r->lock);
	return 0;
}

int compare_pump(struct peer *p, bool *ret_busy, struct err *err)
{
	struct compare *c = &p->compare;
	uint64_t until_ms = clock_mono_ms() + BUSY_MS, offset, length;
	int r = 1;

	while (c->kind != COMPARE_NONE && r > 0 && clock_mono_ms() < until_ms) {
		r = send_ranges(p, err);
		if (r >= 0 && c->end_lsn == 0) {
			int asked = ask(p, err);

			r = asked < 0 ? asked : r | asked;
		}
	}
	if (r < 0 || c->kind == COMPARE_NONE)
		return r < 0 ? r : 0;
	*ret_busy = true;
	if (c->end_lsn || !none_under_way(c) || next_piece(p, &offset, &length))
		return 0;
	if (c->kind == COMPARE_RESYNC)
		return end_resync(p, err);
	done(p, REPLICATION_VERIFY_DONE, "");
	return 0;
}

/* ---- answers ---- */

static struct range *range_at(struct compare *c, uint64_t offset, uint64_t length, enum range_state state)
{
	for (size_t i = 0; i < RANGES_MAX; i++) {
		struct range *g = &c->ranges[i];

		if (g->state == state && offset >= g->offset && length <= g->length &&
		    offset - g->offset <= g->length - length)
			return g;
	}
	return NULL;
}

static uint32_t count_bits(const uint8_t *bits, size_t bytes)
{
	uint32_t n = 0;

	for (size_t i = 0; i < bytes; i++)
		n += (uint32_t) __builtin_popcount(bits[i]);
	return n;
}

static void judge(struct compare *c, struct range *g)
{
	uint32_t n;

	for (size_t i = 0; i < sizeof(g->differs); i++)
		g->differs[i] &= (uint8_t) ~g->moving[i];
	n = count_bits(g->differs, sizeof(g->differs));
	for (uint32_t i = 0; n && atomic_load(&c->differing_bytes) == 0 && i < RANGE_BLOCKS; i++)
		if (bit(g->differs, i)) {
			c->first_offset = g->offset + (uint64_t) i * BLOCK;
			break;
		}
	atomic_fetch_add(&c->differing_bytes, (uint64_t) n * BLOCK);
	g->unconfirmed = c->repair ? (uint64_t) n * BLOCK : 0;
	g->state = g->unconfirmed ? RANGE_SENDING : RANGE_FREE;
}

int compare_on_differs(struct peer *p, const struct frame *f, struct err *err)
{
	struct compare *c = &p->compare;
	uint64_t offset = le_get64(f->payload), length = le_get64(f->payload + 8);
	enum compare_kind kind = f->flags & FRAME_CHECK ? COMPARE_VERIFY : COMPARE_RESYNC;
	struct range *g = kind == c->kind ? range_at(c, offset, length, RANGE_ASKED) : NULL;

	if (!g || g->offset != offset || g->length != length)
		return c->kind == kind ? err_set(err, POD_E_PROTOCOL, "a DIFFERS frame that nobody asked for")
		                       : 0;
	memcpy(g->differs, f->payload + 16, sizeof(g->differs));
	for (uint32_t i = (uint32_t) (length / BLOCK); i < RANGE_BLOCKS; i++)
		if (bit(g->differs, i))
			return err_set(err, POD_E_PROTOCOL, "a DIFFERS frame with blocks behind its end");
	g->next = 0;
	atomic_fetch_add(&c->compared_bytes, length);
	if (kind == COMPARE_VERIFY) {
		judge(c, g);
		return 0;
	}
	atomic_fetch_add(&c->differing_bytes, (uint64_t) count_bits(g->differs, sizeof(g->differs)) * BLOCK);
	g->state = RANGE_SENDING;
	return 0;
}

int compare_on_durable(struct peer *p, const struct frame *f, struct err *err)
{
	struct compare *c = &p->compare;
	uint64_t offset = le_get64(f->payload), length = le_get64(f->payload + 8);
	enum compare_kind kind = f->flags & FRAME_CHECK ? COMPARE_VERIFY : COMPARE_RESYNC;
	struct range *g = kind == c->kind ? range_at(c, offset, length, RANGE_SENT) : NULL;
	int r;

	if (!g && kind == c->kind)
		g = range_at(c, offset, length,
		             RANGE_SENDING); /* its last chunk has gone, we have not looked yet */
	if (!g)
		return c->kind == kind ? err_set(err, POD_E_PROTOCOL, "a confirmation of what was not sent")
		                       : 0;
	if (kind == COMPARE_VERIFY) {
		g->unconfirmed -= length < g->unconfirmed ? length : g->unconfirmed;
		c->repaired_bytes += length;
		if (g->unconfirmed == 0)
			g->state = RANGE_FREE;
		return 0;
	}
	g->state = RANGE_FREE;
	r = disk_peer_dirty_clear(p->r->disk, p->config.name, g->offset, g->length, err);
	if (r != -POD_E_STALE)
		return r;
	wire_lock(p->wire);
	p->ship.overrun = true;
	wire_unlock(p->wire);
	return 0;
}
