#include "imapd/eas/wbxml/wbxml.h"
#include "imapd/eas/wbxml/wire.h"

struct reader {
	struct arena *a;
	struct span in; /* what is left */
	size_t size;    /* of all */
	unsigned int page, depth;
	size_t elements;
	struct wbxml_node *root, *open; /* open: whose content we are in */
	struct err *err;
};

static int refuse(const struct reader *r, const char *what)
{
	return err_set(r->err, POD_E_SYNTAX, "WBXML: %s at byte %zu", what, r->size - r->in.len);
}

/* ---- bytes ---- */

static int take_byte(struct reader *r, uint8_t *ret)
{
	if (r->in.len == 0)
		return refuse(r, "it ends too early");
	*ret = r->in.p[0];
	r->in = span_skip(r->in, 1);
	return 0;
}

/* mb_u_int32 (WBXML 1.3, 5.1): 7 bits in each byte, the highest first. */
static int take_uint(struct reader *r, uint32_t *ret)
{
	uint64_t n = 0;

	for (int i = 0; i < 5; i++) {
		uint8_t c = 0;
		int res = take_byte(r, &c);

		if (res < 0)
			return res;
		n = n << 7 | (c & 0x7f);
		if (!(c & 0x80)) {
			*ret = (uint32_t) n;
			return n > UINT32_MAX ? refuse(r, "a number of more than 32 bits") : 0;
		}
	}
	return refuse(r, "a number of more than 32 bits");
}

static int take_string(struct reader *r, struct span *ret)
{
	const uint8_t *end = r->in.len ? memchr(r->in.p, 0, r->in.len) : NULL;

	if (!end)
		return refuse(r, "text without an end");
	*ret = span_head(r->in, (size_t) (end - r->in.p));
	r->in = span_skip(r->in, ret->len + 1);
	return 0;
}

static int take_opaque(struct reader *r, struct span *ret)
{
	uint32_t size;
	int res = take_uint(r, &size);

	if (res < 0)
		return res;
	if (size > r->in.len)
		return refuse(r, "fewer bytes than it announces");
	*ret = span_head(r->in, size);
	r->in = span_skip(r->in, size);
	return 0;
}

/* ---- the document ---- */

static int take_header(struct reader *r)
{
	uint32_t public_id = 0, charset = 0, strings = 0;
	uint8_t version = 0;
	int res = take_byte(r, &version);

	if (res == 0 && (version < 0x01 || version > VERSION_1_3))
		return refuse(r, "not a version of WBXML that we know");
	if (res == 0)
		res = take_uint(r, &public_id);
	if (res == 0 && public_id == 0)
		return refuse(r, "a public identifier in a string table");
	if (res == 0)
		res = take_uint(r, &charset);
	if (res == 0 && charset != CHARSET_UTF8)
		return refuse(r, "a charset other than UTF-8");
	if (res == 0)
		res = take_uint(r, &strings);
	if (res == 0 && strings != 0)
		return refuse(r, "a string table");
	return res;
}

/* Grows by doubling: text may come a byte at a time. */
static int join_text(struct reader *r, struct wbxml_node *n, struct span more)
{
	size_t size = n->text.len + more.len;
	uint8_t *joined;

	if (size > n->room) {
		joined = arena_grow(r->a, n->text.p, n->text.len, 2 * size, 1);
		if (!joined)
			return err_set(r->err, POD_E_NOMEM, "WBXML: no memory for a document");
		n->room = 2 * size;
		n->text.p = joined;
	}
	joined = (uint8_t *) (uintptr_t) n->text.p; /* ours, in the arena */
	memcpy(joined + n->text.len, more.p, more.len);
	n->text.len = size;
	return 0;
}

static int add_text(struct reader *r, struct span text)
{
	struct wbxml_node *n = r->open;

	if (!n)
		return refuse(r, "text outside of elements");
	if (n->text.len > 0 && text.len > 0)
		return join_text(r, n, text);
	if (text.len > 0)
		n->text = text;
	return 0;
}

static void link_node(struct reader *r, struct wbxml_node *n)
{
	n->parent = r->open;
	if (!r->open)
		r->root = n;
	else if (r->open->last)
		r->open->last->next = n;
	else
		r->open->first = n;
	if (r->open)
		r->open->last = n;
}

static int on_tag(struct reader *r, uint8_t token)
{
	unsigned int tag = WBXML_TAG(r->page, token & TOKEN_MASK);
	struct wbxml_node *n;

	if (token & TOKEN_ATTRIBUTES || (token & TOKEN_MASK) < TOKEN_FIRST)
		return refuse(r, "something that ActiveSync does not use");
	if (!wbxml_name(tag))
		return refuse(r, "an unknown tag");
	if (!r->open && r->root)
		return refuse(r, "a second root");
	if (++r->elements > WBXML_ELEMENTS_MAX || (token & TOKEN_CONTENT && r->depth == WBXML_DEPTH_MAX))
		return err_set(r->err, POD_E_LIMIT, "WBXML: more than %u elements, or nested deeper than %u",
		               WBXML_ELEMENTS_MAX, WBXML_DEPTH_MAX);
	n = arena_new(r->a, struct wbxml_node);
	if (!n)
		return err_set(r->err, POD_E_NOMEM, "WBXML: no memory for a document");
	n->tag = (enum wbxml_tag) tag;
	link_node(r, n);
	if (token & TOKEN_CONTENT) {
		r->open = n;
		r->depth++;
	}
	return 0;
}

static int on_end(struct reader *r)
{
	if (!r->open)
		return refuse(r, "an end of nothing");
	r->open = r->open->parent;
	r->depth--;
	return 0;
}

static int on_page(struct reader *r)
{
	uint8_t page = 0;
	int res = take_byte(r, &page);

	r->page = res == 0 ? page : r->page;
	return res;
}

static int on_string(struct reader *r)
{
	struct span text;
	int res = take_string(r, &text);

	return res < 0 ? res : add_text(r, text);
}

static int on_opaque(struct reader *r)
{
	struct span bytes;
	int res = take_opaque(r, &bytes);

	if (res == 0)
		res = add_text(r, bytes);
	if (res == 0)
		r->open->opaque = true;
	return res;
}

static int take_token(struct reader *r)
{
	uint8_t token = TOKEN_END;
	int res = take_byte(r, &token);

	if (res < 0)
		return res;
	switch (token) {
	case TOKEN_PAGE: return on_page(r);
	case TOKEN_END: return on_end(r);
	case TOKEN_STR_I: return on_string(r);
	case TOKEN_OPAQUE: return on_opaque(r);
	default: return on_tag(r, token);
	}
}

int wbxml_decode(struct arena *a, struct span document, struct wbxml_node **ret_root, struct err *err)
{
	struct reader r = { .a = a, .in = document, .size = document.len, .err = err };
	int res = take_header(&r);

	while (res == 0 && (!r.root || r.open))
		res = take_token(&r);
	if (res == 0 && r.in.len > 0)
		res = refuse(&r, "something behind the root");
	if (res == 0)
		*ret_root = r.root;
	return res;
}
