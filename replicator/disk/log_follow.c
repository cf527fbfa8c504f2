#include "replicator/disk/disk_internal.h"

#include <inttypes.h>
#include <string.h>

/* A secondary's log: bytes as the primary sent them. Nothing of them is believed before it was checked. */

static int refuse(uint64_t lsn, const char *what, struct err *err)
{
	return err_set(err, POD_E_PROTOCOL, "log received: %s at LSN %" PRIu64, what, lsn);
}

static bool all_zero(const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* One record at the start of bytes, to stand at p. epoch_from: where its epoch begins. */
static int check_record(const struct position *p, uint64_t epoch_from, const uint8_t *bytes, size_t size,
                        struct record *ret, struct err *err)
{
	const uint8_t *payload;
	char name[RECORD_NAME_MAX];
	uint64_t next;

	if (size < RECORD_HEADER_SIZE)
		return refuse(p->lsn, "half a record", err);
	if (record_decode(bytes, p->lsn, p->previous_crc, p->size_bytes, ret, err) < 0)
		return err_set(err, POD_E_PROTOCOL, "log received: %s", err ? err->text : "");
	next = record_next(ret);
	if (next - ret->lsn > size)
		return refuse(p->lsn, "half a record", err);
	payload = bytes + (record_data(ret) - ret->lsn);
	if (!all_zero(bytes + RECORD_HEADER_SIZE, (size_t) (payload - bytes) - RECORD_HEADER_SIZE))
		return refuse(p->lsn, "bytes before a payload", err);
	if (ret->epoch != p->epoch + 1)
		return refuse(p->lsn, "wrong epoch", err);
	if (next - epoch_from > EPOCH_BYTES_MAX)
		return refuse(p->lsn, "epoch too large", err);
	if (record_hash(payload, ret->payload_size) != ret->payload_hash && ret->type != RECORD_COMMIT)
		return refuse(p->lsn, "data does not match its checksum", err);
	if ((ret->type == RECORD_SNAPSHOT || ret->type == RECORD_SNAPSHOT_DELETE) &&
	    !record_name_get(payload, name))
		return refuse(p->lsn, "name of a snapshot", err);
	if (ret->type == RECORD_SNAPSHOT && p->lsn != epoch_from)
		return refuse(p->lsn, "snapshot within an epoch", err);
	if (ret->type == RECORD_COMMIT && !all_zero(payload, (size_t) (next - ret->lsn - RECORD_HEADER_SIZE)))
		return refuse(p->lsn, "bytes between epochs", err);
	return 0;
}

static int append_received(struct disk *d, struct record *r, const uint8_t *payload, struct err *err)
{
	struct record sent = *r;
	size_t size = (size_t) (record_data(r) - r->lsn) + r->payload_size;
	int res = disk_step(d, DISK_STEP_STAGE);

	if (res < 0)
		return err_errno(err, -res, "stage");
	if (r->type == RECORD_RESIZE)
		res = peers_resize(d, r->offset, err);
	if (res < 0)
		return res;
	(void) pthread_mutex_lock(&d->lock);
	map_lag(d, size);
	res = append_wait_room(d, size, false, err);
	if (res == 0 && (d->head.lsn != sent.lsn || d->head.previous_crc != sent.previous_crc))
		res = refuse(sent.lsn, "the log was cut meanwhile", err);
	if (res == 0) {
		append_record(d, r, payload);
		applier_nudge(d);
	}
	(void) pthread_mutex_unlock(&d->lock);
	return res;
}

int disk_log_append(struct disk *d, uint64_t lsn, const void *bytes, size_t size, struct err *err)
{
	const uint8_t *p = bytes;
	struct position at;
	uint64_t epoch_from;
	int r = 0;

	(void) pthread_mutex_lock(&d->lock);
	at = d->head;
	epoch_from = d->committed.lsn;
	(void) pthread_mutex_unlock(&d->lock);
	if (lsn != at.lsn)
		return err_set(err, POD_E_PROTOCOL, "log received: LSN %" PRIu64 ", but %" PRIu64 " is next",
		               lsn, at.lsn);
	while (r == 0 && size > 0) {
		struct record rec;
		size_t n;

		r = check_record(&at, epoch_from, p, size, &rec, err);
		if (r < 0)
			break;
		position_pass(&at, &rec);
		if (rec.type == RECORD_COMMIT)
			epoch_from = at.lsn;
		n = (size_t) (at.lsn - rec.lsn);
		r = append_received(d, &rec, p + (record_data(&rec) - rec.lsn), err);
		p += n;
		size -= n;
	}
	disk_told(d);
	return r;
}

/* Under image_lock: log and image the same, but for what was not committed. */
static int settle(struct disk *d, struct err *err)
{
	int r = disk_wait_durable(d, disk_committed_lsn(d), err);

	return r < 0 ? r : apply_all(d, err);
}

int disk_log_cut(struct disk *d, struct err *err)
{
	int r;

	(void) pthread_mutex_lock(&d->image_lock);
	r = settle(d, err);
	(void) pthread_mutex_lock(&d->lock);
	if (r == 0 && d->applied.lsn == d->committed.lsn) {
		/* What is cut off has taken the place of older bytes in the ring: those stay gone. */
		d->stage_from = stage_low(d);
		d->head = d->committed;
		/* It has nothing but what is forgotten now: that was never written to the log's file. */
		map_clear(d);
		place_list_drop_from(&d->candidates, d->head.lsn);
		stage_set_head(&d->stage, d->head.lsn);
		(void) pthread_cond_broadcast(&d->moved);
	} else if (r == 0) {
		r = err_set(err, POD_E_BUSY, "somebody commits while the log is cut");
	}
	(void) pthread_mutex_unlock(&d->lock);
	(void) pthread_mutex_unlock(&d->image_lock);
	disk_told(d);
	return r;
}

/* Under image_lock. The old log is empty and its place wiped before the superblock knows the new one. */
static int restart(struct disk *d, const struct position *to, struct err *err)
{
	struct superblock next;
	uint64_t from;
	int r = checkpoint(d, err);

	if (r < 0)
		return r;
	(void) pthread_mutex_lock(&d->lock);
	from = d->durable.lsn;
	(void) pthread_mutex_unlock(&d->lock);
	r = log_file_wipe(d, from, from + d->log_bytes);
	if (r < 0)
		return err_errno(err, -r, "log: wipe");
	(void) pthread_mutex_lock(&d->meta_lock);
	next = d->sb;
	next.tail_lsn = next.log_first_lsn = to->lsn;
	next.tail_epoch = to->epoch;
	next.tail_previous_crc = to->previous_crc;
	next.group_from_lsn = next.group_to_lsn = 0;
	r = meta_save(d, &next, err);
	(void) pthread_mutex_unlock(&d->meta_lock);
	return r;
}

int disk_log_restart(struct disk *d, uint64_t lsn, uint64_t epoch, uint32_t previous_crc, struct err *err)
{
	struct position to = { .lsn = lsn, .epoch = epoch, .previous_crc = previous_crc };
	int r;

	if (lsn < RECORD_ALIGN || lsn % RECORD_ALIGN != 0)
		return err_set(err, POD_E_PROTOCOL, "a log does not begin at LSN %" PRIu64, lsn);
	r = disk_log_cut(d, err);
	if (r < 0)
		return r;
	(void) pthread_mutex_lock(&d->image_lock);
	r = settle(d, err);
	(void) pthread_mutex_lock(&d->lock);
	to.size_bytes = d->head.size_bytes;
	to.time_ms = d->head.time_ms;
	(void) pthread_mutex_unlock(&d->lock);
	if (r == 0)
		r = restart(d, &to, err);
	(void) pthread_mutex_lock(&d->lock);
	if (r == 0) {
		d->head = d->committed = d->durable = d->applied = d->applied_commit = to;
		d->tail = d->releasing = d->checkpointed = d->stage_from = lsn;
		map_clear(d);
		d->n_places = 0;
		d->barrier_lsn = d->recovered_lsn = 0;
		place_list_drop_from(&d->candidates, 0);
		place_list_drop_from(&d->placed, 0);
		stage_set_head(&d->stage, lsn);
		(void) pthread_cond_broadcast(&d->moved);
	}
	(void) pthread_mutex_unlock(&d->lock);
	(void) pthread_mutex_unlock(&d->image_lock);
	disk_told(d);
	return r;
}

/* Under image_lock and with nothing left to apply. */
static int grow(struct disk *d, uint64_t size_bytes, struct err *err)
{
	int r = image_grow(d, size_bytes, err);

	if (r == 0)
		r = snapshots_image_resized(d->snapshots, size_bytes, err);
	if (r == 0)
		r = peers_resize(d, size_bytes, err);
	if (r < 0)
		return r;
	(void) pthread_mutex_lock(&d->lock);
	if (d->applied.lsn != d->head.lsn) {
		r = err_set(err, POD_E_BUSY, "somebody writes while the volume grows");
	} else {
		d->head.size_bytes = d->committed.size_bytes = d->durable.size_bytes = size_bytes;
		d->applied.size_bytes = d->applied_commit.size_bytes = size_bytes;
	}
	(void) pthread_mutex_unlock(&d->lock);
	return r < 0 ? r : checkpoint(d, err);
}

int disk_grow_local(struct disk *d, uint64_t size_bytes, struct err *err)
{
	int r;

	if (size_bytes <= disk_size(d))
		return 0;
	if (size_bytes % RECORD_VOLUME_UNIT != 0 || size_bytes > RECORD_VOLUME_MAX)
		return err_set(err, POD_E_PROTOCOL, "size of the volume: %" PRIu64, size_bytes);
	r = disk_log_cut(d, err);
	if (r < 0)
		return r;
	(void) pthread_mutex_lock(&d->image_lock);
	r = settle(d, err);
	if (r == 0)
		r = grow(d, size_bytes, err);
	(void) pthread_mutex_unlock(&d->image_lock);
	return r;
}
