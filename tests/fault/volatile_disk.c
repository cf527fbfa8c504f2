#include "tests/fault/volatile_disk.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define NOTES_MAX 65536u
#define FILES_MAX 1024u
#define BYTES_MAX (UINT64_C(512) << 20) /* of memory that is taken only when it is used */
#define PATH_SIZE 192u
#define SECTOR    512u
#define BLOCK     4096u
#define GRAVEYARD ".lost"

enum note_kind { NOTE_WRITE, NOTE_CREATE, NOTE_RENAME, NOTE_UNLINK };

struct note {
	enum note_kind kind;
	bool flushed;
	bool durable;  /* written through: no part of it can be lost */
	uint32_t file; /* NOTE_WRITE */
	uint64_t offset, length, old_at, new_at;
	char path[PATH_SIZE], to[PATH_SIZE]; /* others: under the folder */
	unsigned int grave;                  /* where what was unlinked or replaced is kept */
};

struct file {
	dev_t dev;
	ino_t ino;
	char path[PATH_SIZE]; /* as it was when first seen; found by inode afterwards */
};

struct volatile_disk {
	char folder[PATH_SIZE];
	size_t folder_len;
	bool lies;
	uint64_t power_left; /* calls; UINT64_MAX: it stays */
	unsigned int graves;
	_Atomic size_t notes_n; /* whole ones: the process may die at any time */
	size_t files_n;
	uint64_t bytes_n;
	struct file files[FILES_MAX];
	struct note notes[NOTES_MAX];
	uint8_t bytes[];
};

/* Of the process that uses the disk. Changes under the lock; who sees that there is one takes that, and sees
 * which. */
static struct volatile_disk *_Atomic disk;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void die(const char *what)
{
	(void) fprintf(stderr, "volatile disk: %s: %s\n", what, strerror(errno));
	abort();
}

/* ---- the real ones ---- */

#define REAL(name)                     \
	static __typeof__(name) *real; \
	if (!real)                     \
	*(void **) &real = dlsym(RTLD_NEXT, #name)

static ssize_t real_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
	REAL(pwrite);
	return real(fd, bytes, size, offset);
}

static int real_fallocate(int fd, int mode, off_t offset, off_t length)
{
	REAL(fallocate);
	return real(fd, mode, offset, length);
}

static int real_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	REAL(renameat);
	return real(from_dir, from, to_dir, to);
}

static int real_unlinkat(int dir, const char *path, int flags)
{
	REAL(unlinkat);
	return real(dir, path, flags);
}

/* ---- which file ---- */

/* The path under the folder that a descriptor is open at; false: another. */
static bool path_of_fd(int fd, char path[PATH_SIZE])
{
	char link[64], full[4096];
	ssize_t n;

	(void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, full, sizeof(full) - 1);
	if (n <= (ssize_t) disk->folder_len || memcmp(full, disk->folder, disk->folder_len) != 0 ||
	    full[disk->folder_len] != '/')
		return false;
	full[n] = '\0';
	return (size_t) snprintf(path, PATH_SIZE, "%s", full + disk->folder_len + 1) < PATH_SIZE;
}

static bool path_at(int dir, const char *name, char path[PATH_SIZE])
{
	char folder[PATH_SIZE];

	if (dir == AT_FDCWD || name[0] == '/' || !path_of_fd(dir, folder))
		return false;
	return (size_t) snprintf(path, PATH_SIZE, "%.90s/%.90s", folder, name) < PATH_SIZE;
}

/* Under the lock. false: not one of ours. */
static bool file_of(int fd, uint32_t *ret_file)
{
	struct stat st;
	struct file f;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	for (uint32_t i = 0; i < disk->files_n; i++)
		if (disk->files[i].ino == st.st_ino && disk->files[i].dev == st.st_dev) {
			*ret_file = i;
			return true;
		}
	f = (struct file){ .dev = st.st_dev, .ino = st.st_ino };
	if (!path_of_fd(fd, f.path))
		return false;
	if (disk->files_n == FILES_MAX)
		die("too many files");
	disk->files[disk->files_n] = f;
	*ret_file = (uint32_t) disk->files_n++;
	return true;
}

