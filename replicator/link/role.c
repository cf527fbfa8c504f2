/* Roles: how a replica becomes primary, and how it stops being one. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/id.h"
#include "replicator/link/link_internal.h"

/* ---- becoming one ---- */

struct promotion {
	uint64_t token, generation, end;
	bool keep; /* the generation goes on */
	bool restored;
};

static void write_promotion(struct superblock *s, void *arg)
{
	const struct promotion *p = arg;

	s->role = ROLE_PRIMARY;
	s->token = s->own_token = p->token;
	if (!p->keep)
		generation_begin(s->generations, p->generation, p->end);
	if (p->restored) {
		s->resync_under_way = false;
		s->consistent_from_lsn = 0;
	}
}

static void write_token(struct superblock *s, void *arg)
{
	const struct promotion *p = arg;

	s->token = s->own_token = p->token;
}

static uint64_t new_generation(void)
{
	uint64_t id = 0;

	while (id == 0) {
		random_bytes(&id, sizeof(id));
		id &= ~GENERATION_RECOVERED;
	}
	return id;
}

static int check_token(const struct replication *r, const struct superblock *sb, uint64_t token,
                       struct err *err)
{
	bool own = token == sb->own_token && token == sb->token;

	if (token == 0 || token < sb->token || (token == sb->token && !own))
		return err_set(err, POD_E_STALE,
		               "token %" PRIu64 " cannot make %s primary: it has seen token %" PRIu64, token,
		               r->site, sb->token);
	return 0;
}

/* Every peer that is configured has a place in the log, or marks, from now on. */
static int keep_log_for_peers(struct replication *r, struct err *err)
{
	char names[PEERS_MAX][PEER_NAME_SIZE];
	size_t n = 0;
	int ret = 0;

	(void) pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (r->peers[i].used)
			memcpy(names[n++], r->peers[i].config.name, PEER_NAME_SIZE);
	(void) pthread_mutex_unlock(&r->lock);
	for (size_t i = 0; ret == 0 && i < n; i++)
		ret = keep_log_for(r, names[i], err);
	return ret;
}

int keep_log_for(struct replication *r, const char *peer, struct err *err)
{
	struct peer_record rec;
	int ret = disk_peer_get(r->disk, peer, &rec, NULL) == 0 ? 0 : -POD_E_STALE;

	while (ret == -POD_E_STALE) {
		struct superblock sb;

		/* The oldest commit that is sure to be in the log; it may be let go of at this moment. */
		disk_superblock(r->disk, &sb);
		ret = disk_peer_set(r->disk, peer, sb.tail_lsn, err);
	}
	return ret;
}

/* A state that the primary was in: everything received whole is durable, the rest is dropped. */
static int settle_log(struct replication *r, const struct superblock *sb, struct promotion *p,
                      struct err *err)
{
	struct disk_cursors c;
	int ret = 0;

	disk_cursors(r->disk, &c);
	if (sb->role == ROLE_SECONDARY) {
		ret = disk_wait_durable(r->disk, c.committed, err);
		if (ret == 0)
			ret = disk_log_cut(r->disk, err);
	}
	disk_cursors(r->disk, &c);
	p->end = c.staged;
	/* The same primary again, and its stage was there: nothing that a peer may have is missing here. */
	p->keep = sb->role == ROLE_PRIMARY && sb->own_token == p->token && c.stage_was_whole &&
	          sb->generations[0].id != 0;
	return ret;
}

static int make_consistent(struct replication *r, const struct superblock *sb, bool force,
                           struct promotion *p, struct err *err)
{
	struct disk_cursors c;

	disk_cursors(r->disk, &c);
	if (!sb->resync_under_way && sb->consistent_from_lsn <= c.durable) {
		p->restored = sb->consistent_from_lsn != 0; /* passed: it only has not been noted yet */
		return settle_log(r, sb, p, err);
	}
	if (!force)
		return err_set(
			err, POD_E_UNAVAILABLE,
			"a resync into %s has not ended; with force it goes back to what it was before",
			r->site);
	p->restored = true;
	return restore_before_resync(r, &p->end, err);
}

