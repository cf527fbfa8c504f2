/* The keeper's thread: time for the core, and events for who listens to them. */
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "replicator/link/link_internal.h"

static void fill(const struct peer *p, enum replication_event_type type, struct replication_event *e)
{
	const struct repl_peer *core = &p->r->core.peers[p->place];

	*e = (struct replication_event){
		.type = type,
		.serial = p->ask_serial,
		.state = core->state,
		.role = p->r->role,
		.token = p->r->token,
	};
	memcpy(e->peer, p->config.name, sizeof(e->peer));
	if (core->state != PEER_FOLLOWING)
		memcpy(e->text, p->last_error, sizeof(e->text));
}

static bool take(bool *flag)
{
	bool was = *flag;

	*flag = false;
	return was;
}

/* What a peer has to say, the questions first. */
static bool peer_event(struct peer *p, struct replication_event *e)
{
	if (!p->used)
		return false;
	if (take(&p->tell_strike))
		fill(p, REPLICATION_STRIKE, e);
	else if (take(&p->tell_join))
		fill(p, REPLICATION_JOIN, e);
	else if (take(&p->tell_done))
		*e = p->done;
	else if (take(&p->tell_state))
		fill(p, REPLICATION_PEER_STATE, e);
	else
		return false;
	return true;
}

/* The next event; false: none. Under the lock. */
static bool next_event(struct replication *r, struct replication_event *e)
{
	if (take(&r->tell_role)) {
		*e = (struct replication_event){ .type = REPLICATION_ROLE,
			                         .role = r->role,
			                         .token = r->token };
		memcpy(e->text, r->role_text, sizeof(e->text));
		return true;
	}
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (peer_event(&r->peers[i], e))
			return true;
	return false;
}

static void tell(struct replication *r, const struct replication_event *e)
{
	(void) pthread_mutex_unlock(&r->lock);
	if (r->o.on_event)
		r->o.on_event(r->o.arg, e);
	(void) pthread_mutex_lock(&r->lock);
}

static void look_at_disk(struct replication *r)
{
	const char *why = r->told_broken ? NULL : disk_broken(r->disk);
	struct replication_event e = { .type = REPLICATION_BROKEN, .role = r->role, .token = r->token };

	if (!why)
		return;
	r->told_broken = true;
	(void) snprintf(e.text, sizeof(e.text), "%s", why);
	tell(r, &e);
}

static void nap(struct replication *r)
{
	uint64_t now = clock_mono_ms(), until = repl_deadline(&r->core, now);
	struct pollfd fd = { .fd = r->keeper_wake.fd, .events = POLLIN };

	r->keeper_until_ms = until;
	(void) pthread_mutex_unlock(&r->lock);
	(void) poll(&fd, 1, until == UINT64_MAX ? -1 : until - now < INT_MAX ? (int) (until - now) : INT_MAX);
	bell_silence(&r->keeper_wake);
	(void) pthread_mutex_lock(&r->lock);
	r->keeper_until_ms = 0;
}

void *keeper_main(void *arg)
{
	struct replication *r = arg;

	(void) pthread_mutex_lock(&r->lock);
	while (!r->stopping) {
		struct replication_event e;

		step_lsn(r, REPL_TICK, 0, 0);
		look_at_disk(r);
		while (!r->stopping && next_event(r, &e))
			tell(r, &e);
		if (!r->stopping && !r->tell_role)
			nap(r);
	}
	(void) pthread_mutex_unlock(&r->lock);
	return NULL;
}
