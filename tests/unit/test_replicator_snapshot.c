/* Snapshots against a model that keeps a full copy of the image for each; and their life through kills at
 * each step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "replicator/snapshot/snapshot.h"
#include "tests/fault/volatile_disk.h"

#define CHUNK     ((uint64_t) SNAPSHOT_CHUNK)
#define BLOCK     4096u
#define SIZE_MAX_ (96 * CHUNK)

struct model {
	char name[SNAPSHOT_NAME_SIZE];
	uint64_t size;
	bool held;
	uint8_t *bytes;
};

/* A replica's folder with an image, and what image and snapshots have to be. */
struct room {
	char dir[96];
	int image;
	struct snapshots *s;
	struct snapshots_options o;
	uint64_t size;
	uint8_t *bytes; /* of the image, aligned */
	struct model models[SNAPSHOTS_MAX];
	size_t n;
	unsigned int dropped;
	char last_dropped[SNAPSHOT_NAME_SIZE];
	unsigned int serial;
	struct err err;
};

static void note_dropped(void *arg, const char *name)
{
	struct room *r = arg;

	r->dropped++;
	(void) snprintf(r->last_dropped, sizeof(r->last_dropped), "%s", name);
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->models[i].name, name) == 0) {
			free(r->models[i].bytes);
			memmove(&r->models[i], &r->models[i + 1], (r->n - i - 1) * sizeof(r->models[0]));
			r->n--;
			return;
		}
	fail_msg("%s was dropped, and was not there", name);
}

/* Where rooms are made: in memory, so that thousands of flushes wait for nobody's disk. */
static const char *rooms_at = "/dev/shm";

static void room_open(struct room *r)
{
	int code = snapshots_open(&r->o, &r->s, &r->err);

	if (code < 0)
		fail_msg("open: %s", err_text(&r->err));
}

static void room_make(struct room *r, uint64_t chunks, uint64_t reserve)
{
	char path[128];

	memset(r, 0, sizeof(*r));
	(void) snprintf(r->dir, sizeof(r->dir), "%s/podmail-snapshot-XXXXXX",
	                access(rooms_at, W_OK) == 0 ? rooms_at : "/tmp");
	assert_non_null(mkdtemp(r->dir));
	(void) snprintf(path, sizeof(path), "%s/image", r->dir);
	r->image = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	if (r->image < 0)
		r->image = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(r->image >= 0);
	r->size = chunks * CHUNK;
	assert_int_equal(ftruncate(r->image, (off_t) r->size), 0);
	r->bytes = aligned_alloc(BLOCK, SIZE_MAX_);
	assert_non_null(r->bytes);
	memset(r->bytes, 0, SIZE_MAX_);
	r->o = (struct snapshots_options){ .folder = r->dir,
		                           .image_fd = r->image,
		                           .reserve_bytes = reserve,
		                           .on_dropped = note_dropped,
		                           .arg = r };
	room_open(r);
}

static void room_end(struct room *r)
{
	char command[160];

	snapshots_close(r->s);
	for (size_t i = 0; i < r->n; i++)
		free(r->models[i].bytes);
	free(r->bytes);
	(void) close(r->image);
	(void) snprintf(command, sizeof(command), "rm -rf %s", r->dir);
	assert_int_equal(system(command), 0);
}

/* What the applier does with an epoch's extents; random bytes, or zeros punched into the image. */
static void room_write(struct room *r, const struct snapshot_extent *e, size_t n, bool zeros)
{
	if (snapshots_preserve(r->s, e, n, &r->err) < 0)
		fail_msg("preserve: %s", err_text(&r->err));
	for (size_t k = 0; k < n; k++) {
		uint8_t fill = (uint8_t) random();

		if (zeros) {
			memset(r->bytes + e[k].offset, 0, e[k].length);
			assert_int_equal(fallocate(r->image, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			                           (off_t) e[k].offset, (off_t) e[k].length),
			                 0);
			continue;
		}
		for (uint64_t i = 0; i < e[k].length; i += 64)
			memset(r->bytes + e[k].offset + i, (uint8_t) (fill + i / 64), 64);
		assert_int_equal(pwrite(r->image, r->bytes + e[k].offset, e[k].length, (off_t) e[k].offset),
		                 e[k].length);
	}
}

static void room_write_one(struct room *r, uint64_t offset, uint64_t length)
{
	room_write(r, &(struct snapshot_extent){ offset, length }, 1, false);
}

static void model_add(struct room *r, const char *name)
{
	struct model *m = &r->models[r->n++];

	*m = (struct model){ .size = r->size, .bytes = malloc(r->size) };
	assert_non_null(m->bytes);
	(void) snprintf(m->name, sizeof(m->name), "%s", name);
	memcpy(m->bytes, r->bytes, r->size);
}

static void room_cut(struct room *r, const char *name)
{
	if (snapshots_cut(r->s, name, 4096 * (r->serial + 1), r->serial, 1000, r->size, &r->err) < 0)
		fail_msg("cut: %s", err_text(&r->err));
	r->serial++;
	model_add(r, name);
}

static void model_remove(struct room *r, size_t i)
{
	free(r->models[i].bytes);
	memmove(&r->models[i], &r->models[i + 1], (r->n - i - 1) * sizeof(r->models[0]));
	r->n--;
}

