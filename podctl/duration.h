/* Durations as people write them: "20s", "5m", "2h", "7d". */
#ifndef PODCTL_DURATION_H
#define PODCTL_DURATION_H

#include "base/err.h"
#include "base/span.h"

/* Digits and one of s, m, h, d; "none" and "0" are 0. -POD_E_SYNTAX. */
int duration_parse(struct span text, uint64_t *ret_s, struct err *err);

#endif
