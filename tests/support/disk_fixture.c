#include "tests/support/disk_fixture.h"

#include <assert.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replicator/core/record.h"

/* Not assert(): it must hold in every build. */
#define MUST(cond)                                                                        \
	do {                                                                              \
		if (!(cond)) {                                                            \
			(void) fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                          \
		}                                                                         \
	} while (0)

#define MUST_WORK(call)                                                                      \
	do {                                                                                 \
		struct err must_err = { 0 };                                                 \
		int must_r = call;                                                           \
		if (must_r < 0) {                                                            \
			(void) fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, \
			               err_text(&must_err));                                 \
			abort();                                                             \
		}                                                                            \
	} while (0)

static uint64_t next_random(uint64_t *seed)
{
	/* xorshift64*, so that a failure can be had again from its seed */
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * UINT64_C(2685821657736338717);
}

uint64_t disk_fixture_below(struct disk_fixture *f, uint64_t limit)
{
	return (next_random(&f->seed) >> 11) % limit;
}

static void to_primary(struct superblock *s, void *arg)
{
	s->role = *(enum replica_role *) arg;
}

void disk_fixture_set_role(struct disk *d, enum replica_role role)
{
	MUST_WORK(disk_superblock_change(d, to_primary, &role, &must_err));
}

void disk_fixture_make(struct disk_fixture *f)
{
	disk_fixture_make_in(f, "/var/tmp");
}

void disk_fixture_make_in(struct disk_fixture *f, const char *base)
{
	struct disk_format format = { .volume_id = { 1 },
		                      .size_bytes = DISK_FIXTURE_SIZE,
		                      .log_bytes = LOG_BYTES_MIN };
	static int n;

	memset(f, 0, sizeof(*f));
	(void) snprintf(f->folder, sizeof(f->folder), "%s/podmail-disk-XXXXXX", base);
	MUST(mkdtemp(f->folder));
	(void) snprintf(f->stage, sizeof(f->stage), "/dev/shm/podmail-stage-%d-%d", (int) getpid(), n++);
	f->size = format.size_bytes;
	f->model = calloc(1, f->size);
	f->seed = 88172645463325252u;
	MUST(f->model);
	MUST_WORK(disk_create(f->folder, &format, &must_err));
	f->o = (struct disk_options){ .folder = f->folder, .stage_path = f->stage, .stage_bytes = 8u << 20 };
	f->o.snapshot_reserve_bytes = 1u << 30;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void) st;
	(void) type;
	(void) ftw;
	return remove(path);
}

