/* What a snapshot is on the disk, and each durable step of its life. */
#include "replicator/snapshot/snapshot_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "replicator/snapshot/snapshot_info.h"

/* Broken for good after a failed flush: what the disk has is then unknown. */
static int flush_failed(struct snapshots *s, const char *what, struct err *err)
{
	s->broken = true;
	return err_errno(err, errno, "snapshots: flush %s", what);
}

int snapshot_step(struct snapshots *s, enum disk_step step, struct err *err)
{
	int errnum = s->o.on_step ? s->o.on_step(s->o.arg, step) : 0;

	return errnum ? err_errno(err, errnum, "snapshots: step %d", (int) step) : 0;
}

int snapshot_flush(struct snapshots *s, int fd, enum disk_step step, const char *what, struct err *err)
{
	int r = snapshot_step(s, step, err);

	if (r < 0) {
		s->broken = true;
		return r;
	}
	return fdatasync(fd) < 0 ? flush_failed(s, what, err) : 0;
}

int dir_flush(struct snapshots *s, struct err *err)
{
	int r = snapshot_step(s, DISK_STEP_SNAPSHOT, err);

	if (r == 0 && fsync(s->dir) < 0)
		r = flush_failed(s, "their folder", err);
	return r;
}

static void path_of(char path[SNAPSHOT_PATH], const char *name, const char *ending)
{
	(void) snprintf(path, SNAPSHOT_PATH, "%.*s.%s", SNAPSHOT_NAME_SIZE - 1, name, ending);
}

