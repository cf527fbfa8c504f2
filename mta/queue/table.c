#include "mta/queue/table.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/fnv.h"
#include "base/id.h"

#define CAP_MIN 64

static struct table_entry **bucket_of(const struct table *t, uint64_t hash)
{
	return &t->buckets[hash & (t->cap - 1)];
}

struct table_entry *table_find(const struct table *t, uint64_t hash, table_eq_fn *eq, const void *key)
{
	struct table_entry *e = t->cap ? *bucket_of(t, hash) : NULL;

	while (e && !(e->hash == hash && eq(e, key)))
		e = e->next;
	return e;
}

static int grow(struct table *t)
{
	struct table old = *t;
	size_t cap = t->cap ? 2 * t->cap : CAP_MIN;
	struct table_entry **buckets = calloc(cap, sizeof(struct table_entry *));

	if (!buckets)
		return t->cap ? 0 : -POD_E_NOMEM; /* full chains are slow, not wrong */
	t->buckets = buckets;
	t->cap = cap;
	for (size_t i = 0; i < old.cap; i++)
		while (old.buckets[i]) {
			struct table_entry *e = old.buckets[i], **b = bucket_of(t, e->hash);

			old.buckets[i] = e->next;
			e->next = *b;
			*b = e;
		}
	free(old.buckets);
	return 0;
}

int table_reserve(struct table *t)
{
	return t->cap ? 0 : grow(t);
}

void table_clear(struct table *t)
{
	if (t->cap)
		memset(t->buckets, 0, t->cap * sizeof(struct table_entry *));
	t->n = 0;
}

int table_add(struct table *t, struct table_entry *e, uint64_t hash)
{
	struct table_entry **b;

	if (t->n >= t->cap && grow(t) < 0)
		return -POD_E_NOMEM;
	b = bucket_of(t, hash);
	e->hash = hash;
	e->next = *b;
	*b = e;
	t->n++;
	return 0;
}

void table_remove(struct table *t, struct table_entry *e)
{
	struct table_entry **at = bucket_of(t, e->hash);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	t->n--;
}

void table_each(const struct table *t, void (*fn)(void *arg, struct table_entry *e), void *arg)
{
	for (size_t i = 0; i < t->cap; i++)
		for (struct table_entry *e = t->buckets[i], *next; e; e = next) {
			next = e->next;
			fn(arg, e);
		}
}

void table_done(struct table *t)
{
	free(t->buckets);
	*t = (struct table){ 0 };
}

uint64_t table_hash(struct span s)
{
	static uint64_t seed;
	uint64_t h;

	if (!seed)
		random_bytes(&seed, sizeof(seed));
	h = seed;
	for (size_t i = 0; i < s.len; i++)
		h = fnv64_byte(h, ascii_lower(s.p[i]));
	return h ^ h >> 32;
}
