#include "imapd/imap/seqset.h"

#include <stdlib.h>

/* seq-number = nz-number / "*" */
static int parse_seq_number(struct imap_parser *p, uint32_t *ret)
{
	if (imap_take_byte(p, '*')) {
		*ret = IMAP_SEQ_STAR;
		return 0;
	}
	return imap_parse_nz_number(p, ret);
}

/* sequence-set = (seq-number / seq-range) *("," sequence-set); seq-range = seq-number ":" seq-number */
int imap_seqset_parse(struct imap_parser *p, struct imap_seqset *ret_set)
{
	struct imap_range *r = NULL;
	size_t n = 0, cap = 0;

	do {
		struct imap_range one;
		int e = parse_seq_number(p, &one.first);

		one.last = one.first;
		if (e == 0 && imap_take_byte(p, ':'))
			e = parse_seq_number(p, &one.last);
		if (e < 0)
			return e;
		if (n == cap) {
			struct imap_range *more = arena_grow(p->a, r, n, cap ? cap * 2 : 4, sizeof(*r));

			if (!more)
				return -POD_E_NOMEM;
			r = more;
			cap = cap ? cap * 2 : 4;
		}
		r[n++] = one;
	} while (imap_take_byte(p, ','));
	*ret_set = (struct imap_seqset){ r, n };
	return 0;
}

static int compare_ranges(const void *left, const void *right)
{
	const struct imap_range *a = left, *b = right;

	return (a->first > b->first) - (a->first < b->first);
}

/* Sorts and joins what overlaps or touches. */
static size_t normalize(struct imap_range *r, size_t n)
{
	size_t out = 0;

	qsort(r, n, sizeof(*r), compare_ranges);
	for (size_t i = 0; i < n; i++) {
		if (out > 0 && (r[i].first <= r[out - 1].last || r[i].first == r[out - 1].last + 1)) {
			if (r[i].last > r[out - 1].last)
				r[out - 1].last = r[i].last;
		} else {
			r[out++] = r[i];
		}
	}
	return out;
}

int imap_seqset_uids(struct arena *a, const struct imap_seqset *set, const struct imap_view *v, bool uid,
                     struct imap_ranges *ret_uids)
{
	uint32_t star = uid ? imap_view_last_uid(v) : v->exists;
	struct imap_range *r = arena_array(a, set->n, sizeof(*r));
	size_t n = 0;

	if (!r)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < set->n; i++) {
		uint32_t first = set->r[i].first == IMAP_SEQ_STAR ? star : set->r[i].first;
		uint32_t last = set->r[i].last == IMAP_SEQ_STAR ? star : set->r[i].last;

		if (first > last) {
			uint32_t swap = first;

			first = last;
			last = swap;
		}
		if (!uid && (last > v->exists || first == 0))
			return -POD_E_SYNTAX;
		if (last > star)
			last = star;
		if (first > last || last == 0)
			continue;
		r[n++] = uid ? (struct imap_range){ first, last }
		             : (struct imap_range){ imap_view_uid(v, first), imap_view_uid(v, last) };
	}
	*ret_uids = (struct imap_ranges){ r, normalize(r, n) };
	return 0;
}

int imap_ranges_add(struct imap_ranges_writer *w, uint32_t first, uint32_t last)
{
	struct imap_ranges *to = &w->ranges;

	if (to->n > 0 && first <= to->r[to->n - 1].last + 1) {
		if (last > to->r[to->n - 1].last)
			to->r[to->n - 1].last = last;
		return 0;
	}
	if (to->n == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 8;
		struct imap_range *r = arena_grow(w->a, to->r, to->n, cap, sizeof(*r));

		if (!r)
			return -POD_E_NOMEM;
		to->r = r;
		w->cap = cap;
	}
	to->r[to->n++] = (struct imap_range){ first, last };
	return 0;
}

bool imap_ranges_has(const struct imap_ranges *ranges, uint32_t number)
{
	size_t low = 0, high = ranges->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (number < ranges->r[mid].first)
			high = mid;
		else if (number > ranges->r[mid].last)
			low = mid + 1;
		else
			return true;
	}
	return false;
}
