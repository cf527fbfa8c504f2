/* A disk that can really be full: a small ext4 on a loop device. Needs root and mount(8). */
#ifndef TESTS_SUPPORT_FULL_DISK_H
#define TESTS_SUPPORT_FULL_DISK_H

#include <stdbool.h>

struct full_disk {
	char folder[32], mounted[48]; /* mounted: where its files are */
	bool is_mounted;
};

/* Beneath /var/tmp, which is no tmpfs. Passes the test over, saying so, where it cannot be made. */
void full_disk_make(struct full_disk *d, unsigned int mib);
/* Takes all the space that is left, and gives it back. */
void full_disk_fill(const struct full_disk *d);
void full_disk_unfill(const struct full_disk *d);
/* Unmounts and removes it; fine for one that is all zeroes. */
void full_disk_remove(struct full_disk *d);

#endif
