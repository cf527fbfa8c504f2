#include "store/index/change.h"
#include "store/index/mailbox.h"
#include "store/index/message.h"
#include "store/index/place.h"

static int check(struct batch *b, struct change *c, struct user_state *u, struct mailbox_state **ret_m,
                 uint32_t *ret_keywords)
{
	struct mailbox_state *m = NULL;
	int r = mailbox_by_name(b, u, c->u.append.name, &m, &c->err);

	if (r == 0 && !c->u.append.over_quota)
		r = message_check_quota(u, c->u.append.body.size, &c->err);
	if (r == 0)
		r = message_reserve_uids(b, m, 1, &c->err);
	if (r == 0)
		r = mailbox_keywords(b, m, c->u.append.keywords, c->u.append.keywords_n, true, ret_keywords, &c->err);
	if (r == 0)
		*ret_m = m;
	return r;
}

int change_append(struct batch *b, struct change *c)
{
	static const struct guid none;
	const struct volume_summary *s = &c->u.append.summary;
	const struct message_summary summary = { s->envelope, { s->bodystructure, s->parts, s->headers } };
	struct user_state *u = NULL;
	struct mailbox_state *m = NULL;
	struct delivery memory;
	struct record rec;
	struct place_name name;
	struct span ranges;
	uint32_t keywords = 0;
	int r = batch_user(b, c->user_id, &u, &c->err);

	if (r == 0 && !c->u.append.restores)
		r = change_repeated(b, &c->id, u->info.no, &memory, &ranges, &c->err);
	if (r == 1) {
		c->u.append.uid = memory.uid;
		c->u.append.uidvalidity = memory.uidvalidity;
		return 0;
	}
	if (r == 0)
		r = check(b, c, u, &m, &keywords);
	if (r < 0)
		return r;
	rec = (struct record){ .size = c->u.append.body.size, .save_date = b->now, .guid = guid_eq(&c->id, &none) ? guid_new() : c->id,
		               .internal_date = c->u.append.internal_date ? c->u.append.internal_date : b->now,
		               .flags = (c->u.append.flags & STORE_FLAGS_SYSTEM) | keywords };
	name = place_name_of(m->id, m->counts.uidnext, &rec);
	memory = (struct delivery){ b->now, m->id, m->info.uidvalidity, name.uid, 0, 0, 0 };
	r = message_link(b, &name, &c->u.append.body, &c->err);
	if (r == 0)
		r = message_add(b, u, m, &rec, &summary, &c->err);
	if (r == 0 && !c->u.append.restores)
		r = change_remember(b, &c->id, u->info.no, &memory, SPAN_NONE, &c->err);
	c->u.append.uid = name.uid;
	c->u.append.uidvalidity = m->info.uidvalidity;
	return r;
}
