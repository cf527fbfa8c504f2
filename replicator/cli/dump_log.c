#include "replicator/cli/dump_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PATH_SIZE 4096

static int open_file(const char *folder, const char *name, struct err *err)
{
	char path[PATH_SIZE];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int) sizeof(path))
		return err_set(err, POD_E_LIMIT, "%s: the path is too long", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_errno(err, errno, "%s", path) : fd;
}

static int read_all(int fd, uint64_t offset, void *bytes, size_t size, struct err *err)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pread(fd, (char *) bytes + done, size - done, (off_t) (offset + done));

		if (n < 0 && errno != EINTR)
			return err_errno(err, errno, "read");
		if (n == 0)
			return err_set(err, POD_E_CORRUPT, "the file ends too early");
		done += n > 0 ? (size_t) n : 0;
	}
	return 0;
}

int dump_superblock(const char *folder, struct superblock *ret, int *ret_slot, struct err *err)
{
	uint8_t slots[2][SUPERBLOCK_SIZE];
	_cleanup_(closep) int fd = open_file(folder, "meta", err);
	int r = fd < 0 ? fd : read_all(fd, 0, slots, sizeof(slots), err);

	if (r == 0)
		r = superblock_choose(slots[0], slots[1], ret, ret_slot, err);
	return r < 0 && fd >= 0 ? err_wrap(err, r, "%s/meta", folder) : r;
}

int dump_log_open(const char *folder, const struct superblock *s, struct dump_log *l, struct err *err)
{
	l->fd = open_file(folder, "log", err);
	if (l->fd < 0)
		return l->fd;
	l->ring_bytes = s->log_bytes;
	l->volume_size = s->size_bytes;
	l->lsn = s->tail_lsn;
	l->previous_crc = s->tail_previous_crc;
	return 0;
}

void dump_log_close(struct dump_log *l)
{
	closep(&l->fd);
}

/* Bytes of the ring from lsn on; they may go on at its start. */
static int read_ring(const struct dump_log *l, uint64_t lsn, void *bytes, size_t size, struct err *err)
{
	uint64_t at = lsn % l->ring_bytes;
	size_t first = size < l->ring_bytes - at ? size : (size_t) (l->ring_bytes - at);
	int r = read_all(l->fd, at, bytes, first, err);

	return r == 0 && first < size ? read_all(l->fd, 0, (char *) bytes + first, size - first, err) : r;
}

int dump_log_next(struct dump_log *l, struct record *ret, struct err *err)
{
	uint8_t header[RECORD_NOTE_SIZE];
	struct record record;
	int r = read_ring(l, l->lsn, header, sizeof(header), err);

	if (r == 0)
		r = record_decode(header, l->lsn, l->previous_crc, l->volume_size, &record, err);
	if (r < 0)
		return r;
	l->placed = record_is_noted(&record, header);
	if (record.payload_size && !l->placed)
		r = read_ring(l, record_data(&record), l->payload, record.payload_size, err);
	if (r < 0)
		return r;
	if (record.payload_size && !l->placed &&
	    record_hash(l->payload, record.payload_size) != record.payload_hash)
		return err_set(err, POD_E_NOTFOUND, "the record at %llu is torn",
		               (unsigned long long) l->lsn);
	l->lsn = record_next(&record);
	l->previous_crc = record.crc;
	if (record.type == RECORD_RESIZE)
		l->volume_size = record.offset;
	*ret = record;
	return 0;
}
