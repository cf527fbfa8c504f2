#include "replicator/link/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "replicator/link/link_internal.h"

#define LAG_LIMIT_MS 60000u
#define DEAD_MS      5000u
#define REPEAT_MS    5000u
#define AHEAD_MIN_MS 1000u
#define WAKE_BYTES   (256u * 1024)

void peer_wake(struct peer *p)
{
	bell_ring(&p->wake);
}

void peer_interrupt(struct peer *p)
{
	bell_ring(&p->stop_waiting);
	peer_wake(p);
}

/* ---- the core ---- */

static void take_action(struct replication *r, const struct repl_action *a)
{
	struct peer *p = &r->peers[a->peer];

	switch (a->type) {
	case REPL_RELEASE: flushes_tell(r, false); return;
	case REPL_ASK_STRIKE:
	case REPL_ASK_JOIN:
		p->ask_serial = a->serial;
		p->tell_strike = a->type == REPL_ASK_STRIKE;
		p->tell_join = !p->tell_strike;
		break;
	case REPL_GO_AHEAD:
		p->go_ahead = true;
		peer_wake(p);
		return;
	case REPL_START_RESYNC:
		p->start_resync = true;
		peer_wake(p);
		return;
	case REPL_STATE: p->tell_state = true; break;
	}
	bell_ring(&r->keeper_wake);
}

/* What is read without the lock: who is waited for, and what all of those have; and what those lack that are
 * sent the log all the same. */
static void note_waited_for(struct replication *r)
{
	uint64_t least = UINT64_MAX;

	pace_note_lagging(r);

	for (size_t i = 0; i < PEERS_MAX; i++) {
		bool waited_for = r->core.primary && repl_waits_for(&r->core, i);

		atomic_store(&r->peers[i].waited_for, waited_for);
		if (waited_for && r->core.peers[i].durable < least)
			least = r->core.peers[i].durable;
	}
	atomic_store(&r->waited_floor, least);
}

void flushes_tell(struct replication *r, bool ended)
{
	(void) pthread_mutex_lock(&r->flush_lock);
	r->flushes.acknowledged = r->core.acknowledged;
	r->flushes.term = atomic_load(&r->term);
	r->flushes.ended = r->flushes.ended || ended;
	(void) pthread_mutex_unlock(&r->flush_lock);
	/* Not under it: who wakes at once would find it taken, and sleep again. */
	(void) pthread_cond_broadcast(&r->flush_over);
}

void step(struct replication *r, const struct repl_event *e)
{
	struct repl_actions out;

	r->stepped_ms = e->now_ms;
	repl_step(&r->core, e, &out);
	for (size_t i = 0; i < out.n; i++)
		take_action(r, &out.a[i]);
	note_waited_for(r);
	if (r->handing_over || r->pacing)
		(void) pthread_cond_broadcast(&r->released);
	if (repl_deadline(&r->core, e->now_ms) < r->keeper_until_ms)
		bell_ring(&r->keeper_wake);
}

void step_at(struct replication *r, uint64_t now_ms, enum repl_event_type type, size_t peer, uint64_t lsn)
{
	struct repl_event e = { .type = type, .peer = peer, .now_ms = now_ms, .lsn = lsn };

	/* The core's time never goes back, whoever looked at the clock first. */
	if (e.now_ms < r->stepped_ms)
		e.now_ms = r->stepped_ms;
	step(r, &e);
}

void step_lsn(struct replication *r, enum repl_event_type type, size_t peer, uint64_t lsn)
{
	step_at(r, clock_mono_ms(), type, peer, lsn);
}

void note_local_durable(struct replication *r, uint64_t lsn)
{
	if (lsn <= atomic_load(&r->durable_lsn))
		return;
	(void) pthread_mutex_lock(&r->lock);
	if (r->core.primary && lsn > atomic_load(&r->durable_lsn)) {
		/* A flush that asked for it has told the core the time; what time alone brings is the
		 * keeper's. */
		uint64_t now = lsn <= atomic_load(&r->asked_lsn) ? r->stepped_ms : clock_mono_ms();

		atomic_store(&r->durable_lsn, lsn);
		step_at(r, now, REPL_LOCAL_DURABLE, 0, lsn);
	}
	(void) pthread_mutex_unlock(&r->lock);
}

