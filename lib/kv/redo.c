#include "kv/redo.h"

#include "base/le.h"
#include "kv/kv_internal.h"

/* Places in a change. */
enum { AT_TABLE = 1, AT_KEY_LEN = 2, AT_VALUE_LEN = 4, HEADER = 8 };

void kv_redo_init(struct kv_redo *r, const kv_table *tables, size_t n)
{
	*r = (struct kv_redo){ .tables = tables, .tables_n = n, .changes = BUF_INIT };
}

void kv_redo_done(struct kv_redo *r)
{
	buf_done(&r->changes);
	r->reserved = NULL;
}

void kv_redo_clear(struct kv_redo *r)
{
	buf_clear(&r->changes);
	r->changes.failed = false;
	r->reserved = NULL;
}

void kv_txn_set_redo(struct kv_txn *txn, struct kv_redo *r)
{
	txn->redo = r;
}

/* ---- writing down ---- */

/* What kv_reserve gave is filled in by now. */
static void fill(struct kv_redo *r)
{
	if (r->reserved && !r->changes.failed)
		memcpy(r->changes.p + r->reserved_at, r->reserved, r->reserved_len);
	r->reserved = NULL;
}

/* Room for the value, which follows in it. */
static uint8_t *add(struct kv_redo *r, enum redo_kind kind, kv_table t, struct span key, size_t value_len)
{
	size_t table = 0;
	uint8_t *to;

	fill(r);
	while (table < r->tables_n && r->tables[table] != t)
		table++;
	if (table == r->tables_n)
		r->changes.failed = true;
	to = r->changes.failed ? NULL : buf_reserve(&r->changes, HEADER + key.len + value_len);
	if (!to)
		return NULL;
	r->changes.len += HEADER + key.len + value_len;
	to[0] = (uint8_t) kind;
	to[AT_TABLE] = (uint8_t) table;
	le_put16(to + AT_KEY_LEN, (uint16_t) key.len);
	le_put32(to + AT_VALUE_LEN, (uint32_t) value_len);
	if (key.len)
		memcpy(to + HEADER, key.p, key.len);
	return to + HEADER + key.len;
}

size_t redo_add(struct kv_redo *r, enum redo_kind kind, kv_table t, struct span key, struct span value)
{
	size_t mark = r ? r->changes.len : 0;
	uint8_t *to = r ? add(r, kind, t, key, value.len) : NULL;

	if (to && value.len)
		memcpy(to, value.p, value.len);
	return mark;
}

void redo_take_back(struct kv_redo *r, size_t mark)
{
	if (!r)
		return;
	r->reserved_len = 0;
	r->changes.len = mark;
}

size_t redo_reserve(struct kv_redo *r, kv_table t, struct span key, size_t len)
{
	size_t mark = r ? r->changes.len : 0;
	const uint8_t *to = r ? add(r, REDO_PUT, t, key, len) : NULL;

	if (to) {
		r->reserved_at = (size_t) (to - r->changes.p);
		r->reserved_len = len;
	}
	return mark;
}

void *redo_reserved(struct kv_redo *r, void *value)
{
	if (r && !r->changes.failed)
		r->reserved = value;
	return value;
}

int kv_redo_changes(struct kv_redo *r, struct span *ret_changes, struct err *err)
{
	fill(r);
	if (r->changes.failed)
		return err_set(err, POD_E_NOMEM, "no memory for what a transaction changed");
	*ret_changes = buf_span(&r->changes);
	return 0;
}

/* ---- doing it once more ---- */

static int apply_one(struct kv_txn *txn, enum redo_kind kind, kv_table t, struct span key, struct span value,
                     struct err *err)
{
	int r;

	switch (kind) {
	case REDO_PUT: return kv_put(txn, t, key, value, err);
	case REDO_CLEAR: return kv_clear(txn, t, err);
	case REDO_DELETE: r = kv_delete(txn, t, key, err); return r == -POD_E_NOTFOUND ? 0 : r;
	}
	return err_set(err, POD_E_CORRUPT, "a change of a kind that there is not");
}

int kv_redo_apply(struct kv_txn *txn, const kv_table *tables, size_t n, struct span changes, struct err *err)
{
	int r = 0;

	while (r == 0 && changes.len) {
		const uint8_t *p = changes.p;
		struct span rest = span_skip(changes, HEADER);
		size_t key_len, value_len;

		if (changes.len < HEADER)
			return err_set(err, POD_E_CORRUPT, "a change that is cut off");
		key_len = le_get16(p + AT_KEY_LEN);
		value_len = le_get32(p + AT_VALUE_LEN);
		if (p[AT_TABLE] >= n || key_len > rest.len || value_len > rest.len - key_len)
			return err_set(err, POD_E_CORRUPT, "a change that cannot be read");
		r = apply_one(txn, (enum redo_kind) p[0], tables[p[AT_TABLE]], span_head(rest, key_len),
		              span_make(rest.p + key_len, value_len), err);
		changes = span_skip(rest, key_len + value_len);
	}
	return r;
}
