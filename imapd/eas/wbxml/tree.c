#include "imapd/eas/wbxml/wbxml.h"

#include <inttypes.h>

const struct wbxml_node *wbxml_child(const struct wbxml_node *node, enum wbxml_tag tag)
{
	for (const struct wbxml_node *n = node ? node->first : NULL; n; n = n->next)
		if (n->tag == tag)
			return n;
	return NULL;
}

const struct wbxml_node *wbxml_again(const struct wbxml_node *node)
{
	for (const struct wbxml_node *n = node->next; n; n = n->next)
		if (n->tag == node->tag)
			return n;
	return NULL;
}

struct span wbxml_child_text(const struct wbxml_node *node, enum wbxml_tag tag)
{
	const struct wbxml_node *n = wbxml_child(node, tag);

	return n ? n->text : SPAN_NONE;
}

int wbxml_child_uint(const struct wbxml_node *node, enum wbxml_tag tag, uint64_t max, uint64_t *ret)
{
	const struct wbxml_node *n = wbxml_child(node, tag);
	uint64_t value = 0;

	if (!n)
		return 0;
	if (n->text.len == 0)
		return -POD_E_SYNTAX;
	for (size_t i = 0; i < n->text.len; i++) {
		unsigned int digit = (unsigned int) n->text.p[i] - '0';

		if (digit > 9)
			return -POD_E_SYNTAX;
		if (value > (UINT64_MAX - digit) / 10)
			return -POD_E_LIMIT;
		value = value * 10 + digit;
	}
	if (value > max)
		return -POD_E_LIMIT;
	*ret = value;
	return 1;
}

int wbxml_child_bool(const struct wbxml_node *node, enum wbxml_tag tag, bool otherwise, bool *ret)
{
	const struct wbxml_node *n = wbxml_child(node, tag);

	*ret = otherwise;
	if (!n)
		return 0;
	*ret = n->text.len == 0 || span_eq(n->text, SPAN_LIT("1"));
	return *ret || span_eq(n->text, SPAN_LIT("0")) ? 0 : -POD_E_SYNTAX;
}

static void print_text(struct span text, size_t max, struct buf *out)
{
	if (text.len > 0)
		buf_add_byte(out, ' ');
	for (size_t i = 0; i < text.len && i < max; i++) {
		uint8_t c = text.p[i];

		if (c < 0x20 || c == 0x7f || c == '\\')
			buf_printf(out, "\\x%02x", c);
		else
			buf_add_byte(out, c);
	}
	if (text.len > max)
		buf_printf(out, "... (%zu bytes)", text.len);
}

/* What stands behind n in the document: its child, a neighbour, or a neighbour of one it is in. */
static const struct wbxml_node *step_on(const struct wbxml_node *n, unsigned int *depth)
{
	if (n->first) {
		++*depth;
		return n->first;
	}
	while (n && !n->next) {
		n = n->parent;
		--*depth;
	}
	return n ? n->next : NULL;
}

void wbxml_print(const struct wbxml_node *root, size_t text_max, struct buf *out)
{
	unsigned int depth = 0;

	for (const struct wbxml_node *n = root; n; n = step_on(n, &depth)) {
		buf_printf(out, "%*s%s", (int) depth, "", wbxml_name(n->tag));
		print_text(n->text, text_max, out);
		buf_add_byte(out, '\n');
	}
}
