/* The log on its way from one replica to another, and what is remembered of those that lag behind it. */
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
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "replicator/core/bitmap.h"
#include "replicator/core/record.h"
#include "replicator/disk/disk.h"
#include "replicator/snapshot/snapshot.h"
#include "tests/support/disk_fixture.h"

#define PIECE (300u * 1024)

struct pair {
	struct disk_fixture a, b; /* primary, secondary */
	uint8_t bytes[PIECE];
};

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	disk_fixture_make_in(&p->a, "/dev/shm");
	disk_fixture_make_in(&p->b, "/dev/shm");
	disk_fixture_open(&p->a);
	disk_fixture_open(&p->b);
	disk_fixture_set_role(p->a.d, ROLE_PRIMARY);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	disk_fixture_remove(&p->a);
	disk_fixture_remove(&p->b);
	free(p);
	return 0;
}

static struct disk_cursors cursors(struct disk *d)
{
	struct disk_cursors c;

	disk_cursors(d, &c);
	return c;
}

/* One piece of at most max bytes; how many there were. */
static size_t ship(struct pair *p, size_t max)
{
	uint64_t lsn = cursors(p->b.d).staged;
	struct err err = { 0 };
	size_t size = 0;

	if (disk_log_read(p->a.d, lsn, p->bytes, max, &size, &err) < 0)
		fail_msg("read at %llu: %s", (unsigned long long) lsn, err_text(&err));
	if (size > 0 && disk_log_append(p->b.d, lsn, p->bytes, size, &err) < 0)
		fail_msg("append at %llu: %s", (unsigned long long) lsn, err_text(&err));
	return size;
}

static void ship_all(struct pair *p)
{
	while (ship(p, PIECE) > 0)
		;
}

static void commit(struct disk *d)
{
	uint64_t lsn;

	assert_int_equal(disk_commit(d, &lsn, NULL), 0);
	assert_int_equal(disk_wait_durable(d, lsn, NULL), 0);
}

static void make_durable(struct disk *d)
{
	assert_int_equal(disk_wait_durable(d, cursors(d).committed, NULL), 0);
}

static void the_same(struct pair *p)
{
	memcpy(p->b.model, p->a.model, p->a.size);
	disk_fixture_verify(&p->b);
}

static void a_secondary_that_is_sent_the_log_holds_the_same(void **state)
{
	struct pair *p = *state;

	for (int round = 0; round < 30; round++) {
		disk_fixture_random(&p->a, 100);
		commit(p->a.d);
		ship_all(p);
		make_durable(p->b.d);
		assert_int_equal(cursors(p->a.d).durable, cursors(p->b.d).durable);
		assert_int_equal(cursors(p->a.d).epoch, cursors(p->b.d).epoch);
		assert_int_equal(cursors(p->a.d).durable_time_ms, cursors(p->b.d).durable_time_ms);
		the_same(p);
	}
	disk_fixture_reopen(&p->b);
	assert_int_equal(cursors(p->a.d).durable, cursors(p->b.d).durable);
	the_same(p);
}

