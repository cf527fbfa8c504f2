/* Addresses cut into words (atoms, quoted strings, domain literals, "@"), and words put together again. */
#include "base/cleanup.h"
#include "base/err.h"
#include "mime/address_list.h"
#include "mime/cfws.h"

void address_reader_init(struct address_reader *r, struct arena *a, struct span value)
{
	*r = (struct address_reader){ .a = a, .rest = value, .words_cap = ARRAY_SIZE(r->first_words) };
	r->words = r->first_words;
}

/* A name of more words is cut: no one wrote it, and each word costs memory. */
#define WORDS_MAX 1000

static int add_word(struct address_reader *r, struct address_word w)
{
	if (r->words_n == WORDS_MAX)
		return 0;
	if (r->words_n == r->words_cap) {
		size_t cap = 2 * r->words_cap;
		struct address_word *grown = arena_grow(r->a, r->words, r->words_n, cap, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		r->words = grown;
		r->words_cap = cap;
	}
	r->words[r->words_n++] = w;
	return 0;
}

static bool ends_word(uint8_t c)
{
	return cfws_is_space(c) || (c && strchr("(),:;<>@\"[", c));
}

/* Length of the atom at the start of s, at least 1: dots count, so do bytes that have no business there. */
static size_t atom_len(struct span s)
{
	size_t n = 1;

	while (n < s.len && !ends_word(s.p[n]))
		n++;
	return n;
}

/* domain-literal = "[" *([FWS] dtext) [FWS] "]"; an open one is just a word. */
static size_t literal_len(struct span s)
{
	size_t end = span_find_byte(s, ']');

	return end == SIZE_MAX ? atom_len(s) : end + 1;
}

/* Takes one word, whatever it is made of; *rest does not start with white space or a comment. */
static int take_word(struct address_reader *r, bool spaced)
{
	struct address_word w = { .spaced = spaced };
	size_t n;

	switch (r->rest.p[0]) {
	case '"':
		n = cfws_quoted_len(r->rest);
		w.quoted = true;
		w.text = span_make(r->rest.p + 1, n >= 2 && r->rest.p[n - 1] == '"' ? n - 2 : n - 1);
		break;
	case '[':
		n = literal_len(r->rest);
		w.text = span_head(r->rest, n);
		break;
	case '@':
		n = 1;
		w.at = true;
		w.text = span_head(r->rest, n);
		break;
	default: n = atom_len(r->rest); w.text = span_head(r->rest, n);
	}
	r->rest = span_skip(r->rest, n);
	return add_word(r, w);
}

/* Skips white space and comments, keeping the last comment that says something. True where there was any. */
static bool skip_space(struct address_reader *r)
{
	const uint8_t *before = r->rest.p;

	while (r->rest.len && (cfws_is_space(r->rest.p[0]) || r->rest.p[0] == '(')) {
		size_t n = r->rest.p[0] == '(' ? cfws_comment_len(r->rest) : 1;

		if (n > 2)
			r->comment =
				span_trim(span_make(r->rest.p + 1, n - (r->rest.p[n - 1] == ')' ? 2 : 1)));
		r->rest = span_skip(r->rest, n);
	}
	return r->rest.p != before;
}

/* A colon after an "@" or inside a group opens no group, so it counts as part of a word. */
int address_take_words(struct address_reader *r, const char *stops, uint8_t *ret_stop)
{
	bool seen_at = false;

	for (;;) {
		bool spaced = skip_space(r);
		uint8_t c = r->rest.len ? r->rest.p[0] : 0;
		int e;

		if (r->rest.len == 0 || (c && strchr(stops, c) && !(c == ':' && (seen_at || r->in_group)))) {
			*ret_stop = c;
			return 0;
		}
		e = take_word(r, spaced);
		if (e < 0)
			return e;
		seen_at |= c == '@';
	}
}

static bool words_are_one_slice(const struct address_word *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (w[i].quoted)
			return n == 1;
		if (i && w[i].text.p != w[i - 1].text.p + w[i - 1].text.len + w[i].spaced)
			return false;
		if (i && w[i].spaced && w[i].text.p[-1] != ' ')
			return false;
	}
	return true;
}

bool address_words_tied(const struct address_word *w, size_t i)
{
	struct span before = w[i - 1].text, text = w[i].text;

	if (!w[i].spaced)
		return true;
	return (before.len && before.p[before.len - 1] == '.' && !w[i - 1].quoted) ||
	       (text.len && text.p[0] == '.' && !w[i].quoted);
}

int address_join_words(struct address_reader *r, const struct address_word *w, size_t n, bool tight,
                       struct span *ret_text)
{
	size_t total = n, len = 0;
	uint8_t *to;

	*ret_text = SPAN_NONE;
	if (n == 0)
		return 0;
	if (!tight && words_are_one_slice(w, n)) {
		size_t slice = (size_t) (w[n - 1].text.p - w[0].text.p) + w[n - 1].text.len;

		*ret_text = cfws_unquote(r->a, span_make(w[0].text.p, slice));
		return ret_text->p || slice == 0 ? 0 : -POD_E_NOMEM;
	}
	for (size_t i = 0; i < n; i++)
		total += w[i].text.len;
	to = arena_alloc(r->a, total);
	if (!to)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < n; i++) {
		if (i && w[i].spaced && !(tight && address_words_tied(w, i)))
			to[len++] = ' ';
		for (size_t k = 0; k < w[i].text.len; k++) {
			uint8_t c = w[i].text.p[k];

			if (w[i].quoted && c == '\\' && k + 1 < w[i].text.len)
				c = w[i].text.p[++k];
			else if (c == '\r' || c == '\n')
				continue;
			to[len++] = c;
		}
	}
	*ret_text = span_make(to, len);
	return 0;
}

static bool needs_tightening(const struct address_word *w, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (w[i].spaced)
			return true;
	return false;
}

int address_join_tight(struct address_reader *r, const struct address_word *w, size_t n,
                       struct span *ret_text)
{
	return address_join_words(r, w, n, needs_tightening(w, n), ret_text);
}
