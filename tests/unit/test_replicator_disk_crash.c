/*
 * What is left when a process dies or the power goes, at every step of a write's way.
 *
 * A load is a sequence of operations made from a seed, so that the volume after any number of them can be
 * made again. Killed: a child runs it and is gone at a step; with the stage left behind the next process must
 * have all that was acknowledged. Power cut: at a step the files are copied as a disk with a volatile cache
 * might have them, unflushed sectors old or new at random; without a stage that must be the volume after some
 * operation, not before the last flush that was acknowledged. Where long writes go straight to the image,
 * each sector of the volume must be as after one of these operations: what was not flushed may be torn, as on
 * any disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
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
#include "replicator/core/record.h"
#include "replicator/disk/disk.h"
#include "replicator/snapshot/snapshot.h"
#include "tests/support/disk_fixture.h"

/* ---- a load that can be made again ---- */

#define LOAD_OPS    400
#define WRITE_MAX   (64u * 1024)
#define LONG_MAX    (768u * 1024)
#define SNAPSHOT_AT 150 /* operations before it, and behind which it is deleted again: */
#define DELETE_AT   350
#define SECTOR      512u

enum op_kind { OP_WRITE, OP_ZERO, OP_TRIM, OP_COMMIT, OP_SNAPSHOT, OP_DELETE, OP_APPLY };

struct op {
	enum op_kind kind;
	uint64_t offset, size, tag;
};

static bool long_writes; /* the load has some, and they are placed */

