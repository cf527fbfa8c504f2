#include "mta/podfilter/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/id.h"

#define BUCKETS   16384
#define MAP_BYTES (1ull << 30)

static const char *const table_names[MEMORY_TABLES] = { "reputation", "peers", "greylist", "meta" };

struct entry {
	struct entry *next;
	struct key key;
	uint8_t table, len;
	uint8_t value[MEMORY_VALUE_MAX]; /* len 0: deleted */
};

struct cache {
	struct entry *buckets[BUCKETS];
	size_t n;
};

struct memory {
	pthread_mutex_t lock;
	struct kv *kv;
	kv_table tables[MEMORY_TABLES];
	uint64_t seed;
	struct cache *dirty;   /* changed since the last flush */
	struct cache *flushed; /* on its way to the disk; NULL while no flush runs */
};

/* ---- the cache ---- */

static size_t bucket_of(const struct memory *m, enum memory_table t, const struct key *key)
{
	uint64_t h = m->seed ^ (uint64_t) t;

	for (size_t i = 0; i < key->len; i++)
		h = (h ^ key->b[i]) *
		    0x100000001b3ull; /* FNV-1a, seeded so that nobody can choose collisions */
	return (size_t) ((h ^ h >> 32) % BUCKETS);
}

static struct entry *cache_find(const struct memory *m, const struct cache *c, enum memory_table t,
                                const struct key *key)
{
	struct entry *e = c ? c->buckets[bucket_of(m, t, key)] : NULL;

	while (e && (e->table != t || !span_eq(key_span(&e->key), key_span(key))))
		e = e->next;
	return e;
}

static void cache_add(const struct memory *m, struct cache *c, struct entry *e)
{
	struct entry **at = &c->buckets[bucket_of(m, e->table, &e->key)];

	e->next = *at;
	*at = e;
	c->n++;
}

static struct cache *cache_free(struct cache *c)
{
	for (size_t i = 0; c && i < BUCKETS; i++)
		for (struct entry *e = c->buckets[i], *next; e; e = next) {
			next = e->next;
			free(e);
		}
	free(c);
	return NULL;
}

/* ---- one entry, under the lock ---- */

static int look_up(struct memory *m, enum memory_table t, const struct key *key, uint8_t *value)
{
	const struct entry *e = cache_find(m, m->dirty, t, key) ?: cache_find(m, m->flushed, t, key);
	KV_TXN txn = { 0 };
	struct span on_disk;
	int r;

	if (e) {
		memcpy(value, e->value, e->len);
		return e->len;
	}
	r = kv_txn_begin(m->kv, KV_READ, &txn, NULL);
	if (r == 0)
		r = kv_get(&txn, m->tables[t], key_span(key), &on_disk, NULL);
	if (r < 0)
		return r == -POD_E_NOTFOUND ? 0 : r;
	if (on_disk.len > MEMORY_VALUE_MAX)
		return 0; /* of a later version */
	memcpy(value, on_disk.p, on_disk.len);
	return (int) on_disk.len;
}

int memory_get(struct memory *m, enum memory_table t, const struct key *key, uint8_t *value)
{
	int r;

	(void) pthread_mutex_lock(&m->lock);
	r = look_up(m, t, key, value);
	(void) pthread_mutex_unlock(&m->lock);
	return r;
}

static int change(struct memory *m, enum memory_table t, const struct key *key, memory_change_fn *fn,
                  void *arg)
{
	struct entry *e = cache_find(m, m->dirty, t, key);
	uint8_t old[MEMORY_VALUE_MAX], new[MEMORY_VALUE_MAX];
	int len = look_up(m, t, key, old);
	size_t n;

	if (len < 0)
		return len;
	if (!e && m->dirty->n >= MEMORY_DIRTY_MAX)
		return -POD_E_LIMIT;
	n = fn(arg, span_make(old, (size_t) len), new);
	if (n == 0 && len == 0)
		return 0;
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return -POD_E_NOMEM;
		e->table = (uint8_t) t;
		e->key = *key;
		cache_add(m, m->dirty, e);
	}
	memcpy(e->value, new, n);
	e->len = (uint8_t) n;
	return 0;
}

int memory_change(struct memory *m, enum memory_table t, const struct key *key, memory_change_fn *fn,
                  void *arg)
{
	int r;

	(void) pthread_mutex_lock(&m->lock);
	r = change(m, t, key, fn, arg);
	(void) pthread_mutex_unlock(&m->lock);
	return r;
}

static size_t replace(void *arg, struct span old, uint8_t *value)
{
	const struct span *s = arg;

	memcpy(value, s->p, s->len);
	return s->len;
}

int memory_put(struct memory *m, enum memory_table t, const struct key *key, struct span value)
{
	return value.len > MEMORY_VALUE_MAX ? -POD_E_LIMIT : memory_change(m, t, key, replace, &value);
}

/* ---- to the disk ---- */

static int write_entry(struct memory *m, struct kv_txn *txn, const struct entry *e, struct err *err)
{
	int r = e->len ? kv_put(txn, m->tables[e->table], key_span(&e->key), span_make(e->value, e->len), err)
	               : kv_delete(txn, m->tables[e->table], key_span(&e->key), err);

	return r == -POD_E_NOTFOUND ? 0 : r;
}

static int write_all(struct memory *m, const struct cache *c, struct err *err)
{
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(m->kv, KV_WRITE, &txn, err);

	for (size_t i = 0; r == 0 && i < BUCKETS; i++)
		for (const struct entry *e = c->buckets[i]; r == 0 && e; e = e->next)
			r = write_entry(m, &txn, e, err);
	return r == 0 ? kv_txn_commit(&txn, err) : r;
}

