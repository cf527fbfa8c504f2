#include "store/index/shift.h"

#include "mime/mime.h"

static bool move(uint64_t *off, int64_t by)
{
	return !__builtin_add_overflow(*off, by, off);
}

struct span shift_parts(struct arena *a, struct span parts, int64_t by)
{
	struct mime_tree tree = { 0 };
	struct span packed = SPAN_NONE;
	bool ok;

	if (parts.len == 0 || mime_tree_unpack(a, parts, &tree) < 0 || tree.n == 0)
		return SPAN_NONE;
	/* The message's own header begins where it began and is longer by so much. */
	ok = move(&tree.parts[0].header_len, by) && move(&tree.parts[0].body_off, by);
	for (uint32_t i = 1; ok && i < tree.n; i++)
		ok = move(&tree.parts[i].header_off, by) && move(&tree.parts[i].body_off, by);
	return ok && mime_tree_pack(a, &tree, &packed) == 0 ? packed : SPAN_NONE;
}