static void snapshots_and_resizes_happen_at_the_same_point(void **state)
{
	struct pair *p = *state;
	uint64_t lsn, sums[2];
	struct snapshot_info info;
	struct err err = { 0 };

	disk_fixture_random(&p->a, 60);
	ship_all(p);
	assert_int_equal(disk_snapshot_take(p->a.d, "noon", &lsn, &err), 0);
	disk_fixture_random(&p->a, 60);
	ship_all(p);
	assert_int_equal(disk_resize(p->a.d, p->a.size + 65536, NULL), 0);
	disk_fixture_resized(&p->a, p->a.size + 65536);
	disk_fixture_random(&p->a, 60);
	commit(p->a.d);
	ship_all(p);
	make_durable(p->b.d);
	assert_int_equal(disk_wait_applied(p->b.d, cursors(p->b.d).committed, NULL), 0);
	assert_int_equal(disk_size(p->b.d), p->a.size);
	disk_fixture_resized(&p->b, p->a.size);
	the_same(p);
	assert_int_equal(snapshots_find(disk_snapshots(p->b.d), "noon", &info, NULL), 0);
	assert_int_equal(info.lsn, lsn);
	assert_int_equal(snapshots_checksum(disk_snapshots(p->a.d), "noon", NULL, NULL, &sums[0], NULL), 0);
	assert_int_equal(snapshots_checksum(disk_snapshots(p->b.d), "noon", NULL, NULL, &sums[1], NULL), 0);
	assert_true(sums[0] == sums[1]);
	assert_int_equal(disk_snapshot_take(p->a.d, "noon", &lsn, &err), -POD_E_EXISTS);
	assert_int_equal(disk_snapshot_delete(p->a.d, "noon", &err), 0);
	assert_int_equal(disk_snapshot_delete(p->a.d, "noon", &err), -POD_E_NOTFOUND);
	assert_int_equal(disk_snapshot_take(p->a.d, "Noon!", &lsn, &err), -POD_E_SYNTAX);
	ship_all(p);
	make_durable(p->b.d);
	assert_int_equal(disk_wait_applied(p->b.d, cursors(p->b.d).committed, NULL), 0);
	assert_int_equal(snapshots_find(disk_snapshots(p->b.d), "noon", &info, NULL), -POD_E_NOTFOUND);
}

/* A secondary's map of the log is made when somebody reads: seldom, in the middle of an epoch, behind a cut,
 * with more behind than its stage has, and when it becomes primary. */
static void a_secondary_that_is_seldom_read_holds_the_same(void **state)
{
	struct pair *p = *state;

	for (int round = 0; round < 100; round++) {
		disk_fixture_random(&p->a, 80);
		if (round % 3 == 0)
			commit(p->a.d);
		ship_all(p);
		if (round % 4 == 1)
			make_durable(p->b.d);
		if (round % 10 == 7)
			assert_int_equal(disk_wait_applied(p->b.d, cursors(p->b.d).durable, NULL), 0);
		if (round % 9 == 8)
			assert_int_equal(disk_log_cut(p->b.d, NULL), 0);
		ship_all(p);
		if (round % 7 == 6)
			the_same(p);
	}
	commit(p->a.d);
	ship_all(p);
	memcpy(p->b.model, p->a.model, p->a.size);
	disk_fixture_set_role(p->b.d, ROLE_PRIMARY);
	disk_fixture_random(&p->b, 80);
	disk_fixture_verify(&p->b);
	disk_fixture_apply(&p->b);
	disk_fixture_verify(&p->b);
}

static void what_was_not_committed_is_forgotten_by_a_cut(void **state)
{
	struct pair *p = *state;
	uint8_t block[4096] = { 1 };

	disk_fixture_random(&p->a, 50);
	commit(p->a.d);
	ship_all(p);
	memcpy(p->b.model, p->a.model, p->a.size);
	assert_int_equal(disk_write(p->a.d, 0, block, sizeof(block), NULL), 0);
	ship_all(p);
	assert_true(cursors(p->b.d).staged > cursors(p->b.d).committed);
	assert_int_equal(disk_log_cut(p->b.d, NULL), 0);
	assert_int_equal(cursors(p->b.d).staged, cursors(p->b.d).committed);
	disk_fixture_verify(&p->b);
	memcpy(p->a.model, block, sizeof(block));
	commit(p->a.d);
	ship_all(p);
	the_same(p);
}