void peer_trouble(struct peer *p, enum peer_state state, const struct err *err)
{
	struct replication *r = p->r;
	struct repl_event e = {
		.type = REPL_PEER_DOWN,
		.peer = p->place,
		.now_ms = clock_mono_ms(),
		.state = state,
	};

	(void) pthread_mutex_lock(&r->lock);
	p->connected = false;
	if (err && strcmp(p->last_error, err_text(err)) != 0) {
		(void) snprintf(p->last_error, sizeof(p->last_error), "%s", err_text(err));
		p->tell_state = true;
	}
	step(r, &e);
	(void) pthread_mutex_unlock(&r->lock);
}

static void note_broken(struct replication *r)
{
	(void) pthread_mutex_lock(&r->lock);
	flushes_tell(r, true);
	(void) pthread_mutex_unlock(&r->lock);
	bell_ring(&r->keeper_wake);
}

void replication_wake(struct replication *r)
{
	struct disk_cursors c;
	bool written;

	disk_cursors(r->disk, &c);
	written = c.durable > atomic_load(&r->durable_lsn);
	if (c.broken)
		note_broken(r);
	note_local_durable(r, c.durable);
	if (c.tail >= atomic_load(&r->room_at)) {
		atomic_store(&r->room_at, UINT64_MAX);
		atomic_store(&r->lagging_at, UINT64_MAX);
		bell_ring(&r->room);
	}
	if (!atomic_load(&r->open))
		return;
	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &r->peers[i];
		uint64_t shipped = atomic_load(&p->shipped);

		/* Who flushes sends to those he waits for himself: one thread less on the way. But not what
		 * was committed for others while he wrote the log. */
		if (shipped < c.staged && (!atomic_load(&p->waited_for) || c.staged - shipped >= WAKE_BYTES ||
		                           (written && shipped < c.committed)))
			peer_wake(p);
	}
}

/* ---- life ---- */

static int make_tls(struct replication *r, struct err *err)
{
	const struct replication_options *o = &r->o;
	struct tls_server_options server = {
		.cert_file = o->cert_file,
		.key_file = o->key_file,
		.client_ca_file = o->ca_file,
		.tls13_only = true,
	};
	struct tls_client_options client = {
		.ca_file = o->ca_file,
		.cert_file = o->cert_file,
		.key_file = o->key_file,
		.tls13_only = true,
	};
	int ret;

	if (!o->cert_file && !o->key_file && !o->ca_file)
		return o->listen ? err_set(err, POD_E_CONFIG, "listening for replicas needs TLS files") : 0;
	if (!o->cert_file || !o->key_file || !o->ca_file)
		return err_set(err, POD_E_CONFIG,
		               "TLS between replicas needs a certificate, its key and the CA");
	ret = tls_server_create(&server, &r->server, err);
	return ret < 0 ? ret : tls_client_create(&client, &r->client, err);
}

static void defaults(struct replication *r)
{
	struct superblock sb;
	struct replication_options *o = &r->o;

	disk_superblock(r->disk, &sb);
	r->token = sb.token;
	r->log_bytes = sb.log_bytes;
	/* What is no longer in the stage has to be read from the disk for the peer, in the way of what is
	 * written there; and long writes go to the image alone only while each peer is near (disk/place.c).
	 */
	r->ahead_bytes_max = disk_stage_bytes(r->disk) / 8 * 3;
	if (r->ahead_bytes_max > sb.log_bytes / 2)
		r->ahead_bytes_max = sb.log_bytes / 2;
	if (!o->lag_limit_bytes)
		o->lag_limit_bytes = sb.log_bytes / 2;
	if (!o->lag_limit_ms)
		o->lag_limit_ms = LAG_LIMIT_MS;
	if (!o->dead_ms)
		o->dead_ms = DEAD_MS;
	repl_init(&r->core, &(struct repl_limits){ .lag_bytes = o->lag_limit_bytes,
	                                           .lag_ms = o->lag_limit_ms,
	                                           .ahead_min_ms = AHEAD_MIN_MS,
	                                           .repeat_ms = REPEAT_MS });
}

#define BELLS (3 + 2 * PEERS_MAX)
static size_t all_bells(struct replication *r, struct bell *ret[BELLS])
{
	size_t n = 0;

	ret[n++] = &r->stop;
	ret[n++] = &r->keeper_wake;
	ret[n++] = &r->room;
	for (size_t i = 0; i < PEERS_MAX; i++) {
		ret[n++] = &r->peers[i].wake;
		ret[n++] = &r->peers[i].stop_waiting;
	}
	return n;
}

