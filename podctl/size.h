/* Sizes as people write them: "500M", "2G", "1.5G" is not one. */
#ifndef PODCTL_SIZE_H
#define PODCTL_SIZE_H

#include "base/err.h"
#include "base/span.h"

/* Digits and one of K, M, G, T (powers of 1024) or none. "none" is 0. -POD_E_SYNTAX. */
int size_parse(struct span text, uint64_t *ret_bytes, struct err *err);

#endif
