/* A page of the queue: so many records are looked at in one go that nothing else has to wait long. */
#include <string.h>

#include "base/cleanup.h"
#include "mta/queue/control_internal.h"

#define PAGE_MAX       1000  /* messages of an answer */
#define LOOKS_MAX      5000  /* records looked at for it */
#define RECIPIENTS_MAX 20000 /* shown in it */

struct listing {
	struct control_call *c;
	struct span from, to, domain, login, state, hold;
	json_t *messages;
	size_t max, looks, recipients;
	struct guid last;
	bool more;
};

static bool contains(struct span part, const char *in)
{
	return !part.len || span_find_nocase(span_of(in), part) != SIZE_MAX;
}

static bool is_or_unasked(struct span wanted, const char *is)
{
	return !wanted.len || span_eq_nocase(wanted, span_of(is));
}

static bool recipient_matches(const struct listing *l, const Queue__Recipient *r)
{
	return (contains(l->to, r->address) || contains(l->to, r->original)) &&
	       (!l->domain.len || span_eq_nocase(l->domain, queue_domain_of(r->address)));
}

static bool matches(const struct listing *l, const struct queued *it, const Queue__Item *item)
{
	static const char *const reasons[] = { "", "undo", "quarantine", "admin", "future" };
	const char *reason = item->hold && (size_t) item->hold->reason < ARRAY_SIZE(reasons)
	                             ? reasons[item->hold->reason]
	                             : "";

	if (!contains(l->from, *item->sender ? item->sender : "<>") ||
	    !is_or_unasked(l->login, item->login) || !is_or_unasked(l->state, control_state(it, item)) ||
	    !is_or_unasked(l->hold, reason))
		return false;
	for (size_t i = 0; i < item->n_recipients; i++)
		if (recipient_matches(l, item->recipients[i]))
			return true;
	return false;
}

static int look_at(void *arg, Queue__Item *item)
{
	struct listing *l = arg;
	struct queued *it;

	if (l->looks >= LOOKS_MAX || json_array_size(l->messages) >= l->max ||
	    l->recipients >= RECIPIENTS_MAX) {
		l->more = true;
		queue__item__free_unpacked(item, NULL);
		return 1;
	}
	l->looks++;
	memcpy(l->last.b, item->id.data, ID_SIZE);
	it = queue_find(l->c->q, &l->last);
	if (it && matches(l, it, item)) {
		(void) json_array_append_new(l->messages, control_item_json(l->c->q, it, item));
		l->recipients += item->n_recipients;
	}
	queue__item__free_unpacked(item, NULL);
	return 0;
}

static int parse(struct control_call *c, struct listing *l, struct guid *ret_after)
{
	uint32_t limit = PAGE_MAX;

	l->from = span_of(control_param(c, "from"));
	l->to = span_of(control_param(c, "to"));
	l->domain = span_of(control_param(c, "domain"));
	l->login = span_of(control_param(c, "login"));
	l->state = span_of(control_param(c, "state"));
	l->hold = span_of(control_param(c, "hold"));
	if (*control_param(c, "limit") &&
	    (span_to_u32(span_of(control_param(c, "limit")), &limit) < 0 || !limit))
		return -POD_E_SYNTAX;
	l->max = limit > PAGE_MAX ? PAGE_MAX : limit;
	return *control_param(c, "after") ? guid_parse(span_of(control_param(c, "after")), ret_after) : 0;
}

void control_list(struct control_call *c)
{
	struct listing l = { .c = c };
	struct guid after;
	struct err err = { 0 };
	char next[ID_TEXT_SIZE];
	json_t *json;
	int r;

	if (parse(c, &l, &after) < 0) {
		control_error(c->rq, HTTP_BADREQUEST, "limit is a number, after the id of a message");
		return;
	}
	l.messages = json_array();
	r = shelf_each(c->q->shelf, *control_param(c, "after") ? &after : NULL, look_at, &l, &err);
	if (r < 0) {
		json_decref(l.messages);
		control_error(c->rq, HTTP_INTERNAL, err_text(&err));
		return;
	}
	json = json_pack("{s:I, s:o}", "total", (json_int_t) c->q->items.n, "messages", l.messages);
	guid_format(&l.last, next);
	if (json && l.more)
		(void) json_object_set_new(json, "after", json_string(next));
	control_reply(c->rq, HTTP_OK, json);
}
