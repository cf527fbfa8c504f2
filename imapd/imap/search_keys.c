#include "imapd/imap/search_keys.h"

#include "base/cleanup.h"
#include "imapd/imap/search_text.h"
#include "mime/mime.h"
#include "storeproto/storeproto.h"

/* What stands behind a key's word. */
enum argument {
	ARG_NONE,
	ARG_FLAG,
	ARG_KEYWORD,
	ARG_DAY,
	ARG_NUMBER,
	ARG_TEXT,
	ARG_FIELD,
	ARG_HEADER,
	ARG_UIDS,
	ARG_MODSEQ
};

struct word {
	const char *word;
	enum imap_search_kind kind;
	enum argument argument;
	bool negated;
	uint32_t bit;
	const char *field;
};

static const struct word words[] = {
	{ "ALL", SEARCH_ALL, ARG_NONE },
	{ "ANSWERED", SEARCH_FLAG, ARG_FLAG, false, STORE_FLAG_ANSWERED },
	{ "BCC", SEARCH_HEADER, ARG_FIELD, .field = "Bcc" },
	{ "BEFORE", SEARCH_BEFORE, ARG_DAY },
	{ "BODY", SEARCH_BODY, ARG_TEXT },
	{ "CC", SEARCH_HEADER, ARG_FIELD, .field = "Cc" },
	{ "DELETED", SEARCH_FLAG, ARG_FLAG, false, STORE_FLAG_DELETED },
	{ "DRAFT", SEARCH_FLAG, ARG_FLAG, false, STORE_FLAG_DRAFT },
	{ "FLAGGED", SEARCH_FLAG, ARG_FLAG, false, STORE_FLAG_FLAGGED },
	{ "FROM", SEARCH_HEADER, ARG_FIELD, .field = "From" },
	{ "HEADER", SEARCH_HEADER, ARG_HEADER },
	{ "KEYWORD", SEARCH_KEYWORD, ARG_KEYWORD },
	{ "LARGER", SEARCH_LARGER, ARG_NUMBER },
	{ "MODSEQ", SEARCH_MODSEQ, ARG_MODSEQ },
	{ "OLD", SEARCH_RECENT, ARG_NONE, true },
	{ "ON", SEARCH_ON, ARG_DAY },
	{ "RECENT", SEARCH_RECENT, ARG_NONE },
	{ "SEEN", SEARCH_FLAG, ARG_FLAG, false, STORE_FLAG_SEEN },
	{ "SENTBEFORE", SEARCH_SENTBEFORE, ARG_DAY },
	{ "SENTON", SEARCH_SENTON, ARG_DAY },
	{ "SENTSINCE", SEARCH_SENTSINCE, ARG_DAY },
	{ "SINCE", SEARCH_SINCE, ARG_DAY },
	{ "SMALLER", SEARCH_SMALLER, ARG_NUMBER },
	{ "SUBJECT", SEARCH_HEADER, ARG_FIELD, .field = "Subject" },
	{ "TEXT", SEARCH_TEXT, ARG_TEXT },
	{ "TO", SEARCH_HEADER, ARG_FIELD, .field = "To" },
	{ "UID", SEARCH_UIDS, ARG_UIDS },
	{ "UNANSWERED", SEARCH_FLAG, ARG_FLAG, true, STORE_FLAG_ANSWERED },
	{ "UNDELETED", SEARCH_FLAG, ARG_FLAG, true, STORE_FLAG_DELETED },
	{ "UNDRAFT", SEARCH_FLAG, ARG_FLAG, true, STORE_FLAG_DRAFT },
	{ "UNFLAGGED", SEARCH_FLAG, ARG_FLAG, true, STORE_FLAG_FLAGGED },
	{ "UNKEYWORD", SEARCH_KEYWORD, ARG_KEYWORD, true },
	{ "UNSEEN", SEARCH_FLAG, ARG_FLAG, true, STORE_FLAG_SEEN },
};

struct search_parser {
	struct imap_parser *p;
	struct imap_search *search;
	unsigned int keys, depth;
};

