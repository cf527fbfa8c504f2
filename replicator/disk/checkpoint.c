#include "replicator/disk/disk_internal.h"

#include <errno.h>
#include <unistd.h>

/* ---- where the log may begin: a peer is sent it from there, so a record has to ---- */

/* Every second of them, where there are too many. */
static void thin_out(struct disk *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_places; i += 2)
		d->places[n++] = d->places[i];
	d->n_places = n;
}

/* A commit ends at lsn. Under lock. */
static void keep_place(struct disk *d, uint64_t lsn)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_places; i++)
		if (d->places[i] > d->tail && d->places[i] < lsn)
			d->places[n++] = d->places[i];
	d->n_places = n;
	if (n == TAIL_PLACES)
		thin_out(d);
	if (lsn > d->tail)
		d->places[d->n_places++] = lsn;
}

/* The last place up to limit; where that is no further than the tail and the log is filling up, the next one.
 */
static uint64_t choose_place(const struct disk *d, uint64_t limit)
{
	uint64_t place = d->tail;

	for (size_t i = 0; i < d->n_places && d->places[i] <= limit; i++)
		place = d->places[i];
	if (place <= d->tail && d->n_places > 0 && d->head.lsn - d->tail > d->log_bytes / 4 * 3)
		place = d->places[0];
	return place > d->tail ? place : d->tail;
}

/*
 * The log's tail moves no further than it has to: half of the ring stays behind as long as nobody wants its
 * place, so that a peer that was away for a while, known or not, can be sent what it missed. Peers that need
 * more than that keep it up to three quarters, then they are served from their bitmaps.
 */
static int choose_tail(struct disk *d, uint64_t applied, uint64_t *ret_tail, struct err *err)
{
	uint64_t head, forced;

	(void) pthread_mutex_lock(&d->lock);
	head = d->head.lsn;
	keep_place(d, applied);
	*ret_tail = choose_place(d, head > d->log_bytes / 2 ? head - d->log_bytes / 2 : 0);
	(void) pthread_mutex_unlock(&d->lock);
	forced = head > d->log_bytes / 4 * 3 ? io_floor(head - d->log_bytes / 4 * 3) : 0;
	return peers_release(d, forced < applied ? forced : applied, ret_tail, err);
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
	place_list_drop_before(&d->placed, at.lsn);
	(void) pthread_cond_broadcast(&d->moved);
	(void) pthread_mutex_unlock(&d->lock);
	disk_told(d);
	return 0;
}
