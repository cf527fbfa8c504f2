/* What names.journal says that file names do not: read before anything else is looked at. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/index/rebuild_internal.h"

/* ---- moves of folders ---- */

/* A user's tree is known by the mailbox in it, INBOX; a mailbox's folder by its own file. */
static int mailbox_at(struct rebuild *b, const char *path, uint32_t *ret_id, struct err *err)
{
	struct layout_path inner;
	struct mailbox_file f;
	int r = mailbox_file_read(b->vol.dir, path, b->a, &f, err);

	if (r == -POD_E_NOTFOUND) {
		layout_set(&inner, "%s/Maildir", path);
		r = mailbox_file_read(b->vol.dir, inner.s, b->a, &f, err);
	}
	if (r == 0)
		*ret_id = f.id;
	return r;
}

/* Done already, or the place is another's by now: then a later commit, which made this one's move durable,
 * came. */
static int move_again(struct rebuild *b, const struct journal_entry *e, struct err *err)
{
	struct layout_path from, to;
	uint32_t id = 0;
	int r;

	layout_set(&from, SPAN_FMT, SPAN_ARG(e->from));
	layout_set(&to, SPAN_FMT, SPAN_ARG(e->to));
	r = mailbox_at(b, from.s, &id, err);
	if (r == -POD_E_NOTFOUND || r == -POD_E_CORRUPT || (r == 0 && id != e->mailbox))
		return 0;
	if (r == 0 && renameat2(b->vol.dir, from.s, b->vol.dir, to.s, RENAME_NOREPLACE) < 0 &&
	    errno != EEXIST)
		r = err_errno(err, errno, "move %s to %s", from.s, to.s);
	return r;
}

/* ---- fates of messages ---- */

static int add_fate(struct rebuild_journal *j, const struct journal_entry *e, struct err *err)
{
	if (j->n == j->cap) {
		size_t cap = j->cap ? 2 * j->cap : 1024;
		struct fate *grown = reallocarray(j->fates, cap, sizeof(*grown));

		if (!grown)
			return err_set(err, POD_E_NOMEM, "rebuild");
		j->fates = grown;
		j->cap = cap;
	}
	j->fates[j->n] =
		(struct fate){ e->mailbox, e->first, e->last, e->flags, e->kind == JOURNAL_GONE, j->n };
	j->n++;
	return 0;
}

static int by_mailbox(const void *a, const void *b)
{
	const struct fate *x = a, *y = b;

	if (x->mailbox != y->mailbox)
		return x->mailbox < y->mailbox ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* How many fates are of mailboxes up to this one. */
static size_t fates_up_to(const struct rebuild_journal *j, uint32_t mailbox)
{
	size_t lo = 0, hi = j->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (j->fates[mid].mailbox <= mailbox)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct fate *rebuild_fate(const struct rebuild *b, uint32_t mailbox, uint32_t uid)
{
	const struct rebuild_journal *j = &b->journal;

	for (size_t i = fates_up_to(j, mailbox); i > 0 && j->fates[i - 1].mailbox == mailbox; i--)
		if (j->fates[i - 1].first <= uid && uid <= j->fates[i - 1].last)
			return &j->fates[i - 1];
	return NULL;
}

/* ---- reading ---- */

static int take_entry(struct rebuild *b, const struct journal_entry *e, struct err *err)
{
	return e->kind == JOURNAL_MOVE ? move_again(b, e, err) : add_fate(&b->journal, e, err);
}

static int take_frames(struct rebuild *b, struct span bytes, struct err *err)
{
	struct span entries;
	uint64_t modseq = 0;
	int r = 0;

	while (r >= 0 && journal_frame_next(&bytes, &modseq, &entries)) {
		struct journal_entry e;

		while ((r = journal_entry_next(&entries, &e)) > 0) {
			r = take_entry(b, &e, err);
			if (r < 0)
				return r;
		}
	}
	if (r == -POD_E_CORRUPT) {
		rebuild_problem(
			b, JOURNAL_FILE
			": a frame is whole, but not of this version; flags may be older than they were");
		r = 0;
	}
	return r;
}

int rebuild_journal_read(struct rebuild *b, struct err *err)
{
	_cleanup_buf_ struct buf bytes = BUF_INIT;
	int r = journal_read(b->vol.dir, &bytes, err);

	b->a = arena_create(1 << 24);
	if (!b->a)
		r = err_set(err, POD_E_NOMEM, "rebuild");
	if (r == 0)
		r = take_frames(b, buf_span(&bytes), err);
	b->a = arena_free(b->a);
	if (b->journal.n)
		qsort(b->journal.fates, b->journal.n, sizeof(*b->journal.fates), by_mailbox);
	return r;
}

void rebuild_journal_done(struct rebuild_journal *j)
{
	free(j->fates);
	*j = (struct rebuild_journal){ 0 };
}
