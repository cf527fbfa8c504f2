/* How a secondary begins to follow: as it is, or after a resync, for which it first remembers what it was. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "replicator/core/bitmap.h"
#include "base/le.h"
#include "replicator/core/record.h"
#include "replicator/link/link_internal.h"
#include "replicator/snapshot/snapshot.h"

#define TAIL_EXTENTS 1024 /* of one TAIL frame */

/* ---- taking over the primary's history ---- */

struct adoption {
	const struct session *s;
	bool resync;
};

static void write_adoption(struct superblock *sb, void *arg)
{
	const struct adoption *a = arg;

	sb->role = ROLE_SECONDARY;
	memcpy(sb->generations, a->s->start.generations, sizeof(sb->generations));
	if (sb->token < a->s->hello.token)
		sb->token = a->s->hello.token;
	if (a->resync) {
		sb->resync_under_way = true;
		sb->consistent_from_lsn = 0;
	}
}

/* What we knew of our own peers counts no more: the log goes on without being marked for them. */
static int forget_peers(struct replication *r, struct err *err)
{
	struct superblock sb;
	int ret = 0;

	peers_leave(r);
	disk_superblock(r->disk, &sb);
	for (size_t i = 0; ret == 0 && i < PEERS_MAX; i++)
		if (*sb.peers[i].name)
			ret = disk_peer_forget(r->disk, sb.peers[i].name, err);
	return ret;
}

static int adopt(struct session *s, bool resync, struct err *err)
{
	struct adoption a = { .s = s, .resync = resync };
	int r = disk_superblock_change(s->r->disk, write_adoption, &a, err);

	return r < 0 ? r : forget_peers(s->r, err);
}

static int ready(struct session *s, uint64_t lsn, struct err *err)
{
	uint8_t payload[8];

	le_put64(payload, lsn);
	return session_put(s, FRAME_READY, 0, payload, sizeof(payload), err);
}

static void follow_from(struct session *s, uint64_t lsn)
{
	struct superblock sb;

	disk_superblock(s->r->disk, &sb);
	s->following = true;
	s->started = false;
	s->consistent_from = sb.consistent_from_lsn;
	s->told_received = s->told_durable = lsn;
	s->told_credit = 0;
	s->n_incoming = 0;
}

int start_follow_here(struct session *s, struct err *err)
{
	struct disk_cursors c;
	int r = disk_log_cut(s->r->disk, err);

	if (r < 0)
		return r;
	disk_cursors(s->r->disk, &c);
	if (s->start.lsn != c.durable || s->start.lsn != c.staged)
		return err_set(err, POD_E_PROTOCOL,
		               "the primary would go on at %" PRIu64 ", but our log ends at %" PRIu64,
		               s->start.lsn, c.staged);
	r = adopt(s, false, err);
	if (r < 0)
		return r;
	follow_from(s, s->start.lsn);
	return ready(s, s->start.lsn, err);
}

/* ---- the tail ---- */

static int mark(void *arg, uint64_t offset, uint64_t length, int kind)
{
	bitmap_set(arg, offset, length);
	return 0;
}

/* What our own bitmap for the primary says that it lacks, where that reaches back to the branch. */
static bool mark_from_peer(struct session *s, struct bitmap *b)
{
	struct disk *d = s->r->disk;
	struct peer_record rec;
	uint64_t offset = 0, length = 0;

	if (disk_peer_get(d, s->hello.site, &rec, NULL) < 0 || !rec.in_bitmap || rec.base_lsn > s->start.lsn)
		return false;
	for (; disk_peer_dirty_next(d, rec.name, offset, &offset, &length); offset += length)
		bitmap_set(b, offset, length);
	return rec.needs_lsn == 0 || disk_log_extents(d, rec.needs_lsn, mark, b, NULL) == 0;
}

static int send_tail(struct session *s, const struct bitmap *b, struct err *err)
{
	uint8_t payload[TAIL_EXTENTS * 16];
	uint64_t offset = 0, length = 0;
	size_t n = 0;
	int r = 0;

	for (; r == 0 && bitmap_next(b, offset, &offset, &length); offset += length) {
		le_put64(payload + n, offset);
		le_put64(payload + n + 8, length);
		n += 16;
		if (n == sizeof(payload)) {
			r = session_put(s, FRAME_TAIL, 0, payload, n, err);
			n = 0;
		}
	}
	return r < 0 ? r : session_put(s, FRAME_TAIL, FRAME_LAST, payload, n, err);
}

