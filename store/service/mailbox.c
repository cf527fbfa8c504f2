#include "store/service/service_internal.h"

void method_mailbox_list(struct task *t)
{
	Podstore__MailboxListReply reply = PODSTORE__MAILBOX_LIST_REPLY__INIT;
	struct volume_mailboxes list;
	int r = volume_mailbox_list(t->svc->vol, t->a, t->user_id, &list, &t->err);

	if (r == 0) {
		reply.mailboxes = arena_array(t->a, list.n ? list.n : 1, sizeof(*reply.mailboxes));
		r = reply.mailboxes ? 0 : -POD_E_NOMEM;
	}
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		reply.mailboxes[i] = convert_mailbox(t->a, &list.items[i]);
		if (!reply.mailboxes[i])
			r = -POD_E_NOMEM;
		reply.n_mailboxes++;
	}
	if (r < 0)
		task_fail(t, r);
	else
		task_reply(t, &reply.base);
}

static void reply_mailbox(struct task *t, const struct volume_mailbox *m)
{
	const Podstore__Mailbox *p = convert_mailbox(t->a, m);

	if (p)
		task_reply(t, &p->base);
	else
		task_fail(t, -POD_E_NOMEM);
}

void method_mailbox_get(struct task *t)
{
	const Podstore__MailboxGet *m = (const Podstore__MailboxGet *) t->message;
	struct volume_mailbox box;
	int r = volume_mailbox_get(t->svc->vol, t->a, t->user_id, span_of(m->name), &box, &t->err);

	if (r < 0)
		task_fail(t, r);
	else
		reply_mailbox(t, &box);
}

static void made(struct change *c)
{
	if (!change_failed(c))
		reply_mailbox(c->owner, &c->u.mailbox_op.after);
}

static void done_empty(struct change *c)
{
	Podstore__Empty empty = PODSTORE__EMPTY__INIT;

	if (!change_failed(c))
		task_reply(c->owner, &empty.base);
}

void method_mailbox_create(struct task *t)
{
	const Podstore__MailboxCreate *m = (const Podstore__MailboxCreate *) t->message;
	struct change *c = task_change(t, CHANGE_MAILBOX_CREATE, made);

	if (!c)
		return;
	c->u.mailbox_op.name = span_of(m->name);
	c->u.mailbox_op.special_use = span_of(m->special_use);
	volume_submit(t->svc->vol, c);
}

void method_mailbox_delete(struct task *t)
{
	const Podstore__MailboxDelete *m = (const Podstore__MailboxDelete *) t->message;
	struct change *c = task_change(t, CHANGE_MAILBOX_DELETE, done_empty);

	if (!c)
		return;
	c->u.mailbox_op.name = span_of(m->name);
	volume_submit(t->svc->vol, c);
}

void method_mailbox_rename(struct task *t)
{
	const Podstore__MailboxRename *m = (const Podstore__MailboxRename *) t->message;
	struct change *c = task_change(t, CHANGE_MAILBOX_RENAME, done_empty);

	if (!c)
		return;
	c->u.mailbox_op.name = span_of(m->name);
	c->u.mailbox_op.new_name = span_of(m->new_name);
	volume_submit(t->svc->vol, c);
}

void method_mailbox_subscribe(struct task *t)
{
	const Podstore__MailboxSubscribe *m = (const Podstore__MailboxSubscribe *) t->message;
	struct change *c = task_change(t, CHANGE_MAILBOX_SUBSCRIBE, done_empty);

	if (!c)
		return;
	c->u.mailbox_op.name = span_of(m->name);
	c->u.mailbox_op.subscribed = m->subscribed;
	volume_submit(t->svc->vol, c);
}

void method_mailbox_open(struct task *t)
{
	const Podstore__MailboxOpen *m = (const Podstore__MailboxOpen *) t->message;
	Podstore__MailboxOpenReply reply = PODSTORE__MAILBOX_OPEN_REPLY__INIT;
	struct volume_opened o;
	int r = volume_mailbox_open(t->svc->vol, t->a, t->user_id, span_of(m->name),
	                            m->read_only ? VOLUME_EXAMINE : VOLUME_SELECT, &o, &t->err);

	if (r == 0) {
		reply.mailbox = convert_mailbox(t->a, &o.mailbox);
		reply.first_recent_uid = o.first_recent;
		reply.first_unseen_uid = o.first_unseen;
		if (!reply.mailbox || !convert_ranges_out(t->a, &o.uids, &reply.uids, &reply.n_uids))
			r = -POD_E_NOMEM;
	}
	if (r < 0)
		task_fail(t, r);
	else
		task_reply(t, &reply.base);
}
