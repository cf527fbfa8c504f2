/*
 * Long writes that go straight to a primary's image: when they do and when not, what the log and peers have
 * of them, and what is left of them after a crash at each step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "replicator/core/place.h"
#include "replicator/core/record.h"
#include "replicator/snapshot/snapshot.h"
#include "tests/support/disk_fixture.h"

#define MIB (UINT64_C(1) << 20)

/* ---- the lists ---- */

static void add(struct place_list *l, uint64_t lsn, uint64_t offset, uint64_t length)
{
	assert_true(place_list_add(
		l, &(struct place){ .lsn = lsn, .data = lsn + 4096, .offset = offset, .length = length }));
}

static void a_list_is_found_in_and_forgets_from_both_ends(void **state)
{
	struct place_list l;

	assert_int_equal(place_list_create(&l, 4, NULL), 0);
	for (uint64_t i = 1; i <= 4; i++)
		add(&l, i * 100, i * 8192, 4096);
	assert_false(place_list_add(&l, &(struct place){ .lsn = 500 }));
	assert_int_equal(place_list_find(&l, 300)->offset, 3 * 8192);
	assert_null(place_list_find(&l, 301));
	assert_int_equal(place_list_next(&l, 301)->lsn, 400);
	place_list_drop_before(&l, 200);
	assert_null(place_list_find(&l, 100));
	place_list_drop_from(&l, 400);
	assert_null(place_list_next(&l, 301));
	assert_int_equal(l.n, 2);
	place_list_done(&l);
}

static void what_was_placed_later_is_taken_out_of_what_is_applied_again(void **state)
{
	struct extent_map *m = NULL;
	struct place_list l;
	struct extent e = { .offset = 0, .length = 65536, .kind = EXTENT_TRIM, .lsn = 150 }, got;

	assert_int_equal(extent_map_create(16, &m, NULL), 0);
	assert_int_equal(place_list_create(&l, 4, NULL), 0);
	add(&l, 100, 0, 65536);     /* older than the record */
	add(&l, 200, 8192, 8192);   /* in its middle */
	add(&l, 300, 61440, 8192);  /* over its end */
	add(&l, 400, 131072, 4096); /* elsewhere */
	extent_map_insert(m, &e);
	place_subtract(&l, e.lsn, e.offset, e.length, m);
	assert_true(extent_map_find(m, 0, UINT64_MAX, &got));
	assert_int_equal(got.length, 8192);
	assert_true(extent_map_find(m, 8192, UINT64_MAX, &got));
	assert_int_equal(got.offset, 16384);
	assert_int_equal(got.length, 61440 - 16384);
	assert_false(extent_map_find(m, 61440, UINT64_MAX, &got));
	place_list_done(&l);
	(void) extent_map_free(m);
}

/* ---- a disk whose steps are counted, fail or end the process ---- */

struct steps {
	_Atomic int counts[DISK_STEPS];
	enum disk_step step;
	_Atomic int fail; /* errno for it, once */
	_Atomic int die;  /* at the so manieth */
};

static int on_step(void *arg, enum disk_step step)
{
	struct steps *s = arg;

	atomic_fetch_add(&s->counts[step], 1);
	if (step != s->step)
		return 0;
	if (s->die && atomic_fetch_sub(&s->die, 1) == 1)
		_exit(7);
	return atomic_exchange(&s->fail, 0);
}

static void make(struct disk_fixture *f, struct steps *s)
{
	memset(s, 0, sizeof(*s));
	disk_fixture_make_in(f, "/dev/shm");
	f->o.on_step = on_step;
	f->o.arg = s;
	disk_fixture_open(f);
	disk_fixture_set_role(f->d, ROLE_PRIMARY);
}

static void put(struct disk_fixture *f, uint64_t offset, size_t size)
{
	uint64_t tag = disk_fixture_below(f, UINT64_MAX);

	for (size_t at = 0; at < size; at += 8, tag += 0x9e3779b97f4a7c15)
		memcpy(f->model + offset + at, &tag, 8);
	assert_int_equal(disk_write(f->d, offset, f->model + offset, size, NULL), 0);
}