static int parse_key(struct search_parser *sp, struct imap_search_key **ret_key);

static struct imap_search_key *new_key(struct search_parser *sp, enum imap_search_kind kind)
{
	struct imap_search_key *key = arena_new(sp->p->a, struct imap_search_key);

	if (key)
		key->kind = kind;
	return key;
}

static int parse_text(struct imap_parser *p, struct span *ret_text)
{
	struct span raw, folded;
	int r = imap_parse_astring(p, &raw);

	if (r < 0)
		return r;
	folded = search_text_fold(p->a, raw);
	if (!folded.p)
		return -POD_E_NOMEM;
	*ret_text = folded;
	return 0;
}

static int parse_header_argument(struct imap_parser *p, struct imap_search_key *key)
{
	int r = imap_parse_astring(p, &key->name);

	if (r == 0)
		r = imap_parse_space(p);
	return r == 0 ? parse_text(p, &key->text) : r;
}

/* search-modsequence = "MODSEQ" [search-modseq-ext] SP mod-sequence-valzer (RFC 7162 7) */
static int parse_modseq_argument(struct imap_parser *p, struct imap_search_key *key)
{
	struct span entry;
	int r = 0;

	if (imap_peek(p) == '"') { /* entry name and type: we keep one modseq for all of a message */
		r = imap_parse_string(p, &entry);
		if (r == 0)
			r = imap_parse_space(p);
		if (r == 0 && !imap_take_word(p, "priv") && !imap_take_word(p, "shared") &&
		    !imap_take_word(p, "all"))
			r = imap_parse_fail(p, "Expected priv, shared or all");
		if (r == 0)
			r = imap_parse_space(p);
	}
	return r == 0 ? imap_parse_number64(p, &key->number) : r;
}

static int parse_argument(struct imap_parser *p, const struct word *w, struct imap_search_key *key)
{
	uint32_t n;
	int r;

	if (w->argument == ARG_NONE)
		return 0;
	if (w->argument == ARG_FLAG) {
		key->bit = w->bit;
		return 0;
	}
	r = imap_parse_space(p);
	if (r < 0)
		return r;
	switch (w->argument) {
	case ARG_KEYWORD: return imap_parse_atom(p, &key->text);
	case ARG_DAY: return imap_parse_day(p, &key->day);
	case ARG_NUMBER:
		r = imap_parse_number(p, &n);
		key->number = r == 0 ? n : 0;
		return r;
	case ARG_FIELD: key->name = span_of(w->field); return parse_text(p, &key->text);
	case ARG_HEADER: return parse_header_argument(p, key);
	case ARG_UIDS: return imap_seqset_parse(p, &key->set);
	case ARG_MODSEQ: return parse_modseq_argument(p, key);
	case ARG_TEXT:
	default: return parse_text(p, &key->text);
	}
}

/* What the key needs to be known of a message. */
static void note_needs(struct imap_search *search, const struct imap_search_key *key)
{
	switch (key->kind) {
	case SEARCH_AND:
	case SEARCH_OR:
	case SEARCH_NOT:
	case SEARCH_ALL:
	case SEARCH_SEQS:
	case SEARCH_UIDS:
	case SEARCH_RECENT: break;
	case SEARCH_FLAG:
	case SEARCH_KEYWORD: search->columns |= STORE_COL_FLAGS; break;
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE: search->columns |= STORE_COL_INTERNAL_DATE; break;
	case SEARCH_SENTBEFORE:
	case SEARCH_SENTON:
	case SEARCH_SENTSINCE: search->columns |= STORE_COL_HEADERS; break;
	case SEARCH_LARGER:
	case SEARCH_SMALLER: search->columns |= STORE_COL_SIZE; break;
	case SEARCH_MODSEQ:
		search->columns |= STORE_COL_MODSEQ;
		search->modseq = true;
		break;
	case SEARCH_HEADER:
		if (mime_field_is_cached(key->name))
			search->columns |= STORE_COL_HEADERS;
		else
			search->bodies = true;
		break;
	case SEARCH_BODY:
	case SEARCH_TEXT: search->bodies = true; break;
	}
}