static void room_delete(struct room *r, size_t i)
{
	if (snapshots_delete(r->s, r->models[i].name, &r->err) < 0)
		fail_msg("delete: %s", err_text(&r->err));
	model_remove(r, i);
}

static bool content_is(struct room *r, const struct model *m)
{
	_cleanup_(freep) uint8_t *got = malloc(m->size);
	uint64_t half = m->size / 2 / BLOCK * BLOCK;

	assert_non_null(got);
	/* Not aligned, in two reads, so that both ways of the reader are taken. */
	if (snapshots_read(r->s, m->name, 0, got, half, &r->err) < 0 ||
	    snapshots_read(r->s, m->name, half, got + half, m->size - half, &r->err) < 0)
		fail_msg("read: %s", err_text(&r->err));
	return memcmp(got, m->bytes, m->size) == 0;
}

/* Whoever puts the pieces that may have changed back into the image has the snapshot again. */
static void changes_lead_back(struct room *r, const struct model *m)
{
	_cleanup_(freep) uint8_t *image = malloc(m->size);
	uint64_t at = 0, length = 0;

	assert_non_null(image);
	memcpy(image, r->bytes, m->size);
	do {
		uint64_t from = at;

		assert_int_equal(snapshots_changed_next(r->s, m->name, at, &at, &length, &r->err), 0);
		assert_true(at >= from && length <= m->size - at);
		memcpy(image + at, m->bytes + at, length);
		at += length;
	} while (length > 0);
	assert_memory_equal(image, m->bytes, m->size);
}

/* What was told of [from, at): in order, without gaps; what is called a hole is one in the model. */
struct told {
	const struct model *m;
	uint64_t at, data;
};

static int take_run(void *arg, uint64_t offset, uint64_t length, bool hole)
{
	struct told *t = arg;

	assert_int_equal(offset, t->at);
	assert_true(length > 0 && length <= t->m->size - offset);
	t->at += length;
	t->data += hole ? 0 : length;
	for (uint64_t i = offset; hole && i < t->at; i++)
		if (t->m->bytes[i] != 0)
			fail_msg("%s: no hole at %llu", t->m->name, (unsigned long long) i);
	return 0;
}

/* How many bytes of it are said to be data. */
static uint64_t data_of(struct room *r, const struct model *m)
{
	struct told t = { .m = m };
	uint64_t third = m->size / 3 / BLOCK * BLOCK;

	assert_int_equal(snapshots_extents(r->s, m->name, 0, third, take_run, &t, &r->err), 0);
	assert_int_equal(t.at, third);
	assert_int_equal(snapshots_extents(r->s, m->name, third, m->size - third, take_run, &t, &r->err), 0);
	assert_int_equal(t.at, m->size);
	return t.data;
}

static void same_as_models(struct room *r)
{
	struct snapshot_info infos[SNAPSHOTS_MAX];

	assert_int_equal(snapshots_list(r->s, infos, SNAPSHOTS_MAX), r->n);
	for (size_t i = 0; i < r->n; i++) {
		assert_string_equal(infos[i].name, r->models[i].name);
		assert_int_equal(infos[i].size_bytes, r->models[i].size);
		assert_int_equal(infos[i].held, r->models[i].held);
		if (!content_is(r, &r->models[i]))
			fail_msg("%s is not what it was", infos[i].name);
		changes_lead_back(r, &r->models[i]);
		(void) data_of(r, &r->models[i]);
	}
}

/* Files in snapshots/ whose names end so. */
static unsigned int count_files(struct room *r, const char *ending)
{
	char path[128];
	const struct dirent *e;
	unsigned int n = 0;
	DIR *d;

	(void) snprintf(path, sizeof(path), "%s/snapshots", r->dir);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name), tail = strlen(ending);

		n += len > tail && strcmp(e->d_name + len - tail, ending) == 0;
	}
	(void) closedir(d);
	return n;
}

static void wait_for_sweeper(struct room *r)
{
	uint64_t end = clock_mono_ms() + 60000;

	while (count_files(r, ".deleted")) {
		assert_true(clock_mono_ms() < end);
		usleep(1000);
	}
}

/* ---- the model ---- */

static size_t random_extents(struct room *r, struct snapshot_extent *e, size_t max)
{
	uint64_t at = 0;
	size_t n = 0;

	while (n < max) {
		uint64_t blocks = 1 + (uint64_t) random() % (random() % 4 ? 4 : 120);

		at += (uint64_t) random() % (r->size / BLOCK / max) * BLOCK;
		if (at + blocks * BLOCK > r->size)
			break;
		e[n++] = (struct snapshot_extent){ at, blocks * BLOCK };
		at += blocks * BLOCK;
	}
	return n;
}

static void random_step(struct room *r)
{
	struct snapshot_extent e[6];
	char name[32];
	size_t i = r->n ? (size_t) random() % r->n : 0;
	long what = random() % 100;

	if (what < 60) {
		room_write(r, e, random_extents(r, e, 6), random() % 4 == 0);
	} else if (what < 75 && r->n < 12) {
		(void) snprintf(name, sizeof(name), "s%u", r->serial);
		room_cut(r, name);
	} else if (what < 88 && r->n) {
		if (!r->models[i].held)
			room_delete(r, i);
	} else if (what < 92 && r->n) {
		assert_int_equal(snapshots_hold(r->s, r->models[i].name, !r->models[i].held, &r->err), 0);
		r->models[i].held = !r->models[i].held;
	} else if (what < 94 && r->size < SIZE_MAX_) {
		r->size += CHUNK;
		assert_int_equal(ftruncate(r->image, (off_t) r->size), 0);
		assert_int_equal(snapshots_image_resized(r->s, r->size, &r->err), 0);
	} else if (what < 97) {
		snapshots_close(r->s);
		room_open(r);
	} else {
		same_as_models(r);
	}
}

