/* How a primary begins with a peer: hellos, what their generations say, and the first steps of each answer to
 * that. */
#include <string.h>

#include "base/clock.h"
#include "base/le.h"
#include "replicator/link/link_internal.h"

/* Waits for one of two types; everything else that may still come is taken as always. */
static int wait_frame(struct peer *p, enum frame_type a, enum frame_type b, int timeout_ms, struct frame *f,
                      struct err *err)
{
	uint64_t end_ms = clock_mono_ms() + (uint64_t) timeout_ms;

	for (;;) {
		uint64_t now = clock_mono_ms();
		int r = now >= end_ms ? 0
		                      : wire_wait(p->wire, (int) (end_ms - now), p->stop_waiting.fd, f, err);

		if (r < 0)
			return r;
		if (r == 0)
			return err_set(err, POD_E_TIMEOUT, "the peer does not answer");
		if (!frame_is_from(f->type, ROLE_SECONDARY))
			return err_set(err, POD_E_PROTOCOL, "a %s frame from a secondary",
			               frame_name(f->type));
		if (f->type == a || f->type == b)
			return 0;
		r = peer_on_frame(p, f, err);
		if (r < 0)
			return r;
	}
}

static int send_frame(struct peer *p, enum frame_type type, const void *payload, size_t size, struct err *err)
{
	int r;

	wire_lock(p->wire);
	r = wire_put(p->wire, type, 0, payload, size);
	if (r == 0)
		r = wire_push(p->wire, err);
	else
		(void) err_set(err, POD_E_UNAVAILABLE, "no room for a %s frame", frame_name(type));
	wire_unlock(p->wire);
	return r;
}

static int send_start(struct peer *p, enum start_kind kind, uint64_t lsn, bool orphan, struct err *err)
{
	struct start s = { .kind = kind, .lsn = lsn, .orphan = orphan };
	uint8_t payload[START_SIZE];
	struct superblock sb;

	disk_superblock(p->r->disk, &sb);
	memcpy(s.generations, sb.generations, sizeof(s.generations));
	start_encode(&s, payload);
	return send_frame(p, FRAME_START, payload, sizeof(payload), err);
}

static int wait_ready(struct peer *p, uint64_t lsn, struct err *err)
{
	struct frame f;
	int r = wait_frame(p, FRAME_READY, FRAME_READY, ANSWER_MS, &f, err);

	if (r == 0 && lsn && le_get64(f.payload) != lsn)
		return err_set(err, POD_E_PROTOCOL, "the peer is ready at another place than agreed");
	return r;
}

/* The log goes on from lsn. */
static void ready_to_ship(struct peer *p, uint64_t lsn, enum repl_event_type how)
{
	uint64_t epoch = 0;
	uint32_t crc;

	(void) disk_log_position(p->r->disk, lsn, &epoch, &crc, NULL); /* for the status only */
	(void) pthread_mutex_lock(&p->r->lock);
	p->connected = true;
	p->resyncs += how == REPL_PEER_RESYNCS;
	p->durable_epoch = epoch;
	p->go_ahead = p->start_resync = false;
	p->last_error[0] = '\0';
	step_lsn(p->r, how, p->place, lsn);
	(void) pthread_mutex_unlock(&p->r->lock);
	p->needs_lsn = p->durable_lsn = p->told_sent = p->sent_seen = lsn;
	p->kept_ms = clock_mono_ms();
	ship_from(p, lsn);
}

/* ---- following ---- */

/* -POD_E_STALE: the log does not reach back so far (any more). */
static int start_follow(struct peer *p, uint64_t lsn, struct err *err)
{
	struct disk *d = p->r->disk;
	int r = disk_peer_set(d, p->config.name, lsn, err);

	if (r < 0)
		return r;
	/* It has all before lsn, and the log has the rest: what was marked means nothing any more. */
	if (disk_peer_dirty_bytes(d, p->config.name) > 0)
		r = disk_peer_dirty_clear(d, p->config.name, 0, disk_size(d), err);
	if (r == 0)
		r = disk_peer_set(d, p->config.name, lsn, err);
	if (r == 0)
		r = send_start(p, START_FOLLOW, lsn, false, err);
	if (r == 0)
		r = wait_ready(p, lsn, err);
	if (r == 0) {
		p->resyncing = false;
		ready_to_ship(p, lsn, REPL_PEER_FOLLOWS);
	}
	return r;
}

/* ---- resync ---- */

struct plan {
	enum start_kind kind;
	uint64_t lsn; /* up to here the histories are one */
	bool orphan, marks_count, resyncing, all;
};