static void a_secondary_that_was_killed_ends_at_its_last_commit(void **state)
{
	struct pair *p = *state;
	uint8_t block[4096] = { 1 };
	struct disk_cursors before;
	size_t size;
	int status;
	pid_t pid;

	disk_fixture_random(&p->a, 50);
	commit(p->a.d);
	ship_all(p);
	before = cursors(p->a.d);
	memcpy(p->b.model, p->a.model, p->a.size);
	assert_int_equal(disk_write(p->a.d, 0, block, sizeof(block), NULL), 0);
	assert_int_equal(disk_log_read(p->a.d, before.staged, p->bytes, PIECE, &size, NULL), 0);
	disk_fixture_close(&p->a);
	disk_fixture_close(&p->b);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		disk_fixture_open(&p->b);
		if (disk_log_append(p->b.d, before.staged, p->bytes, size, NULL) < 0)
			_exit(2);
		_exit(cursors(p->b.d).staged > cursors(p->b.d).committed ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	disk_fixture_open(&p->b);
	assert_true(cursors(p->b.d).stage_was_whole);
	assert_int_equal(cursors(p->b.d).staged, before.committed);
	assert_int_equal(cursors(p->b.d).durable, before.committed);
	disk_fixture_verify(&p->b);
}

static void bytes_that_are_not_the_log_are_refused(void **state)
{
	struct pair *p = *state;
	uint64_t lsn = cursors(p->b.d).staged;
	struct err err = { 0 };
	size_t size;

	disk_fixture_random(&p->a, 3);
	commit(p->a.d);
	assert_int_equal(disk_log_read(p->a.d, lsn, p->bytes, PIECE, &size, NULL), 0);
	assert_int_equal(disk_log_append(p->b.d, lsn + 4096, p->bytes, size, &err), -POD_E_PROTOCOL);
	for (size_t at = 0; at < size; at += at < 8192 ? 61 : 4099) {
		p->bytes[at] ^= 0x40;
		assert_int_equal(disk_log_append(p->b.d, lsn, p->bytes, size, &err), -POD_E_PROTOCOL);
		p->bytes[at] ^= 0x40;
		/* Records before the bad one are fine, and stay. */
		assert_int_equal(disk_log_cut(p->b.d, NULL), 0);
		lsn = cursors(p->b.d).staged;
		assert_int_equal(disk_log_read(p->a.d, lsn, p->bytes, PIECE, &size, NULL), 0);
	}
	assert_int_equal(disk_log_append(p->b.d, lsn, p->bytes, size - 64, &err), -POD_E_PROTOCOL);
}

/* A secondary that is behind gets many epochs at once, and flushes them together. */
static void many_epochs_go_to_the_log_together(void **state)
{
	struct pair *p = *state;
	uint8_t block[4096] = { 0 };
	struct superblock sb;

	for (int i = 0; i < 200; i++) {
		block[0] = (uint8_t) i;
		assert_int_equal(disk_write(p->a.d, (uint64_t) i * 4096, block, sizeof(block), NULL), 0);
		memcpy(p->a.model + (size_t) i * 4096, block, sizeof(block));
		commit(p->a.d);
	}
	ship_all(p);
	make_durable(p->b.d);
	disk_superblock(p->b.d, &sb);
	assert_true(sb.group_to_lsn > sb.group_from_lsn);
	assert_int_equal(sb.group_to_lsn, cursors(p->b.d).durable);
	the_same(p);
}

static void a_position_is_known_for_every_commit_that_the_log_has(void **state)
{
	struct pair *p = *state;
	uint64_t ends[20], epoch;
	uint32_t crc;

	for (int i = 0; i < 20; i++) {
		disk_fixture_random(&p->a, 3);
		commit(p->a.d);
		ends[i] = cursors(p->a.d).committed;
	}
	for (int i = 0; i < 20; i++) {
		assert_int_equal(disk_log_position(p->a.d, ends[i], &epoch, &crc, NULL), 0);
		if (i > 0 && ends[i] > ends[i - 1]) {

			assert_int_equal(disk_log_restart(p->b.d, ends[i], epoch, crc, NULL), 0);
			ship_all(p); /* would be refused where epoch or chain were wrong */
			assert_int_equal(cursors(p->b.d).staged, cursors(p->a.d).staged);
		}
	}
	assert_int_equal(disk_log_position(p->a.d, ends[5] + 64, &epoch, &crc, NULL), -POD_E_NOTFOUND);
}

static void a_log_can_begin_anew_elsewhere_and_survives_a_restart(void **state)
{
	struct pair *p = *state;
	uint64_t lsn, epoch;
	uint32_t crc;

	disk_fixture_random(&p->b, 0);
	disk_fixture_random(&p->a, 2000);
	commit(p->a.d);
	lsn = cursors(p->a.d).committed;
	assert_int_equal(disk_log_position(p->a.d, lsn, &epoch, &crc, NULL), 0);
	assert_int_equal(disk_log_restart(p->b.d, lsn, epoch, crc, NULL), 0);
	assert_int_equal(disk_log_restart(p->b.d, lsn + 1, epoch, crc, NULL), -POD_E_PROTOCOL);
	assert_int_equal(cursors(p->b.d).tail, lsn);
	for (uint64_t at = 0; at < p->a.size; at += 65536)
		assert_int_equal(disk_image_write(p->b.d, at, p->a.model + at, 65536, NULL), 0);
	assert_int_equal(disk_image_flush(p->b.d, NULL), 0);
	disk_fixture_reopen(&p->b);
	assert_int_equal(cursors(p->b.d).staged, lsn);
	disk_fixture_random(&p->a, 100);
	commit(p->a.d);
	ship_all(p);
	make_durable(p->b.d);
	the_same(p);
}

/* ---- damage ---- */

static void flip_byte_of_log(struct disk_fixture *f, uint64_t lsn)
{
	char path[128];
	uint8_t byte;
	int fd;

	(void) snprintf(path, sizeof(path), "%s/log", f->folder);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(pread(fd, &byte, 1, (off_t) (lsn % LOG_BYTES_MIN)) == 1);
	byte ^= 1;
	assert_true(pwrite(fd, &byte, 1, (off_t) (lsn % LOG_BYTES_MIN)) == 1);
	(void) close(fd);
}

/* Leaves a log of three epochs that no one has applied durably: what each ends at. */
static void leave_three_epochs(struct pair *p, uint64_t ends[3])
{
	struct disk_fixture *f = &p->a;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	disk_fixture_close(f);
	disk_fixture_close(&p->b); /* a process that forks has one thread */
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		uint8_t block[4096] = { 9 };

		disk_fixture_open(f);
		for (int i = 0; i < 3; i++) {
			(void) disk_write(f->d, 0, block, sizeof(block), NULL);
			commit(f->d);
			ends[i] = cursors(f->d).durable;
		}
		_exit(write(fds[1], ends, 3 * sizeof(ends[0])) == 3 * sizeof(ends[0]) ? 0 : 1);
	}
	assert_true(read(fds[0], ends, 3 * sizeof(ends[0])) == 3 * sizeof(ends[0]));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void) close(fds[0]);
	(void) close(fds[1]);
}

