/*
 * The image's disk is really full: a small ext4 on a loop device. Needs root and mount(8); passed over,
 * saying so, elsewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "replicator/core/record.h"
#include "replicator/disk/disk.h"
#include "replicator/snapshot/snapshot.h"
#include "tests/support/disk_fixture.h"
#include "tests/support/full_disk.h"

#define DISK_MIB 96
#define PIECE    (256u * 1024)

/* A volume larger than its disk. */
static void make_volume(struct disk_fixture *f, const struct full_disk *d)
{
	struct disk_format format = { .size_bytes = 256u << 20, .log_bytes = LOG_BYTES_MIN };
	struct err err = { 0 };

	memset(f, 0, sizeof(*f));
	(void) snprintf(f->folder, sizeof(f->folder), "%s/r", d->mounted);
	(void) snprintf(f->stage, sizeof(f->stage), "/dev/shm/podmail-full-%d", (int) getpid());
	f->size = format.size_bytes;
	if (disk_create(f->folder, &format, &err) < 0)
		fail_msg("create: %s", err_text(&err));
	f->o = (struct disk_options){ .folder = f->folder, .stage_path = f->stage, .stage_bytes = 8u << 20 };
	f->o.snapshot_reserve_bytes = 64u << 20;
	disk_fixture_open(f);
	disk_fixture_set_role(f->d, ROLE_PRIMARY);
}

/* From offset on; how many pieces until there is no more space. */
static uint64_t write_until_full(struct disk_fixture *f, uint64_t offset, struct err *err)
{
	_cleanup_(freep) uint8_t *bytes = malloc(PIECE);
	uint64_t n = 0, lsn;
	int r = 0;

	assert_non_null(bytes);
	while (r == 0 && offset + n * PIECE < f->size) {
		memset(bytes, (int) (1 + n % 255), PIECE);
		r = disk_write(f->d, offset + n * PIECE, bytes, PIECE, err);
		if (r == 0)
			n++;
		if (r == 0 && n % 16 == 0) {
			assert_int_equal(disk_commit(f->d, &lsn, NULL), 0);
			assert_int_equal(disk_wait_durable(f->d, lsn, NULL), 0);
		}
	}
	assert_int_equal(r, -POD_E_NOSPACE);
	return n;
}

static void check_pieces(struct disk_fixture *f, uint64_t offset, uint64_t n)
{
	_cleanup_(freep) uint8_t *bytes = malloc(PIECE);

	assert_non_null(bytes);
	for (uint64_t i = 0; i < n; i++) {
		assert_int_equal(disk_read(f->d, offset + i * PIECE, bytes, PIECE, NULL), 0);
		assert_int_equal(bytes[0], 1 + i % 255);
		assert_int_equal(bytes[PIECE - 1], 1 + i % 255);
	}
}

static void a_full_disk_refuses_what_is_new_and_keeps_what_was_taken(void **state)
{
	struct full_disk disk;
	struct disk_fixture f;
	struct err err = { 0 };
	uint8_t block[4096] = { 1 };
	uint64_t n;

	full_disk_make(&disk, DISK_MIB);
	make_volume(&f, &disk);
	n = write_until_full(&f, 0, &err);
	assert_non_null(strstr(err.text, "full"));
	assert_true(n * PIECE > 32u << 20);
	disk_fixture_apply(&f); /* all that was taken finds its place */
	assert_null(disk_broken(f.d));
	check_pieces(&f, 0, n);
	block[4095] = 1;
	assert_int_equal(disk_write(f.d, 0, block, sizeof(block), NULL), 0); /* has its place already */
	assert_int_equal(disk_zero(f.d, 0, n / 2 * PIECE, DISK_TRIM, NULL), 0);
	disk_fixture_apply(&f);
	assert_true(write_until_full(&f, 128u << 20, &err) > n / 4); /* goes on where space came */
	disk_fixture_apply(&f);
	disk_fixture_reopen(&f);
	check_pieces(&f, n / 2 * PIECE, 0);
	disk_fixture_remove(&f);
	full_disk_remove(&disk);
}

