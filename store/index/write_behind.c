#include "store/index/write_behind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/index/place.h"

#define PASS_ROWS  4096 /* then they are cleared */
#define CHUNK_ROWS 128  /* for which folders stand still */
#define RETRY_MS   1000

enum outcome { DONE, GONE, LATER };

/* ---- what was done and is not yet reported ---- */

static int by_key(const struct cleared *c, uint32_t mailbox, uint32_t uid)
{
	if (c->mailbox != mailbox)
		return c->mailbox < mailbox ? -1 : 1;
	return c->uid < uid ? -1 : c->uid > uid;
}

bool write_behind_flags(struct volume *vol, uint32_t mailbox, uint32_t uid, uint32_t *ret_flags)
{
	struct write_behind *w = &vol->behind;
	size_t lo = 0, hi;
	bool found;

	(void) pthread_mutex_lock(&w->lock);
	hi = w->done_n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (by_key(&w->done[mid], mailbox, uid) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	found = lo < w->done_n && by_key(&w->done[lo], mailbox, uid) == 0 && !w->done[lo].gone;
	if (found)
		*ret_flags = w->done[lo].flags;
	(void) pthread_mutex_unlock(&w->lock);
	return found;
}

/* Said before it is done, so that a reader who no longer finds the old name knows the new one. */
static void announce(struct write_behind *w, const struct cleared *c)
{
	(void) pthread_mutex_lock(&w->lock);
	w->done[w->done_n++] = *c;
	(void) pthread_mutex_unlock(&w->lock);
}

static void take_back(struct write_behind *w)
{
	(void) pthread_mutex_lock(&w->lock);
	w->done_n--;
	(void) pthread_mutex_unlock(&w->lock);
}

/* ---- one row ---- */

static enum outcome rename_from(struct volume *vol, const char *from, const char *to, struct err *err)
{
	int e = STEP(vol, VOLUME_STEP_PLACE);

	if (e == 0 && renameat(vol->dir, from, vol->dir, to) < 0)
		e = errno;
	if (e == 0)
		return DONE;
	/* Not there, or there while the folder it goes to is not yet. */
	if (e == ENOENT && file_exists(vol->dir, from, NULL) == 0)
		return GONE;
	(void) err_errno(err, e, "rename %s to %s", from, to);
	return LATER;
}

/* Moves the file to the name its record says, from wherever it is. GONE: it is nowhere. */
static enum outcome place(struct volume *vol, const struct mailbox_info *m, const struct place_name *n,
                          const struct pending *p, struct err *err)
{
	struct layout_path to;
	struct places from;
	enum outcome o = GONE;

	place_final(vol, m, n, &to);
	place_all(vol, m, n, p, &from);
	for (size_t i = 0; o == GONE && i < from.n; i++)
		if (strcmp(from.at[i].s, to.s) != 0)
			o = rename_from(vol, from.at[i].s, to.s, err);
	if (o != GONE || file_exists(vol->dir, to.s, NULL) == 1)
		return o == LATER ? LATER : DONE;
	if (place_search(vol, m, n, &from, err) < 0)
		return LATER;
	return from.n ? rename_from(vol, from.at[0].s, to.s, err) : GONE;
}

static enum outcome unlink_all(struct volume *vol, const struct mailbox_info *m, const struct place_name *n,
                               const struct pending *p, struct err *err)
{
	struct places at;
	bool found = false;

	place_all(vol, m, n, p, &at);
	for (int again = 0; again < 2 && !found; again++) {
		for (size_t i = 0; i < at.n; i++) {
			int e = STEP(vol, VOLUME_STEP_UNLINK);

			if (e == 0 && unlinkat(vol->dir, at.at[i].s, 0) < 0)
				e = errno;
			if (e && e != ENOENT) {
				(void) err_errno(err, e, "unlink %s", at.at[i].s);
				return LATER;
			}
			found |= e == 0;
		}
		if (!found && !again && (!m || place_search(vol, m, n, &at, err) < 0))
			break;
	}
	return DONE;
}

/* The mailbox's row, read once for the rows of `pending` that follow each other. */
struct mailbox_cache {
	uint32_t id;
	int r; /* 0, -POD_E_NOTFOUND, or why it could not be read */
	struct mailbox_info info;
};

static const struct mailbox_info *cached(struct volume *vol, struct kv_txn *txn, uint32_t id,
                                         struct mailbox_cache *c, struct err *err)
{
	if (c->id != id) {
		c->id = id;
		c->r = mailbox_get(txn, &vol->t, id, &c->info, err);
	}
	return c->r == 0 ? &c->info : NULL;
}

static bool do_place(struct volume *vol, struct kv_txn *txn, uint32_t mailbox, uint32_t uid,
                     const struct pending *p, struct mailbox_cache *cache, struct err *err)
{
	const struct mailbox_info *m = cached(vol, txn, mailbox, cache, err);
	struct cleared c = { mailbox, uid, p->file_flags, true };
	struct place_name name;
	struct record rec;
	enum outcome o;
	int r = m ? record_get(txn, &vol->t, mailbox, uid, &rec, err) : cache->r;

	if (r < 0 && r != -POD_E_NOTFOUND)
		return false;
	if (r == -POD_E_NOTFOUND) { /* a row without a message: nothing to be done for it */
		announce(&vol->behind, &c);
		return true;
	}
	c.flags = rec.flags;
	c.gone = false;
	name = place_name_of(mailbox, uid, &rec);
	announce(&vol->behind, &c);
	o = place(vol, m, &name, p, err);
	if (o == LATER)
		take_back(&vol->behind);
	else if (o == GONE)
		log_event(NULL, LOGL_ERROR, "message.missing", F_STR("volume", vol->file.name),
		          F_SPAN("user", m->user_id), F_SPAN("mailbox", m->name), F_UINT("uid", uid));
	return o != LATER;
}

static bool do_unlink(struct volume *vol, struct kv_txn *txn, uint32_t mailbox, uint32_t uid,
                      const struct pending *p, struct mailbox_cache *cache, struct err *err)
{
	const struct place_name name = { mailbox, uid, p->flags, p->internal_date, p->size, p->guid };
	const struct cleared c = { mailbox, uid, p->flags, true };
	const struct mailbox_info *m = cached(vol, txn, mailbox, cache, err);

	if (!m && cache->r != -POD_E_NOTFOUND)
		return false;
	if (unlink_all(vol, m, &name, p, err) == LATER)
		return false;
	announce(&vol->behind, &c);
	return true;
}

static bool do_row(struct volume *vol, struct kv_txn *txn, struct span key, struct span value,
                   struct mailbox_cache *cache, struct err *err)
{
	struct pending p;
	uint32_t mailbox = key_get_u32(key, 0), uid = key_get_u32(key, 4);

	if (pending_decode(value, &p, err) < 0)
		return false;
	return p.op == PENDING_PLACE ? do_place(vol, txn, mailbox, uid, &p, cache, err)
	                             : do_unlink(vol, txn, mailbox, uid, &p, cache, err);
}

/* ---- a pass ---- */

/* Told once, and again when it has gone well in between: a full disk must not fill the log, too. */
static void waits(struct volume *vol, const struct err *err)
{
	if (vol->behind.failures++ == 0 && !vol->behind.told)
		log_event(NULL, LOGL_WARNING, "write_behind.waits", F_STR("volume", vol->file.name),
		          F_ERR(err));
}

/*
 * Up to CHUNK_ROWS from *from on, while folders stand still. 0, 1 at the end, or an error. Rows that must
 * wait are counted and passed over.
 */
static int do_chunk(struct volume *vol, struct key *from, struct err *err)
{
	struct mailbox_cache cache = { 0 };
	KV_TXN txn = { 0 };
	KV_CURSOR c = { 0 };
	struct span key, value;
	int r = kv_txn_begin(vol->kv, KV_READ, &txn, err);

	if (r == 0)
		r = kv_cursor_open(&txn, vol->t.pending, &c, err);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(from), &key, &value);
	for (int i = 0; r == 0 && i < CHUNK_ROWS; i++) {
		if (!do_row(vol, &txn, key, value, &cache, err))
			waits(vol, err);
		r = kv_cursor_next(&c, &key, &value);
	}
	if (r == 0) {
		from->len = 0;
		(void) key_bytes(from, key);
	}
	return r == -POD_E_NOTFOUND ? 1 : r;
}

