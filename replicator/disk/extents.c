#include "replicator/disk/disk_internal.h"

#include <errno.h>
#include <unistd.h>

/* Where the image has data and where holes, up to end. kind: EXTENT_DATA or EXTENT_TRIM. */
static int image_run(struct disk *d, uint64_t offset, uint64_t end, uint64_t *ret_end, int *ret_kind,
                     struct err *err)
{
	off_t data, hole;

	*ret_kind = EXTENT_DATA;
	*ret_end = end;
	if (d->image_is_device)
		return 0;
	data = lseek(d->image_fd, (off_t) offset, SEEK_DATA);
	if (data < 0 && errno == ENXIO) { /* nothing but a hole up to the end of the file, or beyond it */
		*ret_kind = EXTENT_TRIM;
		return 0;
	}
	if (data < 0)
		return err_errno(err, errno, "image: seek");
	if ((uint64_t) data > offset) {
		*ret_kind = EXTENT_TRIM;
		*ret_end = (uint64_t) data < end ? (uint64_t) data : end;
		return 0;
	}
	hole = lseek(d->image_fd, (off_t) offset, SEEK_HOLE);
	if (hole < 0)
		return err_errno(err, errno, "image: seek");
	*ret_end = (uint64_t) hole < end ? (uint64_t) hole : end;
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
	int kind, r = 0;
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
