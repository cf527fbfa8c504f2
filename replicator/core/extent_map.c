#include "replicator/core/extent_map.h"

#include <assert.h>
#include <stdlib.h>

/*
 * A treap of disjoint extents ordered by offset: a search tree by offset, a heap by random priorities, which
 * keeps it balanced without rotations to get wrong. All walks are loops.
 */
struct node {
	struct extent e;
	uint32_t priority;
	struct node *left, *right; /* in the free list: right is the next */
};

struct extent_map {
	struct node *root, *free;
	size_t max, fresh, count; /* nodes behind fresh were never used */
	uint32_t random;
	struct node nodes[];
};

/* An insertion adds at most two nodes; one more stays for a removal that cuts an extent in two. */
#define NODES_SPARE 3

static uint64_t extent_end(const struct extent *e)
{
	return e->offset + e->length;
}

int extent_map_create(size_t nodes_max, struct extent_map **ret_map, struct err *err)
{
	struct extent_map *m;

	if (nodes_max < NODES_SPARE || nodes_max > (SIZE_MAX - sizeof(*m)) / sizeof(m->nodes[0]))
		return err_set(err, POD_E_LIMIT, "extent map of %zu nodes", nodes_max);
	m = calloc(1, sizeof(*m) + nodes_max * sizeof(m->nodes[0]));
	if (!m)
		return err_set(err, POD_E_NOMEM, "extent map of %zu nodes", nodes_max);
	m->max = nodes_max;
	m->random = 2463534242u;
	*ret_map = m;
	return 0;
}

struct extent_map *extent_map_free(struct extent_map *m)
{
	free(m);
	return NULL;
}

size_t extent_map_count(const struct extent_map *m)
{
	return m->count;
}

bool extent_map_has_room(const struct extent_map *m)
{
	return m->max - m->count >= NODES_SPARE;
}

size_t extent_map_room(const struct extent_map *m)
{
	size_t free = m->max - m->count;

	return free < NODES_SPARE ? 0 : (free - 1) / 2;
}

void extent_map_clear(struct extent_map *m)
{
	m->root = m->free = NULL;
	m->fresh = m->count = 0;
}

/* ---- nodes ---- */

static uint32_t next_random(struct extent_map *m)
{
	/* Marsaglia's xorshift32 */
	m->random ^= m->random << 13;
	m->random ^= m->random >> 17;
	m->random ^= m->random << 5;
	return m->random;
}

static struct node *node_take(struct extent_map *m)
{
	struct node *n = m->free;

	assert(m->count < m->max);
	if (n)
		m->free = n->right;
	else
		n = &m->nodes[m->fresh++];
	m->count++;
	n->priority = next_random(m);
	return n;
}

static void node_give(struct extent_map *m, struct node *n)
{
	n->right = m->free;
	m->free = n;
	m->count--;
}

/* Splits t into what lies before offset and the rest. */
static void tree_split(struct node *t, uint64_t offset, struct node **ret_before, struct node **ret_rest)
{
	while (t) {
		if (t->e.offset < offset) {
			*ret_before = t;
			ret_before = &t->right;
			t = t->right;
		} else {
			*ret_rest = t;
			ret_rest = &t->left;
			t = t->left;
		}
	}
	*ret_before = *ret_rest = NULL;
}

/* All of a lies before all of b. */
static void tree_join(struct node *a, struct node *b, struct node **ret_root)
{
	while (a && b) {
		if (a->priority >= b->priority) {
			*ret_root = a;
			ret_root = &a->right;
			a = a->right;
		} else {
			*ret_root = b;
			ret_root = &b->left;
			b = b->left;
		}
	}
	*ret_root = a ? a : b;
}

/* Nothing that is there overlaps e. */
static void tree_add(struct extent_map *m, const struct extent *e)
{
	struct node **link = &m->root, *n = node_take(m), *below;

	n->e = *e;
	while (*link && (*link)->priority >= n->priority)
		link = e->offset < (*link)->e.offset ? &(*link)->left : &(*link)->right;
	below = *link;
	*link = n;
	tree_split(below, e->offset, &n->left, &n->right);
}

static void tree_drop(struct extent_map *m, struct node *n)
{
	struct node **link = &m->root;

	while (*link != n)
		link = n->e.offset < (*link)->e.offset ? &(*link)->left : &(*link)->right;
	tree_join(n->left, n->right, link);
	node_give(m, n);
}

/* The first that ends behind offset: disjoint extents are in the same order by their ends. */
static struct node *tree_find(const struct extent_map *m, uint64_t offset)
{
	struct node *n = m->root, *best = NULL;

	while (n) {
		if (extent_end(&n->e) > offset) {
			best = n;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

/* ---- extents ---- */

/* The part of e within [offset, end), which it overlaps. */
static struct extent extent_cut(const struct extent *e, uint64_t offset, uint64_t end)
{
	struct extent part = *e;

	if (part.offset < offset) {
		if (part.kind == EXTENT_DATA)
			part.data_lsn += offset - part.offset;
		part.length -= offset - part.offset;
		part.offset = offset;
	}
	if (extent_end(&part) > end)
		part.length = end - part.offset;
	return part;
}

/*
 * Takes [offset, end) out of n. What is left keeps n's place in the order, so the offset may change in the
 * node; where something is left on both sides, that behind gets a node of its own.
 */
static void node_cut_out(struct extent_map *m, struct node *n, uint64_t offset, uint64_t end)
{
	struct extent old = n->e;

	if (old.offset < offset) {
		n->e = extent_cut(&old, old.offset, offset);
		if (extent_end(&old) > end) {
			struct extent behind = extent_cut(&old, end, extent_end(&old));

			tree_add(m, &behind);
		}
	} else if (extent_end(&old) > end) {
		n->e = extent_cut(&old, end, extent_end(&old));
	} else {
		tree_drop(m, n);
	}
}

void extent_map_remove(struct extent_map *m, uint64_t offset, uint64_t length, uint64_t lsn)
{
	uint64_t end = offset + length, at = offset;

	while (at < end) {
		struct node *n = tree_find(m, at);

		if (!n || n->e.offset >= end)
			return;
		at = extent_end(&n->e);
		if (n->e.lsn <= lsn)
			node_cut_out(m, n, offset, end);
	}
}

void extent_map_insert(struct extent_map *m, const struct extent *e)
{
	assert(e->length > 0 && e->offset + e->length > e->offset);
	extent_map_remove(m, e->offset, e->length, UINT64_MAX);
	tree_add(m, e);
}

bool extent_map_find(const struct extent_map *m, uint64_t offset, uint64_t end, struct extent *ret)
{
	const struct node *n = tree_find(m, offset);

	if (!n || n->e.offset >= end)
		return false;
	*ret = extent_cut(&n->e, offset, end);
	return true;
}
