#include "mta/spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define KEEP_MAX (64u << 10) /* memory that stays with an idle connection's next message */
#define WRITE_AT (128u << 10) /* bytes gathered before they are written to the file */

struct spool {
	size_t memory_max;
	const char *dir;
	struct buf memory; /* everything, or what is not yet in the file */
	int fd;
	uint64_t in_file;
	void *map;
	size_t map_len;
};

struct spool *spool_create(size_t memory_max, const char *dir)
{
	struct spool *sp = calloc(1, sizeof(*sp));

	if (!sp)
		return NULL;
	*sp = (struct spool){ .memory_max = memory_max, .dir = dir, .fd = -1 };
	return sp;
}

struct spool *spool_free(struct spool *sp)
{
	if (sp) {
		spool_reset(sp);
		buf_done(&sp->memory);
		free(sp);
	}
	return NULL;
}

void spool_reset(struct spool *sp)
{
	if (sp->map)
		(void) munmap(sp->map, sp->map_len);
	sp->map = NULL;
	closep(&sp->fd);
	sp->fd = -1;
	sp->in_file = 0;
	if (sp->memory.cap > KEEP_MAX)
		buf_done(&sp->memory);
	else
		buf_clear(&sp->memory);
}

uint64_t spool_size(const struct spool *sp)
{
	return sp->in_file + sp->memory.len;
}

static int write_all(int fd, struct span s, struct err *err)
{
	while (s.len) {
		ssize_t n = write(fd, s.p, s.len);

		if (n < 0 && errno != EINTR)
			return err_errno(err, errno, "writing a message's spool file");
		if (n > 0)
			s = span_skip(s, (size_t) n);
	}
	return 0;
}

static int flush(struct spool *sp, struct err *err)
{
	int r = write_all(sp->fd, buf_span(&sp->memory), err);

	if (r < 0)
		return r;
	sp->in_file += sp->memory.len;
	buf_clear(&sp->memory);
	return 0;
}

