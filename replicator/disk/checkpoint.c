#include "replicator/disk/disk_internal.h"

#include <errno.h>
#include <unistd.h>

/*
 * The log's tail moves no further than it has to: half of the ring stays behind as long as nobody wants its
 * place, so that a peer that was away for a while, known or not, can be sent what it missed. Peers that need
 * more than that keep it up to three quarters, then they are served from their bitmaps.
 */
static int choose_tail(struct disk *d, uint64_t applied, uint64_t *ret_tail, struct err *err)
{
	uint64_t head, tail, wanted, forced;

	(void) pthread_mutex_lock(&d->lock);
	head = d->head.lsn;
	tail = d->tail;
	(void) pthread_mutex_unlock(&d->lock);
	wanted = head > d->log_bytes / 2 ? io_floor(head - d->log_bytes / 2) : 0;
	forced = head > d->log_bytes / 4 * 3 ? io_floor(head - d->log_bytes / 4 * 3) : 0;
	wanted = wanted < applied ? wanted : applied;
	forced = forced < applied ? forced : applied;
	*ret_tail = wanted > tail ? wanted : tail;
	return peers_release(d, forced, ret_tail, err);
}

static int save(struct disk *d, const struct position *at, uint64_t tail, struct err *err)
{
	struct superblock next;
	int r;

	(void) pthread_mutex_lock(&d->meta_lock);
	next = d->sb;
	next.tail_lsn = at->lsn;
	next.tail_epoch = at->epoch;
	next.tail_previous_crc = at->previous_crc;
	next.size_bytes = at->size_bytes;
	next.log_first_lsn = tail;
	r = peers_save(d, &next, err);
	(void) pthread_mutex_unlock(&d->meta_lock);
	return r;
}

static int flush_image(struct disk *d, struct err *err)
{
	struct err e = { 0 };
	int r = disk_step(d, DISK_STEP_APPLY_FLUSH);

	if (r == 0 && fdatasync(d->image_fd) < 0)
		r = -errno;
	return r < 0 ? disk_break(d, err_errno(&e, -r, "image: flush"), &e, err) : 0;
}

int checkpoint(struct disk *d, struct err *err)
{
	struct position at;
	uint64_t tail;
	int r;

	(void) pthread_mutex_lock(&d->lock);
	at = d->applied_commit;
	(void) pthread_mutex_unlock(&d->lock);
	r = flush_image(d, err);
	if (r == 0)
		r = choose_tail(d, at.lsn, &tail, err);
	if (r == 0)
		r = save(d, &at, tail, err);
	if (r < 0)
		return r;
	(void) pthread_mutex_lock(&d->lock);
	d->tail = tail;
	d->checkpointed = at.lsn;
	(void) pthread_cond_broadcast(&d->moved);
	(void) pthread_mutex_unlock(&d->lock);
	disk_told(d);
	return 0;
}
