#include "replicator/attach/block_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PATH_SIZE 96

static const char *sys_path(const char *node, const char *file, char *path)
{
	const char *name = strrchr(node, '/');

	(void) snprintf(path, PATH_SIZE, "/sys/block/%s/%s", name ? name + 1 : node, file);
	return path;
}

/*
 * Documentation/block/stat.rst: reads, merges, sectors, ticks; the same of writes; in_flight, io_ticks,
 * time_in_queue; discards, merges, sectors, ticks; flushes, ticks.
 */
enum { READS = 0, WRITES = 4, IN_FLIGHT = 8, DISCARDS = 11, FLUSHES = 15, FIELDS = 17 };

int block_queue_read(const char *node, struct block_queue *ret)
{
	char path[PATH_SIZE], text[512], *at = text, *end;
	_cleanup_(closep) int fd = open(sys_path(node, "stat", path), O_RDONLY | O_CLOEXEC);
	uint64_t field[FIELDS] = { 0 };
	ssize_t n;

	*ret = (struct block_queue){ 0 };
	if (fd < 0)
		return -POD_E_IO;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -POD_E_IO;
	text[n] = '\0';
	for (size_t i = 0; i < FIELDS; i++, at = end) {
		field[i] = strtoull(at, &end, 10);
		if (end == at)
			break; /* an older kernel has fewer */
	}
	ret->completed = field[READS] + field[WRITES] + field[DISCARDS] + field[FLUSHES];
	ret->in_flight = field[IN_FLIGHT];
	return 0;
}

int block_queue_set_timeout(const char *node, unsigned int timeout_ms, struct err *err)
{
	char path[PATH_SIZE], text[16];
	_cleanup_(closep) int fd = open(sys_path(node, "queue/io_timeout", path), O_WRONLY | O_CLOEXEC);
	int n = snprintf(text, sizeof(text), "%u", timeout_ms);

	if (fd < 0 || write(fd, text, (size_t) n) != n)
		return err_errno(err, errno, "%s", path);
	return 0;
}