static uint64_t mix(uint64_t x)
{
	/* splitmix64 */
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static struct op op_at(uint64_t seed, int i)
{
	uint64_t r = mix(seed * 1000003 + (uint64_t) i), blocks = DISK_FIXTURE_SIZE / RECORD_BLOCK;
	uint64_t first = mix(r) % blocks,
		 count = 1 + mix(r + 1) % (r % 8 == 0 ? WRITE_MAX / RECORD_BLOCK : 2);
	struct op o = { .tag = r };
	unsigned int what = (unsigned int) (r >> 32) % 100;

	if (long_writes && r % 8 == 1)
		count = (RECORD_PAYLOAD_MAX + mix(r + 1) % (LONG_MAX - RECORD_PAYLOAD_MAX)) / RECORD_BLOCK;
	o.offset = first * RECORD_BLOCK;
	o.size = (count < blocks - first ? count : blocks - first) * RECORD_BLOCK;
	o.kind = what < 60                        ? OP_WRITE
	         : what < 65                      ? OP_ZERO
	         : what < 70                      ? OP_TRIM
	         : what < (long_writes ? 88 : 98) ? OP_COMMIT
	                                          : OP_APPLY;
	if (i == SNAPSHOT_AT)
		o.kind = OP_SNAPSHOT;
	if (i == DELETE_AT)
		o.kind = OP_DELETE;
	return o;
}

static void op_bytes(const struct op *o, uint8_t *bytes)
{
	for (uint64_t at = 0; at < o->size; at += 8) {
		uint64_t v = o->tag + at;

		memcpy(bytes + at, &v, 8);
	}
}

/* What the operation does to the volume. */
static void op_model(const struct op *o, uint8_t *model)
{
	if (o->kind == OP_WRITE)
		op_bytes(o, model + o->offset);
	else if (o->kind == OP_ZERO || o->kind == OP_TRIM)
		memset(model + o->offset, 0, o->size);
}

static void model_after(uint64_t seed, int n, uint8_t *model)
{
	memset(model, 0, DISK_FIXTURE_SIZE);
	for (int i = 0; i < n; i++) {
		struct op o = op_at(seed, i);

		op_model(&o, model);
	}
}

static int op_do(struct disk *d, const struct op *o)
{
	static _Thread_local uint8_t bytes[LONG_MAX];
	uint64_t lsn = 0;
	int r = 0;

	switch (o->kind) {
	case OP_WRITE: op_bytes(o, bytes); return disk_write(d, o->offset, bytes, o->size, NULL);
	case OP_ZERO: return disk_zero(d, o->offset, o->size, 0, NULL);
	case OP_TRIM: return disk_zero(d, o->offset, o->size, DISK_TRIM, NULL);
	case OP_SNAPSHOT: return disk_snapshot_take(d, "s", &lsn, NULL);
	case OP_DELETE: return disk_snapshot_delete(d, "s", NULL);
	case OP_COMMIT:
	case OP_APPLY:
		r = disk_commit(d, &lsn, NULL);
		if (r == 0)
			r = disk_wait_durable(d, lsn, NULL);
		if (r == 0 && o->kind == OP_APPLY)
			r = disk_wait_applied(d, lsn, NULL);
		return r;
	}
	return 0;
}

static bool makes_durable(enum op_kind k)
{
	return k == OP_COMMIT || k == OP_APPLY || k == OP_SNAPSHOT || k == OP_DELETE;
}

/* Shared with the child. */
struct progress {
	_Atomic int done;    /* operations acknowledged */
	_Atomic int durable; /* of those, the ones that a flush was acknowledged for */
	_Atomic int begun;
};

static int run_load(struct disk *d, uint64_t seed, int from, struct progress *p)
{
	for (int i = from; i < LOAD_OPS; i++) {
		struct op o = op_at(seed, i);
		int r;

		p->begun = i + 1;
		r = op_do(d, &o);
		if (r < 0)
			return r;
		p->done = i + 1;
		if (makes_durable(o.kind))
			p->durable = i + 1;
	}
	return 0;
}

/* ---- looking at what is left ---- */

static void read_all(struct disk *d, uint8_t *bytes)
{
	struct err err = { 0 };

	if (disk_read(d, 0, bytes, DISK_FIXTURE_SIZE, &err) < 0)
		fail_msg("read: %s", err_text(&err));
}

/* How many operations the volume shows, from least to most; -1: it is like after none of them. */
static int find_state(struct disk *d, uint64_t seed, int least, int most)
{
	_cleanup_(freep) uint8_t *bytes = malloc(DISK_FIXTURE_SIZE);
	_cleanup_(freep) uint8_t *model = malloc(DISK_FIXTURE_SIZE);

	assert_true(bytes && model);
	read_all(d, bytes);
	model_after(seed, least, model);
	for (int n = least; n <= most; n++) {
		struct op o = op_at(seed, n);

		if (memcmp(bytes, model, DISK_FIXTURE_SIZE) == 0)
			return n;
		op_model(&o, model);
	}
	return -1;
}

/* 0: each sector is as after one of these operations; -1: one is not. */
static int find_mixture(struct disk *d, uint64_t seed, int least, int most)
{
	_cleanup_(freep) uint8_t *bytes = malloc(DISK_FIXTURE_SIZE);
	_cleanup_(freep) uint8_t *model = malloc(DISK_FIXTURE_SIZE);
	_cleanup_(freep) bool *known = calloc(DISK_FIXTURE_SIZE / SECTOR, sizeof(*known));
	size_t n = 0;

	assert_true(bytes && model && known);
	read_all(d, bytes);
	model_after(seed, least, model);
	for (int i = least; i <= most; i++) {
		struct op o = op_at(seed, i);

		for (size_t at = 0; at < DISK_FIXTURE_SIZE; at += SECTOR)
			if (!known[at / SECTOR] && memcmp(bytes + at, model + at, SECTOR) == 0) {
				known[at / SECTOR] = true;
				n++;
			}
		op_model(&o, model);
	}
	return n == DISK_FIXTURE_SIZE / SECTOR ? 0 : -1;
}

/* The snapshot, where it was acknowledged and not deleted since, is the volume at its moment. */
static void check_snapshot(struct disk *d, uint64_t seed, const struct progress *p)
{
	_cleanup_(freep) uint8_t *bytes = malloc(DISK_FIXTURE_SIZE);
	_cleanup_(freep) uint8_t *model = malloc(DISK_FIXTURE_SIZE);
	struct snapshots *s = disk_snapshots(d);
	struct snapshot_info info;
	struct err err = { 0 };
	bool must = p->done > SNAPSHOT_AT && p->begun <= DELETE_AT;

	assert_true(bytes && model);
	if (snapshots_find(s, "s", &info, &err) < 0) {
		assert_false(must);
		return;
	}
	assert_true(p->begun > SNAPSHOT_AT && p->done <= DELETE_AT);
	assert_int_equal(snapshots_read_begin(s, "s", &err), 0);
	if (snapshots_read(s, "s", 0, bytes, DISK_FIXTURE_SIZE, &err) < 0)
		fail_msg("snapshot: %s", err_text(&err));
	snapshots_read_end(s, "s");
	model_after(seed, SNAPSHOT_AT, model);
	assert_memory_equal(bytes, model, DISK_FIXTURE_SIZE);
}

/* ---- killed ---- */

struct killer {
	enum disk_step step;
	_Atomic int countdown;
};

static int on_step_die(void *arg, enum disk_step step)
{
	struct killer *k = arg;

	if (step == k->step && atomic_fetch_sub(&k->countdown, 1) == 1)
		_exit(7);
	return 0;
}

/* True where it was killed; false where the load ended before. */
static bool run_child(struct disk_fixture *f, uint64_t seed, int from, struct killer *k, struct progress *p)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		f->o.on_step = on_step_die;
		f->o.arg = k;
		disk_fixture_open(f);
		disk_fixture_set_role(f->d, ROLE_PRIMARY);
		if (run_load(f->d, seed, from, p) < 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 7);
	return WEXITSTATUS(status) == 7;
}

