/*
 * address-list of RFC 5322 3.4 with the obsolete forms of 4.4, read the way a person would where the grammar
 * is broken: an entry is everything up to a comma (or a semicolon), cut into words, and only then it is
 * decided which words are the name, the local part and the domain.
 */
#include "mime/address_list.h"

#include "base/cleanup.h"
#include "base/err.h"
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
	default:
		n = atom_len(r->rest);
		w.text = span_head(r->rest, n);
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
			r->comment = span_trim(span_make(r->rest.p + 1, n - (r->rest.p[n - 1] == ')' ? 2 : 1)));
		r->rest = span_skip(r->rest, n);
	}
	return r->rest.p != before;
}

/*
 * Takes words up to a byte of `stops`, which is left in *rest; returns it, 0 at the end of the bytes. A colon
 * after an "@" or inside a group opens no group, so it counts as part of a word.
 */
static int take_words(struct address_reader *r, const char *stops, uint8_t *ret_stop)
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

/* Whether word i hangs together with the one before it: nothing between, or a dot on either side. */
static bool is_tied(const struct address_word *w, size_t i)
{
	struct span before = w[i - 1].text, text = w[i].text;

	if (!w[i].spaced)
		return true;
	return (before.len && before.p[before.len - 1] == '.' && !w[i - 1].quoted) ||
	       (text.len && text.p[0] == '.' && !w[i].quoted);
}