/* Whether what is marked, with what the log still holds for it, is all that the peer can lack. */
static bool marks_are_good(const struct plan *plan, const struct peer_record *rec)
{
	if (plan->all || !plan->marks_count || !rec->in_bitmap)
		return false;
	return rec->base_lsn == BASE_NONE ? plan->resyncing
	       : plan->resyncing          ? rec->base_lsn == 0
	                                  : rec->base_lsn <= plan->lsn;
}

/* Afterwards the bitmap says what the peer lacks of our history, and goes on to be marked. */
static int make_marks(struct peer *p, const struct plan *plan, struct err *err)
{
	struct disk *d = p->r->disk;
	const char *name = p->config.name;
	struct peer_record rec = { .name = "" };
	int r = disk_peer_get(d, name, &rec, err);

	if (r == 0 && marks_are_good(plan, &rec)) {
		r = rec.needs_lsn ? disk_peer_to_bitmap(d, name, rec.needs_lsn, err) : 0;
		return r == -POD_E_STALE ? 0 : r; /* the log ran over just now: the disk has marked it */
	}
	if (!plan->all && !plan->resyncing && plan->marks_count) {
		r = disk_peer_set(d, name, plan->lsn, err);
		if (r == 0)
			r = disk_peer_to_bitmap(d, name, plan->lsn, err);
		if (r != -POD_E_STALE)
			return r;
	}
	log_event(p->r->o.log, LOGL_NOTICE, "replication.compare_all", F_STR("peer", name));
	r = keep_log_for(p->r, name, err);
	return r < 0 ? r : disk_peer_dirty_all(d, name, err);
}

/* What the peer wrote that we do not have is to be sent back as we have it. */
static int take_tail(struct peer *p, const struct frame *f, struct err *err)
{
	struct disk *d = p->r->disk;
	uint64_t size = disk_size(d);
	int r = 0;

	if (f->size % 16)
		return err_set(err, POD_E_PROTOCOL, "a TAIL frame of %u bytes", f->size);
	for (uint32_t at = 0; r == 0 && at < f->size; at += 16) {
		uint64_t offset = le_get64(f->payload + at), length = le_get64(f->payload + at + 8);

		if (offset >= size)
			continue;
		if (length >= size - offset && offset == 0)
			r = disk_peer_dirty_all(d, p->config.name, err);
		else
			r = disk_peer_dirty_set(d, p->config.name, offset,
			                        length < size - offset ? length : size - offset, err);
	}
	return r;
}

static int take_tails(struct peer *p, struct err *err)
{
	struct frame f;
	int r;

	do {
		r = wait_frame(p, FRAME_TAIL, FRAME_TAIL, ANSWER_MS, &f, err);
		if (r == 0)
			r = take_tail(p, &f, err);
	} while (r == 0 && !(f.flags & FRAME_LAST));
	return r;
}

/* The peer's new log begins at our last commit; from there on it is kept for it. */
static int restart_log(struct peer *p, uint64_t *ret_lsn, struct err *err)
{
	struct disk *d = p->r->disk;
	struct disk_cursors c;
	uint8_t payload[32];
	uint64_t epoch = 0, size = disk_size(d);
	uint32_t previous_crc = 0;
	int r;

	do { /* the log's tail may overtake us between the two */
		disk_cursors(d, &c);
		r = disk_peer_set(d, p->config.name, c.committed, err);
	} while (r == -POD_E_STALE);
	if (r ==
	    0) /* from the first chunk on what is not marked went over: that counts for this resync alone */
		r = disk_peer_set_base(d, p->config.name, BASE_NONE, err);
	if (r == 0)
		r = disk_log_position(d, c.committed, &epoch, &previous_crc, err);
	if (r < 0)
		return r;
	le_put64(payload, c.committed);
	le_put64(payload + 8, epoch);
	le_put64(payload + 16, previous_crc);
	le_put64(payload + 24, size);
	r = send_frame(p, FRAME_RESTART, payload, sizeof(payload), err);
	if (r == 0)
		r = wait_ready(p, c.committed, err);
	*ret_lsn = c.committed;
	return r;
}

static int start_resync(struct peer *p, const struct plan *plan, struct err *err)
{
	uint64_t lsn = 0;
	int r = make_marks(p, plan, err);

	if (r == 0)
		r = send_start(p, plan->kind, plan->lsn, plan->orphan, err);
	if (r == 0 && plan->kind == START_REWIND)
		r = take_tails(p, err);
	if (r == 0)
		r = wait_ready(p, 0, err);
	if (r == 0)
		r = restart_log(p, &lsn, err);
	if (r < 0)
		return r;
	p->resyncing = true;
	ready_to_ship(p, lsn, REPL_PEER_RESYNCS);
	compare_begin(p, COMPARE_RESYNC, false);
	return 0;
}