static void random_life(unsigned int seed, uint64_t reserve)
{
	struct room r;

	srandom(seed);
	room_make(&r, 60, reserve);
	for (int i = 0; i < 400; i++)
		random_step(&r);
	same_as_models(&r);
	wait_for_sweeper(&r);
	same_as_models(&r);
	assert_int_equal(count_files(&r, ".data"), r.n);
	assert_true(snapshots_copied_bytes(r.s) <= reserve);
	room_end(&r);
}

static void snapshots_are_what_the_image_was_whatever_happens_to_it_and_them(void **state)
{
	for (unsigned int seed = 1; seed <= 15; seed++)
		random_life(seed, UINT64_MAX / 2);
}

static void snapshots_that_stay_are_right_when_room_is_short(void **state)
{
	for (unsigned int seed = 100; seed < 115; seed++)
		random_life(seed, (20 + seed % 7 * 10) * CHUNK);
}

/* ---- room ---- */

static void the_oldest_is_dropped_for_room_and_a_held_one_last(void **state)
{
	struct room r;

	room_make(&r, 64, 8 * CHUNK);
	room_write_one(&r, 0, 64 * CHUNK);
	room_cut(&r, "held");
	assert_int_equal(snapshots_hold(r.s, "held", true, &r.err), 0);
	r.models[0].held = true;
	room_write_one(&r, 0, 3 * CHUNK);
	room_cut(&r, "second");
	room_write_one(&r, 0, 3 * CHUNK);
	room_cut(&r, "third");
	assert_int_equal(r.dropped, 0);
	room_write_one(&r, 0, 3 * CHUNK); /* nine chunks do not fit */
	assert_int_equal(r.dropped, 1);
	assert_string_equal(r.last_dropped, "second");
	same_as_models(&r);
	room_write_one(&r, 8 * CHUNK, 40 * CHUNK); /* nor does this with anything */
	assert_int_equal(r.dropped, 3);
	assert_string_equal(r.last_dropped, "held");
	assert_int_equal(snapshots_copied_bytes(r.s), 0);
	same_as_models(&r);
	room_end(&r);
}

static void chunks_of_zeros_cost_nothing(void **state)
{
	struct snapshot_info info;
	struct room r;

	room_make(&r, 32, 4 * CHUNK);
	room_write_one(&r, CHUNK, CHUNK);
	room_cut(&r, "a");
	room_write_one(&r, 0, 32 * CHUNK);
	assert_int_equal(snapshots_find(r.s, "a", &info, &r.err), 0);
	assert_int_equal(info.copied_bytes, CHUNK);
	same_as_models(&r);
	room_end(&r);
}

static void a_hole_stays_one_wherever_its_chunk_is_found(void **state)
{
	struct room r;

	room_make(&r, 32, UINT64_MAX / 2);
	room_write_one(&r, 2 * CHUNK, CHUNK);
	room_write_one(&r, 20 * CHUNK, BLOCK);
	room_cut(&r, "a"); /* all in the image, as far as its file system can tell */
	assert_int_equal(data_of(&r, &r.models[0]), CHUNK + BLOCK);
	room_write_one(&r, 0, 4 * CHUNK);
	assert_int_equal(data_of(&r, &r.models[0]), CHUNK + BLOCK);
	room_cut(&r, "b");
	room_write_one(&r, 0, 32 * CHUNK); /* whole chunks are copied; those of zeros are not */
	assert_int_equal(data_of(&r, &r.models[0]), 2 * CHUNK);
	assert_int_equal(data_of(&r, &r.models[1]), 5 * CHUNK);
	room_delete(&r, 1);
	wait_for_sweeper(&r);
	assert_int_equal(data_of(&r, &r.models[0]), 2 * CHUNK);
	assert_int_equal(snapshots_extents(r.s, "a", 0, r.size + BLOCK, take_run, NULL, &r.err),
	                 -POD_E_LIMIT);
	assert_int_equal(snapshots_extents(r.s, "b", 0, BLOCK, take_run, NULL, &r.err), -POD_E_NOTFOUND);
	room_end(&r);
}