/* ---- notes ---- */

static void clear_graveyard(const struct volatile_disk *d)
{
	char path[PATH_SIZE * 2];

	for (unsigned int i = 1; i <= d->graves; i++) {
		(void) snprintf(path, sizeof(path), "%s" GRAVEYARD "/%u", d->folder, i);
		(void) unlink(path);
	}
}

/* All has reached the disk. Inodes may be used again from here on. */
static void settle_disk(struct volatile_disk *d)
{
	atomic_store(&d->notes_n, 0);
	d->bytes_n = 0;
	d->files_n = 0;
	clear_graveyard(d);
	d->graves = 0;
}

/* Where the disk's memory is full, it has found time to write all out. */
static struct note *note_next(uint64_t bytes)
{
	if (bytes > BYTES_MAX)
		die("a write too large");
	if (disk->notes_n == NOTES_MAX || disk->bytes_n + bytes > BYTES_MAX)
		settle_disk(disk);
	return &disk->notes[disk->notes_n];
}

static void note_done(void)
{
	atomic_fetch_add(&disk->notes_n, 1);
}

/* Through the descriptor's file, but by one of our own: theirs may want aligned memory, or write only. */
static int open_again(int fd)
{
	char link[64];
	int again;

	(void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	again = open(link, O_RDONLY | O_CLOEXEC);
	if (again < 0)
		die("open a file once more");
	return again;
}

static void read_old(int fd, uint8_t *old, uint64_t length, uint64_t offset)
{
	int again = open_again(fd);
	ssize_t n = pread(again, old, length, (off_t) offset);

	if (n < 0)
		die("read what was there");
	memset(old + n, 0, length - (uint64_t) n);
	(void) close(again);
}

/* Under the lock, before the bytes go to the file. new NULL: zeros. */
static void note_write(int fd, const void *new, uint64_t length, uint64_t offset, bool durable)
{
	struct note *n = note_next(2 * length);
	uint32_t file;

	if (!file_of(fd, &file))
		return;
	*n = (struct note){ .kind = NOTE_WRITE,
		            .file = file,
		            .offset = offset,
		            .length = length,
		            .durable = durable,
		            .old_at = disk->bytes_n };
	n->new_at = n->old_at + length;
	disk->bytes_n += 2 * length;
	read_old(fd, disk->bytes + n->old_at, length, offset);
	if (new)
		memcpy(disk->bytes + n->new_at, new, length);
	else
		memset(disk->bytes + n->new_at, 0, length);
	note_done();
}

/* A second name for what is to be lost, in the graveyard; 0: there is nothing at path. */
static unsigned int bury(const char *path)
{
	unsigned int grave = ++disk->graves; /* first: the process may die at any time */
	char from[PATH_SIZE * 2], to[PATH_SIZE * 2];

	(void) snprintf(from, sizeof(from), "%s/%s", disk->folder, path);
	(void) snprintf(to, sizeof(to), "%s" GRAVEYARD "/%u", disk->folder, grave);
	if (link(from, to) == 0)
		return grave;
	if (errno != ENOENT)
		die("keep what is unlinked");
	return 0;
}

static void note_name(enum note_kind kind, const char *path, const char *to)
{
	struct note *n = note_next(0);

	*n = (struct note){ .kind = kind };
	(void) snprintf(n->path, sizeof(n->path), "%s", path);
	(void) snprintf(n->to, sizeof(n->to), "%s", to);
	if (kind == NOTE_UNLINK)
		n->grave = bury(path);
	else if (kind == NOTE_RENAME)
		n->grave = bury(to);
	note_done();
}

/* ---- power ---- */

/* Under the lock, for each call that changes something of ours: whether it is still done. */
static bool take_power(void)
{
	if (disk->power_left == 0) {
		errno = EIO;
		return false;
	}
	if (disk->power_left != UINT64_MAX)
		disk->power_left--;
	return true;
}

static bool power_for_file(int fd)
{
	uint32_t file;

	return !file_of(fd, &file) || take_power();
}

/* ---- flushes ---- */

static bool all_flushed(void)
{
	for (size_t i = 0; i < disk->notes_n; i++)
		if (!disk->notes[i].flushed)
			return false;
	return true;
}

static bool is_in_folder(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

static int flush_fd(int fd)
{
	char path[PATH_SIZE];
	struct stat st;
	uint32_t file = 0;
	bool powered = true;

	(void) pthread_mutex_lock(&lock);
	if (!disk->lies && fstat(fd, &st) == 0) {
		bool folder = S_ISDIR(st.st_mode) && path_of_fd(fd, path),
		     known = !folder && file_of(fd, &file);

		powered = !(folder || known) || take_power();
		for (size_t i = 0; powered && i < disk->notes_n; i++) {
			struct note *n = &disk->notes[i];

			if (folder ? n->kind != NOTE_WRITE && is_in_folder(n->path, path)
			           : known && n->kind == NOTE_WRITE && n->file == file)
				n->flushed = true;
		}
		if (all_flushed())
			settle_disk(disk);
	}
	(void) pthread_mutex_unlock(&lock);
	return powered ? 0 : -1;
}

/* ---- what the program calls ---- */

int fdatasync(int fd);
int fsync(int fd);
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset);
ssize_t pwritev2(int fd, const struct iovec *v, int n, off_t offset, int flags);
int fallocate(int fd, int mode, off_t offset, off_t length);
int renameat(int from_dir, const char *from, int to_dir, const char *to);
int unlinkat(int dir, const char *name, int flags);
int openat(int dir, const char *name, int flags, ...);
int io_uring_queue_init(unsigned int entries, void *ring, unsigned int flags);

int fdatasync(int fd)
{
	REAL(fdatasync);
	return disk ? flush_fd(fd) : real(fd);
}

int fsync(int fd)
{
	REAL(fsync);
	return disk ? flush_fd(fd) : real(fd);
}

static ssize_t noted_pwrite(int fd, const void *bytes, size_t size, off_t offset, bool durable)
{
	ssize_t n;

	if (!disk)
		return real_pwrite(fd, bytes, size, offset);
	(void) pthread_mutex_lock(&lock);
	n = power_for_file(fd) ? 0 : -1;
	if (n == 0) {
		note_write(fd, bytes, size, (uint64_t) offset, durable && !disk->lies);
		n = real_pwrite(fd, bytes, size, offset);
	}
	(void) pthread_mutex_unlock(&lock);
	return n;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
	return noted_pwrite(fd, bytes, size, offset, false);
}

ssize_t pwritev2(int fd, const struct iovec *v, int n, off_t offset, int flags)
{
	if (n != 1) {
		errno = EINVAL; /* nobody here does */
		return -1;
	}
	return noted_pwrite(fd, v->iov_base, v->iov_len, offset, flags & (RWF_DSYNC | RWF_SYNC));
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	int r;

	if (!disk)
		return real_fallocate(fd, mode, offset, length);
	(void) pthread_mutex_lock(&lock);
	r = power_for_file(fd) ? 0 : -1;
	if (r == 0 && mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		note_write(fd, NULL, (uint64_t) length, (uint64_t) offset, false);
	if (r == 0)
		r = real_fallocate(fd, mode, offset, length);
	(void) pthread_mutex_unlock(&lock);
	return r;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	char path[PATH_SIZE], new_path[PATH_SIZE];
	int r = 0;

	if (!disk)
		return real_renameat(from_dir, from, to_dir, to);
	(void) pthread_mutex_lock(&lock);
	if (path_at(from_dir, from, path) && path_at(to_dir, to, new_path)) {
		r = take_power() ? 0 : -1;
		if (r == 0)
			note_name(NOTE_RENAME, path, new_path);
	}
	if (r == 0)
		r = real_renameat(from_dir, from, to_dir, to);
	(void) pthread_mutex_unlock(&lock);
	return r;
}

int unlinkat(int dir, const char *name, int flags)
{
	char path[PATH_SIZE];
	int r = 0;

	if (!disk)
		return real_unlinkat(dir, name, flags);
	(void) pthread_mutex_lock(&lock);
	if (path_at(dir, name, path)) {
		r = take_power() ? 0 : -1;
		if (r == 0)
			note_name(NOTE_UNLINK, path, "");
	}
	if (r == 0)
		r = real_unlinkat(dir, name, flags);
	(void) pthread_mutex_unlock(&lock);
	return r;
}

int openat(int dir, const char *name, int flags, ...)
{
	mode_t mode = 0;
	char path[PATH_SIZE];
	int fd = 0;

	REAL(openat);
	if (flags & O_CREAT) {
		va_list ap;

		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	if (!disk || !(flags & O_CREAT))
		return real(dir, name, flags, mode);
	(void) pthread_mutex_lock(&lock);
	if (path_at(dir, name, path) && faccessat(dir, name, F_OK, 0) < 0) {
		fd = take_power() ? 0 : -1;
		if (fd == 0)
			note_name(NOTE_CREATE, path, "");
	}
	if (fd == 0)
		fd = real(dir, name, flags, mode);
	(void) pthread_mutex_unlock(&lock);
	return fd;
}

int io_uring_queue_init(unsigned int entries, void *ring, unsigned int flags)
{
	return -EPERM;
}

/* ---- the power cut ---- */

/* The descriptor of a file by its inode, wherever it is called now; -1: it is gone. */
static int find_file(const struct volatile_disk *d, const struct file *f)
{
	static const char *const folders[] = { "", "/snapshots" };
	char path[PATH_SIZE * 3];
	struct stat st;
	int fd = -1;

	for (size_t i = 0; i < 2 && fd < 0; i++) {
		const struct dirent *e;
		DIR *dir;

		(void) snprintf(path, sizeof(path), "%s%s", d->folder, folders[i]);
		dir = opendir(path);
		while (dir && fd < 0 && (e = readdir(dir)) != NULL)
			if (e->d_ino == f->ino && fstatat(dirfd(dir), e->d_name, &st, 0) == 0 &&
			    S_ISREG(st.st_mode) && st.st_dev == f->dev)
				fd = openat(dirfd(dir), e->d_name, O_RDWR | O_CLOEXEC);
		if (dir)
			(void) closedir(dir);
	}
	return fd;
}

static void put(int fd, const void *bytes, size_t size, uint64_t offset)
{
	if (real_pwrite(fd, bytes, size, (off_t) offset) != (ssize_t) size)
		die("put bytes back");
}

/* A random part of a write, in pieces that are written whole. */
static void put_part(const struct volatile_disk *d, int fd, const struct note *n, uint64_t piece,
                     long percent)
{
	for (uint64_t at = 0, size; at < n->length; at += size) {
		size = piece - (n->offset + at) % piece;
		if (size > n->length - at)
			size = n->length - at;
		if (random() % 100 < percent)
			put(fd, d->bytes + n->new_at + at, size, n->offset + at);
	}
}

static void cut_file(struct volatile_disk *d, uint32_t file, enum volatile_loss loss, size_t newest,
                     long percent)
{
	int fd = find_file(d, &d->files[file]);

	if (fd < 0)
		return;
	for (size_t i = d->notes_n; i-- > 0;) {
		const struct note *n = &d->notes[i];

		if (n->kind == NOTE_WRITE && n->file == file && !n->flushed)
			put(fd, d->bytes + n->old_at, n->length, n->offset);
	}
	for (size_t i = 0; i < d->notes_n; i++) {
		const struct note *n = &d->notes[i];

		if (n->kind != NOTE_WRITE || n->file != file || n->flushed)
			continue;
		if (n->durable || (loss == VOLATILE_LOSE_NEWEST && i < newest))
			put(fd, d->bytes + n->new_at, n->length, n->offset);
		else if (loss == VOLATILE_LOSE_BLOCKS || loss == VOLATILE_LOSE_SECTORS)
			put_part(d, fd, n, loss == VOLATILE_LOSE_SECTORS ? SECTOR : BLOCK, percent);
	}
	(void) close(fd);
}

static void dig_up(const struct volatile_disk *d, unsigned int grave, const char *to)
{
	char from[PATH_SIZE * 2];

	(void) snprintf(from, sizeof(from), "%s" GRAVEYARD "/%u", d->folder, grave);
	if (link(from, to) < 0)
		die("bring back what was unlinked");
}

static void undo_name(const struct volatile_disk *d, const struct note *n)
{
	char path[PATH_SIZE * 2], to[PATH_SIZE * 2];

	(void) snprintf(path, sizeof(path), "%s/%s", d->folder, n->path);
	(void) snprintf(to, sizeof(to), "%s/%s", d->folder, n->to);
	if (n->kind == NOTE_CREATE)
		(void) unlink(path); /* it may have been noted and not done: killed in between */
	else if (n->kind == NOTE_UNLINK && n->grave && access(path, F_OK) < 0)
		dig_up(d, n->grave, path);
	else if (n->kind == NOTE_RENAME && access(path, F_OK) < 0) {
		if (rename(to, path) < 0)
			die("undo a rename");
		if (n->grave)
			dig_up(d, n->grave, to);
	}
}

static void cut_names(struct volatile_disk *d, size_t newest)
{
	for (size_t i = d->notes_n; i-- > newest;)
		if (d->notes[i].kind != NOTE_WRITE && !d->notes[i].flushed)
			undo_name(d, &d->notes[i]);
}

size_t volatile_disk_cut(struct volatile_disk *d, enum volatile_loss loss)
{
	size_t lost = 0, newest;
	long percent = 10 + random() % 81;

	/* Threads of this process may be writing to other disks. */
	(void) pthread_mutex_lock(&lock);
	newest = d->notes_n ? (size_t) random() % (d->notes_n + 1) : 0;
	for (size_t i = 0; i < d->notes_n; i++)
		lost += !d->notes[i].flushed && !d->notes[i].durable;
	if (loss != VOLATILE_LOSE_NOTHING) {
		cut_names(d, loss == VOLATILE_LOSE_ALL ? 0 : newest);
		for (uint32_t f = 0; f < d->files_n; f++)
			cut_file(d, f, loss, newest, percent);
	}
	settle_disk(d);
	d->power_left = UINT64_MAX;
	(void) pthread_mutex_unlock(&lock);
	return lost;
}

/* ---- life ---- */

struct volatile_disk *volatile_disk_make(const char *folder)
{
	struct volatile_disk *d = mmap(NULL, sizeof(*d) + BYTES_MAX, PROT_READ | PROT_WRITE,
	                               MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char graveyard[PATH_SIZE * 2];

	if (d == MAP_FAILED)
		die("memory");
	(void) snprintf(d->folder, sizeof(d->folder), "%s", folder);
	d->folder_len = strlen(d->folder);
	d->power_left = UINT64_MAX;
	(void) snprintf(graveyard, sizeof(graveyard), "%s" GRAVEYARD, folder);
	if (mkdir(graveyard, 0700) < 0)
		die(graveyard);
	return d;
}

void volatile_disk_end(struct volatile_disk *d)
{
	char graveyard[PATH_SIZE * 2];

	clear_graveyard(d);
	(void) snprintf(graveyard, sizeof(graveyard), "%s" GRAVEYARD, d->folder);
	(void) rmdir(graveyard);
	if (disk == d)
		disk = NULL;
	(void) munmap(d, sizeof(*d) + BYTES_MAX);
}

void volatile_disk_use(struct volatile_disk *d)
{
	/* Threads of this process may be writing to the one before. */
	(void) pthread_mutex_lock(&lock);
	settle_disk(d);
	disk = d;
	(void) pthread_mutex_unlock(&lock);
}

void volatile_disk_lie(struct volatile_disk *d, bool lies)
{
	d->lies = lies;
}

void volatile_disk_power_for(struct volatile_disk *d, uint64_t calls)
{
	(void) pthread_mutex_lock(&lock);
	d->power_left = calls;
	(void) pthread_mutex_unlock(&lock);
}

bool volatile_disk_has_power(struct volatile_disk *d)
{
	bool has;

	(void) pthread_mutex_lock(&lock);
	has = d->power_left > 0;
	(void) pthread_mutex_unlock(&lock);
	return has;
}
