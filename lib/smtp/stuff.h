/* Dot-stuffing (RFC 5321 4.5.2) in runs: most of a message goes out as it is. Pure. */
#ifndef POD_SMTP_STUFF_H
#define POD_SMTP_STUFF_H

#include "base/span.h"

struct smtp_stuffer {
	uint8_t last; /* byte that went out; 0: none yet */
};

/*
 * What may go out next of a message's rest: *ret_dot: first a dot; then as many bytes as are returned, at
 * least one of a rest that is not empty. The rest may be cut anywhere.
 */
size_t smtp_stuff(struct smtp_stuffer *s, struct span rest, bool *ret_dot);
/* What ends the message: the final dot, behind a line end where the last line has none. */
struct span smtp_stuff_end(const struct smtp_stuffer *s);
/* Whether a message goes out without a change but for what ends it. */
bool smtp_stuff_is_needless(struct span message);

#endif
