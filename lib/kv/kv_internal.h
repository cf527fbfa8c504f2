/* What the files of lib/kv share. */
#ifndef POD_KV_INTERNAL_H
#define POD_KV_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "kv/kv.h"

#define KV_IDLE_READERS 16

struct kv {
	MDB_env *env;
	unsigned int flags;
	pthread_mutex_t tables_lock; /* LMDB opens one table at a time */

	/*
	 * Transactions running in this process, or KV_REMAPPING while the map is exchanged for a larger one,
	 * which LMDB allows only when there are none.
	 */
	atomic_int running;

	/* Read transactions at rest: they keep their reader slot, so that beginning one costs two loads. */
	_Atomic(MDB_txn *) idle[KV_IDLE_READERS];
};

#define KV_REMAPPING (-1)

/* Turns LMDB's (or errno's) code into ours; 0 stays 0. */
int kv_error(struct err *err, int code, const char *doing);

/* ---- redo.c: told of each change before it is made, for keys may lie on the page that is changed; redo
 * NULL: nothing ---- */

enum redo_kind { REDO_PUT = 1, REDO_DELETE = 2, REDO_CLEAR = 3 };
/* Where it begins, for redo_take_back when the change could not be made. */
size_t redo_add(struct kv_redo *r, enum redo_kind kind, kv_table t, struct span key, struct span value);
void redo_take_back(struct kv_redo *r, size_t mark);
/* A value to be filled in by the caller, at the place that redo_reserved then hears of, and returns. */
size_t redo_reserve(struct kv_redo *r, kv_table t, struct span key, size_t len);
void *redo_reserved(struct kv_redo *r, void *value);

static inline MDB_txn *txn_mdb(const struct kv_txn *txn)
{
	return (MDB_txn *) txn->impl;
}

static inline MDB_val val_of(struct span s)
{
	MDB_val v = { .mv_size = s.len };

	memcpy(&v.mv_data, &s.p, sizeof(v.mv_data)); /* not const there, but LMDB does not write through it */
	return v;
}

static inline struct span span_of_val(MDB_val v)
{
	return span_make(v.mv_data, v.mv_size);
}

#endif
