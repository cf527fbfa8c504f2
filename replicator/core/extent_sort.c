#include "replicator/core/extent_sort.h"

#include <string.h>

/* A radix sort: it has no bad cases, keeps the order of what is equal, and needs no memory but scratch. */
#define DIGIT_BITS 8u
#define DIGITS     (1u << DIGIT_BITS)

static unsigned int digit_of(const struct extent *e, unsigned int shift)
{
	return (unsigned int) (e->offset >> shift) & (DIGITS - 1);
}

static void sort_by_digit(const struct extent *from, struct extent *to, size_t n, unsigned int shift)
{
	size_t at[DIGITS] = { 0 }, sum = 0;

	for (size_t i = 0; i < n; i++)
		at[digit_of(&from[i], shift)]++;
	for (unsigned int i = 0; i < DIGITS; i++) {
		size_t count = at[i];

		at[i] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[digit_of(&from[i], shift)]++] = from[i];
}

/* By the bits in which they differ at all. */
static void sort(struct extent *list, struct extent *scratch, size_t n)
{
	struct extent *from = list, *to = scratch, *other;
	uint64_t differ = 0;

	for (size_t i = 1; i < n; i++)
		differ |= list[i].offset ^ list[0].offset;
	for (unsigned int shift = 0; shift < 64; shift += DIGIT_BITS) {
		if ((differ >> shift & (DIGITS - 1)) == 0)
			continue;
		sort_by_digit(from, to, n, shift);
		other = from;
		from = to;
		to = other;
	}
	if (from != list)
		memcpy(list, from, n * sizeof(*list));
}

bool extents_sort(struct extent *list, struct extent *scratch, size_t n, size_t *ret_n)
{
	size_t left = 0;

	sort(list, scratch, n);
	for (size_t i = 0; i < n; i++) {
		const struct extent *last = left > 0 ? &list[left - 1] : NULL;

		if (last && last->offset == list[i].offset && last->length == list[i].length)
			left--;
		else if (last && last->offset + last->length > list[i].offset)
			return false;
		list[left++] = list[i];
	}
	*ret_n = left;
	return true;
}
