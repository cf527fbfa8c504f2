#include "store/index/change.h"
#include "store/index/mailbox.h"

/* Claims are kept in memory (recent.h) and cost no commit: after a crash a message may be \Recent once more. */
int change_recent(struct batch *b, struct change *c)
{
	struct user_state *u = NULL;
	struct mailbox_state *m = NULL;
	uint32_t from;
	int r = mailbox_of_user(b, c->user_id, c->mailbox, &u, &m, &c->err);

	if (r < 0)
		return r;
	from = recent_from(&b->vol->recent, m->id, m->counts.recent_from);
	c->u.recent.first_recent = from < m->counts.uidnext ? from : 0;
	c->highestmodseq = m->counts.highestmodseq;
	if (from < m->counts.uidnext)
		recent_claim(&b->vol->recent, m->id, m->counts.uidnext);
	return 0;
}
