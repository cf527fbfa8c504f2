#include "store/index/change.h"
#include "store/index/mailbox.h"
#include "store/index/message.h"


static bool is_deleted(const void *arg, uint32_t uid, const struct record *r)
{
	return r->flags & STORE_FLAG_DELETED;
}

static int expunge(struct batch *b, struct change *c, message_filter_fn *filter)
{
	struct user_state *u = NULL;
	struct mailbox_state *m = NULL;
	struct picks p = { 0 };
	int r = mailbox_of_user(b, c->user_id, c->mailbox, &u, &m, &c->err);

	if (r == 0 && !(filter && m->counts.deleted == 0))
		r = message_pick(b, m, &c->uids, filter, NULL, &p, &c->err);
	if (r == 0)
		r = message_remove_all(b, u, m, &p, c->a, &c->u.expunge.expunged, &c->err);
	if (r == 0)
		c->highestmodseq = m->counts.highestmodseq;
	return r;
}

int change_expunge(struct batch *b, struct change *c)
{
	return expunge(b, c, is_deleted);
}

int change_forget(struct batch *b, struct change *c)
{
	return c->uids.n ? expunge(b, c, NULL) : 0;
}
