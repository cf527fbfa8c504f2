/* Which parts of a snapshot are holes: it is asked of the file that a chunk is found in. */
#include "replicator/snapshot/snapshot_internal.h"
#include "replicator/snapshot/sparse.h"

#define PIECE_BYTES ((uint64_t) 64 << 20) /* looked through in one go: for so long a write may have to wait \
	                                   */

struct run {
	uint64_t end;
	bool hole;
};

/*
 * The run that begins at offset. Under the lock: so the image still has what the chain finds in it, and a
 * copy is not taken out of its file before who reads looks for it elsewhere.
 */
static int run_at(struct snapshots *s, const char *name, uint64_t offset, uint64_t end, struct run *ret,
                  struct err *err)
{
	size_t i = 0;
	int r = find_readable(s, name, &i, err);
	struct source from;

	if (r < 0)
		return r;
	if (end > s->chain[i]->info.size_bytes)
		return err_set(err, POD_E_LIMIT, "snapshot %s ends before %llu", name,
		               (unsigned long long) end);
	from = source_of(s, i, offset, (size_t) (end - offset));
	if (from.fd < 0) {
		*ret = (struct run){ offset + from.size, true };
		return 0;
	}
	r = sparse_run(from.fd, offset, offset + from.size, &ret->end, &ret->hole, err);
	return r < 0 ? err_wrap(err, r, "snapshot %s", name) : 0;
}

int snapshots_extents(struct snapshots *s, const char *name, uint64_t offset, uint64_t length,
                      snapshot_run_fn *fn, void *arg, struct err *err)
{
	uint64_t end = offset + length;
	int r = 0;

	while (r == 0 && offset < end) {
		struct run run = { 0 };

		pthread_rwlock_rdlock(&s->lock);
		r = run_at(s, name, offset, end - offset < PIECE_BYTES ? end : offset + PIECE_BYTES, &run,
		           err);
		pthread_rwlock_unlock(&s->lock);
		if (r == 0)
			r = fn(arg, offset, run.end - offset, run.hole);
		offset = run.end;
	}
	return r;
}