static void make_disk(struct disk_fixture *f)
{
	disk_fixture_make_in(f, "/dev/shm");
	f->o.place_bytes = long_writes ? RECORD_PAYLOAD_MAX : UINT64_MAX;
}

static void kill_at(enum disk_step step, int nth, struct progress *p)
{
	struct killer k = { .step = step, .countdown = nth };
	uint64_t seed = (uint64_t) step * 100 + (uint64_t) nth;
	struct disk_fixture f;
	struct disk_cursors c;
	int n;

	make_disk(&f);
	disk_fixture_open(&f); /* so that the steps of the first opening do not count */
	disk_fixture_set_role(f.d, ROLE_PRIMARY);
	disk_fixture_close(&f);
	*p = (struct progress){ 0 };
	(void) run_child(&f, seed, 0, &k, p);
	disk_fixture_open(&f);
	disk_cursors(f.d, &c);
	assert_true(c.stage_was_whole || p->begun == 0);
	n = find_state(f.d, seed, p->done, p->begun);
	if (n < 0)
		fail_msg("killed at step %d for the %d. time: after %d operations the volume is wrong",
		         (int) step, nth, p->done);
	check_snapshot(f.d, seed, p);
	disk_fixture_remove(&f);
}

static void kill_at_any_step(void)
{
	static const int nths[] = { 1, 3, 30 };
	struct progress *p =
		mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	for (int step = 0; step < DISK_STEPS; step++)
		for (size_t i = 0; i < ARRAY_SIZE(nths); i++)
			kill_at((enum disk_step) step, nths[i], p);
	(void) munmap(p, sizeof(*p));
}

static void killed_at_any_step_nothing_acknowledged_is_lost(void **state)
{
	kill_at_any_step();
}

static void nor_where_long_writes_go_straight_to_the_image(void **state)
{
	long_writes = true;
	kill_at_any_step();
	long_writes = false;
}

/* Recovery itself is killed, again and again, before it is let through. */
static void killed_while_it_recovers_it_recovers_the_next_time(void **state)
{
	struct progress *p =
		mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct killer k = { .step = DISK_STEP_STAGE, .countdown = 200 };
	struct disk_fixture f;

	assert_true(p != MAP_FAILED);
	disk_fixture_make_in(&f, "/dev/shm");
	assert_true(run_child(&f, 77, 0, &k, p));
	for (int i = 0; i < 3 * DISK_STEPS; i++) {
		struct progress ignored = { 0 };
		struct killer again = { .step = (enum disk_step)(i % DISK_STEPS), .countdown = 1 };

		(void) run_child(&f, 77, LOAD_OPS, &again, &ignored);
	}
	disk_fixture_open(&f);
	assert_true(find_state(f.d, 77, p->done, p->begun) >= 0);
	check_snapshot(f.d, 77, p);
	disk_fixture_remove(&f);
	(void) munmap(p, sizeof(*p));
}

