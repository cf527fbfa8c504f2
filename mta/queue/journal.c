#include "mta/queue/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/err.h"

#define ROOM_FIRST (1u << 20)
#define ROOM_MOST  (32u << 20) /* a burst of some thousand messages */
#define DISK_PART  32 /* of what is free on the disk a file may become */
#define ZEROS      (128u << 10)

struct segment_file {
	int fd;
	uint64_t room;                    /* of the file: as far as it has blocks */
	uint64_t at;                      /* where the next batch goes */
	struct queue_journal_place place; /* of the last batch, where there is one */
};

struct queue_journal {
	struct segment_file files[QUEUE_JOURNAL_FILES];
	unsigned int now; /* the one that is written */
};

static struct segment_file *now(struct queue_journal *j)
{
	return &j->files[j->now];
}

/* ---- the files ---- */

/* Blocks that were written, not only reserved: to write over those changes nothing but the data. */
static int fill(struct segment_file *f, uint64_t room, struct err *err)
{
	static const uint8_t zeros[ZEROS];

	while (f->room < room) {
		size_t n = room - f->room < ZEROS ? (size_t) (room - f->room) : ZEROS;
		ssize_t done = pwrite(f->fd, zeros, n, (off_t) f->room);

		if (done < 0 && errno != EINTR)
			return err_errno(err, errno, "making room for the queue's journal");
		if (done > 0)
			f->room += (uint64_t) done;
	}
	return fsync(f->fd) < 0 ? err_errno(err, errno, "flushing the queue's journal") : 0;
}

static int open_file(int dir, unsigned int i, struct segment_file *f, struct err *err)
{
	const char name[] = { (char) ('0' + i), '\0' };
	struct stat st;

	f->fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return err_errno(err, errno, "opening the queue's journal");
	f->room = (uint64_t) st.st_size / QUEUE_JOURNAL_BLOCK * QUEUE_JOURNAL_BLOCK;
	return f->room < ROOM_FIRST ? fill(f, ROOM_FIRST, err) : 0;
}

