#include "store/index/succession.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "store/index/volume_internal.h"

/* The first token there is: nobody served the volume before. */
#define FIRST_TOKEN 1

static int skip_uids(struct volume *vol, struct kv_txn *txn, uint32_t mailbox, struct err *err)
{
	struct mailbox_counts counts;
	int r = counts_get(txn, &vol->t, mailbox, &counts, err);

	if (r < 0 || counts.uidnext >= counts.uid_reserve)
		return r;
	counts.uidnext = counts.uid_reserve;
	return counts_put(txn, &vol->t, mailbox, &counts, err);
}

static int skip_all_uids(struct volume *vol, struct kv_txn *txn, struct err *err)
{
	KV_CURSOR c = { 0 };
	struct span key;
	int r = kv_cursor_open(txn, vol->t.mailboxes, &c, err);

	if (r == 0)
		r = kv_cursor_seek(&c, SPAN_NONE, &key, NULL);
	while (r == 0) {
		r = skip_uids(vol, txn, key_get_u32(key, 0), err);
		if (r == 0)
			r = kv_cursor_next(&c, &key, NULL);
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

static int skip_counters(struct volume *vol, struct kv_txn *txn, struct err *err)
{
	const struct volume_file *f = &vol->file;
	struct counters c;
	int r = counters_get(txn, &vol->t, &c, err);

	if (r < 0)
		return r;
	c.modseq = c.modseq > f->modseq_reserve ? c.modseq : f->modseq_reserve;
	c.next_mailbox = c.next_mailbox > f->mailbox_reserve ? c.next_mailbox : f->mailbox_reserve;
	c.next_uidvalidity =
		c.next_uidvalidity > f->uidvalidity_reserve ? c.next_uidvalidity : f->uidvalidity_reserve;
	return counters_put(txn, &vol->t, &c, err);
}

static int skip(struct volume *vol, struct err *err)
{
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(vol->kv, KV_WRITE, &txn, err);

	if (r == 0)
		r = skip_all_uids(vol, &txn, err);
	if (r == 0)
		r = skip_counters(vol, &txn, err);
	if (r == 0)
		r = kv_txn_commit(&txn, err);
	if (r == 0)
		log_event(NULL, LOGL_NOTICE, "volume.taken_over", F_STR("volume", vol->file.name),
		          F_UINT("token", vol->o.token), F_UINT("before", vol->file.token));
	return r;
}

/* The token is written last: until it is, the next start does all of it again. */
int succession(struct volume *vol, struct err *err)
{
	struct volume_file f = vol->file;
	int r = 0;

	if (vol->o.token <= f.token)
		return 0;
	if (vol->o.token > FIRST_TOKEN)
		r = skip(vol, err);
	f.token = vol->o.token;
	if (r == 0)
		r = volume_file_write(vol->dir, &f, err);
	if (r == 0 && syncfs(vol->dir) < 0)
		r = err_errno(err, errno, "syncfs of the volume");
	if (r == 0)
		vol->file = f;
	return err_wrap(err, r, "taking the volume over");
}
