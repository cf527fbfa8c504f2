/* Messages: rows, and what changed since. */
#include "store/index/mailbox.h"
#include "store/index/ranges.h"
#include "store/index/view.h"

/*
 * The row of `kind` for uid. In a walk in uid order the one wanted is most often the next; else it is looked for.
 */
static int read_beside(struct row_reader *rr, struct kv_cursor *c, enum mail_kind kind, uint32_t uid,
                       struct span *ret_value, struct err *err)
{
	struct span key, value;
	struct key k;
	int r = 0;

	key_mail_uid(&k, rr->mailbox, kind, uid);
	if (c->impl) {
		r = kv_cursor_next(c, &key, &value);
	} else {
		r = kv_cursor_open(rr->txn, rr->t->mail, c, err);
		if (r < 0)
			return r;
		r = -POD_E_NOTFOUND;
	}
	if (r < 0 || !span_eq(key, key_span(&k)))
		r = kv_cursor_seek(c, key_span(&k), &key, &value);
	if (r == 0 && span_eq(key, key_span(&k)))
		*ret_value = value;
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int row_read(struct row_reader *rr, uint32_t uid, const struct record *rec, struct volume_row *ret, struct err *err)
{
	struct detail d = { 0 };
	struct span v = SPAN_NONE;
	int r = 0;

	*ret = (struct volume_row){ .uid = uid, .flags = rec->flags, .modseq = rec->modseq, .size = rec->size,
		                    .internal_date = rec->internal_date, .save_date = rec->save_date, .guid = rec->guid };
	if (rr->columns & STORE_COL_ENVELOPE)
		r = read_beside(rr, &rr->envelopes, MAIL_ENVELOPE, uid, &ret->envelope, err);
	if (r == 0 && (rr->columns & (STORE_COL_BODYSTRUCTURE | STORE_COL_PARTS | STORE_COL_HEADERS))) {
		r = read_beside(rr, &rr->details, MAIL_DETAIL, uid, &v, err);
		if (r == 0 && v.len)
			r = detail_decode(v, &d, err);
		ret->bodystructure = rr->columns & STORE_COL_BODYSTRUCTURE ? d.bodystructure : SPAN_NONE;
		ret->parts = rr->columns & STORE_COL_PARTS ? d.parts : SPAN_NONE;
		ret->headers = rr->columns & STORE_COL_HEADERS ? d.headers : SPAN_NONE;
	}
	return r;
}

void row_reader_done(struct row_reader *rr)
{
	kv_cursor_close(&rr->envelopes);
	kv_cursor_close(&rr->details);
}

#define ROW_READER __attribute__((cleanup(row_reader_done))) struct row_reader

/* 1: the caller has had enough. */
static int walk_range(struct row_reader *rr, struct kv_cursor *c, struct uid_range range, uint64_t changed_since,
                      volume_row_fn *fn, void *arg, struct err *err)
{
	struct span key, value;
	struct record rec;
	struct volume_row row;
	struct key k;
	int r;

	key_mail_uid(&k, rr->mailbox, MAIL_RECORD, range.first);
	for (r = kv_cursor_seek(c, key_span(&k), &key, &value);
	     r == 0 && mail_key_is(key, rr->mailbox, MAIL_RECORD) && mail_key_uid(key) <= range.last;
	     r = kv_cursor_next(c, &key, &value)) {
		r = message_record_decode(value, &rec, err);
		if (r < 0)
			return r;
		if (rec.modseq <= changed_since)
			continue;
		r = row_read(rr, mail_key_uid(key), &rec, &row, err);
		if (r < 0)
			return r;
		if (fn(arg, &row) != 0)
			return 1;
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int volume_fetch(struct volume *vol, struct span user_id, uint32_t mailbox, const struct uid_ranges *uids,
                 uint32_t columns, uint64_t changed_since, volume_row_fn *fn, void *arg, struct err *err)
{
	KV_TXN txn = { 0 };
	KV_CURSOR c = { 0 };
	ROW_READER rr = { .txn = &txn, .t = &vol->t, .mailbox = mailbox, .columns = columns };
	struct mailbox_info info;
	int r = view_begin(vol, user_id, &txn, err);

	if (r == 0)
		r = view_mailbox(vol, &txn, user_id, mailbox, &info, NULL, err);
	if (r == 0)
		r = kv_cursor_open(&txn, vol->t.mail, &c, err);
	for (size_t i = 0; r == 0 && i < uids->n; i++)
		r = walk_range(&rr, &c, uids->r[i], changed_since, fn, arg, err);
	return r < 0 ? r : 0;
}

/* ---- changes ---- */

static int walk_log(struct volume *vol, struct row_reader *rr, uint64_t since, volume_row_fn *fn, void *arg,
                    struct err *err)
{
	KV_CURSOR c = { 0 };
	struct span key;
	struct record rec;
	struct volume_row row;
	struct key k;
	int r = kv_cursor_open(rr->txn, vol->t.mail, &c, err);

	key_mail_modseq(&k, rr->mailbox, MAIL_LOG, since + 1, 0);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, NULL);
	for (; r == 0 && mail_key_is(key, rr->mailbox, MAIL_LOG); r = kv_cursor_next(&c, &key, NULL)) {
		uint32_t uid = mail_key_modseq_uid(key);

		r = record_get(rr->txn, &vol->t, rr->mailbox, uid, &rec, err);
		if (r == 0)
			r = row_read(rr, uid, &rec, &row, err);
		if (r < 0)
			return r == -POD_E_NOTFOUND ? err_set(err, POD_E_CORRUPT, "index: the log has uid %u, which is gone", uid) : r;
		if (fn(arg, &row) != 0)
			return 0;
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int volume_changes(struct volume *vol, struct arena *a, struct span user_id, uint32_t mailbox, uint64_t since,
                   uint32_t columns, volume_row_fn *fn, void *arg, struct volume_changes *ret, struct err *err)
{
	KV_TXN txn = { 0 };
	ROW_READER rr = { .txn = &txn, .t = &vol->t, .mailbox = mailbox, .columns = columns };
	struct volume_changes ch = { 0 };
	struct mailbox_info info;
	struct mailbox_counts counts;
	uint32_t unseen;
	int r = view_begin(vol, user_id, &txn, err);

	if (r == 0)
		r = view_mailbox(vol, &txn, user_id, mailbox, &info, &counts, err);
	if (r == 0)
		r = mailbox_show(vol, &txn, a, mailbox, &info, &counts, &ch.mailbox, err);
	if (r < 0)
		return r;
	ch.incomplete = since < counts.log_floor;
	if (since < counts.highestmodseq)
		r = walk_log(vol, &rr, since, fn, arg, err);
	if (r == 0 && ch.incomplete)
		r = view_uids(vol, &txn, a, mailbox, &counts, &ch.uids, &unseen, err);
	else if (r == 0 && since < counts.highestmodseq)
		r = view_vanished(vol, &txn, a, mailbox, since, &ch.vanished, err);
	if (r == 0)
		*ret = ch;
	return r;
}