/* Everything that we wrote behind the branch; where that is not known any more, everything. */
static int tell_tail(struct session *s, struct err *err)
{
	struct disk *d = s->r->disk;
	struct disk_cursors c;
	struct bitmap *b = NULL;
	int r = bitmap_create(disk_size(d), &b, err);

	if (r < 0)
		return r;
	disk_cursors(d, &c);
	if (!(c.tail <= s->start.lsn && disk_log_extents(d, s->start.lsn, mark, b, NULL) == 0) &&
	    !mark_from_peer(s, b))
		bitmap_set_all(b);
	r = send_tail(s, b, err);
	(void) bitmap_free(b);
	return r;
}

/* ---- what we were ---- */

/* A snapshot that lives as long as it is needed, whatever room there is. */
static int keep_as(struct session *s, const char *kind, uint64_t lsn, struct err *err)
{
	char name[SNAPSHOT_NAME_SIZE];
	uint64_t at = 0;
	int r;

	(void) snprintf(name, sizeof(name), "%s%" PRIu64, kind, lsn);
	r = disk_snapshot_local(s->r->disk, name, &at, err);
	if (r == -POD_E_EXISTS)
		r = 0; /* of an attempt that was cut: nothing was written since */
	if (r == 0)
		r = snapshots_hold(disk_snapshots(s->r->disk), name, true, err);
	if (r == 0)
		log_event(s->r->o.log, LOGL_NOTICE, "replication.kept", F_STR("snapshot", name));
	return r;
}

static int remember(struct session *s, struct err *err)
{
	struct disk_cursors c;
	struct superblock sb;
	int r = 0;

	disk_superblock(s->r->disk, &sb);
	disk_cursors(s->r->disk, &c);
	if (sb.resync_under_way || sb.consistent_from_lsn > c.durable)
		return 0; /* in the middle of one: the snapshot from before is the one that counts */
	if (c.durable <= RECORD_ALIGN)
		return 0; /* never written to */
	if (s->start.kind == START_REWIND && s->start.orphan)
		r = keep_as(s, ORPHAN_SNAPSHOT, c.durable, err);
	resync_snapshot_drop(s->r);
	return r < 0 ? r : keep_as(s, RESYNC_SNAPSHOT, s->start.lsn, err);
}

int start_resync_here(struct session *s, struct err *err)
{
	struct disk_cursors c;
	int r = disk_log_cut(s->r->disk, err);

	if (r == 0)
		r = remember(s, err);
	if (r == 0 && s->start.kind == START_REWIND)
		r = tell_tail(s, err);
	if (r < 0)
		return r;
	s->started = true;
	disk_cursors(s->r->disk, &c);
	return ready(s, c.durable, err);
}

/* RESTART: u64 lsn, epoch, previous_crc, size_bytes */
int restart_here(struct session *s, const struct frame *f, struct err *err)
{
	struct disk *d = s->r->disk;
	uint64_t lsn = le_get64(f->payload), epoch = le_get64(f->payload + 8),
		 crc = le_get64(f->payload + 16);
	uint64_t size = le_get64(f->payload + 24);
	int r = 0;

	if (!s->started || lsn < RECORD_ALIGN || lsn % RECORD_ALIGN || crc > UINT32_MAX)
		return err_set(err, POD_E_PROTOCOL, "a RESTART frame out of place");
	if (size < disk_size(d))
		return err_set(err, POD_E_CONFIG,
		               "our volume is larger than the primary's: it cannot shrink");
	/* First this: from here on we are no state that ever was, until the resync has ended. */
	r = adopt(s, true, err);
	if (r == 0 && size > disk_size(d))
		r = disk_grow_local(d, size, err);
	if (r == 0)
		r = disk_log_restart(d, lsn, epoch, (uint32_t) crc, err);
	if (r < 0)
		return r;
	follow_from(s, lsn);
	return ready(s, lsn, err);
}
