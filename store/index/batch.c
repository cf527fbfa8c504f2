#include "store/index/batch.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/index/space.h"
#include "store/index/states.h"
#include "store/maildir/layout.h"

#define BATCH_MEMORY ((size_t) 1 << 30)
/* How far ahead the promises in volume.json are made: one small file for so many commits or mailboxes. */
#define MODSEQ_STEP 1000000
#define ID_STEP 10000

static int reserve(struct batch *b, struct err *err)
{
	struct volume_file f = b->vol->file;
	int r;

	if (b->modseq < f.modseq_reserve && b->counters.next_mailbox < f.mailbox_reserve &&
	    b->counters.next_uidvalidity < f.uidvalidity_reserve)
		return 0;
	f.modseq_reserve = b->modseq + MODSEQ_STEP;
	f.mailbox_reserve = b->counters.next_mailbox + ID_STEP;
	f.uidvalidity_reserve = b->counters.next_uidvalidity + ID_STEP;
	r = volume_file_write(b->vol->dir, &f, err);
	if (r < 0)
		return r;
	b->vol->file = f;
	b->needs_sync = true;
	return 0;
}

static int clear_intents(struct batch *b, struct err *err)
{
	int r;

	if (!b->vol->writer.intents_open || b->vol->writer.intents_stuck)
		return 0;
	/* The moves they asked for were done; the syncfs of this batch makes them durable before the rows go. */
	r = kv_clear(&b->txn, b->vol->t.intents, err);
	b->needs_sync = true;
	return r;
}

/* A journal grown long is renewed; on a full disk it goes on growing in the room it has. */
static int shorten_journal(struct batch *b, struct err *err)
{
	struct volume *vol = b->vol;
	int r = 0;

	/* Folders that could not be moved are in the journal alone. */
	if (journal_is_long(&vol->journal) && !vol->writer.intents_stuck)
		r = journal_renew(vol, &b->txn, b->counters.modseq, err);
	return r == -POD_E_NOSPACE ? 0 : r;
}

int batch_begin(struct batch *b, struct volume *vol, bool deliveries, struct err *err)
{
	int r;

	*b = (struct batch){ .vol = vol,
		             .a = arena_create(BATCH_MEMORY),
		             .now = clock_wall_s(),
		             .began_us = clock_mono_us() };
	if (!b->a)
		return err_set(err, POD_E_NOMEM, "commit");
	r = ahead_begin(vol, deliveries, &b->txn, err);
	if (r == 0)
		r = counters_get(&b->txn, &vol->t, &b->counters, err);
	if (r == 0) {
		b->modseq = b->counters.modseq + 1;
		r = reserve(b, err);
	}
	if (r == 0)
		r = shorten_journal(b, err);
	if (r == 0)
		r = clear_intents(b, err);
	if (r < 0) {
		batch_done(b);
		return r;
	}
	b->needs_sync |= vol->writer.sync_owed;
	b->no_room = vol->ahead.stuck || space_is_short(vol);
	return 0;
}

void batch_unstage(struct batch *b, struct staged *mark)
{
	for (; b->staged != mark; b->staged = b->staged->before) {
		if (b->staged->body)
			b->bodies--;
		/* What stays behind, recovery takes away: it is in no committed row. */
		if (b->staged->tree)
			(void) file_remove_tree(b->vol->staging, b->staged->name, NULL);
		else
			(void) unlinkat(b->vol->staging, b->staged->name, 0);
	}
}

/* Its rows come to nothing. */
static void drop_rows(struct batch *b)
{
	if (!b->txn.impl)
		return;
	kv_txn_abort(&b->txn);
	ahead_undo(b->vol);
}

void batch_abort(struct batch *b)
{
	/* Files that it wrote are not taken back: the next commit makes them durable. */
	b->vol->writer.sync_owed |= b->needs_sync;
	batch_unstage(b, NULL);
	states_undone(b);
	if (!ahead_put_back(b))
		drop_rows(b);
	batch_done(b);
}

void batch_done(struct batch *b)
{
	drop_rows(b);
	journal_frame_done(&b->journal);
	b->a = arena_free(b->a);
}

