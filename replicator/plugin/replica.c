#include "replicator/plugin/replica.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "replicator/plugin/control.h"

#define TELL_EVERY_MS 1000

/* ---- what disk and links tell ---- */

static void on_progress(void *arg)
{
	struct replica *r = arg;

	(void) pthread_mutex_lock(&r->waking);
	if (r->wakes)
		replication_wake(r->link);
	(void) pthread_mutex_unlock(&r->waking);
}

static void set_waking(struct replica *r, bool wakes)
{
	(void) pthread_mutex_lock(&r->waking);
	r->wakes = wakes;
	(void) pthread_mutex_unlock(&r->waking);
}

static void on_snapshot_dropped(void *arg, const char *name)
{
	struct replica *r = arg;
	struct control_event e = { .kind = CONTROL_EVENT_SNAPSHOT_DROPPED };

	log_event(NULL, LOGL_ERROR, "snapshot.dropped", F_STR("volume", r->settings->name),
	          F_STR("snapshot", name), F_STR("reason", "the reserve is full"));
	(void) snprintf(e.snapshot, sizeof(e.snapshot), "%s", name);
	control_publish(r->control, &e);
}

static void on_link_event(void *arg, const struct replication_event *event)
{
	struct replica *r = arg;
	struct control_event e = { .kind = CONTROL_EVENT_LINK, .link = *event };

	if (event->type == REPLICATION_ROLE && event->role == ROLE_SECONDARY)
		replica_end_term(r);
	control_publish(r->control, &e);
}

/* ---- life ---- */

static const char *text_or_null(const char *text)
{
	return text && *text ? text : NULL;
}

static int open_disk(struct replica *r, struct err *err)
{
	const struct settings *s = r->settings;
	const struct disk_options o = {
		.folder = s->folder,
		.stage_path = s->stage,
		.stage_bytes = s->stage_size,
		.snapshot_reserve_bytes = s->snapshot_reserve ? s->snapshot_reserve : UINT64_MAX,
		.on_progress = on_progress,
		.on_snapshot_dropped = on_snapshot_dropped,
		.arg = r,
	};

	return disk_open(&o, &r->disk, err);
}

static int open_link(struct replica *r, struct err *err)
{
	const struct settings *s = r->settings;
	const struct replication_options o = {
		.disk = r->disk,
		.site = s->site,
		.cert_file = text_or_null(s->tls_cert),
		.key_file = text_or_null(s->tls_key),
		.ca_file = text_or_null(s->tls_ca),
		.listen = text_or_null(s->link_listen),
		.resync_bytes_per_s = s->resync_rate,
		.on_event = on_link_event,
		.arg = r,
	};
	int rc = replication_create(&o, &r->link, err);

	if (rc == 0) {
		set_waking(r, true);
		on_progress(r); /* of what happened before it would have been told */
	}
	return rc;
}

static int set_peers(struct replica *r, struct err *err)
{
	for (size_t i = 0; i < r->settings->peers_n; i++) {
		int rc = replication_peer_set(r->link, &r->settings->peers[i], err);

		if (rc < 0)
			return err_wrap(err, rc, "peer %s", r->settings->peers[i].name);
	}
	return 0;
}

int replica_open(const struct settings *s, struct replica **ret_r, struct err *err)
{
	struct replica *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return err_set(err, POD_E_NOMEM, "replica");
	r->settings = s;
	(void) pthread_mutex_init(&r->waking, NULL);
	rc = control_create(r, &r->control, err);
	if (rc == 0)
		rc = open_disk(r, err);
	if (rc == 0)
		rc = open_link(r, err);
	if (rc == 0)
		rc = set_peers(r, err);
	if (rc == 0 && s->token)
		rc = replication_promote(r->link, s->token, false, err);
	if (rc == 0)
		rc = control_start(r->control, s->control, err);
	if (rc < 0) {
		(void) replica_close(r);
		return rc;
	}
	*ret_r = r;
	return 0;
}

struct replica *replica_close(struct replica *r)
{
	if (!r)
		return NULL;
	control_stop(r->control);
	set_waking(r, false);
	if (r->link)
		r->link = replication_free(r->link);
	if (r->disk)
		r->disk = disk_close(r->disk);
	r->control = control_free(r->control);
	(void) pthread_mutex_destroy(&r->waking);
	free(r);
	return NULL;
}

/* ---- for exports ---- */

/* Not the superblock's word: that is what the replica was when it last wrote. */
bool replica_is_primary(struct replica *r)
{
	struct replication_status s;

	replication_status(r->link, &s);
	return s.role == ROLE_PRIMARY;
}

void replica_end_term(struct replica *r)
{
	atomic_fetch_add(&r->term, 1);
}

void replica_tell_failure(struct replica *r, const char *what, uint64_t offset, uint64_t length,
                          const struct err *err)
{
	uint64_t now = clock_mono_ms(), told = atomic_load(&r->told_ms);

	if (now - told < TELL_EVERY_MS || !atomic_compare_exchange_strong(&r->told_ms, &told, now)) {
		atomic_fetch_add(&r->untold, 1);
		return;
	}
	log_event(NULL, LOGL_ERROR, "request.failed", F_STR("request", what), F_UINT("offset", offset),
	          F_UINT("length", length), F_ERR(err), F_UINT("more", atomic_exchange(&r->untold, 0)));
}