static void init_locks(struct replication *r)
{
	pthread_condattr_t mono;

	(void) pthread_condattr_init(&mono);
	(void) pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	(void) pthread_mutex_init(&r->lock, NULL);
	(void) pthread_cond_init(&r->changed, &mono);
	(void) pthread_cond_init(&r->released, &mono);
	(void) pthread_mutex_init(&r->flush_lock, NULL);
	(void) pthread_cond_init(&r->flush_over, &mono);
	(void) pthread_condattr_destroy(&mono);
}

static int init_bells(struct replication *r, struct err *err)
{
	struct bell *bells[BELLS];
	size_t n = all_bells(r, bells);
	int ret = 0;

	for (size_t i = 0; i < n; i++)
		bells[i]->fd = -1;
	for (size_t i = 0; ret == 0 && i < n; i++)
		ret = bell_init(bells[i], err);
	return ret;
}

static void done_bells(struct replication *r)
{
	struct bell *bells[BELLS];
	size_t n = all_bells(r, bells);

	for (size_t i = 0; i < n; i++)
		bell_done(bells[i]);
}

static int start_threads(struct replication *r, struct err *err)
{
	int e = pthread_create(&r->keeper, NULL, keeper_main, r);

	r->has_keeper = e == 0;
	if (e == 0 && r->listen_fd >= 0) {
		e = pthread_create(&r->acceptor, NULL, acceptor_main, r);
		r->has_acceptor = e == 0;
	}
	return e ? err_errno(err, e, "threads of replication") : 0;
}

int replication_create(const struct replication_options *o, struct replication **ret_r, struct err *err)
{
	struct replication *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return err_set(err, POD_E_NOMEM, "replication");
	r->o = *o;
	r->disk = o->disk;
	r->listen_fd = -1;
	atomic_store(&r->waited_floor, UINT64_MAX);
	atomic_store(&r->room_at, UINT64_MAX);
	for (size_t i = 0; i < PEERS_MAX; i++) {
		r->peers[i].r = r;
		r->peers[i].place = i;
		atomic_store(&r->peers[i].shipped, UINT64_MAX);
		(void) pthread_mutex_init(&r->peers[i].reading, NULL);
	}
	(void) snprintf(r->site, sizeof(r->site), "%s", o->site);
	init_locks(r);
	defaults(r);
	ret = init_bells(r, err);
	if (ret == 0)
		ret = make_tls(r, err);
	if (ret == 0 && o->listen)
		ret = listen_open(r, err);
	if (ret == 0)
		ret = start_threads(r, err);
	if (ret < 0)
		(void) replication_free(r);
	else
		*ret_r = r;
	return ret;
}

static void stop_peer(struct peer *p)
{
	struct replication *r = p->r;

	(void) pthread_mutex_lock(&r->lock);
	p->stop = true;
	(void) pthread_mutex_unlock(&r->lock);
	if (!p->has_thread)
		return;
	peer_interrupt(p);
	(void) pthread_join(p->thread, NULL);
	p->has_thread = false;
	p->wire = wire_free(p->wire);
}

struct replication *replication_free(struct replication *r)
{
	if (!r)
		return NULL;
	(void) pthread_mutex_lock(&r->lock);
	r->stopping = true;
	atomic_store(&r->open, false);
	(void) pthread_cond_broadcast(&r->changed);
	(void) pthread_cond_broadcast(&r->released);
	flushes_tell(r, true);
	bell_ring(&r->keeper_wake);
	sessions_end(r, NULL);
	(void) pthread_mutex_unlock(&r->lock);
	bell_ring(&r->stop);
	for (size_t i = 0; i < PEERS_MAX; i++)
		stop_peer(&r->peers[i]);
	if (r->has_acceptor)
		(void) pthread_join(r->acceptor, NULL);
	if (r->has_keeper)
		(void) pthread_join(r->keeper, NULL);
	listen_close(r);
	done_bells(r);
	(void) tls_unref(r->server);
	(void) tls_unref(r->client);
	(void) pthread_cond_destroy(&r->changed);
	(void) pthread_cond_destroy(&r->released);
	(void) pthread_cond_destroy(&r->flush_over);
	for (size_t i = 0; i < PEERS_MAX; i++)
		(void) pthread_mutex_destroy(&r->peers[i].reading);
	(void) pthread_mutex_destroy(&r->flush_lock);
	(void) pthread_mutex_destroy(&r->lock);
	free(r);
	return NULL;
}

uint16_t replication_port(const struct replication *r)
{
	return r->port;
}