static void damage_before_an_epoch_that_was_durable_is_reported(void **state)
{
	struct pair *p = *state;
	struct err err = { 0 };
	uint64_t ends[3];

	for (int stage_left = 0; stage_left < 2; stage_left++) {
		leave_three_epochs(p, ends);
		if (!stage_left)
			(void) unlink(p->a.stage);
		flip_byte_of_log(&p->a, ends[0] + 2000);
		assert_int_equal(disk_open(&p->a.o, &p->a.d, &err), -POD_E_CORRUPT);
		assert_non_null(strstr(err.text, "damaged at LSN"));
		flip_byte_of_log(&p->a, ends[0] + 2000);
		disk_fixture_open(&p->a);
	}
}

static void a_torn_last_epoch_is_a_crash_and_no_damage(void **state)
{
	struct pair *p = *state;
	uint64_t ends[3];

	leave_three_epochs(p, ends);
	(void) unlink(p->a.stage);
	flip_byte_of_log(&p->a, ends[1] + 2000);
	disk_fixture_open(&p->a);
	assert_int_equal(cursors(p->a.d).durable, ends[1]);
	assert_false(cursors(p->a.d).stage_was_whole);
}

/* ---- peers ---- */

/* All chunks that were written since are marked. */
static void check_marks(struct disk_fixture *f, const uint8_t *old)
{
	for (uint64_t at = 0; at < f->size; at += BITMAP_CHUNK) {
		uint64_t offset, length;

		if (memcmp(old + at, f->model + at, BITMAP_CHUNK) == 0)
			continue;
		assert_true(disk_peer_dirty_next(f->d, "b", at, &offset, &length));
		assert_int_equal(offset, at);
	}
}