static int do_pass(struct volume *vol, struct err *err)
{
	struct key from = { .len = 0 };
	int r = 0;

	vol->behind.failures = 0;
	while (r == 0 && vol->behind.done_n + CHUNK_ROWS <= vol->behind.done_cap) {
		(void) pthread_mutex_lock(&vol->folders);
		r = do_chunk(vol, &from, err);
		(void) pthread_mutex_unlock(&vol->folders);
	}
	return r;
}

static void on_cleared(struct change *c)
{
	struct volume *vol = c->owner;

	(void) pthread_mutex_lock(&vol->behind.lock);
	vol->behind.cleared = true;
	(void) pthread_cond_signal(&vol->behind.wake);
	(void) pthread_mutex_unlock(&vol->behind.lock);
}

/* Reports what was done, and waits until that is committed. */
static int report(struct volume *vol)
{
	struct write_behind *w = &vol->behind;
	struct change c = { .kind = CHANGE_CLEAR, .done = on_cleared, .owner = vol };

	if (w->done_n == 0)
		return 0;
	c.u.clear.rows = w->done;
	c.u.clear.rows_n = w->done_n;
	w->cleared = false;
	writer_submit_lazy(vol, &c);
	(void) pthread_mutex_lock(&w->lock);
	while (!w->cleared)
		(void) pthread_cond_wait(&w->wake, &w->lock);
	w->done_n = 0;
	(void) pthread_mutex_unlock(&w->lock);
	return c.code;
}

/* ---- deleted folders ---- */

