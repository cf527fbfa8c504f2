#include "tally/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "tally/tally_internal.h"

#define BUCKETS    8192u /* a power of two; 65,536 counts in 4 MiB, of which only what is used is there */
#define HEAD_SIZE  4096u
#define FILE_SIZE  (HEAD_SIZE + BUCKETS * sizeof(struct tally_bucket))
#define OPEN_TRIES 10

static const uint8_t magic[8] = "podtal1";

_Static_assert(sizeof(struct tally_head) <= HEAD_SIZE, "the head fits");

/* Under a lock on the whole file: 0, or -POD_E_VERSION where it is of another make. */
static int settle_file(int fd, struct err *err)
{
	struct tally_head head = { 0 };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "counts");
	if (st.st_size > 0)
		return pread(fd, &head, sizeof(head), 0) == sizeof(head) &&
		                       (uint64_t) st.st_size == FILE_SIZE &&
		                       memcmp(head.magic, magic, sizeof(magic)) == 0
		               ? 0
		               : -POD_E_VERSION;
	memcpy(head.magic, magic, sizeof(magic));
	random_bytes(&head.seed, sizeof(head.seed));
	if (ftruncate(fd, FILE_SIZE) < 0 || pwrite(fd, &head, sizeof(head), 0) != sizeof(head))
		return err_errno(err, errno, "counts");
	return 0;
}

/* A file of another make is left to whoever still has it open, and a new one takes its name. */
static int open_file(const char *path, int *ret_fd, struct err *err)
{
	for (int tries = 0; tries < OPEN_TRIES; tries++) {
		_cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		int r;

		if (fd < 0 || flock(fd, LOCK_EX) < 0)
			return err_errno(err, errno, "%s", path);
		r = settle_file(fd, err);
		if (r == 0) {
			(void) flock(fd, LOCK_UN);
			*ret_fd = fd;
			fd = -1;
			return 0;
		}
		if (r != -POD_E_VERSION)
			return r;
		if (unlink(path) < 0 && errno != ENOENT)
			return err_errno(err, errno, "%s", path);
	}
	return err_set(err, POD_E_BUSY, "%s changes all the time", path);
}

int tally_open(const char *path, struct tally **ret_tally, struct err *err)
{
	struct tally *t = calloc(1, sizeof(*t));
	void *map;
	int r;

	if (!t)
		return err_set(err, POD_E_NOMEM, "counts");
	t->fd = -1;
	r = open_file(path, &t->fd, err);
	if (r < 0) {
		(void) tally_close(t);
		return r;
	}
	map = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
	if (map == MAP_FAILED) {
		r = err_errno(err, errno, "%s", path);
		(void) tally_close(t);
		return r;
	}
	t->head = map;
	t->buckets = (struct tally_bucket *) (void *) ((uint8_t *) map + HEAD_SIZE);
	*ret_tally = t;
	return 0;
}

struct tally *tally_close(struct tally *t)
{
	if (!t)
		return NULL;
	if (t->head)
		(void) munmap(t->head, FILE_SIZE);
	closep(&t->fd);
	free(t);
	return NULL;
}

/* ---- keys ---- */

struct tally_key tally_key2(const struct tally *t, const char *kind, struct span whose, struct span and_whose)
{
	/* One after the other, so that "ab" and "c" are not "a" and "bc". */
	uint64_t seed = XXH3_64bits_withSeed(kind, strlen(kind), t->head->seed);
	XXH128_hash_t h;

	seed = XXH3_64bits_withSeed(whose.p, whose.len, seed);
	h = XXH3_128bits_withSeed(and_whose.p, and_whose.len, seed);
	return (struct tally_key){ { h.low64, h.high64 } };
}

struct tally_key tally_key(const struct tally *t, const char *kind, struct span whose)
{
	return tally_key2(t, kind, whose, SPAN_LIT(""));
}

/* ---- entries ---- */

static size_t bucket_of(const struct tally_key *k)
{
	return k->h[0] & (BUCKETS - 1);
}

/*
 * A record lock belongs to the process and goes with it, however it ends: no lock is ever left behind. It
 * cannot fail but for memory of the kernel's; going on without it costs a wrong count at worst.
 */
static void lock_bucket(const struct tally *t, size_t bucket, short type)
{
	struct flock l = { .l_type = type,
		           .l_whence = SEEK_SET,
		           .l_start = (off_t) (HEAD_SIZE + bucket * sizeof(struct tally_bucket)),
		           .l_len = sizeof(struct tally_bucket) };

	while (fcntl(t->fd, F_SETLKW, &l) < 0 && errno == EINTR)
		;
}

static bool is_of(const struct tally_entry *e, const struct tally_key *k, enum tally_what what)
{
	return e->what == (uint32_t) what && e->key[0] == k->h[0] && e->key[1] == k->h[1];
}

/* The one that ends first makes room. */
static struct tally_entry *make_room(struct tally_bucket *b, int64_t now_ms)
{
	struct tally_entry *least = &b->entries[0];

	for (size_t i = 0; i < TALLY_WAYS; i++) {
		struct tally_entry *e = &b->entries[i];

		if (e->what == TALLY_FREE || e->expires_ms <= now_ms)
			return e;
		if (e->expires_ms < least->expires_ms)
			least = e;
	}
	return least;
}

struct tally_entry *tally_lock(struct tally *t, const struct tally_key *k, enum tally_what what, bool make,
                               int64_t now_ms)
{
	struct tally_bucket *b = &t->buckets[bucket_of(k)];
	struct tally_entry *e = NULL;

	lock_bucket(t, bucket_of(k), F_WRLCK);
	for (size_t i = 0; !e && i < TALLY_WAYS; i++)
		if (is_of(&b->entries[i], k, what))
			e = &b->entries[i];
	if (!e && make) {
		e = make_room(b, now_ms);
		*e = (struct tally_entry){ .key = { k->h[0], k->h[1] }, .what = what, .expires_ms = now_ms };
	}
	if (!e)
		tally_unlock(t, k);
	return e;
}

void tally_unlock(struct tally *t, const struct tally_key *k)
{
	lock_bucket(t, bucket_of(k), F_UNLCK);
}
