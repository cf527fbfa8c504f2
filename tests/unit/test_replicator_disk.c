#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "replicator/core/extent_map.h"
#include "replicator/core/record.h"
#include "replicator/disk/disk.h"
#include "tests/support/disk_fixture.h"

/* ---- what a volume's user sees ---- */

static void a_new_volume_reads_as_zeros_everywhere(void **state)
{
	struct disk_fixture *f = *state;
	uint8_t bytes[8192];

	memset(bytes, 1, sizeof(bytes));
	assert_int_equal(disk_read(f->d, 0, bytes, sizeof(bytes), NULL), 0);
	assert_true(bytes[0] == 0 && memcmp(bytes, bytes + 1, sizeof(bytes) - 1) == 0);
	assert_int_equal(disk_read(f->d, f->size - 4096, bytes, 4096, NULL), 0);
	assert_int_equal(disk_size(f->d), f->size);
}

static void what_is_written_is_read_at_once_and_after_a_restart(void **state)
{
	struct disk_fixture *f = *state;

	for (int round = 0; round < 20; round++) {
		disk_fixture_random(f, 200);
		disk_fixture_verify(f);
	}
	disk_fixture_reopen(f);
	disk_fixture_verify(f);
}

static void the_log_goes_round_many_times(void **state)
{
	struct disk_fixture *f = *state;
	struct disk_cursors c;

	do {
		disk_fixture_random(f, 500);
		disk_cursors(f->d, &c);
	} while (c.staged < 5 * LOG_BYTES_MIN);
	disk_fixture_verify(f);
	disk_fixture_reopen(f);
	disk_fixture_verify(f);
}

static void writers_on_many_threads_see_their_own_writes(void **state)
{
	struct disk_fixture *f = *state;

	disk_fixture_threads(f, 4, 2000);
	disk_fixture_verify(f);
	disk_fixture_reopen(f);
	disk_fixture_verify(f);
}

static void a_commit_without_writes_adds_nothing(void **state)
{
	struct disk_fixture *f = *state;
	struct disk_cursors before, after;
	uint64_t first, second;

	disk_fixture_random(f, 1);
	assert_int_equal(disk_commit(f->d, &first, NULL), 0);
	assert_int_equal(disk_wait_durable(f->d, first, NULL), 0);
	disk_cursors(f->d, &before);
	assert_int_equal(disk_commit(f->d, &second, NULL), 0);
	assert_int_equal(disk_wait_durable(f->d, second, NULL), 0);
	disk_cursors(f->d, &after);
	assert_int_equal(first, second);
	assert_int_equal(before.staged, after.staged);
	assert_int_equal(after.durable, first);
	assert_true(after.tail <= after.applied && after.applied <= after.durable);
}

struct runs {
	uint64_t at, data, holes;
	bool wrong;
};

static int count_run(void *arg, uint64_t offset, uint64_t length, int kind)
{
	struct runs *r = arg;

	r->wrong = r->wrong || offset != r->at || length == 0;
	r->at = offset + length;
	if (kind == EXTENT_DATA)
		r->data += length;
	else
		r->holes += length;
	return 0;
}

static void extents_tell_data_from_holes_in_log_and_image(void **state)
{
	struct disk_fixture *f = *state;
	uint8_t block[4096] = { 7 };

	for (int applied = 0; applied < 2; applied++) {
		struct runs r = { 0 };

		assert_int_equal(disk_write(f->d, 1 << 20, block, sizeof(block), NULL), 0);
		assert_int_equal(disk_write(f->d, (1 << 20) + 4096, block, sizeof(block), NULL), 0);
		assert_int_equal(disk_zero(f->d, 2 << 20, 1 << 20, DISK_TRIM, NULL), 0);
		if (applied)
			disk_fixture_apply(f);
		assert_int_equal(disk_extents(f->d, 0, f->size, count_run, &r, NULL), 0);
		assert_false(r.wrong);
		assert_int_equal(r.at, f->size);
		assert_int_equal(r.data, 8192);
	}
}

static void a_resize_shows_at_once_and_stays(void **state)
{
	struct disk_fixture *f = *state;
	struct err err = { 0 };

	disk_fixture_random(f, 50);
	assert_int_equal(disk_resize(f->d, f->size + 65536, &err), 0);
	disk_fixture_resized(f, f->size + 65536);
	disk_fixture_random(f, 200);
	disk_fixture_verify(f);
	assert_int_equal(disk_resize(f->d, f->size - 65536, &err), -POD_E_UNSUPPORTED);
	assert_int_equal(disk_resize(f->d, f->size + 1, &err), -POD_E_CONFIG);
	disk_fixture_reopen(f);
	assert_int_equal(disk_size(f->d), f->size);
	disk_fixture_verify(f);
}