void disk_fixture_remove(struct disk_fixture *f)
{
	f->d = disk_close(f->d);
	(void) nftw(f->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	(void) unlink(f->stage);
	free(f->model);
	f->model = NULL;
}

void disk_fixture_open(struct disk_fixture *f)
{
	MUST_WORK(disk_open(&f->o, &f->d, &must_err));
}

void disk_fixture_close(struct disk_fixture *f)
{
	f->d = disk_close(f->d);
}

void disk_fixture_reopen(struct disk_fixture *f)
{
	disk_fixture_close(f);
	disk_fixture_open(f);
}

void disk_fixture_leave(struct disk_fixture *f)
{
	pid_t pid = fork();
	int status;

	MUST(pid >= 0);
	if (pid == 0) {
		disk_fixture_open(f);
		disk_fixture_set_role(f->d, ROLE_PRIMARY);
		disk_fixture_random(f, 1);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int disk_fixture_setup(void **state)
{
	struct disk_fixture *f = malloc(sizeof(*f));

	MUST(f);
	disk_fixture_make(f);
	disk_fixture_open(f);
	disk_fixture_set_role(f->d, ROLE_PRIMARY);
	*state = f;
	return 0;
}

int disk_fixture_teardown(void **state)
{
	disk_fixture_remove(*state);
	free(*state);
	return 0;
}

/* ---- load ---- */

struct load {
	struct disk_fixture *f;
	uint64_t seed, from, to; /* its part of the volume */
	int n;
	bool reads;
	uint8_t *buffer; /* BUFFER */
};

#define BUFFER (1u << 20)

static void fill(struct load *l, size_t size)
{
	uint64_t tag = next_random(&l->seed);

	for (size_t at = 0; at < size; at += 8, tag += 0x9e3779b97f4a7c15)
		memcpy(l->buffer + at, &tag, 8);
}

static void one_write(struct load *l, uint64_t offset, size_t size)
{
	fill(l, size);
	MUST_WORK(disk_write(l->f->d, offset, l->buffer, size, &must_err));
	memcpy(l->f->model + offset, l->buffer, size);
}

static void one_commit(struct load *l)
{
	uint64_t lsn;

	MUST_WORK(disk_commit(l->f->d, &lsn, &must_err));
	MUST_WORK(disk_wait_durable(l->f->d, lsn, &must_err));
}

static void one_read(struct load *l, uint64_t offset, size_t size)
{
	MUST_WORK(disk_read(l->f->d, offset, l->buffer, size, &must_err));
	MUST(memcmp(l->buffer, l->f->model + offset, size) == 0);
}

static void *run_load(void *arg)
{
	struct load *l = arg;

	for (int i = 0; i < l->n; i++) {
		uint64_t blocks = (l->to - l->from) / RECORD_BLOCK, r = next_random(&l->seed) >> 20;
		uint64_t first = (next_random(&l->seed) >> 11) % blocks, most = blocks - first;
		uint64_t count = 1 + (r % 16 == 0 ? (r >> 4) % (BUFFER / RECORD_BLOCK) : (r >> 4) % 8);
		uint64_t offset = l->from + first * RECORD_BLOCK,
			 size = (count < most ? count : most) * RECORD_BLOCK;
		unsigned int what = (unsigned int) (r >> 16) % 100;

		if (l->reads && what < 30) {
			one_read(l, offset, size);
		} else if (what < 80) {
			one_write(l, offset, size);
		} else if (what < 90) {
			MUST_WORK(disk_zero(l->f->d, offset, size, what < 85 ? DISK_TRIM : 0, &must_err));
			memset(l->f->model + offset, 0, size);
		} else {
			one_commit(l);
		}
	}
	return NULL;
}

void disk_fixture_random(struct disk_fixture *f, int n)
{
	struct load l = { .f = f, .seed = f->seed, .to = f->size, .n = n, .buffer = malloc(BUFFER) };

	MUST(l.buffer);
	(void) run_load(&l);
	f->seed = l.seed;
	free(l.buffer);
}

void disk_fixture_threads(struct disk_fixture *f, int threads, int n)
{
	struct load *l = calloc((size_t) threads, sizeof(*l));
	pthread_t *t = calloc((size_t) threads, sizeof(*t));
	uint64_t part = f->size / (uint64_t) threads / RECORD_BLOCK * RECORD_BLOCK;

	MUST(l && t);
	for (int i = 0; i < threads; i++) {
		l[i] = (struct load){ .f = f, .seed = f->seed + (uint64_t) i * 7919, .n = n, .reads = true };
		l[i].from = part * (uint64_t) i;
		l[i].to = l[i].from + part;
		l[i].buffer = malloc(BUFFER);
		MUST(l[i].buffer);
		MUST(pthread_create(&t[i], NULL, run_load, &l[i]) == 0);
	}
	for (int i = 0; i < threads; i++) {
		MUST(pthread_join(t[i], NULL) == 0);
		free(l[i].buffer);
	}
	free(l);
	free(t);
}

void disk_fixture_verify(struct disk_fixture *f)
{
	uint8_t *bytes = malloc(f->size);

	MUST(bytes);
	MUST_WORK(disk_read(f->d, 0, bytes, f->size, &must_err));
	for (uint64_t at = 0; at < f->size; at += RECORD_BLOCK)
		if (memcmp(bytes + at, f->model + at, RECORD_BLOCK) != 0) {
			(void) fprintf(stderr, "block at %llu is not as it was written\n",
			               (unsigned long long) at);
			abort();
		}
	free(bytes);
}

void disk_fixture_apply(struct disk_fixture *f)
{
	uint64_t lsn;

	MUST_WORK(disk_commit(f->d, &lsn, &must_err));
	MUST_WORK(disk_wait_durable(f->d, lsn, &must_err));
	MUST_WORK(disk_wait_applied(f->d, lsn, &must_err));
}

void disk_fixture_resized(struct disk_fixture *f, uint64_t size)
{
	f->model = realloc(f->model, size);
	MUST(f->model);
	memset(f->model + f->size, 0, size - f->size);
	f->size = size;
}
