/* A snapshot's content: from itself, from the next newer one that has the chunk, else from the image. */
#include "replicator/snapshot/snapshot_internal.h"

#include <errno.h>
#include <string.h>

#include <xxhash.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define ALIGN 4096u

static int chunk_fd(const struct snapshots *s, size_t i, uint64_t chunk)
{
	for (; i < s->n; i++)
		switch (snapshot_state(s->chain[i], chunk)) {
		case CHUNK_NONE: break;
		case CHUNK_COPIED: return s->chain[i]->data;
		case CHUNK_ZERO: return -1;
		}
	return s->o.image_fd;
}

struct source source_of(const struct snapshots *s, size_t i, uint64_t offset, size_t size)
{
	struct source found = { .fd = chunk_fd(s, i, offset / SNAPSHOT_CHUNK) };
	uint64_t end = offset;

	do
		end = (end / SNAPSHOT_CHUNK + 1) * SNAPSHOT_CHUNK;
	while (end < offset + size && chunk_fd(s, i, end / SNAPSHOT_CHUNK) == found.fd);
	found.size = end - offset < size ? (size_t) (end - offset) : size;
	return found;
}

/* Direct I/O wants aligned memory, which a reader need not have. */
static int read_bounced(int fd, uint8_t *bytes, size_t size, uint64_t offset)
{
	_Alignas(ALIGN) uint8_t bounce[SNAPSHOT_CHUNK];

	while (size) {
		size_t n = size < sizeof(bounce) ? size : sizeof(bounce);

		if (fd_read(fd, bounce, n, offset) < 0)
			return -1;
		memcpy(bytes, bounce, n);
		bytes += n;
		offset += n;
		size -= n;
	}
	return 0;
}

static int read_source(struct source from, uint8_t *bytes, uint64_t offset)
{
	if (from.fd < 0) {
		memset(bytes, 0, from.size);
		return 0;
	}
	if ((uintptr_t) bytes % ALIGN)
		return read_bounced(from.fd, bytes, from.size, offset);
	return fd_read(from.fd, bytes, from.size, offset);
}

/* The one that readers of a name began with: it may be deleted or gone meanwhile. Its name stays taken until
 * they end, so that they do not get the content of another. */
static struct snapshot *find_begun(const struct snapshots *s, const char *name)
{
	struct snapshot *sn = s->gone;

	while (sn && strcmp(sn->info.name, name) != 0)
		sn = sn->next;
	for (size_t i = 0; !sn && i < s->n; i++)
		if (strcmp(s->chain[i]->info.name, name) == 0)
			sn = s->chain[i];
	return sn;
}

int find_readable(const struct snapshots *s, const char *name, size_t *ret_i, struct err *err)
{
	size_t i = chain_find(s, name);

	if (i == s->n || find_begun(s, name) != s->chain[i])
		return err_set(err, POD_E_NOTFOUND, "no snapshot %s", name);
	*ret_i = i;
	return 0;
}

/* Under the lock. */
static int read_piece(struct snapshots *s, const char *name, uint64_t offset, uint8_t *bytes, size_t size,
                      struct err *err)
{
	size_t i = 0;
	int r = find_readable(s, name, &i, err);

	if (r < 0)
		return r;
	if (offset + size > s->chain[i]->info.size_bytes || offset + size < offset || offset % ALIGN ||
	    size % ALIGN)
		return err_set(err, POD_E_LIMIT, "snapshot %s: a read at %llu is not within it", name,
		               (unsigned long long) offset);
	while (size) {
		struct source from = source_of(s, i, offset, size);

		if (read_source(from, bytes, offset) < 0)
			return err_errno(err, errno, "snapshot %s: read", name);
		bytes += from.size;
		offset += from.size;
		size -= from.size;
	}
	return 0;
}

int snapshots_read(struct snapshots *s, const char *name, uint64_t offset, void *bytes, size_t size,
                   struct err *err)
{
	const size_t piece_max =
		(size_t) RUN_CHUNKS * SNAPSHOT_CHUNK; /* for so long a write may have to wait */
	uint8_t *p = bytes;
	int r = 0;

	while (r == 0 && size) {
		size_t n = size < piece_max ? size : piece_max;

		pthread_rwlock_rdlock(&s->lock);
		r = read_piece(s, name, offset, p, n, err);
		pthread_rwlock_unlock(&s->lock);
		p += n;
		offset += n;
		size -= n;
	}
	return r;
}

/* The first page of maps, at or behind page, in which chain[i] or a newer one has something. */
static uint64_t next_page(const struct snapshots *s, size_t i, uint64_t page)
{
	uint64_t first = UINT64_MAX;

	for (; i < s->n; i++) {
		const struct chunk_map *map = s->chain[i]->map;
		uint64_t next = map ? chunk_map_next_page(map, (size_t) page) : page;

		first = next < first ? next : first;
	}
	return first;
}

