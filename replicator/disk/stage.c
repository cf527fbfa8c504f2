#include "replicator/disk/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replicator/disk/io.h"

#define MAGIC "PLSTAGE1"

struct stage_header {
	char magic[8];
	uint64_t size;
	uint8_t replica_id[16];
	uint64_t stage_id;
	_Atomic uint64_t head;
};

static bool size_ok(uint64_t size)
{
	return size >= STAGE_BYTES_MIN && size <= STAGE_BYTES_MAX && (size & (size - 1)) == 0;
}

/* Each page is mapped for writing now, at both places: a first touch later costs a fault, or two, in the way
 * of a write. */
static void touch(const struct stage *s)
{
	for (size_t at = 0; at < 2 * s->size; at += IO_ALIGN) {
		volatile uint8_t *page = s->ring + at;

		*page = *page;
	}
}

/* The ring twice in a row, in a range that is reserved first. */
static int map_ring(struct stage *s, struct err *err)
{
	uint8_t *range = mmap(NULL, 2 * s->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (range == MAP_FAILED)
		return err_errno(err, errno, "stage: address space");
	s->ring = range;
	for (int i = 0; i < 2; i++)
		if (mmap(range + (size_t) i * s->size, s->size, PROT_READ | PROT_WRITE,
		         MAP_SHARED | MAP_FIXED, s->fd, IO_ALIGN) == MAP_FAILED)
			return err_errno(err, errno, "stage: map");
	/* Not to be swapped out: a wish, not a need. */
	s->locked = mlock(range, s->size) == 0;
	touch(s);
	return 0;
}

static int map(struct stage *s, struct err *err)
{
	void *header = mmap(NULL, IO_ALIGN, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);

	if (header == MAP_FAILED)
		return err_errno(err, errno, "stage: map");
	s->header = header;
	s->mask = s->size - 1;
	return map_ring(s, err);
}

/* All its pages are taken now: later there would be nobody to tell that tmpfs is full but a signal. */
static int make_empty(struct stage *s, uint64_t size, struct err *err)
{
	int r;

	if (ftruncate(s->fd, 0) < 0)
		return err_errno(err, errno, "stage: truncate");
	r = posix_fallocate(s->fd, 0, (off_t) (IO_ALIGN + size));
	if (r != 0)
		return err_errno(err, r, "stage: %llu bytes", (unsigned long long) size);
	s->size = size;
	return 0;
}

/* What is there already: *ret_whole, or something that may be overwritten, or an error. */
static int look(struct stage *s, const struct stage_identity *id, bool *ret_whole, struct err *err)
{
	struct stage_header h;
	struct stat st;
	int r;

	*ret_whole = false;
	if (fstat(s->fd, &st) < 0)
		return err_errno(err, errno, "stage");
	if (st.st_size < (off_t) IO_ALIGN)
		return 0;
	r = block_read(s->fd, &h, sizeof(h), 0);
	if (r < 0)
		return err_errno(err, -r, "stage: read");
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0)
		return 0;
	if (memcmp(h.replica_id, id->replica_id, sizeof(h.replica_id)) != 0)
		return err_set(err, POD_E_DENIED,
		               "stage: it is another replica's; give this one a path of its own, or remove "
		               "the file if "
		               "that replica is gone");
	if (id->stage_id == 0 || h.stage_id != id->stage_id || !size_ok(h.size) ||
	    (uint64_t) st.st_size != IO_ALIGN + h.size)
		return 0;
	s->size = h.size;
	*ret_whole = true;
	return 0;
}

int stage_open(struct stage *s, const char *path, uint64_t size_bytes, const struct stage_identity *id,
               bool *ret_whole, struct err *err)
{
	bool whole;
	int r;

	*s = (struct stage){ .fd = -1 };
	if (!size_ok(size_bytes))
		return err_set(err, POD_E_CONFIG, "stage: its size is a power of two from 8M to 4G, not %llu",
		               (unsigned long long) size_bytes);
	s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0)
		return err_errno(err, errno, "stage: %s", path);
	if (flock(s->fd, LOCK_EX | LOCK_NB) < 0) {
		r = errno == EWOULDBLOCK ? err_set(err, POD_E_BUSY, "stage: %s is in use", path)
		                         : err_errno(err, errno, "stage: lock %s", path);
		stage_close(s);
		return r;
	}
	r = look(s, id, &whole, err);
	if (r == 0 && !whole)
		r = make_empty(s, size_bytes, err);
	if (r == 0)
		r = map(s, err);
	if (r < 0) {
		stage_close(s);
		return r;
	}
	*ret_whole = whole;
	return 0;
}

void stage_close(struct stage *s)
{
	if (s->ring)
		(void) munmap(s->ring, 2 * s->size);
	if (s->header)
		(void) munmap(s->header, IO_ALIGN);
	if (s->fd >= 0)
		(void) close(s->fd);
	*s = (struct stage){ .fd = -1 };
}

void stage_begin(struct stage *s, const struct stage_identity *id, uint64_t head)
{
	struct stage_header *h = s->header;

	memcpy(h->replica_id, id->replica_id, sizeof(h->replica_id));
	h->size = s->size;
	h->stage_id = id->stage_id;
	atomic_store_explicit(&h->head, head, memory_order_release);
	memcpy(h->magic, MAGIC, sizeof(h->magic));
}

uint64_t stage_head(const struct stage *s)
{
	return atomic_load_explicit(&s->header->head, memory_order_acquire);
}

void stage_set_head(struct stage *s, uint64_t head)
{
	atomic_store_explicit(&s->header->head, head, memory_order_release);
}
