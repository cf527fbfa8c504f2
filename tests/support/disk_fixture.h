/* A replica's disk in a temporary folder, beside a model of what it must hold. */
#ifndef POD_TESTS_DISK_FIXTURE_H
#define POD_TESTS_DISK_FIXTURE_H

#include "replicator/disk/disk.h"

#define DISK_FIXTURE_SIZE (UINT64_C(8) << 20)

struct disk_fixture {
	char folder[64], stage[64];
	struct disk_options o;
	struct disk *d;
	uint64_t size;
	uint8_t *model; /* size bytes */
	uint64_t seed;
};

/* cmocka set-up and tear-down: *state is a fixture with an open disk, primary. */
int disk_fixture_setup(void **state);
int disk_fixture_teardown(void **state);

/*
 * The same by hand. The folder is on the disk, in /var/tmp, so that direct I/O is what is tested; or, for
 * hundreds of disks in a row, in base on tmpfs. The stage is in /dev/shm.
 */
void disk_fixture_make(struct disk_fixture *f);
void disk_fixture_make_in(struct disk_fixture *f, const char *base);
void disk_fixture_remove(struct disk_fixture *f);
void disk_fixture_open(struct disk_fixture *f);
void disk_fixture_close(struct disk_fixture *f);
void disk_fixture_reopen(struct disk_fixture *f);
/* A process that does not close: forks one that opens, writes a block, and is gone. The disk is closed
 * meanwhile. */
void disk_fixture_leave(struct disk_fixture *f);

uint64_t disk_fixture_below(struct disk_fixture *f, uint64_t limit); /* a random number */
/* So many random writes, zeroes, trims and commits, in the model too. */
void disk_fixture_random(struct disk_fixture *f, int n);
/* The same on threads, each in its own part of the volume, with reads between. */
void disk_fixture_threads(struct disk_fixture *f, int threads, int n);
/* Fails the test where the volume is not as the model. */
void disk_fixture_verify(struct disk_fixture *f);
/* Commits, and waits until all is in the image. */
void disk_fixture_apply(struct disk_fixture *f);
void disk_fixture_resized(struct disk_fixture *f, uint64_t size);
void disk_fixture_set_role(struct disk *d, enum replica_role role);

#endif
