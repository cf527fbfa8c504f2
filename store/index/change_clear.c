#include "store/index/change.h"
#include "store/index/write_behind.h"

/* The flags may have changed again since; then the row stays and says what the name says now. */
static int keep_or_delete(struct batch *b, const struct cleared *row, struct err *err)
{
	struct pending p;
	struct record rec;
	struct key k;
	int r = pending_get(&b->txn, &b->vol->t, row->mailbox, row->uid, &p, err);

	if (r == 0 && p.op == PENDING_PLACE)
		r = record_get(&b->txn, &b->vol->t, row->mailbox, row->uid, &rec, err);
	if (r < 0)
		return r;
	p.staged = 0;
	p.file_flags = row->flags;
	if (p.op == PENDING_PLACE ? rec.flags != row->flags : !row->gone)
		return pending_put(&b->txn, &b->vol->t, row->mailbox, row->uid, &p, err);
	key_pending(&k, row->mailbox, row->uid);
	return kv_delete(&b->txn, b->vol->t.pending, key_span(&k), err);
}

/* The last change of its batch: what is pending now is what this commit leaves. */
static int look_for_more(struct batch *b, struct err *err)
{
	KV_CURSOR c = { 0 };
	int r = kv_cursor_open(&b->txn, b->vol->t.pending, &c, err);

	if (r == 0)
		r = kv_cursor_seek(&c, SPAN_NONE, NULL, NULL);
	b->nothing_pending = r == -POD_E_NOTFOUND;
	return b->nothing_pending ? 0 : r;
}

/* Only ever in a batch with a syncfs, after the renames: see writer.c. */
int change_clear(struct batch *b, struct change *c)
{
	for (size_t i = 0; i < c->u.clear.rows_n; i++) {
		int r = keep_or_delete(b, &c->u.clear.rows[i], &c->err);

		if (r < 0 && r != -POD_E_NOTFOUND)
			return batch_wrote(b, r, &c->err);
	}
	b->dirty = b->needs_sync = true;
	return batch_wrote(b, look_for_more(b, &c->err), &c->err);
}
