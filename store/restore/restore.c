#include "store/restore/restore.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "store/index/ranges.h"
#include "store/index/submit_wait.h"
#include "store/maildir/folder.h"
#include "store/restore/choose.h"
#include "store/restore/guids.h"
#include "store/restore/put.h"
#include "storeproto/storeproto.h"

#define MEMORY         ((size_t) 2 << 30)
#define PROGRESS_EVERY 512 /* messages looked at */

struct restoring {
	struct volume *vol;
	const struct restore_wish *w;
	struct restore_report *report;
	struct arena *a; /* of the whole */
	struct source *source;
	struct parser *parser;
	struct span *subscribed;
	size_t subscribed_n;
	/* Of the mailbox at hand: */
	struct arena *ma, *scratch; /* scratch: of the message at hand */
	struct span name, into;     /* with a NUL behind */
	struct put *put;
};

static void problem(struct restoring *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void problem(struct restoring *x, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!x->report->problem)
		return;
	va_start(ap, fmt);
	(void) vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	x->report->problem(x->report->arg, text);
}

static int tell_progress(struct restoring *x, struct err *err)
{
	if (!x->report->progress || x->report->progress(x->report->arg, x->report))
		return 0;
	return err_set(err, POD_E_CANCELLED, "ended after %llu messages were restored",
	               (unsigned long long) x->report->restored);
}

static void tell_item(struct restoring *x, const struct source_message *m, enum restore_state state,
                      uint32_t new_uid, const struct parsed *p)
{
	struct restore_item item = { .mailbox = (const char *) x->name.p,
		                     .into = (const char *) x->into.p,
		                     .uid = m->uid,
		                     .new_uid = new_uid,
		                     .guid = m->guid,
		                     .internal_date = m->internal_date,
		                     .size = m->size,
		                     .state = state };

	if (!x->w->items || !x->report->item)
		return;
	if (p) {
		item.message_id = p->message_id;
		item.subject = p->subject;
		item.from = p->from;
	}
	x->report->item(x->report->arg, &item);
}

static void on_put(void *arg, const struct source_message *m, int code, uint32_t uid, const char *text)
{
	struct restoring *x = arg;

	if (code == 0) {
		x->report->restored++;
		x->report->bytes += m->size;
	} else {
		x->report->failed++;
		problem(x, "%s: %s", m->path, text);
	}
	tell_item(x, m, code == 0 ? RESTORE_RESTORED : RESTORE_FAILED, uid, NULL);
}

/* ---- the mailbox it goes to ---- */

static bool is_subscribed(const struct restoring *x)
{
	for (size_t i = 0; i < x->subscribed_n; i++)
		if (span_eq(x->subscribed[i], x->name))
			return true;
	return false;
}

/* As it was, under its own name; elsewhere it is nobody's Sent or Drafts. */
static int make_mailbox(struct restoring *x, const struct source_mailbox *from, struct err *err)
{
	struct change c = { .kind = CHANGE_MAILBOX_CREATE, .a = x->ma, .user_id = x->w->user_id };
	bool same = span_eq(x->name, x->into);
	int r;

	c.u.mailbox_op.name = x->into;
	if (same)
		c.u.mailbox_op.special_use = span_of(from->special_use);
	r = volume_submit_wait(x->vol, &c, err);
	if (r == -POD_E_EXISTS)
		return 0;
	if (r < 0)
		return err_wrap(err, r, "mailbox \"" SPAN_FMT "\"", SPAN_ARG(x->into));
	if (same && !is_subscribed(x))
		return 0;
	c = (struct change){ .kind = CHANGE_MAILBOX_SUBSCRIBE, .a = x->ma, .user_id = x->w->user_id };
	c.u.mailbox_op.name = x->into;
	c.u.mailbox_op.subscribed = true;
	return volume_submit_wait(x->vol, &c, err);
}

static int note_guid(void *arg, const struct volume_row *row)
{
	return guids_add(arg, &row->guid);
}

/* Which messages are there; a mailbox that is missing has none. */
static int read_target(struct restoring *x, struct guids *have, bool *ret_there, struct err *err)
{
	static struct uid_range all = { 1, UINT32_MAX };
	const struct uid_ranges uids = { &all, 1 };
	struct volume_mailbox m;
	int r = volume_mailbox_get(x->vol, x->ma, x->w->user_id, x->into, &m, err);

	*ret_there = r == 0;
	if (r == -POD_E_NOTFOUND)
		return 0;
	if (r == 0)
		r = volume_fetch(x->vol, x->w->user_id, m.id, &uids, STORE_COL_GUID, 0, note_guid, have, err);
	guids_seal(have);
	return r;
}

