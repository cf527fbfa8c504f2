#include "mta/tlspolicy/sessions.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/fnv.h"

#define PENDING_MEMORY (4u << 20)

/* One kind of session: the same day, domain, policy, result, hosts and words. */
struct pending {
	TAILQ_ENTRY(pending) link;
	uint32_t day;
	uint64_t count;
	const struct tls_demand *demand; /* the words of the policy, copied */
	struct tls_session session;
};

struct tls_sessions {
	struct kv *kv;
	kv_table table;
	struct arena *arena; /* of all that is pending */
	TAILQ_HEAD(, pending) pending;
	size_t n;
};

int tls_sessions_open(struct kv *kv, struct tls_sessions **ret_sessions, struct err *err)
{
	struct tls_sessions *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, POD_E_NOMEM, "TLS reports");
	TAILQ_INIT(&s->pending);
	s->kv = kv;
	s->arena = arena_create(PENDING_MEMORY);
	r = s->arena ? kv_table_open(kv, "sessions", KV_TABLE_CREATE, &s->table, err)
	             : err_set(err, POD_E_NOMEM, "TLS reports");
	if (r < 0) {
		(void) tls_sessions_free(s);
		return r;
	}
	*ret_sessions = s;
	return 0;
}

struct tls_sessions *tls_sessions_free(struct tls_sessions *s)
{
	if (s)
		(void) arena_free(s->arena);
	free(s);
	return NULL;
}

bool tls_sessions_wait(const struct tls_sessions *s)
{
	return !TAILQ_EMPTY(&s->pending);
}

/* ---- gathering ---- */