/* ---- the power goes ---- */

struct file {
	uint8_t *bytes;
	size_t size;
};

static void file_load(const char *folder, const char *name, struct file *f)
{
	char path[128];
	struct stat st;
	int fd;

	(void) snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	f->bytes = realloc(f->bytes, (size_t) st.st_size);
	f->size = (size_t) st.st_size;
	assert_non_null(f->bytes);
	assert_true(pread(fd, f->bytes, f->size, 0) == (ssize_t) f->size);
	(void) close(fd);
}

static void file_save(const char *folder, const char *name, const struct file *f)
{
	char path[128];
	int fd;

	(void) snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_true(pwrite(fd, f->bytes, f->size, 0) == (ssize_t) f->size);
	(void) close(fd);
}

/* Sectors of now that may not have got to the platter: old ones at random, all or none now and then. */
static void tear(const struct file *old, struct file *now, uint64_t seed)
{
	unsigned int odds = (unsigned int) (mix(seed) % 5); /* of 4 */

	for (size_t at = 0; at + SECTOR <= now->size && at + SECTOR <= old->size; at += SECTOR)
		if (mix(seed + at) % 4 < odds)
			memcpy(now->bytes + at, old->bytes + at, SECTOR);
}

struct power {
	struct disk_fixture *f;
	char folder[80]; /* the disk that is left */
	enum disk_step step;
	int countdown;
	bool cut;
	bool flushing; /* the image, since its step */
	uint64_t seed;
	pthread_mutex_t lock;
	struct file log_flushed, image_flushed; /* log_flushed: empty where all of the log is */
	struct progress progress, at_cut;
};

static void take_power(struct power *p)
{
	struct file meta = { 0 }, log = { 0 }, image = { 0 };
	char command[256];

	p->at_cut.done = (int) p->progress.done;
	p->at_cut.durable = (int) p->progress.durable;
	p->at_cut.begun = (int) p->progress.begun;
	/* meta first: what is written to the others while we copy is newer, as it may be. */
	file_load(p->f->folder, "meta", &meta);
	(void) snprintf(command, sizeof(command), "mkdir %s && cp -a %s/snapshots %s", p->folder,
	                p->f->folder, p->folder);
	assert_int_equal(system(command), 0);
	file_load(p->f->folder, "log", &log);
	file_load(p->f->folder, "image", &image);
	tear(&p->log_flushed, &log, p->seed);
	tear(&p->image_flushed, &image, p->seed + 1);
	file_save(p->folder, "meta", &meta);
	file_save(p->folder, "log", &log);
	file_save(p->folder, "image", &image);
	free(meta.bytes);
	free(log.bytes);
	free(image.bytes);
}

/* All threads pass here one after the other. */
static int on_step_power(void *arg, enum disk_step step)
{
	struct power *p = arg;

	(void) pthread_mutex_lock(&p->lock);
	if (!p->cut) {
		/* What is flushed is in the file; the copy is of before the write that is not. */
		if (step == DISK_STEP_LOG_WRITE && p->countdown == 1)
			file_load(p->f->folder, "log", &p->log_flushed);
		if (step == DISK_STEP_COMMITTED)
			p->log_flushed.size = 0;
		if (step == DISK_STEP_APPLY_FLUSH)
			p->flushing = true;
		if (step == DISK_STEP_PLACE_COMMIT || (step == DISK_STEP_SUPERBLOCK && p->flushing)) {
			file_load(p->f->folder, "image", &p->image_flushed);
			p->flushing = false;
		}
		if (step == p->step && --p->countdown == 0) {
			take_power(p);
			p->cut = true;
		}
	}
	(void) pthread_mutex_unlock(&p->lock);
	return 0;
}

