#include "mta/podfilter/throttle.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/id.h"

#define BUCKETS 4096

struct client {
	TAILQ_ENTRY(client) by_use; /* the longest idle one first; those with connections are never idle */
	struct client *next;        /* of its bucket */
	struct key key;
	double tokens;
	uint64_t at_ms;
	unsigned int open;
};

TAILQ_HEAD(clients, client);

struct throttle {
	pthread_mutex_t lock;
	struct client *buckets[BUCKETS];
	struct clients by_use;
	size_t n, max;
	uint64_t seed;
};

struct throttle *throttle_create(size_t clients_max)
{
	struct throttle *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	(void) pthread_mutex_init(&t->lock, NULL);
	TAILQ_INIT(&t->by_use);
	t->max = clients_max;
	random_bytes(&t->seed, sizeof(t->seed));
	return t;
}

struct throttle *throttle_free(struct throttle *t)
{
	if (!t)
		return NULL;
	for (struct client *c = TAILQ_FIRST(&t->by_use), *next; c; c = next) {
		next = TAILQ_NEXT(c, by_use);
		free(c);
	}
	(void) pthread_mutex_destroy(&t->lock);
	free(t);
	return NULL;
}

static struct client **place_of(struct throttle *t, const struct key *key)
{
	uint64_t h = t->seed;
	struct client **at;

	for (size_t i = 0; i < key->len; i++)
		h = (h ^ key->b[i]) * 0x100000001b3ull;
	at = &t->buckets[(h ^ h >> 32) % BUCKETS];
	while (*at && !span_eq(key_span(&(*at)->key), key_span(key)))
		at = &(*at)->next;
	return at;
}

static void forget(struct throttle *t, struct client *c)
{
	struct client **at = place_of(t, &c->key);

	*at = c->next;
	TAILQ_REMOVE(&t->by_use, c, by_use);
	t->n--;
	free(c);
}

/* Room for one more: of the longest known that has no connection, among the first few. */
static bool make_room(struct throttle *t)
{
	struct client *c = TAILQ_FIRST(&t->by_use);

	if (t->n < t->max)
		return true;
	for (int i = 0; c && i < 100 && c->open; i++)
		c = TAILQ_NEXT(c, by_use);
	if (!c || c->open)
		return false;
	forget(t, c);
	return true;
}

static struct client *client_of(struct throttle *t, const struct key *key,
                                const struct throttle_limits *limits, uint64_t now_ms)
{
	struct client *c = *place_of(t, key);

	if (c || !make_room(t) || !(c = calloc(1, sizeof(*c))))
		return c;
	c->key = *key;
	c->tokens = limits->per_minute;
	c->at_ms = now_ms;
	*place_of(t, key) = c;
	TAILQ_INSERT_TAIL(&t->by_use, c, by_use);
	t->n++;
	return c;
}

static void refill(struct client *c, const struct throttle_limits *limits, uint64_t now_ms)
{
	if (now_ms < c->at_ms)
		return; /* another thread looked at the clock later and came first */
	c->tokens += limits->per_minute * (double) (now_ms - c->at_ms) / 60000;
	if (c->tokens > limits->per_minute)
		c->tokens = limits->per_minute;
	c->at_ms = now_ms;
}

static enum throttle_answer enter(struct throttle *t, struct client *c, const struct throttle_limits *limits,
                                  uint64_t now_ms)
{
	refill(c, limits, now_ms);
	TAILQ_REMOVE(&t->by_use, c, by_use);
	TAILQ_INSERT_TAIL(&t->by_use, c, by_use);
	if (c->open >= limits->open)
		return THROTTLE_TOO_MANY;
	if (c->tokens < 1)
		return THROTTLE_TOO_FAST;
	c->tokens -= 1;
	c->open++;
	return THROTTLE_PASS;
}

enum throttle_answer throttle_enter(struct throttle *t, const struct key *client,
                                    const struct throttle_limits *limits, uint64_t now_ms)
{
	enum throttle_answer answer;
	struct client *c;

	(void) pthread_mutex_lock(&t->lock);
	c = client_of(t, client, limits, now_ms);
	/* Where the table is full of clients with open connections, one more is no reason to refuse everybody
	 * else. */
	answer = c ? enter(t, c, limits, now_ms) : THROTTLE_PASS;
	(void) pthread_mutex_unlock(&t->lock);
	return answer;
}

void throttle_leave(struct throttle *t, const struct key *client)
{
	struct client *c;

	(void) pthread_mutex_lock(&t->lock);
	c = *place_of(t, client);
	if (c && c->open)
		c->open--;
	(void) pthread_mutex_unlock(&t->lock);
}

size_t throttle_clients(struct throttle *t)
{
	size_t n;

	(void) pthread_mutex_lock(&t->lock);
	n = t->n;
	(void) pthread_mutex_unlock(&t->lock);
	return n;
}
