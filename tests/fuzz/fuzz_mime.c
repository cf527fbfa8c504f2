/* A whole message: the tree, its packed form, the summary, BODY, sections and every decoded leaf. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mime/header.h"
#include "mime/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static void check_leaf(struct arena *a, struct span message, const struct mime_part *p)
{
	struct span text;

	CHECK(mime_decode_body(a, span_make(message.p + p->header_off, p->header_len),
	                       span_make(message.p + p->body_off, p->body_len), &text) == 0);
}

/* Each part lies inside its parent, and lines are what is counted in its body. */
static void check_tree(struct arena *a, struct span message, const struct mime_tree *tree)
{
	CHECK(tree->n > 0 && tree->n <= MIME_PARTS_MAX);
	CHECK(tree->parts[0].header_len + tree->parts[0].body_len == message.len);
	for (uint32_t i = 0; i < tree->n; i++) {
		const struct mime_part *p = &tree->parts[i], *up = i ? &tree->parts[p->parent] : NULL;
		uint32_t lines = 0;

		CHECK(p->body_off == p->header_off + p->header_len &&
		      p->body_off + p->body_len <= message.len);
		CHECK(!up || (p->parent < i && p->header_off >= up->body_off &&
		              p->body_off + p->body_len <= up->body_off + up->body_len));
		for (size_t k = 0; k < p->body_len; k++)
			lines += message.p[p->body_off + k] == '\n';
		CHECK(lines == p->lines);
		if (p->kind == MIME_LEAF)
			check_leaf(a, message, p);
	}
}

static void check_summary(struct arena *a, const struct mime_tree *tree, const struct mime_summary *s)
{
	_cleanup_buf_ struct buf body = BUF_INIT;
	struct mime_tree again;

	CHECK(mime_body_of_bodystructure(s->bodystructure, &body) == 0);
	CHECK(mime_tree_unpack(a, s->parts, &again) == 0 && again.n == tree->n);
	for (uint32_t i = 0; i < again.n; i++)
		CHECK(memcmp(&again.parts[i], &tree->parts[i], sizeof(again.parts[i])) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create((size_t) 64 << 20);
	struct span message = span_make(data, len);
	static const uint32_t path[] = { 1, 2, 1 };
	struct mime_summary s;
	struct mime_range range;
	struct mime_tree tree;

	CHECK(mime_parse(a, message, &tree) == 0);
	check_tree(a, message, &tree);
	CHECK(mime_summarize(a, message, &s) == 0);
	check_summary(a, &tree, &s);
	for (size_t n = 0; n <= ARRAY_SIZE(path); n++)
		if (mime_section_find(&tree, path, n, MIME_SECTION_BODY, &range) == 0)
			CHECK(range.off + range.len <= len);
	(void) mime_tree_unpack(a, message, &tree);
	(void) mime_is_crlf(message);
	return 0;
}