int batch_wrote(struct batch *b, int r, const struct err *err)
{
	if (r < 0 && b->hard == 0) {
		b->hard = r;
		if (err)
			b->hard_err = *err;
	}
	b->dirty = true;
	return r;
}

static int stage(struct batch *b, const struct staged *what, struct err *err)
{
	struct staged *s = arena_new(b->a, struct staged);
	const char *copy = arena_str(b->a, span_of(what->name));

	if (!s || !copy)
		return err_set(err, POD_E_NOMEM, "stage %s", what->name);
	*s = *what;
	s->name = copy;
	s->before = b->staged;
	b->staged = s;
	return 0;
}

int batch_staged(struct batch *b, const char *name, bool tree, struct err *err)
{
	b->needs_sync = true;
	return stage(b, &(struct staged){ .name = name, .tree = tree }, err);
}

int batch_staged_body(struct batch *b, const char *name, const struct volume_body *body, struct err *err)
{
	int r = stage(b, &(struct staged){ .name = name, .body = body }, err);

	if (r == 0)
		b->bodies++;
	return r;
}

bool batch_will_sync(const struct batch *b)
{
	/* What is written down may go ahead. */
	return b->needs_sync || (!b->txn.redo && (b->bodies > 0 || ahead_any(&b->vol->ahead)));
}

int batch_intent(struct batch *b, enum intent_op op, const char *from, const char *to, struct err *err)
{
	const struct intent i = { op, from, to };

	b->intents++;
	b->full = true;
	b->needs_sync = true;
	return batch_wrote(b, intent_put(&b->txn, &b->vol->t, b->counters.next_intent++, &i, err), err);
}

int batch_move(struct batch *b, uint32_t mailbox, const char *from, const char *to, struct err *err)
{
	const struct journal_entry e = { .kind = JOURNAL_MOVE, .mailbox = mailbox, .from = span_of(from), .to = span_of(to) };

	journal_frame_add(&b->journal, &e);
	return batch_intent(b, INTENT_MOVE, from, to, err);
}

void batch_note(struct batch *b, enum journal_kind kind, uint32_t mailbox, uint32_t uid, uint32_t flags)
{
	const struct journal_entry e = { .kind = kind, .mailbox = mailbox, .first = uid, .last = uid, .flags = flags };

	journal_frame_add(&b->journal, &e);
}

int batch_check_room(const struct batch *b, struct err *err)
{
	return b->no_room ? err_set(err, POD_E_NOSPACE, "the volume's disk is full") : 0;
}

/* ---- states ---- */

static struct user_state **user_slot(struct batch *b, struct span id)
{
	uint32_t h = 0;
	struct user_state **at;

	for (size_t i = 0; i < id.len; i++)
		h = h * 31 + id.p[i];
	for (at = &b->users[h % BATCH_BUCKETS]; *at && !span_eq((*at)->id, id); at = &(*at)->next)
		;
	return at;
}

struct user_state *batch_new_user(struct batch *b, struct span user_id)
{
	struct user_state *u = arena_new(b->a, struct user_state), **at = user_slot(b, user_id);

	if (!u)
		return NULL;
	u->id = span_make(arena_str(b->a, user_id), user_id.len);
	if (!u->id.p)
		return NULL;
	if (*at) /* one that went in this batch */
		u->next = (*at)->next;
	*at = u;
	return u;
}

int batch_user(struct batch *b, struct span user_id, struct user_state **ret, struct err *err)
{
	struct user_state *u = *user_slot(b, user_id);
	struct user_info info;
	struct usage usage;
	int r;

	if (u && u->gone)
		return err_set(err, POD_E_NOTFOUND, "no such user");
	if (u) {
		*ret = u;
		return 0;
	}
	r = user_get(&b->txn, &b->vol->t, user_id, &info, err);
	if (r == 0)
		r = usage_get(&b->txn, &b->vol->t, info.no, &usage, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND, "no such user");
	if (r < 0)
		return r;
	u = user_copy(b->a, &info) < 0 ? NULL : batch_new_user(b, user_id);
	if (!u)
		return err_set(err, POD_E_NOMEM, "user");
	u->info = info;
	u->usage = usage;
	*ret = u;
	return 0;
}

