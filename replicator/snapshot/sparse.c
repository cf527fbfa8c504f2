#include "replicator/snapshot/sparse.h"

#include <errno.h>
#include <unistd.h>

static uint64_t until(off_t at, uint64_t end)
{
	return (uint64_t) at < end ? (uint64_t) at : end;
}

int sparse_run(int fd, uint64_t offset, uint64_t end, uint64_t *ret_end, bool *ret_hole, struct err *err)
{
	off_t at = lseek(fd, (off_t) offset, SEEK_DATA);

	if (at < 0 && errno == ENXIO) { /* nothing but a hole up to the end of the file, or beyond it */
		*ret_end = end;
		*ret_hole = true;
		return 0;
	}
	*ret_hole = at > (off_t) offset;
	if (at == (off_t) offset)
		at = lseek(fd, (off_t) offset, SEEK_HOLE);
	if (at < 0)
		return err_errno(err, errno, "which parts of a file are holes");
	*ret_end = until(at, end);
	return 0;
}