/* Others fill the disk when the writes are acknowledged already: the applier waits, and nothing is lost. */
static void an_applier_without_space_waits_for_it(void **state)
{
	struct full_disk disk;
	struct disk_fixture f;
	char why[256];
	_cleanup_(freep) uint8_t *bytes = malloc(PIECE);
	uint64_t lsn;

	assert_non_null(bytes);
	full_disk_make(&disk, DISK_MIB);
	make_volume(&f, &disk);
	for (int i = 0; i < 8; i++) {
		memset(bytes, 1 + i, PIECE);
		assert_int_equal(disk_write(f.d, (uint64_t) i * PIECE, bytes, PIECE, NULL), 0);
	}
	full_disk_fill(&disk);
	assert_int_equal(disk_commit(f.d, &lsn, NULL), 0);
	assert_int_equal(disk_wait_durable(f.d, lsn, NULL), 0);
	assert_int_equal(disk_wait_applied(f.d, lsn, NULL), -POD_E_NOSPACE);
	assert_true(disk_stalled(f.d, why, sizeof(why)));
	assert_non_null(strstr(why, "No space left"));
	assert_null(disk_broken(f.d));
	check_pieces(&f, 0, 8);
	full_disk_unfill(&disk);
	while (disk_stalled(f.d, why, sizeof(why)))
		(void) usleep(20000);
	assert_int_equal(disk_wait_applied(f.d, lsn, NULL), 0);
	check_pieces(&f, 0, 8);
	disk_fixture_remove(&f);
	full_disk_remove(&disk);
}

/* ---- long writes, which go straight to the image ---- */

struct filler {
	const struct full_disk *disk;
	int placed;
	int fill_at; /* the so manieth of them finds a disk that others have filled */
};

static int on_step(void *arg, enum disk_step step)
{
	struct filler *f = arg;

	if (step == DISK_STEP_PLACE && ++f->placed == f->fill_at)
		full_disk_fill(f->disk);
	return 0;
}

static void write_pieces(struct disk_fixture *f, uint64_t offset, uint64_t n)
{
	_cleanup_(freep) uint8_t *bytes = malloc(PIECE);

	assert_non_null(bytes);
	for (uint64_t i = 0; i < n; i++) {
		memset(bytes, (int) (1 + i % 255), PIECE);
		assert_int_equal(disk_write(f->d, offset + i * PIECE, bytes, PIECE, NULL), 0);
	}
}

/* What was freed may be used only when the file system has written that down. */
static void wait_for_room(struct disk_fixture *f, uint64_t lsn)
{
	while (disk_wait_applied(f->d, lsn, NULL) == -POD_E_NOSPACE)
		(void) usleep(20000);
}

/* What is half in the image is acknowledged by the log, with power or without; new writes are refused
 * meanwhile. */
static void a_disk_that_fills_up_under_long_writes_loses_none(void **state)
{
	struct full_disk disk;
	struct filler filler = { .disk = &disk, .fill_at = 3 };
	struct disk_fixture f;
	uint8_t block[4096] = { 1 };
	uint64_t lsn;

	full_disk_make(&disk, DISK_MIB);
	make_volume(&f, &disk);
	disk_fixture_close(&f);
	f.o.on_step = on_step;
	f.o.arg = &filler;
	disk_fixture_open(&f);
	write_pieces(&f, 0, 12);
	assert_int_equal(disk_commit(f.d, &lsn, NULL), 0);
	assert_int_equal(disk_wait_durable(f.d, lsn, NULL), 0);
	assert_int_equal(filler.placed, 12);
	assert_null(disk_broken(f.d));
	check_pieces(&f, 0, 12);
	assert_int_equal(disk_wait_applied(f.d, lsn, NULL), -POD_E_NOSPACE);
	assert_int_equal(disk_write(f.d, 128u << 20, block, sizeof(block), NULL), -POD_E_NOSPACE);
	check_pieces(&f, 0, 12);

	/* The power goes while there is no room: the log has it all. */
	disk_fixture_close(&f);
	assert_int_equal(unlink(f.stage), 0);
	disk_fixture_open(&f);
	check_pieces(&f, 0, 12);

	full_disk_unfill(&disk);
	wait_for_room(&f, lsn);
	disk_fixture_apply(&f);
	check_pieces(&f, 0, 12);
	filler = (struct filler){ .disk = &disk };
	write_pieces(&f, 64u << 20, 8);
	disk_fixture_apply(&f);
	assert_int_equal(filler.placed, 8); /* and long writes go there again */
	disk_fixture_reopen(&f);
	check_pieces(&f, 0, 12);
	check_pieces(&f, 64u << 20, 8);
	disk_fixture_remove(&f);
	full_disk_remove(&disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_disk_refuses_what_is_new_and_keeps_what_was_taken),
		cmocka_unit_test(an_applier_without_space_waits_for_it),
		cmocka_unit_test(a_disk_that_fills_up_under_long_writes_loses_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
