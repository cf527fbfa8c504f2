#include "store/restore/choose.h"

#include "base/cleanup.h"
#include "store/index/ranges.h"

static bool is_set(const char *s)
{
	return s && *s;
}

static bool asks_for_header(const struct restore_wish *w)
{
	return is_set(w->message_id) || is_set(w->subject) || is_set(w->from);
}

bool wish_is_narrow(const struct restore_wish *w)
{
	return w->uids.n || w->since || w->before || asks_for_header(w);
}

static bool name_fits(const struct restore_wish *w, const struct source_message *m)
{
	size_t at = ranges_find(&w->uids, m->uid);

	if (w->uids.n && (at == w->uids.n || m->uid < w->uids.r[at].first))
		return false;
	return (!w->since || m->internal_date >= w->since) && (!w->before || m->internal_date < w->before);
}

/* With or without its angle brackets, as it is copied from wherever. */
static struct span bare_id(const char *text)
{
	struct span id = span_trim(span_of(text));

	if (id.len >= 2 && id.p[0] == '<' && id.p[id.len - 1] == '>')
		id = span_make(id.p + 1, id.len - 2);
	return id;
}

static bool has(struct span text, const char *part)
{
	return !is_set(part) || span_find_nocase(text, span_of(part)) != SIZE_MAX;
}

static bool header_fits(const struct restore_wish *w, const struct parsed *p)
{
	return (!is_set(w->message_id) || span_eq(p->message_id, bare_id(w->message_id))) &&
	       has(p->subject, w->subject) && has(p->from, w->from);
}

int choose(const struct restore_wish *w, const struct source *s, struct parser *p, struct arena *a,
           const struct source_message *m, bool *ret_chosen, struct parsed *ret_parsed, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	struct parsed parsed = { 0 };
	bool chosen = name_fits(w, m);
	int r = 0;

	if (chosen && (asks_for_header(w) || w->list)) {
		r = source_message_open(s, m, &fd, err);
		if (r == 0)
			r = parser_run(p, fd, a, &parsed, err);
		if (r < 0 && !asks_for_header(w))
			r = 0; /* a line of a listing without its subject */
		chosen = r == 0 && header_fits(w, &parsed);
	}
	if (r < 0)
		return r;
	*ret_chosen = chosen;
	*ret_parsed = parsed;
	return 0;
}
