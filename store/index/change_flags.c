#include "store/index/change.h"
#include "store/index/mailbox.h"
#include "store/index/message.h"
#include "store/index/ranges.h"

static uint32_t new_flags(const struct change *c, uint32_t before, uint32_t flags)
{
	switch (c->u.flags.mode) {
	case CHANGE_FLAGS_ADD: return before | flags;
	case CHANGE_FLAGS_REMOVE: return before & ~flags;
	case CHANGE_FLAGS_SET: break;
	}
	return flags;
}

static void show_row(struct volume_row *row, uint32_t uid, const struct record *r)
{
	*row = (struct volume_row){ .uid = uid, .flags = r->flags, .modseq = r->modseq, .size = r->size, .guid = r->guid,
		                    .internal_date = r->internal_date, .save_date = r->save_date };
}

/*
 * The conditional store of RFC 7162 3.1.3: one changed since is left alone and told. One that has the flags already
 * keeps its modseq, so that a client that repeats itself wakes nobody.
 */
static int set_all(struct batch *b, struct change *c, struct mailbox_state *m, const struct picks *p, uint32_t flags)
{
	struct ranges_builder modified = { .a = c->a };
	struct volume_row *rows = arena_array(c->a, p->n, sizeof(*rows));
	size_t n = 0;

	if (!rows)
		return change_nomem(b, c);
	for (size_t i = 0; i < p->n; i++) {
		struct record rec = p->items[i].r;
		uint32_t uid = p->items[i].uid, after = new_flags(c, rec.flags, flags);
		int r = 0;

		if (c->u.flags.unchanged_since_set && rec.modseq > c->u.flags.unchanged_since) {
			if (ranges_add(&modified, uid, uid) < 0)
				return change_nomem(b, c);
			continue;
		}
		if (after != rec.flags)
			r = message_set_flags(b, m, uid, &rec, after, &c->err);
		if (r < 0)
			return r;
		show_row(&rows[n++], uid, &rec);
	}
	c->u.flags.rows = rows;
	c->u.flags.rows_n = n;
	c->u.flags.modified = modified.list;
	return 0;
}

int change_flags(struct batch *b, struct change *c)
{
	struct user_state *u = NULL;
	struct mailbox_state *m = NULL;
	struct picks p = { 0 };
	uint32_t keywords = 0;
	int r = mailbox_of_user(b, c->user_id, c->mailbox, &u, &m, &c->err);

	if (r == 0)
		r = mailbox_keywords(b, m, c->u.flags.keywords, c->u.flags.keywords_n,
		                     c->u.flags.mode != CHANGE_FLAGS_REMOVE, &keywords, &c->err);
	if (r == 0 && c->uids.n)
		r = message_pick(b, m, &c->uids, NULL, NULL, &p, &c->err);
	if (r == 0)
		r = set_all(b, c, m, &p, (c->u.flags.flags & STORE_FLAGS_SYSTEM) | keywords);
	if (r < 0)
		return r;
	c->highestmodseq = m->counts.highestmodseq;
	if (mailbox_show_state(b, c->a, m, &c->u.flags.after, &c->err) < 0)
		return change_nomem(b, c);
	return 0;
}
