/*
 * Which uids a mailbox has, and the first without \Seen. Walking them takes milliseconds where there are a hundred
 * thousand; so what was found is kept with its modseq (uids_cache.h), and what changed since is added to it by the log.
 */
#include "store/index/mailbox.h"
#include "store/index/ranges.h"
#include "store/index/view.h"

/* More changes than that since the last look, and a walk over all is as good. */
#define CHANGES_MAX 4096

/* ---- all ---- */

static int walk_all(struct volume *vol, struct kv_txn *txn, struct arena *a, uint32_t mailbox, struct known_uids *ret,
                    struct err *err)
{
	struct ranges_builder b = { .a = a };
	KV_CURSOR c = { 0 };
	struct span key, value;
	struct record rec;
	uint32_t first_unseen = 0;
	struct key k;
	int r = kv_cursor_open(txn, vol->t.mail, &c, err);

	key_mail_uid(&k, mailbox, MAIL_RECORD, 0);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, &value);
	for (; r == 0 && mail_key_is(key, mailbox, MAIL_RECORD); r = kv_cursor_next(&c, &key, &value)) {
		uint32_t uid = mail_key_uid(key);

		r = message_record_decode(value, &rec, err);
		if (r == 0 && ranges_add(&b, uid, uid) < 0)
			r = err_set(err, POD_E_NOMEM, "uids");
		if (r < 0)
			return r;
		if (!first_unseen && !(rec.flags & STORE_FLAG_SEEN))
			first_unseen = uid;
	}
	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	ret->uids = b.list;
	ret->first_unseen = first_unseen;
	return 0;
}

/* ---- what changed ---- */

int view_vanished(struct volume *vol, struct kv_txn *txn, struct arena *a, uint32_t mailbox, uint64_t since,
                  struct uid_ranges *ret, struct err *err)
{
	struct ranges_builder b = { .a = a };
	KV_CURSOR c = { 0 };
	struct span key, value;
	struct key k;
	int r = kv_cursor_open(txn, vol->t.mail, &c, err);

	key_mail_modseq(&k, mailbox, MAIL_VANISHED, since + 1, 0);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, &value);
	for (; r == 0 && mail_key_is(key, mailbox, MAIL_VANISHED); r = kv_cursor_next(&c, &key, &value)) {
		uint32_t last;

		if (value.len != sizeof(last))
			return err_set(err, POD_E_CORRUPT, "index: a row of what vanished is damaged");
		memcpy(&last, value.p, sizeof(last));
		if (ranges_add(&b, mail_key_modseq_uid(key), last) < 0)
			return err_set(err, POD_E_NOMEM, "uids");
	}
	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	ranges_normalise(&b.list);
	*ret = b.list;
	return 0;
}

/* Uids of messages that came or changed since; the lowest of those without \Seen. -POD_E_LIMIT: too many. */
static int walk_log(struct volume *vol, struct kv_txn *txn, uint32_t mailbox, uint64_t since, struct ranges_builder *b,
                    uint32_t *ret_unseen, struct err *err)
{
	uint32_t unseen = 0;
	KV_CURSOR c = { 0 };
	struct span key;
	struct key k;
	int r = kv_cursor_open(txn, vol->t.mail, &c, err);

	key_mail_modseq(&k, mailbox, MAIL_LOG, since + 1, 0);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, NULL);
	for (int n = 0; r == 0 && mail_key_is(key, mailbox, MAIL_LOG); n++, r = kv_cursor_next(&c, &key, NULL)) {
		uint32_t uid = mail_key_modseq_uid(key);
		struct record rec;

		r = n < CHANGES_MAX ? record_get(txn, &vol->t, mailbox, uid, &rec, err) : -POD_E_LIMIT;
		if (r == 0)
			r = ranges_add(b, uid, uid);
		if (r < 0)
			return r;
		if (!(rec.flags & STORE_FLAG_SEEN) && (!unseen || uid < unseen))
			unseen = uid;
	}
	*ret_unseen = unseen;
	return r == -POD_E_NOTFOUND ? 0 : r;
}

/* The first without \Seen from a uid on; 0 where there is none. */
static int find_unseen(struct volume *vol, struct kv_txn *txn, uint32_t mailbox, uint32_t from, uint32_t *ret,
                       struct err *err)
{
	KV_CURSOR c = { 0 };
	struct span key, value;
	struct record rec;
	struct key k;
	int r = kv_cursor_open(txn, vol->t.mail, &c, err);

	*ret = 0;
	key_mail_uid(&k, mailbox, MAIL_RECORD, from);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, &value);
	for (; r == 0 && mail_key_is(key, mailbox, MAIL_RECORD); r = kv_cursor_next(&c, &key, &value)) {
		r = message_record_decode(value, &rec, err);
		if (r < 0)
			return r;
		if (!(rec.flags & STORE_FLAG_SEEN)) {
			*ret = mail_key_uid(key);
			return 0;
		}
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

/*
 * Below the one that was first all are seen, but for those that changed. Most often it still is the first; where not, the
 * next is looked for from there.
 */
static int first_unseen(struct volume *vol, struct kv_txn *txn, uint32_t mailbox, const struct mailbox_counts *counts,
                        uint32_t before, uint32_t changed, uint32_t *ret, struct err *err)
{
	int r = 0;

	*ret = 0;
	if (counts->unseen == 0)
		return 0;
	if (before)
		r = find_unseen(vol, txn, mailbox, before, ret, err);
	if (r == 0 && changed && (!*ret || changed < *ret))
		*ret = changed;
	return r;
}

/* Brings what was known at an earlier modseq up to the snapshot's. -POD_E_LIMIT: walk all. */
static int refresh(struct volume *vol, struct kv_txn *txn, struct arena *a, uint32_t mailbox,
                   const struct mailbox_counts *counts, struct known_uids *known, struct err *err)
{
	struct ranges_builder now = { .a = a };
	struct uid_ranges gone;
	uint32_t changed = 0;
	int r;

	if (known->modseq < counts->log_floor)
		return -POD_E_LIMIT;
	r = view_vanished(vol, txn, a, mailbox, known->modseq, &gone, err);
	if (r == 0)
		r = ranges_without(&now, &known->uids, &gone);
	if (r == 0)
		r = walk_log(vol, txn, mailbox, known->modseq, &now, &changed, err);
	if (r == 0)
		r = first_unseen(vol, txn, mailbox, counts, known->first_unseen, changed, &known->first_unseen, err);
	if (r < 0)
		return r;
	ranges_normalise(&now.list);
	known->uids = now.list;
	return 0;
}

int view_uids(struct volume *vol, struct kv_txn *txn, struct arena *a, uint32_t mailbox,
              const struct mailbox_counts *counts, struct uid_ranges *ret, uint32_t *ret_first_unseen, struct err *err)
{
	struct known_uids known = { .modseq = counts->highestmodseq };
	int r = uids_cache_get(&vol->uids, mailbox, a, &known);

	if (r < 0)
		return err_set(err, POD_E_NOMEM, "uids");
	if (r == 0 || known.modseq < counts->highestmodseq) {
		r = r == 0 ? -POD_E_LIMIT : refresh(vol, txn, a, mailbox, counts, &known, err);
		if (r == -POD_E_LIMIT)
			r = walk_all(vol, txn, a, mailbox, &known, err);
		if (r < 0)
			return r;
		known.modseq = counts->highestmodseq;
		uids_cache_put(&vol->uids, mailbox, &known);
	}
	*ret = known.uids;
	*ret_first_unseen = known.first_unseen;
	return 0;
}
