/* A snapshot, read-only, whatever this replica's role is. */
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "replicator/plugin/export.h"

static int snapshot_read(struct export *e, void *bytes, size_t size, uint64_t offset, struct err *err)
{
	return snapshots_read(disk_snapshots(e->replica->disk), e->snapshot, offset, bytes, size, err);
}

static int add_run(void *arg, uint64_t offset, uint64_t length, bool hole)
{
	return nbdkit_add_extent(arg, offset, length, hole ? NBDKIT_EXTENT_ZERO | NBDKIT_EXTENT_HOLE : 0) < 0
	               ? -POD_E_NOMEM
	               : 0;
}

static int snapshot_extents(struct export *e, uint64_t length, uint64_t offset, struct nbdkit_extents *ret,
                            struct err *err)
{
	return snapshots_extents(disk_snapshots(e->replica->disk), e->snapshot, offset, length, add_run, ret,
	                         err);
}

static void snapshot_close(struct export *e)
{
	snapshots_read_end(disk_snapshots(e->replica->disk), e->snapshot);
}

static const struct export_kind snapshot_kind = {
	.read = snapshot_read,
	.extents = snapshot_extents,
	.close = snapshot_close,
};

int export_snapshot_open(struct export *e, struct err *err)
{
	struct snapshots *all = disk_snapshots(e->replica->disk);
	struct snapshot_info info;
	int r = snapshots_read_begin(all, e->snapshot, err);

	if (r < 0)
		return r;
	r = snapshots_find(all, e->snapshot, &info, err);
	if (r < 0) {
		snapshots_read_end(all, e->snapshot);
		return r;
	}
	e->kind = &snapshot_kind;
	e->size = info.size_bytes;
	return 0;
}