/* ---- its messages ---- */

struct mailbox_work {
	const struct source_mailbox *from;
	struct guids have; /* in the target */
	struct guids seen; /* in the source, and which were taken: copies inside the mailbox come back once */
	bool *taken;
	bool there; /* the target is */
};

static int take(struct restoring *x, struct mailbox_work *mw, const struct source_message *m, struct err *err)
{
	int r = 0;

	if (!mw->there) {
		r = make_mailbox(x, mw->from, err);
		mw->there = r == 0;
	}
	return r < 0 ? r : put_message(x->put, mw->from, m, err);
}

static bool is_there(const struct restoring *x, struct mailbox_work *mw, const struct guid *guid)
{
	size_t at = guids_find(&mw->seen, guid);
	bool again = mw->taken[at];

	mw->taken[at] = true;
	return !x->w->force && (again || guids_find(&mw->have, guid) != SIZE_MAX);
}

static int consider(struct restoring *x, struct mailbox_work *mw, const struct source_message *m,
                    struct err *err)
{
	struct parsed parsed = { 0 };
	struct err why = { 0 };
	bool chosen = false;
	int r;

	arena_reset(x->scratch);
	r = choose(x->w, x->source, x->parser, x->scratch, m, &chosen, &parsed, &why);
	x->report->examined++;
	if (r < 0) {
		x->report->failed++;
		problem(x, "%s: %s", m->path, err_text(&why));
		tell_item(x, m, RESTORE_FAILED, 0, NULL);
		return 0;
	}
	if (!chosen)
		return 0;
	x->report->found++;
	if (is_there(x, mw, &m->guid)) {
		x->report->present++;
		tell_item(x, m, RESTORE_PRESENT, 0, &parsed);
		return 0;
	}
	if (x->w->list) {
		tell_item(x, m, RESTORE_FOUND, 0, &parsed);
		return 0;
	}
	return take(x, mw, m, err);
}

static int walk(struct restoring *x, struct mailbox_work *mw, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < mw->from->n; i++) {
		r = consider(x, mw, &mw->from->items[i], err);
		if (r == 0 && (i + 1) % PROGRESS_EVERY == 0)
			r = tell_progress(x, err);
	}
	return r < 0 ? r : put_flush(x->put, err);
}

static int prepare_work(struct restoring *x, const struct source_mailbox *from, struct mailbox_work *mw,
                        struct err *err)
{
	*mw = (struct mailbox_work){ .from = from, .have = { .a = x->ma }, .seen = { .a = x->ma } };
	mw->taken = arena_array(x->ma, from->n + 1, sizeof(*mw->taken));
	for (size_t i = 0; i < from->n; i++)
		if (!mw->taken || guids_add(&mw->seen, &from->items[i].guid) < 0)
			return err_set(err, POD_E_NOMEM, "restore");
	guids_seal(&mw->seen);
	return read_target(x, &mw->have, &mw->there, err);
}

static int put_start(struct restoring *x, struct err *err)
{
	const struct put_target t = { .vol = x->vol,
		                      .source = x->source,
		                      .parser = x->parser,
		                      .user_id = x->w->user_id,
		                      .mailbox = x->into,
		                      .over_quota = x->w->over_quota,
		                      .done = on_put,
		                      .arg = x };

	x->put = put_create(&t);
	return x->put ? 0 : err_set(err, POD_E_NOMEM, "restore");
}

/* Where whole mailboxes were asked for, an empty one comes back too. */
static bool wants_mailbox_itself(const struct restore_wish *w)
{
	return !w->list && !wish_is_narrow(w);
}

static int restore_messages(struct restoring *x, struct err *err)
{
	struct source_mailbox from;
	struct mailbox_work mw;
	int r = source_mailbox_read(x->source, x->name, x->ma, &from, err);

	if (r == 0)
		r = prepare_work(x, &from, &mw, err);
	if (r == 0 && from.odd)
		problem(x, "mailbox \"" SPAN_FMT "\": %zu entries are no messages", SPAN_ARG(x->name),
		        from.odd);
	if (r == 0 && !mw.there && wants_mailbox_itself(x->w)) {
		r = make_mailbox(x, &from, err);
		mw.there = true;
	}
	if (r == 0)
		r = put_start(x, err);
	if (r == 0)
		r = walk(x, &mw, err);
	x->put = put_free(x->put);
	x->report->mailboxes++;
	return r < 0 ? r : tell_progress(x, err);
}

