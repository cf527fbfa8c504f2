#include "replicator/disk/disk_internal.h"

#include <string.h>

/* disk_peer_...: what the link asks of and tells about one peer. Peers are few and set up seldom; the ways
 * that are taken often (needs_lsn moves on, runs of the bitmap) write nothing to the disk. */

static int unknown(const char *name, struct err *err)
{
	return err_set(err, POD_E_NOTFOUND, "no peer %s", name);
}

static int stale(const struct disk *d, struct err *err)
{
	return err_set(err, POD_E_STALE, "the log begins at LSN %llu", (unsigned long long) d->releasing);
}

/* Under lock: its place, a free one where it is new. NULL: none is free. */
static struct peer *place(struct disk *d, const char *name)
{
	struct peer *p = peers_find(d, name);

	for (size_t i = 0; !p && i < PEERS_MAX; i++)
		if (d->peers[i].name[0] == '\0')
			p = &d->peers[i];
	return p;
}

int disk_peer_set(struct disk *d, const char *peer, uint64_t needs_lsn, struct err *err)
{
	struct peer *p;
	bool save = false;
	int r = 0;

	if (peer[0] == '\0' || strlen(peer) >= PEER_NAME_SIZE)
		return err_set(err, POD_E_LIMIT, "a peer's name has 1 to %u bytes", PEER_NAME_SIZE - 1);
	(void) pthread_mutex_lock(&d->lock);
	p = place(d, peer);
	if (!p) {
		r = err_set(err, POD_E_LIMIT, "more than %d peers", PEERS_MAX);
	} else if (needs_lsn < d->releasing) {
		/* The tail of a broken disk never comes there: who tries again would do so for ever. */
		r = d->is_broken ? disk_broken_error(d, err) : stale(d, err);
	} else {
		bool ends = p->in_bitmap && bitmap_count(p->bitmap) == 0;

		save = p->name[0] == '\0' || p->needs_lsn == 0 || ends;
		if (p->name[0] == '\0')
			memcpy(p->name, peer, strlen(peer) + 1);
		p->needs_lsn = needs_lsn;
		if (ends) {
			p->in_bitmap = false;
			p->base_lsn = 0;
		}
	}
	(void) pthread_mutex_unlock(&d->lock);
	return save ? peers_save_now(d, err) : r;
}

void disk_peer_may_lag(struct disk *d, const char *peer, bool may)
{
	struct peer *p;

	(void) pthread_mutex_lock(&d->lock);
	p = peers_find(d, peer);
	if (p)
		p->may_lag = may;
	(void) pthread_mutex_unlock(&d->lock);
}

int disk_peer_get(struct disk *d, const char *peer, struct peer_record *ret, struct err *err)
{
	const struct peer *p;
	int r = 0;

	(void) pthread_mutex_lock(&d->lock);
	p = peers_find(d, peer);
	if (p) {
		*ret = (struct peer_record){ .needs_lsn = p->needs_lsn,
			                     .base_lsn = p->base_lsn,
			                     .in_bitmap = p->in_bitmap };
		memcpy(ret->name, p->name, PEER_NAME_SIZE);
	} else {
		r = unknown(peer, err);
	}
	(void) pthread_mutex_unlock(&d->lock);
	return r;
}

int disk_peer_to_bitmap(struct disk *d, const char *peer, uint64_t lsn, struct err *err)
{
	struct peer *p;
	int r = 0;

	(void) pthread_mutex_lock(&d->image_lock);
	(void) pthread_mutex_lock(&d->lock);
	p = peers_find(d, peer);
	if (!p)
		r = unknown(peer, err);
	else if (lsn < d->tail)
		r = stale(d, err);
	(void) pthread_mutex_unlock(&d->lock);
	if (r == 0)
		r = peers_to_bitmap(d, p, lsn, err);
	if (r == 0)
		r = peers_save_now(d, err);
	(void) pthread_mutex_unlock(&d->image_lock);
	return r;
}

int disk_peer_forget(struct disk *d, const char *peer, struct err *err)
{
	struct bitmap *old = NULL;
	struct peer *p;

	(void) pthread_mutex_lock(&d->image_lock);
	(void) pthread_mutex_lock(&d->lock);
	p = peers_find(d, peer);
	if (p) {
		old = p->bitmap;
		*p = (struct peer){ .name = "" };
	}
	(void) pthread_mutex_unlock(&d->lock);
	(void) bitmap_free(old);
	(void) pthread_mutex_unlock(&d->image_lock);
	return p ? peers_save_now(d, err) : 0;
}

