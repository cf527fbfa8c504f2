#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/index/volume_create.h"
#include "store/index/volume_internal.h"
#include "store/index/succession.h"
#include "store/maildir/body.h"
#include "store/maildir/layout.h"

#define MAP_BYTES_DEFAULT ((uint64_t) 64 << 30)
#define COMMIT_CHANGES_MAX_DEFAULT 512

const char *volume_id(const struct volume *vol)
{
	return vol->id;
}

struct span volume_secret(const struct volume *vol)
{
	return span_make(vol->secret, sizeof(vol->secret));
}

const char *volume_broken(const struct volume *vol)
{
	return atomic_load_explicit(&vol->is_broken, memory_order_acquire) ? vol->broken : NULL;
}

void volume_break(struct volume *vol, const struct err *why)
{
	if (volume_broken(vol))
		return;
	(void) snprintf(vol->broken, sizeof(vol->broken), "%s", err_text(why));
	atomic_store_explicit(&vol->is_broken, true, memory_order_release);
	ahead_wake(vol);
	log_event(NULL, LOGL_ERROR, "volume.broken", F_STR("volume", vol->file.name), F_ERR(why));
}

/* ---- open ---- */

static int open_folder(struct volume *vol, const char *path, struct err *err)
{
	vol->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (vol->dir < 0)
		return err_errno(err, errno, "open volume %s", path);
	vol->lock = openat(vol->dir, "volume.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (vol->lock < 0)
		return err_errno(err, errno, "open the lock of volume %s", path);
	if (flock(vol->lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? err_set(err, POD_E_BUSY, "volume %s is open in another process", path) :
		                              err_errno(err, errno, "lock volume %s", path);
	vol->staging = openat(vol->dir, LAYOUT_STAGING, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return vol->staging < 0 ? err_errno(err, errno, "open " LAYOUT_STAGING " of volume %s", path) : 0;
}

static int open_index(struct volume *vol, struct err *err)
{
	const struct kv_options o = { .map_bytes = vol->o.map_bytes, .tables_max = SCHEMA_TABLES, .readers_max = 1022 };
	KV_TXN txn = { 0 };
	struct counters c;
	char path[PATH_MAX + sizeof("/" LAYOUT_INDEX)];
	int r;

	(void) snprintf(path, sizeof(path), "%s/" LAYOUT_INDEX, vol->path);
	r = kv_open(path, &o, &vol->kv, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_CORRUPT, "volume %s has no index: rebuild it", vol->path);
	if (r == 0)
		r = schema_open(vol->kv, false, &vol->t, err);
	if (r == 0)
		r = kv_txn_begin(vol->kv, KV_READ, &txn, err);
	return r < 0 ? r : counters_get(&txn, &vol->t, &c, err);
}

static int open_journal(struct volume *vol, struct err *err)
{
	KV_TXN txn = { 0 };
	struct counters c;
	int r = kv_txn_begin(vol->kv, KV_READ, &txn, err);

	if (r == 0)
		r = counters_get(&txn, &vol->t, &c, err);
	kv_txn_abort(&txn);
	return r < 0 ? r : journal_open(vol, c.modseq, err);
}

static struct volume *allocate(const struct volume_options *o)
{
	struct volume *vol = calloc(1, sizeof(*vol));

	if (!vol)
		return NULL;
	vol->o = *o;
	if (vol->o.map_bytes == 0)
		vol->o.map_bytes = MAP_BYTES_DEFAULT;
	if (vol->o.commit_changes_max == 0)
		vol->o.commit_changes_max = COMMIT_CHANGES_MAX_DEFAULT;
	if (vol->o.users_max == 0 || vol->o.users_max > 1000)
		vol->o.users_max = 1000;
	(void) snprintf(vol->path, sizeof(vol->path), "%s", o->path);
	vol->o.path = vol->path;
	vol->o.name = NULL; /* a new volume's only; not kept */
	vol->dir = vol->staging = vol->lock = vol->journal.fd = -1;
	(void) pthread_mutex_init(&vol->folders, NULL);
	(void) pthread_mutex_init(&vol->behind.lock, NULL);
	(void) pthread_mutex_init(&vol->writer.lock, NULL);
	ahead_init(&vol->ahead);
	recent_init(&vol->recent);
	uids_cache_init(&vol->uids);
	logins_init(&vol->logins);
	return vol;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		(void) close(fd);
}

static void release(struct volume *vol)
{
	ahead_done(&vol->ahead);
	(void) kv_close(vol->kv);
	journal_close(&vol->journal);
	close_fd(vol->staging);
	close_fd(vol->dir);
	close_fd(vol->lock); /* last: the lock goes with it */
	recent_done(&vol->recent);
	uids_cache_done(&vol->uids);
	logins_done(&vol->logins);
	(void) pthread_mutex_destroy(&vol->folders);
	(void) pthread_mutex_destroy(&vol->behind.lock);
	(void) pthread_mutex_destroy(&vol->writer.lock);
	free(vol);
}

static int start(struct volume *vol, struct err *err)
{
	int r = open_folder(vol, vol->path, err);

	if (r == 0)
		r = volume_file_read(vol->dir, &vol->file, err);
	if (r == 0)
		r = volume_key_read(vol->dir, vol->secret, err);
	if (r == 0)
		r = open_index(vol, err);
	if (r == 0)
		r = ahead_open(vol, err);
	if (r == 0)
		r = recover(vol, err);
	if (r == 0)
		r = succession(vol, err);
	if (r == 0)
		r = open_journal(vol, err);
	if (r < 0)
		return r;
	guid_format(&vol->file.id, vol->id);
	r = writer_start(vol, err);
	return r < 0 ? r : write_behind_start(vol, err);
}

int volume_open(const struct volume_options *o, struct volume **ret_vol, struct err *err)
{
	struct volume *vol;
	int r;

	if (strlen(o->path) >= PATH_MAX)
		return err_set(err, POD_E_LIMIT, "the volume's path is too long");
	vol = allocate(o);
	if (!vol)
		return err_set(err, POD_E_NOMEM, "open volume");
	r = start(vol, err);
	if (r < 0) {
		write_behind_stop(vol);
		writer_stop(vol);
		release(vol);
		return r;
	}
	*ret_vol = vol;
	return 0;
}

/* ---- close ---- */

struct claims {
	const struct volume *vol;
	struct kv_txn *txn;
};

static void save_claim(void *arg, const struct recent_claim *claim)
{
	struct claims *s = arg;
	struct mailbox_counts c;

	if (counts_get(s->txn, &s->vol->t, claim->mailbox, &c, NULL) < 0 || c.recent_from >= claim->from)
		return;
	c.recent_from = claim->from;
	(void) counts_put(s->txn, &s->vol->t, claim->mailbox, &c, NULL);
}

static void save_login(void *arg, const struct login *login)
{
	struct claims *s = arg;

	(void) login_put(s->txn, &s->vol->t, span_of(login->user_id), login->at, NULL);
}

/*
 * All in one commit, begun before the claims are locked, as the writer does it. \Recent and times of logins are worth no
 * error: what is not saved shows once more, or as it was before.
 */
static void save_claims(struct volume *vol)
{
	KV_TXN txn = { 0 };
	struct claims s = { vol, &txn };

	if (kv_txn_begin(vol->kv, KV_WRITE, &txn, NULL) < 0)
		return;
	recent_each(&vol->recent, save_claim, &s);
	(void) logins_unsaved(&vol->logins, save_login, &s);
	(void) kv_txn_commit(&txn, NULL);
}

void volume_refresh(struct volume *vol, struct span user_id)
{
	ahead_wait(vol, user_id);
}

void volume_settle(struct volume *vol)
{
	volume_refresh(vol, SPAN_NONE);
	write_behind_settle(vol);
}

struct volume *volume_close(struct volume *vol)
{
	if (!vol)
		return NULL;
	volume_refresh(vol, SPAN_NONE); /* so that write-behind has all of it to do */
	write_behind_stop(vol);
	writer_stop(vol);
	if (!volume_broken(vol))
		save_claims(vol);
	release(vol);
	return NULL;
}

/* ---- bodies ---- */

int volume_stage_body(struct volume *vol, struct span header, struct span bytes, int fd, uint64_t fd_size,
                      struct volume_body *ret_body, struct err *err)
{
	int e = STEP(vol, VOLUME_STEP_STAGE);
	int body = -1;
	uint64_t size = 0;
	int r;

	if (volume_broken(vol))
		return err_set(err, POD_E_IO, "%s", volume_broken(vol));
	r = e ? err_errno(err, e, "stage a message") : body_stage(vol->staging, header, bytes, fd, fd_size, &body, &size, err);
	if (r == 0)
		*ret_body = (struct volume_body){ .fd = body, .size = size };
	return r;
}

int volume_stage_crlf(struct volume *vol, int fd, struct volume_body *ret_body, struct err *err)
{
	int body = -1;
	uint64_t size = 0;
	int r = volume_broken(vol) ? err_set(err, POD_E_IO, "%s", volume_broken(vol)) :
	                             body_stage_crlf(vol->staging, fd, &body, &size, err);

	if (r == 0)
		*ret_body = (struct volume_body){ .fd = body, .size = size };
	return r;
}

struct volume_body volume_hold_body(struct span header, struct span bytes)
{
	return (struct volume_body){ .fd = -1, .size = header.len + bytes.len, .held = true, .header = header, .bytes = bytes };
}

void volume_body_done(struct volume_body *body)
{
	close_fd(body->fd);
	body->fd = -1;
}
