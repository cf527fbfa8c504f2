#include "store/index/message.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "store/index/mailbox.h"
#include "store/index/place.h"
#include "store/index/ranges.h"
#include "store/maildir/body.h"

/* What vanished is remembered for so many ranges of uids in a mailbox; then the older half is forgotten. */
#define VANISHED_MAX 8192
/* While write-behind moves a file, a look can come too late at one place and too early at the next; the last lists. */
#define LOOKS 3

int message_check_quota(const struct user_state *u, uint64_t bytes, struct err *err)
{
	if (u->info.quota_bytes && (bytes > u->info.quota_bytes || u->usage.bytes > u->info.quota_bytes - bytes))
		return err_set(err, POD_E_QUOTA, "mailbox is over quota");
	return 0;
}

int message_reserve_uids(struct batch *b, struct mailbox_state *m, uint32_t n, struct err *err)
{
	uint64_t need = (uint64_t) m->counts.uidnext + n;

	if (need >= UINT32_MAX - MAILBOX_UID_STEP)
		return err_set(err, POD_E_LIMIT, "the mailbox has no uids left");
	return need <= m->counts.uid_reserve ? 0 : mailbox_reserve_to(b, m, (uint32_t) need + MAILBOX_UID_STEP, err);
}

/* ---- names in staging/ ---- */

static int stage_step(struct batch *b, const char *name, struct err *err)
{
	int e = STEP(b->vol, VOLUME_STEP_LINK);

	return e ? err_errno(err, e, "link %s", name) : 0;
}

static int make_file(struct batch *b, const char *name, struct volume_body *body, struct err *err)
{
	int e = STEP(b->vol, VOLUME_STEP_STAGE);

	return e ? err_errno(err, e, "make %s", name) :
	           body_make(b->vol->staging, name, body->header, body->bytes, &body->fd, err);
}

static int name_body(struct batch *b, const char *name, struct volume_body *body, struct err *err)
{
	int r;

	if (body->fd < 0)
		return make_file(b, name, body, err);
	r = body_link(body->fd, b->vol->staging, name, err);
	if (r != -POD_E_NOTFOUND || !body->held)
		return r;
	/* Its file went with the name that an undone batch took back. */
	volume_body_done(body);
	return make_file(b, name, body, err);
}

int message_link(struct batch *b, const struct place_name *n, struct volume_body *body, struct err *err)
{
	char name[STAGED_NAME_SIZE];
	int r;

	place_staged_name(b->vol, n, name);
	r = stage_step(b, name, err);
	if (r == 0)
		r = name_body(b, name, body, err);
	/* A name that an earlier batch could not take back: no row has it, for its uid was free. */
	if (r == -POD_E_EXISTS && unlinkat(b->vol->staging, name, 0) == 0)
		r = name_body(b, name, body, err);
	if (r < 0)
		return r;
	return body->held ? batch_staged_body(b, name, body, err) : batch_staged(b, name, false, err);
}

static int link_path(struct batch *b, const char *from, const char *name, struct err *err)
{
	if (linkat(b->vol->dir, from, b->vol->staging, name, 0) == 0)
		return 0;
	if (errno == EEXIST && unlinkat(b->vol->staging, name, 0) == 0 &&
	    linkat(b->vol->dir, from, b->vol->staging, name, 0) == 0)
		return 0;
	return err_errno(err, errno, "link %s", from);
}

static int link_source(struct batch *b, const char *name, const struct mailbox_state *source,
                       const struct place_name *source_name, bool search, struct err *err)
{
	struct places places;
	int r = search ? place_search(b->vol, &source->info, source_name, &places, err) :
	                 place_find(b->vol, &b->txn, &source->info, source_name, &places, err);

	if (r < 0)
		return r;
	r = -POD_E_NOTFOUND;
	for (size_t i = 0; i < places.n && r == -POD_E_NOTFOUND; i++)
		r = link_path(b, places.at[i].s, name, err);
	return r;
}

