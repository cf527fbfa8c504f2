/*
 * The header of one message, as its signatures saw it: names and values byte for byte, in their order from
 * the top. All memory is the arena's. One thread.
 */
#ifndef PODFILTER_AUTH_FIELDS_H
#define PODFILTER_AUTH_FIELDS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

struct field {
	struct span name;  /* as written, without the colon */
	struct span value; /* what stands behind the colon, the space first, folds as CRLF, without the last
	                      CRLF */
	unsigned int nth;  /* the how manieth of its name, from 1: how a milter names a field to be changed */
};

struct fields {
	struct field *items;
	size_t n, size;
};

#define FIELDS_MAX 20000

/*
 * Adds one below the others; copies. Folds may be LF (as milters get them) or CRLF.
 * -POD_E_LIMIT over FIELDS_MAX, or where the arena is full.
 */
int fields_add(struct fields *f, struct arena *a, struct span name, struct span value, struct err *err);
/* The first of that name at or after *pos, which is moved behind it. NULL: no more. */
const struct field *fields_next(const struct fields *f, const char *name, size_t *pos);
size_t fields_count(const struct fields *f, const char *name);

#endif
