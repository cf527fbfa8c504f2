/* What tests of ActiveSync are made of: documents written as lines, messages opened, texts compared. */
#ifndef TESTS_EAS_FIXTURE_H
#define TESTS_EAS_FIXTURE_H

#include "imapd/eas/item/body.h"
#include "imapd/eas/wbxml/wbxml.h"

struct eas_line {
	unsigned int tag; /* 0: the end of the element that is open */
	const char *text; /* NULL: an element with others in it */
};
#define EAS_IN(tag)       \
	{                 \
		tag, NULL \
	}
#define EAS_OUT         \
	{               \
		0, NULL \
	}

/* The tree of a document: lines up to the end of its root, which is not one of them. */
const struct wbxml_node *eas_document(struct arena *a, enum wbxml_tag root, const struct eas_line *lines);

/* A message, as the store and the index would give it. */
struct eas_message eas_open(struct arena *a, struct span bytes, struct eas_layout *layout);

void assert_span(struct span got, const char *want);

#endif
