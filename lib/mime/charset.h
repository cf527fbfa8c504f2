/* Text of any charset turned into UTF-8 (iconv). Internal to lib/mime. */
#ifndef POD_MIME_CHARSET_H
#define POD_MIME_CHARSET_H

#include "base/arena.h"
#include "base/span.h"

/*
 * UTF-8 of text in that charset; bytes that mean nothing in it become U+FFFD. Where the charset is unknown or
 * the text is UTF-8 already, the span given. SPAN_NONE where memory is out.
 */
typedef struct span charset_fn(struct arena *a, struct span charset, struct span text);
charset_fn charset_to_utf8;
/*
 * The same without iconv, which opens files: UTF-8, US-ASCII and ISO-8859-1 are understood, of other charsets what is
 * no ASCII becomes U+FFFD. The result is UTF-8 whatever the text is.
 */
charset_fn charset_to_utf8_sandboxed;

#endif
