#include "storeproto/client.h"

#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "directory/directory.h"

#define LOOK_EVERY_MS 250 /* at the directory for a volume that is in use */
#define LOOK_WHILE_DOWN_MS 250
#define LOOK_ARENA_MAX (64u << 10)

struct pool_entry {
	struct pool_entry *next;
	struct store_pool *pool;
	struct store_client *client;
	char *volume;
	uint64_t looked_ms;
};

struct store_pool {
	struct event_base *base;
	struct directory *dir;
	char *program, *role;
	struct tls_context *tls;
	struct pool_entry *entries; /* a pod has a handful of volumes */
	struct event look_event;
	bool closing;
	void (*state_fn)(void *arg, const char *volume, bool connected);
	void *state_arg;
};

/* Follows a volume that moved. What cannot be looked up stays where it was. */
static void entry_look(struct pool_entry *e)
{
	struct arena *a = arena_create(LOOK_ARENA_MAX);
	struct directory_volume v;

	e->looked_ms = clock_mono_ms();
	if (a && directory_volume_find(e->pool->dir, a, span_of(e->volume), &v, NULL) == 0)
		store_client_move(e->client, v.endpoint, v.token);
	(void) arena_free(a);
}

/* While a client is down: the directory may know a new place of its volume. */
static void on_look(evutil_socket_t fd, short what, void *pool)
{
	struct store_pool *p = pool;
	struct timeval tv = { 0, LOOK_WHILE_DOWN_MS * 1000 };
	bool down = false;

	for (struct pool_entry *e = p->entries; e; e = e->next) {
		if (!store_client_is_connected(e->client)) {
			entry_look(e);
			down = true;
		}
	}
	if (down)
		(void) event_add(&p->look_event, &tv);
}

static void on_state(void *entry, struct store_client *c, bool connected)
{
	struct pool_entry *e = entry;

	if (e->pool->closing)
		return;
	if (!connected)
		event_active(&e->pool->look_event, EV_TIMEOUT, 0);
	if (e->pool->state_fn)
		e->pool->state_fn(e->pool->state_arg, e->volume, connected);
}

void store_pool_on_state(struct store_pool *p, void (*fn)(void *arg, const char *volume, bool connected), void *arg)
{
	p->state_fn = fn;
	p->state_arg = arg;
}

int store_pool_create(struct event_base *base, struct directory *dir, const char *program, const char *role,
                      struct tls_context *tls, struct store_pool **ret_pool, struct err *err)
{
	struct store_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(err, POD_E_NOMEM, "no memory for a store pool");
	p->base = base;
	p->dir = dir;
	p->tls = tls ? tls_ref(tls) : NULL;
	p->program = strdup(program);
	p->role = strdup(role);
	(void) evtimer_assign(&p->look_event, base, on_look, p);
	if (!p->program || !p->role) {
		(void) store_pool_free(p);
		return err_set(err, POD_E_NOMEM, "no memory for a store pool");
	}
	*ret_pool = p;
	return 0;
}

static void entry_free(struct pool_entry *e)
{
	(void) store_client_free(e->client);
	free(e->volume);
	free(e);
}

struct store_pool *store_pool_free(struct store_pool *p)
{
	if (!p)
		return NULL;
	p->closing = true;
	(void) event_del(&p->look_event);
	while (p->entries) {
		struct pool_entry *e = p->entries;

		p->entries = e->next;
		entry_free(e);
	}
	if (p->tls)
		(void) tls_unref(p->tls);
	free(p->program);
	free(p->role);
	free(p);
	return NULL;
}

static int entry_create(struct store_pool *p, const char *volume, struct pool_entry **ret_entry, struct err *err)
{
	struct arena *a = arena_create(LOOK_ARENA_MAX);
	struct pool_entry *e = calloc(1, sizeof(*e));
	struct directory_volume v;
	int r = -POD_E_NOMEM;

	if (a && e && (e->volume = strdup(volume)))
		r = directory_volume_find(p->dir, a, span_of(volume), &v, err);
	else
		(void) err_set(err, POD_E_NOMEM, "no memory for the client of volume %s", volume);
	if (r == 0) {
		e->pool = p;
		e->looked_ms = clock_mono_ms();
		r = store_client_create(
			&(struct store_client_options){
				.base = p->base,
				.program = p->program,
				.role = p->role,
				.volume = volume,
				.endpoint = v.endpoint,
				.token = v.token,
				.tls = p->tls,
				.on_state = on_state,
				.arg = e,
			},
			&e->client, err);
	}
	(void) arena_free(a);
	if (r < 0) {
		if (e)
			entry_free(e);
		return r;
	}
	*ret_entry = e;
	return 0;
}

struct store_client *store_pool_get(struct store_pool *p, const char *volume, struct err *err)
{
	struct pool_entry *e = p->entries;

	while (e && strcmp(e->volume, volume) != 0)
		e = e->next;
	if (!e) {
		if (entry_create(p, volume, &e, err) < 0)
			return NULL;
		e->next = p->entries;
		p->entries = e;
	} else if (clock_mono_ms() - e->looked_ms >= LOOK_EVERY_MS) {
		entry_look(e);
	}
	if (!store_client_is_connected(e->client) && !evtimer_pending(&p->look_event, NULL)) {
		struct timeval tv = { 0, LOOK_WHILE_DOWN_MS * 1000 };

		(void) event_add(&p->look_event, &tv);
	}
	return e->client;
}