/* ---- opening ---- */

static void a_folder_serves_one_process_only(void **state)
{
	struct disk_fixture *f = *state;
	struct disk *second = NULL;
	struct err err = { 0 };

	assert_int_equal(disk_open(&f->o, &second, &err), -POD_E_BUSY);
	assert_non_null(strstr(err.text, "another process"));
}

static void another_replicas_stage_is_left_alone(void **state)
{
	struct disk_fixture *f = *state;
	struct disk_fixture other;
	struct err err = { 0 };

	disk_fixture_close(f);
	disk_fixture_make(&other);
	disk_fixture_leave(&other); /* killed: its stage is still needed */
	f->o.stage_path = other.stage;
	assert_int_equal(disk_open(&f->o, &f->d, &err), -POD_E_DENIED);
	assert_non_null(strstr(err.text, "another replica's"));
	f->o.stage_path = f->stage;
	disk_fixture_open(f);
	disk_fixture_remove(&other);
}

static void formats_that_make_no_sense_are_refused(void **state)
{
	static const struct disk_format bad[] = {
		{ .size_bytes = 0, .log_bytes = LOG_BYTES_MIN },
		{ .size_bytes = 65537, .log_bytes = LOG_BYTES_MIN },
		{ .size_bytes = 65536, .log_bytes = 1 << 20 },
		{ .size_bytes = 65536, .log_bytes = LOG_BYTES_MIN + 1 },
	};
	struct disk_fixture *f = *state;
	struct disk_format good = { .size_bytes = 65536, .log_bytes = LOG_BYTES_MIN };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(disk_create("/nonexistent/x", &bad[i], NULL), -POD_E_CONFIG);
	assert_int_equal(disk_create(f->folder, &good, NULL), -POD_E_EXISTS);
}

/* ---- flushes at the same time ---- */

/* A write of the log that takes as long as the test wants. */
struct held_log {
	struct disk *d;
	uint64_t lsn;
	atomic_bool holds, reached;
};

static int on_step_hold(void *arg, enum disk_step step)
{
	struct held_log *h = arg;

	while (step == DISK_STEP_LOG_WRITE && atomic_load(&h->holds)) {
		atomic_store(&h->reached, true);
		(void) sched_yield();
	}
	return 0;
}

static void *make_first_durable(void *arg)
{
	struct held_log *h = arg;

	return disk_make_durable(h->d, h->lsn, NULL) == 0 ? h : NULL;
}

static uint64_t write_and_commit(struct disk_fixture *f, uint64_t offset)
{
	uint8_t block[4096] = { 7 };
	uint64_t lsn = 0;

	assert_int_equal(disk_write(f->d, offset, block, sizeof(block), NULL), 0);
	memcpy(f->model + offset, block, sizeof(block));
	assert_int_equal(disk_commit(f->d, &lsn, NULL), 0);
	return lsn;
}

static void who_finds_the_log_being_written_need_not_wait_for_it(void **state)
{
	struct disk_fixture *f = *state;
	struct held_log h = { .holds = false };
	struct disk_cursors c;
	pthread_t thread;
	uint64_t second;
	void *fine;

	disk_fixture_close(f);
	f->o.on_step = on_step_hold;
	f->o.arg = &h;
	disk_fixture_open(f);
	h.d = f->d;
	atomic_store(&h.holds, true);
	h.lsn = write_and_commit(f, 0);
	assert_int_equal(pthread_create(&thread, NULL, make_first_durable, &h), 0);
	while (!atomic_load(&h.reached))
		(void) sched_yield();
	second = write_and_commit(f, 4096);
	assert_int_equal(disk_make_durable(f->d, second, NULL), 1);
	disk_cursors(f->d, &c);
	assert_true(c.durable < h.lsn);
	atomic_store(&h.holds, false);
	assert_int_equal(pthread_join(thread, &fine), 0);
	assert_non_null(fine);
	/* Nobody waits for the second in the disk: it comes all the same. */
	do {
		(void) sched_yield();
		disk_cursors(f->d, &c);
	} while (c.durable < second);
	assert_int_equal(disk_make_durable(f->d, second, NULL), 0);
	disk_fixture_verify(f);
	disk_fixture_close(f);
	f->o.on_step = NULL;
	disk_fixture_open(f);
}

/* ---- the applier fails ---- */

#define WAITERS_LIMIT_S 60

/* Who waits for the disk, on a thread of its own. */
struct waiter {
	int (*wait)(struct disk *d, struct err *err);
	struct disk *d;
	pthread_t thread;
	int r;
	struct err err;
};