static int become_primary(struct replication *r, const struct superblock *sb, uint64_t token, bool force,
                          struct err *err)
{
	struct promotion p = { .token = token, .generation = new_generation() };
	uint64_t lsn = 0;
	int ret = make_consistent(r, sb, force, &p, err);

	if (ret == 0)
		ret = disk_superblock_change(r->disk, write_promotion, &p, err);
	if (ret == 0)
		ret = keep_log_for_peers(r, err);
	if (ret == 0)
		ret = disk_commit(r->disk, &lsn, err);
	if (ret == 0)
		ret = disk_wait_durable(r->disk, lsn, err);
	if (ret == 0 && p.restored)
		resync_snapshot_drop(r);
	(void) pthread_mutex_lock(&r->lock);
	if (ret == 0) {
		r->role = ROLE_PRIMARY;
		r->token = token;
		atomic_fetch_add(&r->term, 1);
		r->role_text[0] = '\0';
		r->tell_role = true;
		atomic_store(&r->lease_ms, 0);
		step_lsn(r, REPL_PRIMARY, 0, lsn);
		atomic_store(&r->asked_lsn, lsn);
		atomic_store(&r->durable_lsn, lsn);
		flushes_tell(r, false);
		atomic_store(&r->fenced, false);
		atomic_store(&r->open, true);
		for (size_t i = 0; i < PEERS_MAX; i++)
			peer_wake(&r->peers[i]);
		bell_ring(&r->keeper_wake);
	}
	(void) pthread_mutex_unlock(&r->lock);
	return ret;
}

/* One change of role at a time. Under the lock. */
static int change_begin(struct replication *r, struct err *err)
{
	while (r->changing_role && !r->stopping)
		(void) pthread_cond_wait(&r->changed, &r->lock);
	if (r->stopping)
		return err_set(err, POD_E_CANCELLED, "replication ends");
	r->changing_role = true;
	return 0;
}

static void change_end(struct replication *r)
{
	(void) pthread_mutex_lock(&r->lock);
	r->changing_role = false;
	(void) pthread_cond_broadcast(&r->changed);
	(void) pthread_mutex_unlock(&r->lock);
}

static int raise_token(struct replication *r, uint64_t token, struct err *err)
{
	struct promotion p = { .token = token };
	int ret = disk_superblock_change(r->disk, write_token, &p, err);

	if (ret < 0)
		return ret;
	(void) pthread_mutex_lock(&r->lock);
	r->token = token;
	(void) pthread_mutex_unlock(&r->lock);
	return 0;
}

int replication_promote(struct replication *r, uint64_t token, bool force, struct err *err)
{
	struct superblock sb;
	bool already;
	int ret;

	(void) pthread_mutex_lock(&r->lock);
	ret = change_begin(r, err);
	already = r->role == ROLE_PRIMARY;
	if (ret == 0 && !already)
		sessions_end(r, NULL);
	(void) pthread_mutex_unlock(&r->lock);
	if (ret < 0)
		return ret;
	disk_superblock(r->disk, &sb);
	ret = check_token(r, &sb, token, err);
	if (ret == 0 && disk_broken(r->disk))
		ret = err_set(err, POD_E_IO, "%s", disk_broken(r->disk));
	if (ret == 0)
		ret = already ? raise_token(r, token, err) : become_primary(r, &sb, token, force, err);
	change_end(r);
	return ret;
}

/* ---- stopping to be one ---- */

/* Under the lock; the gate is closed already. */
static void become_secondary(struct replication *r, const char *why)
{
	r->role = ROLE_SECONDARY;
	r->acknowledged_then = r->core.acknowledged;
	atomic_fetch_add(&r->term, 1);
	(void) snprintf(r->role_text, sizeof(r->role_text), "%s", why);
	r->tell_role = true;
	step_lsn(r, REPL_SECONDARY, 0, 0);
	for (size_t i = 0; i < PEERS_MAX; i++)
		peer_interrupt(&r->peers[i]);
	(void) pthread_cond_broadcast(&r->released);
	flushes_tell(r, false);
	(void) pthread_cond_broadcast(&r->changed);
	bell_ring(&r->keeper_wake);
}

