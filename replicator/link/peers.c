/* Peers: which there are, and what operators and the directory say of them. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "replicator/link/link_internal.h"

#define WAIT_MS 5000u

/* Under the lock. NULL: no such peer. */
static struct peer *find(struct replication *r, const char *name)
{
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (r->peers[i].used && strcmp(r->peers[i].config.name, name) == 0)
			return &r->peers[i];
	return NULL;
}

static struct peer *free_place(struct replication *r)
{
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (!r->peers[i].used && !r->peers[i].has_thread)
			return &r->peers[i];
	return NULL;
}

static int unknown(const char *name, struct err *err)
{
	return err_set(err, POD_E_NOTFOUND, "there is no peer \"%s\"", name);
}

/* Names become certificate names and, in the disk's metadata, keys. */
static bool name_ok(const char *name)
{
	return *name && strlen(name) < PEER_NAME_SIZE &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")] ==
	               '\0' &&
	       strlen(REPLICATION_IDENTITY_PREFIX) + strlen(name) < REPLICATION_IDENTITY_SIZE;
}

static int check_config(const struct replication *r, const struct peer_config *c, struct net_addr *ret_addr,
                        struct err *err)
{
	if (!name_ok(c->name) || strcmp(c->name, r->site) == 0)
		return err_set(err, POD_E_SYNTAX,
		               "\"%.60s\" is not a name for a peer: letters, digits, \"-\" and \".\", "
		               "and not our own",
		               c->name);
	if (!r->client)
		return err_set(err, POD_E_CONFIG, "a peer needs TLS: no certificate, key and CA were given");
	if (*c->address && net_addr_parse(span_of(c->address), ret_addr, err) < 0)
		return err_set(err, POD_E_CONFIG, "peer %s: address \"%s\" is not HOST:PORT", c->name,
		               c->address);
	return 0;
}

static int start_thread(struct peer *p, struct err *err)
{
	int e, ret;

	if (p->has_thread)
		return 0;
	ret = wire_create(&p->wire, err);
	if (ret < 0)
		return ret;
	p->stop = false;
	e = pthread_create(&p->thread, NULL, peer_main, p);
	if (e) {
		p->wire = wire_free(p->wire);
		return err_errno(err, e, "thread of peer %s", p->config.name);
	}
	p->has_thread = true;
	return 0;
}

/* What differs needs a new connection. */
static bool moved(const struct peer_config *a, const struct peer_config *b)
{
	return strcmp(a->address, b->address) != 0 || strcmp(a->identity, b->identity) != 0 ||
	       a->compress != b->compress;
}

/* Its thread reads the name without the lock: that is written once, before there is a thread. */
static void configure(struct peer *p, const struct peer_config *c, bool is_new)
{
	if (is_new)
		memcpy(p->config.name, c->name, sizeof(p->config.name));
	memcpy(p->config.address, c->address, sizeof(p->config.address));
	memcpy(p->config.identity, c->identity, sizeof(p->config.identity));
	p->config.mode = c->mode;
	p->config.wait_ms = c->wait_ms;
	p->config.in_sync = c->in_sync;
	p->config.compress = c->compress;
}

/* Under the lock. */
static int set(struct replication *r, const struct peer_config *c, const struct net_addr *addr,
               struct err *err)
{
	struct peer *p = find(r, c->name);
	bool is_new = p == NULL;
	struct repl_event e = {
		.type = REPL_PEER_SET,
		.now_ms = clock_mono_ms(),
		.config = { .mode = c->mode, .wait_ms = c->wait_ms, .in_sync = c->in_sync },
	};
	int ret = 0;

	if (!p)
		p = free_place(r);
	if (!p)
		return err_set(err, POD_E_LIMIT, "a volume has at most %d peers", PEERS_MAX);
	e.peer = p->place;
	if (!is_new && r->role == ROLE_PRIMARY)
		e.config.in_sync = r->core.peers[p->place].config.in_sync;
	p->reconnect = p->reconnect || (!is_new && moved(&p->config, c));
	configure(p, c, is_new);
	p->addr = *addr;
	p->has_addr = *c->address != '\0';
	if (p->has_addr)
		ret = start_thread(p, err);
	if (ret < 0)
		return ret;
	p->used = true;
	step(r, &e);
	if (p->reconnect)
		peer_interrupt(p);
	else
		peer_wake(p);
	return 0;
}

int replication_peer_set(struct replication *r, const struct peer_config *c, struct err *err)
{
	struct peer_config config = *c;
	struct net_addr addr = { 0 };
	int ret = check_config(r, c, &addr, err);

	if (ret < 0)
		return ret;
	if (!*config.identity)
		(void) snprintf(config.identity, sizeof(config.identity), "%s%.47s",
		                REPLICATION_IDENTITY_PREFIX, c->name);
	if (!config.wait_ms)
		config.wait_ms = WAIT_MS;
	(void) pthread_mutex_lock(&r->lock);
	ret = set(r, &config, &addr, err);
	(void) pthread_mutex_unlock(&r->lock);
	return ret;
}

