/*
 * Extents in the order of the volume: what a tree is not needed for. Pure, without memory of its own; any
 * thread.
 */
#ifndef REPLICATOR_CORE_EXTENT_SORT_H
#define REPLICATOR_CORE_EXTENT_SORT_H

#include <stdbool.h>
#include <stddef.h>

#include "replicator/core/extent_map.h"

/*
 * Sorts the n extents of list, which are there as they were written, by offset; of those that cover exactly
 * the same the last one stays. *ret_n: how many are left. False: others overlap, and what list holds is of no
 * use (an extent_map tells what is left of them). scratch: room for n.
 */
bool extents_sort(struct extent *list, struct extent *scratch, size_t n, size_t *ret_n);

#endif
