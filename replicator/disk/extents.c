#include "replicator/disk/disk_internal.h"

#include "replicator/snapshot/sparse.h"

/* Where the image has data and where holes, up to end. kind: EXTENT_DATA or EXTENT_TRIM. */
static int image_run(struct disk *d, uint64_t offset, uint64_t end, uint64_t *ret_end, int *ret_kind,
                     struct err *err)
{
	bool hole;
	int r = sparse_run(d->image_fd, offset, end, ret_end, &hole, err);

	if (r < 0)
		return err_wrap(err, r, "image");
	*ret_kind = hole ? EXTENT_TRIM : EXTENT_DATA;
	return 0;
}

struct run {
	uint64_t offset, length;
	int kind;
};

/* Joins runs of a kind; tells of the one before when another begins. */
static int tell(struct run *pending, const struct run *next, disk_extent_fn *fn, void *arg)
{
	int r = 0;

	if (pending->length > 0 && next && pending->kind == next->kind) {
		pending->length += next->length;
		return 0;
	}
	if (pending->length > 0)
		r = fn(arg, pending->offset, pending->length, pending->kind);
	if (next)
		*pending = *next;
	return r;
}

static int next_run(struct disk *d, uint64_t offset, uint64_t end, struct run *ret, struct err *err)
{
	struct extent e;
	uint64_t run_end = end;
	int kind = EXTENT_DATA, r = 0;
	bool in_log;

	(void) pthread_mutex_lock(&d->lock);
	map_catch_up(d);
	in_log = extent_map_find(d->map, offset, end, &e);
	(void) pthread_mutex_unlock(&d->lock);
	if (in_log && e.offset == offset) {
		run_end = offset + e.length;
		kind = (int) e.kind;
	} else {
		r = image_run(d, offset, in_log ? e.offset : end, &run_end, &kind, err);
	}
	*ret = (struct run){ .offset = offset, .length = run_end - offset, .kind = r == 0 ? kind : 0 };
	return r;
}

int disk_extents(struct disk *d, uint64_t offset, uint64_t length, disk_extent_fn *fn, void *arg,
                 struct err *err)
{
	struct run pending = { 0 }, next;
	uint64_t end = offset + length;
	int r = 0;

	while (r == 0 && offset < end) {
		r = next_run(d, offset, end, &next, err);
		if (r < 0)
			return r;
		r = tell(&pending, &next, fn, arg);
		offset += next.length;
	}
	return r != 0 ? r : tell(&pending, NULL, fn, arg);
}
