/*
 * Claims on \Recent. A SELECT claims every uid up to uidnext; that must not cost a commit, so claims are kept here
 * and go into the index with the next commit that touches the mailbox. Thread-safe.
 */
#ifndef POD_STORE_INDEX_RECENT_H
#define POD_STORE_INDEX_RECENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recent_claim {
	uint32_t mailbox, from;
};

struct recent {
	pthread_mutex_t lock;
	struct recent_claim *slots; /* open addressing; mailbox 0: free */
	size_t n, cap; /* cap a power of two */
};

void recent_init(struct recent *r);
void recent_done(struct recent *r);
/* The first uid nobody has claimed: what was claimed here, or what the index says. */
uint32_t recent_from(struct recent *r, uint32_t mailbox, uint32_t indexed);
/*
 * Claims all uids below uidnext and returns the first of them that nobody had claimed; 0 where there is none. Of several
 * at a time one gets each. Where memory is out the claim is forgotten, which only shows \Recent once more.
 */
uint32_t recent_claim(struct recent *r, uint32_t mailbox, uint32_t indexed, uint32_t uidnext);
/* Calls fn for each claim (holding the lock). */
void recent_each(struct recent *r, void (*fn)(void *arg, const struct recent_claim *claim), void *arg);

#endif