/* ---- the bitmap ---- */

bool disk_peer_dirty_next(struct disk *d, const char *peer, uint64_t offset, uint64_t *ret_offset,
                          uint64_t *ret_length)
{
	struct peer *p;
	bool found;

	(void) pthread_mutex_lock(&d->lock);
	p = peers_find(d, peer);
	found = p && p->in_bitmap && bitmap_next(p->bitmap, offset, ret_offset, ret_length);
	(void) pthread_mutex_unlock(&d->lock);
	return found;
}

uint64_t disk_peer_dirty_bytes(struct disk *d, const char *peer)
{
	struct peer *p;
	uint64_t chunks;

	(void) pthread_mutex_lock(&d->lock);
	p = peers_find(d, peer);
	chunks = p && p->in_bitmap ? bitmap_count(p->bitmap) : 0;
	(void) pthread_mutex_unlock(&d->lock);
	return chunks * BITMAP_CHUNK;
}

/* Under lock: marks that are made just now may be newer than what the peer got. */
static bool may_clear(const struct peer *p)
{
	return p->needs_lsn != 0 && !p->marking;
}

int disk_peer_dirty_clear(struct disk *d, const char *peer, uint64_t offset, uint64_t length, struct err *err)
{
	bool first = false;
	struct peer *p;
	int r = 0;

	(void) pthread_mutex_lock(&d->lock);
	p = peers_find(d, peer);
	if (!p || !p->in_bitmap)
		r = p ? 0 : unknown(peer, err);
	else if (!may_clear(p))
		r = err_set(err, POD_E_STALE, "the log is no longer kept for %s", peer);
	else
		first = p->base_lsn != BASE_NONE;
	if (first)
		p->base_lsn = BASE_NONE;
	(void) pthread_mutex_unlock(&d->lock);
	/* Before a cleared bit can get to the disk, that says that the rest no longer counts for a peer
	 * elsewhere. */
	if (first)
		r = peers_save_now(d, err);
	if (r < 0)
		return r;
	(void) pthread_mutex_lock(&d->lock);
	p = peers_find(d, peer);
	if (p && p->in_bitmap && may_clear(p))
		bitmap_clear(p->bitmap, offset, length);
	else if (p && p->in_bitmap)
		r = err_set(err, POD_E_STALE, "the log is no longer kept for %s", peer);
	(void) pthread_mutex_unlock(&d->lock);
	return r;
}

/* length UINT64_MAX: the whole volume. */
static int dirty_set(struct disk *d, const char *peer, uint64_t offset, uint64_t length, struct err *err)
{
	bool all = length == UINT64_MAX;
	struct peer *p;
	int r;

	(void) pthread_mutex_lock(&d->image_lock);
	(void) pthread_mutex_lock(&d->lock);
	p = peers_find(d, peer);
	(void) pthread_mutex_unlock(&d->lock);
	r = p ? peers_begin_bitmap(d, p, err) : unknown(peer, err);
	if (r == 0) {
		(void) pthread_mutex_lock(&d->lock);
		if (all)
			bitmap_set_all(p->bitmap);
		else
			bitmap_set(p->bitmap, offset, length);
		if (all)
			p->base_lsn = 0;
		else if (!p->in_bitmap)
			p->base_lsn = p->needs_lsn;
		p->in_bitmap = true;
		(void) pthread_mutex_unlock(&d->lock);
		r = peers_save_now(d, err);
	}
	(void) pthread_mutex_unlock(&d->image_lock);
	return r;
}

int disk_peer_dirty_set(struct disk *d, const char *peer, uint64_t offset, uint64_t length, struct err *err)
{
	return dirty_set(d, peer, offset, length, err);
}

int disk_peer_dirty_all(struct disk *d, const char *peer, struct err *err)
{
	return dirty_set(d, peer, 0, UINT64_MAX, err);
}

int disk_peer_set_base(struct disk *d, const char *peer, uint64_t base_lsn, struct err *err)
{
	struct peer *p;

	(void) pthread_mutex_lock(&d->lock);
	p = peers_find(d, peer);
	if (p)
		p->base_lsn = base_lsn;
	(void) pthread_mutex_unlock(&d->lock);
	return p ? peers_save_now(d, err) : unknown(peer, err);
}
