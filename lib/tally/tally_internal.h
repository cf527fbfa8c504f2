/* What the files of lib/tally share. */
#ifndef POD_TALLY_INTERNAL_H
#define POD_TALLY_INTERNAL_H

#include "tally/tally.h"

enum tally_what { TALLY_FREE, TALLY_RATE, TALLY_FAILURES, TALLY_MARK, TALLY_LEVEL };

/* In the file: everything is what some process wrote, and is checked before it is believed. */
struct tally_entry {
	uint64_t key[2];
	uint32_t what;
	uint32_t unused;
	int64_t expires_ms; /* from then on it says nothing */
	union {
		struct {
			int64_t window;       /* number of the period */
			uint32_t now, before; /* taken in it, and in the one before */
		} rate;
		struct {
			int64_t next_ms; /* no try before */
			int64_t last_ms; /* when failures was right */
			double failures;
		} failures;
		struct {
			uint32_t n;
		} level;
	} u;
};

#define TALLY_WAYS 8

struct tally_bucket {
	struct tally_entry entries[TALLY_WAYS];
};

struct tally_head {
	uint8_t magic[8];
	uint64_t seed;
	uint64_t generations[TALLY_SLOTS]; /* of who counts levels in a slot now */
};

struct tally {
	int fd;
	struct tally_head *head;
	struct tally_bucket *buckets;
	unsigned int slot;
};

/*
 * The entry of a key, locked until tally_unlock; made, zeroed but for its key, where it is not there and
 * `make`. NULL: not there.
 */
struct tally_entry *tally_lock(struct tally *t, const struct tally_key *k, enum tally_what what, bool make,
                               int64_t now_ms);
void tally_unlock(struct tally *t, const struct tally_key *k);

#endif
