/*
 * Which chunks of the image a snapshot holds itself: two bits a chunk, and how they look in its .map file.
 * Pure.
 *
 * The file is a sequence of page pairs. A page has CHUNK_MAP_PAGE bytes, little-endian:
 *
 *   0 u32 magic "PLSM"   4 u32 page   8 u64 sequence   16 u64 hash (XXH3-64 of the page without these 8
 * bytes)   24 u64 owner: the snapshot's serial, 0 in older files   32 4064 bytes of states, chunk n of the page in bits 2(n%4).. of byte n/4
 *
 * A page is written to the two places of its pair in turn, by its sequence: a torn write costs the newest
 * state only, and that is one nobody has built upon yet. A pair of zeros (a hole) is a page of nothing.
 */
#ifndef REPLICATOR_SNAPSHOT_CHUNK_MAP_H
#define REPLICATOR_SNAPSHOT_CHUNK_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CHUNK_MAP_PAGE        4096u
#define CHUNK_MAP_HEADER      32u
#define CHUNK_MAP_PAGE_CHUNKS ((uint64_t) (CHUNK_MAP_PAGE - CHUNK_MAP_HEADER) * 4) /* 1016 MiB of volume */

enum chunk_state {
	CHUNK_NONE,   /* look in the next newer snapshot, then in the image */
	CHUNK_COPIED, /* in the .data file */
	CHUNK_ZERO,   /* nothing but zeros */
};

struct chunk_map;

int chunk_map_create(uint64_t chunks, struct chunk_map **ret_map, struct err *err);
struct chunk_map *chunk_map_free(struct chunk_map *m);
uint64_t chunk_map_chunks(const struct chunk_map *m);
size_t chunk_map_pages(const struct chunk_map *m);
/* Whose it is: stands in every page that is written, and is taken from the first that is read where it is not known (0). */
void chunk_map_own(struct chunk_map *m, uint64_t owner);
uint64_t chunk_map_owner(const struct chunk_map *m);
uint64_t chunk_map_copied(const struct chunk_map *m); /* how many are CHUNK_COPIED */

/* Behind the end: CHUNK_NONE. */
enum chunk_state chunk_map_get(const struct chunk_map *m, uint64_t chunk);
/* From CHUNK_NONE to something else; the chunk is within the map. */
void chunk_map_set(struct chunk_map *m, uint64_t chunk, enum chunk_state state);
/* The first page at or behind page with a chunk that is not CHUNK_NONE; the number of pages where there is
 * none. */
size_t chunk_map_next_page(const struct chunk_map *m, size_t page);

/*
 * The page as it is to be written when what is in more (chunks that m has not; a map at least as large) comes
 * to it; *ret_offset says where in the file. m is as before until chunk_map_merge takes the page over, once
 * it is durable.
 */
void chunk_map_encode(const struct chunk_map *m, const struct chunk_map *more, size_t page,
                      uint8_t bytes[CHUNK_MAP_PAGE], uint64_t *ret_offset);
void chunk_map_merge(struct chunk_map *m, const struct chunk_map *more, size_t page);
void chunk_map_clear_page(struct chunk_map *m, size_t page);
/* Takes a page from its pair. -POD_E_CORRUPT: neither place is whole, by no crash, or it is another owner's. */
int chunk_map_decode(struct chunk_map *m, size_t page, const uint8_t pair[2 * CHUNK_MAP_PAGE],
                     struct err *err);

#endif