/* The first chunk, at or behind chunk, that is not found in the image; end: there is none. */
static uint64_t next_changed(const struct snapshots *s, size_t i, uint64_t chunk, uint64_t end)
{
	while (chunk < end && chunk_fd(s, i, chunk) == s->o.image_fd) {
		uint64_t page = chunk / CHUNK_MAP_PAGE_CHUNKS, next = next_page(s, i, page);

		chunk = next > page ? next * CHUNK_MAP_PAGE_CHUNKS : chunk + 1;
	}
	return chunk < end ? chunk : end;
}

int snapshots_changed_next(struct snapshots *s, const char *name, uint64_t offset, uint64_t *ret_offset,
                           uint64_t *ret_length, struct err *err)
{
	size_t i = 0;
	int r;

	pthread_rwlock_rdlock(&s->lock);
	r = find_readable(s, name, &i, err);
	if (r == 0) {
		uint64_t size = s->chain[i]->info.size_bytes,
			 chunks = (size + SNAPSHOT_CHUNK - 1) / SNAPSHOT_CHUNK;
		uint64_t from = next_changed(s, i, offset / SNAPSHOT_CHUNK, chunks), to = from;

		while (to < chunks && to - from < RUN_CHUNKS && chunk_fd(s, i, to) != s->o.image_fd)
			to++;
		*ret_offset = from * SNAPSHOT_CHUNK > offset ? from * SNAPSHOT_CHUNK : offset;
		*ret_length =
			to == from ? 0
				   : (to * SNAPSHOT_CHUNK < size ? to * SNAPSHOT_CHUNK : size) - *ret_offset;
	}
	pthread_rwlock_unlock(&s->lock);
	return r;
}

int snapshots_read_begin(struct snapshots *s, const char *name, struct err *err)
{
	size_t i = 0;
	int r;

	pthread_rwlock_wrlock(&s->lock);
	r = find_readable(s, name, &i, err);
	if (r == 0)
		s->chain[i]->readers++;
	pthread_rwlock_unlock(&s->lock);
	return r;
}

void snapshots_read_end(struct snapshots *s, const char *name)
{
	struct snapshot *sn, **link = &s->gone;

	pthread_rwlock_wrlock(&s->lock);
	sn = find_begun(s, name);
	if (sn && sn->readers)
		sn->readers--;
	while (*link && *link != sn)
		link = &(*link)->next;
	if (*link && sn->readers == 0) {
		*link = sn->next;
		snapshot_free(sn);
	}
	pthread_rwlock_unlock(&s->lock);
	gate_tell(s);
}

static bool is_unread(struct snapshots *s, const char *name)
{
	const struct snapshot *sn;
	bool unread;

	pthread_rwlock_rdlock(&s->lock);
	sn = find_begun(s, name);
	unread = !sn || sn->readers == 0;
	pthread_rwlock_unlock(&s->lock);
	return unread;
}

void snapshots_wait_unread(struct snapshots *s, const char *name, unsigned int timeout_ms)
{
	uint64_t until_ms = clock_mono_ms() + timeout_ms;
	const struct timespec until = { .tv_sec = (time_t) (until_ms / 1000),
		                        .tv_nsec = (long) (until_ms % 1000) * 1000000 };
	bool late = false;

	(void) pthread_mutex_lock(&s->gate);
	while (!is_unread(s, name) && !late)
		late = pthread_cond_timedwait(&s->gate_moved, &s->gate, &until) == ETIMEDOUT;
	(void) pthread_mutex_unlock(&s->gate);
}

static int hash_content(struct snapshots *s, const struct snapshot_info *info, XXH3_state_t *hash,
                        int (*progress)(void *arg, uint64_t done), void *arg, struct err *err)
{
	const size_t buffer_size = (size_t) RUN_CHUNKS * SNAPSHOT_CHUNK;
	_cleanup_(freep) uint8_t *buffer = aligned_alloc(ALIGN, buffer_size);
	int r = 0;

	if (!buffer)
		return err_set(err, POD_E_NOMEM, "checksum of snapshot %s", info->name);
	for (uint64_t done = 0; r == 0 && done < info->size_bytes;) {
		uint64_t left = info->size_bytes - done;
		size_t n = left < buffer_size ? (size_t) left : buffer_size;

		r = snapshots_read(s, info->name, done, buffer, n, err);
		if (r == 0)
			(void) XXH3_64bits_update(hash, buffer, n);
		done += n;
		if (r == 0 && progress && progress(arg, done))
			r = err_set(err, POD_E_CANCELLED, "checksum of snapshot %s", info->name);
	}
	return r;
}

int snapshots_checksum(struct snapshots *s, const char *name, int (*progress)(void *arg, uint64_t done),
                       void *arg, uint64_t *ret_hash, struct err *err)
{
	XXH3_state_t *hash;
	struct snapshot_info info;
	int r = snapshots_read_begin(s, name, err);

	if (r < 0)
		return r;
	hash = XXH3_createState();
	r = hash ? snapshots_find(s, name, &info, err)
	         : err_set(err, POD_E_NOMEM, "checksum of snapshot %s", name);
	if (r == 0) {
		(void) XXH3_64bits_reset(hash);
		r = hash_content(s, &info, hash, progress, arg, err);
	}
	if (r == 0)
		*ret_hash = XXH3_64bits_digest(hash);
	XXH3_freeState(hash);
	snapshots_read_end(s, name);
	return r;
}
