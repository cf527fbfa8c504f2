/*
 * Modified UTF-7 (RFC 3501 5.1.3): how IMAP4rev1 and Maildir++ folder names spell mailbox names. Pure,
 * thread-safe. Output goes to a buf, whose limit bounds it; a buf that failed is -POD_E_LIMIT.
 */
#ifndef POD_MIME_MUTF7_H
#define POD_MIME_MUTF7_H

#include "base/buf.h"
#include "base/span.h"

/*
 * Appends the modified UTF-7 of a UTF-8 name. `also` lists printable ASCII characters to be shifted as well
 * (Maildir++ folder names need that for '.'); "" for IMAP. -POD_E_SYNTAX: not UTF-8, or it has a NUL; out
 * then holds a part.
 */
int mutf7_encode(struct span utf8, const char *also, struct buf *out);

/*
 * Appends the UTF-8 of a modified UTF-7 name. Superfluous shifts of ASCII are taken, other than of NUL, since
 * Maildir++ names use them. -POD_E_SYNTAX: 8-bit bytes, control characters, base64 that does not end or has bits
 * left over, lone surrogates; out then holds a part.
 */
int mutf7_decode(struct span text, struct buf *out);

#endif
