#include "store/restore/guids.h"

#include <stdlib.h>

#include "base/err.h"

int guids_add(struct guids *g, const struct guid *id)
{
	if (g->n == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 256;
		struct guid *grown = arena_grow(g->a, g->items, g->n, cap, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		g->items = grown;
		g->cap = cap;
	}
	g->items[g->n++] = *id;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct guid));
}

void guids_seal(struct guids *g)
{
	if (g->n)
		qsort(g->items, g->n, sizeof(*g->items), compare);
}

size_t guids_find(const struct guids *g, const struct guid *id)
{
	const struct guid *at = g->n ? bsearch(id, g->items, g->n, sizeof(*g->items), compare) : NULL;

	return at ? (size_t) (at - g->items) : SIZE_MAX;
}
