/* Delivery: one body for many recipients of the volume, each answered for itself. */
#include "store/index/change.h"
#include "store/index/mailbox.h"
#include "store/index/message.h"
#include "store/index/oof.h"
#include "store/index/place.h"
#include "store/index/shift.h"

/* INBOX unless another is asked for and there; Junk is made where it is missing, so that spam stays out of INBOX. */
static int find_mailbox(struct batch *b, struct user_state *u, struct span name, struct mailbox_state **ret,
                        struct err *err)
{
	int r = name.len ? mailbox_by_name(b, u, name, ret, err) : -POD_E_NOTFOUND;

	if (r == -POD_E_NOTFOUND && span_eq(name, SPAN_LIT("Junk")) && !b->vol->writer.intents_stuck) {
		const struct mailbox_plan plan = { .name = SPAN_LIT("Junk"), .special_use = "\\Junk" };

		return mailbox_make(b, u, &plan, ret, err);
	}
	if (r == 0 || (r != -POD_E_NOTFOUND && r != -POD_E_SYNTAX && r != -POD_E_LIMIT))
		return r;
	return mailbox_by_name(b, u, SPAN_LIT("INBOX"), ret, err);
}

static int answer_repeated(struct batch *b, const struct change *c, const struct user_state *u,
                           struct deliver_recipient *rcpt, struct err *err)
{
	struct delivery before;
	struct span ranges;
	int r = change_repeated(b, &c->id, u->info.no, &before, &ranges, err);

	if (r == 1) {
		rcpt->repeated = true;
		rcpt->uid = before.uid;
		rcpt->uidvalidity = before.uidvalidity;
	}
	return r;
}

static int put_message(struct batch *b, struct change *c, struct user_state *u, struct mailbox_state *m,
                       struct deliver_recipient *rcpt, struct volume_body *body, struct err *err)
{
	const struct record rec = { .size = body->size, .internal_date = c->u.deliver.internal_date ? c->u.deliver.internal_date : b->now,
		                    .save_date = b->now, .guid = c->id, .flags = rcpt->flags & STORE_FLAGS_SYSTEM };
	const struct place_name name = place_name_of(m->id, m->counts.uidnext, &rec);
	const struct volume_summary *s = &c->u.deliver.summary;
	struct message_summary summary = { s->envelope, { s->bodystructure, s->parts, s->headers } };
	const struct delivery memory = { b->now, m->id, m->info.uidvalidity, name.uid, 0, 0, 0 };
	int r = message_link(b, &name, body, err);

	/* The summary is of the first body; another header in front of the same message moves its parts. */
	if (r == 0 && body->size != c->u.deliver.bodies[0].size)
		summary.detail.parts = shift_parts(b->a, s->parts, (int64_t) body->size - (int64_t) c->u.deliver.bodies[0].size);
	if (r == 0)
		r = message_add(b, u, m, &rec, &summary, err);
	if (r == 0)
		r = change_remember(b, &c->id, u->info.no, &memory, SPAN_NONE, err);
	if (r < 0)
		return r;
	rcpt->uid = name.uid;
	rcpt->uidvalidity = m->info.uidvalidity;
	return 0;
}

static int deliver_one(struct batch *b, struct change *c, struct deliver_recipient *rcpt, struct err *err)
{
	struct user_state *u = NULL;
	struct mailbox_state *m = NULL;
	struct volume_body *body;
	int r = batch_user(b, rcpt->user_id, &u, err);

	if (r < 0)
		return r;
	r = answer_repeated(b, c, u, rcpt, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (rcpt->body >= c->u.deliver.bodies_n)
		return err_set(err, POD_E_INTERNAL, "a recipient has no body");
	body = &c->u.deliver.bodies[rcpt->body];
	r = message_check_quota(u, body->size, err);
	if (r == 0)
		r = find_mailbox(b, u, rcpt->mailbox, &m, err);
	if (r == 0)
		r = message_reserve_uids(b, m, 1, err);
	if (r == 0)
		r = put_message(b, c, u, m, rcpt, body, err);
	return r < 0 ? r : oof_answer(b, u, c, rcpt);
}

int change_deliver(struct batch *b, struct change *c)
{
	static const struct guid none;

	if (guid_eq(&c->id, &none))
		c->id = guid_new();
	for (size_t i = 0; i < c->u.deliver.rcpts_n; i++) {
		struct deliver_recipient *rcpt = &c->u.deliver.rcpts[i];
		struct err why = { 0 };

		rcpt->repeated = false;
		rcpt->answer = NULL;
		rcpt->uid = rcpt->uidvalidity = 0;
		rcpt->code = deliver_one(b, c, rcpt, &why);
		if (b->hard) {
			c->err = why;
			return b->hard;
		}
	}
	return 0;
}
