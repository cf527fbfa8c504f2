/* Text in a header field, of a name (RFC 5322 3.2.5, RFC 2047). Pure. */
#ifndef POD_IMAPD_EAS_SEND_WORDS_H
#define POD_IMAPD_EAS_SEND_WORDS_H

#include "base/buf.h"
#include "base/span.h"

/*
 * phrase: a quoted string, or encoded words where the text is more than ASCII. Text that has encoded words
 * already is taken as it is. Line ends and other controls become spaces.
 */
void words_put_phrase(struct buf *out, struct span utf8);
/* unstructured: as it is, or encoded words. */
void words_put_text(struct buf *out, struct span utf8);

#endif
