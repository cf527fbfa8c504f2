#include "store/index/recent.h"

#include <stdlib.h>

void recent_init(struct recent *r)
{
	*r = (struct recent){ 0 };
	(void) pthread_mutex_init(&r->lock, NULL);
}

void recent_done(struct recent *r)
{
	free(r->slots);
	(void) pthread_mutex_destroy(&r->lock);
}

/* The mailbox's slot, or the free one it would take. There is always a free one. */
static struct recent_claim *slot_of(const struct recent *r, uint32_t mailbox)
{
	size_t i = (mailbox * 2654435761u) & (r->cap - 1);

	while (r->slots[i].mailbox && r->slots[i].mailbox != mailbox)
		i = (i + 1) & (r->cap - 1);
	return &r->slots[i];
}

static bool grow(struct recent *r)
{
	struct recent old = *r;

	if (r->cap && r->n < r->cap / 2)
		return true;
	r->cap = old.cap ? 2 * old.cap : 64;
	r->slots = calloc(r->cap, sizeof(*r->slots));
	if (!r->slots) {
		r->slots = old.slots;
		r->cap = old.cap;
		return false;
	}
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].mailbox)
			*slot_of(r, old.slots[i].mailbox) = old.slots[i];
	free(old.slots);
	return true;
}

static uint32_t claimed(const struct recent *r, uint32_t mailbox, uint32_t indexed)
{
	const struct recent_claim *c = r->cap ? slot_of(r, mailbox) : NULL;

	return c && c->mailbox && c->from > indexed ? c->from : indexed;
}

uint32_t recent_from(struct recent *r, uint32_t mailbox, uint32_t indexed)
{
	uint32_t from;

	(void) pthread_mutex_lock(&r->lock);
	from = claimed(r, mailbox, indexed);
	(void) pthread_mutex_unlock(&r->lock);
	return from;
}

uint32_t recent_claim(struct recent *r, uint32_t mailbox, uint32_t indexed, uint32_t uidnext)
{
	uint32_t from;

	(void) pthread_mutex_lock(&r->lock);
	from = claimed(r, mailbox, indexed);
	if (from < uidnext && grow(r)) {
		struct recent_claim *c = slot_of(r, mailbox);

		if (!c->mailbox)
			r->n++;
		*c = (struct recent_claim){ mailbox, uidnext };
	}
	(void) pthread_mutex_unlock(&r->lock);
	return from < uidnext ? from : 0;
}

void recent_each(struct recent *r, void (*fn)(void *arg, const struct recent_claim *claim), void *arg)
{
	(void) pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->cap; i++)
		if (r->slots[i].mailbox)
			fn(arg, &r->slots[i]);
	(void) pthread_mutex_unlock(&r->lock);
}
