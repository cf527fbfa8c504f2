/* Comments and folding white space (RFC 5322 3.2.2), and quoted strings (3.2.4). Internal to lib/mime. */
#ifndef POD_MIME_CFWS_H
#define POD_MIME_CFWS_H

#include "base/arena.h"
#include "base/span.h"

static inline bool cfws_is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Skips white space and comments; an open comment reaches to the end. */
void cfws_skip(struct span *s);

/* Length of the comment at the start of s, its parentheses included (nested ones counted, no recursion). */
size_t cfws_comment_len(struct span s);

/* Length of the quoted string at the start of s, its quotes included; an open one reaches to the end. */
size_t cfws_quoted_len(struct span s);

/*
 * What is inside a quoted string or comment: backslashes and line ends taken out. A copy only
 * where needed.
 */
struct span cfws_unquote(struct arena *a, struct span inner);

#endif
