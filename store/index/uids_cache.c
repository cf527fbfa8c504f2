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
		free(c->entries[i].r);
	(void) pthread_mutex_destroy(&c->lock);
}

static struct uids_entry *find(struct uids_cache *c, uint32_t mailbox)
{
	for (size_t i = 0; i < UIDS_CACHE_ENTRIES; i++)
		if (c->entries[i].mailbox == mailbox)
			return &c->entries[i];
	return NULL;
}

int uids_cache_get(struct uids_cache *c, uint32_t mailbox, uint64_t modseq, struct arena *a, struct uid_ranges *ret,
                   uint32_t *ret_first_unseen)
{
	struct uids_entry *e;
	int r = 0;

	(void) pthread_mutex_lock(&c->lock);
	e = find(c, mailbox);
	if (e && e->modseq == modseq) {
		e->used = ++c->clock;
		*ret_first_unseen = e->first_unseen;
		r = ranges_copy(a, span_make(e->r, e->n * sizeof(*e->r)), e->n, ret);
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

void uids_cache_put(struct uids_cache *c, uint32_t mailbox, uint64_t modseq, const struct uid_ranges *uids,
                    uint32_t first_unseen)
{
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
	if (e->mailbox == mailbox && e->modseq >= modseq) {
		free(copy);
	} else {
		free(e->r);
		*e = (struct uids_entry){ mailbox, first_unseen, modseq, ++c->clock, copy, uids->n };
	}
	(void) pthread_mutex_unlock(&c->lock);
}
