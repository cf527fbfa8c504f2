#include "mta/queue/shelf_index.h"

#include <endian.h>

#include "base/clock.h"
#include "mta/queue/shelf.h"

#define FORGET_MAX 4                   /* with each that comes */
#define MAP_BYTES  (16ull << 30)       /* address space, not disk */
#define SETTLED    SPAN_LIT("settled") /* in state: a segment, 8 bytes big-endian */

int shelf_index_open(struct shelf_index *ix, const char *queue_dir, struct err *err)
{
	const struct {
		const char *name;
		kv_table *table;
	} tables[] = { { "items", &ix->items },
		       { "summaries", &ix->summaries },
		       { "over", &ix->over },
		       { "state", &ix->state } };
	char path[4096];
	int r;

	if (snprintf(path, sizeof(path), "%s/index", queue_dir) >= (int) sizeof(path))
		return err_set(err, POD_E_LIMIT, "%s: path too long", queue_dir);
	r = kv_open(path,
	            &(struct kv_options){ .map_bytes = MAP_BYTES,
	                                  .tables_max = ARRAY_SIZE(tables),
	                                  .readers_max = 8,
	                                  .flags = KV_CREATE,
	                                  .mode = 0600 },
	            &ix->kv, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(tables); i++)
		r = kv_table_open(ix->kv, tables[i].name, KV_TABLE_CREATE, tables[i].table, err);
	return r;
}

void shelf_index_close(struct shelf_index *ix)
{
	ix->kv = kv_close(ix->kv);
}

int shelf_index_settled(struct shelf_index *ix, uint64_t *ret_segment, struct err *err)
{
	KV_TXN txn = { 0 };
	struct span value;
	int r = kv_txn_begin(ix->kv, KV_READ, &txn, err);

	if (r == 0)
		r = kv_get(&txn, ix->state, SETTLED, &value, err);
	if (r == 0)
		*ret_segment = key_get_u64(value, 0);
	else if (r == -POD_E_NOTFOUND)
		*ret_segment = 0; /* from before there was a journal */
	return r == -POD_E_NOTFOUND ? 0 : r;
}

static struct span key_of(const struct guid *id)
{
	return span_make(id->b, ID_SIZE);
}

int shelf_index_knows(struct shelf_index *ix, const struct guid *id, bool again, struct err *err)
{
	struct span value;
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(ix->kv, KV_READ, &txn, err);

	if (r == 0)
		r = kv_get(&txn, ix->items, key_of(id), &value, err);
	if (r == -POD_E_NOTFOUND && !again)
		r = kv_get(&txn, ix->over, key_of(id), &value, err);
	return r == 0 ? 1 : r == -POD_E_NOTFOUND ? 0 : r;
}

/* ---- settling ---- */

/* Milliseconds since 1970 in an id: it begins with them (RFC 9562 5.7). */
static int64_t made_ms(struct span id)
{
	int64_t ms = 0;

	for (size_t i = 0; i < 6 && i < id.len; i++)
		ms = ms << 8 | id.p[i];
	return ms;
}

static bool is_remembered(struct span id, int64_t now_ms)
{
	return made_ms(id) + SHELF_REMEMBER_MS > now_ms;
}

/* Old ids go as new ones come, a few at a time; they are in the order they were made. */
static int forget(struct shelf_index *ix, struct kv_txn *txn, size_t most, int64_t now_ms, struct err *err)
{
	KV_CURSOR cursor = { 0 };
	struct span key, value;
	int r = kv_cursor_open(txn, ix->over, &cursor, err);

	for (size_t i = 0; r == 0 && i < most; i++) {
		r = kv_cursor_seek(&cursor, SPAN_NONE, &key, &value);
		if (r < 0 || is_remembered(key, now_ms))
			break;
		r = kv_cursor_delete(&cursor, err);
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

static int remove_item(struct shelf_index *ix, struct kv_txn *txn, const struct recent *m, struct err *err)
{
	int r = kv_delete(txn, ix->items, key_of(&m->id), err);

	if (r == 0 || r == -POD_E_NOTFOUND)
		r = kv_delete(txn, ix->summaries, key_of(&m->id), err);
	return r == -POD_E_NOTFOUND ? 0 : r;
}

static int put_item(struct shelf_index *ix, struct kv_txn *txn, const struct recent *m, struct err *err)
{
	int r = kv_put(txn, ix->items, key_of(&m->id), buf_span(&m->item), err);

	return r == 0 && m->whole ? kv_put(txn, ix->summaries, key_of(&m->id), buf_span(&m->summary), err)
	                          : r;
}

static int settle_one(struct shelf_index *ix, struct kv_txn *txn, const struct recent *m, int64_t now_ms,
                      struct err *err)
{
	int r;

	if (!m->gone)
		return put_item(ix, txn, m, err);
	r = !m->in_index ? 0 : remove_item(ix, txn, m, err);
	/* What was long in the queue was answered long ago. */
	return r == 0 && is_remembered(key_of(&m->id), now_ms)
	               ? kv_put(txn, ix->over, key_of(&m->id), SPAN_LIT(""), err)
	               : r;
}

int shelf_index_settle(struct shelf_index *ix, struct recent *const *all, size_t n, uint64_t segment,
                       struct err *err)
{
	uint64_t value = htobe64(segment);
	int64_t now_ms = clock_wall_ms();
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(ix->kv, KV_WRITE, &txn, err);

	if (r == 0)
		r = forget(ix, &txn, FORGET_MAX * (n + 1), now_ms, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = settle_one(ix, &txn, all[i], now_ms, err);
	if (r == 0)
		r = kv_put(&txn, ix->state, SETTLED, span_make(&value, sizeof(value)), err);
	return r < 0 ? r : kv_txn_commit(&txn, err);
}
