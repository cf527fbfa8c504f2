/*
 * What the log holds and the image does not yet: for each extent of the volume the newest log record that covers it.
 * Reads ask here first. Pure and bounded: all nodes are allocated at creation, none on the way of a write.
 * Not thread-safe: its owner holds a lock.
 */
#ifndef REPLICATOR_CORE_EXTENT_MAP_H
#define REPLICATOR_CORE_EXTENT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct extent_map;

enum extent_kind { EXTENT_DATA, EXTENT_ZERO, EXTENT_TRIM };

struct extent {
	uint64_t offset, length; /* bytes; multiples of RECORD_BLOCK */
	enum extent_kind kind;
	uint64_t lsn;      /* of the record */
	uint64_t data_lsn; /* EXTENT_DATA: where the first byte of this extent lies in the log */
};

int extent_map_create(size_t nodes_max, struct extent_map **ret_map, struct err *err);
struct extent_map *extent_map_free(struct extent_map *m);
size_t extent_map_count(const struct extent_map *m);
/* Whether one more insertion is sure to fit, with a node left for a removal: an insertion adds at most two nodes, a
 * removal one. The caller waits for the applier where it does not. */
bool extent_map_has_room(const struct extent_map *m);
/* How many more insertions are sure to fit, with that node left. */
size_t extent_map_room(const struct extent_map *m);
/* Lays e over what is there, cutting what it covers. e's lsn is newer than all in the map. */
void extent_map_insert(struct extent_map *m, const struct extent *e);
/* The first extent that ends behind offset, cut to [offset, end); false where there is none before end. */
bool extent_map_find(const struct extent_map *m, uint64_t offset, uint64_t end, struct extent *ret);
/* Forgets what came from records at or before lsn within [offset, offset+length): it is in the image now. It takes a node
 * only where it cuts the middle out of an extent; whoever removes extents as find gave them in order never does. */
void extent_map_remove(struct extent_map *m, uint64_t offset, uint64_t length, uint64_t lsn);
void extent_map_clear(struct extent_map *m);

#endif