static void flush(struct disk_fixture *f)
{
	uint64_t lsn;

	assert_int_equal(disk_commit(f->d, &lsn, NULL), 0);
	assert_int_equal(disk_wait_durable(f->d, lsn, NULL), 0);
}

static struct disk_cursors cursors(struct disk_fixture *f)
{
	struct disk_cursors c;

	disk_cursors(f->d, &c);
	return c;
}

static int placed(const struct steps *s)
{
	return s->counts[DISK_STEP_PLACE];
}

static void long_writes_are_in_the_image_when_they_are_durable(void **state)
{
	struct disk_fixture f;
	struct steps s;

	make(&f, &s);
	put(&f, 4096, 2 * MIB);
	disk_fixture_verify(&f); /* from the stage */
	assert_int_equal(placed(&s), 0);
	flush(&f);
	assert_int_equal(placed(&s), 8);
	assert_int_equal(cursors(&f).applied, cursors(&f).durable); /* nothing is left to the applier */
	disk_fixture_verify(&f);
	put(&f, 0, 8192); /* what is newer counts, in the log as in the image */
	assert_int_equal(disk_zero(f.d, MIB, MIB / 2, 0, NULL), 0);
	memset(f.model + MIB, 0, MIB / 2);
	disk_fixture_verify(&f);
	disk_fixture_apply(&f);
	disk_fixture_verify(&f);
	disk_fixture_reopen(&f);
	disk_fixture_verify(&f);
	disk_fixture_remove(&f);
}

static void a_few_long_writes_and_short_ones_stay_in_the_log(void **state)
{
	struct disk_fixture f;
	struct steps s;

	make(&f, &s);
	put(&f, 0, PLACE_BYTES_DEFAULT - RECORD_PAYLOAD_MAX);
	flush(&f);
	for (uint64_t at = 2 * MIB; at < 4 * MIB; at += 65536)
		put(&f, at, 65536);
	flush(&f);
	assert_int_equal(placed(&s), 0);
	disk_fixture_remove(&f);
}

static void what_is_not_in_the_image_yet_keeps_long_writes_out_of_it(void **state)
{
	struct disk_fixture f;
	struct steps s;
	uint64_t lsn;

	make(&f, &s);
	put(&f, 0, 4096);
	put(&f, 0, MIB); /* the first of its records lies over that */
	flush(&f);
	assert_int_equal(placed(&s), 0); /* three are less than is worth it */
	disk_fixture_apply(&f);
	put(&f, 0, MIB);
	flush(&f);
	assert_int_equal(placed(&s), 4);
	disk_fixture_verify(&f);
	/* The same in one epoch, behind one that went there. */
	put(&f, 4 * MIB, MIB);
	put(&f, 4 * MIB, MIB);
	flush(&f);
	assert_int_equal(placed(&s), 8);
	disk_fixture_verify(&f);
	disk_fixture_apply(&f);
	disk_fixture_verify(&f);
	/* A snapshot is the image as it was. */
	assert_int_equal(disk_snapshot_take(f.d, "before", &lsn, NULL), 0);
	put(&f, 0, 2 * MIB);
	flush(&f);
	assert_int_equal(placed(&s), 16);
	assert_true(s.counts[DISK_STEP_COPY] > 0);
	disk_fixture_remove(&f);
}

static void a_snapshot_keeps_what_long_writes_overwrite(void **state)
{
	_cleanup_(freep) uint8_t *then = malloc(DISK_FIXTURE_SIZE);
	_cleanup_(freep) uint8_t *bytes = malloc(DISK_FIXTURE_SIZE);
	struct disk_fixture f;
	struct steps s;
	uint64_t lsn;

	make(&f, &s);
	assert_true(then && bytes);
	disk_fixture_random(&f, 200);
	disk_fixture_apply(&f);
	assert_int_equal(disk_snapshot_take(f.d, "s", &lsn, NULL), 0);
	memcpy(then, f.model, DISK_FIXTURE_SIZE);
	for (int i = 0; i < 3; i++) {
		int before = placed(&s);

		put(&f, MIB + (uint64_t) i * 4096, 3 * MIB);
		flush(&f);
		assert_true(placed(&s) > before);
		disk_fixture_apply(&f);
	}
	assert_int_equal(snapshots_read_begin(disk_snapshots(f.d), "s", NULL), 0);
	assert_int_equal(snapshots_read(disk_snapshots(f.d), "s", 0, bytes, DISK_FIXTURE_SIZE, NULL), 0);
	snapshots_read_end(disk_snapshots(f.d), "s");
	assert_memory_equal(bytes, then, DISK_FIXTURE_SIZE);
	disk_fixture_verify(&f);
	disk_fixture_remove(&f);
}

