#include "tests/support/replica_stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "replicator/core/bitmap.h"
#include "replicator/core/generation.h"
#include "replicator/core/record.h"

#define STEPS_MAX 200000

static const char name[] = REPLICA_STREAM_PEER;

void replica_stream_cut(struct replica_stream *s)
{
	s->state = REPLICA_STREAM_DOWN;
	s->end_lsn = 0;
}

static struct disk_cursors cursors(struct disk *d)
{
	struct disk_cursors c;

	disk_cursors(d, &c);
	return c;
}

/* ---- the peer takes over the primary's history ---- */

struct adoption {
	struct superblock primary;
	bool resync;
};

static void write_adoption(struct superblock *sb, void *arg)
{
	const struct adoption *a = arg;

	sb->role = ROLE_SECONDARY;
	memcpy(sb->generations, a->primary.generations, sizeof(sb->generations));
	sb->token = a->primary.token;
	if (a->resync) {
		sb->resync_under_way = true;
		sb->consistent_from_lsn = 0;
	}
}

static int adopt(struct replica_stream *s, bool resync, struct err *err)
{
	struct adoption a = { .resync = resync };
	int r;

	disk_superblock(s->primary, &a.primary);
	r = disk_superblock_change(s->peer, write_adoption, &a, err);
	/* It may have been a primary: what it knew of its own peer counts no more. */
	return r < 0 ? r : disk_peer_forget(s->peer, name, err);
}

/* ---- how they begin ---- */

static int start_follow(struct replica_stream *s, uint64_t lsn, struct err *err)
{
	int r = disk_peer_set(s->primary, name, lsn, err);

	if (r == 0 && disk_peer_dirty_bytes(s->primary, name) > 0)
		r = disk_peer_dirty_clear(s->primary, name, 0, disk_size(s->primary), err);
	if (r == 0)
		r = disk_peer_set(s->primary, name, lsn, err);
	if (r == 0)
		r = disk_log_cut(s->peer, err);
	if (r == 0)
		r = adopt(s, false, err);
	if (r < 0)
		return r;
	s->state = REPLICA_STREAM_FOLLOWS;
	s->next = s->durable = lsn;
	s->follows++;
	return 0;
}

struct plan {
	uint64_t lsn;
	bool rewind, orphan, marks_count, resyncing;
};

static bool marks_are_good(const struct plan *plan, const struct peer_record *rec)
{
	if (!plan->marks_count || !rec->in_bitmap)
		return false;
	return rec->base_lsn == BASE_NONE ? plan->resyncing
	       : plan->resyncing          ? rec->base_lsn == 0
	                                  : rec->base_lsn <= plan->lsn;
}

static int make_marks(struct replica_stream *s, const struct plan *plan, struct err *err)
{
	struct disk *d = s->primary;
	struct peer_record rec = { .name = "" };
	int r = disk_peer_get(d, name, &rec, err);

	if (r == 0 && marks_are_good(plan, &rec)) {
		r = rec.needs_lsn ? disk_peer_to_bitmap(d, name, rec.needs_lsn, err) : 0;
		return r == -POD_E_STALE ? 0 : r;
	}
	if (!plan->resyncing && plan->marks_count) {
		r = disk_peer_set(d, name, plan->lsn, err);
		if (r == 0)
			r = disk_peer_to_bitmap(d, name, plan->lsn, err);
		if (r != -POD_E_STALE)
			return r;
	}
	do {
		r = disk_peer_set(d, name, cursors(d).committed, err);
	} while (r == -POD_E_STALE);
	return r < 0 ? r : disk_peer_dirty_all(d, name, err);
}

struct tail {
	struct replica_stream *s;
	struct err *err;
};

static int mark_tail(void *arg, uint64_t offset, uint64_t length, int kind)
{
	const struct tail *t = arg;

	(void) kind;
	return disk_peer_dirty_set(t->s->primary, name, offset, length, t->err);
}

/* What the peer has behind the branch is to be sent back as the primary has it. */
static int take_tail(struct replica_stream *s, uint64_t lsn, struct err *err)
{
	if (cursors(s->peer).tail <= lsn)
		return disk_log_extents(s->peer, lsn, mark_tail, &(struct tail){ s, err }, err);
	return disk_peer_dirty_all(s->primary, name, err);
}

