/*
 * Two tables. domains: DAY DOMAIN -> sent (a byte), policy. rows: DAY DOMAIN 00 HASH -> count, row; the hash
 * is the row's, for a key cannot hold one.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <openssl/evp.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kv/kv.h"
#include "mta/podfilter/auth/report/report.h"

#define MAP_BYTES (4ull << 30)
#define HASH_SIZE 16

struct pending {
	STAILQ_ENTRY(pending) link;
	uint32_t day;
	char *domain, *policy, *row;
};

STAILQ_HEAD(pending_list, pending);

struct report_store {
	struct kv *kv;
	kv_table domains, rows;
	pthread_mutex_t lock; /* of what follows */
	struct pending_list pending;
	size_t pending_n;
	uint64_t lost;
};

static void pending_free(struct pending *p)
{
	free(p->domain);
	free(p->policy);
	free(p->row);
	free(p);
}

int report_store_open(const char *dir, struct report_store **ret_store, struct err *err)
{
	const struct kv_options o = { .map_bytes = MAP_BYTES, .flags = KV_CREATE };
	struct report_store *s = calloc(1, sizeof(*s));
	int r = s ? kv_open(dir, &o, &s->kv, err) : err_set(err, POD_E_NOMEM, "reports");

	if (r == 0)
		r = kv_table_open(s->kv, "domains", KV_TABLE_CREATE, &s->domains, err);
	if (r == 0)
		r = kv_table_open(s->kv, "rows", KV_TABLE_CREATE, &s->rows, err);
	if (r < 0) {
		if (s)
			(void) kv_close(s->kv);
		free(s);
		return r;
	}
	(void) pthread_mutex_init(&s->lock, NULL);
	STAILQ_INIT(&s->pending);
	*ret_store = s;
	return 0;
}

struct report_store *report_store_close(struct report_store *s)
{
	struct err err = { 0 };

	if (!s)
		return NULL;
	if (report_store_flush(s, &err) < 0)
		log_event(NULL, LOGL_ERROR, "dmarc.not_counted", F_UINT("messages", s->pending_n),
		          F_ERR(&err));
	while (!STAILQ_EMPTY(&s->pending)) {
		struct pending *p = STAILQ_FIRST(&s->pending);

		STAILQ_REMOVE_HEAD(&s->pending, link);
		pending_free(p);
	}
	(void) pthread_mutex_destroy(&s->lock);
	(void) kv_close(s->kv);
	free(s);
	return NULL;
}

void report_store_add(struct report_store *s, const struct auth_results *r, bool vouched_for, int64_t now_s)
{
	struct pending *p;
	bool full;

	if (!r->dmarc.has_record || !*r->dmarc.record.rua || r->dmarc.result == DMARC_TEMPERROR)
		return;
	p = calloc(1, sizeof(*p));
	if (p) {
		p->day = report_day_of(now_s);
		p->domain = strdup(r->dmarc.record.domain);
		p->policy = report_policy(&r->dmarc);
		p->row = report_row(r, vouched_for);
	}
	(void) pthread_mutex_lock(&s->lock);
	full = !p || !p->domain || !p->policy || !p->row || s->pending_n >= REPORT_PENDING_MAX;
	if (full) {
		s->lost++;
	} else {
		STAILQ_INSERT_TAIL(&s->pending, p, link);
		s->pending_n++;
	}
	(void) pthread_mutex_unlock(&s->lock);
	if (full && p)
		pending_free(p);
}

/* ---- keys and values ---- */

static int key_of(struct key *k, uint32_t day, const char *domain)
{
	*k = (struct key){ .len = 0 };
	key_u32(k, day);
	return key_bytes(k, span_of(domain));
}

static int row_key(struct key *k, uint32_t day, const char *domain, struct span row)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	int r = key_of(k, day, domain);

	if (r < 0 || EVP_Digest(row.p, row.len, hash, NULL, EVP_sha256(), NULL) != 1)
		return r < 0 ? r : -POD_E_INTERNAL;
	r = key_bytes(k, span_make("", 1));
	return r == 0 ? key_bytes(k, span_make(hash, HASH_SIZE)) : r;
}

static uint64_t count_of(struct span value)
{
	uint64_t n = 0;

	if (value.len >= sizeof(n))
		memcpy(&n, value.p, sizeof(n));
	return n;
}