static int negate(struct search_parser *sp, struct imap_search_key **key)
{
	struct imap_search_key *inverse = new_key(sp, SEARCH_NOT);

	if (!inverse)
		return -POD_E_NOMEM;
	inverse->child = *key;
	*key = inverse;
	return 0;
}

static int parse_word_key(struct search_parser *sp, const struct word *w, struct imap_search_key **ret_key)
{
	struct imap_search_key *key = new_key(sp, w->kind);
	int r;

	if (!key)
		return -POD_E_NOMEM;
	r = parse_argument(sp->p, w, key);
	if (r < 0)
		return r;
	note_needs(sp->search, key);
	r = w->negated ? negate(sp, &key) : 0;
	if (r == 0)
		*ret_key = key;
	return r;
}

/* search-key *(SP search-key) up to `end` (')' or -1 for the end of the command) */
static int parse_keys(struct search_parser *sp, int end, struct imap_search_key **ret_and)
{
	struct imap_search_key *group = new_key(sp, SEARCH_AND), **tail;
	int r = 0;

	if (!group)
		return -POD_E_NOMEM;
	tail = &group->child;
	do {
		r = parse_key(sp, tail);
		if (r < 0)
			return r;
		tail = &(*tail)->next;
	} while (imap_take_byte(sp->p, ' '));
	if (imap_peek(sp->p) != end)
		return imap_parse_fail(sp->p, "Malformed search keys");
	*ret_and = group;
	return 0;
}

/* NOT search-key, OR search-key search-key: children of a new key. */
static int parse_operator(struct search_parser *sp, enum imap_search_kind kind,
                          struct imap_search_key **ret_key)
{
	struct imap_search_key *key = new_key(sp, kind);
	int r;

	if (!key)
		return -POD_E_NOMEM;
	r = imap_parse_space(sp->p);
	if (r == 0)
		r = parse_key(sp, &key->child);
	if (r == 0 && kind == SEARCH_OR) {
		r = imap_parse_space(sp->p);
		if (r == 0)
			r = parse_key(sp, &key->child->next);
	}
	if (r == 0)
		*ret_key = key;
	return r;
}

/* NEW = RECENT UNSEEN */
static int make_new(struct search_parser *sp, struct imap_search_key **ret_key)
{
	struct imap_search_key *group = new_key(sp, SEARCH_AND), *recent = new_key(sp, SEARCH_RECENT);
	struct imap_search_key *seen = new_key(sp, SEARCH_FLAG);

	if (!group || !recent || !seen)
		return -POD_E_NOMEM;
	seen->bit = STORE_FLAG_SEEN;
	note_needs(sp->search, seen);
	if (negate(sp, &seen) < 0)
		return -POD_E_NOMEM;
	group->child = recent;
	recent->next = seen;
	*ret_key = group;
	return 0;
}

static int parse_set_key(struct search_parser *sp, struct imap_search_key **ret_key)
{
	struct imap_search_key *key = new_key(sp, SEARCH_SEQS);
	int r = key ? imap_seqset_parse(sp->p, &key->set) : -POD_E_NOMEM;

	if (r == 0)
		*ret_key = key;
	return r;
}

static int parse_group(struct search_parser *sp, struct imap_search_key **ret_key)
{
	int r = parse_keys(sp, ')', ret_key);

	return r == 0 ? imap_parse_byte(sp->p, ')') : r;
}

static int parse_key_inside(struct search_parser *sp, struct imap_search_key **ret_key)
{
	struct imap_parser *p = sp->p;
	int c = imap_peek(p);

	if (imap_take_byte(p, '('))
		return parse_group(sp, ret_key);
	if (c == '*' || (c >= '0' && c <= '9'))
		return parse_set_key(sp, ret_key);
	if (imap_take_word(p, "NOT"))
		return parse_operator(sp, SEARCH_NOT, ret_key);
	if (imap_take_word(p, "OR"))
		return parse_operator(sp, SEARCH_OR, ret_key);
	if (imap_take_word(p, "NEW"))
		return make_new(sp, ret_key);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (imap_take_word(p, words[i].word))
			return parse_word_key(sp, &words[i], ret_key);
	return imap_parse_fail(p, "Unknown search key");
}