/* What it acknowledged as a primary, and takes back now. */
static int keep_orphan(struct replica_stream *s, struct err *err)
{
	uint64_t lsn = 0;
	int r;

	(void) snprintf(s->orphan, sizeof(s->orphan), "orphan-%" PRIu64, cursors(s->peer).durable);
	r = disk_snapshot_local(s->peer, s->orphan, &lsn, err);
	if (r == 0 || r == -POD_E_EXISTS) /* of an attempt that was cut */
		r = snapshots_hold(disk_snapshots(s->peer), s->orphan, true, err);
	s->orphans += r == 0;
	return r;
}

static int restart_log(struct replica_stream *s, struct err *err)
{
	uint64_t lsn, epoch = 0;
	uint32_t crc = 0;
	int r;

	do {
		lsn = cursors(s->primary).committed;
		r = disk_peer_set(s->primary, name, lsn, err);
	} while (r == -POD_E_STALE);
	if (r == 0)
		r = disk_peer_set_base(s->primary, name, BASE_NONE, err);
	if (r == 0)
		r = disk_log_position(s->primary, lsn, &epoch, &crc, err);
	if (r == 0)
		r = adopt(s, true, err);
	if (r == 0)
		r = disk_log_restart(s->peer, lsn, epoch, crc, err);
	if (r == 0)
		s->next = s->durable = lsn;
	return r;
}

static int start_resync(struct replica_stream *s, const struct plan *plan, struct err *err)
{
	int r = make_marks(s, plan, err);

	if (r == 0)
		r = disk_log_cut(s->peer, err);
	if (r == 0 && plan->orphan)
		r = keep_orphan(s, err);
	if (r == 0 && plan->rewind)
		r = take_tail(s, plan->lsn, err);
	if (r == 0)
		r = restart_log(s, err);
	if (r < 0)
		return r;
	s->state = REPLICA_STREAM_RESYNCS;
	s->end_lsn = 0;
	s->resyncs++;
	s->rewinds += plan->rewind;
	return 0;
}

static struct generation_result compare(struct replica_stream *s, bool *ret_resyncing)
{
	struct disk_cursors ours = cursors(s->primary), theirs = cursors(s->peer);
	struct superblock us, peer;

	disk_superblock(s->primary, &us);
	disk_superblock(s->peer, &peer);
	*ret_resyncing = peer.resync_under_way;
	return generation_compare(
		&(struct generation_side){ .volume_id = us.volume_id,
	                                   .generations = us.generations,
	                                   .token = us.token,
	                                   .end = ours.staged,
	                                   .tail = ours.tail },
		&(struct generation_side){ .volume_id = peer.volume_id,
	                                   .generations = peer.generations,
	                                   .token = peer.token,
	                                   .end = theirs.durable,
	                                   .was_primary = peer.role == ROLE_PRIMARY,
	                                   .resyncing = peer.resync_under_way,
	                                   .settling = peer.consistent_from_lsn > theirs.durable });
}

static int meet(struct replica_stream *s, struct err *err)
{
	struct generation_result v;
	struct plan plan;
	bool resyncing;
	int r = disk_wait_durable(s->peer, cursors(s->peer).committed, err);

	if (r < 0)
		return r;
	v = compare(s, &resyncing);
	plan = (struct plan){
		.lsn = v.lsn, .marks_count = v.marks_count, .orphan = v.orphan, .resyncing = resyncing
	};
	plan.rewind = v.verdict == GENERATION_PEER_HAS_TAIL;
	if (v.verdict == GENERATION_FOLLOW) {
		r = start_follow(s, v.lsn, err);
		if (r != -POD_E_STALE)
			return r;
		plan.marks_count = true;
	} else if (!plan.rewind && v.verdict != GENERATION_RESYNC) {
		return err_set(err, POD_E_CONFLICT, "they meet with: %s", generation_verdict_text(v.verdict));
	}
	return start_resync(s, &plan, err);
}

/* ---- how they go on ---- */

