#include "base/clock.h"
#include "base/log.h"
#include "store/service/body_in.h"

#define RECIPIENTS_MAX 10000

static void log_delivery(const struct change *c, const Podstore__Deliver *m, uint64_t us)
{
	const struct deliver_recipient *first = &c->u.deliver.rcpts[0];
	size_t failed = 0;

	for (size_t i = 0; i < c->u.deliver.rcpts_n; i++) {
		const struct deliver_recipient *rcpt = &c->u.deliver.rcpts[i];

		if (rcpt->code == 0)
			continue;
		failed++;
		log_event(NULL, LOGL_NOTICE, "delivery.refused", F_STR("trace", m->trace), F_SPAN("user", rcpt->user_id),
		          F_CODE(rcpt->code));
	}
	if (failed < c->u.deliver.rcpts_n)
		log_event(NULL, LOGL_INFO, "message.stored", F_STR("trace", m->trace), F_SPAN("user", first->user_id),
		          F_UINT("uid", first->uid), F_UINT("recipients", c->u.deliver.rcpts_n - failed),
		          F_UINT("size", m->size), F_UINT("us", us));
}

static void count_delivery(const struct change *c, const Podstore__Deliver *m, uint64_t us)
{
	int64_t good = 0, repeated = 0, failed = 0;

	for (size_t i = 0; i < c->u.deliver.rcpts_n; i++) {
		const struct deliver_recipient *rcpt = &c->u.deliver.rcpts[i];

		if (rcpt->code)
			failed++;
		else if (rcpt->repeated)
			repeated++;
		else
			good++;
	}
	metric_add(STORE_METRIC_CHANGES, 1);
	metric_add(STORE_METRIC_DELIVERED, good);
	if (repeated)
		metric_add(STORE_METRIC_DELIVERED_REPEATED, repeated);
	if (failed)
		metric_add(STORE_METRIC_DELIVERED_FAILED, failed);
	if (good) {
		metric_add(STORE_METRIC_DELIVERIES, 1);
		metric_add(STORE_METRIC_DELIVERY_BYTES, (int64_t) m->size);
		metric_add(STORE_METRIC_DELIVERY_US, (int64_t) us);
	}
}

static void drop_bodies(struct change *c)
{
	for (size_t i = 0; i < c->u.deliver.bodies_n; i++)
		volume_body_done(&c->u.deliver.bodies[i]);
	c->u.deliver.bodies_n = 0;
}

/* Without memory there is no answer: nobody was promised one. */
static Podstore__DeliverAnswer *convert_answer(struct arena *a, const struct deliver_answer *from)
{
	Podstore__DeliverAnswer *to = arena_new(a, Podstore__DeliverAnswer);

	if (!to)
		return NULL;
	podstore__deliver_answer__init(to);
	to->text = unconst(from->text);
	to->html = from->html;
	to->address = unconst(from->address);
	to->name = unconst(from->name);
	return to;
}

static void answer(struct task *t, const struct change *c)
{
	size_t n = c->u.deliver.rcpts_n;
	Podstore__DeliverReply reply = PODSTORE__DELIVER_REPLY__INIT;
	Podstore__DeliverResult *items = arena_array(t->a, n, sizeof(*items));
	Podstore__DeliverResult **list = arena_array(t->a, n, sizeof(*list));

	if (!items || !list) {
		task_fail(t, -POD_E_NOMEM);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const struct deliver_recipient *rcpt = &c->u.deliver.rcpts[i];

		podstore__deliver_result__init(&items[i]);
		items[i].code = (uint32_t) (rcpt->code < 0 ? -rcpt->code : rcpt->code);
		items[i].text = unconst(rcpt->code ? err_code_text(rcpt->code) : "");
		items[i].uid = rcpt->uid;
		items[i].uidvalidity = rcpt->uidvalidity;
		items[i].repeated = rcpt->repeated;
		if (rcpt->answer && !rcpt->code)
			items[i].answer = convert_answer(t->a, rcpt->answer);
		list[i] = &items[i];
	}
	reply.n_results = n;
	reply.results = list;
	task_reply(t, &reply.base);
}

/* The whole batch failed: so did every recipient. */
static void fail_all(struct change *c, int code)
{
	for (size_t i = 0; i < c->u.deliver.rcpts_n; i++)
		c->u.deliver.rcpts[i].code = code;
}

static void on_delivered(struct note *note)
{
	struct task *t = task_of_note(note);
	struct change *c = t->state;
	const Podstore__Deliver *m = (const Podstore__Deliver *) t->message;
	uint64_t us = clock_mono_us() - t->started_us;

	drop_bodies(c);
	if (c->code)
		fail_all(c, c->code);
	count_delivery(c, m, us);
	log_delivery(c, m, us);
	answer(t, c);
}