static struct peer_record peer_of(struct disk *d)
{
	struct superblock sb;

	disk_superblock(d, &sb);
	return sb.peers[0];
}

static void a_record_begins_at_the_tail_wherever_it_has_moved(void **state)
{
	struct pair *p = *state;
	_cleanup_(freep) uint8_t *bytes = malloc(2 * RECORD_PAYLOAD_MAX);
	uint64_t first = cursors(p->a.d).tail, moves = 0;
	size_t size;

	assert_non_null(bytes);
	for (int i = 0; i < 400 && moves < 8; i++) {
		uint64_t before = cursors(p->a.d).tail;

		disk_fixture_random(&p->a, 30);
		disk_fixture_apply(&p->a);
		if (i % 50 == 49)
			disk_fixture_reopen(&p->a);
		if (cursors(p->a.d).tail == before)
			continue;
		moves++;
		assert_int_equal(disk_log_read(p->a.d, cursors(p->a.d).tail, bytes, 2 * RECORD_PAYLOAD_MAX,
		                               &size, NULL),
		                 0);
		assert_true(size > 0);
	}
	assert_true(moves == 8 && cursors(p->a.d).tail > first);
}

/* Stops the applier when it has chosen how far the log may be let go of, and has not yet done so. */
struct held_tail {
	struct disk *d;
	pthread_t not_it, writer;
	atomic_bool on, reached, done, stop;
};

static int on_step_hold_tail(void *arg, enum disk_step step)
{
	struct held_tail *h = arg;
	struct peer_record rec;

	if (step != DISK_STEP_SUPERBLOCK || pthread_equal(pthread_self(), h->not_it) ||
	    !atomic_exchange(&h->on, false))
		return 0;
	atomic_store(&h->reached, true);
	/* Who makes a peer known waits for the superblock then, that is: for us. */
	while (!atomic_load(&h->done) && disk_peer_get(h->d, "site2", &rec, NULL) < 0)
		(void) sched_yield();
	return 0;
}

static void *write_until_stopped(void *arg)
{
	static const uint8_t bytes[8192];
	struct held_tail *h = arg;
	uint64_t lsn;
	int r = 0;

	while (r == 0 && !atomic_load(&h->stop)) {
		r = disk_write(h->d, 0, bytes, sizeof(bytes), NULL);
		if (r == 0)
			r = disk_commit(h->d, &lsn, NULL);
		if (r == 0)
			r = disk_wait_durable(h->d, lsn, NULL);
	}
	return r == 0 ? h : NULL;
}

/* The next time that it saves where the log begins, a peer comes that needs it from where it begins now. */
static int need_the_tail(struct held_tail *h)
{
	struct peer_record rec = { .name = "" };
	uint64_t needs, tail;
	int r;

	atomic_store(&h->reached, false);
	atomic_store(&h->done, false);
	atomic_store(&h->on, true);
	while (!atomic_load(&h->reached))
		(void) sched_yield();
	needs = cursors(h->d).tail;
	r = disk_peer_set(h->d, "site2", needs, NULL);
	atomic_store(&h->done, true);
	assert_int_equal(disk_peer_forget(h->d, "nobody", NULL), 0); /* waits until that is done */
	tail = cursors(h->d).tail;
	if (r < 0)
		return r;
	assert_int_equal(disk_peer_get(h->d, "site2", &rec, NULL), 0);
	/* It is kept, or has run full since, and is marked. */
	assert_true(tail <= needs || (rec.needs_lsn == 0 && rec.in_bitmap));
	assert_int_equal(disk_peer_forget(h->d, "site2", NULL), 0);
	return 0;
}

