/* Building and asking struct uid_ranges. Ranges are ascending and disjoint; memory comes from an arena. */
#ifndef POD_STORE_INDEX_RANGES_H
#define POD_STORE_INDEX_RANGES_H

#include "store/index/index.h"

struct ranges_builder {
	struct arena *a;
	struct uid_ranges list;
	size_t cap;
};

/* Adds uids above all that are there already (or, before ranges_normalise, any), joining neighbours. -POD_E_NOMEM. */
int ranges_add(struct ranges_builder *b, uint32_t first, uint32_t last);
/* Sorts and joins ranges that came in any order. */
void ranges_normalise(struct uid_ranges *r);
/* Adds the uids of one list that are not in the other. -POD_E_NOMEM. */
int ranges_without(struct ranges_builder *b, const struct uid_ranges *list, const struct uid_ranges *gone);
/* How many uids. */
uint64_t ranges_count(const struct uid_ranges *r);
/* Index of the first range that ends at or after uid; n where none does. */
size_t ranges_find(const struct uid_ranges *r, uint32_t uid);
int ranges_copy(struct arena *a, struct span bytes, size_t n, struct uid_ranges *ret);
static inline struct span ranges_bytes(const struct uid_ranges *r)
{
	return span_make(r->r, r->n * sizeof(*r->r));
}

#endif
