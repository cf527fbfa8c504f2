/* The snapshot that a replica keeps of itself during a resync: found, dropped, gone back to. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "replicator/core/record.h"
#include "replicator/link/link_internal.h"
#include "replicator/snapshot/snapshot.h"

#define PIECE (256u * 1024)

static bool find_resync_snapshot(struct replication *r, struct snapshot_info *ret, uint64_t *ret_branch)
{
	struct snapshot_info list[SNAPSHOTS_MAX];
	size_t n = snapshots_list(disk_snapshots(r->disk), list, SNAPSHOTS_MAX);

	for (size_t i = 0; i < n && i < SNAPSHOTS_MAX; i++) {
		if (strncmp(list[i].name, RESYNC_SNAPSHOT, strlen(RESYNC_SNAPSHOT)) != 0)
			continue;
		*ret = list[i];
		return span_to_u64(span_of(list[i].name + strlen(RESYNC_SNAPSHOT)), ret_branch) == 0;
	}
	return false;
}

bool resync_snapshot_find(struct replication *r, uint64_t *ret_lsn)
{
	struct snapshot_info info;
	uint64_t branch;

	if (!find_resync_snapshot(r, &info, &branch))
		return false;
	*ret_lsn = info.lsn;
	return true;
}

void resync_snapshot_drop(struct replication *r)
{
	struct snapshot_info info;
	struct err err = { 0 };
	uint64_t branch;

	if (!find_resync_snapshot(r, &info, &branch))
		return;
	if (snapshots_hold(disk_snapshots(r->disk), info.name, false, &err) < 0 ||
	    disk_snapshot_local_delete(r->disk, info.name, &err) < 0)
		log_event(r->o.log, LOGL_WARNING, "replication.snapshot_stays", F_STR("snapshot", info.name),
		          F_ERR(&err));
}

/* One piece as the snapshot has it, zeros where the volume was smaller; nothing is written where it is that already. */
static int piece_back(struct disk *d, const struct snapshot_info *info, uint64_t at, size_t n, uint8_t *was,
                      uint8_t *is, struct err *err)
{
	size_t in = at >= info->size_bytes ? 0 : info->size_bytes - at < n ? (size_t) (info->size_bytes - at) : n;
	int r = in ? snapshots_read(disk_snapshots(d), info->name, at, was, in, err) : 0;

	memset(was + in, 0, n - in);
	if (r == 0)
		r = disk_read(d, at, is, n, err);
	return r == 0 && memcmp(was, is, n) != 0 ? disk_image_write(d, at, was, n, err) : r;
}

static int range_back(struct disk *d, const struct snapshot_info *info, uint64_t at, uint64_t end, uint8_t *was,
                      uint8_t *is, struct err *err)
{
	int r = 0;

	for (; r == 0 && at < end; at += PIECE)
		r = piece_back(d, info, at, end - at < PIECE ? (size_t) (end - at) : PIECE, was, is, err);
	return r;
}

/* Only what was overwritten since: users wait for it, and the volume may be large. */
static int copy_back(struct disk *d, const struct snapshot_info *info, struct err *err)
{
	_cleanup_(freep) uint8_t *was = aligned_alloc(RECORD_ALIGN, PIECE);
	_cleanup_(freep) uint8_t *is = aligned_alloc(RECORD_ALIGN, PIECE);
	uint64_t at = 0, length = 0;
	int r = 0;

	if (!was || !is)
		return err_set(err, POD_E_NOMEM, "going back to snapshot %s", info->name);
	do {
		r = snapshots_changed_next(disk_snapshots(d), info->name, at, &at, &length, err);
		if (r == 0)
			r = range_back(d, info, at, at + length, was, is, err);
		at += length;
	} while (r == 0 && length > 0);
	if (r == 0)
		r = range_back(d, info, info->size_bytes, disk_size(d), was, is, err);
	return r < 0 ? r : disk_image_flush(d, err);
}

int restore_before_resync(struct replication *r, uint64_t *ret_branch, struct err *err)
{
	struct snapshot_info info;
	struct disk_cursors c;
	uint64_t branch, mark;
	int ret;

	if (!find_resync_snapshot(r, &info, &branch))
		return err_set(
			err, POD_E_NOTFOUND,
			"%s is in the middle of a resync and has no snapshot from before it to go back to",
			r->site);
	log_event(r->o.log, LOGL_WARNING, "replication.going_back", F_STR("snapshot", info.name));
	ret = disk_log_cut(r->disk, err);
	if (ret < 0)
		return ret;
	/* What the log still holds must not be applied over what comes back: it is applied first, and a new
	 * log begun, in a chain that no record of the old one is in. */
	disk_cursors(r->disk, &c);
	random_bytes(&mark, sizeof(mark));
	ret = disk_log_restart(r->disk, c.staged, c.staged_epoch, (uint32_t) mark | 1, err);
	if (ret == 0)
		ret = snapshots_read_begin(disk_snapshots(r->disk), info.name, err);
	if (ret < 0)
		return ret;
	ret = copy_back(r->disk, &info, err);
	snapshots_read_end(disk_snapshots(r->disk), info.name);
	if (ret == 0)
		*ret_branch = branch;
	return ret;
}
