#include "replicator/disk/queue.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "replicator/disk/io.h"

struct slot {
	int fd;
	const uint8_t *bytes;
	size_t size;
	uint64_t offset;
	struct slot *next_free;
};

struct io_queue {
	struct io_uring ring;
	bool has_ring;
	unsigned int depth, under_way;
	int failed;   /* -errno of the first */
	int fixed_fd; /* io_queue_fix; -1: none */
	const uint8_t *fixed;
	size_t fixed_size; /* 0: none */
	struct slot *free;
	struct slot slots[];
};

struct io_queue *io_queue_create(unsigned int depth)
{
	struct io_queue *q = calloc(1, sizeof(*q) + depth * sizeof(q->slots[0]));

	if (!q)
		return NULL;
	q->depth = depth;
	q->fixed_fd = -1;
	/* Containers and hardened kernels refuse io_uring: then writes go one by one. Who writes looks for
	 * what has ended by himself, so the kernel need not interrupt him for it; older ones do. */
	q->has_ring = io_uring_queue_init(depth, &q->ring, IORING_SETUP_COOP_TASKRUN) == 0 ||
	              io_uring_queue_init(depth, &q->ring, 0) == 0;
	for (unsigned int i = 0; i < depth; i++) {
		q->slots[i].next_free = q->free;
		q->free = &q->slots[i];
	}
	return q;
}

struct io_queue *io_queue_free(struct io_queue *q)
{
	/* A ring's end is the kernel's to come to, later: until then the file's disk could not be unmounted. */
	if (q && q->fixed_fd >= 0)
		(void) io_uring_unregister_files(&q->ring);
	if (q && q->has_ring)
		io_uring_queue_exit(&q->ring);
	free(q);
	return NULL;
}

void io_queue_fix(struct io_queue *q, int fd, void *memory, size_t size)
{
	struct iovec v = { .iov_base = memory, .iov_len = size };

	if (!q->has_ring)
		return;
	if (io_uring_register_files(&q->ring, &fd, 1) == 0)
		q->fixed_fd = fd;
	if (io_uring_register_buffers(&q->ring, &v, 1) != 0)
		return;
	q->fixed = memory;
	q->fixed_size = size;
}

static void finish_slot(struct io_queue *q, struct slot *s, int r)
{
	/* Short or interrupted: the rest, here and now. */
	if (r >= 0 && (size_t) r < s->size)
		r = block_write(s->fd, s->bytes + r, s->size - (size_t) r, s->offset + (size_t) r);
	else if (r == -EINTR || r == -EAGAIN)
		r = block_write(s->fd, s->bytes, s->size, s->offset);
	if (r < 0 && q->failed == 0)
		q->failed = r;
	s->next_free = q->free;
	q->free = s;
	q->under_way--;
}

/* Waits for so many to end, and takes all that have. */
static void reap(struct io_queue *q, unsigned int wait_for)
{
	struct io_uring_cqe *cqe;
	int r;

	do {
		r = io_uring_submit_and_wait(&q->ring, wait_for);
	} while (r == -EINTR || r == -EAGAIN || r == -EBUSY);
	while (io_uring_peek_cqe(&q->ring, &cqe) == 0) {
		struct slot *s = io_uring_cqe_get_data(cqe);

		r = cqe->res;
		io_uring_cqe_seen(&q->ring, cqe);
		finish_slot(q, s, r);
	}
}

static void prepare(struct io_queue *q, struct io_uring_sqe *sqe, struct slot *s)
{
	bool is_fixed = s->bytes >= q->fixed && s->bytes + s->size <= q->fixed + q->fixed_size;

	if (is_fixed)
		io_uring_prep_write_fixed(sqe, s->fd, s->bytes, (unsigned int) s->size, s->offset, 0);
	else
		io_uring_prep_write(sqe, s->fd, s->bytes, (unsigned int) s->size, s->offset);
	if (s->fd == q->fixed_fd) {
		sqe->fd = 0; /* its number among the fixed ones */
		io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	}
	io_uring_sqe_set_data(sqe, s);
}

int io_queue_write(struct io_queue *q, int fd, const void *bytes, size_t size, uint64_t offset)
{
	struct slot *s;

	if (!q->has_ring) {
		int r = block_write(fd, bytes, size, offset);

		if (r < 0 && q->failed == 0)
			q->failed = r;
		return q->failed;
	}
	/* Half of them at once: one after the other each would cost a system call, a wake-up and a kick of
	 * the disk. */
	while (!q->free)
		reap(q, (q->depth + 1) / 2);
	s = q->free;
	q->free = s->next_free;
	*s = (struct slot){ .fd = fd, .bytes = bytes, .size = size, .offset = offset };
	prepare(q, io_uring_get_sqe(&q->ring), s); /* as many as slots: there is one */
	q->under_way++;
	return q->failed;
}

int io_queue_finish(struct io_queue *q)
{
	int r;

	while (q->under_way > 0)
		reap(q, q->under_way);
	r = q->failed;
	q->failed = 0;
	return r;
}
