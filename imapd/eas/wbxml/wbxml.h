/*
 * WBXML as ActiveSync has it (MS-ASWBXML, on WBXML 1.3): documents of a request become a tree, answers are
 * written tag by tag. Pure: no I/O; memory is the caller's arena or buf.
 *
 * The tags are the rows of codepages.tsv: AIRSYNC_SYNC, EMAIL_SUBJECT and so on, page and token in one
 * number. The same rows are the names that people see in logs. What is no row is refused: so is all of WBXML
 * that ActiveSync does not use (attributes, entities, extensions, processing instructions, a string table).
 */
#ifndef POD_IMAPD_EAS_WBXML_H
#define POD_IMAPD_EAS_WBXML_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#include "imapd/eas/wbxml/tags.gen.h"

#define WBXML_TAG(page, token) (((page) << 8) | (token))

enum wbxml_tag {
#define X(constant, page, token, name) constant = WBXML_TAG(page, token),
	WBXML_TAGS(X)
#undef X
};

/* "AirSync:Sync"; NULL: there is no such tag. */
const char *wbxml_name(unsigned int tag);

/* ---- reading ---- */

/* An element. All of it lives in the arena, but for text in one run, which points into the document. */
struct wbxml_node {
	enum wbxml_tag tag;
	bool opaque; /* some of its text came as OPAQUE: bytes, not characters */
	/* Its runs of text, joined; as sent: it may be no valid UTF-8. */
	struct span text;
	size_t room; /* the reader's: of text, where it was joined */
	struct wbxml_node *parent, *first, *last, *next;
};

#define WBXML_DEPTH_MAX    32u
#define WBXML_ELEMENTS_MAX 1000000u

/*
 * Reads a whole document; the root is what stands first. -POD_E_SYNTAX: it is none, err says where;
 * -POD_E_LIMIT: nested deeper or with more elements than the limits above; -POD_E_NOMEM: beyond the arena's.
 * Without recursion.
 */
int wbxml_decode(struct arena *a, struct span document, struct wbxml_node **ret_root, struct err *err);

/* The first child with that tag; NULL: none. node may be NULL, so that a path can be walked without a look at
 * each step. */
const struct wbxml_node *wbxml_child(const struct wbxml_node *node, enum wbxml_tag tag);
/* The next one beside node with the same tag. */
const struct wbxml_node *wbxml_again(const struct wbxml_node *node);
/* Text of a child; SPAN_NONE where there is no such child. */
struct span wbxml_child_text(const struct wbxml_node *node, enum wbxml_tag tag);
/*
 * A child's text as a decimal number up to max. 1: *ret is set; 0: no such child; -POD_E_SYNTAX: it is no
 * number; -POD_E_LIMIT: larger.
 */
int wbxml_child_uint(const struct wbxml_node *node, enum wbxml_tag tag, uint64_t max, uint64_t *ret);
/* A child that is a flag (MS-ASDTYPE boolean): "1", empty: true; "0": false; absent: otherwise. -POD_E_SYNTAX
 * for others. */
int wbxml_child_bool(const struct wbxml_node *node, enum wbxml_tag tag, bool otherwise, bool *ret);

/* ---- writing ---- */

/* A document on its way into out. Elements are closed in the order in which they were opened; the caller sees
 * to it. */
struct wbxml_writer {
	struct buf *out; /* failed when memory is out, as any buf */
	unsigned int page, depth;
};

/* The header: version 1.3, no public identifier, UTF-8, no string table. */
void wbxml_begin(struct wbxml_writer *w, struct buf *out);
void wbxml_open(struct wbxml_writer *w, enum wbxml_tag tag);
void wbxml_close(struct wbxml_writer *w);
void wbxml_empty(struct wbxml_writer *w, enum wbxml_tag tag);
/* An element with text, or an empty one. A NUL cannot be said in text and is left out. */
void wbxml_text(struct wbxml_writer *w, enum wbxml_tag tag, struct span text);
void wbxml_str(struct wbxml_writer *w, enum wbxml_tag tag, const char *text);
void wbxml_uint(struct wbxml_writer *w, enum wbxml_tag tag, uint64_t n);
/* An element with bytes, whatever they are. */
void wbxml_opaque(struct wbxml_writer *w, enum wbxml_tag tag, struct span bytes);
/* More of an open element's text or bytes: runs are joined by who reads. */
void wbxml_add_text(struct wbxml_writer *w, struct span text);
void wbxml_add_opaque(struct wbxml_writer *w, struct span bytes);

/* ---- for people ---- */

/*
 * The tree as indented lines ("AirSync:SyncKey 1"), texts cut after text_max bytes and made printable; for
 * logs and tests. Passwords and message bodies are the caller's to leave out.
 */
void wbxml_print(const struct wbxml_node *root, size_t text_max, struct buf *out);

#endif
