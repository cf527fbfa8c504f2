#include "imapd/eas/item/categories.h"
#include "imapd/eas/item/change.h"

static int read_read(const struct wbxml_node *n, struct eas_change *c)
{
	if (c->has_read || (!span_eq(n->text, SPAN_LIT("0")) && !span_eq(n->text, SPAN_LIT("1"))))
		return -POD_E_SYNTAX;
	c->has_read = true;
	c->read = n->text.p[0] == '1';
	return 0;
}

static bool has_category(const struct eas_change *c, const char *keyword)
{
	for (size_t i = 0; i < c->categories_n; i++)
		if (span_eq_nocase(span_of(c->categories[i]), span_of(keyword)))
			return true;
	return false;
}

static int read_categories(struct arena *a, const struct wbxml_node *n, struct eas_change *c)
{
	if (c->has_categories)
		return -POD_E_SYNTAX;
	c->has_categories = true;
	for (const struct wbxml_node *k = n->first; k; k = k->next) {
		const char *keyword;
		int r = k->tag == EMAIL_CATEGORY ? eas_category_keyword(a, k->text, &keyword) : -POD_E_SYNTAX;

		if (r < 0)
			return r;
		if (has_category(c, keyword))
			continue;
		if (c->categories_n == STORE_KEYWORDS_MAX)
			return -POD_E_LIMIT;
		c->categories[c->categories_n++] = keyword;
	}
	return 0;
}

int eas_change_read(struct arena *a, const struct wbxml_node *data, unsigned int version,
                    struct eas_change *ret_change)
{
	struct eas_change c = { .has_read = false };
	int r = data ? 0 : -POD_E_SYNTAX;

	for (const struct wbxml_node *n = data ? data->first : NULL; r == 0 && n; n = n->next) {
		if (n->tag == EMAIL_READ) {
			r = read_read(n, &c);
		} else if (n->tag == EMAIL_FLAG && version >= 120) {
			r = c.flag ? -POD_E_SYNTAX : 0;
			c.flag = n;
		} else if (n->tag == EMAIL_CATEGORIES && version >= 140) {
			r = read_categories(a, n, &c);
		} else {
			c.others = true;
		}
	}
	if (r == 0)
		*ret_change = c;
	return r;
}

/* ---- flags ---- */

bool eas_flags_of(const struct eas_item *item, struct eas_flags *ret_flags)
{
	struct eas_flags f = { .system = item->flags & STORE_FLAGS_SYSTEM };

	for (unsigned int i = 0; i < STORE_KEYWORDS_MAX; i++) {
		if (!(item->flags & 1u << (STORE_KEYWORD_SHIFT + i)))
			continue;
		if (i >= item->place->keywords_n)
			return false;
		f.keywords[f.keywords_n++] = item->place->keywords[i];
	}
	*ret_flags = f;
	return true;
}

static size_t find_keyword(const struct eas_flags *f, const char *keyword)
{
	size_t i = 0;

	while (i < f->keywords_n && !span_eq_nocase(span_of(f->keywords[i]), span_of(keyword)))
		i++;
	return i;
}

static void set_keyword(struct eas_flags *f, const char *keyword, bool on)
{
	size_t at = find_keyword(f, keyword);

	if (on && at == f->keywords_n)
		f->keywords[f->keywords_n++] = keyword;
	else if (!on && at < f->keywords_n)
		f->keywords[at] = f->keywords[--f->keywords_n];
}

static void set_system(struct eas_flags *f, uint32_t flag, bool on)
{
	f->system = on ? f->system | flag : f->system & ~flag;
}

static void set_categories(struct arena *a, const struct eas_change *c, struct eas_flags *f)
{
	struct span category;

	for (size_t i = f->keywords_n; i-- > 0;)
		if (eas_keyword_category(a, span_of(f->keywords[i]), &category))
			f->keywords[i] = f->keywords[--f->keywords_n];
	for (size_t i = 0; i < c->categories_n; i++)
		set_keyword(f, c->categories[i], true);
}

static bool details_differ(const struct eas_note *a, const struct eas_note *b)
{
	for (size_t i = 0; i < EAS_FLAG_VALUES; i++)
		if ((a->values[i].p != NULL) != (b->values[i].p != NULL) ||
		    !span_eq(a->values[i], b->values[i]))
			return true;
	return false;
}

void eas_flags_apply(struct arena *a, const struct eas_change *change, const struct eas_note *before,
                     const struct eas_note *after, struct eas_flags *flags)
{
	if (change->has_read)
		set_system(flags, STORE_FLAG_SEEN, change->read);
	if (change->flag) {
		set_system(flags, STORE_FLAG_FLAGGED, after->flag == EAS_FLAG_ACTIVE);
		set_keyword(flags, EAS_KEYWORD_COMPLETE, after->flag == EAS_FLAG_COMPLETE);
		if (before->flag == after->flag && details_differ(before, after))
			set_keyword(flags, EAS_KEYWORD_REVISION,
			            find_keyword(flags, EAS_KEYWORD_REVISION) == flags->keywords_n);
	}
	if (change->has_categories)
		set_categories(a, change, flags);
}

void eas_flags_set_verb(struct eas_flags *flags, unsigned int verb)
{
	if (verb == EAS_VERB_FORWARD)
		set_keyword(flags, "$Forwarded", true);
	else
		set_system(flags, STORE_FLAG_ANSWERED, true);
}

bool eas_flags_eq(const struct eas_flags *a, const struct eas_flags *b)
{
	if (a->system != b->system || a->keywords_n != b->keywords_n)
		return false;
	for (size_t i = 0; i < a->keywords_n; i++)
		if (find_keyword(b, a->keywords[i]) == b->keywords_n)
			return false;
	return true;
}