/* ---- peers ---- */

/* The stage holds 8 MiB: what is older is read from the log's file. */
static void leave_the_stage(struct disk_fixture *f)
{
	for (int i = 0; i < 5; i++) {
		put(f, 4 * MIB, 2 * MIB);
		disk_fixture_apply(f);
	}
}

static void a_peer_gets_a_long_write_from_the_image_as_long_as_it_is_there(void **state)
{
	_cleanup_(freep) uint8_t *bytes = malloc(RECORD_SIZE_MAX + RECORD_ALIGN);
	uint8_t zeros[RECORD_NOTE_SIZE - RECORD_HEADER_SIZE] = { 0 };
	uint64_t offset, length, lsn;
	struct peer_record peer;
	struct disk_fixture f;
	struct record r;
	struct steps s;
	size_t size;

	make(&f, &s);
	assert_non_null(bytes);
	lsn = cursors(&f).staged;
	put(&f, MIB, MIB);
	flush(&f);
	assert_int_equal(placed(&s), 4);
	leave_the_stage(&f);
	assert_int_equal(disk_log_read(f.d, lsn, bytes, RECORD_SIZE_MAX, &size, NULL), 0);
	assert_true(record_peek(bytes, lsn, &r));
	assert_int_equal(r.flags, RECORD_ALIGNED);
	assert_memory_equal(bytes + RECORD_HEADER_SIZE, zeros, sizeof(zeros)); /* the note stays here */
	assert_memory_equal(bytes + (record_data(&r) - lsn), f.model + MIB, RECORD_PAYLOAD_MAX);
	put(&f, MIB + 8192, 4096);
	disk_fixture_apply(&f);
	assert_int_equal(disk_log_read(f.d, lsn, bytes, RECORD_SIZE_MAX, &size, NULL), -POD_E_STALE);
	/* What it says can be marked all the same. */
	assert_int_equal(disk_peer_set(f.d, "b", lsn, NULL), 0);
	assert_int_equal(disk_peer_to_bitmap(f.d, "b", lsn, NULL), 0);
	assert_int_equal(disk_peer_get(f.d, "b", &peer, NULL), 0);
	assert_true(peer.in_bitmap);
	assert_true(disk_peer_dirty_next(f.d, "b", 0, &offset, &length));
	assert_int_equal(offset, MIB);
	assert_int_equal(length, MIB);
	disk_fixture_remove(&f);
}

/* A peer that is sent nothing: by more than half of the stage, and not so far that the log runs full. */
static void fall_behind(struct disk_fixture *f)
{
	for (int i = 0; i < 3; i++) {
		put(f, 2 * MIB, 2 * MIB);
		disk_fixture_apply(f);
	}
}

static void for_a_peer_that_is_far_behind_the_log_keeps_long_writes(void **state)
{
	struct disk_fixture f;
	struct steps s;
	uint64_t lsn;
	int before;

	make(&f, &s);
	lsn = cursors(&f).staged;
	assert_int_equal(disk_peer_set(f.d, "b", lsn, NULL), 0);
	put(&f, 0, 2 * MIB);
	flush(&f);
	assert_int_equal(placed(&s), 8); /* it will be sent that from the stage */
	fall_behind(&f);
	before = placed(&s);
	put(&f, 4 * MIB, 2 * MIB);
	flush(&f);
	assert_int_equal(placed(&s), before);
	assert_int_equal(disk_peer_set(f.d, "b", cursors(&f).durable, NULL), 0);
	put(&f, 6 * MIB, 2 * MIB);
	flush(&f);
	assert_true(placed(&s) > before);
	disk_fixture_remove(&f);
}