static void what_changed_since_is_little_where_little_was_written(void **state)
{
	const uint64_t chunks = 40000; /* of three pages of the map */
	uint64_t at = 0, length = 0;
	struct room r;

	room_make(&r, 4, UINT64_MAX / 2);
	assert_int_equal(ftruncate(r.image, (off_t) (chunks * CHUNK)), 0);
	assert_int_equal(snapshots_image_resized(r.s, chunks * CHUNK, &r.err), 0);
	assert_int_equal(snapshots_cut(r.s, "a", 4096, 1, 0, chunks * CHUNK, &r.err), 0);
	assert_int_equal(snapshots_changed_next(r.s, "a", 0, &at, &length, &r.err), 0);
	assert_int_equal(length, 0);
	at = 0;
	for (uint64_t i = 0; i < 2; i++) {
		const struct snapshot_extent e = { (i ? 39999 : 17000) * CHUNK, BLOCK };

		assert_int_equal(snapshots_preserve(r.s, &e, 1, &r.err), 0);
		assert_int_equal(snapshots_changed_next(r.s, "a", at, &at, &length, &r.err), 0);
		assert_int_equal(at, e.offset);
		assert_int_equal(length, CHUNK);
		at += length;
	}
	assert_int_equal(snapshots_changed_next(r.s, "a", at, &at, &length, &r.err), 0);
	assert_int_equal(length, 0);
	assert_int_equal(snapshots_changed_next(r.s, "b", 0, &at, &length, &r.err), -POD_E_NOTFOUND);
	room_end(&r);
}

static void more_snapshots_than_there_may_be_drop_the_oldest(void **state)
{
	struct room r;

	room_make(&r, 4, UINT64_MAX / 2);
	for (unsigned int i = 0; i < SNAPSHOTS_MAX + 3; i++) {
		char name[32];

		(void) snprintf(name, sizeof(name), "s%u", i);
		if (r.n == SNAPSHOTS_MAX) { /* the model has no place for one more either */
			assert_int_equal(snapshots_cut(r.s, name, i * 4096, i, 0, r.size, &r.err), 0);
			model_add(&r, name);
		} else {
			room_cut(&r, name);
		}
		room_write_one(&r, 0, BLOCK);
	}
	assert_int_equal(r.dropped, 3);
	assert_string_equal(r.last_dropped, "s2");
	same_as_models(&r);
	room_end(&r);
}

/* ---- what is refused ---- */

static void says_why_it_refuses(void **state)
{
	uint8_t block[BLOCK];
	struct room r;

	room_make(&r, 4, UINT64_MAX / 2);
	room_cut(&r, "a");
	assert_int_equal(snapshots_cut(r.s, "a", 9, 9, 0, r.size, &r.err), -POD_E_EXISTS);
	assert_int_equal(snapshots_cut(r.s, "../a", 9, 9, 0, r.size, &r.err), -POD_E_SYNTAX);
	assert_int_equal(snapshots_cut(r.s, "", 9, 9, 0, r.size, &r.err), -POD_E_SYNTAX);
	assert_int_equal(snapshots_delete(r.s, "b", &r.err), -POD_E_NOTFOUND);
	assert_int_equal(snapshots_read(r.s, "b", 0, block, sizeof(block), &r.err), -POD_E_NOTFOUND);
	assert_int_equal(snapshots_read(r.s, "a", 4 * CHUNK, block, sizeof(block), &r.err), -POD_E_LIMIT);
	assert_int_equal(snapshots_read(r.s, "a", 512, block, sizeof(block), &r.err), -POD_E_LIMIT);
	assert_int_equal(snapshots_image_resized(r.s, 2 * CHUNK, &r.err), -POD_E_LIMIT);
	assert_int_equal(snapshots_hold(r.s, "a", true, &r.err), 0);
	assert_int_equal(snapshots_delete(r.s, "a", &r.err), -POD_E_BUSY);
	assert_int_equal(snapshots_hold(r.s, "a", false, &r.err), 0);
	assert_int_equal(snapshots_read_begin(r.s, "a", &r.err), 0);
	snapshots_wait_unread(r.s, "a", 1);
	assert_int_equal(snapshots_delete(r.s, "a", &r.err), -POD_E_BUSY);
	snapshots_read_end(r.s, "a");
	room_delete(&r, 0);
	room_end(&r);
}

static void *end_reading(void *arg)
{
	struct room *r = arg;

	snapshots_read_end(r->s, "a");
	return NULL;
}

static void who_waits_for_readers_goes_on_when_the_last_has_ended(void **state)
{
	pthread_t thread;
	struct room r;

	room_make(&r, 4, UINT64_MAX / 2);
	room_cut(&r, "a");
	snapshots_wait_unread(r.s, "a", UINT32_MAX);
	snapshots_wait_unread(r.s, "none", UINT32_MAX);
	assert_int_equal(snapshots_read_begin(r.s, "a", &r.err), 0);
	assert_int_equal(pthread_create(&thread, NULL, end_reading, &r), 0);
	snapshots_wait_unread(r.s, "a", UINT32_MAX);
	(void) pthread_join(thread, NULL);
	room_delete(&r, 0);
	room_end(&r);
}

static void a_reader_of_a_dropped_one_never_gets_the_content_of_the_next_of_that_name(void **state)
{
	uint8_t block[BLOCK];
	struct room r;

	room_make(&r, 8, 2 * CHUNK);
	room_write_one(&r, 0, 8 * CHUNK);
	room_cut(&r, "a");
	assert_int_equal(snapshots_read_begin(r.s, "a", &r.err), 0);
	room_write_one(&r, 0, 8 * CHUNK);
	assert_string_equal(r.last_dropped, "a");
	room_cut(&r, "a");
	assert_int_equal(snapshots_read(r.s, "a", 0, block, sizeof(block), &r.err), -POD_E_NOTFOUND);
	assert_int_equal(snapshots_read_begin(r.s, "a", &r.err), -POD_E_NOTFOUND);
	snapshots_read_end(r.s, "a");
	assert_int_equal(snapshots_read(r.s, "a", 0, block, sizeof(block), &r.err), 0);
	same_as_models(&r);
	room_end(&r);
}

