/*
 * Prints what lib/mime makes of messages, for test_mime_against_python.py to compare: one record a file named
 * on standard input, each field as "name length\n", its bytes and a newline, so that any byte can stand in
 * it.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mime/mime.h"

static void print_field(const char *name, struct span s)
{
	(void) printf("%s %zu\n", name, s.len);
	(void) fwrite(s.p, 1, s.len, stdout);
	(void) putchar('\n');
}

static int read_file(const char *path, struct buf *out)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "rb");
	size_t n;

	if (!f)
		return -errno;
	do {
		uint8_t *to = buf_reserve(out, 65536);

		n = to ? fread(to, 1, 65536, f) : 0;
		out->len += n;
	} while (n);
	return 0;
}

/* kind header_off header_len body_off body_len lines, a part a line */
static void print_tree(const struct mime_tree *tree)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (uint32_t i = 0; i < tree->n; i++) {
		const struct mime_part *p = &tree->parts[i];

		buf_printf(&b, "%d %llu %llu %llu %llu %u\n", (int) p->kind,
		           (unsigned long long) p->header_off, (unsigned long long) p->header_len,
		           (unsigned long long) p->body_off, (unsigned long long) p->body_len, p->lines);
	}
	print_field("parts", buf_span(&b));
}

static int print_message(const char *path)
{
	_cleanup_(arena_freep) struct arena *a = arena_create((size_t) 512 << 20);
	_cleanup_buf_ struct buf message = BUF_INIT, body = BUF_INIT;
	struct mime_summary s;
	struct mime_tree tree;
	struct span text = SPAN_NONE;
	int r;

	if (!a || read_file(path, &message) < 0)
		return -POD_E_IO;
	r = mime_summarize(a, buf_span(&message), &s);
	if (r == 0)
		r = mime_tree_unpack(a, s.parts, &tree);
	if (r == 0)
		r = mime_body_of_bodystructure(s.bodystructure, &body);
	if (r < 0)
		return r;
	print_field("file", span_of(path));
	print_tree(&tree);
	print_field("envelope", s.envelope);
	print_field("bodystructure", s.bodystructure);
	print_field("body", buf_span(&body));
	print_field("headers", s.headers);
	print_field("message_id", s.message_id);
	print_field("subject", s.subject);
	for (uint32_t i = 0; i < tree.n; i++) {
		const struct mime_part *p = &tree.parts[i];

		if (p->kind == MIME_LEAF &&
		    mime_decode_body(a, span_make(message.p + p->header_off, p->header_len),
		                     span_make(message.p + p->body_off, p->body_len), &text) == 0)
			print_field("text", text);
	}
	print_field("end", SPAN_NONE);
	return 0;
}

int main(void)
{
	char path[4096];
	int r = 0;

	while (fgets(path, sizeof(path), stdin)) {
		path[strcspn(path, "\n")] = '\0';
		int one = print_message(path);

		if (one < 0) {
			(void) fprintf(stderr, "%s: %s\n", path, err_code_text(one));
			r = 1;
		}
	}
	return r;
}
