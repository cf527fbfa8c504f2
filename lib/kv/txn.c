#include <assert.h>
#include <sched.h>

#include "kv/kv_internal.h"

/* Counts a transaction in; waits out an exchange of the map, which takes two system calls. */
static void enter(struct kv *kv)
{
	int n = atomic_load(&kv->running);

	for (;;) {
		if (n == KV_REMAPPING) {
			(void) sched_yield();
			n = atomic_load(&kv->running);
		} else if (atomic_compare_exchange_weak(&kv->running, &n, n + 1)) {
			return;
		}
	}
}

static void leave(struct kv *kv)
{
	(void) atomic_fetch_sub(&kv->running, 1);
}

static MDB_txn *take_idle(struct kv *kv)
{
	for (size_t i = 0; i < KV_IDLE_READERS; i++) {
		MDB_txn *txn = atomic_load_explicit(&kv->idle[i], memory_order_relaxed);

		if (txn && (txn = atomic_exchange(&kv->idle[i], NULL)))
			return txn;
	}
	return NULL;
}

static void keep_idle(struct kv *kv, MDB_txn *txn)
{
	mdb_txn_reset(txn);
	for (size_t i = 0; i < KV_IDLE_READERS; i++) {
		MDB_txn *none = NULL;

		if (atomic_compare_exchange_strong(&kv->idle[i], &none, txn))
			return;
	}
	mdb_txn_abort(txn);
}

static int begin_read(struct kv *kv, MDB_txn **ret_txn)
{
	MDB_txn *txn = take_idle(kv);
	int r;

	if (!txn)
		return mdb_txn_begin(kv->env, NULL, MDB_RDONLY, ret_txn);
	r = mdb_txn_renew(txn);
	if (r != 0)
		mdb_txn_abort(txn);
	else
		*ret_txn = txn;
	return r;
}

static int begin(struct kv *kv, enum kv_mode mode, MDB_txn **ret_txn)
{
	return mode == KV_READ ? begin_read(kv, ret_txn) : mdb_txn_begin(kv->env, NULL, 0, ret_txn);
}

/* Adopts the size that another process gave the map: true where it could, being alone. */
static bool adopt_map_size(struct kv *kv)
{
	int self = 1;
	bool done;

	if (!atomic_compare_exchange_strong(&kv->running, &self, KV_REMAPPING))
		return false;
	done = mdb_env_set_mapsize(kv->env, 0) == 0;
	atomic_store(&kv->running, 1);
	return done;
}

int kv_txn_begin(struct kv *kv, enum kv_mode mode, struct kv_txn *ret_txn, struct err *err)
{
	MDB_txn *txn = NULL;
	int r;

	enter(kv);
	r = begin(kv, mode, &txn);
	if (r == MDB_MAP_RESIZED && adopt_map_size(kv))
		r = begin(kv, mode, &txn);
	if (r == MDB_READERS_FULL) {
		kv_reap_readers(kv);
		r = begin(kv, mode, &txn);
	}
	if (r != 0) {
		leave(kv);
		return kv_error(err, r, "beginning a transaction");
	}
	*ret_txn = (struct kv_txn){ .impl = (struct kv_txn_impl *) txn, .kv = kv, .mode = mode };
	return 0;
}

int kv_txn_nest(struct kv_txn *parent, struct kv *kv, struct kv_txn *ret_txn, struct err *err)
{
	MDB_txn *txn;
	int r = mdb_txn_begin(kv->env, txn_mdb(parent), 0, &txn);

	if (r != 0)
		return kv_error(err, r, "beginning a nested transaction");
	enter(kv);
	*ret_txn = (struct kv_txn){ .impl = (struct kv_txn_impl *) txn, .kv = kv, .mode = KV_WRITE };
	return 0;
}

/* LMDB frees the cursors of a write transaction with it, but not those of a read transaction: do it here. */
static void end_cursors(struct kv_txn *txn)
{
	while (txn->cursors)
		kv_cursor_close(txn->cursors);
}