static int stop_at_half(void *arg, uint64_t done)
{
	return done >= *(uint64_t *) arg / 2;
}

static void a_checksum_is_of_the_content_and_not_of_where_it_lies(void **state)
{
	uint64_t before = 0, after = 0, other = 0;
	struct room r;

	room_make(&r, 40, UINT64_MAX / 2);
	room_write_one(&r, 0, 33 * CHUNK);
	room_cut(&r, "a");
	assert_int_equal(snapshots_checksum(r.s, "a", NULL, NULL, &before, &r.err), 0);
	room_write_one(&r, 5 * BLOCK, 9 * CHUNK);
	room_cut(&r, "b");
	assert_int_equal(snapshots_checksum(r.s, "a", NULL, NULL, &after, &r.err), 0);
	assert_int_equal(snapshots_checksum(r.s, "b", NULL, NULL, &other, &r.err), 0);
	assert_true(before == after && before != other);
	assert_int_equal(snapshots_checksum(r.s, "a", stop_at_half, &r.size, &after, &r.err),
	                 -POD_E_CANCELLED);
	room_end(&r);
}

/* ---- damage ---- */

static void damage(struct room *r, const char *file, off_t at)
{
	char path[160];
	int fd;

	(void) snprintf(path, sizeof(path), "%s/snapshots/%s", r->dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "?", 1, at), 1);
	(void) close(fd);
}

static void a_torn_map_page_costs_nothing_that_was_built_upon(void **state)
{
	struct room r;

	room_make(&r, 8, UINT64_MAX / 2);
	room_write_one(&r, 0, 8 * CHUNK);
	room_cut(&r, "a");
	room_write_one(&r, 0, CHUNK); /* page of sequence 1 */
	assert_int_equal(snapshots_preserve(r.s, &(struct snapshot_extent){ CHUNK, BLOCK }, 1, &r.err), 0);
	snapshots_close(r.s);
	damage(&r, "a.map", 100); /* sequence 2, torn; the image has not been overwritten */
	room_open(&r);
	same_as_models(&r);
	room_end(&r);
}

static void three_snapshots(struct room *r)
{
	static const char *const names[] = { "a", "b", "c" };

	room_make(r, 8, UINT64_MAX / 2);
	for (unsigned int i = 0; i < 3; i++) {
		room_write_one(r, 0, (2 + i) * CHUNK);
		room_cut(r, names[i]);
	}
	room_write_one(r, 0, CHUNK);
	snapshots_close(r->s);
}

/* What it was is lost, what it has is not: the older one needs it. */
static void one_that_lost_its_json_takes_no_other_along(void **state)
{
	static const char *const lost[] = { "a.json", "b.json", "c.json" };

	for (size_t i = 0; i < ARRAY_SIZE(lost); i++) {
		struct room r;

		three_snapshots(&r);
		damage(&r, lost[i], 0);
		room_open(&r);
		assert_int_equal(r.dropped, 1);
		assert_memory_equal(r.last_dropped, lost[i], 1);
		same_as_models(&r);
		wait_for_sweeper(&r);
		snapshots_close(r.s);
		room_open(&r);
		same_as_models(&r);
		room_write_one(&r, 0, 8 * CHUNK);
		room_cut(&r, "d");
		room_write_one(&r, 0, 8 * CHUNK);
		same_as_models(&r);
		room_end(&r);
	}
}

static void one_that_holds_nothing_is_missed_by_nobody(void **state)
{
	struct room r;

	room_make(&r, 8, UINT64_MAX / 2);
	room_write_one(&r, 0, 2 * CHUNK);
	room_cut(&r, "a");
	room_write_one(&r, 0, 2 * CHUNK);
	room_cut(&r, "b");
	room_cut(&r, "c");
	snapshots_close(r.s);
	damage(&r, "b.json", 0);
	room_open(&r);
	assert_int_equal(r.dropped, 1);
	assert_int_equal(count_files(&r, ".damaged"), 1);
	same_as_models(&r);
	room_end(&r);
}

static void one_of_which_nothing_is_left_is_set_aside_with_all(void **state)
{
	struct room r;

	three_snapshots(&r);
	damage(&r, "b.json", 0);
	damage(&r, "b.map", 40);
	damage(&r, "b.map", 4096 + 40);
	room_open(&r); /* which cannot know that c does not lean on it */
	assert_int_equal(r.dropped, 3);
	assert_int_equal(count_files(&r, ".damaged"), 3);
	assert_int_equal(count_files(&r, ".data"), 3);
	snapshots_close(r.s);
	room_open(&r);
	assert_int_equal(snapshots_list(r.s, NULL, 0), 0);
	room_end(&r);
}

static void a_map_damaged_in_both_places_drops_it_and_the_older_but_not_the_newer(void **state)
{
	struct room r;

	room_make(&r, 8, UINT64_MAX / 2);
	room_cut(&r, "a");
	room_write_one(&r, 0, CHUNK);
	room_cut(&r, "b");
	room_write_one(&r, 0, CHUNK);
	room_write_one(&r, CHUNK, CHUNK);
	room_cut(&r, "c");
	snapshots_close(r.s);
	damage(&r, "b.map", 50);
	damage(&r, "b.map", 4096 + 50);
	room_open(&r);
	assert_int_equal(r.dropped, 2);
	same_as_models(&r);
	assert_string_equal(r.models[0].name, "c");
	room_end(&r);
}