void role_fence(struct replication *r, uint64_t token, const char *who)
{
	char why[REPLICATION_TEXT_SIZE];

	(void) snprintf(why, sizeof(why), "fenced: %s knows a primary under token %" PRIu64, who, token);
	(void) pthread_mutex_lock(&r->lock);
	if (r->role == ROLE_PRIMARY && r->token < token) {
		atomic_store(&r->fenced, true);
		atomic_store(&r->open, false);
		log_event(r->o.log, LOGL_WARNING, "replication.fenced", F_STR("why", why));
		become_secondary(r, why);
	}
	(void) pthread_mutex_unlock(&r->lock);
}

static bool wait_until(struct replication *r, uint64_t until_ms)
{
	struct timespec at = { (time_t) (until_ms / 1000), (long) (until_ms % 1000) * 1000000 };

	if (clock_mono_ms() >= until_ms)
		return false;
	(void) pthread_cond_timedwait(&r->released, &r->lock, &at);
	return true;
}

/* Whether a connected peer that counts as in sync lacks something before lsn. */
static bool somebody_lacks(const struct replication *r, uint64_t lsn)
{
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (r->peers[i].used && r->peers[i].connected && repl_waits_for(&r->core, i) &&
		    r->core.peers[i].durable < lsn)
			return true;
	return false;
}

static void wait_for_writers(struct replication *r)
{
	(void) pthread_mutex_lock(&r->lock);
	while (atomic_load(&r->writers) > 0)
		(void) pthread_cond_wait(&r->changed, &r->lock);
	(void) pthread_mutex_unlock(&r->lock);
}

static int hand_over(struct replication *r, uint32_t wait_ms, struct err *err)
{
	uint64_t lsn = 0, until_ms = clock_mono_ms() + wait_ms;
	int ret = disk_commit(r->disk, &lsn, err);

	if (ret == 0) {
		(void) pthread_mutex_lock(&r->lock);
		step_lsn(r, REPL_FLUSH, 0, lsn);
		for (size_t i = 0; i < PEERS_MAX; i++)
			peer_wake(&r->peers[i]);
		(void) pthread_mutex_unlock(&r->lock);
		ret = disk_wait_durable(r->disk, lsn, err);
	}
	if (ret < 0)
		return ret;
	(void) pthread_mutex_lock(&r->lock);
	step_lsn(r, REPL_LOCAL_DURABLE, 0, lsn);
	r->handing_over = true; /* a peer's progress counts although it releases nothing */
	while (r->role == ROLE_PRIMARY && somebody_lacks(r, lsn) && wait_until(r, until_ms))
		;
	r->handing_over = false;
	if (r->role == ROLE_PRIMARY && somebody_lacks(r, lsn))
		ret = err_set(err, POD_E_TIMEOUT,
		              "a peer in sync did not get everything in %u ms: still primary", wait_ms);
	else if (r->role == ROLE_PRIMARY)
		become_secondary(r, "demoted");
	(void) pthread_mutex_unlock(&r->lock);
	return ret;
}

int replication_demote(struct replication *r, uint64_t token, uint32_t wait_ms, struct err *err)
{
	bool primary;
	int ret;

	(void) pthread_mutex_lock(&r->lock);
	ret = change_begin(r, err);
	primary = r->role == ROLE_PRIMARY;
	(void) pthread_mutex_unlock(&r->lock);
	if (ret < 0)
		return ret;
	if (primary && token && token < r->token)
		ret = err_set(err, POD_E_STALE, "token %" PRIu64 " is older than ours, %" PRIu64, token,
		              r->token);
	else if (primary) {
		atomic_store(&r->open, false);
		wait_for_writers(r);
		ret = hand_over(r, wait_ms, err);
		if (ret == -POD_E_TIMEOUT)
			atomic_store(&r->open, true);
		if (ret < 0 && ret != -POD_E_TIMEOUT) { /* the disk: nobody writes here any more */
			(void) pthread_mutex_lock(&r->lock);
			become_secondary(r, "demoted, with a broken disk");
			(void) pthread_mutex_unlock(&r->lock);
			ret = 0;
		}
	}
	change_end(r);
	return ret;
}
