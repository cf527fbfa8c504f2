#include "replicator/disk/disk_internal.h"

#include <inttypes.h>
#include <sys/statvfs.h>
#include <unistd.h>

/*
 * Room on the image's disk. A write that is acknowledged must find its place in the image later, so a write
 * is refused while it can be: when what waits in the log might need more than the file system has, unless the
 * blocks that it overwrites have their place already. A full disk then is an error of the write that came too
 * late, as on any disk, and seldom a stalled applier.
 */
#define SPACE_SLACK (UINT64_C(16) << 20) /* metadata, and what others take between two looks */

uint64_t space_free(const struct disk *d)
{
	struct statvfs v;

	if (d->image_is_device || fstatvfs(d->image_fd, &v) < 0)
		return UINT64_MAX;
	return (uint64_t) v.f_bavail * v.f_frsize;
}

void space_look(struct disk *d)
{
	uint64_t now = space_free(d);

	(void) pthread_mutex_lock(&d->lock);
	d->space_free = now;
	(void) pthread_mutex_unlock(&d->lock);
}

static bool is_low(struct disk *d, uint64_t length)
{
	bool low;

	(void) pthread_mutex_lock(&d->lock);
	low = d->space_free - SPACE_SLACK < d->head.lsn - d->applied.lsn + length ||
	      d->space_free < SPACE_SLACK;
	(void) pthread_mutex_unlock(&d->lock);
	return low;
}

static bool has_place(const struct disk *d, uint64_t offset, uint64_t length)
{
	off_t data = lseek(d->image_fd, (off_t) offset, SEEK_DATA);
	off_t hole = data == (off_t) offset ? lseek(d->image_fd, data, SEEK_HOLE) : -1;

	return hole >= (off_t) (offset + length);
}

int space_check(struct disk *d, uint64_t offset, uint64_t length, struct err *err)
{
	if (!is_low(d, length))
		return 0;
	space_look(d);
	if (!is_low(d, length) || has_place(d, offset, length))
		return 0;
	return err_set(err, POD_E_NOSPACE, "the image's disk is full: %" PRIu64 " bytes are free", space_free(d));
}