int message_link_copy(struct batch *b, const struct place_name *n, const struct mailbox_state *source,
                      const struct place_name *source_name, struct err *err)
{
	char name[STAGED_NAME_SIZE];
	int r;

	place_staged_name(b->vol, n, name);
	r = stage_step(b, name, err);
	if (r < 0)
		return r;
	r = -POD_E_NOTFOUND;
	for (int i = 0; r == -POD_E_NOTFOUND && i < LOOKS; i++)
		r = link_source(b, name, source, source_name, i == LOOKS - 1, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_CORRUPT, "the file of uid %u is missing: run fsck", source_name->uid);
	return r < 0 ? r : batch_staged(b, name, false, err);
}

/* ---- rows ---- */

static int log_put(struct batch *b, const struct mailbox_state *m, uint32_t uid, struct err *err)
{
	struct key k;

	key_mail_modseq(&k, m->id, MAIL_LOG, b->modseq, uid);
	return kv_put(&b->txn, b->vol->t.mail, key_span(&k), SPAN_NONE, err);
}

static int log_delete(struct batch *b, const struct mailbox_state *m, uint64_t modseq, uint32_t uid, struct err *err)
{
	struct key k;
	int r;

	key_mail_modseq(&k, m->id, MAIL_LOG, modseq, uid);
	r = kv_delete(&b->txn, b->vol->t.mail, key_span(&k), err);
	return r == -POD_E_NOTFOUND ? 0 : r;
}

static int put_summary(struct batch *b, const struct mailbox_state *m, uint32_t uid, const struct message_summary *s,
                       struct err *err)
{
	struct key k;
	int r;

	key_mail_uid(&k, m->id, MAIL_ENVELOPE, uid);
	r = kv_put(&b->txn, b->vol->t.mail, key_span(&k), s->envelope, err);
	return r < 0 ? r : detail_put(&b->txn, &b->vol->t, m->id, uid, &s->detail, err);
}

static void count(struct batch *b, struct user_state *u, struct mailbox_state *m, const struct record *r, int sign)
{
	uint64_t bytes = sign > 0 ? r->size : -r->size;
	uint32_t one = (uint32_t) sign;

	m->counts.messages += one;
	m->counts.bytes += bytes;
	u->usage.messages += one;
	u->usage.bytes += bytes;
	b->counters.messages += (uint64_t) (int64_t) sign;
	b->counters.bytes += bytes;
	u->dirty = true;
	batch_touch(b, m);
}

static void count_flags(struct mailbox_state *m, uint32_t flags, int sign)
{
	if (!(flags & STORE_FLAG_SEEN))
		m->counts.unseen += (uint32_t) sign;
	if (flags & STORE_FLAG_DELETED)
		m->counts.deleted += (uint32_t) sign;
}

int message_add(struct batch *b, struct user_state *u, struct mailbox_state *m, const struct record *rec,
                const struct message_summary *s, struct err *err)
{
	const struct pending p = { .op = PENDING_PLACE, .staged = 1, .file_flags = rec->flags };
	const struct tables *t = &b->vol->t;
	uint32_t uid = m->counts.uidnext;
	struct record row = *rec;
	int r;

	row.modseq = b->modseq;
	r = record_put(&b->txn, t, m->id, uid, &row, err);
	if (r == 0)
		r = log_put(b, m, uid, err);
	if (r == 0)
		r = put_summary(b, m, uid, s, err);
	if (r == 0)
		r = pending_put(&b->txn, t, m->id, uid, &p, err);
	if (batch_wrote(b, r, err) < 0)
		return r;
	m->counts.uidnext++;
	count(b, u, m, &row, +1);
	count_flags(m, row.flags, +1);
	return 0;
}

/* The file's name no longer fits: unless a row of `pending` knows that already. */
static int name_pending(struct batch *b, const struct mailbox_state *m, uint32_t uid, uint32_t file_flags,
                        struct err *err)
{
	struct pending p;
	int r = pending_get(&b->txn, &b->vol->t, m->id, uid, &p, err);