static void nobody_is_told_that_the_log_has_what_it_is_about_to_let_go_of(void **state)
{
	struct pair *p = *state;
	struct held_tail h = { .not_it = pthread_self() };
	void *fine;
	int r;

	disk_fixture_close(&p->a);
	p->a.o.on_step = on_step_hold_tail;
	p->a.o.arg = &h;
	disk_fixture_open(&p->a);
	h.d = p->a.d;
	assert_int_equal(pthread_create(&h.writer, NULL, write_until_stopped, &h), 0);
	do { /* not each time does it begin elsewhere then */
		r = need_the_tail(&h);
	} while (r == 0);
	assert_int_equal(r, -POD_E_STALE);
	atomic_store(&h.stop, true);
	assert_int_equal(pthread_join(h.writer, &fine), 0);
	assert_non_null(fine);
	assert_null(disk_broken(h.d));
	disk_fixture_close(&p->a);
	p->a.o.on_step = NULL;
	disk_fixture_open(&p->a);
}

static void what_the_log_can_not_keep_for_a_peer_is_marked(void **state)
{
	struct pair *p = *state;
	_cleanup_(freep) uint8_t *old = malloc(p->a.size);
	uint64_t from, offset, length;
	struct err err = { 0 };

	assert_non_null(old);
	disk_fixture_random(&p->a, 50);
	commit(p->a.d);
	from = cursors(p->a.d).committed;
	memcpy(old, p->a.model, p->a.size);
	assert_int_equal(disk_peer_set(p->a.d, "b", from, NULL), 0);
	disk_fixture_random(&p->a, 50);
	disk_fixture_apply(&p->a);
	assert_int_equal(peer_of(p->a.d).needs_lsn, from);
	assert_int_equal(disk_peer_dirty_bytes(p->a.d, "b"), 0);
	while (cursors(p->a.d).tail <= from)
		disk_fixture_random(&p->a, 100);
	assert_int_equal(peer_of(p->a.d).needs_lsn, 0);
	assert_true(peer_of(p->a.d).in_bitmap);
	assert_int_equal(peer_of(p->a.d).base_lsn, from);
	disk_fixture_random(&p->a, 100);
	check_marks(&p->a, old);
	assert_int_equal(disk_peer_dirty_clear(p->a.d, "b", 0, BITMAP_CHUNK, &err), -POD_E_STALE);
	assert_int_equal(disk_peer_set(p->a.d, "b", from, &err), -POD_E_STALE);
	disk_fixture_reopen(&p->a);
	check_marks(&p->a, old);

	/* A resync: the log is kept again, chunks go over one by one. */
	from = cursors(p->a.d).committed;
	assert_int_equal(disk_peer_set(p->a.d, "b", from, NULL), 0);
	assert_true(peer_of(p->a.d).in_bitmap);
	while (disk_peer_dirty_next(p->a.d, "b", 0, &offset, &length))
		assert_int_equal(disk_peer_dirty_clear(p->a.d, "b", offset, length, NULL), 0);
	assert_true(peer_of(p->a.d).base_lsn == BASE_NONE);
	assert_int_equal(disk_peer_dirty_bytes(p->a.d, "b"), 0);
	assert_int_equal(disk_peer_set(p->a.d, "b", from, NULL), 0);
	assert_false(peer_of(p->a.d).in_bitmap);

	assert_int_equal(disk_peer_forget(p->a.d, "b", NULL), 0);
	assert_int_equal(disk_peer_forget(p->a.d, "b", NULL), 0);
	assert_string_equal(peer_of(p->a.d).name, "");
	assert_int_equal(disk_peer_dirty_all(p->a.d, "b", &err), -POD_E_NOTFOUND);
}

