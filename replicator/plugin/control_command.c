#include "replicator/plugin/control_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/item.h"

#define DEMOTE_WAIT_MS 10000
#define READERS_END_MS 3000

static void set_u64(json_t *object, const char *key, uint64_t v)
{
	(void) json_object_set_new(object, key, json_integer((json_int_t) v));
}

/* ---- roles ---- */

static int run_promote(struct control_call *c, struct err *err)
{
	int r = replication_promote(c->replica->link, c->request.token, c->request.force, err);

	if (r == 0)
		log_event(NULL, LOGL_NOTICE, "replicator.promoted", F_UINT("token", c->request.token),
		          F_STR("forced", c->request.force ? "yes" : "no"));
	return r;
}

static int run_demote(struct control_call *c, struct err *err)
{
	uint64_t wait_ms = c->request.wait_ms ? c->request.wait_ms : DEMOTE_WAIT_MS;
	int r;

	if (wait_ms > UINT32_MAX)
		return err_set(err, POD_E_LIMIT, "wait_ms: at most %u", UINT32_MAX);
	r = replication_demote(c->replica->link, c->request.token, (uint32_t) wait_ms, err);
	if (r == 0) {
		replica_end_term(c->replica);
		log_event(NULL, LOGL_NOTICE, "replicator.demoted", F_UINT("token", c->request.token));
	}
	return r;
}

static int run_lease(struct control_call *c, struct err *err)
{
	replication_lease(c->replica->link, c->request.for_ms ? clock_mono_ms() + c->request.for_ms : 0);
	return 0;
}

/* ---- peers ---- */

static int copy(char *at, size_t size, const char *text, const char *what, struct err *err)
{
	if (text && strlen(text) >= size)
		return err_set(err, POD_E_LIMIT, "%s: at most %zu bytes", what, size - 1);
	(void) snprintf(at, size, "%s", text ? text : "");
	return 0;
}

int control_peer_config(const struct control_request *q, struct peer_config *ret, struct err *err)
{
	struct peer_config p = { .in_sync = q->in_sync };
	int r = copy(p.name, sizeof(p.name), q->name, "name", err);

	if (r == 0)
		r = conf_check_name(span_of(p.name), err);
	if (r == 0)
		r = copy(p.address, sizeof(p.address), q->address, "address", err);
	if (r == 0)
		r = copy(p.identity, sizeof(p.identity), q->identity, "identity", err);
	if (r == 0)
		r = control_peer_mode_parse(q->mode, &p.mode, err);
	if (r == 0)
		r = control_compress_parse(q->compress, &p.compress, err);
	if (r == 0 && q->wait_ms > UINT32_MAX)
		r = err_set(err, POD_E_LIMIT, "wait_ms: at most %u", UINT32_MAX);
	if (r < 0)
		return r;
	p.wait_ms = (uint32_t) q->wait_ms;
	*ret = p;
	return 0;
}

static int run_peer_set(struct control_call *c, struct err *err)
{
	struct peer_config p;
	int r = control_peer_config(&c->request, &p, err);

	return r == 0 ? replication_peer_set(c->replica->link, &p, err) : r;
}

static int run_peer_remove(struct control_call *c, struct err *err)
{
	return replication_peer_remove(c->replica->link, c->request.name, err);
}

static int run_pause(struct control_call *c, struct err *err)
{
	return replication_pause(c->replica->link, c->request.peer, err);
}

static int run_resume(struct control_call *c, struct err *err)
{
	return replication_resume(c->replica->link, c->request.peer, err);
}

static int run_resync(struct control_call *c, struct err *err)
{
	return replication_resync(c->replica->link, c->request.peer, err);
}

static int run_dial(struct control_call *c, struct err *err)
{
	return replication_dial(c->replica->link, c->request.peer, err);
}

static int run_verify(struct control_call *c, struct err *err)
{
	return replication_verify(c->replica->link, c->request.peer,
	                          c->request.repair ? REPLICATION_VERIFY_REPAIR : 0, err);
}

static int run_struck(struct control_call *c, struct err *err)
{
	return replication_struck(c->replica->link, c->request.peer, c->request.serial, err);
}

static int run_joined(struct control_call *c, struct err *err)
{
	return replication_joined(c->replica->link, c->request.peer, c->request.serial, err);
}

/* ---- snapshots and size: records in the log, so they are changes as writes are ---- */

typedef int change_fn(struct control_call *c, struct err *err);

