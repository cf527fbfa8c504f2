/* The log as it comes to a secondary: appended, made durable at its commits, confirmed. */
#include <stdio.h>

#include "base/le.h"
#include "replicator/link/link_internal.h"

#define CREDIT_STEP  (1u << 20)
#define CREDIT_SPARE (2u << 20) /* of the log: commits' gaps, and what is being let go */
#define REPORT_BYTES (1u << 20)
#define GATHER_BYTES (2u << 20) /* made durable together at most, where more is said to follow */

int receive_log(struct session *s, const struct frame *f, struct err *err)
{
	int r = disk_log_append(s->r->disk, le_get64(f->payload), f->payload + 8, f->size - 8, err);

	s->reply = s->reply || (f->flags & FRAME_REPLY);
	s->more = f->flags & FRAME_MORE;
	return r;
}

static int put(struct session *s, enum frame_type type, uint64_t lsn, struct err *err)
{
	uint8_t payload[8];

	le_put64(payload, lsn);
	return session_put(s, type, 0, payload, sizeof(payload), err);
}

/* All that has come, and the epochs of it that are whole: only those survive when the primary does not. */
static int report_received(struct session *s, const struct disk_cursors *c, bool idle, struct err *err)
{
	if (c->staged <= s->told_received ||
	    !(s->reply || idle || c->staged - s->told_received >= REPORT_BYTES))
		return 0;
	s->told_received = c->staged;
	return session_put_2u64(s, FRAME_RECEIVED, 0, c->staged, c->committed, err);
}

/* How far the primary may send: what the log has room for, and where that is little a part of it all the
 * same: then the disk has somebody who waits, and hurries. */
static int give_credit(struct session *s, const struct disk_cursors *c, struct err *err)
{
	uint64_t lsn = c->tail + s->r->log_bytes - CREDIT_SPARE, least = c->staged + s->r->log_bytes / 4;

	lsn = lsn > least ? lsn : least;
	if (lsn < s->told_credit + CREDIT_STEP)
		return 0;
	s->told_credit = lsn;
	return put(s, FRAME_CREDIT, lsn, err);
}

uint64_t receive_room_at(const struct session *s)
{
	uint64_t lsn = s->told_credit + CREDIT_STEP + CREDIT_SPARE;

	if (!s->following)
		return UINT64_MAX;
	return lsn > s->r->log_bytes ? lsn - s->r->log_bytes : 0;
}

bool receive_owes_report(const struct session *s)
{
	struct disk_cursors c;

	disk_cursors(s->r->disk, &c);
	return s->following && c.staged > s->told_received;
}

static void end_resync(struct superblock *sb, void *arg)
{
	sb->consistent_from_lsn = 0;
}

/* The log has passed the point at which the last chunk was read: from here on we may be promoted as we are.
 */
static int become_consistent(struct session *s, struct err *err)
{
	/* Until the image has passed that point no snapshot may be cut of it, which is what the mark says. */
	int r = disk_wait_applied(s->r->disk, s->consistent_from, err);

	if (r == 0)
		r = disk_superblock_change(s->r->disk, end_resync, NULL, err);
	if (r < 0)
		return r;
	s->consistent_from = 0;
	resync_snapshot_drop(s->r);
	log_event(s->r->o.log, LOGL_NOTICE, "replication.consistent", F_STR("primary", s->hello.site));
	return 0;
}

static void set_consistent_from(struct superblock *sb, void *arg)
{
	sb->resync_under_way = false;
	sb->consistent_from_lsn = *(const uint64_t *) arg;
}

int receive_resync_end(struct session *s, const struct frame *f, struct err *err)
{
	uint64_t lsn = le_get64(f->payload);
	int r = receive_confirm(s, true, err);

	if (r == 0)
		r = disk_superblock_change(s->r->disk, set_consistent_from, &lsn, err);
	if (r == 0)
		s->consistent_from = lsn;
	return r;
}

int receive_settle(struct session *s, bool idle, struct err *err)
{
	struct disk *d = s->r->disk;
	struct disk_cursors c;
	int r;

	if (!s->following)
		return 0;
	disk_cursors(d, &c);
	if (s->more && !s->quiet && c.staged - c.durable < GATHER_BYTES)
		return receive_confirm(s, idle, err);
	/* Where nobody asked for it, only when nothing else will tell: DURABLE mostly comes at once. */
	r = report_received(s, &c, s->quiet && c.committed == c.durable, err);
	s->reply = false;
	if (r == 0 && c.committed > c.durable) {
		r = disk_wait_durable(d, c.committed, err);
		disk_cursors(d, &c);
	}
	if (r == 0 && s->consistent_from && c.durable >= s->consistent_from)
		r = become_consistent(s, err);
	if (r == 0 && c.durable > s->told_durable) {
		s->told_durable = c.durable;
		if (c.durable > s->told_received)
			s->told_received = c.durable;
		r = session_put_2u64(s, FRAME_DURABLE, 0, c.durable, c.epoch, err);
	}
	if (r == 0)
		r = receive_confirm(s, idle, err);
	return r == 0 ? give_credit(s, &c, err) : r;
}