/* The log has not what the peer needs, or no longer: what it lacks is marked, and a resync begins. */
static int overrun(struct replica_stream *s, struct err *err)
{
	struct plan plan = { .lsn = s->durable,
		             .marks_count = true,
		             .resyncing = s->state == REPLICA_STREAM_RESYNCS };
	int r = disk_peer_to_bitmap(s->primary, name, s->durable, err);

	s->overruns++;
	return r < 0 && r != -POD_E_STALE ? r : start_resync(s, &plan, err);
}

static void end_resync(struct superblock *sb, void *arg)
{
	(void) arg;
	sb->consistent_from_lsn = 0;
}

/* What the peer has made durable. */
static int confirm(struct replica_stream *s, struct err *err)
{
	struct disk_cursors c = cursors(s->peer);
	struct superblock sb;
	int r = c.committed > c.durable ? disk_wait_durable(s->peer, c.committed, err) : 0;

	s->durable = cursors(s->peer).durable;
	disk_superblock(s->peer, &sb);
	if (r == 0 && sb.consistent_from_lsn && s->durable >= sb.consistent_from_lsn) {
		r = disk_wait_applied(s->peer, sb.consistent_from_lsn, err);
		if (r == 0)
			r = disk_superblock_change(s->peer, end_resync, NULL, err);
	}
	if (r == 0)
		r = disk_peer_set(s->primary, name, s->durable, err);
	if (r == 0 && s->end_lsn && s->durable >= s->end_lsn)
		s->state = REPLICA_STREAM_FOLLOWS;
	return r;
}

static int ship(struct replica_stream *s, struct err *err)
{
	static _Thread_local uint8_t bytes[RECORD_SIZE_MAX + RECORD_ALIGN];
	size_t size = 0;
	int r = disk_log_read(s->primary, s->next, bytes, sizeof(bytes), &size, err);

	if (r < 0 || size == 0)
		return r;
	r = disk_log_append(s->peer, s->next, bytes, size, err);
	s->next += size;
	if (r == 0)
		r = confirm(s, err);
	return r < 0 ? r : 1;
}

static void set_consistent_from(struct superblock *sb, void *arg)
{
	sb->resync_under_way = false;
	sb->consistent_from_lsn = *(const uint64_t *) arg;
}

/* The next chunk, or the end of them. */
static int send_chunk(struct replica_stream *s, struct err *err)
{
	static _Thread_local _Alignas(4096) uint8_t bytes[BITMAP_CHUNK];
	uint64_t offset, length;
	int r;

	if (!disk_peer_dirty_next(s->primary, name, 0, &offset, &length)) {
		r = disk_commit(s->primary, &s->end_lsn, err);
		if (r == 0)
			r = disk_superblock_change(s->peer, set_consistent_from, &s->end_lsn, err);
		return r < 0 ? r : confirm(s, err);
	}
	length = length < BITMAP_CHUNK ? length : BITMAP_CHUNK;
	r = disk_read(s->primary, offset, bytes, length, err);
	if (r == 0)
		r = disk_image_write(s->peer, offset, bytes, length, err);
	if (r == 0)
		r = disk_image_flush(s->peer, err);
	if (r == 0)
		r = disk_peer_dirty_clear(s->primary, name, offset, length, err);
	s->chunks++;
	return r;
}

int replica_stream_step(struct replica_stream *s, struct err *err)
{
	bool sends = s->state == REPLICA_STREAM_RESYNCS && s->end_lsn == 0;
	int r;

	if (s->state == REPLICA_STREAM_DOWN) {
		r = meet(s, err);
		return r < 0 ? r : 1;
	}
	r = sends ? send_chunk(s, err) : 0;
	if (r == 0)
		r = ship(s, err);
	if (r == -POD_E_STALE) {
		r = overrun(s, err);
		return r < 0 ? r : 1;
	}
	return r < 0 ? r : r || sends;
}

int replica_stream_finish(struct replica_stream *s, struct err *err)
{
	for (unsigned int i = 0; i < STEPS_MAX; i++) {
		int r = replica_stream_step(s, err);

		if (r < 0)
			return r;
		if (r == 0 && s->state == REPLICA_STREAM_FOLLOWS &&
		    s->durable == cursors(s->primary).committed)
			return 0;
	}
	return err_set(err, POD_E_TIMEOUT, "the peer has %llu of %llu after %d steps",
	               (unsigned long long) s->durable, (unsigned long long) cursors(s->primary).committed,
	               STEPS_MAX);
}
