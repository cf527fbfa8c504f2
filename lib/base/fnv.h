/*
 * FNV-1a (draft-eastlake-fnv): for hash tables and for telling apart, never where somebody gains by a collision. Begins
 * with FNV32_START or FNV64_START, or with a seed of the table's own, and goes on from what was returned.
 */
#ifndef POD_BASE_FNV_H
#define POD_BASE_FNV_H

#include <stdint.h>

#include "base/span.h"

#define FNV32_START 2166136261u
#define FNV64_START 14695981039346656037ull
#define FNV64_PRIME 1099511628211ull

static inline uint32_t fnv32_byte(uint32_t h, uint8_t b)
{
	return (h ^ b) * 16777619u;
}

static inline uint32_t fnv32(uint32_t h, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		h = fnv32_byte(h, s.p[i]);
	return h;
}

static inline uint64_t fnv64_byte(uint64_t h, uint8_t b)
{
	return (h ^ b) * FNV64_PRIME;
}

static inline uint64_t fnv64(uint64_t h, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		h = fnv64_byte(h, s.p[i]);
	return h;
}

#endif
