/* COPY and MOVE, all or nothing (RFC 3501 6.4.7): every file is named before the first row is written. */
#include "store/index/change.h"
#include "store/index/copying.h"
#include "store/index/lessons.h"
#include "store/index/mailbox.h"
#include "store/index/ranges.h"

static int answer_repeated(struct change *c, const struct delivery *d, struct span ranges)
{
	if (ranges_copy(c->a, ranges, d->ranges_n, &c->u.copy.source) < 0 ||
	    ranges_copy(c->a, span_skip(ranges, d->ranges_n * sizeof(struct uid_range)), d->dest_n, &c->u.copy.dest) < 0)
		return err_set(&c->err, POD_E_NOMEM, "copy");
	c->u.copy.uidvalidity = d->uidvalidity;
	return 0;
}

static int remember(struct batch *b, struct change *c, const struct user_state *u, const struct mailbox_state *target)
{
	const struct uid_ranges *from = &c->u.copy.source, *to = &c->u.copy.dest;
	const struct delivery d = { b->now, target->id, target->info.uidvalidity, to->n ? to->r[0].first : 0,
		                    (uint32_t) from->n, (uint32_t) to->n, 0 };
	struct uid_range *both = arena_array(b->a, from->n + to->n, sizeof(*both));

	if (!both)
		return change_nomem(b, c);
	for (size_t i = 0; i < from->n; i++)
		both[i] = from->r[i];
	for (size_t i = 0; i < to->n; i++)
		both[from->n + i] = to->r[i];
	return change_remember(b, &c->id, u->info.no, &d, span_make(both, (from->n + to->n) * sizeof(*both)), &c->err);
}

static int copy(struct batch *b, struct change *c, struct user_state *u, struct mailbox_state *source,
                struct mailbox_state *target)
{
	struct picks p = { 0 };
	struct uid_ranges gone;
	uint32_t first_uid;
	int r = c->uids.n ? message_pick(b, source, &c->uids, NULL, NULL, &p, &c->err) : 0;

	if (r == 0 && !c->u.copy.move)
		r = copying_check_quota(u, &p, &c->err);
	first_uid = target->counts.uidnext;
	if (r == 0)
		r = copying_all(b, u, source, target, &p, c->a, &c->u.copy.source, &c->u.copy.dest, &c->err);
	if (r == 0 && p.n)
		r = lessons_note(b, source, target, first_uid, p.n, &c->err);
	if (r == 0 && p.n)
		r = remember(b, c, u, target);
	if (r == 0 && c->u.copy.move)
		r = message_remove_all(b, u, source, &p, b->a, &gone, &c->err);
	return r;
}

int change_copy(struct batch *b, struct change *c)
{
	struct user_state *u = NULL;
	struct mailbox_state *source = NULL, *target = NULL;
	struct delivery before;
	struct span ranges;
	int r = batch_user(b, c->user_id, &u, &c->err);

	if (r == 0)
		r = change_repeated(b, &c->id, u->info.no, &before, &ranges, &c->err);
	if (r == 1)
		return answer_repeated(c, &before, ranges);
	if (r == 0)
		r = mailbox_of_user(b, c->user_id, c->mailbox, &u, &source, &c->err);
	if (r == 0)
		r = mailbox_by_name(b, u, c->u.copy.target, &target, &c->err);
	if (r == 0)
		r = copy(b, c, u, source, target);
	if (r < 0)
		return r;
	c->u.copy.uidvalidity = target->info.uidvalidity;
	c->highestmodseq = source->counts.highestmodseq;
	return 0;
}