static void for_a_peer_that_nobody_waits_for_the_log_keeps_none(void **state)
{
	struct disk_fixture f;
	struct steps s;
	int before;

	make(&f, &s);
	disk_peer_may_lag(f.d, "b", true); /* nobody knows it yet: that is nothing */
	assert_int_equal(disk_peer_set(f.d, "b", cursors(&f).staged, NULL), 0);
	disk_peer_may_lag(f.d, "b", true);
	fall_behind(&f);
	before = placed(&s);
	put(&f, 4 * MIB, 2 * MIB);
	flush(&f);
	assert_int_equal(placed(&s), before + 8);
	disk_peer_may_lag(f.d, "b", false);
	put(&f, 6 * MIB, 2 * MIB);
	flush(&f);
	assert_int_equal(placed(&s), before + 8);
	disk_fixture_remove(&f);
}

/* ---- crashes ---- */

/* A process that writes long runs over what is there and dies at a step; false: it came to its end. */
static bool die_at(struct disk_fixture *f, struct steps *s, enum disk_step step, int nth)
{
	pid_t pid;
	int status;

	disk_fixture_close(f); /* a process that forks has one thread */
	s->step = step;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		disk_fixture_open(f);
		s->die = nth;
		put(f, 0, 2 * MIB);
		flush(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 7;
}

static const struct {
	enum disk_step step;
	int nth;
} deaths[] = {
	{ DISK_STEP_SUPERBLOCK, 1 }, { DISK_STEP_LOG_WRITE, 1 },   { DISK_STEP_PLACE, 1 },
	{ DISK_STEP_PLACE, 5 },      { DISK_STEP_PLACE_FLUSH, 1 }, { DISK_STEP_PLACE_COMMIT, 1 },
};

static int count_extent(void *arg, uint64_t offset, uint64_t length, int kind)
{
	uint64_t *bytes = arg;

	*bytes += length;
	return offset + length <= 2 * MIB ? 0 : 1;
}

static void without_the_stage_what_is_torn_becomes_an_epoch_of_its_own(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(deaths); i++) {
		struct disk_fixture f;
		struct superblock sb;
		struct steps s;
		uint64_t committed, generation, bytes = 0;

		make(&f, &s);
		put(&f, 0, 2 * MIB);
		disk_fixture_apply(&f);
		committed = cursors(&f).committed;
		disk_superblock(f.d, &sb);
		generation = sb.generations[0].id;
		assert_true(die_at(&f, &s, deaths[i].step, deaths[i].nth));
		assert_int_equal(unlink(f.stage), 0);
		disk_fixture_open(&f);
		disk_superblock(f.d, &sb);
		if (deaths[i].step == DISK_STEP_SUPERBLOCK) { /* the image was not touched */
			assert_int_equal(cursors(&f).durable, committed);
			assert_true(sb.torn_to_lsn <= committed);
			disk_fixture_verify(&f);
		} else {
			assert_true(sb.generations[0].id != generation);
			assert_true(sb.generations[0].id & GENERATION_RECOVERED);
			assert_int_equal(sb.n_torn, 0);
			assert_int_equal(disk_log_extents(f.d, committed, count_extent, &bytes, NULL), 0);
			assert_int_equal(bytes, 2 * MIB);
			assert_true(cursors(&f).durable > committed);
		}
		disk_fixture_remove(&f);
	}
}

static void with_the_stage_a_kill_loses_nothing(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(deaths); i++) {
		struct disk_fixture f;
		struct superblock sb;
		struct steps s;
		uint64_t generation, seed;

		make(&f, &s);
		put(&f, 0, 2 * MIB);
		disk_fixture_apply(&f);
		disk_superblock(f.d, &sb);
		generation = sb.generations[0].id;
		seed = f.seed;
		assert_true(die_at(&f, &s, deaths[i].step, deaths[i].nth));
		disk_fixture_open(&f);
		/* What the child wrote: the same draw. */
		f.seed = seed;
		for (uint64_t at = 0, tag = disk_fixture_below(&f, UINT64_MAX); at < 2 * MIB;
		     at += 8, tag += 0x9e3779b97f4a7c15)
			memcpy(f.model + at, &tag, 8);
		disk_fixture_verify(&f);
		disk_fixture_apply(&f);
		disk_fixture_verify(&f);
		disk_superblock(f.d, &sb);
		assert_int_equal(sb.generations[0].id, generation);
		disk_fixture_remove(&f);
	}
}

