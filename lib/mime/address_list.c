/*
 * address-list of RFC 5322 3.4 with the obsolete forms of 4.4, read the way a person would where the grammar
 * is broken: an entry is everything up to a comma (or a semicolon), cut into words, and only then it is
 * decided which words are the name, the local part and the domain.
 */
#include "mime/address_list.h"

#include "base/err.h"
#include "mime/cfws.h"

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

		while (tied < n && address_words_tied(w, tied))
			tied++;
		if (tied < n || (n == 1 && w[0].quoted))
			return address_join_words(r, w, n, false, &e->name);
		return address_join_tight(r, w, n, &e->local);
	}
	if (local > 0)
		for (local--; local > 0 && address_words_tied(w, local); local--)
			;
	for (end = at + 1; end < n && (end == at + 1 || address_words_tied(w, end)); end++)
		;
	f = address_join_tight(r, w + local, at - local, &e->local);
	if (f == 0)
		f = address_join_tight(r, w + at + 1, end - at - 1, &e->domain);
	if (f == 0 && local > 0)
		f = address_join_words(r, w, local, false, &e->name);
	else if (f == 0 && end < n)
		f = address_join_words(r, w + end, n - end, false, &e->name);
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

/*
 * addr-spec inside "<" and ">". Of "<junk<bob@x>" the junk is dropped: the innermost "<" opened
 * the address.
 */
static int take_addr_spec(struct address_reader *r, struct address_entry *e, size_t phrase)
{
	uint8_t stop = '<';
	int f = 0;

	while (f == 0 && stop == '<') {
		r->words_n = phrase;
		r->rest = span_skip(r->rest, 1);
		f = take_route(r, &e->route);
		if (f == 0)
			f = address_take_words(r, "<>,", &stop);
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
	int f = address_take_words(r, ",;<", &stop);

	if (f == 0 && stop == '<')
		r->rest = after;
	return f;
}

/* angle-addr = [CFWS] "<" [obs-route] addr-spec ">" [CFWS] */
static int resolve_angle(struct address_reader *r, struct address_entry *e)
{
	size_t phrase = r->words_n, at;
	int f = address_join_words(r, r->words, phrase, false, &e->name);

	if (f == 0)
		f = take_addr_spec(r, e, phrase);
	if (f < 0)
		return f;
	at = last_at(r, phrase);
	if (at == SIZE_MAX)
		at = r->words_n;
	f = address_join_tight(r, r->words + phrase, at - phrase, &e->local);
	if (f == 0 && at < r->words_n)
		f = address_join_tight(r, r->words + at + 1, r->words_n - at - 1, &e->domain);
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
	int f = address_join_words(r, r->words, r->words_n, false, &e->name);

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
		f = address_take_words(r, ",;:<", &stop);
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
			struct address_entry *grown =
				arena_grow(a, list.entries, list.n, cap ? 2 * cap : 4, sizeof(e));

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