/* Words as one text: one space where there was any, none round the dots of an address where `tight`. */
static int join_words(struct address_reader *r, const struct address_word *w, size_t n, bool tight,
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
		if (i && w[i].spaced && !(tight && is_tied(w, i)))
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

static int join_address(struct address_reader *r, const struct address_word *w, size_t n, struct span *ret_text)
{
	return join_words(r, w, n, needs_tightening(w, n), ret_text);
}

/* An empty text that is not "none": for parts of an address that are missing. */
static const struct span nothing = { (const uint8_t *) "", 0 };

static struct span or_nothing(struct span s)
{
	return s.len ? s : nothing;
}

static int name_from_comment(struct address_reader *r, struct address_entry *e)
{
	if (e->name.len == 0 && r->comment.len) {
		e->name = cfws_unquote(r->a, r->comment);
		if (!e->name.p)
			return -POD_E_NOMEM;
	}
	return 0;
}

static size_t last_at(const struct address_reader *r, size_t from)
{
	for (size_t i = r->words_n; i > from; i--)
		if (r->words[i - 1].at)
			return i - 1;
	return SIZE_MAX;
}

/*
 * addr-spec without angle brackets. Words that do not hang together with the local part ("Bob Smith bob@x")
 * or the domain are taken for the name.
 */
static int resolve_plain(struct address_reader *r, struct address_entry *e)
{
	const struct address_word *w = r->words;
	size_t n = r->words_n, at = last_at(r, 0), local = at, end;
	int f = 0;

	if (at == SIZE_MAX) {
		size_t tied = 1;

		while (tied < n && is_tied(w, tied))
			tied++;
		if (tied < n || (n == 1 && w[0].quoted))
			return join_words(r, w, n, false, &e->name);
		return join_address(r, w, n, &e->local);
	}
	if (local > 0)
		for (local--; local > 0 && is_tied(w, local); local--)
			;
	for (end = at + 1; end < n && (end == at + 1 || is_tied(w, end)); end++)
		;
	f = join_address(r, w + local, at - local, &e->local);
	if (f == 0)
		f = join_address(r, w + at + 1, end - at - 1, &e->domain);
	if (f == 0 && local > 0)
		f = join_words(r, w, local, false, &e->name);
	else if (f == 0 && end < n)
		f = join_words(r, w + end, n - end, false, &e->name);
	return f;
}

/* obs-route = obs-domain-list ":"; obs-domain-list = *(CFWS / ",") "@" domain *("," [CFWS] ["@" domain]) */
static int take_route(struct address_reader *r, struct span *ret_route)
{
	struct span look = r->rest;
	size_t end = 0;

	cfws_skip(&look);
	if (look.len == 0 || look.p[0] != '@')
		return 0;
	while (end < look.len && look.p[end] != ':' && look.p[end] != '>' && look.p[end] != '<')
		end++;
	if (end == look.len || look.p[end] != ':')
		return 0;
	*ret_route = cfws_unquote(r->a, span_trim(span_head(look, end)));
	r->rest = span_skip(look, end + 1);
	return ret_route->p ? 0 : -POD_E_NOMEM;
}

/* addr-spec inside "<" and ">". Of "<junk<bob@x>" the junk is dropped: the innermost "<" opened the address. */
static int take_addr_spec(struct address_reader *r, struct address_entry *e, size_t phrase)
{
	uint8_t stop = '<';
	int f = 0;

	while (f == 0 && stop == '<') {
		r->words_n = phrase;
		r->rest = span_skip(r->rest, 1);
		f = take_route(r, &e->route);
		if (f == 0)
			f = take_words(r, "<>,", &stop);
	}
	if (f == 0 && stop == '>')
		r->rest = span_skip(r->rest, 1);
	return f;
}

/*
 * Passes over what stands behind an angle-addr in its entry. Where that is another one, a comma was left out:
 * it is read as an entry of its own, and not hidden.
 */
static int pass_trailer(struct address_reader *r)
{
	struct span after = r->rest;
	uint8_t stop;
	int f = take_words(r, ",;<", &stop);

	if (f == 0 && stop == '<')
		r->rest = after;
	return f;
}

/* angle-addr = [CFWS] "<" [obs-route] addr-spec ">" [CFWS] */
static int resolve_angle(struct address_reader *r, struct address_entry *e)
{
	size_t phrase = r->words_n, at;
	int f = join_words(r, r->words, phrase, false, &e->name);

	if (f == 0)
		f = take_addr_spec(r, e, phrase);
	if (f < 0)
		return f;
	at = last_at(r, phrase);
	if (at == SIZE_MAX)
		at = r->words_n;
	f = join_address(r, r->words + phrase, at - phrase, &e->local);
	if (f == 0 && at < r->words_n)
		f = join_address(r, r->words + at + 1, r->words_n - at - 1, &e->domain);
	return f < 0 ? f : pass_trailer(r);
}

static bool take_byte(struct address_reader *r, uint8_t c)
{
	if (r->rest.len == 0 || r->rest.p[0] != c)
		return false;
	r->rest = span_skip(r->rest, 1);
	return true;
}

static int start_group(struct address_reader *r, struct address_entry *e)
{
	int f = join_words(r, r->words, r->words_n, false, &e->name);

	e->kind = ADDRESS_GROUP_START;
	e->name = or_nothing(e->name);
	r->in_group = true;
	(void) take_byte(r, ':');
	return f < 0 ? f : 1;
}

static int end_group(struct address_reader *r, struct address_entry *e)
{
	*e = (struct address_entry){ .kind = ADDRESS_GROUP_END };
	r->in_group = false;
	return 1;
}

static int read_mailbox(struct address_reader *r, uint8_t stop, struct address_entry *e)
{
	int f = stop == '<' ? resolve_angle(r, e) : resolve_plain(r, e);

	if (f == 0)
		f = name_from_comment(r, e);
	e->local = or_nothing(e->local);
	e->domain = or_nothing(e->domain);
	return f < 0 ? f : 1;
}

int address_reader_next(struct address_reader *r, struct address_entry *ret_entry)
{
	for (;;) {
		struct address_entry e = { .kind = ADDRESS_MAILBOX };
		uint8_t stop = 0;
		int f;

		r->words_n = 0;
		r->comment = SPAN_NONE;
		f = take_words(r, ",;:<", &stop);
		if (f < 0)
			return f;
		if (stop == ':' && r->words_n)
			f = start_group(r, &e);
		else if (stop == '<' || r->words_n)
			f = read_mailbox(r, stop, &e);
		else if (take_byte(r, ',') || take_byte(r, ':'))
			continue;
		else if (take_byte(r, ';') && !r->in_group)
			continue;
		else if (r->in_group)
			f = end_group(r, &e);
		else
			return 0;
		if (f > 0)
			*ret_entry = e;
		return f;
	}
}

int address_list_parse(struct arena *a, struct span value, struct address_list *ret_list)
{
	struct address_reader r;
	struct address_list list = { NULL, 0 };
	struct address_entry e;
	size_t cap = 0;
	int f;

	address_reader_init(&r, a, value);
	while ((f = address_reader_next(&r, &e)) > 0) {
		if (list.n == ADDRESS_LIST_MAX)
			return -POD_E_LIMIT;
		if (list.n == cap) {
			struct address_entry *grown = arena_grow(a, list.entries, list.n, cap ? 2 * cap : 4, sizeof(e));

			if (!grown)
				return -POD_E_NOMEM;
			list.entries = grown;
			cap = cap ? 2 * cap : 4;
		}
		list.entries[list.n++] = e;
	}
	if (f == 0)
		*ret_list = list;
	return f;
}