/* ---- readers beside writes ---- */

struct reading {
	struct room *r;
	uint8_t first; /* of the image at the cut: all bytes */
	_Atomic bool end;
	_Atomic unsigned int reads;
	_Atomic bool wrong;
};

static void *read_on(void *arg)
{
	struct reading *g = arg;
	static _Thread_local _Alignas(BLOCK) uint8_t bytes[8 * SNAPSHOT_CHUNK];

	while (!atomic_load(&g->end)) {
		if (snapshots_read(g->r->s, "a", 0, bytes, sizeof(bytes), NULL) < 0 || bytes[0] != g->first ||
		    memcmp(bytes, bytes + 1, sizeof(bytes) - 1) != 0)
			atomic_store(&g->wrong, true);
		atomic_fetch_add(&g->reads, 1);
	}
	return NULL;
}

static void a_read_beside_a_write_never_sees_what_came_after_the_snapshot(void **state)
{
	for (unsigned int round = 0; round < 60; round++) {
		struct reading g = { .first = (uint8_t) (1 + round) };
		pthread_t threads[2];
		unsigned int seen;
		struct room r;

		room_make(&r, 8, UINT64_MAX / 2);
		memset(r.bytes, g.first, r.size);
		assert_int_equal(pwrite(r.image, r.bytes, r.size, 0), r.size);
		room_cut(&r, "a");
		g.r = &r;
		for (size_t i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, read_on, &g), 0);
		for (uint64_t c = 0; c < 8; c++) {
			seen = atomic_load(&g.reads);
			room_write_one(&r, c * CHUNK, CHUNK);
			while (c == 3 && atomic_load(&g.reads) == seen)
				sched_yield();
		}
		atomic_store(&g.end, true);
		for (size_t i = 0; i < 2; i++)
			(void) pthread_join(threads[i], NULL);
		assert_false(atomic_load(&g.wrong));
		room_end(&r);
	}
}

static int note_hole(void *arg, uint64_t offset, uint64_t length, bool hole)
{
	struct reading *g = arg;

	if (hole)
		atomic_store(&g->wrong, true);
	return 0;
}

static void *ask_on(void *arg)
{
	struct reading *g = arg;

	while (!atomic_load(&g->end)) {
		if (snapshots_extents(g->r->s, "a", 0, 8 * CHUNK, note_hole, g, NULL) < 0)
			atomic_store(&g->wrong, true);
		atomic_fetch_add(&g->reads, 1);
	}
	return NULL;
}

/* The image is punched behind the copies to b, and b behind what is handed down to a. */
static void what_is_data_is_told_so_while_it_is_copied_and_handed_down(void **state)
{
	for (unsigned int round = 0; round < 60; round++) {
		struct reading g = { .end = false };
		pthread_t thread;
		struct room r;

		room_make(&r, 8, UINT64_MAX / 2);
		room_write_one(&r, 0, r.size);
		room_cut(&r, "a");
		room_cut(&r, "b");
		g.r = &r;
		assert_int_equal(pthread_create(&thread, NULL, ask_on, &g), 0);
		for (uint64_t c = 0; c < 8; c++) {
			unsigned int seen = atomic_load(&g.reads);

			room_write(&r, &(struct snapshot_extent){ c * CHUNK, CHUNK }, 1, true);
			while (c == 3 && atomic_load(&g.reads) == seen)
				sched_yield();
		}
		room_delete(&r, 1);
		wait_for_sweeper(&r);
		atomic_store(&g.end, true);
		(void) pthread_join(thread, NULL);
		assert_false(atomic_load(&g.wrong));
		room_end(&r);
	}
}

/* ---- kills ---- */

/* Shared with the child: where it is in its script, and at which step it ends. */
struct script {
	_Atomic long steps_left;
	_Atomic unsigned int begun, done;
};

static struct script *script;

static int count_down(void *arg, enum disk_step step)
{
	if (atomic_fetch_sub(&script->steps_left, 1) == 1)
		_exit(42);
	return 0;
}

#define SCRIPT_LENGTH 16u

/* A life with everything in it; each line is one change. The parent runs it too, for the model. */
static void script_step(struct room *r, unsigned int i)
{
	static const struct snapshot_extent wide[] = { { 4096, 3 * SNAPSHOT_CHUNK },
		                                       { 10 * CHUNK, 5 * CHUNK } };

	switch (i) {
	case 0: room_write_one(r, 0, 20 * CHUNK); break;
	case 1: room_cut(r, "a"); break;
	case 2: room_write(r, wide, 2, false); break;
	case 3: room_cut(r, "b"); break;
	case 4: room_write_one(r, 2 * CHUNK, 9 * CHUNK); break;
	case 5: room_cut(r, "c"); break;
	case 6: room_write_one(r, 0, 12 * CHUNK); break;
	case 7: room_delete(r, 1); break; /* b: handed down to a */
	case 8: room_write_one(r, 15 * CHUNK, 2 * CHUNK); break;
	case 9: room_cut(r, "b"); break; /* again: waits for the first to be gone */
	case 10: room_write(r, wide, 2, true); break;
	case 11:
		assert_int_equal(snapshots_hold(r->s, "c", true, &r->err), 0);
		r->models[1].held = true;
		break;
	case 12: room_delete(r, 0); break; /* a: the oldest */
	case 13: room_write_one(r, 0, 20 * CHUNK); break;
	case 14: room_delete(r, 1); break; /* b, the newest */
	case 15: room_write_one(r, 18 * CHUNK, CHUNK); break;
	default: fail();
	}
}

