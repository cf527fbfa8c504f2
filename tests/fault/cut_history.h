/*
 * What was written in front of a primary, and what of it a replica's content shows: each block carries the
 * number of the change that wrote it, so that a content is recognised as the state after some change, or as
 * none that ever was.
 */
#ifndef POD_TESTS_CUT_HISTORY_H
#define POD_TESTS_CUT_HISTORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CUT_BLOCK   4096u
#define CUT_BLOCKS  4096u /* of the volume: 16 MiB, with the smallest log there is */
#define CUT_CHANGES 20000u
#define CUT_PAYLOAD 65536u /* of a change: one record, so that an epoch never ends within */
#define CUT_LONG    262144u /* of a long one, which a primary may put straight into its image: one record, too \
	                     */

#define CUT_TAG_TORN (UINT64_C(1) << 63) /* and a hash: no change wrote that */

struct cut_change {
	uint64_t serial; /* 0: zeros */
	uint32_t block, blocks;
	bool trim;
};

/* Since the two replicas were the same last. In shared memory: the writer may die at any time. */
struct cut_history {
	uint64_t base[CUT_BLOCKS]; /* tags then */
	struct cut_change changes[CUT_CHANGES];
	_Atomic uint64_t begun, done;  /* changes */
	_Atomic uint64_t acknowledged; /* changes before the newest flush that returned */
};

/* A block's content after change `serial`, and back. Zeros: 0. */
void cut_block_fill(uint8_t bytes[CUT_BLOCK], uint64_t serial, uint32_t block);
uint64_t cut_block_tag(const uint8_t bytes[CUT_BLOCK], uint32_t block);

/* The next change, drawn from *seed; serials grow from *serial on. Not begun yet. NULL: the history is full.
 */
struct cut_change *cut_history_next(struct cut_history *h, uint64_t *seed, uint64_t serial);
/*
 * The largest number of changes after which the volume is what was found; -1: it never was. *ret_text says of
 * which block. Long changes behind those, and from torn_from on, may be there in part: their blocks may hold
 * anything that was ever written there, or a part of it, as a disk without power does not say what became of
 * a write that was not flushed. UINT64_MAX: none may.
 */
int64_t cut_history_find(const struct cut_history *h, const uint64_t found[CUT_BLOCKS], uint64_t torn_from,
                         char *ret_text, size_t size);
/* The two are the same again, as found. */
void cut_history_restart(struct cut_history *h, const uint64_t found[CUT_BLOCKS]);

uint64_t cut_below(uint64_t *seed, uint64_t limit);

#endif
