#include "store/restore/source_journal.h"

#include <errno.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "store/index/journal.h"
#include "store/maildir/file.h"

#define JOURNAL_MAX                                                                                         \
	((size_t) 16 << 20) /* of a source that nobody vouches for; a store writes its own anew long before \
	                     */
#define READ_BYTES 65536

static int read_bytes(int fd, struct buf *out, struct err *err)
{
	ssize_t n;

	do {
		uint8_t *to = buf_reserve(out, READ_BYTES);

		if (!to)
			return err_set(err, POD_E_NOMEM, JOURNAL_FILE " of the source");
		n = read(fd, to, READ_BYTES);
		if (n > 0)
			out->len += (size_t) n;
		else if (n < 0 && errno != EINTR)
			return err_errno(err, errno, JOURNAL_FILE " of the source");
	} while (n != 0);
	return 0;
}

static int add(struct source_journal *j, struct arena *a, const struct journal_entry *e)
{
	if (j->n == j->cap) {
		size_t cap = j->cap ? 2 * j->cap : 256;
		struct source_fate *grown = arena_grow(a, j->fates, j->n, cap, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		j->fates = grown;
		j->cap = cap;
	}
	j->fates[j->n++] =
		(struct source_fate){ e->mailbox, e->first, e->last, e->flags, e->kind == JOURNAL_GONE };
	return 0;
}

/* Moves of folders are for a rebuild: here a folder is looked for where it is. */
static int take_frames(struct span bytes, struct arena *a, struct source_journal *j)
{
	struct span entries;
	uint64_t modseq = 0;

	while (journal_frame_next(&bytes, &modseq, &entries)) {
		struct journal_entry e;

		while (journal_entry_next(&entries, &e) > 0)
			if (e.kind != JOURNAL_MOVE && add(j, a, &e) < 0)
				return -POD_E_NOMEM;
	}
	return 0;
}

int source_journal_read(int dir, struct arena *a, struct source_journal *ret, struct err *err)
{
	_cleanup_buf_ struct buf bytes = { .limit = JOURNAL_MAX };
	_cleanup_(closep) int fd = -1;
	struct source_journal j = { 0 };

	/* A backup of users/ alone has none, and one that cannot be read is as good as none. */
	if (file_open_beneath(dir, JOURNAL_FILE, 0, &fd, NULL) == 0 && read_bytes(fd, &bytes, NULL) == 0 &&
	    take_frames(buf_span(&bytes), a, &j) < 0)
		return err_set(err, POD_E_NOMEM, JOURNAL_FILE " of the source");
	*ret = j;
	return 0;
}

int source_journal_narrow(const struct source_journal *all, uint32_t mailbox, struct arena *a,
                          struct source_journal *ret)
{
	struct source_journal one = { 0 };

	for (size_t i = 0; i < all->n; i++) {
		const struct source_fate *f = &all->fates[i];
		const struct journal_entry e = { .kind = f->gone ? JOURNAL_GONE : JOURNAL_FLAGS,
			                         .mailbox = f->mailbox,
			                         .first = f->first,
			                         .last = f->last,
			                         .flags = f->flags };

		if (f->mailbox == mailbox && add(&one, a, &e) < 0)
			return -POD_E_NOMEM;
	}
	*ret = one;
	return 0;
}

const struct source_fate *source_journal_find(const struct source_journal *j, uint32_t uid)
{
	for (size_t i = j->n; i-- > 0;)
		if (j->fates[i].first <= uid && uid <= j->fates[i].last)
			return &j->fates[i];
	return NULL;
}
