#include "wal/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/id.h"

#define DISK_PART 32 /* of what is free on the disk a file may become */
#define ZEROS     (128u << 10)

struct segment_file {
	int fd;
	uint64_t room;          /* of the file: as far as it has blocks */
	uint64_t at;            /* where the next batch goes */
	struct wal_place place; /* of the last batch, where there is one */
};

struct wal {
	struct wal_options o;
	struct segment_file files[WAL_FILES_MAX];
	unsigned int now; /* the one that is written */
};

static struct segment_file *now(struct wal *w)
{
	return &w->files[w->now];
}

/* ---- the files ---- */

static int fail(const struct wal *w, const char *doing, struct err *err)
{
	return err_errno(err, errno, "%s %s", doing, w->o.name);
}

/* Blocks that were written, not only reserved: to write over those changes nothing but the data. */
static int fill(const struct wal *w, struct segment_file *f, uint64_t room, struct err *err)
{
	static const uint8_t zeros[ZEROS];

	while (f->room < room) {
		size_t n = room - f->room < ZEROS ? (size_t) (room - f->room) : ZEROS;
		ssize_t done = pwrite(f->fd, zeros, n, (off_t) f->room);

		if (done < 0 && errno != EINTR)
			return fail(w, "making room for", err);
		if (done > 0)
			f->room += (uint64_t) done;
	}
	return fsync(f->fd) < 0 ? fail(w, "flushing", err) : 0;
}

static int open_file(const struct wal *w, int dir, unsigned int i, struct segment_file *f, struct err *err)
{
	const char name[] = { (char) ('0' + i), '\0' };
	struct stat st;

	f->fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return fail(w, "opening", err);
	f->room = (uint64_t) st.st_size / WAL_BLOCK * WAL_BLOCK;
	return f->room < w->o.room_first ? fill(w, f, w->o.room_first, err) : 0;
}

