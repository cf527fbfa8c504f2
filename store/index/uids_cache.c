#include "store/index/uids_cache.h"

#include <stdlib.h>

#include "store/index/ranges.h"

void uids_cache_init(struct uids_cache *c)
{
	*c = (struct uids_cache){ .clock = 0 };
	(void) pthread_mutex_init(&c->lock, NULL);
}

void uids_cache_done(struct uids_cache *c)
{
	for (size_t i = 0; i < UIDS_CACHE_ENTRIES; i++)
		free(c->entries[i].known.uids.r);
	(void) pthread_mutex_destroy(&c->lock);
}

static struct uids_entry *find(struct uids_cache *c, uint32_t mailbox)
{
	for (size_t i = 0; i < UIDS_CACHE_ENTRIES; i++)
		if (c->entries[i].mailbox == mailbox)
			return &c->entries[i];
	return NULL;
}

int uids_cache_get(struct uids_cache *c, uint32_t mailbox, struct arena *a, struct known_uids *known)
{
	struct uids_entry *e;
	int r = 0;

	(void) pthread_mutex_lock(&c->lock);
	e = find(c, mailbox);
	if (e && e->known.modseq <= known->modseq) {
		e->used = ++c->clock;
		known->modseq = e->known.modseq;
		known->first_unseen = e->known.first_unseen;
		r = ranges_copy(a, ranges_bytes(&e->known.uids), e->known.uids.n, &known->uids);
		r = r < 0 ? r : 1;
	}
	(void) pthread_mutex_unlock(&c->lock);
	return r;
}

static struct uids_entry *oldest(struct uids_cache *c)
{
	struct uids_entry *e = &c->entries[0];

	for (size_t i = 1; i < UIDS_CACHE_ENTRIES; i++)
		if (c->entries[i].used < e->used)
			e = &c->entries[i];
	return e;
}

void uids_cache_put(struct uids_cache *c, uint32_t mailbox, const struct known_uids *known)
{
	const struct uid_ranges *uids = &known->uids;
	struct uid_range *copy;
	struct uids_entry *e;

	if (uids->n == 0 || uids->n > UIDS_CACHE_RANGES_MAX || ranges_count(uids) < UIDS_CACHE_LEAST)
		return;
	copy = reallocarray(NULL, uids->n, sizeof(*copy));
	if (!copy)
		return;
	memcpy(copy, uids->r, uids->n * sizeof(*copy));
	(void) pthread_mutex_lock(&c->lock);
	e = find(c, mailbox);
	if (!e)
		e = oldest(c);
	/* A slower reader of an older snapshot must not put the newer one away. */
	if (e->mailbox == mailbox && e->known.modseq >= known->modseq) {
		free(copy);
	} else {
		free(e->known.uids.r);
		*e = (struct uids_entry){ mailbox, ++c->clock, *known };
		e->known.uids.r = copy;
	}
	(void) pthread_mutex_unlock(&c->lock);
}
