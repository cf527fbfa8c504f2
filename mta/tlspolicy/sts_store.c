#include "mta/tlspolicy/sts_store.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "mta/tlspolicy/tlspolicy.pb-c.h"

#define DAY_S 86400u

static void entry_freep(Tlspolicy__StsEntry **e)
{
	if (*e)
		tlspolicy__sts_entry__free_unpacked(*e, NULL);
}

#define _cleanup_entry_ _cleanup_(entry_freep)

int sts_store_open(struct kv *kv, struct sts_store *ret_store, struct err *err)
{
	ret_store->kv = kv;
	return kv_table_open(kv, "sts", KV_TABLE_CREATE, &ret_store->table, err);
}

/* What is there, sound and not over; NULL otherwise. */
static Tlspolicy__StsEntry *entry_read(struct span value, uint64_t now_s, struct arena *a,
                                       struct sts_policy *ret_policy)
{
	_cleanup_entry_ Tlspolicy__StsEntry *e = tlspolicy__sts_entry__unpack(NULL, value.len, value.p);

	if (!e || sts_policy_parse(span_make(e->text.data, e->text.len), a, ret_policy, NULL) < 0 ||
	    now_s >= e->fetched_s + ret_policy->max_age_s)
		return NULL;
	return take_ptr(e);
}

int sts_store_get(struct sts_store *s, const char *domain, uint64_t now_s, struct arena *a,
                  struct sts_entry *ret_entry, struct err *err)
{
	_cleanup_entry_ Tlspolicy__StsEntry *e = NULL;
	KV_TXN txn = { 0 };
	struct sts_entry entry;
	struct span value;
	int r = kv_txn_begin(s->kv, KV_READ, &txn, err);

	if (r == 0)
		r = kv_get(&txn, s->table, span_of(domain), &value, err);
	if (r < 0)
		return r;
	e = entry_read(value, now_s, a, &entry.policy);
	if (!e)
		return -POD_E_NOTFOUND;
	entry.id = arena_str(a, span_of(e->id));
	entry.text = arena_str(a, span_make(e->text.data, e->text.len));
	entry.fetched_s = e->fetched_s;
	entry.used_s = e->used_s;
	if (!entry.id || !entry.text)
		return err_set(err, POD_E_NOMEM, "MTA-STS policy of %s", domain);
	*ret_entry = entry;
	return 0;
}

static int entry_put(struct sts_store *s, struct kv_txn *txn, const char *domain,
                     const Tlspolicy__StsEntry *e, struct err *err)
{
	void *to;
	int r = kv_reserve(txn, s->table, span_of(domain), tlspolicy__sts_entry__get_packed_size(e), &to,
	                   err);

	if (r == 0)
		(void) tlspolicy__sts_entry__pack(e, to);
	return r;
}

int sts_store_put(struct sts_store *s, const char *domain, const char *id, struct span text, uint64_t now_s,
                  struct err *err)
{
	Tlspolicy__StsEntry e = TLSPOLICY__STS_ENTRY__INIT;
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(s->kv, KV_WRITE, &txn, err);

	e.id = (char *) (uintptr_t) id;
	e.text.data = (uint8_t *) (uintptr_t) text.p;
	e.text.len = text.len;
	e.fetched_s = e.used_s = now_s;
	if (r == 0)
		r = entry_put(s, &txn, domain, &e, err);
	return r < 0 ? r : kv_txn_commit(&txn, err);
}

int sts_store_touch(struct sts_store *s, const char *domain, uint64_t now_s, struct err *err)
{
	_cleanup_entry_ Tlspolicy__StsEntry *e = NULL;
	KV_TXN txn = { 0 };
	struct span value;
	int r = kv_txn_begin(s->kv, KV_WRITE, &txn, err);

	if (r == 0)
		r = kv_get(&txn, s->table, span_of(domain), &value, err);
	if (r < 0)
		return r;
	e = tlspolicy__sts_entry__unpack(NULL, value.len, value.p);
	if (!e || now_s < e->used_s + DAY_S)
		return 0;
	e->used_s = now_s;
	r = entry_put(s, &txn, domain, e, err);
	return r < 0 ? r : kv_txn_commit(&txn, err);
}

int sts_store_sweep(struct sts_store *s, uint64_t now_s, uint64_t fetched_before_s, uint64_t used_since_s,
                    size_t max, sts_store_due_fn *fn, void *arg, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(4u << 20);
	KV_TXN txn = { 0 };
	KV_CURSOR c = { 0 };
	struct span key, value;
	const char *due[256];
	size_t n = 0;
	int r = a ? kv_txn_begin(s->kv, KV_WRITE, &txn, err) : err_set(err, POD_E_NOMEM, "MTA-STS policies");

	max = max < ARRAY_SIZE(due) ? max : ARRAY_SIZE(due);
	r = r ?: kv_cursor_open(&txn, s->table, &c, err);
	for (int at = r ?: kv_cursor_seek(&c, SPAN_NONE, &key, &value); r == 0 && at == 0;
	     at = kv_cursor_next(&c, &key, &value)) {
		_cleanup_(arena_freep) struct arena *each = arena_create(256u << 10);
		struct sts_policy policy;
		_cleanup_entry_ Tlspolicy__StsEntry *e =
			each ? entry_read(value, now_s, each, &policy) : NULL;

		if (!e && each)
			r = kv_cursor_delete(&c, err);
		else if (e && n < max && e->fetched_s < fetched_before_s && e->used_s >= used_since_s &&
		         (due[n] = arena_str(a, key)))
			n++;
	}
	r = r ?: kv_txn_commit(&txn, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		fn(arg, due[i]);
	return r;
}
