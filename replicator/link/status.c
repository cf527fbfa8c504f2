#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "replicator/core/record.h"
#include "replicator/link/link_internal.h"

static uint64_t eta_ms(const struct peer *p, uint64_t dirty_bytes, uint64_t now_ms)
{
	uint64_t done = atomic_load(&p->compare.compared_bytes),
		 took = now_ms - atomic_load(&p->compare.began_ms);

	return done && took < UINT32_MAX ? dirty_bytes / 1024 * (took + 1) / (done / 1024 + 1) + 1 : 0;
}

/* Under the lock. */
static void peer_status(struct peer *p, const struct disk_cursors *c, struct replication_peer_status *ret)
{
	struct repl *core = &p->r->core;
	const struct repl_peer *k = &core->peers[p->place];
	uint64_t now_ms = clock_mono_ms();

	*ret = (struct replication_peer_status){
		.state = p->paused ? PEER_PAUSED : k->state,
		.mode = p->config.mode,
		.in_sync = k->membership == PEER_IN || k->membership == PEER_STRIKING ||
		           (!core->primary && k->config.in_sync),
		.connected = p->connected,
		.paused = p->paused,
		.compress = p->config.compress,
		.sent_lsn = k->sent,
		.received_lsn = k->received,
		.durable_lsn = k->durable,
		.dirty_bytes = disk_peer_dirty_bytes(p->r->disk, p->config.name),
		.verifying = p->verifying,
		.reconnects = p->reconnects,
		.resyncs = p->resyncs,
		.link_version = p->version,
		.resync_bytes_sent = atomic_load(&p->resync_sent_total),
	};
	memcpy(ret->name, p->config.name, sizeof(ret->name));
	memcpy(ret->address, p->config.address, sizeof(ret->address));
	memcpy(ret->last_error, p->last_error, sizeof(ret->last_error));
	if (core->primary) {
		ret->lag_bytes = c->staged > k->durable ? c->staged - k->durable : 0;
		ret->lag_ms = repl_lag_ms(core, p->place, now_ms);
		ret->lag_epochs = c->staged_epoch > p->durable_epoch ? c->staged_epoch - p->durable_epoch : 0;
	}
	if (k->state == PEER_RESYNC)
		ret->resync_eta_ms = eta_ms(p, ret->dirty_bytes, now_ms);
	if (p->verifying)
		ret->verified_bytes = atomic_load(&p->compare.compared_bytes);
	if (p->wire) {
		ret->bytes_sent = wire_bytes_sent(p->wire);
		ret->bytes_raw = ret->bytes_sent + wire_bytes_saved(p->wire);
		ret->bytes_received = wire_bytes_received(p->wire);
	}
}

static uint64_t promotable_lsn(struct replication *r, const struct replication_status *s)
{
	uint64_t lsn = 0;

	if (s->consistent)
		return s->cursors.durable > RECORD_ALIGN ? s->cursors.durable : 0;
	return resync_snapshot_find(r, &lsn) ? lsn : 0;
}

void replication_status(struct replication *r, struct replication_status *ret)
{
	struct superblock sb;
	const char *broken = disk_broken(r->disk);
	uint64_t lease_ms = atomic_load(&r->lease_ms);

	memset(ret, 0, sizeof(*ret));
	disk_superblock(r->disk, &sb);
	disk_cursors(r->disk, &ret->cursors);
	ret->generation = sb.generations[0].id;
	ret->size_bytes = disk_size(r->disk);
	ret->consistent = !sb.resync_under_way && sb.consistent_from_lsn <= ret->cursors.durable;
	ret->promotable_lsn = promotable_lsn(r, ret);
	ret->lease_over = lease_ms && clock_mono_ms() >= lease_ms;
	(void) snprintf(ret->broken, sizeof(ret->broken), "%s", broken ? broken : "");
	(void) pthread_mutex_lock(&r->lock);
	ret->role = r->role;
	ret->token = r->token > sb.token ? r->token : sb.token;
	if (r->current) {
		memcpy(ret->primary, r->primary, sizeof(ret->primary));
		ret->primary_seen_ms = clock_mono_ms() - wire_heard_ms(r->current->wire);
	}
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (r->peers[i].used)
			peer_status(&r->peers[i], &ret->cursors, &ret->peers[ret->n_peers++]);
	(void) pthread_mutex_unlock(&r->lock);
}
