/*
 * Counts that the processes of a host share: how much a user sent in an hour, how often a login failed, how
 * many connections a network has. They live in one file that is mapped by all and outlives them. Names are
 * not kept, only their hashes under a random seed of the file's.
 *
 * The table has a fixed size. Where a bucket is full, the count that matters least long makes room: somebody
 * who comes under very many names can make us forget, never make us grow. What a process was killed over is a
 * count that is off by one.
 *
 * Threads: one, per struct tally; processes lock a bucket against each other for as long as a few loads and
 * stores take. A struct tally may be opened before fork and used after it. A process opens the file once only: a record lock goes
 * with the first descriptor of it that is closed.
 */
#ifndef POD_TALLY_TALLY_H
#define POD_TALLY_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct tally;

#define TALLY_FILE "tally" /* its name in the pod's run folder */

/* Opens the file at path, makes it where it is missing. */
int tally_open(const char *path, struct tally **ret_tally, struct err *err);
/* NULL is fine; returns NULL. */
struct tally *tally_close(struct tally *t);

/* What is counted: a kind ("messages/hour") and whose. Made anew for each call; cheap. */
struct tally_key {
	uint64_t h[2];
};
struct tally_key tally_key(const struct tally *t, const char *kind, struct span whose);
/* The same for a pair, say a user and where from. */
struct tally_key tally_key2(const struct tally *t, const char *kind, struct span whose,
                            struct span and_whose);

/* ---- rates: at most limit in any period, as far as two counters can tell (a sliding window) ---- */

struct tally_rate {
	uint32_t limit;
	uint32_t period_s;
};

/* Takes n: 0, or -POD_E_LIMIT with the seconds until there is room in *ret_wait_s. Nothing is then taken. */
int tally_take(struct tally *t, const struct tally_key *k, struct tally_rate rate, uint32_t n, int64_t now_ms,
               uint32_t *ret_wait_s);
/* Gives back what was taken for nothing. */
void tally_give_back(struct tally *t, const struct tally_key *k, struct tally_rate rate, uint32_t n,
                     int64_t now_ms);

/* ---- failures: each makes the wait before the next try longer, twice as long each time ---- */

struct tally_patience {
	uint32_t free;                 /* that cost nothing */
	uint32_t first_ms, longest_ms; /* the wait after the next one, and the longest there is */
	uint32_t forget_ms;            /* half of them are forgotten in so long */
};

/*
 * May one try now? 0: yes, and nobody else for a while; -POD_E_BUSY: in *ret_wait_ms. Tries that go on at the
 * same time in any number of connections are thus as slow as one.
 */
int tally_try(struct tally *t, const struct tally_key *k, const struct tally_patience *p, int64_t now_ms,
              uint32_t *ret_wait_ms);
void tally_failed(struct tally *t, const struct tally_key *k, const struct tally_patience *p, int64_t now_ms);
/* Forgets all about it. */
void tally_clear(struct tally *t, const struct tally_key *k);

/* ---- marks: something was so, until then ---- */

void tally_mark(struct tally *t, const struct tally_key *k, int64_t until_ms);
bool tally_is_marked(struct tally *t, const struct tally_key *k, int64_t now_ms);

/* ---- levels: how many there are now, summed over processes ---- */

#define TALLY_SLOTS 256

/* A process that counts levels does so in a slot that is its own; what was counted in it by one that died is
 * gone. */
void tally_take_slot(struct tally *t, unsigned int slot);
/* Counts one more here where fewer than limit are there in all slots: 0, or -POD_E_LIMIT. */
int tally_enter(struct tally *t, const struct tally_key *k, uint32_t limit, int64_t now_ms);
void tally_leave(struct tally *t, const struct tally_key *k, int64_t now_ms);

#endif
