/* Days and moments as people write them on a command line. */
#ifndef PODCTL_DATE_H
#define PODCTL_DATE_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

/*
 * "2026-11-26", its first second in the local time zone, or "2026-11-26 14:30", as seconds since 1970.
 * -POD_E_SYNTAX: no such day or time.
 */
int date_parse(struct span text, int64_t *ret_seconds, struct err *err);

#endif