/* change(), then a flush: when it is answered, what the peers' modes promise of a flush holds for it. */
static int change(struct control_call *c, change_fn *fn, struct err *err)
{
	int r = replication_write_begin(c->replica->link, err), ended;

	if (r < 0)
		return r;
	r = fn(c, err);
	ended = replication_write_end(c->replica->link, r < 0 ? NULL : err);
	if (r == 0)
		r = ended;
	return r == 0 ? replication_flush(c->replica->link, err) : r;
}

static int take_it(struct control_call *c, struct err *err)
{
	uint64_t lsn;

	return disk_snapshot_take(c->replica->disk, c->request.name, &lsn, err);
}

static int run_snapshot_take(struct control_call *c, struct err *err)
{
	struct snapshot_info info;
	int r = change(c, take_it, err);

	if (r == 0)
		r = snapshots_find(disk_snapshots(c->replica->disk), c->request.name, &info, err);
	if (r < 0)
		return r;
	set_u64(c->answer, "lsn", info.lsn);
	set_u64(c->answer, "epoch", info.epoch);
	set_u64(c->answer, "time_ms", (uint64_t) info.time_ms);
	return 0;
}

static int delete_it(struct control_call *c, struct err *err)
{
	return disk_snapshot_delete(c->replica->disk, c->request.name, err);
}

/* An NBD client that just said goodbye, as a mount taken down does, may still be on its way out of here. */
static int run_snapshot_delete(struct control_call *c, struct err *err)
{
	snapshots_wait_unread(disk_snapshots(c->replica->disk), c->request.name, READERS_END_MS);
	return change(c, delete_it, err);
}

static int run_snapshot_hold(struct control_call *c, struct err *err)
{
	return snapshots_hold(disk_snapshots(c->replica->disk), c->request.name, c->request.hold, err);
}

static int checksum_goes_on(void *arg, uint64_t done)
{
	const struct control_call *c = arg;

	return atomic_load(c->stop);
}

static int run_snapshot_checksum(struct control_call *c, struct err *err)
{
	char text[17];
	uint64_t hash;
	int r = snapshots_checksum(disk_snapshots(c->replica->disk), c->request.name, checksum_goes_on, c,
	                           &hash, err);

	if (r < 0)
		return r;
	(void) snprintf(text, sizeof(text), "%016llx", (unsigned long long) hash);
	(void) json_object_set_new(c->answer, "checksum", json_string(text));
	return 0;
}

static int resize_it(struct control_call *c, struct err *err)
{
	return disk_resize(c->replica->disk, c->request.size, err);
}

static int run_resize(struct control_call *c, struct err *err)
{
	int r = change(c, resize_it, err);

	if (r == 0)
		set_u64(c->answer, "size", disk_size(c->replica->disk));
	return r;
}

static int run_watch(struct control_call *c, struct err *err)
{
	c->watch = true;
	return 0;
}

#define F(field) (1u << CF_##field)
/* clang-format off */
const struct control_command control_commands[] = {
	/* name                needs                 may have besides */
	{ "status",             0,                    0, control_status },
	{ "promote",            F(TOKEN),             F(FORCE), run_promote },
	{ "demote",             0,                    F(TOKEN) | F(WAIT_MS), run_demote },
	{ "lease",              F(FOR_MS),            0, run_lease },
	{ "peer_set",           F(NAME) | F(MODE),    F(ADDRESS) | F(IDENTITY) | F(WAIT_MS) | F(IN_SYNC) | F(COMPRESS), run_peer_set },
	{ "peer_remove",        F(NAME),              0, run_peer_remove },
	{ "pause",              F(PEER),              0, run_pause },
	{ "resume",             F(PEER),              0, run_resume },
	{ "dial",               F(PEER),              0, run_dial },
	{ "resync",             F(PEER),              0, run_resync },
	{ "verify",             F(PEER),              F(REPAIR), run_verify },
	{ "struck",             F(PEER) | F(SERIAL),  0, run_struck },
	{ "joined",             F(PEER) | F(SERIAL),  0, run_joined },
	{ "snapshot_take",      F(NAME),              0, run_snapshot_take },
	{ "snapshot_delete",    F(NAME),              0, run_snapshot_delete },
	{ "snapshot_hold",      F(NAME) | F(HOLD),    0, run_snapshot_hold },
	{ "snapshot_list",      0,                    0, control_snapshot_list },
	{ "snapshot_checksum",  F(NAME),              0, run_snapshot_checksum },
	{ "resize",             F(SIZE),              0, run_resize },
	{ "watch",              0,                    0, run_watch },
};
/* clang-format on */
const size_t control_commands_n = ARRAY_SIZE(control_commands);