/*
 * On the writer's thread, which every delivery of the volume goes through: the closing of files, the log line
 * and the answer are left to the loop's, that a batch wakes once.
 */
static void delivered(struct change *c)
{
	struct task *t = c->owner;

	t->state = c;
	t->note.run = on_delivered;
	post_send(t->svc->post, &t->note);
}

/* Which body a recipient gets: that of an earlier one with the same header, or a new one. */
static int body_for(struct task *t, struct change *c, const Podstore__Deliver *m, size_t i, struct span *headers,
                    size_t *ret_body)
{
	struct span header = span_make(m->recipients[i]->header.data, m->recipients[i]->header.len);
	size_t n = c->u.deliver.bodies_n;
	int r;

	for (size_t j = n; j > 0; j--) {
		if (span_eq(headers[j - 1], header)) {
			*ret_body = j - 1;
			return 0;
		}
	}
	r = body_in_stage(t, m->size, header, &c->u.deliver.bodies[n], &t->err);
	if (r < 0)
		return r;
	headers[n] = header;
	*ret_body = n;
	c->u.deliver.bodies_n++;
	return 0;
}

static int prepare(struct task *t, struct change *c, const Podstore__Deliver *m)
{
	size_t n = m->n_recipients;
	struct span *headers = arena_array(t->a, n, sizeof(*headers));

	c->u.deliver.rcpts = arena_array(t->a, n, sizeof(*c->u.deliver.rcpts));
	c->u.deliver.bodies = arena_array(t->a, n, sizeof(*c->u.deliver.bodies));
	if (!headers || !c->u.deliver.rcpts || !c->u.deliver.bodies)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < n; i++) {
		const Podstore__DeliverRecipient *from = m->recipients[i];
		struct deliver_recipient *to = &c->u.deliver.rcpts[i];
		int r = body_for(t, c, m, i, headers, &to->body);

		if (r < 0)
			return r;
		to->user_id = span_of(from->user_id);
		to->mailbox = span_of(from->mailbox);
		to->detail = span_of(from->detail);
		to->flags = from->flags;
		to->may_answer = from->may_answer;
	}
	c->u.deliver.rcpts_n = n;
	c->u.deliver.internal_date = m->internal_date;
	c->u.deliver.reply_to = span_of(m->reply_to);
	c->u.deliver.internal = m->internal;
	convert_summary(m->summary, &c->u.deliver.summary);
	return convert_guid(m->delivery_id, &c->id);
}

void method_deliver(struct task *t)
{
	const Podstore__Deliver *m = (const Podstore__Deliver *) t->message;
	struct change *c;
	int r;

	if (m->n_recipients == 0 || m->n_recipients > RECIPIENTS_MAX) {
		(void) err_set(&t->err, POD_E_LIMIT, "a delivery has 1 to %d recipients", RECIPIENTS_MAX);
		task_fail(t, -POD_E_LIMIT);
		return;
	}
	c = task_change(t, CHANGE_DELIVER, delivered);
	if (!c)
		return;
	r = prepare(t, c, m);
	if (r < 0) {
		log_event(NULL, LOGL_WARNING, "delivery.failed", F_STR("trace", m->trace), F_ERR(&t->err));
		drop_bodies(c);
		task_fail(t, r);
		return;
	}
	volume_submit(t->svc->vol, c);
}

static uint32_t check_one(struct task *t, const char *user_id, uint64_t size)
{
	struct volume_user u;
	int r = volume_user_get(t->svc->vol, t->a, span_of(user_id), &u, NULL);

	if (r < 0)
		return (uint32_t) -r;
	return u.quota_bytes && u.used_bytes + size > u.quota_bytes ? POD_E_QUOTA : POD_E_NONE;
}

void method_check(struct task *t)
{
	const Podstore__Check *m = (const Podstore__Check *) t->message;
	Podstore__CheckReply reply = PODSTORE__CHECK_REPLY__INIT;

	reply.codes = arena_array(t->a, m->n_user_ids ? m->n_user_ids : 1, sizeof(*reply.codes));
	if (!reply.codes || m->n_user_ids > RECIPIENTS_MAX) {
		task_fail(t, reply.codes ? -POD_E_LIMIT : -POD_E_NOMEM);
		return;
	}
	for (size_t i = 0; i < m->n_user_ids; i++)
		reply.codes[i] = check_one(t, m->user_ids[i], m->size);
	reply.n_codes = m->n_user_ids;
	task_reply(t, &reply.base);
}