	if (r != -POD_E_NOTFOUND)
		return r;
	p = (struct pending){ .op = PENDING_PLACE, .file_flags = file_flags };
	return pending_put(&b->txn, &b->vol->t, m->id, uid, &p, err);
}

int message_set_flags(struct batch *b, struct mailbox_state *m, uint32_t uid, struct record *rec, uint32_t flags,
                      struct err *err)
{
	struct record row = *rec;
	int r = log_delete(b, m, row.modseq, uid, err);

	row.modseq = b->modseq;
	row.flags = flags;
	if (r == 0)
		r = log_put(b, m, uid, err);
	if (r == 0)
		r = record_put(&b->txn, &b->vol->t, m->id, uid, &row, err);
	if (r == 0)
		r = name_pending(b, m, uid, rec->flags, err);
	if (batch_wrote(b, r, err) < 0)
		return r;
	batch_note(b, JOURNAL_FLAGS, m->id, uid, flags);
	count_flags(m, rec->flags, -1);
	count_flags(m, flags, +1);
	batch_touch(b, m);
	*rec = row;
	return 0;
}

static int delete_mail(struct batch *b, const struct mailbox_state *m, enum mail_kind kind, uint32_t uid,
                       struct err *err)
{
	struct key k;
	int r;

	key_mail_uid(&k, m->id, kind, uid);
	r = kv_delete(&b->txn, b->vol->t.mail, key_span(&k), err);
	return r == -POD_E_NOTFOUND && kind != MAIL_RECORD ? 0 : r;
}

static int unlink_pending(struct batch *b, const struct mailbox_state *m, uint32_t uid, const struct record *rec,
                          struct err *err)
{
	struct pending p = { .file_flags = rec->flags };
	int r = pending_get(&b->txn, &b->vol->t, m->id, uid, &p, err);

	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	p.op = PENDING_UNLINK;
	p.internal_date = rec->internal_date;
	p.size = rec->size;
	p.guid = rec->guid;
	p.flags = rec->flags;
	return pending_put(&b->txn, &b->vol->t, m->id, uid, &p, err);
}

int message_remove(struct batch *b, struct user_state *u, struct mailbox_state *m, uint32_t uid,
                   const struct record *rec, struct err *err)
{
	int r = delete_mail(b, m, MAIL_RECORD, uid, err);

	if (r == 0)
		r = delete_mail(b, m, MAIL_ENVELOPE, uid, err);
	if (r == 0)
		r = delete_mail(b, m, MAIL_DETAIL, uid, err);
	if (r == 0)
		r = log_delete(b, m, rec->modseq, uid, err);
	if (r == 0)
		r = unlink_pending(b, m, uid, rec, err);
	if (batch_wrote(b, r, err) < 0)
		return r;
	batch_note(b, JOURNAL_GONE, m->id, uid, 0);
	count(b, u, m, rec, -1);
	count_flags(m, rec->flags, -1);
	return 0;
}

/* ---- what vanished ---- */

static int forget_vanished(struct batch *b, struct mailbox_state *m, struct err *err)
{
	KV_CURSOR c = { 0 };
	struct key k;
	struct span key;
	int r = kv_cursor_open(&b->txn, b->vol->t.mail, &c, err);

	if (r < 0)
		return r;
	key_mail(&k, m->id, MAIL_VANISHED);
	r = kv_cursor_seek(&c, key_span(&k), &key, NULL);
	while (r == 0 && mail_key_is(key, m->id, MAIL_VANISHED) && m->counts.vanished > VANISHED_MAX / 2) {
		m->counts.log_floor = mail_key_modseq(key);
		r = kv_cursor_delete(&c, err);
		m->counts.vanished--;
		if (r == 0)
			r = kv_cursor_next(&c, &key, NULL);
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int message_vanished(struct batch *b, struct mailbox_state *m, const struct uid_ranges *uids, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < uids->n; i++) {
		struct key k;

		key_mail_modseq(&k, m->id, MAIL_VANISHED, b->modseq, uids->r[i].first);
		r = kv_put(&b->txn, b->vol->t.mail, key_span(&k), span_make(&uids->r[i].last, sizeof(uint32_t)), err);
		m->counts.vanished++;
	}
	if (r == 0 && m->counts.vanished > VANISHED_MAX)
		r = forget_vanished(b, m, err);
	return batch_wrote(b, r, err);
}

/* ---- picking ---- */

static int pick_add(struct batch *b, struct picks *p, uint32_t uid, const struct record *r)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 64;
		struct picked *grown = arena_grow(b->a, p->items, p->n, cap, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		p->items = grown;
		p->cap = cap;
	}
	p->items[p->n++] = (struct picked){ uid, *r };
	return 0;
}

