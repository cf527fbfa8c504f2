#include "imapd/eas/search/query.h"

#include "base/cleanup.h"
#include "imapd/imap/search_text.h"

static const struct {
	const char *name;
	enum search_place place;
} places[] = {
	{ "from", SEARCH_FROM },
	{ "to", SEARCH_TO },
	{ "cc", SEARCH_CC },
	{ "bcc", SEARCH_BCC },
	{ "subject", SEARCH_SUBJECT },
	{ "body", SEARCH_IN_BODY },
	{ "participants", SEARCH_PARTICIPANTS },
	{ "hasattachment", SEARCH_ATTACHMENT },
	{ "hasattachments", SEARCH_ATTACHMENT },
};

/* ---- reading ---- */

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '(' || c == ')' || c == ',' ||
	       c == ';';
}

static void pass_space(struct span *s)
{
	while (s->len > 0 && is_space(s->p[0]))
		*s = span_skip(*s, 1);
}

/* A word, or what stands between quotes; an open quote reaches to the end. */
static struct span take_text(struct span *s)
{
	struct span text;
	size_t n = 0;

	if (s->len > 0 && s->p[0] == '"') {
		struct span rest;

		text = span_split(span_skip(*s, 1), '"', &rest);
		*s = rest;
		return text;
	}
	while (n < s->len && !is_space(s->p[n]))
		n++;
	text = span_head(*s, n);
	*s = span_skip(*s, n);
	if (text.len > 0 && text.p[text.len - 1] == '*')
		text.len--;
	return text;
}

/* Takes "from:" off *s, or nothing. */
static enum search_place take_place(struct span *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct span name = span_of(places[i].name);

		if (span_starts_nocase(*s, name) && s->len > name.len &&
		    (s->p[name.len] == ':' || s->p[name.len] == '=')) {
			*s = span_skip(*s, name.len + 1);
			return places[i].place;
		}
	}
	return SEARCH_ANYWHERE;
}

static bool take_word(struct span *s, const char *word)
{
	size_t n = strlen(word);

	if (!span_eq(span_head(*s, n), span_of(word)) || (s->len > n && !is_space(s->p[n])))
		return false;
	*s = span_skip(*s, n);
	pass_space(s);
	return true;
}

/* "-" before a word, or NOT. */
static bool take_not(struct span *s)
{
	if (take_word(s, "NOT"))
		return true;
	if (s->len < 2 || s->p[0] != '-' || is_space(s->p[1]))
		return false;
	*s = span_skip(*s, 1);
	return true;
}

/* hasattachment:true or :false; of a term without text nothing is asked: false. */
static bool set_text(struct arena *a, struct search_term *t, struct span text)
{
	if (t->place == SEARCH_ATTACHMENT) {
		if (span_eq_nocase(text, SPAN_LIT("false")) || span_eq_nocase(text, SPAN_LIT("0")))
			t->negated = !t->negated;
		return true;
	}
	t->text = search_text_fold(a, text);
	return text.len > 0;
}

static int take_term(struct arena *a, struct span *s, struct search_query *q)
{
	struct search_term t = { .or_before = take_word(s, "OR") && q->n > 0 };

	if (take_word(s, "AND") || s->len == 0)
		return 0;
	t.negated = take_not(s);
	t.place = take_place(s);
	if (!set_text(a, &t, take_text(s)))
		return 0;
	if (t.place != SEARCH_ATTACHMENT && !t.text.p)
		return -POD_E_NOMEM;
	if (q->n == SEARCH_TERMS_MAX)
		return -POD_E_LIMIT;
	q->terms[q->n++] = t;
	q->body |= t.place == SEARCH_ANYWHERE || t.place == SEARCH_IN_BODY;
	return 0;
}

int search_query_read(struct arena *a, struct span text, struct search_query *ret_query)
{
	struct search_query q = { .n = 0 };
	int r = 0;

	if (text.len > SEARCH_TEXT_MAX)
		return -POD_E_LIMIT;
	q.terms = arena_array(a, SEARCH_TERMS_MAX, sizeof(*q.terms));
	if (!q.terms)
		return -POD_E_NOMEM;
	for (pass_space(&text); r == 0 && text.len > 0; pass_space(&text))
		r = take_term(a, &text, &q);
	if (r == 0)
		*ret_query = q;
	return r;
}

/* ---- matching ---- */

static bool has(struct span text, struct span needle)
{
	return span_find(text, needle) != SIZE_MAX;
}

static enum search_answer answer(bool yes)
{
	return yes ? SEARCH_YES : SEARCH_NO;
}

static enum search_answer in_body(const struct search_term *q, const struct search_texts *t)
{
	return t->has_body ? answer(has(t->body, q->text)) : SEARCH_UNKNOWN;
}

static bool in_participants(const struct search_term *q, const struct search_texts *t)
{
	return has(t->from, q->text) || has(t->to, q->text) || has(t->cc, q->text) || has(t->bcc, q->text);
}

static enum search_answer match_place(const struct search_term *q, const struct search_texts *t)
{
	switch (q->place) {
	case SEARCH_FROM: return answer(has(t->from, q->text));
	case SEARCH_TO: return answer(has(t->to, q->text));
	case SEARCH_CC: return answer(has(t->cc, q->text));
	case SEARCH_BCC: return answer(has(t->bcc, q->text));
	case SEARCH_SUBJECT: return answer(has(t->subject, q->text));
	case SEARCH_PARTICIPANTS: return answer(in_participants(q, t));
	case SEARCH_ATTACHMENT: return answer(t->has_attachments);
	case SEARCH_IN_BODY: return in_body(q, t);
	case SEARCH_ANYWHERE:
		return has(t->subject, q->text) || in_participants(q, t) ? SEARCH_YES : in_body(q, t);
	}
	return SEARCH_NO;
}

static enum search_answer match_term(const struct search_term *q, const struct search_texts *t)
{
	enum search_answer found = match_place(q, t);

	if (!q->negated || found == SEARCH_UNKNOWN)
		return found;
	return answer(found == SEARCH_NO);
}

/* One of two that OR is between. */
static enum search_answer either(enum search_answer a, enum search_answer b)
{
	if (a == SEARCH_YES || b == SEARCH_YES)
		return SEARCH_YES;
	return a == SEARCH_UNKNOWN || b == SEARCH_UNKNOWN ? SEARCH_UNKNOWN : SEARCH_NO;
}

enum search_answer search_query_match(const struct search_query *q, const struct search_texts *t)
{
	enum search_answer all = SEARCH_YES;

	for (size_t i = 0; i < q->n;) {
		enum search_answer group = match_term(&q->terms[i++], t);

		while (i < q->n && q->terms[i].or_before)
			group = either(group, match_term(&q->terms[i++], t));
		if (group == SEARCH_NO)
			return SEARCH_NO;
		if (group == SEARCH_UNKNOWN)
			all = SEARCH_UNKNOWN;
	}
	return all;
}
