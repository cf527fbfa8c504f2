/*
 * Files as on a disk with a volatile write cache whose power can be cut. A program that is linked with
 * volatile_disk.c has its pwrite, pwritev2, fallocate, fdatasync, fsync, renameat, unlinkat and creating
 * openat replaced: they do what they always do, and note in shared memory what is not flushed. After the
 * process is dead, whoever made the disk cuts the power: of what was not flushed a part reaches the files and
 * the rest is undone.
 *
 * io_uring is refused to such programs (io_uring_queue_init fails), as a hardened kernel does: its writes
 * would pass by. Memory-mapped files are not noted: the stage is one, and a power cut removes it whole.
 *
 * One process writes under a disk's folder at a time; its threads may do so at once. Names are kept by fsync
 * of their folder; unflushed changes of names are lost from the newest on, as journaling file systems do.
 */
#ifndef POD_TESTS_VOLATILE_DISK_H
#define POD_TESTS_VOLATILE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct volatile_disk;

/* For the files under folder. Aborts where the machine fails, as all here. */
struct volatile_disk *volatile_disk_make(const char *folder);
void volatile_disk_end(struct volatile_disk *d);
/* This process uses the disk from now on: what was noted before is taken for flushed. One at a time: what it
 * writes to the one that it used before is not noted any more. */
void volatile_disk_use(struct volatile_disk *d);
/* Flushes are answered without flushing: the negative control. */
void volatile_disk_lie(struct volatile_disk *d, bool lies);
/*
 * After so many more writes, flushes and changes of names the power is gone: they fail with EIO and do
 * nothing, until volatile_disk_cut. So a process that lives on can play its own death. UINT64_MAX: the power
 * stays.
 */
void volatile_disk_power_for(struct volatile_disk *d, uint64_t calls);
bool volatile_disk_has_power(struct volatile_disk *d);

enum volatile_loss {
	VOLATILE_LOSE_ALL,
	VOLATILE_LOSE_NOTHING,
	VOLATILE_LOSE_NEWEST,  /* a time from which on all is lost */
	VOLATILE_LOSE_BLOCKS,  /* any of the 4 KiB blocks */
	VOLATILE_LOSE_SECTORS, /* any of the 512-byte sectors: writes are torn */
	VOLATILE_LOSSES
};
/* The process that used it is dead, or plays it. Draws from random(). Returns how many writes were not
 * flushed. */
size_t volatile_disk_cut(struct volatile_disk *d, enum volatile_loss loss);

#endif