/* The child: from the state on the disk, which is that before step 0. */
static void run_script(struct room *r)
{
	struct err err;

	r->o.on_step = count_down;
	if (snapshots_open(&r->o, &r->s, &err) < 0)
		_exit(1);
	for (unsigned int i = 0; i < SCRIPT_LENGTH; i++) {
		atomic_store(&script->begun, i + 1);
		script_step(r, i);
		atomic_store(&script->done, i + 1);
	}
	wait_for_sweeper(r);
	_exit(0);
}

/* Whether what was opened is as the model after `done` steps. */
static bool is_state_after(struct room *r, unsigned int done, const struct room *found, char *why,
                           size_t why_size)
{
	struct snapshot_info infos[SNAPSHOTS_MAX];
	struct room m;
	bool same;

	/* A model room of its own, whose image is not looked at. */
	srandom(5);
	room_make(&m, 20, UINT64_MAX / 2);
	for (unsigned int i = 0; i < done; i++)
		script_step(&m, i);
	same = snapshots_list(found->s, infos, SNAPSHOTS_MAX) == m.n;
	(void) snprintf(why, why_size, "%zu snapshots", m.n);
	for (size_t i = 0; same && i < m.n; i++) {
		same = strcmp(infos[i].name, m.models[i].name) == 0 && infos[i].held == m.models[i].held &&
		       content_is(r, &m.models[i]);
		(void) snprintf(why, why_size, "snapshot %s", m.models[i].name);
	}
	room_end(&m);
	return same;
}

/* NULL, or what is wrong with what a death in change begun, after change done, left behind. */
static const char *wrong_after(struct room *r, unsigned int begun, unsigned int done)
{
	static char text[256];
	char before[64] = "", after[64] = "";

	r->o.on_step = NULL;
	r->o.on_dropped = NULL;
	if (snapshots_open(&r->o, &r->s, &r->err) < 0) {
		(void) snprintf(text, sizeof(text), "open: %s", err_text(&r->err));
		r->s = NULL;
		return text;
	}
	if (!is_state_after(r, done, r, before, sizeof(before)) &&
	    (begun == done || !is_state_after(r, begun, r, after, sizeof(after)))) {
		(void) snprintf(text, sizeof(text), "change %u: neither as before (%s) nor as after (%s)",
		                begun, before, after);
		return text;
	}
	/* And it lives on: what was half deleted goes, and the rest stays right. */
	wait_for_sweeper(r);
	if (count_files(r, ".data") != snapshots_list(r->s, NULL, 0) || count_files(r, ".new"))
		return "files are left over";
	return NULL;
}

enum death { DEATH_KILL, DEATH_POWER_CUT, DEATH_POWER_CUT_FLUSHES_DROPPED };

/* Dies before step `step` of the script; what is wrong then. *ret_ended: there are not so many steps. */
static const char *die_at(long step, enum death how, bool *ret_ended)
{
	struct volatile_disk *disk = NULL;
	const char *wrong;
	struct room r;
	int status;
	pid_t pid;

	srandom(5);
	room_make(&r, 20, UINT64_MAX / 2);
	r.s = snapshots_close(r.s);
	if (how != DEATH_KILL)
		disk = volatile_disk_make(r.dir);
	atomic_store(&script->steps_left, step);
	atomic_store(&script->begun, 0);
	atomic_store(&script->done, 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (disk) {
			volatile_disk_use(disk);
			volatile_disk_lie(disk, how == DEATH_POWER_CUT_FLUSHES_DROPPED);
		}
		run_script(&r);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 42 || WEXITSTATUS(status) == 0));
	*ret_ended = WEXITSTATUS(status) == 0;
	if (disk) {
		srandom((unsigned int) step);
		(void) volatile_disk_cut(disk, (enum volatile_loss)((unsigned long) step % VOLATILE_LOSSES));
		volatile_disk_end(disk);
	}
	wrong = wrong_after(&r, atomic_load(&script->begun), atomic_load(&script->done));
	room_end(&r);
	return wrong;
}

