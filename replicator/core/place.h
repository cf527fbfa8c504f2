/*
 * Long writes that go straight to a primary's image: which of them are on their way there, and which are
 * there although the log's tail has not passed them yet. Pure and bounded: allocated at creation. Not
 * thread-safe: its owner holds a lock.
 *
 * A list is in order of LSN. What is in the image already must not be overwritten by an older record that is
 * applied again after a crash: place_subtract takes it out of what a record would do.
 */
#ifndef REPLICATOR_CORE_PLACE_H
#define REPLICATOR_CORE_PLACE_H

#include "replicator/core/extent_map.h"

struct place {
	uint64_t lsn;  /* of the record */
	uint64_t data; /* LSN of its payload, a multiple of RECORD_ALIGN */
	uint64_t offset, length;
};

struct place_list {
	struct place *places;
	size_t n, max;
};

int place_list_create(struct place_list *l, size_t max, struct err *err);
void place_list_done(struct place_list *l); /* of zeroed memory: fine */
/* Behind all that are there. False: the list is full. */
bool place_list_add(struct place_list *l, const struct place *p);
const struct place *place_list_find(const struct place_list *l, uint64_t lsn); /* NULL: none */
const struct place *place_list_next(const struct place_list *l,
                                    uint64_t lsn); /* the first from lsn on; NULL */
/* Forgets those before lsn; and those from lsn on. */
void place_list_drop_before(struct place_list *l, uint64_t lsn);
void place_list_drop_from(struct place_list *l, uint64_t lsn);
/* Takes out of m, within [offset, offset+length), what is placed by records behind lsn. At most one node of m
 * is taken for each place in the list. */
void place_subtract(const struct place_list *l, uint64_t lsn, uint64_t offset, uint64_t length,
                    struct extent_map *m);

#endif
