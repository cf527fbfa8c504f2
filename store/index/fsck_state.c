/* A user's states: each row has its file, each file its row, and the totals are right. */
#include <errno.h>
#include <unistd.h>

#include "store/index/fsck_internal.h"
#include "store/index/submit_wait.h"
#include "store/maildir/state_file.h"

/* A row without its file says nothing any more: whoever owned the state starts anew. */
static int check_row(struct fsck *k, const struct volume_state *s, struct err *err)
{
	struct state_put put = { .name = s->name, .remove = true, .expects = true, .expected = s->version };
	struct change c = { .kind = CHANGE_STATE_PUT, .a = k->a, .user_id = k->user_id };
	struct volume_state now;
	int r = volume_state_get(k->vol, k->a, k->user_id, s->name, &now, err);

	if (r == 0 || r == -POD_E_NOTFOUND) /* it may have been changed or removed since */
		return 0;
	if (r != -POD_E_CORRUPT)
		return r;
	fsck_problem(k, SPAN_FMT ": the file of state " SPAN_FMT " is missing or damaged",
	             SPAN_ARG(k->user_id), SPAN_ARG(s->name));
	c.u.state.puts = &put;
	c.u.state.puts_n = 1;
	return k->repair ? fsck_repair(k, &c, err) : 0;
}

/* All commits so far are over with, and the files they replaced are gone. */
static int wait_for_commits(struct fsck *k, struct err *err)
{
	struct change c = { .kind = CHANGE_STATE_PUT, .a = k->a, .user_id = k->user_id };

	return volume_submit_wait(k->vol, &c, err);
}

static const struct volume_state *find(const struct volume_state *rows, size_t n, struct span name)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = span_cmp(rows[mid].name, name);

		if (c == 0)
			return &rows[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* One in place is of a commit; of another one than the row is of, it should have gone. */
static int check_file(struct fsck *k, const struct scanned_state *s, const struct volume_state *row,
                      struct err *err)
{
	struct layout_path path;

	if (row && row->version == s->version)
		return 0;
	state_file_path(&path, k->user_id, s->name, s->version);
	if (file_exists(k->vol->dir, path.s, NULL) != 1)
		return 0;
	fsck_problem(k, SPAN_FMT ": a file of state " SPAN_FMT " is not in the index", SPAN_ARG(k->user_id),
	             SPAN_ARG(s->name));
	if (!k->repair)
		return 0;
	if (unlinkat(k->vol->dir, path.s, 0) < 0 && errno != ENOENT)
		return err_errno(err, errno, "unlink %s", path.s);
	k->report->repaired++;
	return 0;
}

static int check_files(struct fsck *k, struct err *err)
{
	struct scanned_states files = { 0 };
	struct volume_state *rows = NULL;
	size_t n = 0;
	int r = wait_for_commits(k, err);

	/* Files first: one whose row is gone by then was removed, and its file with it. */
	if (r == 0)
		r = state_files_scan(k->vol->dir, k->user_id, k->a, &files, err);
	if (r == 0)
		r = wait_for_commits(k, err);
	if (r == 0)
		r = volume_state_list(k->vol, k->a, k->user_id, SPAN_NONE, &rows, &n, err);
	for (size_t i = 0; r == 0 && i < files.n; i++)
		r = check_file(k, &files.items[i], find(rows, n, files.items[i].name), err);
	return r;
}

int fsck_states(struct fsck *k, struct err *err)
{
	struct volume_state *rows = NULL;
	size_t n = 0;
	int r = volume_state_list(k->vol, k->a, k->user_id, SPAN_NONE, &rows, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = check_row(k, &rows[i], err);
	return r < 0 ? r : check_files(k, err);
}
