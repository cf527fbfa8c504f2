/*
 * Who sends, as far as is known by then, and his reputation in the memory. Thread-safe.
 */
#ifndef POD_FILTER_SENDER_H
#define POD_FILTER_SENDER_H

#include "mta/podfilter/filter.h"
#include "mta/podfilter/memory.h"
#include "mta/podfilter/reputation.h"

#define SENDER_KEYS_MAX 5

struct sender {
	enum reputation_kind kinds[SENDER_KEYS_MAX];
	struct key keys[SENDER_KEYS_MAX];
	size_t n;
};

/* The client's address and its network, and his name: what SPF and DKIM vouch for, without that what HELO
 * claims. */
void sender_of(const struct session *s, const struct authentication *auth, struct sender *ret_sender);
struct sender_reputation {
	struct reputation sum;
	double rating; /* reputation_rating */
};
struct sender_reputation sender_look_up(struct memory *m, const struct sender *who, int64_t now_s,
                                        double half_life_s);
/* Counts under all keys. 0, or why it was not counted (memory_change). */
int sender_note(struct memory *m, const struct sender *who, enum reputation_count what, double n,
                int64_t now_s, double half_life_s);

/* filter.reputation_half_life of the session's settings. */
double sender_half_life_s(const struct session *s);

/* Removes what has faded, visiting at most max entries from where it stopped the last time on (*from); once
 * per clock tick. */
int sender_prune(struct memory *m, struct key *from, size_t max, uint64_t entries_max, int64_t now_s,
                 double half_life_s, struct err *err);

#endif