static int pick_range(struct batch *b, struct kv_cursor *c, uint32_t mailbox, struct uid_range range,
                      message_filter_fn *filter, const void *arg, struct picks *p, struct err *err)
{
	struct span key, value;
	struct record rec;
	struct key k;
	int r;

	key_mail_uid(&k, mailbox, MAIL_RECORD, range.first);
	for (r = kv_cursor_seek(c, key_span(&k), &key, &value);
	     r == 0 && mail_key_is(key, mailbox, MAIL_RECORD) && mail_key_uid(key) <= range.last;
	     r = kv_cursor_next(c, &key, &value)) {
		r = message_record_decode(value, &rec, err);
		if (r == 0 && (!filter || filter(arg, mail_key_uid(key), &rec)))
			r = pick_add(b, p, mail_key_uid(key), &rec);
		if (r < 0)
			return err_wrap(err, r, "mailbox %u", mailbox);
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int message_pick(struct batch *b, const struct mailbox_state *m, const struct uid_ranges *uids,
                 message_filter_fn *filter, const void *arg, struct picks *ret, struct err *err)
{
	static const struct uid_range all = { 1, UINT32_MAX };
	KV_CURSOR c = { 0 };
	int r = kv_cursor_open(&b->txn, b->vol->t.mail, &c, err);

	*ret = (struct picks){ 0 };
	if (r == 0 && uids->n == 0)
		r = pick_range(b, &c, m->id, all, filter, arg, ret, err);
	for (size_t i = 0; r == 0 && i < uids->n; i++)
		r = pick_range(b, &c, m->id, uids->r[i], filter, arg, ret, err);
	return r;
}

int message_get_summary(struct batch *b, uint32_t mailbox, uint32_t uid, struct message_summary *ret, struct err *err)
{
	struct message_summary s = { 0 };
	struct span v = SPAN_NONE;
	struct key k;
	int r;

	key_mail_uid(&k, mailbox, MAIL_ENVELOPE, uid);
	r = kv_get(&b->txn, b->vol->t.mail, key_span(&k), &v, err);
	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	/* Copied: the rows to be written next may move the page this one is on. */
	s.envelope = arena_dup(b->a, v);
	v = SPAN_NONE;
	key_mail_uid(&k, mailbox, MAIL_DETAIL, uid);
	r = kv_get(&b->txn, b->vol->t.mail, key_span(&k), &v, err);
	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	if (r == 0) {
		v = arena_dup(b->a, v);
		if (!v.p)
			return err_set(err, POD_E_NOMEM, "summary");
		r = detail_decode(v, &s.detail, err);
	}
	if (r == -POD_E_CORRUPT)
		return r;
	*ret = s;
	return 0;
}

int message_remove_all(struct batch *b, struct user_state *u, struct mailbox_state *m, const struct picks *p,
                       struct arena *a, struct uid_ranges *ret_uids, struct err *err)
{
	struct ranges_builder gone = { .a = a };
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->n; i++) {
		r = ranges_add(&gone, p->items[i].uid, p->items[i].uid);
		if (r == 0)
			r = message_remove(b, u, m, p->items[i].uid, &p->items[i].r, err);
		else /* rows of others are gone already: the batch must be undone */
			(void) batch_wrote(b, err_set(err, POD_E_NOMEM, "expunge"), err);
	}
	if (r == 0 && p->n)
		r = message_vanished(b, m, &gone.list, err);
	if (r == 0)
		*ret_uids = gone.list;
	return r;
}
