/* Before the image is overwritten: what the newest snapshot has not yet got is copied. */
#include "replicator/snapshot/snapshot_internal.h"

#include <sys/statvfs.h>

#define REFLINK_SPARE (16u << 20) /* bytes that the file system has left for its own doings */

/* The next run of chunks in [*at, end) that chain[i] lacks; moves *at behind it. 0: there is none. */
static uint64_t run_next(const struct snapshots *s, size_t i, uint64_t *at, uint64_t end, uint64_t *ret_first)
{
	uint64_t n = 0;

	while (*at < end && n < RUN_CHUNKS) {
		bool lacks = !chain_has(s, i, *at) && chunk_map_get(s->pending, *at) == CHUNK_NONE;

		if (!lacks && n)
			break;
		if (lacks && n++ == 0)
			*ret_first = *at;
		++*at;
	}
	return n;
}

static int preserve_copies(struct snapshots *s, size_t i, const struct snapshot_extent *extents, size_t n,
                           struct err *err)
{
	struct snapshot *to = s->chain[i];
	int r = 0;

	for (size_t k = 0; r == 0 && k < n; k++) {
		uint64_t at = extents[k].offset / SNAPSHOT_CHUNK, first = 0, run;
		uint64_t end = (extents[k].offset + extents[k].length + SNAPSHOT_CHUNK - 1) / SNAPSHOT_CHUNK;

		if (end > to->chunks)
			end = to->chunks;
		while (r == 0 && (run = run_next(s, i, &at, end, &first)) > 0)
			r = copy_run(s, to, s->o.image_fd, first, run, err);
	}
	return r < 0 ? r : copy_finish(s, to, err);
}

/* The file system does the copying when the image is written, and needs room for it then. */
static int preserve_reflink(struct snapshots *s, const struct snapshot_extent *extents, size_t n,
                            struct err *err)
{
	uint64_t needs = REFLINK_SPARE;
	struct statvfs st;

	for (size_t i = 0; i < n; i++)
		needs += extents[i].length;
	if (fstatvfs(s->dir, &st) == 0 && (uint64_t) st.f_bavail * st.f_frsize < needs)
		return err_set(err, POD_E_NOSPACE, "snapshots: the file system is full");
	return 0;
}

/* Tries until it fits, dropping a snapshot each time that it does not. */
static int preserve(struct snapshots *s, const struct snapshot_extent *extents, size_t n, struct err *err)
{
	for (;;) {
		size_t i = chain_newest(s);
		struct snapshot *to = i < s->n ? s->chain[i] : NULL;
		int r;

		if (!to)
			return 0;
		r = to->map ? preserve_copies(s, i, extents, n, err) : preserve_reflink(s, extents, n, err);
		if (r == -POD_E_NOSPACE && !s->broken)
			r = chain_drop(s, err);
		else if (r == 0)
			return 0;
		i = chain_newest(s);
		if (r < 0 || i == s->n || s->chain[i] != to)
			copy_abandon(s); /* what is pending was for one that is gone */
		if (r < 0)
			return r;
	}
}

int snapshots_preserve(struct snapshots *s, const struct snapshot_extent *extents, size_t n, struct err *err)
{
	int r;

	gate_enter(s);
	if (s->broken)
		r = err_set(err, POD_E_IO, "snapshots: a flush failed before");
	else
		r = preserve(s, extents, n, err);
	gate_leave(s);
	return r;
}

int snapshots_make_room(struct snapshots *s, struct err *err)
{
	int r;

	gate_enter(s);
	r = s->broken ? err_set(err, POD_E_IO, "snapshots: a flush failed before") : chain_drop(s, err);
	gate_leave(s);
	return r;
}