/* search-key; the depth counts, since groups and operators come back here. */
static int parse_key(struct search_parser *sp, struct imap_search_key **ret_key)
{
	int r;

	if (sp->depth == IMAP_SEARCH_DEPTH_MAX || sp->keys == IMAP_SEARCH_KEYS_MAX)
		return imap_parse_fail(sp->p, "Search is too complex");
	sp->depth++;
	sp->keys++;
	r = parse_key_inside(sp, ret_key);
	sp->depth--;
	return r;
}

/* "RETURN" SP "(" [opt *(SP opt)] ")" (RFC 4731); nothing asked for means ALL. */
static int parse_returns(struct imap_parser *p, struct imap_search *s)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} options[] = {
		{ "MIN", IMAP_RETURN_MIN },
		{ "MAX", IMAP_RETURN_MAX },
		{ "ALL", IMAP_RETURN_ALL },
		{ "COUNT", IMAP_RETURN_COUNT },
	};
	int r = imap_parse_space(p);

	if (r == 0)
		r = imap_parse_byte(p, '(');
	while (r == 0 && !imap_take_byte(p, ')')) {
		size_t i = 0;

		while (i < ARRAY_SIZE(options) && !imap_take_word(p, options[i].name))
			i++;
		if (i == ARRAY_SIZE(options))
			return imap_parse_fail(p, "Unknown search result option");
		s->returns |= options[i].bit;
		if (imap_peek(p) != ')')
			r = imap_parse_space(p);
	}
	s->esearch = true;
	if (s->returns == 0)
		s->returns = IMAP_RETURN_ALL;
	return r == 0 ? imap_parse_space(p) : r;
}

static int parse_charset(struct imap_parser *p)
{
	struct span charset;
	int r = imap_parse_space(p);

	if (r == 0)
		r = imap_parse_astring(p, &charset);
	if (r < 0)
		return r;
	if (!span_eq_nocase(charset, SPAN_LIT("UTF-8")) && !span_eq_nocase(charset, SPAN_LIT("US-ASCII")))
		return -POD_E_UNSUPPORTED;
	return imap_parse_space(p);
}

int imap_search_parse(struct imap_parser *p, struct imap_search *ret_search)
{
	struct imap_search search = { 0 };
	struct search_parser sp = { .p = p, .search = &search };
	int r = imap_parse_space(p);

	if (r == 0 && imap_take_word(p, "RETURN"))
		r = parse_returns(p, &search);
	if (r == 0 && imap_take_word(p, "CHARSET"))
		r = parse_charset(p);
	if (r == 0)
		r = parse_keys(&sp, -1, &search.root);
	if (r == 0)
		*ret_search = search;
	return r;
}

static uint32_t keyword_bit(struct span name, char *const *keywords, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq_nocase(name, span_of(keywords[i])))
			return 1u << (STORE_KEYWORD_SHIFT + i);
	return 0;
}

/* Depth is bounded by the parser. */
static int resolve_key(struct arena *a, struct imap_search_key *key, const struct imap_view *v,
                       char *const *keywords, size_t keywords_n)
{
	int r = 0;

	if (key->kind == SEARCH_SEQS || key->kind == SEARCH_UIDS)
		r = imap_seqset_uids(a, &key->set, v, key->kind == SEARCH_UIDS, &key->uids);
	else if (key->kind == SEARCH_KEYWORD)
		key->bit = keyword_bit(key->text, keywords, keywords_n);
	for (struct imap_search_key *c = key->child; r == 0 && c; c = c->next)
		r = resolve_key(a, c, v, keywords, keywords_n);
	return r;
}

int imap_search_resolve(struct arena *a, struct imap_search *search, const struct imap_view *v,
                        char *const *keywords, size_t keywords_n)
{
	return resolve_key(a, search->root, v, keywords, keywords_n);
}