static void a_peer_that_lags_too_far_is_marked_on_order(void **state)
{
	struct pair *p = *state;
	_cleanup_(freep) uint8_t *old = malloc(p->a.size);
	uint64_t from;

	assert_non_null(old);
	disk_fixture_random(&p->a, 50);
	commit(p->a.d);
	from = cursors(p->a.d).committed;
	memcpy(old, p->a.model, p->a.size);
	assert_int_equal(disk_peer_set(p->a.d, "b", from, NULL), 0);
	disk_fixture_random(&p->a, 20);
	assert_int_equal(disk_peer_to_bitmap(p->a.d, "b", from, NULL), 0);
	check_marks(&p->a, old);
	disk_fixture_random(&p->a, 20);
	check_marks(&p->a, old);
	assert_int_equal(disk_peer_dirty_set(p->a.d, "b", 0, 4096, NULL), 0);
	assert_int_equal(disk_peer_dirty_all(p->a.d, "b", NULL), 0);
	assert_int_equal(disk_peer_dirty_bytes(p->a.d, "b"), p->a.size);
	assert_int_equal(peer_of(p->a.d).base_lsn, 0);
	assert_int_equal(disk_peer_set_base(p->a.d, "b", 12288, NULL), 0);
	assert_int_equal(peer_of(p->a.d).base_lsn, 12288);
}

struct clearing {
	struct disk *d;
	atomic_bool stop;
};

static void *clear_until_stopped(void *arg)
{
	struct clearing *c = arg;

	while (!atomic_load(&c->stop))
		(void) disk_peer_dirty_clear(c->d, "site2", 0, DISK_FIXTURE_SIZE, NULL);
	return NULL;
}

