#include "directory/address_set.h"

#include "base/err.h"

#define SIZE_FIRST 16

/* FNV-1a. The addresses are an admin's own and their number is bounded: nobody gains from collisions. */
static size_t hash(struct span s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ s.p[i]) * 0x100000001b3u;
	return (size_t) (h ^ h >> 32);
}

static struct span *slot_of(struct address_set *set, struct span address)
{
	size_t i = hash(address) & (set->size - 1);

	while (set->slots[i].p && !span_eq(set->slots[i], address))
		i = (i + 1) & (set->size - 1);
	return &set->slots[i];
}

static int grow(struct address_set *set, struct arena *a)
{
	struct address_set larger = { .size = set->size ? set->size * 2 : SIZE_FIRST, .n = set->n };

	larger.slots = arena_array(a, larger.size, sizeof(*larger.slots));
	if (!larger.slots)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < set->size; i++)
		if (set->slots[i].p)
			*slot_of(&larger, set->slots[i]) = set->slots[i];
	*set = larger;
	return 0;
}

int address_set_add(struct address_set *set, struct arena *a, struct span address)
{
	struct span *slot;

	if (set->n * 2 >= set->size && grow(set, a) < 0)
		return -POD_E_NOMEM;
	slot = slot_of(set, address);
	if (slot->p)
		return 0;
	*slot = address;
	set->n++;
	return 1;
}