static int open_files(struct wal *w, struct err *err)
{
	_cleanup_(closep) int dir = -1;
	int r = 0;

	if (mkdirat(w->o.dir, w->o.folder, 0700) < 0 && errno != EEXIST)
		return fail(w, "making the folder of", err);
	dir = openat(w->o.dir, w->o.folder, O_DIRECTORY | O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return fail(w, "opening the folder of", err);
	for (unsigned int i = 0; r == 0 && i < w->o.files; i++)
		r = open_file(w, dir, i, &w->files[i], err);
	if (r == 0 && (fsync(dir) < 0 || fsync(w->o.dir) < 0))
		r = fail(w, "flushing the folder of", err);
	return r;
}

/* The file that is written next. */
static unsigned int other(const struct wal *w)
{
	return (w->now + 1) % w->o.files;
}

void wal_resize(struct wal *w, bool larger)
{
	struct segment_file *f = &w->files[other(w)];
	uint64_t most = w->o.room_most, room = 2 * f->room < most ? 2 * f->room : most;
	struct statvfs v;

	if (f->room > most && ftruncate(f->fd, (off_t) most) == 0)
		f->room = most;
	else if (larger && f->room < room && fstatvfs(f->fd, &v) == 0 &&
	         (uint64_t) v.f_bavail * v.f_frsize > DISK_PART * room)
		(void) fill(w, f, room, NULL);
}

/* ---- reading ---- */

/* fn NULL: it is only found out where the segment ends. */
static int read_segment(const struct wal *w, struct segment_file *f, wal_fn *fn, void *arg, struct err *err)
{
	void *map = mmap(NULL, f->room, PROT_READ, MAP_PRIVATE, f->fd, 0);
	struct span rest = span_make(map, f->room), entries;
	int r = 0;

	if (map == MAP_FAILED)
		return fail(w, "reading", err);
	f->at = 0;
	while (r == 0 && wal_batch_next(&rest, f->at == 0, &f->place, &entries)) {
		f->at = f->room - rest.len;
		if (fn)
			r = fn(arg, f->place.segment, entries, err);
	}
	(void) munmap(map, f->room);
	return r;
}

/* Of the files whose segments are above `settled`, the older one first. */
static int replay(struct wal *w, uint64_t settled, wal_fn *fn, void *arg, struct err *err)
{
	unsigned int older = w->o.files > 1 && w->files[1].place.segment < w->files[0].place.segment;
	int r = 0;

	for (unsigned int k = 0; r == 0 && k < w->o.files; k++) {
		struct segment_file *f = &w->files[k ? !older : older];

		if (!f->at || f->place.segment <= settled)
			continue;
		r = read_segment(w, f, fn, arg, err);
		if (r == 0 && fdatasync(f->fd) < 0)
			r = fail(w, "flushing", err);
		w->now = (unsigned int) (f - w->files);
	}
	return r;
}

static void begin_segment(struct segment_file *f, uint64_t segment)
{
	f->at = 0;
	f->place = (struct wal_place){ .segment = segment };
	random_bytes(f->place.nonce, sizeof(f->place.nonce));
}

int wal_open(const struct wal_options *o, uint64_t settled, wal_fn *fn, void *arg, struct wal **ret_wal,
             struct err *err)
{
	struct wal *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_set(err, POD_E_NOMEM, "no memory for %s", o->name);
	w->o = *o;
	for (size_t i = 0; i < WAL_FILES_MAX; i++)
		w->files[i].fd = -1;
	r = open_files(w, err);
	for (size_t i = 0; r == 0 && i < w->o.files; i++)
		r = read_segment(w, &w->files[i], NULL, NULL, err);
	if (r == 0)
		r = replay(w, settled, fn, arg, err);
	w->o.dir = -1;
	if (r != 0) {
		(void) wal_close(w);
		return r;
	}
	if (!now(w)->at || now(w)->place.segment <= settled)
		begin_segment(now(w), settled + 1);
	*ret_wal = w;
	return 0;
}

struct wal *wal_close(struct wal *w)
{
	if (!w)
		return NULL;
	for (size_t i = 0; i < WAL_FILES_MAX; i++)
		closep(&w->files[i].fd);
	free(w);
	return NULL;
}

/* ---- writing ---- */

uint64_t wal_segment(const struct wal *w)
{
	return w->files[w->now].place.segment;
}

bool wal_is_empty(const struct wal *w)
{
	return w->files[w->now].at == 0;
}

size_t wal_size(const struct wal *w)
{
	return (size_t) w->files[w->now].room;
}

size_t wal_room(const struct wal *w)
{
	const struct segment_file *f = &w->files[w->now];

	return f->at < f->room ? (size_t) (f->room - f->at) : 0;
}

void wal_turn(struct wal *w)
{
	uint64_t segment = wal_segment(w);

	w->now = other(w);
	begin_segment(now(w), segment + 1);
}

int wal_erase(struct wal *w, struct err *err)
{
	static const uint8_t zeros[WAL_BLOCK];
	ssize_t n;

	do
		n = pwrite(now(w)->fd, zeros, sizeof(zeros), 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? fail(w, "erasing", err) : 0;
}

/* The write and its flush in one call (pwritev2(2)); what is behind it in the file may stay in the cache. */
static int write_durably(const struct wal *w, int fd, struct span bytes, uint64_t at, struct err *err)
{
	while (bytes.len) {
		struct iovec v = { (void *) (uintptr_t) bytes.p, bytes.len };
		ssize_t n = pwritev2(fd, &v, 1, (off_t) at, RWF_DSYNC);

		if (n < 0 && errno != EINTR)
			return fail(w, "writing", err);
		if (n > 0) {
			bytes = span_skip(bytes, (size_t) n);
			at += (uint64_t) n;
		}
	}
	return 0;
}

int wal_append(struct wal *w, struct buf *batch, struct err *err)
{
	struct segment_file *f = now(w);
	struct wal_place place = f->place;
	struct span bytes;
	int r;

	if (f->at)
		place.number++;
	bytes = batch->failed ? SPAN_NONE : wal_batch_seal(batch, &place);
	if (!bytes.p)
		return err_set(err, POD_E_NOMEM, "no memory for %s", w->o.name);
	r = write_durably(w, f->fd, bytes, f->at, err);
	if (r < 0)
		return r;
	f->place = place;
	f->at += bytes.len;
	if (f->room < f->at)
		f->room = f->at;
	return 0;
}
