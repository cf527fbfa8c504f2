/* Long values of signature fields, on lines of their own with a tab before each. Pure. */
#ifndef PODFILTER_AUTH_FOLD_H
#define PODFILTER_AUTH_FOLD_H

#include "base/buf.h"

/* Base64, as b= has it. */
void fold_base64(struct buf *out, struct span text);
/* Names with colons between, as h= has them, and a semicolon behind the last. */
void fold_names(struct buf *out, struct span names);

#endif
