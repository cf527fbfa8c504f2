#include "base/err.h"
#include "mime/mime.h"

/*
 * The part that number `k` names in part `up` (RFC 3501 6.4.5). Numbers count the parts of a multipart; a
 * message that is none has one part, 1, which is its own body. `as_message` says that `up` is to be looked
 * at as a message (the whole one, or the inside of a message/rfc822) and not as a body part.
 */
static uint32_t part_numbered(const struct mime_tree *tree, uint32_t up, bool as_message, uint32_t k)
{
	uint32_t i;

	if (tree->parts[up].kind != MIME_MULTIPART)
		return as_message && k == 1 ? up : MIME_NO_PART;
	if (k == 0)
		return MIME_NO_PART;
	for (i = tree->parts[up].first_child; i != MIME_NO_PART && k > 1; k--)
		i = tree->parts[i].next;
	return i;
}

static uint32_t part_at(const struct mime_tree *tree, const uint32_t *path, size_t path_n)
{
	bool as_message = true;
	uint32_t i = 0;

	for (size_t k = 0; k < path_n && i != MIME_NO_PART; k++) {
		if (k > 0) {
			as_message = tree->parts[i].kind == MIME_MESSAGE;
			i = as_message ? tree->parts[i].first_child : i;
		}
		i = part_numbered(tree, i, as_message, path[k]);
	}
	return i;
}

int mime_section_find(const struct mime_tree *tree, const uint32_t *path, size_t path_n,
                      enum mime_section section, struct mime_range *ret_range)
{
	uint32_t i = part_at(tree, path, path_n);
	const struct mime_part *part;

	if (i == MIME_NO_PART || (path_n == 0 && section == MIME_SECTION_MIME))
		return -POD_E_NOTFOUND;
	if (path_n > 0 && (section == MIME_SECTION_HEADER || section == MIME_SECTION_TEXT)) {
		if (tree->parts[i].kind != MIME_MESSAGE)
			return -POD_E_NOTFOUND;
		i = tree->parts[i].first_child;
	}
	part = &tree->parts[i];
	if (path_n == 0 && section == MIME_SECTION_BODY)
		*ret_range = (struct mime_range){ part->header_off, part->header_len + part->body_len };
	else if (section == MIME_SECTION_HEADER || section == MIME_SECTION_MIME)
		*ret_range = (struct mime_range){ part->header_off, part->header_len };
	else
		*ret_range = (struct mime_range){ part->body_off, part->body_len };
	return 0;
}
