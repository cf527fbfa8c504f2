#include "store/index/ranges.h"

#include <stdlib.h>

static int push(struct ranges_builder *b, struct uid_range r)
{
	if (b->list.n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 8;
		struct uid_range *grown = arena_grow(b->a, b->list.r, b->list.n, cap, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		b->list.r = grown;
		b->cap = cap;
	}
	b->list.r[b->list.n++] = r;
	return 0;
}

int ranges_add(struct ranges_builder *b, uint32_t first, uint32_t last)
{
	struct uid_range *end = b->list.n ? &b->list.r[b->list.n - 1] : NULL;

	if (end && first == end->last + 1) {
		end->last = last;
		return 0;
	}
	return push(b, (struct uid_range){ first, last });
}

static int by_first(const void *a, const void *b)
{
	const struct uid_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

void ranges_normalise(struct uid_ranges *r)
{
	size_t n = 0;

	if (r->n == 0)
		return;
	qsort(r->r, r->n, sizeof(*r->r), by_first);
	for (size_t i = 1; i < r->n; i++) {
		struct uid_range *end = &r->r[n];

		if (end->last == UINT32_MAX || r->r[i].first <= end->last + 1) {
			if (r->r[i].last > end->last)
				end->last = r->r[i].last;
		} else {
			r->r[++n] = r->r[i];
		}
	}
	r->n = n + 1;
}

/* What is left of one range; gone from *at on may touch it. */
static int add_without(struct ranges_builder *b, struct uid_range r, const struct uid_ranges *gone, size_t *at)
{
	while (*at < gone->n && gone->r[*at].last < r.first)
		++*at;
	for (size_t i = *at; i < gone->n && gone->r[i].first <= r.last; i++) {
		if (gone->r[i].first > r.first && ranges_add(b, r.first, gone->r[i].first - 1) < 0)
			return -POD_E_NOMEM;
		if (gone->r[i].last >= r.last)
			return 0;
		r.first = gone->r[i].last + 1;
	}
	return ranges_add(b, r.first, r.last);
}

int ranges_without(struct ranges_builder *b, const struct uid_ranges *list, const struct uid_ranges *gone)
{
	size_t at = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = add_without(b, list->r[i], gone, &at);
	return r;
}

uint64_t ranges_count(const struct uid_ranges *r)
{
	uint64_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += (uint64_t) r->r[i].last - r->r[i].first + 1;
	return n;
}

size_t ranges_find(const struct uid_ranges *r, uint32_t uid)
{
	size_t lo = 0, hi = r->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->r[mid].last < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int ranges_copy(struct arena *a, struct span bytes, size_t n, struct uid_ranges *ret)
{
	struct uid_range *r = arena_array(a, n, sizeof(*r));

	if (!r)
		return -POD_E_NOMEM;
	if (n)
		memcpy(r, bytes.p, n * sizeof(*r));
	*ret = (struct uid_ranges){ r, n };
	return 0;
}
