/*
 * What wrong passwords cost, per user and client address: a pause that doubles, and past a number of them no
 * look at all until it has been quiet. A user's own devices at other addresses notice nothing. Bounded; the
 * oldest of a set makes room. Thread-safe.
 */
#ifndef POD_STORE_AUTH_PENALTY_H
#define POD_STORE_AUTH_PENALTY_H

#include "base/span.h"

#define PENALTY_FIRST_MS 250
#define PENALTY_MAX_MS 8000
#define PENALTY_BLOCK_AFTER 10 /* wrong ones in a row: then nothing is checked until PENALTY_MAX_MS of quiet */
#define PENALTY_FORGET_MS (10 * 60 * 1000)

struct penalties;

struct penalties *penalties_create(void); /* NULL where memory is out */
struct penalties *penalties_free(struct penalties *p);

/* Whether an attempt now is to be refused unchecked. */
bool penalty_blocks(struct penalties *p, struct span user_id, struct span peer, uint64_t now_ms);
/* Counts a wrong password; returns the pause before the answer. */
unsigned int penalty_add(struct penalties *p, struct span user_id, struct span peer, uint64_t now_ms);
void penalty_clear(struct penalties *p, struct span user_id, struct span peer);

#endif
