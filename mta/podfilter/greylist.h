/*
 * Greylisting: who writes from a network to a recipient for the first time is told to come again, which mail
 * servers do and much of what sends spam does not. Pure; time is an argument, in seconds since 1970.
 */
#ifndef POD_FILTER_GREYLIST_H
#define POD_FILTER_GREYLIST_H

#include "base/span.h"
#include "kv/kv.h"

struct greylist_times {
	int64_t delay_s;    /* from the first try on he waits so long ... */
	int64_t window_s;   /* ... and comes again by then */
	int64_t lifetime_s; /* from his last message on he passes */
};

/* A record as bytes in the memory; 0 bytes: none. */
#define GREYLIST_BYTES 17

/*
 * A try: makes the new record out of the old one, which may be the same bytes. Returns how many seconds he
 * has to wait, 0 where he passes.
 */
int64_t greylist_try(struct span old, const struct greylist_times *t, int64_t now_s,
                     uint8_t bytes[GREYLIST_BYTES]);
/* Whether a record would make no difference any more. */
bool greylist_is_over(struct span record, const struct greylist_times *t, int64_t now_s);

/* network: the bytes of a reputation_address_key of the network. Addresses count without regard to case. */
void greylist_key(struct span network, struct span sender, struct span recipient, struct key *ret_key);

#endif