static struct mailbox_state **mailbox_slot(struct batch *b, uint32_t id)
{
	struct mailbox_state **at;

	for (at = &b->mailboxes[id % BATCH_BUCKETS]; *at && (*at)->id != id; at = &(*at)->next)
		;
	return at;
}

struct mailbox_state *batch_new_mailbox(struct batch *b, uint32_t id)
{
	struct mailbox_state *m = arena_new(b->a, struct mailbox_state), **at = mailbox_slot(b, id);

	if (m) {
		m->id = id;
		*at = m;
	}
	return m;
}

int batch_mailbox(struct batch *b, uint32_t id, struct mailbox_state **ret, struct err *err)
{
	struct mailbox_state *m = *mailbox_slot(b, id);
	struct mailbox_info info;
	struct mailbox_counts counts;
	int r;

	if (m && m->gone)
		return err_set(err, POD_E_NOTFOUND, "no such mailbox");
	if (m) {
		*ret = m;
		return 0;
	}
	r = mailbox_get(&b->txn, &b->vol->t, id, &info, err);
	if (r == 0)
		r = counts_get(&b->txn, &b->vol->t, id, &counts, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND, "no such mailbox");
	if (r < 0)
		return r;
	m = mailbox_copy(b->a, &info) < 0 ? NULL : batch_new_mailbox(b, id);
	if (!m)
		return err_set(err, POD_E_NOMEM, "mailbox");
	m->info = info;
	m->counts = counts;
	*ret = m;
	return 0;
}

void batch_touch(struct batch *b, struct mailbox_state *m)
{
	m->counts.highestmodseq = b->modseq;
	m->dirty = true;
	b->dirty = true;
}

int batch_next_mailbox(struct batch *b, uint32_t *ret_id, uint32_t *ret_uidvalidity, struct err *err)
{
	int r;

	/* UIDVALIDITY is a time where it can be (RFC 3501 2.3.1.1), and always above all before it. */
	if (b->now > b->counters.next_uidvalidity && b->now < UINT32_MAX)
		b->counters.next_uidvalidity = (uint32_t) b->now;
	r = reserve(b, err);
	if (r < 0)
		return r;
	if (b->counters.next_mailbox == UINT32_MAX || b->counters.next_uidvalidity == UINT32_MAX)
		return err_set(err, POD_E_LIMIT, "the volume has no mailbox ids left");
	*ret_id = b->counters.next_mailbox++;
	*ret_uidvalidity = b->counters.next_uidvalidity++;
	return 0;
}

/* ---- commit ---- */

struct writing_logins {
	struct batch *b;
	int r;
	struct err *err;
};

static void write_login(void *arg, const struct login *login)
{
	struct writing_logins *w = arg;

	if (w->r == 0)
		w->r = login_put(&w->b->txn, &w->b->vol->t, span_of(login->user_id), login->at, w->err);
}

/* They ride on a commit that is made anyway. */
static int write_logins(struct batch *b, struct err *err)
{
	struct writing_logins w = { b, 0, err };

	b->logins = logins_unsaved(&b->vol->logins, write_login, &w);
	return w.r;
}

static int write_states(struct batch *b, struct err *err)
{
	const struct tables *t = &b->vol->t;
	int r = 0;

	for (size_t i = 0; r == 0 && i < BATCH_BUCKETS; i++) {
		for (struct user_state *u = b->users[i]; r == 0 && u; u = u->next)
			if (u->dirty && !u->gone)
				r = usage_put(&b->txn, t, u->info.no, &u->usage, err);
		for (struct mailbox_state *m = b->mailboxes[i]; r == 0 && m; m = m->next) {
			if (!m->dirty || m->gone)
				continue;
			m->counts.recent_from = recent_from(&b->vol->recent, m->id, m->counts.recent_from);
			r = counts_put(&b->txn, t, m->id, &m->counts, err);
		}
	}
	if (r == 0)
		r = write_logins(b, err);
	b->counters.modseq = b->modseq;
	b->counters.commits++;
	return r < 0 ? r : counters_put(&b->txn, t, &b->counters, err);
}

/* The errors that say that nothing was written and all is as before; after others only a restart knows. */
static bool is_harmless(int r)
{
	return r == -POD_E_NOSPACE || r == -POD_E_NOMEM || r == -POD_E_LIMIT;
}

