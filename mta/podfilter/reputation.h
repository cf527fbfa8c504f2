/*
 * Reputation: how much good and bad came from somebody, each halved in every half-life. Pure arithmetic on
 * records, and how they lie in the memory. Thread-safe.
 */
#ifndef POD_FILTER_REPUTATION_H
#define POD_FILTER_REPUTATION_H

#include "kv/kv.h"
#include "net/listener.h"

enum reputation_count {
	REPUTATION_GOOD,    /* messages that were, or that users took out of Junk */
	REPUTATION_SPAM,    /* messages that were, or that users moved into Junk */
	REPUTATION_UNKNOWN, /* recipients that there are not */
	REPUTATION_ERROR,   /* commands refused for other reasons */
	REPUTATION_COUNTS
};

struct reputation {
	double counts[REPUTATION_COUNTS];
	int64_t at_s; /* when they were right, seconds since 1970; 0: there is no record */
};

/* Where a count belongs. Addresses are IPv4 /32 and /24 or IPv6 /64 and /48. */
enum reputation_kind {
	REPUTATION_ADDRESS = 'a',
	REPUTATION_NETWORK = 'n',
	REPUTATION_DOMAIN = 'd', /* one that SPF or DKIM vouches for */
	REPUTATION_HELO = 'h'    /* a name that anybody may claim */
};

/* Brings the counts to a later time. Time that runs backwards changes nothing. */
void reputation_decay(struct reputation *r, int64_t now_s, double half_life_s);
void reputation_add(struct reputation *r, enum reputation_count what, double n);
/* All there is, weighted as for the rating: how much the record knows. */
double reputation_evidence(const struct reputation *r);
/*
 * Several records of one sender as one: what is known of the exact address counts whole, of its network and
 * its name a part. Kinds and records go together, all at the same time.
 */
struct reputation reputation_combine(const enum reputation_kind *kinds, const struct reputation *records,
                                     size_t n);
/* From -1, nothing but bad, to 1, nothing but good; 0 where nothing is known, and near it where little is. */
double reputation_rating(const struct reputation *r);

/* The record as bytes, and back; 0 bytes or unknown ones make an empty record. REPUTATION_BYTES long. */
#define REPUTATION_BYTES 25
void reputation_pack(const struct reputation *r, uint8_t bytes[REPUTATION_BYTES]);
void reputation_unpack(struct span bytes, struct reputation *ret_reputation);

/* The key of an address or of its network; false where the address is neither IPv4 nor IPv6. */
bool reputation_address_key(enum reputation_kind kind, const struct net_addr *addr, struct key *ret_key);
/* Of a name, in lower case, without a dot at its end; false where it is empty or too long. */
bool reputation_name_key(enum reputation_kind kind, struct span name, struct key *ret_key);
/* "192.0.2.0/24", "2001:db8::/48", "example.org". buf holds 300. The kind, 0 where the key is none. */
enum reputation_kind reputation_key_text(struct span key, char *buf, size_t size);

#endif
