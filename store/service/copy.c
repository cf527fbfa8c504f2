/* COPY, MOVE and EXPUNGE. */
#include "store/service/service_internal.h"

static void copied(struct change *c)
{
	struct task *t = c->owner;
	Podstore__CopyReply reply = PODSTORE__COPY_REPLY__INIT;

	if (change_failed(c))
		return;
	if (!convert_ranges_out(t->a, &c->u.copy.source, &reply.source, &reply.n_source) ||
	    !convert_ranges_out(t->a, &c->u.copy.dest, &reply.target, &reply.n_target)) {
		task_fail(t, -POD_E_NOMEM);
		return;
	}
	reply.uidvalidity = c->u.copy.uidvalidity;
	reply.highestmodseq = c->highestmodseq;
	task_reply(t, &reply.base);
}

void method_copy(struct task *t)
{
	const Podstore__Copy *m = (const Podstore__Copy *) t->message;
	struct change *c = task_change(t, CHANGE_COPY, copied);
	int r;

	if (!c)
		return;
	c->mailbox = m->mailbox;
	c->u.copy.target = span_of(m->target);
	c->u.copy.move = m->move;
	r = convert_guid(m->copy_id, &c->id);
	if (r == 0)
		r = convert_ranges_in(t->a, m->uids, m->n_uids, &c->uids);
	if (r < 0)
		task_fail(t, r);
	else
		volume_submit(t->svc->vol, c);
}

static void expunged(struct change *c)
{
	struct task *t = c->owner;
	Podstore__ExpungeReply reply = PODSTORE__EXPUNGE_REPLY__INIT;

	if (change_failed(c))
		return;
	if (!convert_ranges_out(t->a, &c->u.expunge.expunged, &reply.expunged, &reply.n_expunged)) {
		task_fail(t, -POD_E_NOMEM);
		return;
	}
	reply.highestmodseq = c->highestmodseq;
	task_reply(t, &reply.base);
}

void method_expunge(struct task *t)
{
	const Podstore__Expunge *m = (const Podstore__Expunge *) t->message;
	struct change *c = task_change(t, CHANGE_EXPUNGE, expunged);
	int r;

	if (!c)
		return;
	c->mailbox = m->mailbox;
	r = convert_ranges_in(t->a, m->uids, m->n_uids, &c->uids);
	if (r < 0)
		task_fail(t, r);
	else
		volume_submit(t->svc->vol, c);
}