static void empty_trash(struct volume *vol)
{
	int fd = openat(vol->dir, LAYOUT_TRASH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!d) {
		if (fd >= 0)
			(void) close(fd);
		return;
	}
	while ((e = readdir(d))) {
		struct err err = { 0 };

		if (e->d_name[0] == '.')
			continue;
		if (STEP(vol, VOLUME_STEP_TRASH) == 0 && file_remove_tree(fd, e->d_name, &err) < 0)
			log_event(NULL, LOGL_WARNING, "trash.stays", F_STR("name", e->d_name), F_ERR(&err));
	}
	(void) closedir(d);
}

/* ---- the thread ---- */

static void wait_ms(struct write_behind *w, unsigned int ms)
{
	struct timespec t;

	(void) clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long) (ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	while (!w->stop && pthread_cond_timedwait(&w->wake, &w->lock, &t) == 0)
		;
}

/* Waits for work, and then a little more, so that a burst is done in one go. False: the end. */
static bool wait_for_work(struct volume *vol, bool again)
{
	struct write_behind *w = &vol->behind;
	bool stop;

	(void) pthread_mutex_lock(&w->lock);
	while (!w->work && !w->stop && !again)
		(void) pthread_cond_wait(&w->wake, &w->lock);
	stop = w->stop;
	if (!stop)
		wait_ms(w, again && !w->work ? RETRY_MS : vol->o.write_behind_ms);
	w->work = false;
	w->rounds++;
	(void) pthread_mutex_unlock(&w->lock);
	return !stop;
}

/* All that can be done now. True: something is left that could not. */
static bool work_off(struct volume *vol)
{
	struct err err = { 0 };
	int r, reported;

	empty_trash(vol);
	do {
		r = do_pass(vol, &err);
		if (r < 0)
			log_event(NULL, LOGL_ERROR, "write_behind.failed", F_STR("volume", vol->file.name),
			          F_ERR(&err));
		vol->behind.told = vol->behind.failures > 0;
		reported = report(vol);
	} while (r == 0 && reported == 0); /* 0: it stopped for a report, with more to do */
	return r < 0 || reported < 0 || vol->behind.failures;
}

static void tell_settled(struct write_behind *w)
{
	(void) pthread_mutex_lock(&w->lock);
	w->settled_round = w->rounds;
	(void) pthread_cond_broadcast(&w->settled);
	(void) pthread_mutex_unlock(&w->lock);
}

static void tell_ended(struct write_behind *w)
{
	(void) pthread_mutex_lock(&w->lock);
	w->ended = true;
	(void) pthread_cond_broadcast(&w->settled);
	(void) pthread_mutex_unlock(&w->lock);
}

static void *behind_main(void *arg)
{
	struct volume *vol = arg;
	bool left = false;

	while (wait_for_work(vol, left) && !volume_broken(vol)) {
		left = work_off(vol);
		if (!left)
			tell_settled(&vol->behind);
	}
	if (!volume_broken(vol))
		(void) work_off(vol); /* what is left then, the next start does */
	tell_ended(&vol->behind);
	return NULL;
}

void write_behind_wake(struct volume *vol)
{
	struct write_behind *w = &vol->behind;

	(void) pthread_mutex_lock(&w->lock);
	if (!w->work) {
		w->work = true;
		(void) pthread_cond_signal(&w->wake);
	}
	(void) pthread_mutex_unlock(&w->lock);
}

void write_behind_settle(struct volume *vol)
{
	struct write_behind *w = &vol->behind;
	uint64_t round;

	(void) pthread_mutex_lock(&w->lock);
	round = w->rounds + 1; /* the one under way may have looked before */
	w->work = true;
	(void) pthread_cond_signal(&w->wake);
	while (!w->ended && w->settled_round < round)
		(void) pthread_cond_wait(&w->settled, &w->lock);
	(void) pthread_mutex_unlock(&w->lock);
}

int write_behind_start(struct volume *vol, struct err *err)
{
	struct write_behind *w = &vol->behind;
	pthread_condattr_t attr;
	int e;

	(void) pthread_condattr_init(&attr);
	(void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* wait_ms counts by it */
	(void) pthread_cond_init(&w->wake, &attr);
	(void) pthread_condattr_destroy(&attr);
	(void) pthread_cond_init(&w->settled, NULL);
	w->work = true; /* whatever the last run left */
	w->done_cap = PASS_ROWS;
	w->done = calloc(w->done_cap, sizeof(*w->done));
	if (!w->done)
		return err_set(err, POD_E_NOMEM, "start write-behind");
	e = pthread_create(&w->thread, NULL, behind_main, vol);
	w->started = e == 0;
	return e ? err_errno(err, e, "start write-behind") : 0;
}

void write_behind_stop(struct volume *vol)
{
	struct write_behind *w = &vol->behind;

	if (w->started) {
		writer_hurry(vol);
		(void) pthread_mutex_lock(&w->lock);
		w->stop = true;
		(void) pthread_cond_signal(&w->wake);
		(void) pthread_mutex_unlock(&w->lock);
		(void) pthread_join(w->thread, NULL);
		w->started = false;
	}
	free(w->done);
	w->done = NULL;
	w->done_n = 0;
}
