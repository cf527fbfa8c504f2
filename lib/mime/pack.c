/*
 * The packed tree: a version byte, the number of parts, then for each part in the order of the tree
 *   kind (2 bits) and distance to the parent (0 for the message itself) in one number,
 *   header offset minus that of the part before, header length, body length, lines.
 * Numbers are little-endian base 128 (seven bits a byte, the top bit set on all but the last).
 */
#include "base/err.h"
#include "mime/mime.h"

#define PACK_VERSION   1
#define NUMBER_MAX_LEN 10
#define NUMBERS_A_PART 5

static uint8_t *put_number(uint8_t *to, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*to++ = (uint8_t) (v | 0x80);
	*to++ = (uint8_t) v;
	return to;
}

static bool take_number(struct span *s, uint64_t max, uint64_t *ret_value)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s->len && i < NUMBER_MAX_LEN; i++) {
		uint64_t bits = s->p[i] & 0x7f;

		if (i == NUMBER_MAX_LEN - 1 && bits > 1)
			return false;
		v |= bits << (7 * i);
		if (!(s->p[i] & 0x80)) {
			*s = span_skip(*s, i + 1);
			*ret_value = v;
			return v <= max;
		}
	}
	return false;
}

int mime_tree_pack(struct arena *a, const struct mime_tree *tree, struct span *ret_packed)
{
	uint8_t *start = arena_alloc(a, 1 + NUMBER_MAX_LEN * (1 + NUMBERS_A_PART * (size_t) tree->n)),
		*to = start;
	uint64_t before = 0;

	if (!start)
		return -POD_E_NOMEM;
	*to++ = PACK_VERSION;
	to = put_number(to, tree->n);
	for (uint32_t i = 0; i < tree->n; i++) {
		const struct mime_part *p = &tree->parts[i];
		uint64_t up = p->parent == MIME_NO_PART ? 0 : i - p->parent;

		to = put_number(to, up << 2 | (uint64_t) p->kind);
		to = put_number(to, p->header_off - before);
		to = put_number(to, p->header_len);
		to = put_number(to, p->body_len);
		to = put_number(to, p->lines);
		before = p->header_off;
	}
	*ret_packed = span_make(start, (size_t) (to - start));
	return 0;
}

static bool take_part(struct span *s, uint32_t i, uint64_t before, struct mime_part *ret_part)
{
	struct mime_part p = { .first_child = MIME_NO_PART, .next = MIME_NO_PART, .parent = MIME_NO_PART };
	const uint64_t max = UINT64_MAX >> 4; /* so that no sum of two or three overflows */
	uint64_t link, lines;

	if (!take_number(s, (uint64_t) i << 2 | 3, &link) || !take_number(s, max, &p.header_off) ||
	    !take_number(s, max, &p.header_len) || !take_number(s, max, &p.body_len) ||
	    !take_number(s, UINT32_MAX, &lines) || (link & 3) > MIME_MESSAGE)
		return false;
	p.kind = (enum mime_kind)(link & 3);
	p.header_off += before;
	p.body_off = p.header_off + p.header_len;
	p.lines = (uint32_t) lines;
	if ((link >> 2 == 0) != (i == 0) || p.body_off > max)
		return false;
	if (i > 0)
		p.parent = i - (uint32_t) (link >> 2);
	*ret_part = p;
	return true;
}

/* Hangs part i under its parent, behind `last`, the parent's last child so far. */
static bool link_part(struct mime_part *parts, uint32_t i, uint32_t *last)
{
	const struct mime_part *p = &parts[i];
	struct mime_part *up = &parts[p->parent];

	if (up->kind == MIME_LEAF || (up->kind == MIME_MESSAGE && *last != MIME_NO_PART))
		return false;
	if (p->header_off < up->body_off || p->body_off + p->body_len > up->body_off + up->body_len)
		return false;
	if (*last == MIME_NO_PART)
		up->first_child = i;
	else
		parts[*last].next = i;
	*last = i;
	return true;
}

static bool containers_have_children(const struct mime_tree *tree)
{
	for (uint32_t i = 0; i < tree->n; i++)
		if ((tree->parts[i].kind == MIME_LEAF) != (tree->parts[i].first_child == MIME_NO_PART))
			return false;
	return true;
}

int mime_tree_unpack(struct arena *a, struct span packed, struct mime_tree *ret_tree)
{
	struct mime_tree tree = { NULL, 0 };
	uint64_t n, before = 0;
	uint32_t *last;

	if (packed.len == 0 || packed.p[0] != PACK_VERSION)
		return -POD_E_CORRUPT;
	packed = span_skip(packed, 1);
	if (!take_number(&packed, MIME_PARTS_MAX, &n) || n == 0 || n > packed.len / NUMBERS_A_PART)
		return -POD_E_CORRUPT;
	tree.n = (uint32_t) n;
	tree.parts = arena_array(a, tree.n, sizeof(*tree.parts));
	last = arena_array(a, tree.n, sizeof(*last));
	if (!tree.parts || !last)
		return -POD_E_NOMEM;
	for (uint32_t i = 0; i < tree.n; i++) {
		struct mime_part *p = &tree.parts[i];

		last[i] = MIME_NO_PART;
		if (!take_part(&packed, i, before, p) ||
		    (i > 0 && !link_part(tree.parts, i, &last[p->parent])))
			return -POD_E_CORRUPT;
		before = p->header_off;
	}
	if (packed.len || !containers_have_children(&tree))
		return -POD_E_CORRUPT;
	*ret_tree = tree;
	return 0;
}
