/* CREATE, DELETE and SUBSCRIBE; RENAME has its own file. */
#include <stdio.h>

#include "store/index/change.h"
#include "store/index/folders.h"
#include "store/index/mailbox.h"
#include "store/maildir/folder.h"
#include "store/maildir/layout.h"

/* A last '/' says that children will come (RFC 3501 6.3.3); the mailbox is made all the same. */
int change_mailbox_create(struct batch *b, struct change *c)
{
	struct mailbox_plan plan = { .special_use = "" };
	struct mailbox_state *m = NULL;
	struct user_state *u = NULL;
	int r = batch_user(b, c->user_id, &u, &c->err);

	if (r == 0)
		r = mailbox_name_canonical(b->a, c->u.mailbox_op.name, &plan.name, &c->err);
	if (r == 0)
		r = folders_check(b, &c->err);
	if (r < 0)
		return r;
	if (c->u.mailbox_op.special_use.len)
		plan.special_use = arena_str(b->a, c->u.mailbox_op.special_use);
	if (!plan.special_use)
		return change_nomem(b, c);
	r = c->u.mailbox_op.adopt ? mailbox_adopt(b, u, plan.name, &m, &c->err) : mailbox_make(b, u, &plan, &m, &c->err);
	if (r < 0)
		return r;
	return mailbox_show_state(b, c->a, m, &c->u.mailbox_op.after, &c->err) < 0 ? change_nomem(b, c) : 0;
}

/* Children stay (RFC 3501 6.3.4), and so does the subscription (6.3.6). */
int change_mailbox_delete(struct batch *b, struct change *c)
{
	struct layout_path from, to;
	struct mailbox_state *m = NULL;
	struct user_state *u = NULL;
	int r = batch_user(b, c->user_id, &u, &c->err);

	if (r == 0)
		r = mailbox_by_name(b, u, c->u.mailbox_op.name, &m, &c->err);
	if (r == 0 && span_eq(m->info.name, SPAN_LIT("INBOX")))
		return err_set(&c->err, POD_E_DENIED, "INBOX cannot be deleted");
	if (r == 0)
		r = folders_check(b, &c->err);
	if (r == 0)
		r = mailbox_wipe(b, u, m, &c->err);
	if (r < 0)
		return r;
	layout_mailbox(&from, u->id, m->info.name);
	layout_set(&to, LAYOUT_TRASH "/m-%08x", m->id);
	return batch_move(b, m->id, from.s, to.s, &c->err);
}

int change_mailbox_subscribe(struct batch *b, struct change *c)
{
	struct user_state *u = NULL;
	struct span name = SPAN_NONE, v;
	bool is, want = c->u.mailbox_op.subscribed;
	struct key k;
	int r = batch_user(b, c->user_id, &u, &c->err);

	if (r == 0)
		r = mailbox_name_canonical(b->a, c->u.mailbox_op.name, &name, &c->err);
	if (r < 0)
		return r;
	key_user_name(&k, u->info.no, name);
	r = kv_get(&b->txn, b->vol->t.subscribed, key_span(&k), &v, &c->err);
	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	is = r == 0;
	if (is == want)
		return 0;
	r = folders_check(b, &c->err);
	if (r < 0)
		return r;
	r = want ? kv_put(&b->txn, b->vol->t.subscribed, key_span(&k), SPAN_NONE, &c->err) :
	           kv_delete(&b->txn, b->vol->t.subscribed, key_span(&k), &c->err);
	u->list_changed = true;
	if (batch_wrote(b, r, &c->err) < 0)
		return r;
	return mailbox_subscriptions_stage(b, u, &c->err);
}