/* Who clears knows what the peer got before, and not what is being marked at that moment. */
static void what_is_marked_from_the_log_is_not_cleared_meanwhile(void **state)
{
	static const uint8_t block[4096];
	struct pair *p = *state;
	struct clearing c = { .d = p->a.d };
	uint64_t from = cursors(c.d).committed;
	pthread_t thread;

	for (uint64_t at = 0; at < DISK_FIXTURE_SIZE; at += sizeof(block))
		assert_int_equal(disk_write(c.d, at, block, sizeof(block), NULL), 0);
	commit(c.d);
	assert_int_equal(disk_peer_set(c.d, "site2", from, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, clear_until_stopped, &c), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(disk_peer_to_bitmap(c.d, "site2", from, NULL), 0);
		assert_int_equal(disk_peer_dirty_bytes(c.d, "site2"), DISK_FIXTURE_SIZE);
		assert_int_equal(disk_peer_set(c.d, "site2", from, NULL), 0);
	}
	atomic_store(&c.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Marks made in memory since the last checkpoint come back from the log. */
static void marks_survive_a_kill(void **state)
{
	struct pair *p = *state;
	_cleanup_(freep) uint8_t *old = calloc(1, p->a.size);
	uint64_t offset, length;
	int status;
	pid_t pid;

	assert_non_null(old);
	disk_fixture_close(&p->a);
	disk_fixture_close(&p->b);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		uint8_t block[4096] = { 5 };
		uint64_t staged;

		disk_fixture_open(&p->a);
		staged = cursors(p->a.d).staged;
		if (disk_peer_set(p->a.d, "b", staged, NULL) < 0 ||
		    disk_peer_to_bitmap(p->a.d, "b", staged, NULL) < 0)
			_exit(1);
		(void) disk_write(p->a.d, 3 * BITMAP_CHUNK, block, sizeof(block), NULL);
		commit(p->a.d);
		(void) disk_write(p->a.d, 7 * BITMAP_CHUNK, block, sizeof(block), NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	disk_fixture_open(&p->a);
	assert_int_equal(disk_peer_dirty_bytes(p->a.d, "b"), 2 * BITMAP_CHUNK);
	assert_true(disk_peer_dirty_next(p->a.d, "b", 0, &offset, &length));
	assert_int_equal(offset, 3 * BITMAP_CHUNK);
	assert_true(disk_peer_dirty_next(p->a.d, "b", offset + length, &offset, &length));
	assert_int_equal(offset, 7 * BITMAP_CHUNK);
}

/* A peer had what a loss of power took from the primary: there the log goes on with something else. */
static void a_peer_that_was_ahead_of_a_crash_needs_the_log_from_where_it_ends(void **state)
{
	struct pair *p = *state;
	uint64_t end;
	int status;
	pid_t pid;

	disk_fixture_random(&p->a, 50);
	disk_fixture_close(&p->a);
	disk_fixture_close(&p->b);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		uint64_t lsn;

		/* What is there already: it may get as far as the disk all the same. */
		disk_fixture_open(&p->a);
		(void) disk_write(p->a.d, 0, p->a.model, 12288, NULL);
		_exit(disk_commit(p->a.d, &lsn, NULL) < 0 || disk_peer_set(p->a.d, "b", lsn, NULL) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	(void) unlink(p->a.stage);
	disk_fixture_open(&p->a);
	end = cursors(p->a.d).committed;
	assert_int_equal(peer_of(p->a.d).needs_lsn, end);
	while (cursors(p->a.d).tail <= end)
		disk_fixture_random(&p->a, 100);
	assert_true(peer_of(p->a.d).in_bitmap);
	assert_null(disk_broken(p->a.d));
	disk_fixture_verify(&p->a);
}

/* As of a primary that went back before it, and follows now. */
static void write_old_note(struct superblock *sb, void *arg)
{
	sb->n_torn = 1;
	sb->torn[0].length = BITMAP_CHUNK;
	sb->torn_to_lsn = *(const uint64_t *) arg;
}

static void a_note_of_what_is_not_in_the_log_any_more_takes_nothing_from_it(void **state)
{
	struct pair *p = *state;
	uint64_t note, tail;
	size_t size = 0;
	int status;
	pid_t pid;

	disk_fixture_random(&p->a, 200);
	make_durable(p->a.d);
	ship_all(p);
	make_durable(p->b.d);
	tail = cursors(p->b.d).tail;
	note = cursors(p->b.d).durable + LOG_BYTES_MIN - BITMAP_CHUNK;
	disk_fixture_close(&p->a);
	disk_fixture_close(&p->b);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) { /* who is killed keeps the stage, which is what a note is looked at for */
		disk_fixture_open(&p->b);
		_exit(disk_superblock_change(p->b.d, write_old_note, &note, NULL) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	disk_fixture_open(&p->b);
	assert_int_equal(disk_log_read(p->b.d, tail, p->bytes, sizeof(p->bytes), &size, NULL), 0);
	assert_true(size > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_secondary_that_is_sent_the_log_holds_the_same),
		TEST(snapshots_and_resizes_happen_at_the_same_point),
		TEST(a_secondary_that_is_seldom_read_holds_the_same),
		TEST(what_was_not_committed_is_forgotten_by_a_cut),
		TEST(a_secondary_that_was_killed_ends_at_its_last_commit),
		TEST(bytes_that_are_not_the_log_are_refused),
		TEST(many_epochs_go_to_the_log_together),
		TEST(a_position_is_known_for_every_commit_that_the_log_has),
		TEST(a_log_can_begin_anew_elsewhere_and_survives_a_restart),
		TEST(damage_before_an_epoch_that_was_durable_is_reported),
		TEST(a_torn_last_epoch_is_a_crash_and_no_damage),
		TEST(a_record_begins_at_the_tail_wherever_it_has_moved),
		TEST(nobody_is_told_that_the_log_has_what_it_is_about_to_let_go_of),
		TEST(what_the_log_can_not_keep_for_a_peer_is_marked),
		TEST(a_peer_that_lags_too_far_is_marked_on_order),
		TEST(what_is_marked_from_the_log_is_not_cleared_meanwhile),
		TEST(marks_survive_a_kill),
		TEST(a_peer_that_was_ahead_of_a_crash_needs_the_log_from_where_it_ends),
		TEST(a_note_of_what_is_not_in_the_log_any_more_takes_nothing_from_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
