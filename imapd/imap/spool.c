#include "imapd/imap/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "storeproto/frame.h"

void imap_spool_done(struct imap_spool *sp)
{
	if (sp->map)
		(void) munmap(sp->map, sp->map_len);
	if (sp->fd >= 0)
		(void) close(sp->fd);
	buf_done(&sp->memory);
	*sp = IMAP_SPOOL_INIT;
}

static int write_all(int fd, struct span bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.p, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(NULL, errno, "temporary file");
		bytes = span_skip(bytes, (size_t) n);
	}
	return 0;
}

/* Moves what is in memory into a file that has no name and so leaves no trace after a crash. */
static int open_file(struct imap_spool *sp, const char *temp_dir)
{
	int r;

	sp->fd = open(temp_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (sp->fd < 0)
		return err_errno(NULL, errno, "temporary file");
	r = write_all(sp->fd, buf_span(&sp->memory));
	buf_done(&sp->memory);
	return r;
}

int imap_spool_add(struct imap_spool *sp, const char *temp_dir, struct span bytes)
{
	int r = 0;

	if (sp->fd < 0 && sp->memory.len + bytes.len > FRAME_BLOB_INLINE_MAX)
		r = open_file(sp, temp_dir);
	if (r == 0 && sp->fd >= 0) {
		r = write_all(sp->fd, bytes);
	} else if (r == 0) {
		buf_add(&sp->memory, bytes);
		r = sp->memory.failed ? -POD_E_NOMEM : 0;
	}
	if (r == 0)
		sp->size += bytes.len;
	return r;
}

void imap_spool_take_file(struct imap_spool *sp, int fd, uint64_t size)
{
	sp->fd = fd;
	sp->size = size;
}

int imap_spool_map(struct imap_spool *sp, struct span *ret_bytes)
{
	if (sp->fd < 0) {
		*ret_bytes = buf_span(&sp->memory);
		return 0;
	}
	if (!sp->map && sp->size > 0) {
		void *map = mmap(NULL, sp->size, PROT_READ, MAP_PRIVATE, sp->fd, 0);

		if (map == MAP_FAILED)
			return err_errno(NULL, errno, "mapping a message");
		sp->map = map;
		sp->map_len = sp->size;
	}
	*ret_bytes = span_make(sp->map, sp->map_len);
	return 0;
}

int imap_spool_read(const struct imap_spool *sp, struct arena *a, uint64_t off, uint64_t len,
                    struct span *ret_bytes)
{
	uint8_t *to;
	size_t done = 0;

	if (off > sp->size)
		off = sp->size;
	if (len > sp->size - off)
		len = sp->size - off;
	if (sp->fd < 0) {
		*ret_bytes = span_head(span_skip(buf_span(&sp->memory), off), len);
		return 0;
	}
	to = arena_alloc(a, len + 1);
	if (!to)
		return -POD_E_NOMEM;
	while (done < len) {
		ssize_t n = pread(sp->fd, to + done, len - done, (off_t) (off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_errno(NULL, errno, "reading a message") : -POD_E_CORRUPT;
		done += (size_t) n;
	}
	*ret_bytes = span_make(to, len);
	return 0;
}
