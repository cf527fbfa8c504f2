#include "imapd/imap/parse.h"

#include "base/cleanup.h"
#include "storeproto/storeproto.h"

uint32_t imap_system_flag(struct span name)
{
	static const struct {
		const char *name;
		uint32_t flag;
	} flags[] = {
		{ "\\Seen", STORE_FLAG_SEEN },       { "\\Answered", STORE_FLAG_ANSWERED },
		{ "\\Flagged", STORE_FLAG_FLAGGED }, { "\\Deleted", STORE_FLAG_DELETED },
		{ "\\Draft", STORE_FLAG_DRAFT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (span_eq_nocase(name, span_of(flags[i].name)))
			return flags[i].flag;
	return 0;
}

static bool has_keyword(const struct imap_flags *f, struct span name)
{
	for (size_t i = 0; i < f->keywords_n; i++)
		if (span_eq_nocase(f->keywords[i], name))
			return true;
	return false;
}

static int add_keyword(struct imap_parser *p, struct imap_flags *f, struct span name)
{
	if (has_keyword(f, name))
		return 0;
	if (f->keywords_n == IMAP_KEYWORDS_PER_COMMAND || name.len > IMAP_KEYWORD_LENGTH)
		return imap_parse_fail(p, "Too many keywords, or one that is too long");
	if (!f->keywords)
		f->keywords = arena_array(p->a, IMAP_KEYWORDS_PER_COMMAND, sizeof(*f->keywords));
	if (!f->keywords)
		return -POD_E_NOMEM;
	f->keywords[f->keywords_n++] = name;
	return 0;
}

/* flag = "\Answered" / ... / flag-keyword (atom); flag-extension = "\" atom is none of ours */
static int parse_flag(struct imap_parser *p, struct imap_flags *f)
{
	bool system = imap_peek(p) == '\\';
	struct span whole = p->in, atom;
	uint32_t flag;
	int r;

	if (system)
		p->in = span_skip(p->in, 1);
	r = imap_parse_atom(p, &atom);
	if (r < 0)
		return imap_parse_fail(p, "Expected a flag");
	if (!system)
		return add_keyword(p, f, atom);
	flag = imap_system_flag(span_head(whole, atom.len + 1));
	if (flag == 0)
		return imap_parse_fail(p, "This flag can not be set by a client");
	f->system |= flag;
	return 0;
}

static int parse_flags(struct imap_parser *p, struct imap_flags *f)
{
	int r;

	do {
		r = parse_flag(p, f);
	} while (r == 0 && imap_take_byte(p, ' '));
	return r;
}

int imap_parse_flag_list(struct imap_parser *p, struct imap_flags *ret_flags)
{
	struct imap_flags f = { 0 };
	int r = imap_parse_byte(p, '(');

	if (r == 0 && imap_peek(p) != ')')
		r = parse_flags(p, &f);
	if (r == 0)
		r = imap_parse_byte(p, ')');
	if (r == 0)
		*ret_flags = f;
	return r;
}

int imap_parse_store_flags(struct imap_parser *p, struct imap_flags *ret_flags)
{
	struct imap_flags f = { 0 };
	int r;

	if (imap_peek(p) == '(')
		return imap_parse_flag_list(p, ret_flags);
	r = parse_flags(p, &f);
	if (r == 0)
		*ret_flags = f;
	return r;
}