static int wait_for_room(struct disk *d, struct err *err)
{
	static const uint8_t bytes[65536];
	int r = 0;

	while (r == 0)
		r = disk_write(d, 0, bytes, sizeof(bytes), err);
	return r;
}

static int wait_for_flush(struct disk *d, struct err *err)
{
	return disk_wait_durable(d, UINT64_MAX, err);
}

static int wait_for_image(struct disk *d, struct err *err)
{
	return disk_wait_applied(d, UINT64_MAX, err);
}

static void *waiter_main(void *arg)
{
	struct waiter *w = arg;

	w->r = w->wait(w->d, &w->err);
	return NULL;
}

static void waiter_ends_with(struct waiter *w, const char *text)
{
	struct timespec limit;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &limit), 0);
	limit.tv_sec += WAITERS_LIMIT_S;
	if (pthread_timedjoin_np(w->thread, NULL, &limit) != 0) {
		/* Nor could the disk be closed: it would be waited for, too. */
		(void) fprintf(stderr, "somebody waits for a disk that can not go on\n");
		abort();
	}
	assert_int_equal(w->r, -POD_E_IO);
	assert_non_null(strstr(w->err.text, text));
}

/* The disk's progress, and whether it was broken when it was told. */
struct told {
	_Atomic(struct disk *) of;
	atomic_bool broken;
};

static void on_progress_look(void *arg)
{
	struct told *t = arg;
	struct disk *d = atomic_load(&t->of);

	if (d && disk_broken(d))
		atomic_store(&t->broken, true);
}

static void damage_log(const struct disk_fixture *f, uint64_t lsn)
{
	static const uint8_t zeros[RECORD_HEADER_SIZE];
	char path[96];
	int fd;

	(void) snprintf(path, sizeof(path), "%s/log", f->folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), (off_t) (lsn % LOG_BYTES_MIN)), sizeof(zeros));
	assert_int_equal(fdatasync(fd), 0);
	assert_int_equal(close(fd), 0);
}

/*
 * The log is kept for a peer, and can not be read any more when it runs full and that peer's bitmap is to be
 * marked from it. To wait helps nobody: not who writes, not who flushes, not the applier.
 */
static void what_the_applier_can_not_do_breaks_the_disk_and_ends_all_waiting(void **state)
{
	struct disk_fixture *f = *state;
	struct waiter waiters[] = { { .wait = wait_for_flush },
		                    { .wait = wait_for_image },
		                    { .wait = wait_for_room } };
	struct told told = { .broken = false };
	struct disk_cursors c;
	uint64_t needed;

	disk_fixture_close(f);
	f->o.on_progress = on_progress_look;
	f->o.arg = &told;
	disk_fixture_open(f);
	atomic_store(&told.of, f->d);
	disk_fixture_apply(f);
	disk_cursors(f->d, &c);
	needed = c.staged;
	assert_int_equal(disk_peer_set(f->d, "site2", needed, NULL), 0);
	do { /* until it is in the log's file alone */
		disk_fixture_random(f, 10);
		disk_cursors(f->d, &c);
	} while (c.staged <= needed + f->o.stage_bytes);
	disk_fixture_apply(f);
	damage_log(f, needed);

	for (size_t i = 0; i < ARRAY_SIZE(waiters); i++) {
		waiters[i].d = f->d;
		assert_int_equal(pthread_create(&waiters[i].thread, NULL, waiter_main, &waiters[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(waiters); i++)
		waiter_ends_with(&waiters[i], "no record begins at LSN");
	assert_non_null(strstr(disk_broken(f->d), "no record begins at LSN"));
	/* Those who wait are woken first. */
	for (int ms = 0; !atomic_load(&told.broken) && ms < 60000; ms++)
		(void) usleep(1000);
	assert_true(atomic_load(&told.broken));
	disk_fixture_close(f);
	f->o.on_progress = NULL;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, disk_fixture_setup, disk_fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_new_volume_reads_as_zeros_everywhere),
		TEST(what_is_written_is_read_at_once_and_after_a_restart),
		TEST(the_log_goes_round_many_times),
		TEST(writers_on_many_threads_see_their_own_writes),
		TEST(a_commit_without_writes_adds_nothing),
		TEST(who_finds_the_log_being_written_need_not_wait_for_it),
		TEST(what_the_applier_can_not_do_breaks_the_disk_and_ends_all_waiting),
		TEST(extents_tell_data_from_holes_in_log_and_image),
		TEST(a_resize_shows_at_once_and_stays),
		TEST(a_folder_serves_one_process_only),
		TEST(another_replicas_stage_is_left_alone),
		TEST(formats_that_make_no_sense_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