/* ---- mailboxes ---- */

/* The wish's, where it is about one; else below it. */
static int name_target(struct restoring *x, struct err *err)
{
	struct span into = x->w->into;
	const char *text;
	int r;

	if (!into.len)
		into = x->name;
	else if (!x->w->mailbox.len &&
	         (text = arena_printf(x->ma, SPAN_FMT "/" SPAN_FMT, SPAN_ARG(into), SPAN_ARG(x->name))))
		into = span_of(text);
	r = mailbox_name_canonical(x->ma, into, &into, err);
	if (r < 0)
		return err_wrap(err, r, "mailbox \"" SPAN_FMT "\"", SPAN_ARG(into));
	x->into = span_make(arena_str(x->ma, into), into.len);
	return x->into.p ? 0 : err_set(err, POD_E_NOMEM, "restore");
}

static int restore_mailbox(struct restoring *x, struct span name, struct err *err)
{
	int r;

	x->ma = arena_create(MEMORY);
	x->name = span_make(x->ma ? arena_str(x->ma, name) : NULL, name.len);
	r = x->name.p ? name_target(x, err) : err_set(err, POD_E_NOMEM, "restore");
	if (r == 0)
		r = restore_messages(x, err);
	x->ma = arena_free(x->ma);
	return r;
}

static int restore_all(struct restoring *x, struct err *err)
{
	struct scanned_mailboxes list = { 0 };
	int r = source_mailboxes(x->source, &list, err);

	if (r == 0 && list.odd)
		problem(x, "%zu folders of the source are no mailboxes", list.odd);
	for (size_t i = 0; r == 0 && i < list.n; i++)
		r = restore_mailbox(x, list.names[i], err);
	return r;
}

static int restore_wished(struct restoring *x, struct err *err)
{
	struct span name;
	int r;

	if (!x->w->mailbox.len)
		return restore_all(x, err);
	r = mailbox_name_canonical(x->a, x->w->mailbox, &name, err);
	return r < 0 ? r : restore_mailbox(x, name, err);
}

/* ---- the whole ---- */

static int start(struct restoring *x, struct err *err)
{
	struct volume_user user;
	int r;

	x->a = arena_create(MEMORY);
	x->scratch = arena_create((size_t) 256 << 20);
	x->parser = parser_create();
	if (!x->a || !x->scratch || !x->parser)
		return err_set(err, POD_E_NOMEM, "restore");
	r = volume_user_get(x->vol, x->a, x->w->user_id, &user, err);
	if (r == 0)
		r = source_open(&x->w->source, x->a, &x->source, err);
	if (r == 0 && *source_index_trouble(x->source))
		problem(x, "the index of the source is not used, file names alone are: %s",
		        source_index_trouble(x->source));
	return r < 0 ? r : source_subscriptions(x->source, &x->subscribed, &x->subscribed_n, err);
}

/* What was brought back before it ended is back: say so where the error is all that is told. */
static int explain(const struct restoring *x, int r, struct err *err)
{
	if (r == -POD_E_QUOTA || r == -POD_E_NOSPACE)
		return err_wrap(err, r, "%llu messages were restored, then",
		                (unsigned long long) x->report->restored);
	if (r == 0 && x->report->found == 0 && wish_is_narrow(x->w))
		return err_set(err, POD_E_NOTFOUND,
		               "no message there is what was asked for; %llu were looked at",
		               (unsigned long long) x->report->examined);
	return r;
}

int volume_restore(struct volume *vol, const struct restore_wish *w, struct restore_report *report,
                   struct err *err)
{
	struct restoring x = { .vol = vol, .w = w, .report = report };
	int r = start(&x, err);

	if (r == 0)
		r = restore_wished(&x, err);
	r = explain(&x, r, err);
	(void) source_close(x.source);
	(void) parser_free(x.parser);
	(void) arena_free(x.scratch);
	(void) arena_free(x.a);
	return r;
}
