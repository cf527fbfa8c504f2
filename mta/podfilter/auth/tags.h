/*
 * Tag lists (RFC 6376 3.2): what DKIM-Signature, ARC-Seal, ARC-Message-Signature and the key records of the
 * DNS are made of. Pure; every span points into the text or the arena. One thread for each arena.
 */
#ifndef PODFILTER_AUTH_TAGS_H
#define PODFILTER_AUTH_TAGS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

#define TAGS_MAX 64

struct tag {
	struct span name, value; /* the value without the white space round it; folds inside are left in */
};

struct tag_list {
	const struct tag *tags;
	size_t n;
};

/*
 *   tag-list  =  tag-spec *( ";" tag-spec ) [ ";" ]
 *   tag-spec  =  [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS]
 * -POD_E_SYNTAX: it is none, or a name comes twice; -POD_E_LIMIT: more than TAGS_MAX; -POD_E_NOMEM.
 */
int tags_parse(struct arena *a, struct span text, struct tag_list *ret_list, struct err *err);
/* The value of a tag, names compared exactly as RFC 6376 says. False where it is missing; *ret_value then
 * untouched. */
bool tags_find(const struct tag_list *list, const char *name, struct span *ret_value);
/* The value, or SPAN_NONE: a tag that is there and empty has a pointer. */
struct span tags_get(const struct tag_list *list, const char *name);
/* Without any white space, as in base64 and lists of names that were folded. SPAN_NONE where memory is out.
 */
struct span tags_squeeze(struct arena *a, struct span value);
/* Whether a list with colons between (h=, s=, t=) has an item, whatever its case. */
bool tags_list_has(struct span value, struct span item);

#endif
