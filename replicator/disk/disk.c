#include "replicator/disk/disk_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Nodes for all records of an epoch of the smallest ones, and for a log full of writes of one block. */
#define MAP_NODES_MIN ((size_t) (2 * EPOCH_BYTES_MAX / RECORD_HEADER_SIZE) + 65536)
#define MAP_NODES_MAX ((size_t) 1 << 21)

/* ---- small things that all use ---- */

int disk_step(struct disk *d, enum disk_step step)
{
	return d->o.on_step ? -d->o.on_step(d->o.arg, step) : 0;
}

void disk_told(struct disk *d)
{
	if (d->o.on_progress)
		d->o.on_progress(d->o.arg);
}

int disk_break(struct disk *d, int r, const struct err *why, struct err *err)
{
	(void) pthread_mutex_lock(&d->lock);
	if (!d->is_broken) {
		d->is_broken = true;
		(void) snprintf(d->broken, sizeof(d->broken), "%s", err_text(why));
	}
	(void) pthread_cond_broadcast(&d->moved);
	(void) pthread_cond_broadcast(&d->applier_wake);
	(void) pthread_mutex_unlock(&d->lock);
	disk_told(d);
	if (err)
		*err = *why;
	return r;
}

int disk_broken_error(struct disk *d, struct err *err)
{
	return err_set(err, POD_E_IO, "%s", d->broken);
}

const char *disk_broken(struct disk *d)
{
	bool broken;

	(void) pthread_mutex_lock(&d->lock);
	broken = d->is_broken;
	(void) pthread_mutex_unlock(&d->lock);
	return broken ? d->broken : NULL; /* written once */
}

bool disk_stalled(struct disk *d, char *ret_why, size_t size)
{
	bool stalled;

	(void) pthread_mutex_lock(&d->lock);
	stalled = d->is_stalled;
	if (stalled)
		(void) snprintf(ret_why, size, "%s", d->stalled);
	(void) pthread_mutex_unlock(&d->lock);
	return stalled;
}

void disk_cursors(struct disk *d, struct disk_cursors *ret)
{
	(void) pthread_mutex_lock(&d->lock);
	*ret = (struct disk_cursors){
		.staged = d->head.lsn,
		.committed = d->committed.lsn,
		.durable = d->durable.lsn,
		.applied = d->applied.lsn,
		.tail = d->tail,
		.epoch = d->durable.epoch,
		.staged_epoch = d->committed.epoch,
		.durable_time_ms = d->durable.time_ms,
		.stage_was_whole = d->stage_was_whole,
		.broken = d->is_broken,
		.direct = d->direct_log && d->direct_image,
	};
	(void) pthread_mutex_unlock(&d->lock);
}

uint64_t disk_staged(const struct disk *d)
{
	return stage_head(&d->stage);
}

uint64_t disk_committed_lsn(struct disk *d)
{
	uint64_t lsn;

	(void) pthread_mutex_lock(&d->lock);
	lsn = d->committed.lsn;
	(void) pthread_mutex_unlock(&d->lock);
	return lsn;
}

uint64_t disk_stage_bytes(const struct disk *d)
{
	return d->stage.size;
}

uint64_t disk_size(struct disk *d)
{
	uint64_t size;

	(void) pthread_mutex_lock(&d->lock);
	size = d->head.size_bytes;
	(void) pthread_mutex_unlock(&d->lock);
	return size;
}

struct snapshots *disk_snapshots(struct disk *d)
{
	return d->snapshots;
}

/* ---- opening ---- */

/* Direct where the file system can do that (tmpfs can not). */
static int open_file(const struct disk *d, const char *name, bool *ret_direct, struct err *err)
{
	_cleanup_(freep) char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/%s", d->folder, name) < 0) {
		path = NULL;
		return err_set(err, POD_E_NOMEM, "%s", name);
	}
	*ret_direct = true;
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0 && errno == EINVAL) {
		*ret_direct = false;
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	return fd < 0 ? err_errno(err, errno, "%s", path) : fd;
}

