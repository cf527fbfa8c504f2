#include "replicator/core/place.h"

#include <stdlib.h>
#include <string.h>

int place_list_create(struct place_list *l, size_t max, struct err *err)
{
	l->places = calloc(max, sizeof(l->places[0]));
	l->n = 0;
	l->max = max;
	return l->places ? 0 : err_set(err, POD_E_NOMEM, "a list of placed writes");
}

void place_list_done(struct place_list *l)
{
	free(l->places);
	*l = (struct place_list){ 0 };
}

bool place_list_add(struct place_list *l, const struct place *p)
{
	if (l->n == l->max)
		return false;
	l->places[l->n++] = *p;
	return true;
}

/* The first at or behind lsn. */
static size_t first_from(const struct place_list *l, uint64_t lsn)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (l->places[mid].lsn < lsn)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct place *place_list_find(const struct place_list *l, uint64_t lsn)
{
	size_t i = first_from(l, lsn);

	return i < l->n && l->places[i].lsn == lsn ? &l->places[i] : NULL;
}

const struct place *place_list_next(const struct place_list *l, uint64_t lsn)
{
	size_t i = first_from(l, lsn);

	return i < l->n ? &l->places[i] : NULL;
}

void place_list_drop_before(struct place_list *l, uint64_t lsn)
{
	size_t gone = first_from(l, lsn);

	if (gone == 0)
		return;
	l->n -= gone;
	memmove(l->places, l->places + gone, l->n * sizeof(l->places[0]));
}

void place_list_drop_from(struct place_list *l, uint64_t lsn)
{
	l->n = first_from(l, lsn);
}

void place_subtract(const struct place_list *l, uint64_t lsn, uint64_t offset, uint64_t length,
                    struct extent_map *m)
{
	uint64_t end = offset + length;

	for (size_t i = first_from(l, lsn + 1); i < l->n; i++) {
		const struct place *p = &l->places[i];
		uint64_t from = p->offset > offset ? p->offset : offset;
		uint64_t to = p->offset + p->length < end ? p->offset + p->length : end;

		if (from < to)
			extent_map_remove(m, from, to - from, UINT64_MAX);
	}
}
