/*
 * A hash table of what embeds an entry: it owns nothing, finds by hash and the caller's comparison, and grows
 * by doubling. Not thread-safe.
 */
#ifndef POD_MTA_QUEUE_TABLE_H
#define POD_MTA_QUEUE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct table_entry {
	struct table_entry *next;
	uint64_t hash;
};

struct table {
	struct table_entry **buckets;
	size_t n, cap; /* cap: a power of two, or 0 */
};

typedef bool table_eq_fn(const struct table_entry *e, const void *key);

/* The first entry of that hash that eq() likes; NULL: none. */
struct table_entry *table_find(const struct table *t, uint64_t hash, table_eq_fn *eq, const void *key);
/* -POD_E_NOMEM. Equal entries may be in it side by side. */
int table_add(struct table *t, struct table_entry *e, uint64_t hash);
/* e is in it. */
void table_remove(struct table *t, struct table_entry *e);
/* Calls fn for each; fn may remove (and free) the entry it is given, and no other. */
void table_each(const struct table *t, void (*fn)(void *arg, struct table_entry *e), void *arg);
/* Buckets are there: table_add cannot fail from now on. -POD_E_NOMEM. */
int table_reserve(struct table *t);
/* Forgets the entries, which are the caller's, and keeps the buckets. */
void table_clear(struct table *t);
/* Frees the buckets; the entries are the caller's. */
void table_done(struct table *t);

/* Letters of ASCII without regard to case. Seeded once per process, so that no peer can choose what collides.
 */
uint64_t table_hash(struct span s);

#endif
