/* Strings, envelopes and structures in IMAP's notation (RFC 3501 section 9). Internal to lib/mime. */
#ifndef POD_MIME_IMAP_TEXT_H
#define POD_MIME_IMAP_TEXT_H

#include "base/buf.h"
#include "mime/scan.h"

/* Longer strings go out as literals: some clients read quoted ones into small fixed buffers. */
#define IMAP_QUOTED_MAX 1000

/*
 * string = quoted / literal. A literal where a byte is not in TEXT-CHAR or beyond ASCII; a NUL, which no
 * IMAP string can hold, becomes "?".
 */
void imap_put_string(struct buf *out, struct span s);
/* nstring: NIL where s.p is NULL. */
void imap_put_nstring(struct buf *out, struct span s);
/* The same in lower-case, for names that have no case (types, parameters), as most servers send them. */
void imap_put_lower(struct buf *out, struct span s);

/* The ENVELOPE of a message of the scan (part i has is_message). */
void imap_put_envelope(struct buf *out, struct arena *a, struct span message, const struct scan *scan,
                       uint32_t i);

/* The BODYSTRUCTURE, with extension data. */
void imap_put_bodystructure(struct buf *out, struct arena *a, struct span message, const struct scan *scan);

#endif
