#include "kv/kv_internal.h"

int kv_cursor_open(struct kv_txn *txn, kv_table t, struct kv_cursor *ret_cursor, struct err *err)
{
	MDB_cursor *mdb;
	int r = mdb_cursor_open(txn_mdb(txn), t, &mdb);

	if (r != 0)
		return kv_error(err, r, "opening a cursor");
	*ret_cursor = (struct kv_cursor){ .impl = mdb, .txn = txn, .next = txn->cursors };
	txn->cursors = ret_cursor;
	return 0;
}

void kv_cursor_close(struct kv_cursor *c)
{
	struct kv_cursor **at;

	if (!c->impl)
		return;
	for (at = &c->txn->cursors; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	mdb_cursor_close(c->impl);
	*c = (struct kv_cursor){ 0 };
}

static int move(struct kv_cursor *c, MDB_cursor_op op, MDB_val key, struct span *ret_key,
                struct span *ret_value)
{
	MDB_val value;
	int r = mdb_cursor_get(c->impl, &key, &value, op);

	if (r != 0)
		return kv_error(NULL, r, "");
	if (ret_key)
		*ret_key = span_of_val(key);
	if (ret_value)
		*ret_value = span_of_val(value);
	return 0;
}

int kv_cursor_seek(struct kv_cursor *c, struct span key, struct span *ret_key, struct span *ret_value)
{
	return move(c, key.len ? MDB_SET_RANGE : MDB_FIRST, val_of(key), ret_key, ret_value);
}

int kv_cursor_next(struct kv_cursor *c, struct span *ret_key, struct span *ret_value)
{
	return move(c, MDB_NEXT, (MDB_val){ 0 }, ret_key, ret_value);
}

int kv_cursor_last(struct kv_cursor *c, struct span *ret_key, struct span *ret_value)
{
	return move(c, MDB_LAST, (MDB_val){ 0 }, ret_key, ret_value);
}

int kv_cursor_prev(struct kv_cursor *c, struct span *ret_key, struct span *ret_value)
{
	return move(c, MDB_PREV, (MDB_val){ 0 }, ret_key, ret_value);
}

/* The redo has to name the entry that the cursor stands on. */
static int note_delete(struct kv_cursor *c, size_t *ret_mark)
{
	MDB_val key, value;
	int r = c->txn->redo ? mdb_cursor_get(c->impl, &key, &value, MDB_GET_CURRENT) : 0;

	if (r == 0 && c->txn->redo)
		*ret_mark = redo_add(c->txn->redo, REDO_DELETE, mdb_cursor_dbi(c->impl), span_of_val(key),
		                     SPAN_NONE);
	return r;
}

int kv_cursor_delete(struct kv_cursor *c, struct err *err)
{
	size_t mark = 0;
	int r = note_delete(c, &mark);

	if (r != 0)
		return kv_error(err, r, "deleting");
	r = mdb_cursor_del(c->impl, 0);
	if (r != 0)
		redo_take_back(c->txn->redo, mark);
	return kv_error(err, r, "deleting");
}