static int open_files(struct disk *d, struct err *err)
{
	bool direct;
	struct stat st;
	off_t end;

	d->meta_fd = open_file(d, "meta", &direct, err);
	if (d->meta_fd < 0)
		return d->meta_fd;
	if (flock(d->meta_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? err_set(err, POD_E_BUSY, "another process has this replica")
		                            : err_errno(err, errno, "meta: lock");
	d->log_fd = open_file(d, "log", &d->direct_log, err);
	if (d->log_fd < 0)
		return d->log_fd;
	d->image_fd = open_file(d, "image", &d->direct_image, err);
	if (d->image_fd < 0)
		return d->image_fd;
	if (fstat(d->image_fd, &st) < 0)
		return err_errno(err, errno, "image");
	d->image_is_device = S_ISBLK(st.st_mode);
	end = lseek(d->image_fd, 0, SEEK_END);
	if (end < 0)
		return err_errno(err, errno, "image");
	d->device_bytes = (uint64_t) end;
	return 0;
}

static int check_files(struct disk *d, struct err *err)
{
	struct stat st;

	if (fstat(d->log_fd, &st) < 0)
		return err_errno(err, errno, "log");
	if ((uint64_t) st.st_size != d->sb.log_bytes)
		return err_set(err, POD_E_CORRUPT, "log: has %lld bytes, not %llu as the superblock says",
		               (long long) st.st_size, (unsigned long long) d->sb.log_bytes);
	/* Larger is fine: grown, and then the power went. */
	if (d->device_bytes < d->sb.size_bytes)
		return err_set(err, POD_E_CORRUPT, "image: has %llu bytes, not %llu as the superblock says",
		               (unsigned long long) d->device_bytes, (unsigned long long) d->sb.size_bytes);
	d->log_bytes = d->sb.log_bytes;
	d->space_free = space_free(d);
	return 0;
}

static void on_dropped(void *arg, const char *name)
{
	struct disk *d = arg;

	if (d->o.on_snapshot_dropped)
		d->o.on_snapshot_dropped(d->o.arg, name);
}

static int on_snapshot_step(void *arg, enum disk_step step)
{
	return -disk_step(arg, step);
}

static int open_parts(struct disk *d, struct err *err)
{
	struct stage_identity id = { .replica_id = d->sb.replica_id, .stage_id = d->sb.stage_id };
	struct snapshots_options so = {
		.folder = d->folder,
		.image_fd = d->image_fd,
		.reserve_bytes = d->o.snapshot_reserve_bytes,
		.on_dropped = on_dropped,
		.on_step = on_snapshot_step,
		.arg = d,
	};
	size_t nodes = (size_t) (2 * d->log_bytes / RECORD_BLOCK);
	int r = stage_open(&d->stage, d->stage_path, d->o.stage_bytes, &id, &d->stage_was_whole, err);

	nodes = nodes < MAP_NODES_MIN ? MAP_NODES_MIN : nodes > MAP_NODES_MAX ? MAP_NODES_MAX : nodes;
	if (r == 0)
		r = extent_map_create(nodes, &d->map, err);
	if (r == 0)
		r = applier_init(d, err);
	if (r == 0)
		r = place_init(d, err);
	if (r == 0)
		r = peers_load(d, err);
	if (r == 0)
		r = snapshots_open(&so, &d->snapshots, err);
	return r;
}

static int make(const struct disk_options *o, struct disk **ret_disk, struct err *err)
{
	struct disk *d = calloc(1, sizeof(*d));
	pthread_condattr_t monotonic;

	if (!d)
		return err_set(err, POD_E_NOMEM, "disk");
	d->o = *o;
	d->meta_fd = d->log_fd = d->image_fd = d->stage.fd = -1;
	d->pinned = UINT64_MAX;
	(void) pthread_mutex_init(&d->op_lock, NULL);
	(void) pthread_mutex_init(&d->image_lock, NULL);
	(void) pthread_mutex_init(&d->place_lock, NULL);
	(void) pthread_mutex_init(&d->meta_lock, NULL);
	(void) pthread_mutex_init(&d->lock, NULL);
	(void) pthread_condattr_init(&monotonic);
	(void) pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void) pthread_cond_init(&d->moved, &monotonic);
	(void) pthread_cond_init(&d->applier_wake, &monotonic);
	(void) pthread_cond_init(&d->log_wake, &monotonic);
	(void) pthread_condattr_destroy(&monotonic);
	d->folder = strdup(o->folder);
	d->stage_path = strdup(o->stage_path);
	d->sb_block = io_memory(SUPERBLOCK_SIZE);
	d->bitmap_block = io_memory((size_t) 2 * SUPERBLOCK_SIZE);
	*ret_disk = d;
	if (!d->folder || !d->stage_path || !d->sb_block || !d->bitmap_block || !io_buffers_init(&d->buffers))
		return err_set(err, POD_E_NOMEM, "disk");
	return 0;
}

static struct disk *unmake(struct disk *d)
{
	if (!d)
		return NULL;
	applier_stop(d);
	log_writer_stop(d);
	d->snapshots = snapshots_close(d->snapshots);
	peers_done(d);
	applier_done(d);
	place_done(d);
	d->map = extent_map_free(d->map);
	stage_close(&d->stage);
	closep(&d->image_fd);
	closep(&d->log_fd);
	closep(&d->meta_fd);
	io_buffers_done(&d->buffers);
	free(d->sb_block);
	free(d->bitmap_block);
	free(d->folder);
	free(d->stage_path);
	(void) pthread_cond_destroy(&d->moved);
	(void) pthread_cond_destroy(&d->applier_wake);
	(void) pthread_cond_destroy(&d->log_wake);
	(void) pthread_mutex_destroy(&d->lock);
	(void) pthread_mutex_destroy(&d->meta_lock);
	(void) pthread_mutex_destroy(&d->place_lock);
	(void) pthread_mutex_destroy(&d->image_lock);
	(void) pthread_mutex_destroy(&d->op_lock);
	free(d);
	return NULL;
}

int disk_open(const struct disk_options *o, struct disk **ret_disk, struct err *err)
{
	struct disk *d = NULL;
	int r = make(o, &d, err);

	if (r == 0)
		r = open_files(d, err);
	if (r == 0)
		r = meta_load(d, err);
	if (r == 0)
		r = check_files(d, err);
	if (r == 0)
		r = open_parts(d, err);
	if (r == 0)
		r = disk_recover(d, err);
	if (r == 0)
		r = applier_start(d, err);
	if (r == 0)
		r = log_writer_start(d, err);
	if (r == 0)
		r = place_recover_torn(d, err);
	if (r < 0) {
		(void) unmake(d);
		return err_wrap(err, r, "%s", o->folder);
	}
	*ret_disk = d;
	return 0;
}

/* ---- closing ---- */

static void mark_closed(struct superblock *s, void *arg)
{
	(void) arg;
	s->stage_id = 0;
}

/* Everything in log and image, and the superblock says that no stage is needed. */
static int settle(struct disk *d)
{
	uint64_t lsn;
	int r;

	if (d->sb.role == ROLE_PRIMARY)
		r = disk_commit(d, &lsn, NULL);
	else
		r = disk_log_cut(d, NULL);
	if (r == 0)
		r = disk_wait_durable(d, d->committed.lsn, NULL);
	if (r == 0)
		r = apply_all(d, NULL);
	if (r == 0)
		r = checkpoint(d, NULL);
	if (r == 0)
		r = disk_superblock_change(d, mark_closed, NULL, NULL);
	return r;
}

struct disk *disk_close(struct disk *d)
{
	if (!d)
		return NULL;
	applier_stop(d);
	log_writer_stop(d);
	/* What can not be settled stays in stage and log for the next who opens. */
	if (settle(d) == 0)
		(void) unlink(d->stage_path);
	return unmake(d);
}