int peer_resync(struct peer *p, bool all, struct err *err)
{
	/* Where the log ran over in the middle of one, the marks that are left are all that it lacks. */
	struct plan plan = { .kind = START_RESYNC,
		             .lsn = p->durable_lsn,
		             .marks_count = true,
		             .resyncing = p->resyncing,
		             .all = all };

	compare_abort(p, "a resync begins");
	ship_stop(p);
	return start_resync(p, &plan, err);
}

/* ---- the meeting ---- */

static int refuse(struct peer *p, enum pod_error code, const char *text, struct err *err)
{
	wire_lock(p->wire);
	(void) hello_put_error(p->wire, code, text);
	(void) wire_push(p->wire, NULL);
	wire_unlock(p->wire);
	return err_set(err, code, "%s", text);
}

static int exchange_hellos(struct peer *p, struct err *err)
{
	struct hello ours;
	uint8_t payload[HELLO_SIZE];
	unsigned int version = 0;
	struct frame f;
	int r;

	hello_make(p->r, &ours);
	hello_encode(&ours, payload);
	r = send_frame(p, FRAME_HELLO, payload, sizeof(payload), err);
	if (r == 0)
		r = wait_frame(p, FRAME_HELLO, FRAME_HELLO, ANSWER_MS, &f, err);
	if (r == -POD_E_VERSION) /* from a time when the words did not say whose */
		return err_wrap(err, r, "%s and we, %s", p->config.name, ours.site);
	if (r == 0)
		r = hello_decode(f.payload, &ours, &p->hello, &version, err);
	if (r == 0) {
		(void) pthread_mutex_lock(&p->r->lock);
		p->version = version;
		(void) pthread_mutex_unlock(&p->r->lock);
	}
	if (r == 0 && strcmp(p->hello.site, p->config.name) != 0)
		r = refuse(p, POD_E_CONFIG, "there is another site at this address", err);
	return r;
}

static struct generation_result compare(struct peer *p)
{
	struct superblock sb;
	struct disk_cursors c;
	const struct hello *h = &p->hello;

	disk_superblock(p->r->disk, &sb);
	disk_cursors(p->r->disk, &c);
	return generation_compare(
		&(struct generation_side){ .volume_id = sb.volume_id,
	                                   .generations = sb.generations,
	                                   .token = sb.token,
	                                   .end = c.staged,
	                                   .tail = c.tail },
		&(struct generation_side){ .volume_id = h->volume_id,
	                                   .generations = h->generations,
	                                   .token = h->token,
	                                   .end = h->durable_lsn,
	                                   .was_primary = h->flags & HELLO_PRIMARY,
	                                   .resyncing = h->flags & HELLO_RESYNCING,
	                                   .settling = h->consistent_from_lsn > h->durable_lsn });
}

int peer_greet(struct peer *p, struct err *err)
{
	struct plan plan = { .kind = START_RESYNC };
	struct generation_result v;
	bool override;
	int r = exchange_hellos(p, err);

	if (r < 0)
		return r;
	(void) pthread_mutex_lock(&p->r->lock);
	override = p->resync_all;
	p->resync_all = false;
	p->reconnects++;
	(void) pthread_mutex_unlock(&p->r->lock);
	v = compare(p);
	log_event(p->r->o.log, LOGL_INFO, "replication.peer_met", F_STR("peer", p->config.name),
	          F_STR("verdict", generation_verdict_text(v.verdict)), F_UINT("lsn", v.lsn));
	p->durable_lsn = p->told_sent = p->sent_seen = v.lsn;
	plan.lsn = v.lsn;
	plan.marks_count = v.marks_count;
	plan.orphan = v.orphan;
	plan.all = override;
	plan.resyncing = p->resyncing = p->hello.flags & HELLO_RESYNCING;
	switch (v.verdict) {
	case GENERATION_NEWER_TOKEN:
		role_fence(p->r, p->hello.token, p->config.name);
		return err_set(err, POD_E_STALE, "the peer knows a newer primary");
	case GENERATION_UNRELATED:
		return refuse(p, POD_E_CONFIG, "the peer's volume has nothing in common with this one", err);
	case GENERATION_SPLIT_BRAIN:
		if (!override)
			return refuse(p, POD_E_EXISTS,
			              "split brain: both sides were primary and have written; \"resync\" "
			              "here makes our "
			              "history count and keeps the peer's in a snapshot",
			              err);
		plan.kind = START_REWIND;
		break;
	case GENERATION_PEER_HAS_TAIL: plan.kind = START_REWIND; break;
	case GENERATION_FOLLOW:
		r = override ? -POD_E_STALE : start_follow(p, v.lsn, err);
		if (r != -POD_E_STALE)
			return r;
		plan.marks_count = true;
		break;
	case GENERATION_RESYNC: break;
	}
	return start_resync(p, &plan, err);
}
