/*
 * The uids of large mailboxes as they were at a modseq. A SELECT of a mailbox nobody changed since the last one walks
 * nothing, one of a mailbox that changed only the changes (view_uids.c). Thread-safe.
 */
#ifndef POD_STORE_INDEX_UIDS_CACHE_H
#define POD_STORE_INDEX_UIDS_CACHE_H

#include <pthread.h>

#include "store/index/index.h"

#define UIDS_CACHE_ENTRIES 64
/* Smaller mailboxes are walked in less time than a lock may take. */
#define UIDS_CACHE_LEAST 2000
/* Mailboxes with more holes than that are not kept, so that the cache has a bound: 8 MiB in all. */
#define UIDS_CACHE_RANGES_MAX 16384

struct known_uids {
	uint64_t modseq;
	struct uid_ranges uids;
	uint32_t first_unseen; /* 0: none */
};

struct uids_entry {
	uint32_t mailbox; /* 0: free */
	uint64_t used;
	struct known_uids known; /* ranges by malloc */
};

struct uids_cache {
	pthread_mutex_t lock;
	uint64_t clock;
	struct uids_entry entries[UIDS_CACHE_ENTRIES];
};

void uids_cache_init(struct uids_cache *c);
void uids_cache_done(struct uids_cache *c);
/* 1: *known, as it was at its modseq or before, a copy in a; 0: nothing of that age; -POD_E_NOMEM. */
int uids_cache_get(struct uids_cache *c, uint32_t mailbox, struct arena *a, struct known_uids *known);
/* Keeps a copy in place of the one used longest ago; where memory is out it keeps nothing. */
void uids_cache_put(struct uids_cache *c, uint32_t mailbox, const struct known_uids *known);

#endif