static void cut_at(enum disk_step step, int nth)
{
	struct power p = { .step = step, .countdown = nth, .seed = (uint64_t) step * 1000 + (uint64_t) nth };
	struct disk_fixture f, left;
	int n;

	make_disk(&f);
	disk_fixture_open(&f);
	disk_fixture_set_role(f.d, ROLE_PRIMARY);
	disk_fixture_close(&f);
	p.f = &f;
	(void) pthread_mutex_init(&p.lock, NULL);
	file_load(f.folder, "image", &p.image_flushed);
	(void) snprintf(p.folder, sizeof(p.folder), "%s/left", f.folder);
	f.o.on_step = on_step_power;
	f.o.arg = &p;
	disk_fixture_open(&f);
	assert_int_equal(run_load(f.d, p.seed, 0, &p.progress), 0);
	f.d = disk_close(f.d);
	if (p.cut) {
		left = f;
		left.o.folder = p.folder;
		left.o.on_step = NULL;
		disk_fixture_open(&left);
		n = long_writes ? find_mixture(left.d, p.seed, p.at_cut.durable, p.at_cut.begun)
		                : find_state(left.d, p.seed, p.at_cut.durable, p.at_cut.begun);
		if (n < 0)
			fail_msg("power cut at step %d for the %d. time: the volume is in no state between "
			         "%d and %d",
			         (int) step, nth, (int) p.at_cut.durable, (int) p.at_cut.begun);
		p.at_cut.done = (int) p.at_cut.durable;
		check_snapshot(left.d, p.seed, &p.at_cut);
		(void) disk_close(left.d);
	}
	free(p.log_flushed.bytes);
	free(p.image_flushed.bytes);
	(void) pthread_mutex_destroy(&p.lock);
	disk_fixture_remove(&f);
}

static void cut_at_any_step(void)
{
	static const int nths[] = { 1, 5, 50 };

	for (int step = 0; step < DISK_STEPS; step++)
		for (size_t i = 0; i < ARRAY_SIZE(nths); i++)
			cut_at((enum disk_step) step, nths[i]);
}

static void after_a_power_cut_there_is_everything_flushed_and_no_mixture(void **state)
{
	cut_at_any_step();
}

static void nor_is_anything_older_where_long_writes_went_to_the_image(void **state)
{
	long_writes = true;
	cut_at_any_step();
	long_writes = false;
}

/* ---- a step fails ---- */

struct failing {
	enum disk_step step;
	_Atomic bool on;
};

static int on_step_fail(void *arg, enum disk_step step)
{
	struct failing *f = arg;

	return f->on && step == f->step ? EIO : 0;
}

static void fail_step(enum disk_step step)
{
	struct failing failing = { .step = step };
	struct progress p = { 0 };
	struct disk_fixture f;
	uint8_t block[4096];

	disk_fixture_make_in(&f, "/dev/shm");
	f.o.on_step = on_step_fail;
	f.o.arg = &failing;
	disk_fixture_open(&f);
	disk_fixture_set_role(f.d, ROLE_PRIMARY);
	failing.on = true;
	assert_int_equal(run_load(f.d, 5, 0, &p), -POD_E_IO);
	assert_int_equal(disk_read(f.d, 0, block, sizeof(block), NULL), 0);
	if (step != DISK_STEP_STAGE)
		assert_non_null(disk_broken(f.d));
	f.d = disk_close(f.d);
	failing.on = false;
	disk_fixture_open(&f);
	assert_true(find_state(f.d, 5, (int) p.done, (int) p.begun) >= 0);
	disk_fixture_remove(&f);
}

static void a_step_that_fails_breaks_the_disk_and_loses_nothing(void **state)
{
	static const enum disk_step steps[] = {
		DISK_STEP_STAGE, DISK_STEP_LOG_WRITE,   DISK_STEP_LOG_FLUSH,
		DISK_STEP_APPLY, DISK_STEP_APPLY_FLUSH, DISK_STEP_SUPERBLOCK
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		fail_step(steps[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_any_step_nothing_acknowledged_is_lost),
		cmocka_unit_test(nor_where_long_writes_go_straight_to_the_image),
		cmocka_unit_test(killed_while_it_recovers_it_recovers_the_next_time),
		cmocka_unit_test(after_a_power_cut_there_is_everything_flushed_and_no_mixture),
		cmocka_unit_test(nor_is_anything_older_where_long_writes_went_to_the_image),
		cmocka_unit_test(a_step_that_fails_breaks_the_disk_and_loses_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