static int write_row(struct report_store *s, struct kv_txn *txn, const struct pending *p, struct err *err)
{
	struct span row = span_of(p->row), old = SPAN_NONE;
	struct key k;
	uint64_t n;
	void *to;
	int r = row_key(&k, p->day, p->domain, row);

	if (r < 0)
		return err_set(err, (enum pod_error) - r, "reports");
	r = kv_get(txn, s->rows, key_span(&k), &old, err);
	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	n = (r == 0 ? count_of(old) : 0) + 1;
	r = kv_reserve(txn, s->rows, key_span(&k), sizeof(n) + row.len, &to, err);
	if (r < 0)
		return r;
	memcpy(to, &n, sizeof(n));
	memcpy((uint8_t *) to + sizeof(n), row.p, row.len);
	return 0;
}

static int write_domain(struct report_store *s, struct kv_txn *txn, uint32_t day, const char *domain,
                        bool sent, struct span policy, struct err *err)
{
	struct key k;
	uint8_t *to;
	void *at;
	int r = key_of(&k, day, domain);

	if (r < 0)
		return err_set(err, (enum pod_error) - r, "reports");
	r = kv_reserve(txn, s->domains, key_span(&k), 1 + policy.len, &at, err);
	if (r < 0)
		return r;
	to = at;
	to[0] = sent;
	memcpy(to + 1, policy.p, policy.len);
	return 0;
}

static int write_pending(struct report_store *s, struct kv_txn *txn, const struct pending *p, struct err *err)
{
	struct span old = SPAN_NONE, policy = span_of(p->policy);
	struct key k;
	int r = write_row(s, txn, p, err);

	if (r < 0 || (r = key_of(&k, p->day, p->domain)) < 0)
		return r;
	r = kv_get(txn, s->domains, key_span(&k), &old, err);
	if (r == 0 && span_eq(span_skip(old, 1), policy))
		return 0;
	return r < 0 && r != -POD_E_NOTFOUND
	               ? r
	               : write_domain(s, txn, p->day, p->domain, old.len && old.p[0], policy, err);
}

static int write_all(struct report_store *s, const struct pending_list *list, struct err *err)
{
	const struct pending *p;
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(s->kv, KV_WRITE, &txn, err);

	STAILQ_FOREACH(p, list, link)
	if (r == 0)
		r = write_pending(s, &txn, p, err);
	return r == 0 ? kv_txn_commit(&txn, err) : r;
}

int report_store_flush(struct report_store *s, struct err *err)
{
	struct pending_list list = STAILQ_HEAD_INITIALIZER(list);
	uint64_t lost;
	size_t n;
	int r;

	(void) pthread_mutex_lock(&s->lock);
	STAILQ_CONCAT(&list, &s->pending);
	n = s->pending_n;
	lost = s->lost;
	s->pending_n = 0;
	s->lost = 0;
	(void) pthread_mutex_unlock(&s->lock);
	if (lost)
		log_event(NULL, LOGL_WARNING, "dmarc.not_counted", F_UINT("messages", lost));
	r = n ? write_all(s, &list, err) : 0;
	if (r == 0) {
		while (!STAILQ_EMPTY(&list)) {
			struct pending *p = STAILQ_FIRST(&list);

			STAILQ_REMOVE_HEAD(&list, link);
			pending_free(p);
		}
		return 0;
	}
	/* the disk may have room again at the next flush */
	(void) pthread_mutex_lock(&s->lock);
	STAILQ_CONCAT(&list, &s->pending);
	STAILQ_CONCAT(&s->pending, &list);
	s->pending_n += n;
	(void) pthread_mutex_unlock(&s->lock);
	return r;
}

/* ---- reading ---- */

static bool same_day(struct span key, uint32_t day)
{
	return key.len > sizeof(uint32_t) && key_get_u32(key, 0) == day;
}

struct counting {
	uint64_t n;
};

static int add_count(void *arg, struct span row, uint64_t count)
{
	((struct counting *) arg)->n += count;
	return 0;
}

