#include "conf/ucl.h"

#include <stdbool.h>

#include "base/buf.h"
#include "conf/utf8.h"

struct parser {
	struct arena *a;
	struct problems *problems;
	struct span in; /* what is left */
	unsigned int line, depth;
	bool nomem;
};

static const struct ucl_node *entries(struct parser *p, uint8_t end, struct ucl_node *into);
static struct ucl_node *value(struct parser *p);

static uint8_t peek(const struct parser *p)
{
	return p->in.len ? p->in.p[0] : '\0';
}

static bool at(const struct parser *p, const char *s)
{
	struct span what = span_of(s);

	return span_eq(span_head(p->in, what.len), what);
}

static void skip(struct parser *p, size_t n)
{
	for (size_t i = 0; i < n && i < p->in.len; i++)
		p->line += p->in.p[i] == '\n';
	p->in = span_skip(p->in, n);
}

static void skip_line(struct parser *p)
{
	size_t n = span_find_byte(p->in, '\n');

	skip(p, n == SIZE_MAX ? p->in.len : n);
}

static void skip_block_comment(struct parser *p)
{
	unsigned int opened = p->line, depth = 0;

	do {
		if (p->in.len == 0) {
			problem_add(p->problems, opened, "the comment that begins here does not end");
			return;
		}
		if (at(p, "/*"))
			depth++;
		else if (at(p, "*/"))
			depth--;
		else {
			skip(p, 1);
			continue;
		}
		skip(p, 2);
	} while (depth);
}

/* Space and comments, over line ends. */
static void skip_blank(struct parser *p)
{
	for (;;) {
		uint8_t c = peek(p);

		if (p->in.len && (c == ' ' || c == '\t' || c == '\r' || c == '\n'))
			skip(p, 1);
		else if (c == '#')
			skip_line(p);
		else if (at(p, "/*"))
			skip_block_comment(p);
		else
			return;
	}
}

static void skip_space(struct parser *p)
{
	while (peek(p) == ' ' || peek(p) == '\t' || peek(p) == '\r')
		skip(p, 1);
}

static struct ucl_node *node_new(struct parser *p, enum ucl_kind kind)
{
	struct ucl_node *n = arena_new(p->a, struct ucl_node);

	if (n) {
		n->kind = kind;
		n->line = p->line;
	} else {
		p->nomem = true;
	}
	return n;
}

/* ---- text ---- */

static bool hex4(struct span s, uint32_t *ret_value)
{
	uint32_t v = 0;

	if (s.len < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		uint8_t c = ascii_lower(s.p[i]);

		if (!ascii_is_digit(c) && (c < 'a' || c > 'f'))
			return false;
		v = v * 16 + (ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
	}
	*ret_value = v;
	return true;
}

/* RFC 8259 section 7, at the byte after the backslash. Surrogate pairs are left to be written as UTF-8. */
static bool escape(struct parser *p, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found = peek(p) ? strchr(from, peek(p)) : NULL;
	uint32_t point;

	if (found) {
		buf_add_byte(out, (uint8_t) to[found - from]);
		skip(p, 1);
		return true;
	}
	if (peek(p) != 'u' || !hex4(span_skip(p->in, 1), &point) || !utf8_encode(point, out))
		return false;
	skip(p, 5);
	return true;
}

/* Up to the closing quote, which is taken too. Only double quotes know escapes. */
static bool quoted(struct parser *p, struct buf *out)
{
	uint8_t quote = peek(p);

	skip(p, 1);
	while (p->in.len && peek(p) != quote && peek(p) != '\n') {
		bool escaped = quote == '"' && peek(p) == '\\';

		if (!escaped)
			buf_add_byte(out, peek(p));
		skip(p, 1);
		if (escaped && !escape(p, out)) {
			problem_add(p->problems, p->line, "no such escape in a quoted text");
			return false;
		}
	}
	if (peek(p) != quote) {
		problem_add(p->problems, p->line, "the quoted text does not end on its line");
		return false;
	}
	skip(p, 1);
	return true;
}

static bool word(struct parser *p, struct buf *out)
{
	size_t n = 0;

	while (n < p->in.len && !strchr(";,}]#\n", p->in.p[n]))
		n++;
	buf_add(out, span_trim(span_head(p->in, n)));
	if (span_starts_nocase(p->in, SPAN_LIT("<<"))) {
		problem_add(p->problems, p->line, "here documents are not supported: quote the text");
		return false;
	}
	if (out->len == 0) {
		problem_add(p->problems, p->line, "a value is missing");
		return false;
	}
	if (span_find_byte(buf_span(out), '{') != SIZE_MAX ||
	    span_find_byte(buf_span(out), '"') != SIZE_MAX) {
		problem_add(p->problems, p->line, "quote a value that has braces or quotes in it");
		return false;
	}
	skip(p, n);
	return true;
}

/* Values reach log lines, terminals and protocol replies: nothing that could break those gets in. */
static bool text_is_clean(struct parser *p, struct span s)
{
	if (!utf8_is_text(s)) {
		problem_add(p->problems, p->line, "a value has control characters or is not UTF-8");
		return false;
	}
	if (span_find(s, SPAN_LIT("${")) != SIZE_MAX) {
		problem_add(p->problems, p->line, "variables are not supported: write the value itself");
		return false;
	}
	return true;
}

static const char *text(struct parser *p)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	bool good = peek(p) == '"' || peek(p) == '\'' ? quoted(p, &b) : word(p, &b);
	const char *s;

	if (!good || !text_is_clean(p, buf_span(&b)))
		return NULL;
	s = b.failed ? NULL : arena_str(p->a, buf_span(&b));
	p->nomem |= !s;
	return s;
}