static int write_journal(struct batch *b, struct err *err)
{
	int e, r;

	if (journal_frame_is_empty(&b->journal))
		return 0;
	e = STEP(b->vol, VOLUME_STEP_JOURNAL);
	b->journal_at = b->vol->journal.at;
	r = e ? err_errno(err, e, "write " JOURNAL_FILE) :
	        journal_append(&b->vol->journal, &b->journal, b->modseq, err);
	b->journaled = r == 0;
	return r;
}

/* One flush, of all there is or of the journal alone. */
static int sync_files(struct batch *b, struct err *err)
{
	int e;

	if (!b->needs_sync && !b->journaled)
		return 0;
	e = STEP(b->vol, VOLUME_STEP_SYNC);
	if (e == 0 && !b->needs_sync)
		return journal_flush(&b->vol->journal, err);
	if (e == 0 && syncfs(b->vol->dir) < 0)
		e = errno;
	b->lost = e != 0;
	return e ? err_errno(err, e, "syncfs of the volume") : 0;
}

static int commit_index(struct batch *b, struct err *err)
{
	int e = STEP(b->vol, VOLUME_STEP_COMMIT);

	return e ? err_errno(err, e, "commit of the index") : kv_txn_commit(&b->txn, err);
}

/* File names say all: frames of the past would only tell a rebuild what others changed since. */
static void empty_journal(struct batch *b)
{
	struct volume *vol = b->vol;
	struct err why = { 0 };

	if (!b->nothing_pending || b->journaled || vol->journal.at == 0 || vol->writer.intents_stuck)
		return;
	if (journal_cut(&vol->journal, 0, &why) < 0)
		volume_break(vol, &why);
}

static void committed(struct batch *b)
{
	struct writer *w = &b->vol->writer;

	logins_saved(&b->vol->logins, b->logins);
	states_committed(b);
	empty_journal(b);
	w->sync_owed &= !b->needs_sync;
	if (b->intents || b->needs_sync)
		w->intents_open = b->intents > 0 || w->intents_stuck;
}

/* Into the deliveries' journal only. */
static int commit_ahead(struct batch *b, struct err *err)
{
	int r = ahead_write(b, err);

	if (r == 0) {
		b->went_ahead = true;
		logins_saved(&b->vol->logins, b->logins);
	}
	return r;
}

/* Into the index, with all that went ahead of it. */
static int commit_all(struct batch *b, struct err *err)
{
	int r;

	b->needs_sync |= b->bodies > 0;
	r = ahead_prepare(b, err);
	if (r == 0)
		r = write_journal(b, err);
	if (r == 0)
		r = sync_files(b, err);
	if (r == 0)
		r = commit_index(b, err);
	if (r == 0) {
		committed(b);
		ahead_settled(b->vol, b->began_us);
	}
	return r;
}

/* What could not be committed is undone, or the volume broken. */
static int fail_commit(struct batch *b, int r, const struct err *why)
{
	struct err cut = *why;

	kv_txn_abort(&b->txn);
	ahead_undo(b->vol);
	b->vol->writer.sync_owed = b->needs_sync || b->journaled;
	if (b->lost && ahead_any(&b->vol->ahead))
		r = -POD_E_IO; /* files that went ahead may lack bytes: the next start makes them anew */
	if (is_harmless(r) && b->journaled && journal_cut(&b->vol->journal, b->journal_at, &cut) < 0)
		r = -POD_E_IO;
	if (is_harmless(r)) {
		batch_unstage(b, NULL);
		states_undone(b);
	} else {
		volume_break(b->vol, &cut);
	}
	return r;
}

int batch_commit(struct batch *b, struct err *err)
{
	struct err why = { 0 };
	int r = write_states(b, &why);
	bool ahead = r == 0 && ahead_takes(b);

	if (r == 0)
		r = ahead ? commit_ahead(b, &why) : commit_all(b, &why);
	if (r == 0)
		return 0;
	r = fail_commit(b, r, &why);
	if (!ahead)
		ahead_failed(b->vol);
	if (err)
		*err = why;
	return r;
}