static bool same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_strings(const char *const *a, size_t a_n, const char *const *b, size_t b_n)
{
	for (size_t i = 0; i < a_n && a_n == b_n; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return a_n == b_n;
}

static bool is_same_kind(const struct pending *p, uint32_t day, const struct tls_demand *d,
                         const struct tls_session *t)
{
	const struct tls_session *s = &p->session;

	if (p->day != day || p->demand->source != d->source || s->result != t->result ||
	    !same(p->demand->domain, d->domain) ||
	    !same_strings(p->demand->strings, p->demand->strings_n, d->strings, d->strings_n))
		return false;
	return t->result == TLS_RESULT_SUCCESS ||
	       (same(p->demand->host, d->host) && same(s->sending_ip, t->sending_ip) &&
	        same(s->receiving_ip, t->receiving_ip) && same(s->receiving_helo, t->receiving_helo) &&
	        same(s->reason, t->reason));
}

static const char *keep(struct arena *a, const char *s, bool *nomem)
{
	const char *kept = arena_str(a, span_of(s ? s : ""));

	*nomem |= !kept;
	return kept;
}

static const char *const *keep_all(struct arena *a, const char *const *from, size_t n, bool *nomem)
{
	const char **kept = arena_array(a, n ? n : 1, sizeof(*kept));

	*nomem |= !kept;
	for (size_t i = 0; kept && i < n; i++)
		kept[i] = keep(a, from[i], nomem);
	return kept;
}

static struct pending *pending_new(struct tls_sessions *s, uint32_t day, const struct tls_demand *d,
                                   const struct tls_session *t)
{
	struct arena *a = s->arena;
	struct pending *p = arena_new(a, struct pending);
	struct tls_demand *kept = arena_new(a, struct tls_demand);
	bool nomem = !p || !kept;

	if (nomem)
		return NULL;
	*kept = (struct tls_demand){ .source = d->source,
		                     .strings_n = d->strings_n,
		                     .patterns_n = d->patterns_n };
	kept->domain = keep(a, d->domain, &nomem);
	kept->host = keep(a, d->host, &nomem);
	kept->strings = keep_all(a, d->strings, d->strings_n, &nomem);
	kept->patterns = keep_all(a, d->patterns, d->patterns_n, &nomem);
	*p = (struct pending){ .day = day, .demand = kept };
	p->session.result = t->result;
	p->session.sending_ip = keep(a, t->sending_ip, &nomem);
	p->session.receiving_ip = keep(a, t->receiving_ip, &nomem);
	p->session.receiving_helo = keep(a, t->receiving_helo, &nomem);
	p->session.reason = keep(a, t->reason, &nomem);
	return nomem ? NULL : p;
}

static struct pending *pending_add(struct tls_sessions *s, uint32_t day, const struct tls_demand *d,
                                   const struct tls_session *t)
{
	struct pending *p = pending_new(s, day, d, t);

	if (p) {
		TAILQ_INSERT_TAIL(&s->pending, p, link);
		s->n++;
	}
	return p;
}

int tls_sessions_count(struct tls_sessions *s, uint32_t day, const struct tls_demand *demand,
                   const struct tls_session *session, struct err *err)
{
	struct pending *p;
	int r = 0;

	TAILQ_FOREACH(p, &s->pending, link)
	if (is_same_kind(p, day, demand, session)) {
		p->count++;
		return 0;
	}
	if (s->n >= SESSIONS_PENDING_MAX)
		r = tls_sessions_write(s, err);
	p = r == 0 ? pending_add(s, day, demand, session) : NULL;
	if (!p && r == 0) { /* the memory for them is full: once they are written there is room */
		r = tls_sessions_write(s, err);
		p = r == 0 ? pending_add(s, day, demand, session) : NULL;
	}
	if (p)
		p->count = 1;
	return r < 0 ? r : p ? 0 : err_set(err, POD_E_NOMEM, "counting a session with %s", demand->domain);
}

/* ---- writing ---- */

/* RFC 8460 4.4: a policy is what its words are. A hash, for the key only: rows hold the words. */
static uint64_t policy_hash(const struct tls_demand *d)
{
	uint64_t h = FNV64_START ^ d->source;

	for (size_t i = 0; i < d->strings_n; i++)
		h = fnv64_byte(fnv64(h, span_of(d->strings[i])), 0);
	return h;
}

static int row_key(const struct pending *p, struct key *key)
{
	int r;

	key->len = 0;
	key_u32(key, p->day);
	r = key_bytes(key, span_make(p->demand->domain, strlen(p->demand->domain) + 1));
	if (r == 0)
		key_u64(key, policy_hash(p->demand));
	return r;
}

static char *copy(const char *s, bool *nomem)
{
	char *kept = strdup(s);

	*nomem |= !kept;
	return kept;
}

static char **copy_all(const char *const *from, size_t n, bool *nomem)
{
	char **kept = calloc(n ? n : 1, sizeof(*kept));

	*nomem |= !kept;
	for (size_t i = 0; kept && i < n; i++)
		kept[i] = copy(from[i], nomem);
	return kept;
}

/* A row made by hand out of malloc's memory, as protobuf-c frees it. */
static Tlspolicy__Sessions *row_new(const struct tls_demand *d)
{
	Tlspolicy__Sessions *row = calloc(1, sizeof(*row));
	bool nomem = false;

	if (!row)
		return NULL;
	tlspolicy__sessions__init(row);
	row->source = d->source;
	row->strings = copy_all(d->strings, d->strings_n, &nomem);
	row->n_strings = row->strings ? d->strings_n : 0;
	row->patterns = copy_all(d->patterns, d->patterns_n, &nomem);
	row->n_patterns = row->patterns ? d->patterns_n : 0;
	if (!nomem)
		return row;
	tlspolicy__sessions__free_unpacked(row, NULL);
	return NULL;
}

static Tlspolicy__Failure *failure_find(Tlspolicy__Sessions *row, const struct pending *p)
{
	for (size_t i = 0; i < row->n_failures; i++) {
		Tlspolicy__Failure *f = row->failures[i];

		if (f->result == p->session.result && same(f->receiving_host, p->demand->host) &&
		    same(f->sending_ip, p->session.sending_ip) &&
		    same(f->receiving_ip, p->session.receiving_ip) &&
		    same(f->receiving_helo, p->session.receiving_helo) && same(f->reason, p->session.reason))
			return f;
	}
	return NULL;
}

static Tlspolicy__Failure *failure_new(const struct pending *p)
{
	Tlspolicy__Failure *f = calloc(1, sizeof(*f));
	bool nomem = false;

	if (!f)
		return NULL;
	tlspolicy__failure__init(f);
	f->result = p->session.result;
	f->receiving_host = copy(p->demand->host, &nomem);
	f->sending_ip = copy(p->session.sending_ip, &nomem);
	f->receiving_ip = copy(p->session.receiving_ip, &nomem);
	f->receiving_helo = copy(p->session.receiving_helo, &nomem);
	f->reason = copy(p->session.reason, &nomem);
	if (!nomem)
		return f;
	tlspolicy__failure__free_unpacked(f, NULL);
	return NULL;
}

static int row_add(Tlspolicy__Sessions *row, const struct pending *p)
{
	Tlspolicy__Failure *f = failure_find(row, p), **longer;

	if (p->session.result == TLS_RESULT_SUCCESS) {
		row->success += p->count;
		return 0;
	}
	if (!f && row->n_failures >= SESSIONS_FAILURES_MAX) {
		row->failures_left_out += p->count;
		return 0;
	}
	if (!f) {
		longer = reallocarray(row->failures, row->n_failures + 1, sizeof(*longer));
		if (!longer)
			return -POD_E_NOMEM;
		row->failures = longer;
		f = failure_new(p);
		if (!f)
			return -POD_E_NOMEM;
		row->failures[row->n_failures++] = f;
	}
	f->count += p->count;
	return 0;
}

static int row_put(struct tls_sessions *s, struct kv_txn *txn, struct span key, const Tlspolicy__Sessions *row,
                   struct err *err)
{
	void *to;
	int r = kv_reserve(txn, s->table, key, tlspolicy__sessions__get_packed_size(row), &to, err);

	if (r == 0)
		(void) tlspolicy__sessions__pack(row, to);
	return r;
}

static int write_one(struct tls_sessions *s, struct kv_txn *txn, const struct pending *p, struct err *err)
{
	Tlspolicy__Sessions *row = NULL;
	struct span value;
	struct key key;
	int r = row_key(p, &key);

	if (r < 0)
		return err_set(err, (enum pod_error) - r, "counting a session with %s", p->demand->domain);
	r = kv_get(txn, s->table, key_span(&key), &value, err);
	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	if (r == 0)
		row = tlspolicy__sessions__unpack(NULL, value.len, value.p);
	if (!row) /* a damaged one is begun anew */
		row = row_new(p->demand);
	r = row ? row_add(row, p) : -POD_E_NOMEM;
	r = r < 0 ? err_set(err, POD_E_NOMEM, "counting a session with %s", p->demand->domain)
	          : row_put(s, txn, key_span(&key), row, err);
	if (row)
		tlspolicy__sessions__free_unpacked(row, NULL);
	return r;
}

int tls_sessions_write(struct tls_sessions *s, struct err *err)
{
	KV_TXN txn = { 0 };
	struct pending *p;
	int r = kv_txn_begin(s->kv, KV_WRITE, &txn, err);

	TAILQ_FOREACH(p, &s->pending, link)
	r = r ?: write_one(s, &txn, p, err);
	r = r ?: kv_txn_commit(&txn, err);
	if (r < 0)
		return r;
	TAILQ_INIT(&s->pending);
	s->n = 0;
	arena_reset(s->arena);
	return 0;
}

/* ---- reading ---- */

static int each_row(struct span key, struct span value, tls_sessions_fn *fn, void *arg)
{
	const char *domain = (const char *) key.p + 4;
	Tlspolicy__Sessions *row;
	int r;

	/* day, domain, NUL, hash */
	if (key.len < 4 + 1 + 8 || key.p[key.len - 9] != '\0')
		return 0;
	row = tlspolicy__sessions__unpack(NULL, value.len, value.p);
	if (!row)
		return 0;
	r = fn(arg, key_get_u32(key, 0), domain, row);
	tlspolicy__sessions__free_unpacked(row, NULL);
	return r;
}

/* From the first key on, while keys begin with prefix or days are not after to. */
static int each_from(struct tls_sessions *s, struct span first, struct span prefix, uint32_t to, tls_sessions_fn *fn,
                     void *arg, struct err *err)
{
	struct span key, value;
	KV_TXN txn = { 0 };
	KV_CURSOR c = { 0 };
	int r = kv_txn_begin(s->kv, KV_READ, &txn, err), at;

	r = r ?: kv_cursor_open(&txn, s->table, &c, err);
	if (r < 0)
		return r;
	for (at = kv_cursor_seek(&c, first, &key, &value); at == 0 && r == 0;
	     at = kv_cursor_next(&c, &key, &value)) {
		if (key_get_u32(key, 0) > to || !span_eq(span_head(key, prefix.len), prefix))
			break;
		r = each_row(key, value, fn, arg);
	}
	return r < 0 || at == 0 || at == -POD_E_NOTFOUND
	               ? r
	               : err_set(err, (enum pod_error) - at, "counts of TLS sessions");
}

int tls_sessions_each(struct tls_sessions *s, uint32_t from, uint32_t to, tls_sessions_fn *fn, void *arg, struct err *err)
{
	struct key first = { .len = 0 };

	key_u32(&first, from);
	return each_from(s, key_span(&first), SPAN_NONE, to, fn, arg, err);
}

int sessions_each_of(struct tls_sessions *s, uint32_t day, const char *domain, tls_sessions_fn *fn, void *arg,
                     struct err *err)
{
	struct key first = { .len = 0 };

	key_u32(&first, day);
	if (key_bytes(&first, span_make(domain, strlen(domain) + 1)) < 0)
		return 0; /* there cannot be one */
	return each_from(s, key_span(&first), key_span(&first), day, fn, arg, err);
}

int tls_sessions_forget(struct tls_sessions *s, uint32_t before, struct err *err)
{
	struct span key, value;
	KV_TXN txn = { 0 };
	KV_CURSOR c = { 0 };
	int r = kv_txn_begin(s->kv, KV_WRITE, &txn, err);

	r = r ?: kv_cursor_open(&txn, s->table, &c, err);
	if (r < 0)
		return r;
	for (int at = kv_cursor_seek(&c, SPAN_NONE, &key, &value);
	     at == 0 && r == 0 && key_get_u32(key, 0) < before; at = kv_cursor_next(&c, &key, &value))
		r = kv_cursor_delete(&c, err);
	return r ?: kv_txn_commit(&txn, err);
}