/* Returns how often something was wrong. */
static unsigned int die_at_each_step(enum death how, bool tell)
{
	unsigned int wrongs = 0;
	bool ended = false;
	long step;

	script = mmap(NULL, sizeof(*script), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(script != MAP_FAILED);
	for (step = 1; !ended; step++) {
		const char *wrong = die_at(step, how, &ended);

		if (wrong && tell)
			print_error("death at step %ld: %s\n", step, wrong);
		wrongs += wrong != NULL;
	}
	assert_true(step > 60);
	(void) munmap(script, sizeof(*script));
	return wrongs;
}

static void a_kill_at_any_step_leaves_the_state_before_or_after_the_change(void **state)
{
	assert_int_equal(die_at_each_step(DEATH_KILL, true), 0);
}

static void so_does_a_power_cut_whatever_it_takes_of_what_was_not_flushed(void **state)
{
	assert_int_equal(die_at_each_step(DEATH_POWER_CUT, true), 0);
}

static void and_without_flushes_it_would_not(void **state)
{
	assert_true(die_at_each_step(DEATH_POWER_CUT_FLUSHES_DROPPED, false) > 5);
}

/* ---- reflinks ---- */

/* A reflink costs nothing until the image is written; where the file system is full then, the oldest goes. */
static void full_file_system(void)
{
	struct snapshot_info info;
	char path[128];
	struct room r;
	int fd, errnum = 0;

	room_make(&r, 60, 0);
	room_write_one(&r, 0, 60 * CHUNK);
	room_cut(&r, "a");
	assert_int_equal(snapshots_find(r.s, "a", &info, &r.err), 0);
	assert_true(info.reflink);
	room_write_one(&r, 0, 30 * CHUNK);
	assert_int_equal(r.dropped, 0);
	(void) snprintf(path, sizeof(path), "%s/filler", r.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (off_t at = 0; errnum == 0; at += 1 << 20)
		errnum = posix_fallocate(fd, at, 1 << 20);
	assert_int_equal(errnum, ENOSPC);
	assert_int_equal(snapshots_preserve(r.s, &(struct snapshot_extent){ 30 * CHUNK, CHUNK }, 1, &r.err),
	                 0);
	assert_int_equal(r.dropped, 1);
	(void) close(fd);
	room_end(&r);
}

__attribute__((format(printf, 1, 2))) static bool run(const char *format, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, format);
	(void) vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	return system(command) == 0;
}

/* A file system of its own, made by mkfs, on which a random life is led. */
static void live_on(const char *mkfs, const char *options, uint64_t size)
{
	char base[64] = "/tmp/podmail-reflink-XXXXXX", image[96], mnt[96];
	const char *old = rooms_at;
	int fd;

	if (geteuid() != 0 || !run("command -v %s >/dev/null", mkfs))
		skip();
	assert_non_null(mkdtemp(base));
	(void) snprintf(image, sizeof(image), "%s/disk", base);
	(void) snprintf(mnt, sizeof(mnt), "%s/mnt", base);
	fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && ftruncate(fd, (off_t) size) == 0 && close(fd) == 0 && mkdir(mnt, 0700) == 0);
	assert_true(run("%s %s %s >/dev/null 2>&1", mkfs, options, image));
	if (!run("timeout 30 mount -o loop %s %s 2>/dev/null", image, mnt)) {
		(void) run("rm -rf %s", base);
		skip(); /* the kernel has no such file system, or no loop devices */
	}
	rooms_at = mnt;
	for (unsigned int seed = 1; seed <= 3; seed++)
		random_life(seed, 0); /* which no copies would fit in */
	full_file_system();
	rooms_at = old;
	assert_true(run("umount %s && rm -rf %s", mnt, base));
}

static void on_xfs_snapshots_are_reflinks(void **state)
{
	live_on("mkfs.xfs", "-q -m reflink=1", UINT64_C(320) << 20);
}

static void on_btrfs_snapshots_are_reflinks(void **state)
{
	live_on("mkfs.btrfs", "-q", UINT64_C(256) << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshots_are_what_the_image_was_whatever_happens_to_it_and_them),
		cmocka_unit_test(snapshots_that_stay_are_right_when_room_is_short),
		cmocka_unit_test(the_oldest_is_dropped_for_room_and_a_held_one_last),
		cmocka_unit_test(chunks_of_zeros_cost_nothing),
		cmocka_unit_test(a_hole_stays_one_wherever_its_chunk_is_found),
		cmocka_unit_test(what_changed_since_is_little_where_little_was_written),
		cmocka_unit_test(more_snapshots_than_there_may_be_drop_the_oldest),
		cmocka_unit_test(says_why_it_refuses),
		cmocka_unit_test(who_waits_for_readers_goes_on_when_the_last_has_ended),
		cmocka_unit_test(a_reader_of_a_dropped_one_never_gets_the_content_of_the_next_of_that_name),
		cmocka_unit_test(a_checksum_is_of_the_content_and_not_of_where_it_lies),
		cmocka_unit_test(a_torn_map_page_costs_nothing_that_was_built_upon),
		cmocka_unit_test(one_that_lost_its_json_takes_no_other_along),
		cmocka_unit_test(one_that_holds_nothing_is_missed_by_nobody),
		cmocka_unit_test(one_of_which_nothing_is_left_is_set_aside_with_all),
		cmocka_unit_test(a_map_damaged_in_both_places_drops_it_and_the_older_but_not_the_newer),
		cmocka_unit_test(a_read_beside_a_write_never_sees_what_came_after_the_snapshot),
		cmocka_unit_test(what_is_data_is_told_so_while_it_is_copied_and_handed_down),
		cmocka_unit_test(a_kill_at_any_step_leaves_the_state_before_or_after_the_change),
		cmocka_unit_test(so_does_a_power_cut_whatever_it_takes_of_what_was_not_flushed),
		cmocka_unit_test(and_without_flushes_it_would_not),
		cmocka_unit_test(on_xfs_snapshots_are_reflinks),
		cmocka_unit_test(on_btrfs_snapshots_are_reflinks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
