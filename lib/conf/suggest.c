#include "conf/conf_internal.h"

#define NAME_LEN_MAX 48

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance, one row at a time; UINT_MAX-like for names longer than any option's. */
static unsigned int distance(struct span a, struct span b)
{
	unsigned int row[NAME_LEN_MAX + 1];

	if (a.len > NAME_LEN_MAX || b.len > NAME_LEN_MAX)
		return NAME_LEN_MAX;
	for (unsigned int j = 0; j <= b.len; j++)
		row[j] = j;
	for (unsigned int i = 1; i <= a.len; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (unsigned int j = 1; j <= b.len; j++) {
			unsigned int above = row[j];
			unsigned int differs = ascii_lower(a.p[i - 1]) != ascii_lower(b.p[j - 1]);

			row[j] = least(least(above, row[j - 1]) + 1, diagonal + differs);
			diagonal = above;
		}
	}
	return row[b.len];
}

const char *conf_suggest(const char *name, const char *const *candidates, size_t n)
{
	unsigned int nearest = (unsigned int) strlen(name) / 3 + 2; /* farther than that is another word */
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned int d = distance(span_of(name), span_of(candidates[i]));

		if (d < nearest) {
			nearest = d;
			found = candidates[i];
		}
	}
	return found;
}
