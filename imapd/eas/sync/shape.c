#include "imapd/eas/sync/shape.h"

static const struct eas_shape_row *find(const struct wbxml_node *node, const struct eas_shape_row *rows,
                                        size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].parent == node->parent->tag && rows[i].child == node->tag)
			return &rows[i];
	return NULL;
}

static bool is_number(struct span text)
{
	uint64_t v;

	return span_to_u64(text, &v) == 0;
}

static bool value_fits(const struct wbxml_node *node, enum eas_shape_kind kind)
{
	struct span text = node->text;

	switch (kind) {
	case EAS_SHAPE_ANY:
	case EAS_SHAPE_PARENT: return true;
	case EAS_SHAPE_TEXT: return !node->first && text.len > 0;
	case EAS_SHAPE_NUMBER: return !node->first && is_number(text);
	case EAS_SHAPE_BOOL:
		return !node->first &&
		       (text.len == 0 || span_eq(text, SPAN_LIT("0")) || span_eq(text, SPAN_LIT("1")));
	case EAS_SHAPE_EMPTY: return !node->first && text.len == 0;
	}
	return false;
}

static unsigned int count_before(const struct wbxml_node *node)
{
	unsigned int n = 0;

	for (const struct wbxml_node *s = node->parent->first; s != node; s = s->next)
		n += s->tag == node->tag;
	return n;
}

static bool child_fits(const struct wbxml_node *node, const struct eas_shape_row *rows, size_t n,
                       unsigned int *place, const struct eas_shape_row **ret_row)
{
	const struct eas_shape_row *row = find(node, rows, n);

	*ret_row = row;
	if (!row || !value_fits(node, row->kind) || (row->most && count_before(node) >= row->most))
		return false;
	if (row->place && row->place < *place)
		return false;
	if (row->place)
		*place = row->place;
	return true;
}

/* The tree is no deeper than the decoder lets it be (WBXML_DEPTH_MAX). */
bool eas_shape_fits(const struct wbxml_node *node, const struct eas_shape_row *rows, size_t n)
{
	const struct eas_shape_row *row;
	unsigned int place = 0;

	for (const struct wbxml_node *c = node->first; c; c = c->next) {
		if (!child_fits(c, rows, n, &place, &row))
			return false;
		if (row->kind == EAS_SHAPE_PARENT && !eas_shape_fits(c, rows, n))
			return false;
	}
	return true;
}
