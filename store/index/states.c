#include "store/index/states.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define RECOVER_MEMORY ((size_t) 64 << 20)
#define VERSION_SHIFT  16 /* so many changes of states in a commit */

static int next_version(struct batch *b, uint64_t *ret, struct err *err)
{
	if (b->states_n >> VERSION_SHIFT)
		return err_set(err, POD_E_LIMIT, "too many changes of states in one commit");
	*ret = b->modseq << VERSION_SHIFT | b->states_n++;
	return 0;
}

/* Only a file that was made is remembered: the one that it replaces goes with the commit. */
static int make_file(struct batch *b, const struct state_made *made, struct span value, struct err *err)
{
	const struct state_file f = { .name = made->name,
		                      .value = value,
		                      .version = made->version,
		                      .changed = b->now,
		                      .gone = made->gone };
	struct state_made *m = arena_new(b->a, struct state_made);
	int e = STEP(b->vol, VOLUME_STEP_STAGE), r;

	if (!m)
		return err_set(err, POD_E_NOMEM, "a state");
	*m = *made;
	m->name = arena_dup(b->a, made->name);
	if (!m->name.p)
		return err_set(err, POD_E_NOMEM, "a state");
	r = e ? err_errno(err, e, "write a state") : state_file_write(b->vol->dir, made->user_id, &f, err);
	b->needs_sync = true;
	if (r < 0)
		return r;
	m->before = b->states;
	b->states = m;
	return 0;
}

static int write_row(struct batch *b, uint32_t user, const struct state_made *made, uint32_t size,
                     struct err *err)
{
	const struct state_row row = { made->version, b->now, size, 0 };
	struct key k;

	if (!made->gone)
		return state_row_put(&b->txn, &b->vol->t, user, made->name, &row, err);
	key_state(&k, user, made->name);
	return kv_delete(&b->txn, b->vol->t.states, key_span(&k), err);
}

static int check_room(const struct state_totals *after, struct err *err)
{
	if (after->entries > STATES_MAX)
		return err_set(err, POD_E_LIMIT, "a user has at most %d states", STATES_MAX);
	if (after->bytes > STATES_BYTES_MAX)
		return err_set(err, POD_E_LIMIT, "a user's states have at most %llu bytes",
		               (unsigned long long) STATES_BYTES_MAX);
	return 0;
}

int states_put(struct batch *b, struct user_state *u, const struct state_put *put, uint64_t *ret_version,
               struct err *err)
{
	struct state_made made = { .user_id = u->id, .name = put->name, .gone = put->remove };
	const uint32_t size = put->remove ? 0 : (uint32_t) put->value.len;
	struct state_totals totals;
	struct state_row old = { 0 };
	int r = state_row_get(&b->txn, &b->vol->t, u->info.no, put->name, &old, err), was = r;

	if (r == -POD_E_NOTFOUND)
		r = 0;
	if (r == 0)
		r = state_totals_get(&b->txn, &b->vol->t, u->info.no, &totals, err);
	*ret_version = 0;
	if (r < 0 || (put->remove && was == -POD_E_NOTFOUND))
		return r;
	totals.bytes += size - (uint64_t) old.size;
	totals.entries += (uint32_t) (was == -POD_E_NOTFOUND) - (uint32_t) put->remove;
	made.replaces = old.version;
	if (!put->remove)
		r = check_room(&totals, err);
	if (r == 0)
		r = next_version(b, &made.version, err);
	if (r == 0)
		r = make_file(b, &made, put->value, err);
	if (r < 0)
		return r;
	r = write_row(b, u->info.no, &made, size, err);
	if (r == 0)
		r = state_totals_put(&b->txn, &b->vol->t, u->info.no, &totals, err);
	if (batch_wrote(b, r, err) == 0 && !put->remove)
		*ret_version = made.version;
	return r;
}

static void unlink_staged(struct batch *b, const struct state_made *m)
{
	struct layout_path path;

	state_staged_path(&path, m->user_id, m->name, m->version);
	(void) unlinkat(b->vol->dir, path.s, 0);
}

/* It may not have come to its place: then it is still staged. */
static void unlink_old(int dir, struct span user_id, struct span name, uint64_t version)
{
	struct layout_path path;

	state_file_path(&path, user_id, name, version);
	(void) unlinkat(dir, path.s, 0);
	state_staged_path(&path, user_id, name, version);
	(void) unlinkat(dir, path.s, 0);
}

/* One that cannot be moved is found where it is, and moved when the volume is opened. */
static int move_into_place(struct volume *vol, struct span user_id, struct span name, uint64_t version,
                           struct err *err)
{
	struct layout_path from, to;

	state_staged_path(&from, user_id, name, version);
	state_file_path(&to, user_id, name, version);
	return renameat(vol->dir, from.s, vol->dir, to.s) < 0 ? err_errno(err, errno, "move %s", from.s) : 0;
}

/* The one before goes first: as long as the new one is staged, a recovery looks for it. */
void states_committed(struct batch *b)
{
	for (const struct state_made *m = b->states; m; m = m->before) {
		if (STEP(b->vol, VOLUME_STEP_FOLDER))
			continue;
		if (m->replaces)
			unlink_old(b->vol->dir, m->user_id, m->name, m->replaces);
		if (m->gone)
			unlink_staged(b, m);
		else
			(void) move_into_place(b->vol, m->user_id, m->name, m->version, NULL);
	}
	b->states = NULL;
}

void states_undone(struct batch *b)
{
	for (const struct state_made *m = b->states; m; m = m->before)
		unlink_staged(b, m);
	b->states = NULL;
}

/* ---- after a crash ---- */

/* Files in place of another version than the row's. */
static int unlink_others(struct volume *vol, struct arena *a, struct span user_id, struct span name,
                         uint64_t version, struct err *err)
{
	struct scanned_states list = { 0 };
	int r = state_files_scan(vol->dir, user_id, a, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++)
		if (list.items[i].version != version && span_eq(list.items[i].name, name))
			unlink_old(vol->dir, user_id, name, list.items[i].version);
	return r;
}

/* 0 where the index has none. */
static int committed_version(struct volume *vol, struct span user_id, struct span name, uint64_t *ret,
                             struct err *err)
{
	KV_TXN txn = { 0 };
	struct state_row row = { 0 };
	struct user_info u;
	int r = kv_txn_begin(vol->kv, KV_READ, &txn, err);

	if (r == 0)
		r = user_get(&txn, &vol->t, user_id, &u, err);
	if (r == 0)
		r = state_row_get(&txn, &vol->t, u.no, name, &row, err);
	*ret = row.version;
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int states_recover(struct volume *vol, const char *staged, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(RECOVER_MEMORY);
	struct span user_id;
	struct scanned_state s;
	uint64_t version = 0;
	int r = a ? state_staged_parse(staged, a, &user_id, &s) : err_set(err, POD_E_NOMEM, "recovery");

	if (r != 1)
		return r;
	r = committed_version(vol, user_id, s.name, &version, err);
	if (r == 0)
		r = unlink_others(vol, a, user_id, s.name, version, err);
	if (r == 0 && version == s.version)
		r = move_into_place(vol, user_id, s.name, version, err);
	else if (r == 0 && unlinkat(vol->staging, staged, 0) < 0)
		r = err_errno(err, errno, "unlink %s", staged);
	return r < 0 ? r : 1;
}