/* ---- structure ---- */

static struct ucl_node *list(struct parser *p)
{
	struct ucl_node *n = node_new(p, UCL_LIST), **end = n ? &n->first : NULL;

	skip(p, 1);
	for (skip_blank(p); n && peek(p) != ']'; skip_blank(p)) {
		if (p->in.len == 0) {
			problem_add(p->problems, n->line, "the list that begins here does not end");
			return NULL;
		}
		*end = value(p);
		if (!*end)
			return NULL;
		end = &(*end)->next;
		skip_blank(p);
		if (peek(p) == ',')
			skip(p, 1);
	}
	skip(p, 1);
	return n;
}

static struct ucl_node *block(struct parser *p)
{
	struct ucl_node *n = node_new(p, UCL_BLOCK);

	skip(p, 1);
	return n && entries(p, '}', n) ? n : NULL;
}

static struct ucl_node *nested(struct parser *p)
{
	struct ucl_node *n;

	if (p->depth == UCL_DEPTH_MAX) {
		problem_add(p->problems, p->line, "nested too deeply");
		return NULL;
	}
	p->depth++;
	n = peek(p) == '{' ? block(p) : list(p);
	p->depth--;
	return n;
}

static struct ucl_node *value(struct parser *p)
{
	struct ucl_node *n;

	if (peek(p) == '{' || peek(p) == '[')
		return nested(p);
	n = node_new(p, UCL_TEXT);
	if (n)
		n->text = text(p);
	return n && n->text ? n : NULL;
}

static bool is_key_byte(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_' || c == '-';
}

static const char *key(struct parser *p)
{
	size_t n = 0;
	const char *s;

	if (peek(p) == '"' || peek(p) == '\'')
		return text(p);
	while (n < p->in.len && is_key_byte(p->in.p[n]))
		n++;
	if (n == 0) {
		problem_add(
			p->problems, p->line,
			peek(p) == '.'
				? "macros such as .include are not allowed: all options stand in this file"
				: "an option's name is expected here");
		return NULL;
	}
	s = arena_str(p->a, span_head(p->in, n));
	p->nomem |= !s;
	skip(p, n);
	return s;
}

static struct ucl_node *entry(struct parser *p)
{
	const char *name = key(p);
	struct ucl_node *n;

	if (!name)
		return NULL;
	skip_space(p);
	if (peek(p) == '=' || peek(p) == ':') {
		skip(p, 1);
		skip_space(p);
	}
	if (peek(p) == '\n') /* an opening brace may stand on the next line, a value may not */
		skip_blank(p);
	n = value(p);
	if (n)
		n->key = name;
	return n;
}

/* What may follow an entry: a separator, the end of the line, of the block or of the file. */
static bool entry_ends(struct parser *p, uint8_t end)
{
	skip_space(p);
	if (peek(p) == ';' || peek(p) == ',') {
		skip(p, 1);
		return true;
	}
	if (p->in.len == 0 || peek(p) == '\n' || peek(p) == '#' || peek(p) == end || at(p, "/*"))
		return true;
	problem_add(p->problems, p->line, "\";\" or the end of the line is expected after a value");
	return false;
}

/* Fills *into up to `end` (taken too); '\0' is the end of the file. */
static const struct ucl_node *entries(struct parser *p, uint8_t end, struct ucl_node *into)
{
	struct ucl_node **tail = &into->first;

	for (skip_blank(p); !p->nomem; skip_blank(p)) {
		struct ucl_node *n;

		if (p->in.len == 0) {
			if (end)
				problem_add(p->problems, into->line,
				            "the block that begins here does not end");
			return into;
		}
		if (end && peek(p) == end) {
			skip(p, 1);
			return into;
		}
		n = entry(p);
		if (n) {
			*tail = n;
			tail = &n->next;
		}
		if (!n || !entry_ends(p, end))
			skip_line(p);
	}
	return NULL;
}

const struct ucl_node *ucl_parse(struct arena *a, struct span in, struct problems *problems)
{
	struct parser p = { .a = a, .problems = problems, .in = in, .line = 1 };
	struct ucl_node *root = node_new(&p, UCL_BLOCK);

	if (!root)
		return NULL;
	if (in.len > UCL_SIZE_MAX) {
		problem_add(problems, 0, "larger than %u bytes", UCL_SIZE_MAX);
		return root;
	}
	skip_blank(&p);
	if (peek(&p) != '{')
		return entries(&p, '\0', root);
	skip(&p, 1);
	if (!entries(&p, '}', root))
		return NULL;
	skip_blank(&p);
	if (p.in.len)
		problem_add(problems, p.line, "nothing may follow the closing brace");
	return root;
}
