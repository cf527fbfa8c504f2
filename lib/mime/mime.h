/*
 * The MIME structure of a message (RFC 2045, 2046), parsed once where the bytes came in, over the whole
 * message in memory (or mapped). Offsets are exact and relative to the start of the message. Pure,
 * thread-safe, without recursion; depth, parts and header size are bounded, and what lies beyond a bound is
 * one opaque leaf: no message is ever refused for its structure.
 */
#ifndef POD_MIME_MIME_H
#define POD_MIME_MIME_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define MIME_DEPTH_MAX         100
#define MIME_PARTS_MAX         10000
#define MIME_HEADER_MAX        (256u << 10) /* fields beyond that many bytes of a header are not looked at */
#define MIME_BODYSTRUCTURE_MAX (2u << 20)   /* a structure of more text is given up: one leaf */

#define MIME_NO_PART UINT32_MAX

enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE /* message/rfc822, message/global */ };

struct mime_part {
	uint64_t header_off, header_len; /* with the empty line */
	uint64_t body_off, body_len;     /* without the line end that belongs to the boundary after it */
	uint32_t lines;                  /* line ends in the body */
	enum mime_kind kind;
	uint32_t parent, first_child, next; /* indexes into parts, or MIME_NO_PART */
};

struct mime_tree {
	struct mime_part *parts; /* parts[0] is the message itself; parents stand before their children */
	uint32_t n;
};

/*
 * Fails only with -POD_E_NOMEM: 16 MiB of arena are enough for any message. A multipart in which no delimiter
 * was found is a leaf, so is a message/rfc822 in base64, whose inside has no offsets.
 */
int mime_parse(struct arena *a, struct span message, struct mime_tree *ret_tree);

/*
 * What is kept in the index beside a message, so that FETCH reads no file. All in the arena.
 * envelope and bodystructure are IMAP text, ready to be sent (RFC 3501 7.4.2, BODYSTRUCTURE with extension
 * data); parts is mime_tree packed; headers holds the raw fields that clients ask for in lists
 * (mime_field_is_cached), exactly as in the message. Fails only with -POD_E_NOMEM (see mime_parse).
 */
struct mime_summary {
	struct span envelope;
	struct span bodystructure;
	struct span parts;
	struct span headers;
	struct span message_id; /* of the Message-ID field, without < >, empty where there is none */
	struct span subject;    /* its beginning decoded to UTF-8, for logs and listings */
	struct span from;       /* the same of the From field; by mime_summarize_sandboxed only */
};

int mime_summarize(struct arena *a, struct span message, struct mime_summary *ret_summary);
/* The same for a process that may open no file: see mime_decode_text_sandboxed for what that does to subject and from. */
int mime_summarize_sandboxed(struct arena *a, struct span message, struct mime_summary *ret_summary);

/* BODY from BODYSTRUCTURE: the same text without the extension data. -POD_E_CORRUPT where it is not one. */
int mime_body_of_bodystructure(struct span bodystructure, struct buf *out);

/* The packed form of a tree (versioned, compact) and back; -POD_E_CORRUPT on damaged bytes. */
int mime_tree_pack(struct arena *a, const struct mime_tree *tree, struct span *ret_packed);
int mime_tree_unpack(struct arena *a, struct span packed, struct mime_tree *ret_tree);

/* Whether a field of that name is in mime_summary.headers whenever the message has it. */
bool mime_field_is_cached(struct span name);

/*
 * An IMAP section's place in the message: path holds part numbers from 1 (RFC 3501 6.4.5, "1.2.3"; none for
 * the message itself). TEXT and HEADER of a path are of the message/rfc822 there; a path alone is the part's
 * body, MIME its header. -POD_E_NOTFOUND where there is no such part.
 */
enum mime_section { MIME_SECTION_BODY, MIME_SECTION_HEADER, MIME_SECTION_TEXT, MIME_SECTION_MIME };

struct mime_range {
	uint64_t off, len;
};

int mime_section_find(const struct mime_tree *tree, const uint32_t *path, size_t path_n,
                      enum mime_section section, struct mime_range *ret_range);

/*
 * Text of a leaf for people and for search: the transfer encoding taken off and the charset turned into
 * UTF-8. part_header is the part's own header. Bytes that do not decode are kept as they are.
 */
int mime_decode_body(struct arena *a, struct span part_header, struct span body, struct span *ret_text);

/* The bytes of a leaf with the transfer encoding taken off; the body itself where it has none. -POD_E_NOMEM. */
int mime_decode_transfer(struct arena *a, struct span part_header, struct span body, struct span *ret_bytes);

/*
 * The names that a part gives its file: of Content-Disposition and of Content-Type, plain and as RFC 2231 has it, decoded
 * (RFC 2047, too, which clients write there against the rules). Clients choose differently among them. Returns how many.
 */
#define MIME_PART_NAMES_MAX 4
size_t mime_part_names(struct arena *a, struct span part_header, struct span names[MIME_PART_NAMES_MAX]);

/* Whether lines are all CRLF-ended: a message from a Maildir tool may not be. */
bool mime_is_crlf(struct span message);

#endif
