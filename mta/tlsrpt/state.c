#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "mta/tlsrpt/internal.h"

/* Keys: the day; and behind it, where a report is sent, domain, NUL, URI. Values say nothing. */
#define KEPT_DAYS 14

int state_open(struct reports *r, struct err *err)
{
	return kv_table_open(r->kv, "reports", KV_TABLE_CREATE, &r->table, err);
}

/* A URI may be longer than a key: then its end is left out, which at worst sends a report once instead of
 * twice. */
static void make_key(struct key *key, uint32_t day, const char *domain, const char *uri)
{
	size_t room;

	key->len = 0;
	key_u32(key, day);
	if (!domain)
		return;
	(void) key_bytes(key, span_make(domain, strlen(domain) + 1));
	room = KV_KEY_MAX - key->len;
	(void) key_bytes(key, span_head(span_of(uri), room));
}

static bool is_there(struct reports *r, uint32_t day, const char *domain, const char *uri)
{
	struct span value;
	struct key key;
	KV_TXN txn = { 0 };

	make_key(&key, day, domain, uri);
	return kv_txn_begin(r->kv, KV_READ, &txn, NULL) == 0 &&
	       kv_get(&txn, r->table, key_span(&key), &value, NULL) == 0;
}

static int forget(struct reports *r, struct kv_txn *txn, uint32_t before, struct err *err)
{
	struct span key;
	KV_CURSOR c = { 0 };
	int e = kv_cursor_open(txn, r->table, &c, err);

	if (e < 0)
		return e;
	for (int at = kv_cursor_seek(&c, SPAN_NONE, &key, NULL);
	     at == 0 && e == 0 && key_get_u32(key, 0) < before; at = kv_cursor_next(&c, &key, NULL))
		e = kv_cursor_delete(&c, err);
	return e;
}

static int put(struct reports *r, uint32_t day, const char *domain, const char *uri, struct err *err)
{
	struct key key;
	KV_TXN txn = { 0 };
	int e = kv_txn_begin(r->kv, KV_WRITE, &txn, err);

	make_key(&key, day, domain, uri);
	e = e ?: kv_put(&txn, r->table, key_span(&key), SPAN_LIT("1"), err);
	if (e == 0 && !domain)
		e = forget(r, &txn, day > KEPT_DAYS ? day - KEPT_DAYS : 0, err);
	return e ?: kv_txn_commit(&txn, err);
}

bool state_is_finished(struct reports *r, uint32_t day)
{
	return is_there(r, day, NULL, NULL);
}

int state_finish(struct reports *r, uint32_t day, struct err *err)
{
	return put(r, day, NULL, NULL, err)
	               ?: tls_sessions_forget(r->sessions, day > KEPT_DAYS ? day - KEPT_DAYS : 0, err);
}

bool state_is_sent(struct reports *r, uint32_t day, const char *domain, const char *uri)
{
	return is_there(r, day, domain, uri);
}

int state_set_sent(struct reports *r, uint32_t day, const char *domain, const char *uri, struct err *err)
{
	return put(r, day, domain, uri, err);
}