/* Copied first: fn may write. */
static int list_domains(struct report_store *s, struct arena *a, uint32_t day, struct report_domain **ret,
                        size_t *ret_n, struct err *err)
{
	struct report_domain *all = NULL;
	size_t n = 0, size = 0;
	struct span key, value;
	struct key from;
	KV_TXN txn = { 0 };
	KV_CURSOR cursor = { 0 };
	int r = kv_txn_begin(s->kv, KV_READ, &txn, err);

	if (r == 0)
		r = kv_cursor_open(&txn, s->domains, &cursor, err);
	if (r == 0 && (r = key_of(&from, day, "")) == 0)
		r = kv_cursor_seek(&cursor, key_span(&from), &key, &value);
	for (; r == 0 && same_day(key, day); r = kv_cursor_next(&cursor, &key, &value)) {
		if (n == size) {
			size = size ? 2 * size : 64;
			all = arena_grow(a, all, n, size, sizeof(*all));
			if (!all)
				return err_set(err, POD_E_NOMEM, "reports");
		}
		all[n++] = (struct report_domain){ .domain = arena_str(a, span_skip(key, sizeof(uint32_t))),
			                           .policy = arena_str(a, span_skip(value, 1)),
			                           .sent = value.len && value.p[0] };
		if (!all[n - 1].domain || !all[n - 1].policy)
			return err_set(err, POD_E_NOMEM, "reports");
	}
	*ret = all;
	*ret_n = n;
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int report_store_each_domain(struct report_store *s, struct arena *a, uint32_t day, report_domain_fn *fn,
                             void *arg, struct err *err)
{
	struct report_domain *all;
	size_t n = 0;
	int r = list_domains(s, a, day, &all, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct counting c = { 0 };

		r = report_store_each_row(s, day, all[i].domain, add_count, &c, err);
		all[i].messages = c.n;
		if (r == 0)
			r = fn(arg, &all[i]);
	}
	return r;
}

int report_store_each_row(struct report_store *s, uint32_t day, const char *domain, report_row_fn *fn,
                          void *arg, struct err *err)
{
	struct span key, value;
	struct key from;
	size_t n = 0;
	KV_TXN txn = { 0 };
	KV_CURSOR cursor = { 0 };
	int r = key_of(&from, day, domain);

	if (r == 0)
		r = key_bytes(&from, span_make("", 1));
	if (r == 0)
		r = kv_txn_begin(s->kv, KV_READ, &txn, err);
	if (r == 0)
		r = kv_cursor_open(&txn, s->rows, &cursor, err);
	if (r == 0)
		r = kv_cursor_seek(&cursor, key_span(&from), &key, &value);
	for (; r == 0 && span_eq(span_head(key, from.len), key_span(&from)) && n < REPORT_ROWS_MAX;
	     r = kv_cursor_next(&cursor, &key, &value)) {
		n++;
		r = fn(arg, span_skip(value, sizeof(uint64_t)), count_of(value));
		if (r)
			return r;
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int report_store_set_sent(struct report_store *s, uint32_t day, const char *domain, struct err *err)
{
	struct span old;
	_cleanup_(freep) char *policy = NULL;
	struct key k;
	KV_TXN txn = { 0 };
	int r = key_of(&k, day, domain);

	if (r == 0)
		r = kv_txn_begin(s->kv, KV_WRITE, &txn, err);
	if (r == 0)
		r = kv_get(&txn, s->domains, key_span(&k), &old, err);
	if (r < 0)
		return r;
	policy = strndup((const char *) old.p + 1, old.len - 1);
	if (!policy)
		return err_set(err, POD_E_NOMEM, "reports");
	r = write_domain(s, &txn, day, domain, true, span_of(policy), err);
	return r == 0 ? kv_txn_commit(&txn, err) : r;
}

static int prune_table(struct kv_txn *txn, kv_table t, uint32_t first_day, struct err *err)
{
	KV_CURSOR cursor = { 0 };
	struct span key;
	int r = kv_cursor_open(txn, t, &cursor, err);

	if (r == 0)
		r = kv_cursor_seek(&cursor, SPAN_NONE, &key, NULL);
	while (r == 0 && key_get_u32(key, 0) < first_day) {
		r = kv_cursor_delete(&cursor, err);
		if (r == 0)
			r = kv_cursor_next(&cursor, &key, NULL);
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int report_store_prune(struct report_store *s, uint32_t first_day, struct err *err)
{
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(s->kv, KV_WRITE, &txn, err);

	if (r == 0)
		r = prune_table(&txn, s->domains, first_day, err);
	if (r == 0)
		r = prune_table(&txn, s->rows, first_day, err);
	return r == 0 ? kv_txn_commit(&txn, err) : r;
}
