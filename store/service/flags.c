#include "store/service/service_internal.h"

/* Only uids, flags and modseqs travel: what a client has to be told after STORE. */
static bool rows_out(struct arena *a, const struct volume_row *rows, size_t n, Podstore__Rows *ret)
{
	ret->uids = arena_array(a, n ? n : 1, sizeof(*ret->uids));
	ret->flags = arena_array(a, n ? n : 1, sizeof(*ret->flags));
	ret->modseqs = arena_array(a, n ? n : 1, sizeof(*ret->modseqs));
	if (!ret->uids || !ret->flags || !ret->modseqs)
		return false;
	for (size_t i = 0; i < n; i++) {
		ret->uids[i] = rows[i].uid;
		ret->flags[i] = rows[i].flags;
		ret->modseqs[i] = rows[i].modseq;
	}
	ret->n_uids = ret->n_flags = ret->n_modseqs = n;
	return true;
}

static void stored(struct change *c)
{
	struct task *t = c->owner;
	Podstore__StoreFlagsReply reply = PODSTORE__STORE_FLAGS_REPLY__INIT;
	Podstore__Rows rows = PODSTORE__ROWS__INIT;

	if (change_failed(c))
		return;
	reply.keywords = convert_keywords_out(t->a, &c->u.flags.after);
	if (!reply.keywords || !rows_out(t->a, c->u.flags.rows, c->u.flags.rows_n, &rows) ||
	    !convert_ranges_out(t->a, &c->u.flags.modified, &reply.modified, &reply.n_modified)) {
		task_fail(t, -POD_E_NOMEM);
		return;
	}
	reply.rows = &rows;
	reply.n_keywords = c->u.flags.after.keywords_n;
	reply.highestmodseq = c->highestmodseq;
	task_reply(t, &reply.base);
}

void method_store_flags(struct task *t)
{
	const Podstore__StoreFlags *m = (const Podstore__StoreFlags *) t->message;
	struct change *c = task_change(t, CHANGE_FLAGS, stored);
	int r;

	if (!c)
		return;
	c->mailbox = m->mailbox;
	switch (m->mode) {
	case PODSTORE__FLAG_MODE__FLAGS_ADD: c->u.flags.mode = CHANGE_FLAGS_ADD; break;
	case PODSTORE__FLAG_MODE__FLAGS_REMOVE: c->u.flags.mode = CHANGE_FLAGS_REMOVE; break;
	default: c->u.flags.mode = CHANGE_FLAGS_SET; break;
	}
	c->u.flags.flags = m->flags & STORE_FLAGS_SYSTEM;
	c->u.flags.keywords_n = m->n_keywords;
	c->u.flags.unchanged_since_set = m->unchanged_since_set;
	c->u.flags.unchanged_since = m->unchanged_since;
	r = convert_ranges_in(t->a, m->uids, m->n_uids, &c->uids);
	if (r == 0 && !convert_keywords_in(t->a, m->keywords, m->n_keywords, &c->u.flags.keywords))
		r = -POD_E_NOMEM;
	if (r < 0)
		task_fail(t, r);
	else
		volume_submit(t->svc->vol, c);
}
