#include "store/restore/source_ahead.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/index/ahead_format.h"
#include "store/maildir/file.h"
#include "store/maildir/layout.h"
#include "wal/format.h"

#define BYTES_MAX ((uint64_t) 256 << 20) /* far more than a store makes of it */

static int read_at(int fd, uint8_t *to, uint64_t size, uint64_t at, struct err *err)
{
	while (size) {
		ssize_t n = pread(fd, to, size, (off_t) at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_errno(err, errno, "read " SOURCE_AHEAD_FILE)
			             : err_set(err, POD_E_CORRUPT,
			                       SOURCE_AHEAD_FILE " of the source became shorter");
		to += n;
		at += (uint64_t) n;
		size -= (uint64_t) n;
	}
	return 0;
}

static int read_file(int dir, struct buf *out, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	int r = file_open_beneath(dir, SOURCE_AHEAD_FILE, 0, &fd, err);
	off_t size = r < 0 ? 0 : lseek(fd, 0, SEEK_END);
	uint8_t *to;

	if (r < 0 || size <= 0)
		return r == -POD_E_NOTFOUND ? 0 : r;
	if ((uint64_t) size > BYTES_MAX)
		return err_set(err, POD_E_LIMIT, SOURCE_AHEAD_FILE " of the source is too long");
	to = buf_reserve(out, (size_t) size);
	if (!to)
		return err_set(err, POD_E_NOMEM, SOURCE_AHEAD_FILE " of the source");
	r = read_at(fd, to, (uint64_t) size, 0, err);
	if (r == 0)
		out->len = (size_t) size;
	return r;
}

static int each_entry(const struct buf *file, struct span entries, source_delivery_fn *fn, void *arg)
{
	struct ahead_entry e;
	struct span bytes = SPAN_NONE;
	int r = 0;

	while (r == 0 && ahead_entry_next(&entries, &e) == 1) {
		struct source_delivery d = { .name = e.name };

		if (e.kind == AHEAD_FILE)
			bytes = e.bytes;
		if (e.kind == AHEAD_CHANGES || !bytes.p || staged_name_parse(e.name, &d.mailbox, &d.n) < 0 ||
		    d.n.size != bytes.len)
			continue;
		d.at = (uint64_t) (bytes.p - file->p);
		d.size = bytes.len;
		r = fn(arg, &d);
	}
	return r;
}

int source_ahead_each(int dir, source_delivery_fn *fn, void *arg, struct err *err)
{
	_cleanup_buf_ struct buf file = BUF_INIT;
	struct wal_place place;
	struct span rest, entries;
	int r = read_file(dir, &file, err);

	rest = buf_span(&file);
	for (bool first = true; r == 0 && wal_batch_next(&rest, first, &place, &entries); first = false)
		r = each_entry(&file, entries, fn, arg);
	return r;
}

int source_ahead_open(int dir, uint64_t at, uint64_t size, int *ret_fd, struct err *err)
{
	_cleanup_buf_ struct buf bytes = BUF_INIT;
	_cleanup_(closep) int file = -1, fd = -1;
	uint8_t *to = buf_reserve(&bytes, (size_t) size + 1);
	int r = to ? file_open_beneath(dir, SOURCE_AHEAD_FILE, 0, &file, err)
	           : err_set(err, POD_E_NOMEM, SOURCE_AHEAD_FILE " of the source");

	if (r == 0)
		r = read_at(file, to, size, at, err);
	if (r < 0)
		return r;
	fd = memfd_create("podmail-restore", MFD_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "a file in memory for a message");
	r = file_write_at(fd, span_make(to, (size_t) size), 0, err);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}