int replication_peer_remove(struct replication *r, const char *name, struct err *err)
{
	struct peer *p;
	bool has_thread;

	(void) pthread_mutex_lock(&r->lock);
	p = find(r, name);
	if (!p || (r->core.primary && repl_waits_for(&r->core, p->place))) {
		(void) pthread_mutex_unlock(&r->lock);
		return p ? err_set(err, POD_E_BUSY, "peer %s counts as in sync: make it async first", name)
		         : unknown(name, err);
	}
	p->used = false;
	p->stop = true;
	has_thread = p->has_thread;
	step(r,
	     &(struct repl_event){ .type = REPL_PEER_REMOVE, .peer = p->place, .now_ms = clock_mono_ms() });
	peer_interrupt(p);
	(void) pthread_mutex_unlock(&r->lock);
	if (has_thread) {
		(void) pthread_join(p->thread, NULL);
		(void) pthread_mutex_lock(&r->lock);
		p->wire = wire_free(p->wire);
		p->has_thread = false;
		(void) pthread_mutex_unlock(&r->lock);
	}
	return disk_peer_forget(r->disk, name, err);
}

void peers_leave(struct replication *r)
{
	(void) pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < PEERS_MAX; i++)
		while (r->peers[i].in_session && r->role == ROLE_SECONDARY && !r->stopping)
			(void) pthread_cond_wait(&r->changed, &r->lock);
	(void) pthread_mutex_unlock(&r->lock);
}

/* ---- orders ---- */

static int answer(struct replication *r, const char *name, uint64_t serial, enum repl_event_type type,
                  struct err *err)
{
	struct peer *p;
	int ret = 0;

	(void) pthread_mutex_lock(&r->lock);
	p = find(r, name);
	if (!p)
		ret = unknown(name, err);
	else if (serial != r->core.peers[p->place].serial)
		ret = err_set(err, POD_E_STALE, "peer %s: nothing was asked under number %llu", name,
		              (unsigned long long) serial);
	else
		step(r,
		     &(struct repl_event){
			     .type = type, .peer = p->place, .now_ms = clock_mono_ms(), .serial = serial });
	(void) pthread_mutex_unlock(&r->lock);
	return ret;
}

int replication_struck(struct replication *r, const char *peer, uint64_t serial, struct err *err)
{
	return answer(r, peer, serial, REPL_STRUCK, err);
}

int replication_joined(struct replication *r, const char *peer, uint64_t serial, struct err *err)
{
	return answer(r, peer, serial, REPL_JOINED, err);
}

static int pause_or_resume(struct replication *r, const char *name, bool paused, struct err *err)
{
	struct peer *p;

	(void) pthread_mutex_lock(&r->lock);
	p = find(r, name);
	if (p) {
		p->paused = paused;
		p->tell_state = true;
		peer_interrupt(p);
		bell_ring(&r->keeper_wake);
	}
	(void) pthread_mutex_unlock(&r->lock);
	return p ? 0 : unknown(name, err);
}

int replication_pause(struct replication *r, const char *peer, struct err *err)
{
	return pause_or_resume(r, peer, true, err);
}

int replication_resume(struct replication *r, const char *peer, struct err *err)
{
	return pause_or_resume(r, peer, false, err);
}

int replication_dial(struct replication *r, const char *peer, struct err *err)
{
	struct peer *p;

	(void) pthread_mutex_lock(&r->lock);
	p = find(r, peer);
	if (p && !p->connected) {
		p->redial = true;
		peer_wake(p);
	}
	(void) pthread_mutex_unlock(&r->lock);
	return p ? 0 : unknown(peer, err);
}

int replication_resync(struct replication *r, const char *name, struct err *err)
{
	struct peer *p;
	int ret = 0;

	(void) pthread_mutex_lock(&r->lock);
	p = find(r, name);
	if (!p)
		ret = unknown(name, err);
	else if (r->role != ROLE_PRIMARY)
		ret = err_set(err, POD_E_STALE, "only the primary resynchronises a peer");
	else {
		p->resync_all = p->redial = true;
		peer_wake(p);
	}
	(void) pthread_mutex_unlock(&r->lock);
	return ret;
}

int replication_verify(struct replication *r, const char *name, unsigned int flags, struct err *err)
{
	struct peer *p;
	int ret = 0;

	(void) pthread_mutex_lock(&r->lock);
	p = find(r, name);
	if (!p)
		ret = unknown(name, err);
	else if (r->role != ROLE_PRIMARY || r->core.peers[p->place].state != PEER_FOLLOWING)
		ret = err_set(err, POD_E_BUSY, "peer %s is not following: nothing to compare with", name);
	else if (p->verify || p->verifying)
		ret = err_set(err, POD_E_BUSY, "peer %s is being compared already", name);
	else {
		p->verify = true;
		p->verify_repair = flags & REPLICATION_VERIFY_REPAIR;
		peer_wake(p);
	}
	(void) pthread_mutex_unlock(&r->lock);
	return ret;
}
