/* UTF-8 (RFC 3629), as far as a configuration needs it. */
#ifndef POD_CONF_UTF8_H
#define POD_CONF_UTF8_H

#include "base/buf.h"

/* Valid, and without control characters. */
bool utf8_is_text(struct span s);
/* False for surrogates and what is beyond U+10FFFF. */
bool utf8_encode(uint32_t point, struct buf *out);

#endif