/* Direct I/O wherever the file system can. */
static int open_direct(int dir, const char *path, int flags)
{
	int fd = openat(dir, path, flags | O_DIRECT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == EINVAL)
		fd = openat(dir, path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd;
}

/* ---- what it is ---- */

static int text_write(struct snapshots *s, const char *path, const char *text, struct err *err)
{
	_cleanup_(closep) int fd =
		openat(s->dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t size = strlen(text);

	if (fd < 0 || fd_write(fd, text, size, 0) < 0)
		return err_errno(err, errno, "snapshots: write %s", path);
	return snapshot_flush(s, fd, DISK_STEP_SNAPSHOT, path, err);
}

int json_write(struct snapshots *s, const struct snapshot *sn, struct err *err)
{
	char path[SNAPSHOT_PATH], fresh[SNAPSHOT_PATH], text[SNAPSHOT_JSON_MAX];
	int r = snapshot_info_format(&sn->info, sn->serial, text, err);

	path_of(path, sn->info.name, sn->deleted ? "deleted" : "json");
	path_of(fresh, sn->info.name, "json.new");
	if (r == 0)
		r = text_write(s, fresh, text, err);
	if (r == 0)
		r = snapshot_step(s, DISK_STEP_SNAPSHOT, err);
	if (r < 0)
		return r;
	if (renameat(s->dir, fresh, s->dir, path) < 0)
		return err_errno(err, errno, "snapshots: rename %s", path);
	return dir_flush(s, err);
}

static int json_read(struct snapshots *s, const char *path, struct snapshot *sn, struct err *err)
{
	_cleanup_(closep) int fd = openat(s->dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[SNAPSHOT_JSON_MAX + 1];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	int r;

	if (n < 0)
		return err_errno(err, errno, "snapshots: read %s", path);
	if (n > (ssize_t) SNAPSHOT_JSON_MAX)
		return err_set(err, POD_E_CORRUPT, "%s: too long", path);
	r = snapshot_info_parse(span_make(text, (size_t) n), &sn->info, &sn->serial, err);
	return r < 0 ? err_wrap(err, r, "%s", path) : 0;
}

/* ---- a new one ---- */

/* Whether .data is a reflink of the image now; where not, it is empty. */
static bool reflink(struct snapshots *s, int data)
{
	if (s->no_reflink)
		return false;
	if (ioctl(data, FICLONE, s->o.image_fd) == 0)
		return true;
	if (errno != ENOSPC && errno != EIO)
		s->no_reflink = true;
	return false;
}

static int map_create(struct snapshots *s, struct snapshot *sn, struct err *err)
{
	char path[SNAPSHOT_PATH];
	int r = chunk_map_create(sn->chunks, &sn->map, err);

	if (r < 0)
		return r;
	chunk_map_own(sn->map, sn->serial);
	path_of(path, sn->info.name, "map");
	sn->map_fd = open_direct(s->dir, path, O_RDWR | O_CREAT | O_TRUNC);
	if (sn->map_fd < 0 ||
	    ftruncate(sn->map_fd, (off_t) (chunk_map_pages(sn->map) * 2 * CHUNK_MAP_PAGE)) < 0)
		return err_errno(err, errno, "snapshots: create %s", path);
	return snapshot_flush(s, sn->map_fd, DISK_STEP_SNAPSHOT, path, err);
}

int files_create(struct snapshots *s, struct snapshot *sn, struct err *err)
{
	char path[SNAPSHOT_PATH];
	int r = 0;

	path_of(path, sn->info.name, "data");
	sn->data = open_direct(s->dir, path, O_RDWR | O_CREAT | O_TRUNC);
	if (sn->data < 0)
		return err_errno(err, errno, "snapshots: create %s", path);
	sn->info.reflink = reflink(s, sn->data);
	if (!sn->info.reflink) {
		if (ftruncate(sn->data, (off_t) sn->info.size_bytes) < 0)
			return err_errno(err, errno, "snapshots: create %s", path);
		r = map_create(s, sn, err);
	}
	return r < 0 ? r : snapshot_flush(s, sn->data, DISK_STEP_SNAPSHOT, path, err);
}

/* ---- one that is there ---- */

static int map_load(struct snapshots *s, struct snapshot *sn, struct err *err)
{
	char path[SNAPSHOT_PATH];
	int r = chunk_map_create(sn->chunks, &sn->map, err);

	path_of(path, sn->info.name, "map");
	if (r == 0)
		chunk_map_own(sn->map, sn->serial);
	sn->map_fd = r < 0 ? -1 : open_direct(s->dir, path, O_RDWR);
	if (r == 0 && sn->map_fd < 0)
		return err_errno(err, errno, "snapshots: open %s", path);
	for (size_t page = 0; r == 0 && page < chunk_map_pages(sn->map); page++) {
		if (fd_read(sn->map_fd, s->run, 2 * CHUNK_MAP_PAGE, page * 2 * CHUNK_MAP_PAGE) < 0)
			return err_errno(err, errno, "snapshots: read %s", path);
		r = chunk_map_decode(sn->map, page, s->run, err);
	}
	return r < 0 ? err_wrap(err, r, "%s", path) : 0;
}

int snapshot_files_open(struct snapshots *s, const char *name, bool deleted, struct snapshot **ret_sn,
               uint64_t *ret_serial, struct err *err)
{
	struct snapshot *sn = calloc(1, sizeof(*sn));
	char path[SNAPSHOT_PATH];
	int r;

	if (!sn)
		return err_set(err, POD_E_NOMEM, "snapshot %s", name);
	sn->data = sn->map_fd = -1;
	path_of(path, name, deleted ? "deleted" : "json");
	r = json_read(s, path, sn, err);
	*ret_serial = r == 0 ? sn->serial : UINT64_MAX;
	(void) snprintf(sn->info.name, sizeof(sn->info.name), "%s", name);
	sn->deleted = deleted;
	sn->chunks = (sn->info.size_bytes + SNAPSHOT_CHUNK - 1) / SNAPSHOT_CHUNK;
	path_of(path, name, "data");
	if (r == 0) {
		sn->data = open_direct(s->dir, path, O_RDWR);
		if (sn->data < 0)
			r = err_errno(err, errno, "snapshots: open %s", path);
	}
	if (r == 0 && !sn->info.reflink)
		r = map_load(s, sn, err);
	if (r == 0)
		*ret_sn = sn;
	else
		snapshot_free(sn);
	return r;
}

/* ---- one whose .json is no use ---- */

static bool holds_anything(const struct snapshot *sn)
{
	return chunk_map_next_page(sn->map, 0) < chunk_map_pages(sn->map);
}

/* Its data and map without a word of what it was: the size is the data's, the serial stands in the map's pages. */
static int rest_open(struct snapshots *s, struct snapshot *sn, struct err *err)
{
	char path[SNAPSHOT_PATH];
	struct stat st;

	path_of(path, sn->info.name, "data");
	sn->data = open_direct(s->dir, path, O_RDWR);
	if (sn->data < 0 || fstat(sn->data, &st) < 0)
		return err_errno(err, errno, "snapshots: open %s", path);
	sn->info.size_bytes = (uint64_t) st.st_size;
	sn->chunks = (sn->info.size_bytes + SNAPSHOT_CHUNK - 1) / SNAPSHOT_CHUNK;
	return map_load(s, sn, err);
}

int files_rescue(struct snapshots *s, const char *name, struct snapshot **ret_sn, struct err *err)
{
	struct snapshot *sn = calloc(1, sizeof(*sn));
	char path[SNAPSHOT_PATH];
	int r;

	if (!sn)
		return err_set(err, POD_E_NOMEM, "snapshot %s", name);
	sn->data = sn->map_fd = -1;
	sn->deleted = true;
	(void) snprintf(sn->info.name, sizeof(sn->info.name), "%s", name);
	path_of(path, name, "json");
	r = rest_open(s, sn, err);
	if (r == 0 && !holds_anything(sn))
		r = -POD_E_EXISTS;
	sn->serial = r == 0 ? chunk_map_owner(sn->map) : 0;
	if (r == 0 && sn->serial == 0)
		r = err_set(err, POD_E_CORRUPT, "snapshot %s: nothing says which it is", name);
	if (r == 0)
		r = json_write(s, sn, err);
	if (r == 0 && unlinkat(s->dir, path, 0) < 0 && errno != ENOENT)
		r = err_errno(err, errno, "snapshots: remove %s", path);
	if (r == 0)
		r = dir_flush(s, err);
	if (r == 0)
		*ret_sn = sn;
	else
		snapshot_free(sn);
	return r;
}

struct snapshot *snapshot_free(struct snapshot *sn)
{
	if (sn) {
		closep(&sn->data);
		closep(&sn->map_fd);
		chunk_map_free(sn->map);
		free(sn);
	}
	return NULL;
}

/* ---- its end ---- */

static int rename_durably(struct snapshots *s, const char *name, const char *from, const char *to,
                          struct err *err)
{
	char old[SNAPSHOT_PATH], new[SNAPSHOT_PATH];
	int r = snapshot_step(s, DISK_STEP_SNAPSHOT, err);

	path_of(old, name, from);
	path_of(new, name, to);
	if (r == 0 && renameat(s->dir, old, s->dir, new) < 0)
		r = err_errno(err, errno, "snapshots: rename %s", old);
	return r < 0 ? r : dir_flush(s, err);
}

int files_mark_deleted(struct snapshots *s, const struct snapshot *sn, struct err *err)
{
	return rename_durably(s, sn->info.name, "json", "deleted", err);
}

int files_set_aside(struct snapshots *s, const char *name, bool deleted, struct err *err)
{
	return rename_durably(s, name, deleted ? "deleted" : "json", "damaged", err);
}

int snapshot_files_remove(struct snapshots *s, const struct snapshot *sn, struct err *err)
{
	char path[SNAPSHOT_PATH];
	int r = snapshot_step(s, DISK_STEP_SNAPSHOT, err);

	path_of(path, sn->info.name, sn->deleted ? "deleted" : "json");
	if (r == 0 && unlinkat(s->dir, path, 0) < 0 && errno != ENOENT)
		r = err_errno(err, errno, "snapshots: remove %s", path);
	return r < 0 ? r : dir_flush(s, err);
}

void files_remove_rest(struct snapshots *s, const char *name)
{
	static const char *const endings[] = { "map", "data" };

	/* What stays after a failure here belongs to nobody: the next open takes it away. */
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		char path[SNAPSHOT_PATH];

		path_of(path, name, endings[i]);
		(void) unlinkat(s->dir, path, 0);
	}
}
