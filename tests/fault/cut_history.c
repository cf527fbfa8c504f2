#include "tests/fault/cut_history.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

uint64_t cut_below(uint64_t *seed, uint64_t limit)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (*seed * UINT64_C(2685821657736338717) >> 11) % limit;
}

/* ---- blocks ---- */

static uint64_t word(uint64_t serial, uint32_t block, size_t i)
{
	uint64_t x = (serial * CUT_BLOCKS + block) * 512 + i;

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9); /* splitmix64 */
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

void cut_block_fill(uint8_t bytes[CUT_BLOCK], uint64_t serial, uint32_t block)
{
	uint64_t words[CUT_BLOCK / 8];

	words[0] = serial;
	for (size_t i = 1; i < CUT_BLOCK / 8; i++)
		words[i] = word(serial, block, i);
	memcpy(bytes, words, CUT_BLOCK);
}

uint64_t cut_block_tag(const uint8_t bytes[CUT_BLOCK], uint32_t block)
{
	uint8_t expected[CUT_BLOCK] = { 0 };
	uint64_t serial;

	memcpy(&serial, bytes, sizeof(serial));
	if (serial)
		cut_block_fill(expected, serial, block);
	return memcmp(bytes, expected, CUT_BLOCK) == 0 ? serial
	                                               : XXH3_64bits(bytes, CUT_BLOCK) | CUT_TAG_TORN;
}

/* ---- changes ---- */

/* A long one, beside the places that are written again and again: what waits there for the image keeps it
 * out. */
static void make_long(struct cut_change *c, uint64_t *seed)
{
	c->blocks = CUT_LONG / CUT_BLOCK;
	c->block = CUT_BLOCKS / 16 + (uint32_t) cut_below(seed, CUT_BLOCKS / 16 * 15 - c->blocks + 1);
}

struct cut_change *cut_history_next(struct cut_history *h, uint64_t *seed, uint64_t serial)
{
	uint64_t n = atomic_load(&h->begun);
	struct cut_change *c;
	uint32_t blocks = 1 + (uint32_t) cut_below(seed, cut_below(seed, 4) ? 3 : CUT_PAYLOAD / CUT_BLOCK);
	uint32_t places =
		cut_below(seed, 3) ? CUT_BLOCKS / 16 : CUT_BLOCKS; /* some are written again and again */

	if (n == CUT_CHANGES)
		return NULL;
	c = &h->changes[n];
	*c = (struct cut_change){ .serial = serial + n,
		                  .blocks = blocks,
		                  .block = (uint32_t) cut_below(seed, places - blocks + 1) };
	if (cut_below(seed, 10) == 0) {
		c->serial = 0;
		c->trim = cut_below(seed, 2);
	} else if (cut_below(seed, 8) == 0) {
		make_long(c, seed);
	}
	return c;
}

/* What is compared: the volume at a time in the history, and what was found. */
struct cut_look {
	const uint64_t *found;
	uint64_t now[CUT_BLOCKS];
	uint32_t torn[CUT_BLOCKS]; /* by how many changes behind that time */
	size_t wrong;
};

static bool is_wrong(const struct cut_look *l, uint32_t b)
{
	return l->torn[b] == 0 && l->now[b] != l->found[b];
}

static bool may_be_torn(const struct cut_change *c)
{
	return c->blocks == CUT_LONG / CUT_BLOCK;
}

/* At the beginning, with all that may be torn; false: one of those blocks holds what it never had. */
static bool look_begin(struct cut_look *l, const struct cut_history *h, const uint64_t *found,
                       uint64_t torn_from)
{
	uint64_t n = atomic_load(&h->begun);
	bool known[CUT_BLOCKS];

	*l = (struct cut_look){ .found = found };
	memcpy(l->now, h->base, sizeof(l->now));
	for (uint32_t b = 0; b < CUT_BLOCKS; b++)
		known[b] = found[b] & CUT_TAG_TORN || found[b] == h->base[b];
	for (uint64_t i = 0; i < n; i++)
		for (uint32_t b = h->changes[i].block; b < h->changes[i].block + h->changes[i].blocks; b++) {
			known[b] = known[b] || found[b] == h->changes[i].serial;
			l->torn[b] += i >= torn_from && may_be_torn(&h->changes[i]);
		}
	for (uint32_t b = 0; b < CUT_BLOCKS; b++) {
		if (l->torn[b] && !known[b])
			return false;
		l->wrong += is_wrong(l, b);
	}
	return true;
}

/* Past a change, which is there now, and whole. */
static void look_pass(struct cut_look *l, const struct cut_change *c, bool torn)
{
	for (uint32_t b = c->block; b < c->block + c->blocks; b++) {
		l->wrong -= is_wrong(l, b);
		l->now[b] = c->serial;
		l->torn[b] -= torn;
		l->wrong += is_wrong(l, b);
	}
}

int64_t cut_history_find(const struct cut_history *h, const uint64_t found[CUT_BLOCKS], uint64_t torn_from,
                         char *ret_text, size_t size)
{
	static _Thread_local struct cut_look l;
	uint64_t n = atomic_load(&h->begun), best_at = 0;
	size_t best = SIZE_MAX;
	int64_t last = -1;

	if (!look_begin(&l, h, found, torn_from)) {
		(void) snprintf(ret_text, size,
		                "a block that may be torn holds what was never written there");
		return -1;
	}
	for (uint64_t i = 0;; i++) {
		const struct cut_change *c = &h->changes[i];

		if (l.wrong == 0)
			last = (int64_t) i;
		if (l.wrong < best) {
			best = l.wrong;
			best_at = i;
		}
		if (i == n)
			break;
		look_pass(&l, c, i >= torn_from && may_be_torn(c));
	}
	(void) snprintf(ret_text, size,
	                "nearest to the state after change %llu of %llu, with %zu blocks that differ",
	                (unsigned long long) best_at, (unsigned long long) n, best);
	return last;
}

void cut_history_restart(struct cut_history *h, const uint64_t found[CUT_BLOCKS])
{
	memcpy(h->base, found, sizeof(h->base));
	atomic_store(&h->begun, 0);
	atomic_store(&h->done, 0);
	atomic_store(&h->acknowledged, 0);
}
