#include "store/service/rows.h"
#include "store/service/service_internal.h"

struct collecting {
	struct rows rows;
	struct task *task;
	int failed;
};

/*
 * Changes come out of one snapshot and are not held back at the window: a mailbox's flags and modseqs are a
 * megabyte at most, and what vanished has to be of the same moment.
 */
static int on_row(void *arg, const struct volume_row *row)
{
	struct collecting *c = arg;
	int r = rows_add(&c->rows, row);

	if (r > 0) {
		store_request_more(c->task->rq, &c->rows.out.base, SPAN_NONE, -1);
		r = rows_clear(&c->rows);
	}
	c->failed = r < 0 ? r : 0;
	return r < 0 || store_request_cancelled(c->task->rq);
}

static void reply_gone(struct task *t)
{
	Podstore__ChangesReply reply = PODSTORE__CHANGES_REPLY__INIT;

	reply.mailbox_gone = true;
	task_reply(t, &reply.base);
}

static int reply_changes(struct task *t, const struct volume_changes *c)
{
	Podstore__ChangesReply reply = PODSTORE__CHANGES_REPLY__INIT;

	reply.keywords = convert_keywords_out(t->a, &c->mailbox);
	if (!reply.keywords || !convert_ranges_out(t->a, &c->vanished, &reply.vanished, &reply.n_vanished) ||
	    !convert_ranges_out(t->a, &c->uids, &reply.uids, &reply.n_uids))
		return -POD_E_NOMEM;
	reply.n_keywords = c->mailbox.keywords_n;
	reply.highestmodseq = c->mailbox.highestmodseq;
	reply.uidnext = c->mailbox.uidnext;
	reply.messages = c->mailbox.messages;
	reply.vanished_incomplete = c->incomplete;
	task_reply(t, &reply.base);
	return 0;
}

void method_changes(struct task *t)
{
	const Podstore__Changes *m = (const Podstore__Changes *) t->message;
	struct volume_changes changes = { 0 };
	struct collecting c = { .task = t };
	int r = rows_init(&c.rows, m->columns);

	if (r == 0)
		r = volume_changes(t->svc->vol, t->a, t->user_id, m->mailbox, m->since, m->columns, on_row, &c, &changes,
		                   &t->err);
	if (r >= 0 && c.failed)
		r = c.failed;
	if (r >= 0 && c.rows.out.n_uids)
		store_request_more(t->rq, &c.rows.out.base, SPAN_NONE, -1);
	rows_done(&c.rows);
	if (r == -POD_E_NOTFOUND) {
		reply_gone(t);
		return;
	}
	if (r >= 0)
		r = reply_changes(t, &changes);
	if (r < 0)
		task_fail(t, r);
}
