/* What is shown of messages and destinations. Times are seconds since 1970. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/cleanup.h"
#include "mta/queue/control_internal.h"

#define TEXT_MAX  (64u << 10) /* of a message, shown */
#define LANES_MAX 1000

static const char *const hold_names[] = { [QUEUE__HOLD_REASON__FREE] = "",
	                                  [QUEUE__HOLD_REASON__UNDO] = "undo",
	                                  [QUEUE__HOLD_REASON__QUARANTINE] = "quarantine",
	                                  [QUEUE__HOLD_REASON__ADMIN] = "admin",
	                                  [QUEUE__HOLD_REASON__FUTURE] = "future" };

const char *control_state(const struct queued *it, const Queue__Item *item)
{
	if (merge_is_held(item))
		return "held";
	if (queue_is_busy(it))
		return "active";
	return merge_has_state(item, QUEUE__STATE__WAITING) ? "waiting" : "outbound";
}

/* The work that is about a remote recipient, or one of those at volumes, of which any says the same mostly.
 */
static const struct work *work_of(const struct queued *it, const Queue__Recipient *r)
{
	bool local = r->state == QUEUE__STATE__WAITING;

	for (const struct work *w = it->works; w; w = w->next)
		if (w->local == local && w->unit.part == r->part &&
		    (local || span_eq_nocase(span_of(w->unit.lane->name), queue_domain_of(r->address))))
			return w;
	return NULL;
}

/* Its own last answer, or that of its destination, where that is not there at all. */
static const char *words(const Queue__Recipient *r, const struct work *w)
{
	return *r->text || !w || !w->unit.lane->reason ? r->text : w->unit.lane->reason;
}

/* 0: it has none. */
static int64_t next_ms(const Queue__Recipient *r, const struct work *w)
{
	int64_t now = clock_wall_ms();

	if (!w || w->unit.state == UNIT_RUNNING || w->settling)
		return 0;
	if (w->unit.state == UNIT_LATER)
		return w->unit.due.due_ms;
	if (lane_is_asleep(w->unit.lane))
		return w->unit.lane->wake.due_ms;
	return r->next_ms > now ? r->next_ms : now;
}

static json_t *recipient_json(const Queue__Recipient *r, const struct work *w)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:i}", "address", r->address, "original", r->original,
	                         "state", r->state == QUEUE__STATE__OUTBOUND ? "outbound" : "waiting", "text",
	                         words(r, w), "attempts", (int) r->attempts);
	int64_t next = next_ms(r, w);

	if (json && r->reply)
		(void) json_object_set_new(json, "code", json_integer((json_int_t) r->reply));
	if (json && *r->status)
		(void) json_object_set_new(json, "status", json_string(r->status));
	if (json && *r->remote)
		(void) json_object_set_new(json, "remote", json_string(r->remote));
	if (json && w && *w->unit.lane->name)
		(void) json_object_set_new(json, "destination", json_string(w->unit.lane->name));
	if (json && next)
		(void) json_object_set_new(json, "next_attempt", json_integer(next / 1000));
	return json;
}

static void add_recipients(json_t *json, const struct queued *it, const Queue__Item *item)
{
	json_t *addresses = json_array(), *details = json_array();
	const char *reason = "";
	int64_t first = 0;

	for (size_t i = 0; i < item->n_recipients; i++) {
		const Queue__Recipient *r = item->recipients[i];
		const struct work *w = work_of(it, r);
		int64_t next = next_ms(r, w);

		(void) json_array_append_new(addresses, json_string(r->address));
		(void) json_array_append_new(details, recipient_json(r, w));
		if (!*reason)
			reason = words(r, w);
		if (next && (!first || next < first))
			first = next;
	}
	(void) json_object_set_new(json, "recipients", addresses);
	(void) json_object_set_new(json, "details", details);
	/* The words of the first recipient that has any: they mostly wait for the same thing. */
	(void) json_object_set_new(json, "reason", json_string(reason));
	if (first)
		(void) json_object_set_new(json, "next_attempt", json_integer(first / 1000));
}

static void add_hold(json_t *json, const Queue__Hold *hold)
{
	size_t k = (size_t) hold->reason < ARRAY_SIZE(hold_names) ? (size_t) hold->reason : 0;

	(void) json_object_set_new(json, "hold", json_string(hold_names[k]));
	(void) json_object_set_new(json, "hold_text", json_string(hold->text));
	if (hold->until_s)
		(void) json_object_set_new(json, "hold_until", json_integer(hold->until_s));
}

