/*
 * A user's states from their files: of each name the newest that is whole holds; those beside it are of
 * before, or of a commit that came to nothing, and go.
 */
#include <errno.h>
#include <unistd.h>

#include "store/index/rebuild_internal.h"
#include "store/maildir/state_file.h"

static int drop(struct rebuild *b, const struct rebuild_user *u, const struct scanned_state *s,
                struct err *err)
{
	struct layout_path path;

	state_file_path(&path, u->id, s->name, s->version);
	return unlinkat(b->vol.dir, path.s, 0) < 0 && errno != ENOENT
	               ? err_errno(err, errno, "unlink %s", path.s)
	               : 0;
}

static int put_row(struct rebuild *b, const struct rebuild_user *u, const struct state_file *f,
                   struct state_totals *totals, struct err *err)
{
	const struct state_row row = { f->version, f->changed, (uint32_t) f->value.len, 0 };

	totals->entries++;
	totals->bytes += f->value.len;
	return state_row_put(&b->txn, &b->vol.t, u->no, f->name, &row, err);
}

/* 1: the file is what holds; 2: it says that there is none; 0: it is to go. */
static int take(struct rebuild *b, const struct rebuild_user *u, const struct scanned_state *s,
                struct state_totals *totals, struct err *err)
{
	struct state_file f;
	int r = state_file_read(b->vol.dir, u->id, s->name, s->version, b->a, &f, err);

	if (r == -POD_E_CORRUPT) {
		rebuild_problem(b, SPAN_FMT ": a file of state " SPAN_FMT " is damaged", SPAN_ARG(u->id),
		                SPAN_ARG(s->name));
		return 0;
	}
	if (r < 0 || f.gone)
		return r < 0 ? r : 2;
	r = put_row(b, u, &f, totals, err);
	return r < 0 ? r : 1;
}

/* Those of one name, the newest first. A tombstone is the last to go. */
static int rebuild_state(struct rebuild *b, const struct rebuild_user *u, const struct scanned_state *of,
                         size_t n, struct state_totals *totals, struct err *err)
{
	const struct scanned_state *grave = NULL;
	bool known = false;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < n; i++) {
		r = known ? 0 : take(b, u, &of[i], totals, err);
		if (r == 2)
			grave = &of[i];
		known |= r > 0;
		if (r == 0)
			r = drop(b, u, &of[i], err);
	}
	if (r >= 0 && grave)
		r = drop(b, u, grave, err);
	return r < 0 ? r : 0;
}

int rebuild_states(struct rebuild *b, const struct rebuild_user *u, struct err *err)
{
	struct scanned_states list = { 0 };
	struct state_totals totals = { 0 };
	int r = state_files_scan(b->vol.dir, u->id, b->a, &list, err);

	for (size_t i = 0, n; r == 0 && i < list.n; i += n) {
		for (n = 1; i + n < list.n && span_eq(list.items[i + n].name, list.items[i].name);)
			n++;
		r = rebuild_state(b, u, &list.items[i], n, &totals, err);
	}
	return r < 0 || totals.entries == 0 ? r : state_totals_put(&b->txn, &b->vol.t, u->no, &totals, err);
}
