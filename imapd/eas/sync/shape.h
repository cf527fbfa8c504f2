/*
 * Which elements may be where, how often, and what may be in them: the part of the schemas (MS-ASCMD 6) that
 * clients get wrong. A table of rows, one for each child of each parent. Pure.
 */
#ifndef POD_IMAPD_EAS_SYNC_SHAPE_H
#define POD_IMAPD_EAS_SYNC_SHAPE_H

#include "imapd/eas/wbxml/wbxml.h"

enum eas_shape_kind {
	EAS_SHAPE_ANY,    /* looked at by somebody else */
	EAS_SHAPE_PARENT, /* its children have rows */
	EAS_SHAPE_TEXT,   /* no children, some text */
	EAS_SHAPE_NUMBER,
	EAS_SHAPE_BOOL, /* "", "0" or "1" */
	EAS_SHAPE_EMPTY,
};
#define EAS_SHAPE_MANY 0u

struct eas_shape_row {
	enum wbxml_tag parent, child;
	enum eas_shape_kind kind;
	unsigned int most;  /* EAS_SHAPE_MANY */
	unsigned int place; /* children of a parent come in this order where it is not 0 */
};

/* Whether the tree below node is as the rows say. */
bool eas_shape_fits(const struct wbxml_node *node, const struct eas_shape_row *rows, size_t n);

#endif
