#include "replicator/disk/disk_internal.h"

#include <string.h>

#include "base/clock.h"

/* Snapshots and resizes go through the log, so that they happen at one point everywhere; who asked waits for
 * it here. */

static bool is_applied(struct disk *d, uint64_t lsn)
{
	return d->applied.lsn >= lsn;
}

/* Under lock. */
static int append_between_commits(struct disk *d, struct record *r, const void *payload, struct err *err)
{
	int res;

	do {
		res = append_wait_room(d, RECORD_HEADER_SIZE + r->payload_size, true, err);
		if (res < 0)
			return res;
		if (d->head.lsn == d->committed.lsn)
			break;
		append_commit(d);
	} while (true);
	append_record(d, r, payload);
	append_commit(d);
	return 0;
}

/* Under op_lock. */
static int run(struct disk *d, struct record *r, const void *payload, struct err *err)
{
	struct err told = { 0 };
	uint64_t end;
	int res;

	(void) pthread_mutex_lock(&d->lock);
	res = append_between_commits(d, r, payload, err);
	end = d->committed.lsn;
	if (res == 0)
		res = flush_wait(d, end, err);
	if (res == 0)
		res = applier_wait(d, is_applied, end, err);
	if (res == 0 && d->op_lsn == r->lsn)
		told = d->op_err;
	(void) pthread_mutex_unlock(&d->lock);
	disk_told(d);
	if (res == 0 && told.code != 0)
		return err_set(err, (enum pod_error) told.code, "%s", err_text(&told));
	return res;
}

static int run_named(struct disk *d, enum record_type type, const char *name, uint64_t *ret_lsn,
                     struct err *err)
{
	struct record r = { .type = type, .payload_size = RECORD_NAME_MAX };
	uint8_t payload[RECORD_NAME_MAX];
	int res;

	record_name_put(name, payload);
	r.payload_hash = record_hash(payload, sizeof(payload));
	r.offset = type == RECORD_SNAPSHOT ? (uint64_t) clock_wall_ms() : 0;
	res = run(d, &r, payload, err);
	if (res == 0 && ret_lsn)
		*ret_lsn = r.lsn;
	return res;
}

static int check_name(const char *name, struct err *err)
{
	if (!record_name_ok(name))
		return err_set(err, POD_E_SYNTAX,
		               "a snapshot's name is 1 to 63 of a-z 0-9 . _ -, no dot first");
	return 0;
}

int disk_snapshot_take(struct disk *d, const char *name, uint64_t *ret_lsn, struct err *err)
{
	struct snapshot_info info;
	int r = check_name(name, err);

	if (r < 0)
		return r;
	(void) pthread_mutex_lock(&d->op_lock);
	if (snapshots_find(d->snapshots, name, &info, NULL) == 0)
		r = err_set(err, POD_E_EXISTS, "snapshot %s exists", name);
	else
		r = run_named(d, RECORD_SNAPSHOT, name, ret_lsn, err);
	(void) pthread_mutex_unlock(&d->op_lock);
	return r;
}

int disk_snapshot_delete(struct disk *d, const char *name, struct err *err)
{
	struct snapshot_info info;
	int r = check_name(name, err);

	if (r < 0)
		return r;
	(void) pthread_mutex_lock(&d->op_lock);
	r = snapshots_find(d->snapshots, name, &info, err);
	if (r == 0 && info.held)
		r = err_set(err, POD_E_BUSY, "snapshot %s is held", name);
	if (r == 0)
		r = run_named(d, RECORD_SNAPSHOT_DELETE, name, NULL, err);
	(void) pthread_mutex_unlock(&d->op_lock);
	return r;
}

int disk_resize(struct disk *d, uint64_t size_bytes, struct err *err)
{
	struct record r = { .type = RECORD_RESIZE,
		            .offset = size_bytes,
		            .payload_hash = record_hash(NULL, 0) };
	int res;

	(void) pthread_mutex_lock(&d->op_lock);
	if (size_bytes % RECORD_VOLUME_UNIT != 0 || size_bytes > RECORD_VOLUME_MAX)
		res = err_set(err, POD_E_CONFIG, "size of the volume: a multiple of 64K up to 64T");
	else if (size_bytes < disk_size(d))
		res = err_set(err, POD_E_UNSUPPORTED, "a volume can not shrink");
	else if (d->image_is_device && size_bytes > d->device_bytes)
		res = err_set(err, POD_E_NOSPACE, "the image's device has %llu bytes",
		              (unsigned long long) d->device_bytes);
	else
		res = peers_resize(d, size_bytes, err);
	if (res == 0 && size_bytes > disk_size(d))
		res = run(d, &r, NULL, err);
	(void) pthread_mutex_unlock(&d->op_lock);
	return res;
}

int disk_wait_applied(struct disk *d, uint64_t lsn, struct err *err)
{
	int r;

	(void) pthread_mutex_lock(&d->lock);
	r = flush_wait(d, lsn < d->committed.lsn ? lsn : d->committed.lsn, err);
	if (r == 0)
		r = applier_wait(d, is_applied, lsn, err);
	(void) pthread_mutex_unlock(&d->lock);
	return r;
}

/* ---- of this replica alone ---- */

/* Under image_lock; takes place_lock: the image is what the log says up to its last durable commit, and
 * nothing of a later one is there. */
static int lock_settled(struct disk *d, struct position *ret, struct err *err)
{
	bool settled;
	int r;

	for (;;) {
		r = apply_all(d, err);
		if (r == 0)
			r = checkpoint(d, err);
		if (r < 0)
			return r;
		(void) pthread_mutex_lock(&d->place_lock);
		(void) pthread_mutex_lock(&d->lock);
		*ret = d->applied_commit;
		settled = ret->lsn == d->durable.lsn;
		(void) pthread_mutex_unlock(&d->lock);
		if (settled)
			return 0;
		(void) pthread_mutex_unlock(&d->place_lock);
	}
}

int disk_snapshot_local(struct disk *d, const char *name, uint64_t *ret_lsn, struct err *err)
{
	struct position at;
	int r = check_name(name, err);

	if (r < 0)
		return r;
	r = disk_wait_durable(d, disk_committed_lsn(d), err);
	if (r < 0)
		return r;
	(void) pthread_mutex_lock(&d->image_lock);
	r = lock_settled(d, &at, err);
	if (r == 0) {
		r = snapshots_cut(d->snapshots, name, at.lsn, at.epoch, clock_wall_ms(), at.size_bytes, err);
		(void) pthread_mutex_unlock(&d->place_lock);
	}
	(void) pthread_mutex_unlock(&d->image_lock);
	if (r == 0)
		*ret_lsn = at.lsn;
	return r;
}

int disk_snapshot_local_delete(struct disk *d, const char *name, struct err *err)
{
	int r;

	(void) pthread_mutex_lock(&d->image_lock);
	r = apply_all(d, err);
	if (r == 0)
		r = checkpoint(d, err);
	if (r == 0)
		r = snapshots_delete(d->snapshots, name, err);
	(void) pthread_mutex_unlock(&d->image_lock);
	return r;
}
