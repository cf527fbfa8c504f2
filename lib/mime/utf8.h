/* Well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong). */
#ifndef POD_MIME_UTF8_H
#define POD_MIME_UTF8_H

#include "base/span.h"

/* Bytes of the character at the start of s; 0 where it is not well-formed or s is empty. */
size_t utf8_char_len(struct span s);
bool utf8_is_valid(struct span s);

#endif