static int open_files(struct queue_journal *j, const char *queue_dir, struct err *err)
{
	_cleanup_(closep) int top = open(queue_dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	_cleanup_(closep) int dir = -1;
	int r = 0;

	if (top < 0)
		return err_errno(err, errno, "opening %s", queue_dir);
	if (mkdirat(top, QUEUE_JOURNAL_FOLDER, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "making %s/" QUEUE_JOURNAL_FOLDER, queue_dir);
	dir = openat(top, QUEUE_JOURNAL_FOLDER, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (dir < 0)
		return err_errno(err, errno, "opening %s/" QUEUE_JOURNAL_FOLDER, queue_dir);
	for (unsigned int i = 0; r == 0 && i < QUEUE_JOURNAL_FILES; i++)
		r = open_file(dir, i, &j->files[i], err);
	if (r == 0 && (fsync(dir) < 0 || fsync(top) < 0))
		r = err_errno(err, errno, "flushing %s/" QUEUE_JOURNAL_FOLDER, queue_dir);
	return r;
}

void queue_journal_resize(struct queue_journal *j, bool larger)
{
	struct segment_file *f = &j->files[!j->now];

	uint64_t room = 2 * f->room < ROOM_MOST ? 2 * f->room : ROOM_MOST;
	struct statvfs v;

	if (f->room > ROOM_MOST && ftruncate(f->fd, ROOM_MOST) == 0)
		f->room = ROOM_MOST;
	else if (larger && f->room < room && fstatvfs(f->fd, &v) == 0 &&
	         (uint64_t) v.f_bavail * v.f_frsize > DISK_PART * room)
		(void) fill(f, room, NULL);
}

/* ---- reading ---- */

static int read_entries(struct span entries, uint64_t segment, queue_journal_fn *fn, void *arg,
                        struct err *err)
{
	struct queue_journal_entry e;
	int r;

	while ((r = queue_journal_entry_next(&entries, &e)) == 1) {
		r = fn(arg, segment, &e, err);
		if (r)
			return r;
	}
	return r < 0 ? err_set(err, POD_E_CORRUPT, "the queue's journal has an entry that cannot be read")
	             : 0;
}

/* fn NULL: it is only found out where the segment ends. */
static int read_segment(struct segment_file *f, queue_journal_fn *fn, void *arg, struct err *err)
{
	void *map = mmap(NULL, f->room, PROT_READ, MAP_PRIVATE, f->fd, 0);
	struct span rest = span_make(map, f->room), entries;
	int r = 0;

	if (map == MAP_FAILED)
		return err_errno(err, errno, "reading the queue's journal");
	f->at = 0;
	while (r == 0 && queue_journal_next(&rest, f->at == 0, &f->place, &entries)) {
		f->at = f->room - rest.len;
		if (fn)
			r = read_entries(entries, f->place.segment, fn, arg, err);
	}
	(void) munmap(map, f->room);
	return r;
}

/* The older one first. */
static int replay(struct queue_journal *j, uint64_t settled, queue_journal_fn *fn, void *arg, struct err *err)
{
	unsigned int older = j->files[1].place.segment < j->files[0].place.segment;
	int r = 0;

	for (unsigned int k = 0; r == 0 && k < QUEUE_JOURNAL_FILES; k++) {
		struct segment_file *f = &j->files[k ? !older : older];

		if (!f->at || f->place.segment <= settled)
			continue;
		r = read_segment(f, fn, arg, err);
		if (r == 0 && fdatasync(f->fd) < 0)
			r = err_errno(err, errno, "flushing the queue's journal");
		j->now = (unsigned int) (f - j->files);
	}
	return r;
}

static void begin_segment(struct segment_file *f, uint64_t segment)
{
	f->at = 0;
	f->place = (struct queue_journal_place){ .segment = segment };
	random_bytes(f->place.nonce, sizeof(f->place.nonce));
}

int queue_journal_open(const char *queue_dir, uint64_t settled, queue_journal_fn *fn, void *arg,
                       struct queue_journal **ret_journal, struct err *err)
{
	struct queue_journal *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return err_set(err, POD_E_NOMEM, "no memory for the queue's journal");
	for (size_t i = 0; i < QUEUE_JOURNAL_FILES; i++)
		j->files[i].fd = -1;
	r = open_files(j, queue_dir, err);
	for (size_t i = 0; r == 0 && i < QUEUE_JOURNAL_FILES; i++)
		r = read_segment(&j->files[i], NULL, NULL, err);
	if (r == 0)
		r = replay(j, settled, fn, arg, err);
	if (r != 0) {
		(void) queue_journal_close(j);
		return r;
	}
	if (!now(j)->at || now(j)->place.segment <= settled)
		begin_segment(now(j), settled + 1);
	*ret_journal = j;
	return 0;
}

struct queue_journal *queue_journal_close(struct queue_journal *j)
{
	if (!j)
		return NULL;
	for (size_t i = 0; i < QUEUE_JOURNAL_FILES; i++)
		closep(&j->files[i].fd);
	free(j);
	return NULL;
}

/* ---- writing ---- */

uint64_t queue_journal_segment(const struct queue_journal *j)
{
	return j->files[j->now].place.segment;
}

bool queue_journal_is_empty(const struct queue_journal *j)
{
	return j->files[j->now].at == 0;
}

size_t queue_journal_size(const struct queue_journal *j)
{
	return (size_t) j->files[j->now].room;
}

size_t queue_journal_room(const struct queue_journal *j)
{
	const struct segment_file *f = &j->files[j->now];

	return f->at < f->room ? (size_t) (f->room - f->at) : 0;
}

void queue_journal_turn(struct queue_journal *j)
{
	uint64_t segment = queue_journal_segment(j);

	j->now = !j->now;
	begin_segment(now(j), segment + 1);
}

/* The write and its flush in one call (pwritev2(2)); what is behind it in the file may stay in the cache. */
static int write_durably(int fd, struct span bytes, uint64_t at, struct err *err)
{
	while (bytes.len) {
		struct iovec v = { (void *) (uintptr_t) bytes.p, bytes.len };
		ssize_t n = pwritev2(fd, &v, 1, (off_t) at, RWF_DSYNC);

		if (n < 0 && errno != EINTR)
			return err_errno(err, errno, "writing the queue's journal");
		if (n > 0) {
			bytes = span_skip(bytes, (size_t) n);
			at += (uint64_t) n;
		}
	}
	return 0;
}

int queue_journal_append(struct queue_journal *j, struct buf *batch, struct err *err)
{
	struct segment_file *f = now(j);
	struct queue_journal_place place = f->place;
	struct span bytes;
	int r;

	if (f->at)
		place.number++;
	bytes = batch->failed ? SPAN_NONE : queue_journal_seal(batch, &place);
	if (!bytes.p)
		return err_set(err, POD_E_NOMEM, "no memory for the queue's journal");
	r = write_durably(f->fd, bytes, f->at, err);
	if (r < 0)
		return r;
	f->place = place;
	f->at += bytes.len;
	if (f->room < f->at)
		f->room = f->at;
	return 0;
}