json_t *control_item_json(struct queue *q, const struct queued *it, const Queue__Item *item)
{
	struct merge_times t = queue_times(q);
	int64_t began = item->released_s > item->arrived_s ? item->released_s : item->arrived_s;
	char id[ID_TEXT_SIZE];
	json_t *json;

	guid_format(&it->id, id);
	json = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:i, s:s}", "id", id, "trace", item->trace,
	                 "sender", item->sender, "login", item->login, "size", (json_int_t) item->size,
	                 "created", (json_int_t) item->arrived_s, "expires",
	                 (json_int_t) (began + (int64_t) (t.lifetime_ms / 1000)), "attempts",
	                 (int) item->attempts, "priority", (int) item->priority, "state",
	                 control_state(it, item));
	if (json && merge_is_held(item))
		add_hold(json, item->hold);
	if (json && item->by && item->by->at_s)
		(void) json_object_set_new(json, "deliver_by", json_integer(item->by->at_s));
	if (json)
		add_recipients(json, it, item);
	return json;
}

void control_show(struct control_call *c)
{
	struct err err = { 0 };

	if (queue_hold_record(c->q, c->it, &err) < 0) {
		control_error(c->rq, HTTP_INTERNAL, err_text(&err));
		return;
	}
	control_reply(c->rq, HTTP_OK, control_item_json(c->q, c->it, c->it->record));
	queue_let_go(c->it);
}

/* Octets for JSON: what is not UTF-8 is shown as "?". */
static void add_text(struct buf *out, struct span bytes)
{
	for (size_t i = 0; i < bytes.len;) {
		size_t len = bytes.p[i] < 0x80 ? 1 : bytes.p[i] < 0xe0 ? 2 : bytes.p[i] < 0xf0 ? 3 : 4;
		json_t *one = i + len <= bytes.len ? json_stringn((const char *) bytes.p + i, len) : NULL;

		if (one)
			buf_add(out, span_make(bytes.p + i, len));
		else
			buf_add_byte(out, '?');
		json_decref(one);
		i += one ? len : 1;
	}
}

static int read_text(struct control_call *c, struct buf *text, bool *ret_cut, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	_cleanup_buf_ struct buf bytes = BUF_INIT;
	uint8_t *to = buf_reserve(&bytes, TEXT_MAX + 1);
	int r = to ? shelf_body(c->q->shelf, &c->it->id, &fd, err)
	           : err_set(err, POD_E_NOMEM, "no memory for a text");
	ssize_t n;

	if (r < 0)
		return r;
	n = pread(fd, to, TEXT_MAX + 1, 0);
	if (n < 0)
		return err_errno(err, errno, "reading a queued message");
	*ret_cut = n > (ssize_t) TEXT_MAX;
	add_text(text, span_make(to, *ret_cut ? TEXT_MAX : (size_t) n));
	return text->failed ? err_set(err, POD_E_NOMEM, "no memory for a text") : 0;
}

void control_message(struct control_call *c)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct err err = { 0 };
	bool cut = false;

	if (read_text(c, &text, &cut, &err) < 0)
		control_error(c->rq, HTTP_INTERNAL, err_text(&err));
	else
		control_reply(c->rq, HTTP_OK,
		              json_pack("{s:s%, s:b}", "text", text.p ? (const char *) text.p : "", text.len,
		                        "cut", cut));
}

/* ---- lanes ---- */

struct lanes {
	const struct lane **items;
	size_t n;
};

static void collect(void *arg, const struct lane *lane)
{
	struct lanes *l = arg;

	l->items[l->n++] = lane;
}

static int by_units(const void *a, const void *b)
{
	const struct lane *x = *(const struct lane *const *) a, *y = *(const struct lane *const *) b;

	if (x->units != y->units)
		return x->units < y->units ? 1 : -1;
	return strcmp(x->name, y->name);
}

static json_t *lane_json(const struct lane *lane, bool local)
{
	json_t *json =
		json_pack("{s:s, s:s, s:I, s:I, s:I, s:i, s:i, s:i, s:s}", "destination", lane->name, "kind",
	                  local ? "volume" : "domain", "waiting", (json_int_t) lane->units, "ready",
	                  (json_int_t) lane->ready, "running", (json_int_t) lane->running, "places",
	                  (int) lane_places(lane), "failures", (int) lane->fails, "interval_ms",
	                  (int) lane->interval_ms, "reason", lane->reason ? lane->reason : "");

	if (json && lane_is_asleep(lane))
		(void) json_object_set_new(json, "next_attempt", json_integer(lane->wake.due_ms / 1000));
	return json;
}

static void add_lanes(json_t *to, const struct sched *s, bool local)
{
	_cleanup_(freep) const struct lane **items = calloc(s->lanes.n + 1, sizeof(const struct lane *));
	struct lanes l = { items, 0 };

	if (!items)
		return;
	sched_each_lane(s, collect, &l);
	qsort(items, l.n, sizeof(*items), by_units);
	for (size_t i = 0; i < l.n && i < LANES_MAX; i++)
		(void) json_array_append_new(to, lane_json(items[i], local));
}

void control_lanes(struct control_call *c)
{
	json_t *lanes = json_array();

	add_lanes(lanes, &c->q->local, true);
	add_lanes(lanes, &c->q->remote, false);
	control_reply(c->rq, HTTP_OK,
	              json_pack("{s:I, s:o}", "total",
	                        (json_int_t) (c->q->local.lanes.n + c->q->remote.lanes.n), "lanes", lanes));
}
