/* Transfer encodings (RFC 2045 6.7, 6.8; RFC 2047 4.2), decoded leniently. Internal to lib/mime. */
#ifndef POD_MIME_TRANSFER_H
#define POD_MIME_TRANSFER_H

#include "base/span.h"

/* Each writes at most in.len bytes to `to` and returns how many; bytes of no meaning are passed over. */
size_t transfer_base64(struct span in, uint8_t *to);
size_t transfer_quoted_printable(struct span in, uint8_t *to);
/* The "Q" of encoded words: "_" is a space. */
size_t transfer_q(struct span in, uint8_t *to);

#endif
