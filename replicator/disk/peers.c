#include "replicator/disk/disk_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/*
 * What is remembered of the peers: how far back the log is kept for each, and the bitmap of those that it was
 * not kept for. The log marks in three places: records that are appended while a peer lives from its bitmap
 * alone are marked at once, in memory (peers_mark); those that the log holds when it comes to that are walked
 * (mark_log); and after a crash recovery marks what it reads again, from the superblock's tail on. So bits on
 * the disk are saved before the tail moves, and not for each write.
 *
 * The bitmaps are in the file meta behind the superblocks, each with room for the largest volume (the file is
 * sparse).
 */
#define BITMAPS_AT  (UINT64_C(1) << 20)
#define BITMAP_AREA (RECORD_VOLUME_MAX / BITMAP_CHUNK / 8)

static uint64_t page_at(const struct disk *d, const struct peer *p, size_t page)
{
	return BITMAPS_AT + (uint64_t) (p - d->peers) * BITMAP_AREA + (uint64_t) page * BITMAP_PAGE;
}

struct peer *peers_find(struct disk *d, const char *name)
{
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (d->peers[i].name[0] != '\0' && strcmp(d->peers[i].name, name) == 0)
			return &d->peers[i];
	return NULL;
}

/* ---- to and from the disk ---- */

/* Under meta_lock. One changed page at a time is copied, so that the lock is not held over I/O. */
static int save_pages(struct disk *d, struct peer *p, bool *ret_any, struct err *err)
{
	for (;;) {
		size_t page;
		bool more;
		int r;

		(void) pthread_mutex_lock(&d->lock);
		more = p->bitmap && bitmap_take_dirty(p->bitmap, &page);
		if (more)
			memcpy(d->bitmap_block, bitmap_page(p->bitmap, page), BITMAP_PAGE);
		(void) pthread_mutex_unlock(&d->lock);
		if (!more)
			return 0;
		*ret_any = true;
		r = disk_step(d, DISK_STEP_BITMAP);
		if (r == 0)
			r = block_write(d->meta_fd, d->bitmap_block, BITMAP_PAGE, page_at(d, p, page));
		if (r < 0)
			return err_errno(err, -r, "bitmap: write");
	}
}

void peers_to_superblock(struct disk *d, struct superblock *s)
{
	(void) pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct peer_record *to = &s->peers[i];
		const struct peer *from = &d->peers[i];

		*to = (struct peer_record){ .needs_lsn = from->needs_lsn,
			                    .base_lsn = from->base_lsn,
			                    .in_bitmap = from->in_bitmap };
		memcpy(to->name, from->name, PEER_NAME_SIZE);
	}
	(void) pthread_mutex_unlock(&d->lock);
}

/* Under meta_lock: bitmaps first, so that the superblock never promises more than is marked. */
int peers_save(struct disk *d, const struct superblock *next, struct err *err)
{
	struct superblock s = *next;
	struct err e = { 0 };
	bool any = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < PEERS_MAX; i++)
		r = save_pages(d, &d->peers[i], &any, &e);
	if (r == 0 && any && fdatasync(d->meta_fd) < 0)
		r = err_errno(&e, errno, "bitmap: flush");
	if (r < 0)
		return disk_break(d, r, &e, err);
	peers_to_superblock(d, &s);
	return meta_save(d, &s, err);
}

int peers_save_now(struct disk *d, struct err *err)
{
	int r;

	(void) pthread_mutex_lock(&d->meta_lock);
	r = peers_save(d, &d->sb, err);
	(void) pthread_mutex_unlock(&d->meta_lock);
	return r;
}

static int load_one(struct disk *d, struct peer *p, const struct peer_record *from, struct err *err)
{
	int r;

	memcpy(p->name, from->name, PEER_NAME_SIZE);
	p->needs_lsn = from->needs_lsn;
	p->base_lsn = from->base_lsn;
	p->in_bitmap = from->in_bitmap;
	if (!p->in_bitmap)
		return 0;
	r = bitmap_create(d->sb.size_bytes, &p->bitmap, err);
	for (size_t page = 0; r == 0 && page < bitmap_pages(p->bitmap); page++) {
		r = block_read(d->meta_fd, d->bitmap_block, BITMAP_PAGE, page_at(d, p, page));
		if (r < 0)
			return err_errno(err, -r, "bitmap: read");
		bitmap_page_load(p->bitmap, page, d->bitmap_block);
	}
	return r;
}

int peers_load(struct disk *d, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < PEERS_MAX; i++)
		r = load_one(d, &d->peers[i], &d->sb.peers[i], err);
	return r;
}

