#include "podctl/drill/ledger.h"

#include <pthread.h>
#include <stdlib.h>

struct ledger {
	pthread_mutex_t lock;
	struct ledger_entry *rows;
	size_t n, cap, refused;
};

struct ledger *ledger_create(void)
{
	struct ledger *l = calloc(1, sizeof(*l));

	if (l)
		(void) pthread_mutex_init(&l->lock, NULL);
	return l;
}

struct ledger *ledger_free(struct ledger *l)
{
	if (l) {
		(void) pthread_mutex_destroy(&l->lock);
		free(l->rows);
		free(l);
	}
	return NULL;
}

static bool grow(struct ledger *l)
{
	size_t cap = l->cap ? 2 * l->cap : 1024;
	struct ledger_entry *rows = l->n < l->cap ? l->rows : reallocarray(l->rows, cap, sizeof(*rows));

	if (!rows)
		return false;
	if (l->n == l->cap)
		l->cap = cap;
	l->rows = rows;
	return true;
}

size_t ledger_begin(struct ledger *l, unsigned int user, uint64_t now_ms)
{
	size_t n = SIZE_MAX;

	(void) pthread_mutex_lock(&l->lock);
	if (grow(l)) {
		n = l->n++;
		l->rows[n] = (struct ledger_entry){ .user = user, .sent_ms = now_ms };
	}
	(void) pthread_mutex_unlock(&l->lock);
	return n;
}

void ledger_acknowledged(struct ledger *l, size_t n, uint64_t now_ms)
{
	(void) pthread_mutex_lock(&l->lock);
	l->rows[n].acknowledged_ms = now_ms;
	(void) pthread_mutex_unlock(&l->lock);
}

void ledger_refused(struct ledger *l)
{
	(void) pthread_mutex_lock(&l->lock);
	l->refused++;
	(void) pthread_mutex_unlock(&l->lock);
}

void ledger_flagged(struct ledger *l, size_t n)
{
	(void) pthread_mutex_lock(&l->lock);
	if (n < l->n)
		l->rows[n].flagged = true;
	(void) pthread_mutex_unlock(&l->lock);
}

size_t ledger_count(struct ledger *l)
{
	size_t n;

	(void) pthread_mutex_lock(&l->lock);
	n = l->n;
	(void) pthread_mutex_unlock(&l->lock);
	return n;
}

struct ledger_entry ledger_get(struct ledger *l, size_t n)
{
	struct ledger_entry e = { 0 };

	(void) pthread_mutex_lock(&l->lock);
	if (n < l->n)
		e = l->rows[n];
	(void) pthread_mutex_unlock(&l->lock);
	return e;
}

struct ledger_sums ledger_sum(struct ledger *l, uint64_t after_ms)
{
	struct ledger_sums s = { 0 };

	(void) pthread_mutex_lock(&l->lock);
	s.refused = l->refused;
	for (size_t i = 0; i < l->n; i++) {
		const struct ledger_entry *e = &l->rows[i];
		uint64_t took = e->acknowledged_ms - e->sent_ms;

		s.flagged += e->flagged;
		if (!e->acknowledged_ms)
			continue;
		s.acknowledged++;
		if (took > s.longest_ms)
			s.longest_ms = took;
		if (e->sent_ms >= after_ms && (!s.first_after_ms || e->acknowledged_ms < s.first_after_ms))
			s.first_after_ms = e->acknowledged_ms;
	}
	s.unknown = l->n - s.acknowledged -
	            (l->refused < l->n - s.acknowledged ? l->refused : l->n - s.acknowledged);
	(void) pthread_mutex_unlock(&l->lock);
	return s;
}