int kv_txn_commit(struct kv_txn *txn, struct err *err)
{
	MDB_txn *mdb = txn_mdb(txn);
	struct kv *kv = txn->kv;
	int r;

	assert(mdb);
	end_cursors(txn);
	txn->impl = NULL;
	r = mdb_txn_commit(mdb); /* frees it in any case */
	leave(kv);
	return kv_error(err, r, "commit");
}

void kv_txn_abort(struct kv_txn *txn)
{
	MDB_txn *mdb = txn_mdb(txn);

	if (!mdb)
		return;
	end_cursors(txn);
	txn->impl = NULL;
	if (txn->mode == KV_READ)
		keep_idle(txn->kv, mdb);
	else
		mdb_txn_abort(mdb);
	leave(txn->kv);
}

void kv_txn_move(struct kv_txn *from, struct kv_txn *ret_to)
{
	assert(!from->cursors);
	*ret_to = *from;
	*from = (struct kv_txn){ 0 };
}

int kv_get(struct kv_txn *txn, kv_table t, struct span key, struct span *ret_value, struct err *err)
{
	MDB_val k = val_of(key), v;
	int r = mdb_get(txn_mdb(txn), t, &k, &v);

	if (r == MDB_NOTFOUND) {
		if (err)
			*err = (struct err){ .code = POD_E_NOTFOUND };
		return -POD_E_NOTFOUND;
	}
	if (r != 0)
		return kv_error(err, r, "reading");
	*ret_value = span_of_val(v);
	return 0;
}

static int put(struct kv_txn *txn, kv_table t, struct span key, struct span value, unsigned int flags,
               struct err *err)
{
	MDB_val k = val_of(key), v = val_of(value);
	size_t mark = redo_add(txn->redo, REDO_PUT, t, key, value);
	int r = mdb_put(txn_mdb(txn), t, &k, &v, flags);

	if (r != 0)
		redo_take_back(txn->redo, mark);
	return kv_error(err, r, "writing");
}

int kv_put(struct kv_txn *txn, kv_table t, struct span key, struct span value, struct err *err)
{
	return put(txn, t, key, value, 0, err);
}

int kv_insert(struct kv_txn *txn, kv_table t, struct span key, struct span value, struct err *err)
{
	return put(txn, t, key, value, MDB_NOOVERWRITE, err);
}

int kv_append(struct kv_txn *txn, kv_table t, struct span key, struct span value, struct err *err)
{
	return put(txn, t, key, value, MDB_APPEND, err);
}

int kv_reserve(struct kv_txn *txn, kv_table t, struct span key, size_t len, void **ret_value, struct err *err)
{
	MDB_val k = val_of(key), v = { len, NULL };
	size_t mark = redo_reserve(txn->redo, t, key, len);
	int r = mdb_put(txn_mdb(txn), t, &k, &v, MDB_RESERVE);

	if (r != 0)
		redo_take_back(txn->redo, mark);
	else
		*ret_value = redo_reserved(txn->redo, v.mv_data);
	return kv_error(err, r, "writing");
}

int kv_delete(struct kv_txn *txn, kv_table t, struct span key, struct err *err)
{
	MDB_val k = val_of(key);
	size_t mark = redo_add(txn->redo, REDO_DELETE, t, key, SPAN_NONE);
	int r = mdb_del(txn_mdb(txn), t, &k, NULL);

	if (r != 0)
		redo_take_back(txn->redo, mark);
	return kv_error(err, r, "deleting");
}

int kv_clear(struct kv_txn *txn, kv_table t, struct err *err)
{
	size_t mark = redo_add(txn->redo, REDO_CLEAR, t, SPAN_NONE, SPAN_NONE);
	int r = mdb_drop(txn_mdb(txn), t, 0);

	if (r != 0)
		redo_take_back(txn->redo, mark);
	return kv_error(err, r, "emptying a table");
}

uint64_t kv_count(struct kv_txn *txn, kv_table t)
{
	MDB_stat st;

	return mdb_stat(txn_mdb(txn), t, &st) == 0 ? st.ms_entries : 0;
}
