/*
 * What podfilter remembers from one message to the next: small values under keys, in LMDB behind a cache of
 * what was changed. A change is seen by everybody at once and on the disk after the next memory_flush, in one
 * commit with all others: what a crash takes is seconds of counters. Where the database is damaged a new one
 * is begun, since mail is to flow.
 *
 * Threads: all functions may be called by all threads at once, but memory_flush and memory_walk by one.
 */
#ifndef POD_FILTER_MEMORY_H
#define POD_FILTER_MEMORY_H

#include "base/err.h"
#include "base/span.h"
#include "kv/kv.h"

#define MEMORY_VALUE_MAX 64    /* bytes */
#define MEMORY_DIRTY_MAX 50000 /* changed entries that wait for a flush; more are not taken */

enum memory_table { MEMORY_REPUTATION, MEMORY_PEERS, MEMORY_GREYLIST, MEMORY_META, MEMORY_TABLES };

struct memory;

/* dir is made where it is missing. A damaged database is moved aside and *ret_renewed set (it may be NULL).
 */
int memory_open(const char *dir, struct memory **ret_memory, bool *ret_renewed, struct err *err);
/* Flushes. NULL is fine; returns NULL. */
struct memory *memory_close(struct memory *m);

/* The value's length, 0 where there is none; value holds MEMORY_VALUE_MAX. -POD_E_*: the database cannot be
 * read. */
int memory_get(struct memory *m, enum memory_table t, const struct key *key, uint8_t *value);

/* Makes the new value out of the old one (empty: none) in value; returns its length, 0 to delete the entry.
 */
typedef size_t memory_change_fn(void *arg, struct span old, uint8_t *value);
/*
 * Atomic: no other change of the entry comes between. -POD_E_LIMIT where too much waits for the disk, or what
 * the database said. fn runs under the memory's lock, so it is short and calls nothing here.
 */
int memory_change(struct memory *m, enum memory_table t, const struct key *key, memory_change_fn *fn,
                  void *arg);
int memory_put(struct memory *m, enum memory_table t, const struct key *key, struct span value);

/* Writes what has changed. After a failure (the disk is full) the changes still wait. */
int memory_flush(struct memory *m, struct err *err);

/*
 * Visits at most max entries that are on the disk, from the key at or after from on; returns how many were
 * seen, and leaves in *from the key to go on at, empty at the end of the table. visit may call memory_change
 * and returns false to stop.
 */
typedef bool memory_visit_fn(void *arg, struct span key, struct span value);
int memory_walk(struct memory *m, enum memory_table t, struct key *from, size_t max, memory_visit_fn *visit,
                void *arg, struct err *err);
/* Entries on the disk. */
uint64_t memory_count(struct memory *m, enum memory_table t);

#endif
