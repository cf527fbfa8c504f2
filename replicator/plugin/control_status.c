#include "replicator/plugin/control_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const roles[] = { [ROLE_SECONDARY] = "secondary", [ROLE_PRIMARY] = "primary" };
static const char *const modes[] = {
	[PEER_ASYNC] = "async", [PEER_SEMI_SYNC] = "semi-sync", [PEER_SYNC] = "sync"
};
static const char *const compressions[] = {
	[LINK_COMPRESS_NONE] = "none", [LINK_COMPRESS_LZ4] = "lz4", [LINK_COMPRESS_ZSTD] = "zstd"
};
static const char *const states[] = {
	[PEER_DOWN] = "down",       [PEER_FOLLOWING] = "following", [PEER_AHEAD] = "ahead",
	[PEER_RESYNC] = "resync",   [PEER_PAUSED] = "paused",       [PEER_SPLIT_BRAIN] = "split-brain",
	[PEER_REFUSED] = "refused",
};

int control_compress_parse(const char *text, enum link_compress *ret_compress, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++)
		if (strcmp(compressions[i], text ? text : "none") == 0) {
			*ret_compress = (enum link_compress) i;
			return 0;
		}
	return err_set(err, POD_E_SYNTAX, "compress: one of none, lz4, zstd is expected");
}

const char *control_role_name(enum replica_role role)
{
	return roles[role];
}

const char *control_peer_state_name(enum peer_state state)
{
	return states[state];
}

const char *control_peer_mode_name(enum peer_mode mode)
{
	return modes[mode];
}

int control_peer_mode_parse(const char *text, enum peer_mode *ret_mode, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(modes[i], text) == 0) {
			*ret_mode = (enum peer_mode) i;
			return 0;
		}
	return err_set(err, POD_E_SYNTAX, "mode: one of sync, semi-sync, async is expected");
}

/* ---- tables of numbers: a member each ---- */

struct number {
	const char *name;
	size_t offset; /* of a uint64_t */
};

static void set_numbers(json_t *object, const struct number *numbers, size_t n, const void *from)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t v;

		memcpy(&v, (const char *) from + numbers[i].offset, sizeof(v));
		(void) json_object_set_new(object, numbers[i].name, json_integer((json_int_t) v));
	}
}

#define NUMBER(type, member)                           \
	{                                              \
#member, offsetof(struct type, member) \
	}
static const struct number cursor_numbers[] = {
	NUMBER(disk_cursors, staged),       NUMBER(disk_cursors, committed), NUMBER(disk_cursors, durable),
	NUMBER(disk_cursors, applied),      NUMBER(disk_cursors, tail),      NUMBER(disk_cursors, epoch),
	NUMBER(disk_cursors, staged_epoch),
};
static const struct number peer_numbers[] = {
	NUMBER(replication_peer_status, sent_lsn),       NUMBER(replication_peer_status, received_lsn),
	NUMBER(replication_peer_status, durable_lsn),    NUMBER(replication_peer_status, lag_bytes),
	NUMBER(replication_peer_status, lag_ms),         NUMBER(replication_peer_status, lag_epochs),
	NUMBER(replication_peer_status, dirty_bytes),    NUMBER(replication_peer_status, resync_eta_ms),
	NUMBER(replication_peer_status, verified_bytes), NUMBER(replication_peer_status, bytes_sent),
	NUMBER(replication_peer_status, bytes_received), NUMBER(replication_peer_status, resync_bytes_sent),
	NUMBER(replication_peer_status, bytes_raw),      NUMBER(replication_peer_status, reconnects),
	NUMBER(replication_peer_status, resyncs),        NUMBER(replication_peer_status, link_version),
};

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *peer_json(const struct replication_peer_status *p)
{
	json_t *json =
		json_pack("{ss, ss, ss, ss, ss, sb, sb, sb, sb, so}", "name", p->name, "address", p->address,
	                  "mode", modes[p->mode], "compress", compressions[p->compress], "state",
	                  states[p->state], "in_sync", p->in_sync, "connected", p->connected, "paused",
	                  p->paused, "verifying", p->verifying, "last_error", text_or_null(p->last_error));

	set_numbers(json, peer_numbers, ARRAY_SIZE(peer_numbers), p);
	return json;
}

static json_t *cursors_json(const struct disk_cursors *c)
{
	json_t *json = json_object();

	set_numbers(json, cursor_numbers, ARRAY_SIZE(cursor_numbers), c);
	(void) json_object_set_new(json, "durable_time_ms", json_integer(c->durable_time_ms));
	(void) json_object_set_new(json, "stage_was_whole", json_boolean(c->stage_was_whole));
	return json;
}

int control_status(struct control_call *c, struct err *err)
{
	const struct settings *settings = c->replica->settings;
	struct snapshots *snapshots = disk_snapshots(c->replica->disk);
	struct replication_status s;
	json_t *more, *peers = json_array();
	char generation[17];

	replication_status(c->replica->link, &s);
	for (size_t i = 0; i < s.n_peers; i++)
		(void) json_array_append_new(peers, peer_json(&s.peers[i]));
	(void) snprintf(generation, sizeof(generation), "%016llx", (unsigned long long) s.generation);
	more = json_pack("{ss, ss, ss, sI, ss, sI, sb, sI, sb, so, sI, so, so, sI, sI, sI, so}", "name",
	                 settings->name, "site", settings->site, "role", roles[s.role], "token",
	                 (json_int_t) s.token, "generation", generation, "size", (json_int_t) s.size_bytes,
	                 "consistent", s.consistent, "promotable_lsn",
	                 (json_int_t) s.promotable_lsn, "lease_over", s.lease_over, "primary",
	                 text_or_null(s.primary), "primary_seen_ms", (json_int_t) s.primary_seen_ms,
	                 "cursors", cursors_json(&s.cursors), "peers", peers, "snapshots",
	                 (json_int_t) snapshots_list(snapshots, NULL, 0), "snapshots_bytes",
	                 (json_int_t) snapshots_copied_bytes(snapshots), "link_port",
	                 (json_int_t) replication_port(c->replica->link), "broken", text_or_null(s.broken));
	if (!more || json_object_update(c->answer, more) < 0) {
		json_decref(more);
		return err_set(err, POD_E_NOMEM, "status");
	}
	json_decref(more);
	return 0;
}

int control_snapshot_list(struct control_call *c, struct err *err)
{
	struct snapshot_info list[SNAPSHOTS_MAX];
	size_t n = snapshots_list(disk_snapshots(c->replica->disk), list, SNAPSHOTS_MAX);
	json_t *all = json_array();

	for (size_t i = 0; i < n && i < SNAPSHOTS_MAX; i++)
		(void) json_array_append_new(all, json_pack("{ss, sI, sI, sI, sI, sI, sb, sb}", "name",
		                                            list[i].name, "lsn", (json_int_t) list[i].lsn,
		                                            "epoch", (json_int_t) list[i].epoch, "time_ms",
		                                            (json_int_t) list[i].time_ms, "size",
		                                            (json_int_t) list[i].size_bytes, "copied_bytes",
		                                            (json_int_t) list[i].copied_bytes, "held",
		                                            list[i].held, "reflink", list[i].reflink));
	return json_object_set_new(c->answer, "snapshots", all) < 0 ? err_set(err, POD_E_NOMEM, "snapshots")
	                                                            : 0;
}
