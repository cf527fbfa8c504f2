#include "imapd/eas/wbxml/wbxml.h"

#include <stdlib.h>

struct row {
	unsigned int tag;
	const char *name;
};

/* In order of their numbers, as codepages.tsv is. */
static const struct row rows[] = {
#define X(constant, page, token, name) { constant, name },
	WBXML_TAGS(X)
#undef X
};

static int by_tag(const void *key, const void *row)
{
	unsigned int tag = *(const unsigned int *) key, other = ((const struct row *) row)->tag;

	return tag < other ? -1 : tag > other;
}

const char *wbxml_name(unsigned int tag)
{
	const struct row *row = bsearch(&tag, rows, sizeof(rows) / sizeof(rows[0]), sizeof(rows[0]), by_tag);

	return row ? row->name : NULL;
}
