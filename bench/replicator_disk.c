/*
 * What a flush costs on a replica's disk, beside the same write on the file system below it, in turns on one
 * disk:
 *
 *   log      4 KiB random disk_write, disk_commit, disk_wait_durable
 *   direct   4 KiB random pwrite with O_DIRECT on a file that is allocated, fdatasync
 *   cached   the same through the page cache
 *
 * usage: replicator_disk FOLDER [ROUNDS [SECONDS]]     one line a round, then the medians and their ratios
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "replicator/core/record.h"
#include "replicator/disk/disk.h"

#define VOLUME     (UINT64_C(1) << 30)
#define ROUNDS_MAX 64
#define LATENCIES  200000

struct bench {
	struct disk *d;
	int direct_fd, cached_fd;
	uint8_t *block;
	uint64_t seed;
	uint32_t us[LATENCIES];
	size_t n;
};

typedef int write_fn(struct bench *b, uint64_t offset);

static void die(const char *what, const struct err *err)
{
	(void) fprintf(stderr, "replicator_disk: %s: %s\n", what, err ? err_text(err) : strerror(errno));
	exit(1);
}

static uint64_t random_offset(struct bench *b)
{
	b->seed ^= b->seed << 13;
	b->seed ^= b->seed >> 7;
	b->seed ^= b->seed << 17;
	return b->seed % (VOLUME / RECORD_BLOCK) * RECORD_BLOCK;
}

static int write_log(struct bench *b, uint64_t offset)
{
	struct err err = { 0 };
	uint64_t lsn;

	if (disk_write(b->d, offset, b->block, RECORD_BLOCK, &err) < 0 || disk_commit(b->d, &lsn, &err) < 0 ||
	    disk_wait_durable(b->d, lsn, &err) < 0)
		die("disk", &err);
	return 0;
}

static int write_file(struct bench *b, int fd, uint64_t offset)
{
	if (pwrite(fd, b->block, RECORD_BLOCK, (off_t) offset) != RECORD_BLOCK || fdatasync(fd) < 0)
		die("file", NULL);
	return 0;
}

static int write_direct(struct bench *b, uint64_t offset)
{
	return write_file(b, b->direct_fd, offset);
}

static int write_cached(struct bench *b, uint64_t offset)
{
	return write_file(b, b->cached_fd, offset);
}

static int by_size(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Writes a second; p50 and p99 in microseconds. */
static double run(struct bench *b, write_fn *fn, double seconds, uint32_t *ret_p50, uint32_t *ret_p99)
{
	uint64_t start = clock_mono_us(), now = start, end = start + (uint64_t) (seconds * 1e6);

	for (b->n = 0; now < end && b->n < LATENCIES; b->n++) {
		uint64_t before = now;

		memset(b->block, (int) b->n, 64);
		(void) fn(b, random_offset(b));
		now = clock_mono_us();
		b->us[b->n] = (uint32_t) (now - before);
	}
	qsort(b->us, b->n, sizeof(b->us[0]), by_size);
	*ret_p50 = b->us[b->n / 2];
	*ret_p99 = b->us[b->n * 99 / 100];
	return (double) b->n * 1e6 / (double) (now - start);
}

static int file(const char *folder, const char *name, int flags)
{
	char path[512];
	uint8_t *zeros = calloc(1, 1 << 20);
	int fd;

	(void) snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || !zeros)
		die(path, NULL);
	for (uint64_t at = 0; at < VOLUME; at += 1 << 20)
		if (pwrite(fd, zeros, 1 << 20, (off_t) at) != 1 << 20)
			die(path, NULL);
	if (fsync(fd) < 0)
		die(path, NULL);
	(void) close(fd);
	free(zeros);
	fd = open(path, O_RDWR | O_CLOEXEC | flags);
	if (fd < 0 || unlink(path) < 0)
		die(path, NULL);
	return fd;
}

static void open_disk(struct bench *b, const char *folder, char *replica, size_t size, char *stage,
                      size_t stage_size)
{
	struct disk_format format = { .size_bytes = VOLUME, .log_bytes = UINT64_C(256) << 20 };
	struct disk_options o = { .folder = replica, .stage_path = stage, .stage_bytes = UINT64_C(64) << 20 };
	struct err err = { 0 };

	(void) snprintf(replica, size, "%s/replica", folder);
	(void) snprintf(stage, stage_size, "/dev/shm/podmail-bench-stage-%d", (int) getpid());
	random_bytes(format.volume_id, sizeof(format.volume_id));
	if (disk_create(replica, &format, &err) < 0 || disk_open(&o, &b->d, &err) < 0)
		die("disk", &err);
}

static int by_double(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double median(double *v, int n)
{
	qsort(v, (size_t) n, sizeof(v[0]), by_double);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		write_fn *fn;
	} ways[] = { { "log", write_log }, { "direct", write_direct }, { "cached", write_cached } };
	static double rates[3][ROUNDS_MAX], ratios[3][ROUNDS_MAX];
	int rounds = argc > 2 ? atoi(argv[2]) : 5;
	double seconds = argc > 3 ? atof(argv[3]) : 2;
	char replica[512], stage[64];
	struct bench *b = calloc(1, sizeof(*b));

	if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX || !b) {
		(void) fprintf(stderr, "usage: replicator_disk FOLDER [ROUNDS [SECONDS]]\n");
		return 2;
	}
	b->seed = 88172645463325252u;
	b->block = aligned_alloc(RECORD_BLOCK, RECORD_BLOCK);
	b->direct_fd = file(argv[1], "direct", O_DIRECT);
	b->cached_fd = file(argv[1], "cached", 0);
	open_disk(b, argv[1], replica, sizeof(replica), stage, sizeof(stage));
	for (int i = 0; i < rounds; i++) {
		for (int w = 0; w < 3; w++) {
			uint32_t p50, p99;

			rates[w][i] = run(b, ways[w].fn, seconds, &p50, &p99);
			(void) printf("%s %.0f/s p50 %u us p99 %u us\n", ways[w].name, rates[w][i], p50, p99);
		}
		ratios[1][i] = rates[0][i] / rates[1][i];
		ratios[2][i] = rates[0][i] / rates[2][i];
	}
	for (int w = 0; w < 3; w++)
		(void) printf("median %s %.0f/s\n", ways[w].name, median(rates[w], rounds));
	(void) printf("log/direct %.2f\nlog/cached %.2f\n", median(ratios[1], rounds),
	              median(ratios[2], rounds));
	(void) disk_close(b->d);
	return 0;
}
