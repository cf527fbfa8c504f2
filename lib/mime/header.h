/*
 * RFC 5322 header fields, found in place: nothing is copied, every span points into the message, so offsets
 * are exact. All functions are pure and thread-safe; none recurses.
 */
#ifndef POD_MIME_HEADER_H
#define POD_MIME_HEADER_H

#include "base/arena.h"
#include "base/span.h"

struct mime_field {
	struct span whole; /* from the name to the line end of the last folded line, included */
	struct span name;  /* without the colon and the space before it */
	struct span value; /* raw, after the colon, still folded, without the final line end */
};

/*
 * Takes the next field off *rest, which starts at a header and ends where it ends. Lines may end in CRLF or
 * LF. A line that is no field (no colon) is returned with an empty name and itself as the value.
 * False at the empty line (then *rest starts behind it) and at the end of the bytes.
 */
bool mime_field_next(struct span *rest, struct mime_field *ret_field);

/* The header of a message or part: up to and with the empty line, or everything where there is none. */
struct span mime_header_of(struct span entity);

/* The first field of that name (any case) in a header. */
bool mime_field_find(struct span header, struct span name, struct mime_field *ret_field);

/* The value unfolded (RFC 5322 2.2.3: CRLF before white space removed) and trimmed; in a. */
struct span mime_unfold(struct arena *a, struct span value);

/*
 * The value unfolded and with RFC 2047 encoded words turned into UTF-8 (by iconv), for people and
 * for search.
 */
struct span mime_decode_text(struct arena *a, struct span value);
/*
 * The same for a process that may open no file: charsets other than UTF-8, US-ASCII and ISO-8859-1 lose what is no ASCII.
 */
struct span mime_decode_text_sandboxed(struct arena *a, struct span value);

#endif