static int open_file(struct spool *sp, struct err *err)
{
	char path[4096];

	sp->fd = open(sp->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (sp->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR)
		return err_errno(err, errno, "a spool file in %s", sp->dir);
	/* A file system without unnamed files: one that loses its name at once. */
	if (snprintf(path, sizeof(path), "%s/spool-XXXXXX", sp->dir) >= (int) sizeof(path))
		return err_set(err, POD_E_LIMIT, "%s: path too long", sp->dir);
	sp->fd = mkostemp(path, O_CLOEXEC);
	if (sp->fd < 0 || unlink(path) < 0)
		return err_errno(err, errno, "a spool file %s", path);
	return 0;
}

int spool_add(struct spool *sp, struct span bytes, struct err *err)
{
	int r = 0;

	if (sp->fd < 0 && sp->memory.len + bytes.len > sp->memory_max)
		r = open_file(sp, err);
	if (r == 0) {
		buf_add(&sp->memory, bytes);
		if (sp->memory.failed)
			return err_set(err, POD_E_NOMEM, "no memory for a message");
	}
	if (r == 0 && sp->fd >= 0 && sp->memory.len >= WRITE_AT)
		r = flush(sp, err);
	return r;
}

int spool_bytes(struct spool *sp, struct span *ret_bytes, struct err *err)
{
	if (sp->fd < 0 || sp->in_file == 0) {
		*ret_bytes = buf_span(&sp->memory);
		return 0;
	}
	if (!sp->map) {
		int r = flush(sp, err);
		void *map;

		if (r < 0)
			return r;
		map = mmap(NULL, sp->in_file, PROT_READ, MAP_PRIVATE, sp->fd, 0);
		if (map == MAP_FAILED)
			return err_errno(err, errno, "mapping a spool file");
		sp->map = map;
		sp->map_len = sp->in_file;
	}
	*ret_bytes = span_make(sp->map, sp->map_len);
	return 0;
}

int spool_fd(struct spool *sp, int *ret_fd, struct err *err)
{
	int r = 0;

	if (sp->fd < 0) {
		/* Memory stays as it is: the file is a copy for others. */
		_cleanup_(closep) int fd = memfd_create("message", MFD_CLOEXEC);

		if (fd < 0)
			return err_errno(err, errno, "memory to pass a message on");
		r = write_all(fd, buf_span(&sp->memory), err);
		if (r == 0)
			sp->fd = take_fd(&fd);
	} else if (sp->memory.len && (sp->in_file || sp->memory.len > sp->memory_max)) {
		r = flush(sp, err);
	}
	if (r == 0)
		*ret_fd = sp->fd;
	return r;
}

static int read_file(int fd, uint64_t off, uint8_t *to, size_t len, struct err *err)
{
	while (len) {
		ssize_t n = pread(fd, to, len, (off_t) off);

		if (n < 0 && errno != EINTR)
			return err_errno(err, errno, "reading a message's spool file");
		if (n == 0)
			return err_set(err, POD_E_IO, "a message's spool file is shorter than it was");
		if (n > 0) {
			to += n;
			off += (uint64_t) n;
			len -= (size_t) n;
		}
	}
	return 0;
}

int spool_read(struct spool *sp, uint64_t off, uint8_t *to, size_t len, struct err *err)
{
	size_t of_file = off >= sp->in_file        ? 0
	                 : len < sp->in_file - off ? len
	                                           : (size_t) (sp->in_file - off);
	struct span rest = span_skip(buf_span(&sp->memory), (size_t) (off + of_file - sp->in_file));
	int r = of_file ? read_file(sp->fd, off, to, of_file, err) : 0;

	if (r < 0)
		return r;
	if (rest.len < len - of_file)
		return err_set(err, POD_E_INTERNAL, "bytes of a message that have not come yet");
	if (len > of_file)
		memcpy(to + of_file, rest.p, len - of_file);
	return 0;
}

/* What copy_file_range(2) cannot do between these files goes through here. */
static int copy_through_memory(int from, uint64_t *off, int to, uint64_t end, struct err *err)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r = 0;

	while (r == 0 && *off < end) {
		size_t n = end - *off < WRITE_AT ? (size_t) (end - *off) : WRITE_AT;
		uint8_t *at;

		buf_clear(&b);
		at = buf_reserve(&b, n);
		if (!at)
			return err_set(err, POD_E_NOMEM, "no memory to copy a message");
		r = read_file(from, *off, at, n, err);
		b.len = n;
		if (r == 0)
			r = write_all(to, buf_span(&b), err);
		*off += n;
	}
	return r;
}

static int copy_file(int from, uint64_t off, int to, uint64_t end, struct err *err)
{
	while (off < end) {
		off_t at = (off_t) off;
		ssize_t n = copy_file_range(from, &at, to, NULL, end - off, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOSPC)
			return err_errno(err, errno, "copying a message's spool file");
		if (n <= 0)
			return copy_through_memory(from, &off, to, end, err);
		off += (uint64_t) n;
	}
	return 0;
}

static int add_rest(struct spool *sp, const struct spool *from, uint64_t off, struct err *err)
{
	size_t in_memory = off > from->in_file ? (size_t) (off - from->in_file) : 0;
	int r = 0;

	if (off < from->in_file) {
		r = sp->fd < 0 ? open_file(sp, err) : 0;
		if (r == 0)
			r = flush(sp, err);
		if (r == 0)
			r = copy_file(from->fd, off, sp->fd, from->in_file, err);
		sp->in_file += from->in_file - off;
	}
	return r < 0 ? r : spool_add(sp, span_skip(buf_span(&from->memory), in_memory), err);
}

int spool_assemble(struct spool *sp, struct span head, const struct spool *from, uint64_t off,
                   struct err *err)
{
	struct spool made = { .memory_max = sp->memory_max, .dir = sp->dir, .fd = -1 };
	int r = spool_add(&made, head, err);

	if (r == 0)
		r = add_rest(&made, from, off, err);
	if (r < 0) {
		closep(&made.fd);
		buf_done(&made.memory);
		return r;
	}
	spool_reset(sp);
	buf_done(&sp->memory);
	*sp = made;
	return 0;
}
