/* Which open multipart a delimiter line belongs to (RFC 2046 5.1.1). Internal to lib/mime. */
#ifndef POD_MIME_DELIMITER_H
#define POD_MIME_DELIMITER_H

#include "base/span.h"

/* A multipart or message that is open at the place where the scan is. */
struct scan_level {
	uint32_t part, last_child;
	struct span boundary; /* empty for a message, and for a multipart behind its close-delimiter */
};

/*
 * delimiter := "--" boundary, close-delimiter := delimiter "--", then transport-padding; line is what follows
 * the first "--". The innermost open multipart that the whole line fits wins, so that a boundary used twice
 * does no harm. Where the whole line fits none, its start is enough ("it is sufficient that the boundary
 * appear in its entirety"), the longest one first. Returns the level or SIZE_MAX.
 */
size_t delimiter_find(const struct scan_level *levels, size_t depth, struct span line, bool *ret_close);

#endif
