#include "mta/outbound/pool.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/fnv.h"
#include "base/id.h"
#include "mta/outbound/internal.h"

#define IDLE_MAX     500 /* connections; the one that waits longest goes first */
#define SESSIONS_MAX 512 /* a power of two */

/* A session by its key; another key in the same place displaces it, which costs a full handshake. */
struct kept {
	char *key;
	struct tls_resume *session;
};

struct pool {
	struct outbound *o;
	TAILQ_HEAD(idle_list, conn) idle;
	size_t n;
	uint32_t seed;
	struct kept kept[SESSIONS_MAX];
};

struct pool *pool_create(struct outbound *o)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->o = o;
	TAILQ_INIT(&p->idle);
	random_bytes(&p->seed, sizeof(p->seed));
	return p;
}

static void take(struct pool *p, struct conn *c)
{
	TAILQ_REMOVE(&p->idle, c, idle_link);
	(void) event_del(&c->idle_timer);
	p->n--;
}

void pool_clear(struct pool *p)
{
	while (!TAILQ_EMPTY(&p->idle)) {
		struct conn *c = TAILQ_FIRST(&p->idle);

		take(p, c);
		conn_quit(c);
	}
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		free(p->kept[i].key);
		(void) tls_resume_free(p->kept[i].session);
		p->kept[i] = (struct kept){ 0 };
	}
}

struct pool *pool_free(struct pool *p)
{
	if (!p)
		return NULL;
	pool_clear(p);
	free(p);
	return NULL;
}

/* ---- connections ---- */

static void on_ready(void *conn)
{
}

/* The server closed it, or said 421: nobody is hurt. */
static void on_over(void *conn)
{
	struct conn *c = conn;

	take(c->o->pool, c);
	(void) conn_free(c);
}

static const struct conn_ops idle_ops = { on_ready, on_over };

static void on_idle(evutil_socket_t fd, short what, void *conn)
{
	struct conn *c = conn;

	take(c->o->pool, c);
	conn_quit(c);
}

void pool_put(struct pool *p, struct conn *c, const char *destination)
{
	uint64_t ms = p->o->conf->outbound.idle_time_ms;
	struct timeval tv = { (time_t) (ms / 1000), (suseconds_t) (ms % 1000 * 1000) };
	char *kept = strdup(destination);

	if (!kept || ms == 0 || p->o->draining || !conn_has_room(c)) {
		free(kept);
		conn_quit(c);
		return;
	}
	free(c->destination);
	c->destination = kept;
	conn_set_owner(c, &idle_ops, c);
	(void) evtimer_assign(&c->idle_timer, p->o->base, on_idle, c);
	(void) event_add(&c->idle_timer, &tv);
	TAILQ_INSERT_TAIL(&p->idle, c, idle_link);
	if (++p->n > IDLE_MAX)
		on_idle(-1, 0, TAILQ_FIRST(&p->idle));
}

/* The one that was used last: the others may run out of time. */
struct conn *pool_take_destination(struct pool *p, const char *destination)
{
	struct conn *c;

	TAILQ_FOREACH_REVERSE(c, &p->idle, idle_list, idle_link)
	if (strcmp(c->destination, destination) == 0) {
		take(p, c);
		return c;
	}
	return NULL;
}

struct conn *pool_take_key(struct pool *p, const char *key)
{
	struct conn *c;

	TAILQ_FOREACH_REVERSE(c, &p->idle, idle_list, idle_link)
	if (strcmp(c->key, key) == 0) {
		take(p, c);
		return c;
	}
	return NULL;
}

/* ---- sessions ---- */

static struct kept *place_of(struct pool *p, const char *key)
{
	return &p->kept[fnv32(FNV32_START ^ p->seed, span_of(key)) & (SESSIONS_MAX - 1)];
}

struct tls_resume *pool_session(struct pool *p, const char *key)
{
	struct kept *k = place_of(p, key);

	return k->key && strcmp(k->key, key) == 0 ? k->session : NULL;
}

void pool_keep_session(struct pool *p, const char *key, SSL *ssl)
{
	struct kept *k = place_of(p, key);
	struct tls_resume *session = tls_resume_of(ssl);
	char *copy = session ? strdup(key) : NULL;

	if (!copy) {
		(void) tls_resume_free(session);
		return;
	}
	free(k->key);
	(void) tls_resume_free(k->session);
	*k = (struct kept){ copy, session };
}
