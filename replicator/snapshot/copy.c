/* Chunks are copied into a snapshot in runs; all runs of a change share one flush of the data and one of the
 * map. */
#include "replicator/snapshot/snapshot_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int fd_read(int fd, void *bytes, size_t size, uint64_t offset)
{
	uint8_t *p = bytes;

	while (size) {
		ssize_t n = pread(fd, p, size, (off_t) offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0) {
			memset(p, 0, size);
			return 0;
		}
		p += n;
		offset += (uint64_t) n;
		size -= (size_t) n;
	}
	return 0;
}

int fd_write(int fd, const void *bytes, size_t size, uint64_t offset)
{
	const uint8_t *p = bytes;

	while (size) {
		ssize_t n = pwrite(fd, p, size, (off_t) offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? EIO : errno;
			return -1;
		}
		p += n;
		offset += (uint64_t) n;
		size -= (size_t) n;
	}
	return 0;
}

int copy_reserve(struct snapshots *s, uint64_t chunks, struct err *err)
{
	struct chunk_map *larger = NULL;
	int r;

	if (s->pending && chunk_map_chunks(s->pending) >= chunks)
		return 0;
	r = chunk_map_create(chunks, &larger, err);
	if (r < 0)
		return r;
	chunk_map_free(s->pending); /* empty: nothing is pending between changes */
	s->pending = larger;
	return 0;
}

void copy_abandon(struct snapshots *s)
{
	size_t pages = chunk_map_pages(s->pending);

	for (size_t page = chunk_map_next_page(s->pending, 0); page < pages;
	     page = chunk_map_next_page(s->pending, page + 1))
		chunk_map_clear_page(s->pending, page);
}

static bool is_hole(int fd, uint64_t first, uint64_t n)
{
	off_t data = lseek(fd, (off_t) (first * SNAPSHOT_CHUNK), SEEK_DATA);

	if (data < 0)
		return errno == ENXIO; /* a hole up to the end; all else: it cannot tell */
	return (uint64_t) data >= (first + n) * SNAPSHOT_CHUNK;
}

static bool is_zero(const uint8_t *chunk)
{
	return chunk[0] == 0 && memcmp(chunk, chunk + 1, SNAPSHOT_CHUNK - 1) == 0;
}

/* Chunks [i, i + n) of the run, at their places. What is handed down is counted already. */
static int run_write(struct snapshots *s, struct snapshot *to, bool from_image, uint64_t first, uint64_t i,
                     uint64_t n, struct err *err)
{
	int r;

	if (n == 0)
		return 0;
	if (from_image &&
	    chain_cost(s) + (chunk_map_copied(s->pending) + n) * SNAPSHOT_CHUNK > s->o.reserve_bytes)
		return err_set(err, POD_E_NOSPACE, "snapshots: the reserve is used up");
	r = snapshot_step(s, DISK_STEP_COPY, err);
	if (r < 0)
		return r;
	if (fd_write(to->data, s->run + i * SNAPSHOT_CHUNK, n * SNAPSHOT_CHUNK,
	             (first + i) * SNAPSHOT_CHUNK) < 0)
		return err_errno(err, errno, "snapshots: copy to %s", to->info.name);
	for (uint64_t k = i; k < i + n; k++)
		chunk_map_set(s->pending, first + k, CHUNK_COPIED);
	return 0;
}

int copy_run(struct snapshots *s, struct snapshot *to, int from_fd, uint64_t first, uint64_t n,
             struct err *err)
{
	bool from_image = from_fd == s->o.image_fd;
	uint64_t from = 0; /* chunks of the run before are dealt with */
	int r = 0;

	if (is_hole(from_fd, first, n))
		memset(s->run, 0, n * SNAPSHOT_CHUNK);
	else if (fd_read(from_fd, s->run, n * SNAPSHOT_CHUNK, first * SNAPSHOT_CHUNK) < 0)
		return err_errno(err, errno, "snapshots: read what %s needs", to->info.name);
	for (uint64_t i = 0; r == 0 && i < n; i++) {
		if (!is_zero(s->run + i * SNAPSHOT_CHUNK))
			continue;
		r = run_write(s, to, from_image, first, from, i - from, err);
		if (r == 0)
			chunk_map_set(s->pending, first + i, CHUNK_ZERO);
		from = i + 1;
	}
	return r < 0 ? r : run_write(s, to, from_image, first, from, n - from, err);
}

static int map_write(struct snapshots *s, struct snapshot *to, struct err *err)
{
	size_t pages = chunk_map_pages(to->map);

	for (size_t page = chunk_map_next_page(s->pending, 0); page < pages;
	     page = chunk_map_next_page(s->pending, page + 1)) {
		uint64_t offset;
		int r = snapshot_step(s, DISK_STEP_COPY, err);

		if (r < 0)
			return r;
		chunk_map_encode(to->map, s->pending, page, s->run, &offset);
		if (fd_write(to->map_fd, s->run, CHUNK_MAP_PAGE, offset) < 0)
			return err_errno(err, errno, "snapshots: write the map of %s", to->info.name);
	}
	return snapshot_flush(s, to->map_fd, DISK_STEP_COPY_FLUSH, "a map", err);
}

static void publish(struct snapshots *s, struct snapshot *to)
{
	size_t pages = chunk_map_pages(to->map);

	pthread_rwlock_wrlock(&s->lock);
	for (size_t page = chunk_map_next_page(s->pending, 0); page < pages;
	     page = chunk_map_next_page(s->pending, page + 1)) {
		chunk_map_merge(to->map, s->pending, page);
		chunk_map_clear_page(s->pending, page);
	}
	pthread_rwlock_unlock(&s->lock);
}

int copy_finish(struct snapshots *s, struct snapshot *to, struct err *err)
{
	int r = 0;

	if (chunk_map_next_page(s->pending, 0) == chunk_map_pages(s->pending))
		return 0;
	if (chunk_map_copied(s->pending))
		r = snapshot_flush(s, to->data, DISK_STEP_COPY_FLUSH, "copies", err);
	if (r == 0)
		r = map_write(s, to, err);
	if (r == 0)
		publish(s, to);
	return r;
}