int peers_recover(struct disk *d, uint64_t end, struct err *err)
{
	bool any = false;

	for (size_t i = 0; i < PEERS_MAX; i++)
		if (d->peers[i].needs_lsn > end) {
			d->peers[i].needs_lsn = end;
			any = true;
		}
	return any ? peers_save_now(d, err) : 0;
}

void peers_done(struct disk *d)
{
	for (size_t i = 0; i < PEERS_MAX; i++)
		d->peers[i].bitmap = bitmap_free(d->peers[i].bitmap);
}

/* ---- marking ---- */

void peers_mark(struct disk *d, const struct extent *e)
{
	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &d->peers[i];

		if (p->marking || (p->in_bitmap && p->needs_lsn == 0))
			bitmap_set(p->bitmap, e->offset, e->length);
	}
}

struct peer_mark {
	struct disk *d;
	struct peer *p;
};

static int mark_one(void *arg, uint64_t offset, uint64_t length, int kind)
{
	struct peer_mark *m = arg;

	(void) kind;
	(void) pthread_mutex_lock(&m->d->lock);
	bitmap_set(m->p->bitmap, offset, length);
	(void) pthread_mutex_unlock(&m->d->lock);
	return 0;
}

int peers_resize(struct disk *d, uint64_t size_bytes, struct err *err)
{
	int r = 0;

	(void) pthread_mutex_lock(&d->lock);
	for (size_t i = 0; r == 0 && i < PEERS_MAX; i++)
		if (d->peers[i].bitmap)
			r = bitmap_resize(d->peers[i].bitmap, size_bytes, err);
	(void) pthread_mutex_unlock(&d->lock);
	return r;
}

/* Under image_lock, so that the tail stays where it is. Marks from lsn on, and keeps marking; not yet
 * durably. */
static int mark_log(struct disk *d, struct peer *p, uint64_t lsn, struct err *err)
{
	uint64_t head;
	int r;

	(void) pthread_mutex_lock(&d->lock);
	p->marking = true;
	head = d->head.lsn;
	(void) pthread_mutex_unlock(&d->lock);
	r = log_walk(d, lsn, head, mark_one, &(struct peer_mark){ d, p }, err);
	(void) pthread_mutex_lock(&d->lock);
	p->marking = false;
	if (r == 0) {
		if (!p->in_bitmap)
			p->base_lsn = lsn;
		p->in_bitmap = true;
		p->needs_lsn = 0;
	}
	(void) pthread_mutex_unlock(&d->lock);
	return r;
}

int peers_begin_bitmap(struct disk *d, struct peer *p, struct err *err)
{
	struct bitmap *made = NULL;
	uint64_t size = disk_size(d);
	int r = p->bitmap ? 0 : bitmap_create(size, &made, err);

	if (r < 0)
		return r;
	(void) pthread_mutex_lock(&d->lock);
	if (!p->bitmap)
		p->bitmap = take_ptr(made);
	if (!p->in_bitmap) {
		/* Both, so that each page counts as changed: on the disk is what an earlier one left. */
		bitmap_set_all(p->bitmap);
		bitmap_clear_all(p->bitmap);
	}
	(void) pthread_mutex_unlock(&d->lock);
	return 0;
}

int peers_to_bitmap(struct disk *d, struct peer *p, uint64_t lsn, struct err *err)
{
	int r = peers_begin_bitmap(d, p, err);

	return r < 0 ? r : mark_log(d, p, lsn, err);
}

/* Those that need what is before forced. */
static int mark_forced(struct disk *d, uint64_t forced, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < PEERS_MAX; i++) {
		struct peer *p = &d->peers[i];
		uint64_t needs;

		(void) pthread_mutex_lock(&d->lock);
		needs = p->name[0] != '\0' ? p->needs_lsn : 0;
		(void) pthread_mutex_unlock(&d->lock);
		if (needs != 0 && needs < forced)
			r = peers_to_bitmap(d, p, needs, err);
	}
	return r;
}

int peers_release(struct disk *d, uint64_t forced, uint64_t *ret_tail, struct err *err)
{
	uint64_t tail = *ret_tail;
	int r = mark_forced(d, forced, err);

	if (r < 0)
		return r;
	/* Under one hold of the lock, in which it is also said: else a peer that begins to need the log just
	 * now is told that it has it, and it is let go of. */
	(void) pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < PEERS_MAX; i++) {
		const struct peer *p = &d->peers[i];

		if (p->name[0] != '\0' && p->needs_lsn != 0 && io_floor(p->needs_lsn) < tail)
			tail = io_floor(p->needs_lsn);
	}
	d->releasing = tail;
	(void) pthread_mutex_unlock(&d->lock);
	*ret_tail = tail;
	return 0;
}
