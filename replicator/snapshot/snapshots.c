#include "replicator/snapshot/snapshot_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "replicator/core/record.h"

/* ---- cutting ---- */

static size_t count_live(const struct snapshots *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += !s->chain[i]->deleted;
	return n;
}

static bool name_is_being_deleted(const struct snapshots *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->chain[i]->deleted && strcmp(s->chain[i]->info.name, name) == 0)
			return true;
	return false;
}

/* The name is free and there is a place, if need be after something went. */
static int make_place(struct snapshots *s, const char *name, struct err *err)
{
	int r = 0;

	while (r == 0 && (name_is_being_deleted(s, name) || s->n == CHAIN_MAX)) {
		if (s->sweep_failed || s->broken)
			return err_set(err, POD_E_BUSY, "snapshot %s: an older one cannot be taken away",
			               name);
		gate_wait_for_sweeper(s);
	}
	while (r == 0 && count_live(s) >= SNAPSHOTS_MAX)
		r = chain_drop(s, err);
	return r;
}

/*
 * What the image has is durable before the snapshot is: the log may be replayed from before the cut after a
 * crash, and what those writes then hit is copied as the snapshot's content.
 */
static int cut(struct snapshots *s, const struct snapshot_info *info, struct err *err)
{
	struct snapshot *sn = calloc(1, sizeof(*sn));
	int r;

	if (!sn)
		return err_set(err, POD_E_NOMEM, "snapshot %s", info->name);
	sn->info = *info;
	sn->serial = s->serial;
	sn->chunks = (info->size_bytes + SNAPSHOT_CHUNK - 1) / SNAPSHOT_CHUNK;
	sn->data = sn->map_fd = -1;
	r = snapshot_flush(s, s->o.image_fd, DISK_STEP_SNAPSHOT, "the image", err);
	r = r < 0 ? r : copy_reserve(s, sn->chunks, err);
	r = r < 0 ? r : files_create(s, sn, err);
	r = r < 0 ? r : json_write(s, sn, err);
	r = r < 0 ? r : chain_add(s, sn, err);
	if (r < 0) {
		snapshot_free(sn);
		if (!s->broken) /* else it may be there: the next open finds out */
			files_remove_rest(s, info->name);
		return r;
	}
	s->serial++;
	return 0;
}

static int cut_with_room(struct snapshots *s, const struct snapshot_info *info, struct err *err)
{
	int r;

	do {
		r = make_place(s, info->name, err);
		r = r < 0 ? r : cut(s, info, err);
	} while (r == -POD_E_NOSPACE && !s->broken && chain_drop(s, NULL) == 0);
	return r;
}

int snapshots_cut(struct snapshots *s, const char *name, uint64_t lsn, uint64_t epoch, int64_t time_ms,
                  uint64_t volume_size, struct err *err)
{
	struct snapshot_info info = {
		.lsn = lsn, .epoch = epoch, .time_ms = time_ms, .size_bytes = volume_size
	};
	size_t i;
	int r;

	if (!record_name_ok(name))
		return err_set(err, POD_E_SYNTAX,
		               "a snapshot's name is 1 to %u of a-z 0-9 . _ -, no dot first",
		               SNAPSHOT_NAME_SIZE - 1);
	(void) snprintf(info.name, sizeof(info.name), "%s", name);
	gate_enter(s);
	i = chain_find(s, name);
	if (s->broken)
		r = err_set(err, POD_E_IO, "snapshots: a flush failed before");
	else if (i < s->n)
		r = err_set(err, POD_E_EXISTS, "snapshot %s exists, of LSN %llu", name,
		            (unsigned long long) s->chain[i]->info.lsn);
	else
		r = cut_with_room(s, &info, err);
	gate_leave(s);
	return r;
}

/* ---- deleting, holding ---- */

static bool is_read(struct snapshots *s, size_t i)
{
	bool read;

	pthread_rwlock_rdlock(&s->lock);
	read = s->chain[i]->readers > 0;
	pthread_rwlock_unlock(&s->lock);
	return read;
}

static int delete_one(struct snapshots *s, const char *name, struct err *err)
{
	size_t i = chain_find(s, name);

	if (s->broken)
		return err_set(err, POD_E_IO, "snapshots: a flush failed before");
	if (i == s->n)
		return err_set(err, POD_E_NOTFOUND, "no snapshot %s", name);
	if (s->chain[i]->info.held)
		return err_set(err, POD_E_BUSY, "snapshot %s is held", name);
	if (is_read(s, i))
		return err_set(err, POD_E_BUSY, "snapshot %s is being read", name);
	return chain_delete(s, i, err);
}

int snapshots_delete(struct snapshots *s, const char *name, struct err *err)
{
	int r;

	gate_enter(s);
	r = delete_one(s, name, err);
	gate_leave(s);
	return r;
}

static int hold_one(struct snapshots *s, const char *name, bool hold, struct err *err)
{
	size_t i = chain_find(s, name);
	struct snapshot changed;
	int r;

	if (s->broken)
		return err_set(err, POD_E_IO, "snapshots: a flush failed before");
	if (i == s->n)
		return err_set(err, POD_E_NOTFOUND, "no snapshot %s", name);
	changed = *s->chain[i];
	changed.info.held = hold;
	r = json_write(s, &changed, err);
	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&s->lock);
	s->chain[i]->info.held = hold;
	pthread_rwlock_unlock(&s->lock);
	return 0;
}

int snapshots_hold(struct snapshots *s, const char *name, bool hold, struct err *err)
{
	int r;

	gate_enter(s);
	r = hold_one(s, name, hold, err);
	gate_leave(s);
	return r;
}

int snapshots_image_resized(struct snapshots *s, uint64_t size_bytes, struct err *err)
{
	int r = 0;

	gate_enter(s);
	for (size_t i = 0; r == 0 && i < s->n; i++)
		if (s->chain[i]->info.size_bytes > size_bytes)
			r = err_set(err, POD_E_LIMIT, "the image is smaller than its snapshot %s",
			            s->chain[i]->info.name);
	gate_leave(s);
	return r;
}

/* ---- looking ---- */

static struct snapshot_info info_of(const struct snapshot *sn)
{
	struct snapshot_info info = sn->info;

	info.copied_bytes = snapshot_cost(sn);
	return info;
}

size_t snapshots_list(struct snapshots *s, struct snapshot_info *ret, size_t max)
{
	size_t n = 0;

	pthread_rwlock_rdlock(&s->lock);
	for (size_t i = 0; i < s->n; i++) {
		if (s->chain[i]->deleted)
			continue;
		if (n < max)
			ret[n] = info_of(s->chain[i]);
		n++;
	}
	pthread_rwlock_unlock(&s->lock);
	return n;
}

int snapshots_find(struct snapshots *s, const char *name, struct snapshot_info *ret, struct err *err)
{
	size_t i;
	bool found;

	pthread_rwlock_rdlock(&s->lock);
	i = chain_find(s, name);
	found = i < s->n;
	if (found)
		*ret = info_of(s->chain[i]);
	pthread_rwlock_unlock(&s->lock);
	return found ? 0 : err_set(err, POD_E_NOTFOUND, "no snapshot %s", name);
}

uint64_t snapshots_copied_bytes(struct snapshots *s)
{
	uint64_t cost;

	gate_enter(s); /* what deleted ones still cost changes in the gate alone */
	cost = chain_cost(s);
	gate_leave(s);
	return cost;
}