/* What could not be written is dirty again, unless it has changed since. Under the lock. */
static void take_back(struct memory *m)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry *e = m->flushed->buckets[i], *next; e; e = next) {
			next = e->next;
			if (cache_find(m, m->dirty, e->table, &e->key))
				free(e);
			else
				cache_add(m, m->dirty, e);
			m->flushed->buckets[i] = next;
		}
}

int memory_flush(struct memory *m, struct err *err)
{
	struct cache *fresh = calloc(1, sizeof(*fresh)), *done;
	bool nothing;
	int r;

	if (!fresh)
		return err_set(err, POD_E_NOMEM, "flush of the filter's memory");
	(void) pthread_mutex_lock(&m->lock);
	nothing = m->dirty->n == 0;
	if (!nothing) {
		m->flushed = m->dirty;
		m->dirty = fresh;
	}
	(void) pthread_mutex_unlock(&m->lock);
	if (nothing) {
		free(fresh);
		return 0;
	}
	r = write_all(m, m->flushed, err);
	(void) pthread_mutex_lock(&m->lock);
	if (r < 0)
		take_back(m);
	done = m->flushed;
	m->flushed = NULL;
	(void) pthread_mutex_unlock(&m->lock);
	(void) cache_free(done);
	return r;
}

/* ---- all of a table ---- */

struct seen {
	struct key key;
	uint8_t value[MEMORY_VALUE_MAX];
	size_t len;
};

/* Copies, so that no read transaction is open while entries are visited. */
static int copy_some(struct memory *m, enum memory_table t, const struct key *from, struct seen *seen,
                     size_t max, struct err *err)
{
	KV_TXN txn = { 0 };
	KV_CURSOR c = { 0 };
	struct span key, value;
	size_t n = 0;
	int r = kv_txn_begin(m->kv, KV_READ, &txn, err);

	if (r == 0)
		r = kv_cursor_open(&txn, m->tables[t], &c, err);
	if (r < 0)
		return r;
	for (r = kv_cursor_seek(&c, key_span(from), &key, &value); r == 0 && n < max;
	     r = kv_cursor_next(&c, &key, &value)) {
		seen[n].key.len = 0;
		(void) key_bytes(&seen[n].key, key);
		seen[n].len = value.len < MEMORY_VALUE_MAX ? value.len : MEMORY_VALUE_MAX;
		memcpy(seen[n].value, value.p, seen[n].len);
		n++;
	}
	return r < 0 && r != -POD_E_NOTFOUND ? err_set(err, POD_E_CORRUPT, "the filter's memory") : (int) n;
}

int memory_walk(struct memory *m, enum memory_table t, struct key *from, size_t max, memory_visit_fn *visit,
                void *arg, struct err *err)
{
	struct seen *seen = calloc(max + 1, sizeof(*seen));
	bool go_on = true;
	int n, i;

	if (!seen)
		return err_set(err, POD_E_NOMEM, "the filter's memory");
	n = copy_some(m, t, from, seen, max + 1, err);
	for (i = 0; go_on && i < n && i < (int) max; i++)
		go_on = visit(arg, key_span(&seen[i].key), span_make(seen[i].value, seen[i].len));
	if (n > (int) max)
		*from = seen[max].key;
	else
		from->len = 0;
	free(seen);
	return n < 0 ? n : i;
}

uint64_t memory_count(struct memory *m, enum memory_table t)
{
	KV_TXN txn = { 0 };

	return kv_txn_begin(m->kv, KV_READ, &txn, NULL) == 0 ? kv_count(&txn, m->tables[t]) : 0;
}

/* ---- open and close ---- */

static int open_kv(struct memory *m, const char *dir, struct err *err)
{
	const struct kv_options o = { .map_bytes = MAP_BYTES, .flags = KV_CREATE };
	int r = kv_open(dir, &o, &m->kv, err);

	for (size_t i = 0; r == 0 && i < MEMORY_TABLES; i++)
		r = kv_table_open(m->kv, table_names[i], KV_TABLE_CREATE, &m->tables[i], err);
	if (r < 0)
		m->kv = kv_close(m->kv);
	return r;
}

static int move_aside(const char *dir, struct err *err)
{
	char aside[4200];

	(void) snprintf(aside, sizeof(aside), "%s.damaged-%lld", dir, (long long) clock_wall_ms());
	return rename(dir, aside) < 0 ? err_errno(err, errno, "%s", dir) : 0;
}

int memory_open(const char *dir, struct memory **ret_memory, bool *ret_renewed, struct err *err)
{
	struct memory *m = calloc(1, sizeof(*m));
	bool renewed = false;
	int r;

	if (m)
		m->dirty = calloc(1, sizeof(*m->dirty));
	if (!m || !m->dirty) {
		free(m);
		return err_set(err, POD_E_NOMEM, "the filter's memory");
	}
	random_bytes(&m->seed, sizeof(m->seed));
	r = open_kv(m, dir, err);
	if (r == -POD_E_CORRUPT && (r = move_aside(dir, err)) == 0) {
		renewed = true;
		r = open_kv(m, dir, err);
	}
	if (r < 0) {
		(void) cache_free(m->dirty);
		free(m);
		return r;
	}
	(void) pthread_mutex_init(&m->lock, NULL);
	if (ret_renewed)
		*ret_renewed = renewed;
	*ret_memory = m;
	return 0;
}

struct memory *memory_close(struct memory *m)
{
	if (!m)
		return NULL;
	(void) memory_flush(m, NULL);
	(void) cache_free(m->dirty);
	m->kv = kv_close(m->kv);
	(void) pthread_mutex_destroy(&m->lock);
	free(m);
	return NULL;
}
