/*
 * Content-Type and Content-Disposition values (RFC 2045 5.1, RFC 2183), read leniently: what clients show as
 * an attachment is decided by values that no grammar allows.
 */
#ifndef POD_MIME_CONTENT_H
#define POD_MIME_CONTENT_H

#include "base/arena.h"
#include "base/span.h"

struct content_type {
	struct span type, subtype; /* both empty where the value is none (RFC 2045 5.2: text/plain then) */
	struct span params;        /* what follows, for content_param_next */
};

struct content_param {
	struct span name, value; /* value without quotes; RFC 2231 forms as they are */
};

struct content_type content_type_parse(struct span value);
bool content_type_is(const struct content_type *t, struct span type, struct span subtype);

/* The first token of a value such as Content-Disposition; what follows it is left in *ret_params. */
struct span content_token(struct span value, struct span *ret_params);

/*
 * Takes the next parameter off *params. A value that needs unquoting is put in a (empty where that
 * is out).
 */
bool content_param_next(struct arena *a, struct span *params, struct content_param *ret_param);

/*
 * The same put together from its RFC 2231 pieces, "name*", "name*0*" "name*1"... (section 3 and 4), charset
 * dropped.
 */
struct span content_param_find_extended(struct arena *a, struct span params, struct span name);

/* The parameter of that name (any case), SPAN_NONE where there is none. */
struct span content_param_find(struct arena *a, struct span params, struct span name);

#endif