static void a_full_disk_in_the_middle_leaves_it_to_the_log(void **state)
{
	struct disk_fixture f;
	struct steps s;
	int commits, applied;

	make(&f, &s);
	put(&f, 0, 2 * MIB);
	disk_fixture_apply(&f);
	commits = s.counts[DISK_STEP_PLACE_COMMIT];
	applied = s.counts[DISK_STEP_APPLY];
	s.step = DISK_STEP_PLACE_FLUSH;
	s.fail = ENOSPC;
	put(&f, 0, 2 * MIB);
	flush(&f);
	assert_null(disk_broken(f.d));
	assert_int_equal(s.counts[DISK_STEP_PLACE_COMMIT], commits);
	disk_fixture_verify(&f);
	disk_fixture_apply(&f);
	assert_true(s.counts[DISK_STEP_APPLY] > applied);
	disk_fixture_verify(&f);
	disk_fixture_reopen(&f);
	disk_fixture_verify(&f);
	disk_fixture_remove(&f);
}

static void a_failed_write_breaks_the_disk(void **state)
{
	static const enum disk_step steps[] = { DISK_STEP_PLACE, DISK_STEP_PLACE_FLUSH,
		                                DISK_STEP_PLACE_COMMIT };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct disk_fixture f;
		struct steps s;
		uint64_t lsn;

		make(&f, &s);
		s.step = steps[i];
		s.fail = EIO;
		put(&f, 0, 2 * MIB);
		assert_int_equal(disk_commit(f.d, &lsn, NULL), 0);
		assert_int_equal(disk_wait_durable(f.d, lsn, NULL), -POD_E_IO);
		assert_non_null(disk_broken(f.d));
		disk_fixture_verify(&f);
		disk_fixture_reopen(&f); /* the stage has it */
		disk_fixture_verify(&f);
		disk_fixture_remove(&f);
	}
}

static void many_writers_of_all_sizes_read_what_they_wrote(void **state)
{
	struct disk_fixture f;
	struct steps s;

	make(&f, &s);
	disk_fixture_close(&f);
	f.o.place_bytes = RECORD_PAYLOAD_MAX;
	disk_fixture_open(&f);
	for (int i = 0; i < 4; i++) {
		disk_fixture_threads(&f, 4, 400);
		f.seed += 99;
		disk_fixture_verify(&f);
		disk_fixture_reopen(&f);
		disk_fixture_verify(&f);
	}
	assert_true(placed(&s) > 0);
	disk_fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_found_in_and_forgets_from_both_ends),
		cmocka_unit_test(what_was_placed_later_is_taken_out_of_what_is_applied_again),
		cmocka_unit_test(long_writes_are_in_the_image_when_they_are_durable),
		cmocka_unit_test(a_few_long_writes_and_short_ones_stay_in_the_log),
		cmocka_unit_test(what_is_not_in_the_image_yet_keeps_long_writes_out_of_it),
		cmocka_unit_test(a_snapshot_keeps_what_long_writes_overwrite),
		cmocka_unit_test(a_peer_gets_a_long_write_from_the_image_as_long_as_it_is_there),
		cmocka_unit_test(for_a_peer_that_is_far_behind_the_log_keeps_long_writes),
		cmocka_unit_test(for_a_peer_that_nobody_waits_for_the_log_keeps_none),
		cmocka_unit_test(without_the_stage_what_is_torn_becomes_an_epoch_of_its_own),
		cmocka_unit_test(with_the_stage_a_kill_loses_nothing),
		cmocka_unit_test(a_full_disk_in_the_middle_leaves_it_to_the_log),
		cmocka_unit_test(a_failed_write_breaks_the_disk),
		cmocka_unit_test(many_writers_of_all_sizes_read_what_they_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
