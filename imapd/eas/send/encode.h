/* Text as the body of a part: its Content-Type, the lightest transfer encoding that carries it, and its
 * lines. Pure. */
#ifndef POD_IMAPD_EAS_SEND_ENCODE_H
#define POD_IMAPD_EAS_SEND_ENCODE_H

#include "base/buf.h"
#include "base/span.h"

/*
 * Writes the fields Content-Type ("text/" subtype, charset UTF-8, params behind it where not empty) and
 * Content-Transfer-Encoding to fields, and the encoded text to body. text: UTF-8; any line ends, which become
 * CRLF.
 */
void encode_text(struct buf *fields, struct buf *body, const char *subtype, const char *params,
                 struct span text);

/* Base64 in lines of 76 characters (RFC 2045 6.8). */
void encode_base64(struct buf *out, struct span bytes);

/* Bytes with line ends made CRLF: a bare CR or LF counts as one. */
void encode_lines(struct buf *out, struct span text);
/*
 * Fields of a header of others, which lib/mime found: LF ends a line there, with or without CR, and any other
 * CR is left out, as a line end that was made of it would begin a field that nobody saw. The last one ends
 * its line, too.
 */
void encode_fields(struct buf *out, struct span fields);

#endif
