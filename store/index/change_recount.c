/* fsck's: counters of a mailbox from its records, with the user's and the volume's; and its file from the index. */
#include "store/index/change.h"
#include "store/index/mailbox.h"
#include "store/index/message.h"

static void count_all(const struct picks *p, struct mailbox_counts *c)
{
	c->messages = c->unseen = c->deleted = 0;
	c->bytes = 0;
	for (size_t i = 0; i < p->n; i++) {
		const struct record *r = &p->items[i].r;

		c->messages++;
		c->bytes += r->size;
		c->unseen += !(r->flags & STORE_FLAG_SEEN);
		c->deleted += !!(r->flags & STORE_FLAG_DELETED);
		if (p->items[i].uid >= c->uidnext)
			c->uidnext = p->items[i].uid + 1;
	}
}

int change_recount(struct batch *b, struct change *c)
{
	static const struct uid_ranges all = { NULL, 0 };
	struct user_state *u = NULL;
	struct mailbox_state *m = NULL;
	struct mailbox_counts before, after;
	struct picks p = { 0 };
	int r = mailbox_of_user(b, c->user_id, c->mailbox, &u, &m, &c->err);

	if (r == 0)
		r = message_pick(b, m, &all, NULL, NULL, &p, &c->err);
	if (r < 0)
		return r;
	r = mailbox_repair_folder(b, m, &c->err);
	if (r < 0)
		return r;
	before = after = m->counts;
	count_all(&p, &after);
	if (memcmp(&before, &after, sizeof(before)) == 0)
		return 0;
	m->counts = after;
	u->usage.messages += after.messages - before.messages;
	u->usage.bytes += after.bytes - before.bytes;
	b->counters.messages += (uint64_t) after.messages - before.messages;
	b->counters.bytes += after.bytes - before.bytes;
	u->dirty = true;
	batch_touch(b, m);
	return 0;
}
