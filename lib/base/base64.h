/* Base64 (RFC 4648 4). Pure, thread-safe. */
#ifndef POD_BASE_BASE64_H
#define POD_BASE_BASE64_H

#include "base/arena.h"
#include "base/span.h"

/* Strict: no white space, right padding. In a. -POD_E_SYNTAX / NOMEM. */
int base64_decode(struct arena *a, struct span text, struct span *ret_bytes);
/* SPAN_NONE where memory is out. */
struct span base64_encode(struct arena *a, struct span bytes);

#endif
