/*
 * The LMDB wrapper, and the only folder that calls mdb_*. An environment is a folder; a table is a named
 * B+tree in it. One write transaction at a time (across processes too), any number of readers, each with a
 * stable snapshot. Values point into the map: valid until the transaction ends, or until the next write in
 * a write transaction. Keys sort as bytes: build them with key_* so that numbers sort as numbers.
 *
 * Threads: an environment is shared by all; open it after fork. A transaction and its cursors belong to the
 * thread that uses them (MDB_NOTLS is set: a read transaction may move between threads, never be shared).
 */
#ifndef POD_KV_KV_H
#define POD_KV_KV_H

#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/span.h"

struct kv;
struct kv_cursor;
struct kv_redo;
struct kv_txn_impl;

#define KV_READONLY 1u /* open: this process never writes */
#define KV_CREATE   2u
#define KV_NOSYNC   4u /* open: commits are not flushed; for data that can be lost (tests, caches) */
#define KV_NOLOCK                                                                                           \
	8u /* open, with KV_READONLY: nobody writes the file, and its folder cannot be written (a snapshot) \
	    */

struct kv_options {
	uint64_t map_bytes; /* address space reserved: the most it can ever hold; 0: what the file says */
	unsigned int tables_max, readers_max; /* 0: 16 tables, 126 read transactions at a time */
	unsigned int flags;
	unsigned int mode; /* of created files, 0 for 0600; the lock file gets write permission for the same
	                    * classes as read, because a reader has to enter itself there */
};

/*
 * Opens the environment in the folder dir: once per process, and never across a fork. KV_CREATE makes the
 * folder (not its parents) and the files where they are missing.
 *   -POD_E_NOTFOUND  nothing there      -POD_E_DENIED  no permission      -POD_E_CORRUPT  not one of ours
 */
int kv_open(const char *dir, const struct kv_options *o, struct kv **ret_kv, struct err *err);
/* Transactions have ended before. NULL is fine; returns NULL. */
struct kv *kv_close(struct kv *kv);
/* Flushes what a KV_NOSYNC environment has written. */
int kv_sync(struct kv *kv, struct err *err);
/* Frees reader slots of processes that died; call now and then. */
void kv_reap_readers(struct kv *kv);

typedef unsigned int kv_table;
#define KV_TABLE_CREATE       1u
#define KV_TABLE_INTEGER_KEYS 2u
/*
 * Opens a table by name inside a transaction of its own: the caller's thread must not be in a write
 * transaction. The handle is valid until kv_close. -POD_E_NOTFOUND without KV_TABLE_CREATE.
 */
int kv_table_open(struct kv *kv, const char *name, unsigned int flags, kv_table *ret_table, struct err *err);

enum kv_mode { KV_READ, KV_WRITE };
/* Not to be copied while it runs: its cursors know it by address. Start from { 0 }. */
struct kv_txn {
	struct kv_txn_impl *impl; /* NULL: not running */
	struct kv *kv;
	struct kv_cursor *cursors; /* open ones, closed with the transaction at the latest */
	struct kv_redo *redo;      /* NULL, or what is told of its changes: see redo.h */
	enum kv_mode mode;
};
/* Declares a transaction that is aborted at the end of its scope unless it was committed. */
#define KV_TXN __attribute__((cleanup(kv_txn_abort))) struct kv_txn

/*
 * KV_WRITE waits until no other write transaction runs. KV_READ never waits: -POD_E_BUSY where every reader
 * slot is taken, or where another process has enlarged the map and this one is still in transactions.
 */
int kv_txn_begin(struct kv *kv, enum kv_mode mode, struct kv_txn *ret_txn, struct err *err);
/* A transaction inside a write transaction, to be undone alone. */
int kv_txn_nest(struct kv_txn *parent, struct kv *kv, struct kv_txn *ret_txn, struct err *err);
/*
 * Ends it whatever comes of it; for a read transaction an abort is as good. Durable when it returns 0 (unless
 * KV_NOSYNC). -POD_E_NOSPACE: the map or the disk is full, nothing changed.
 */
int kv_txn_commit(struct kv_txn *txn, struct err *err);
void kv_txn_abort(struct kv_txn *txn);
/* Hands a transaction over, running or not, that has no cursors; *from is not running after it. Of the same
 * thread. */
void kv_txn_move(struct kv_txn *from, struct kv_txn *ret_to);

/* -POD_E_NOTFOUND without words in err: often no error. */
int kv_get(struct kv_txn *txn, kv_table t, struct span key, struct span *ret_value, struct err *err);
int kv_put(struct kv_txn *txn, kv_table t, struct span key, struct span value, struct err *err);
/* -POD_E_EXISTS where the key is there. */
int kv_insert(struct kv_txn *txn, kv_table t, struct span key, struct span value, struct err *err);
/* Room for len bytes to be filled in by the caller at once: saves a copy on the write path. */
int kv_reserve(struct kv_txn *txn, kv_table t, struct span key, size_t len, void **ret_value,
               struct err *err);
/* As kv_put for a key known to sort after all others: fills pages instead of splitting them. */
int kv_append(struct kv_txn *txn, kv_table t, struct span key, struct span value, struct err *err);
int kv_delete(struct kv_txn *txn, kv_table t, struct span key, struct err *err);
int kv_clear(struct kv_txn *txn, kv_table t, struct err *err);
uint64_t kv_count(struct kv_txn *txn, kv_table t);

/*
 * A walk in key order. It ends with its transaction at the latest; closing it after that is fine. Start
 * from { 0 }, and do not copy it.
 */
struct kv_cursor {
	void *impl; /* NULL: closed */
	struct kv_txn *txn;
	struct kv_cursor *next;
};
#define KV_CURSOR __attribute__((cleanup(kv_cursor_close))) struct kv_cursor
int kv_cursor_open(struct kv_txn *txn, kv_table t, struct kv_cursor *ret_cursor, struct err *err);
void kv_cursor_close(struct kv_cursor *c);
/*
 * The first entry at or after key (an empty key: the first of all); the next; the last; the one before.
 * 0, -POD_E_NOTFOUND at the end, -POD_E_CORRUPT where the file is damaged. ret_* may be NULL.
 */
int kv_cursor_seek(struct kv_cursor *c, struct span key, struct span *ret_key, struct span *ret_value);
int kv_cursor_next(struct kv_cursor *c, struct span *ret_key, struct span *ret_value);
int kv_cursor_last(struct kv_cursor *c, struct span *ret_key, struct span *ret_value);
int kv_cursor_prev(struct kv_cursor *c, struct span *ret_key, struct span *ret_value);
/* Deletes the entry the cursor stands on; a following next gives the one after it. */
int kv_cursor_delete(struct kv_cursor *c, struct err *err);

/* Keys: numbers big-endian, bytes as they are. KV_KEY_MAX is LMDB's own limit. */
#define KV_KEY_MAX 511
struct key {
	uint8_t b[KV_KEY_MAX];
	uint16_t len;
};
static inline struct span key_span(const struct key *k)
{
	return span_make(k->b, k->len);
}
void key_u32(struct key *k, uint32_t v); /* these append; start from (struct key){ .len = 0 } */
void key_u64(struct key *k, uint64_t v);
int key_bytes(struct key *k, struct span s); /* -POD_E_LIMIT where it does not fit */
/* The number at an offset of a key read back; 0 where the key is too short to hold one. */
uint32_t key_get_u32(struct span key, size_t off);
uint64_t key_get_u64(struct span key, size_t off);

#endif
