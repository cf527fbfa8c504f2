#include "base/log.h"
#include "store/service/body_in.h"

static void appended(struct change *c)
{
	struct task *t = c->owner;
	Podstore__AppendReply reply = PODSTORE__APPEND_REPLY__INIT;

	volume_body_done(&c->u.append.body);
	if (change_failed(c))
		return;
	metric_add(STORE_METRIC_APPENDS, 1);
	reply.uidvalidity = c->u.append.uidvalidity;
	reply.uid = c->u.append.uid;
	task_reply(t, &reply.base);
}

void method_append(struct task *t)
{
	const Podstore__Append *m = (const Podstore__Append *) t->message;
	struct change *c = task_change(t, CHANGE_APPEND, appended);
	int r;

	if (!c)
		return;
	r = convert_guid(m->append_id, &c->id);
	if (r == 0 && !convert_keywords_in(t->a, m->keywords, m->n_keywords, &c->u.append.keywords))
		r = -POD_E_NOMEM;
	if (r == 0)
		r = body_in_stage(t, m->size, SPAN_NONE, &c->u.append.body, &t->err);
	if (r < 0) {
		task_fail(t, r);
		return;
	}
	c->u.append.name = span_of(m->mailbox);
	c->u.append.flags = m->flags;
	c->u.append.keywords_n = m->n_keywords;
	c->u.append.internal_date = m->internal_date;
	convert_summary(m->summary, &c->u.append.summary);
	volume_submit(t->svc->vol, c);
}
