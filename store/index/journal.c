#include "store/index/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "store/index/volume_internal.h"
#include "store/maildir/file.h"

#define NEW_FILE  JOURNAL_FILE ".new"
#define ROOM      (256u << 10)
#define BYTES_MAX ((size_t) 1 << 30) /* of a whole file: what a rebuild reads into memory */

/* ---- the file ---- */

int journal_read(int dir, struct buf *out, struct err *err)
{
	int r = file_read(dir, JOURNAL_FILE, BYTES_MAX, out, err);

	return r == -POD_E_NOTFOUND ? 0 : r;
}

void journal_close(struct journal *j)
{
	if (j->fd >= 0)
		(void) close(j->fd);
	j->fd = -1;
}

int journal_append(struct journal *j, struct journal_frame *f, uint64_t modseq, struct err *err)
{
	struct span bytes;
	int r;

	if (f->bytes.failed)
		return err_set(err, POD_E_NOMEM, JOURNAL_FILE);
	bytes = journal_frame_seal(f, modseq);
	r = file_write_at(j->fd, bytes, j->at, err);
	if (r < 0)
		return err_wrap(err, r, JOURNAL_FILE);
	j->at += bytes.len;
	return 0;
}

int journal_flush(const struct journal *j, struct err *err)
{
	return fdatasync(j->fd) < 0 ? err_errno(err, errno, "flush " JOURNAL_FILE) : 0;
}

int journal_cut(struct journal *j, uint64_t at, struct err *err)
{
	static const uint8_t end[JOURNAL_HEADER]; /* a frame without its magic */
	int r = file_write_at(j->fd, span_make(end, sizeof(end)), at, err);

	if (r < 0)
		return err_wrap(err, r, JOURNAL_FILE);
	j->at = at;
	return 0;
}

/* ---- anew ---- */

static int add_row(struct volume *vol, struct kv_txn *txn, struct span key, struct span value,
                   struct journal_frame *f, struct err *err)
{
	uint32_t mailbox = key_get_u32(key, 0), uid = key_get_u32(key, 4);
	struct journal_entry e = { .kind = JOURNAL_GONE, .mailbox = mailbox, .first = uid, .last = uid };
	struct pending p;
	struct record rec;
	int r = pending_decode(value, &p, err);

	if (r == 0 && p.op == PENDING_PLACE) {
		/* Whatever the row says of the name: write-behind may be just about to change it. */
		r = record_get(txn, &vol->t, mailbox, uid, &rec, err);
		e.kind = JOURNAL_FLAGS;
		e.flags = rec.flags;
	}
	if (r == 0)
		journal_frame_add(f, &e);
	return r == -POD_E_NOTFOUND ? 0 : r;
}

static int add_pending(struct volume *vol, struct kv_txn *txn, struct journal_frame *f, struct err *err)
{
	KV_CURSOR c = { 0 };
	struct span key, value;
	int r = kv_cursor_open(txn, vol->t.pending, &c, err);

	if (r == 0)
		r = kv_cursor_seek(&c, SPAN_NONE, &key, &value);
	while (r == 0) {
		r = add_row(vol, txn, key, value, f, err);
		if (r == 0)
			r = kv_cursor_next(&c, &key, &value);
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

/* Blocks of its own, so that later frames need none. A full disk has none to give: then frames find out. */
static int take_room(int fd, struct err *err)
{
	static const uint8_t zeros[16 << 10];
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < ROOM; at += sizeof(zeros))
		r = file_write_at(fd, span_make(zeros, sizeof(zeros)), at, err);
	return r == -POD_E_NOSPACE ? 0 : r;
}

static int sync_all(const struct volume *vol, struct err *err)
{
	return syncfs(vol->dir) < 0 ? err_errno(err, errno, "syncfs of the volume") : 0;
}

/* Durable before it takes the old one's place, and its place durable before a frame relies on it. */
static int exchange(struct volume *vol, struct journal *j, struct err *err)
{
	int r = sync_all(vol, err);

	if (r == 0 && renameat(vol->dir, NEW_FILE, vol->dir, JOURNAL_FILE) < 0)
		r = err_errno(err, errno, "rename " NEW_FILE);
	if (r < 0)
		return r;
	journal_close(&vol->journal);
	vol->journal = *j;
	j->fd = -1;
	return sync_all(vol, err);
}

int journal_renew(struct volume *vol, struct kv_txn *txn, uint64_t modseq, struct err *err)
{
	struct journal j = { .fd = openat(vol->dir, NEW_FILE,
		                          O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600),
		             .limit = ROOM / 2 };
	struct journal_frame f = { 0 };
	int r = j.fd < 0 ? err_errno(err, errno, "create " NEW_FILE) : take_room(j.fd, err);

	if (r == 0)
		r = add_pending(vol, txn, &f, err);
	if (r == 0 && !journal_frame_is_empty(&f))
		r = journal_append(&j, &f, modseq, err);
	journal_frame_done(&f);
	if (j.limit < 2 * j.at)
		j.limit = 2 * j.at;
	if (r == 0)
		r = exchange(vol, &j, err);
	if (j.fd >= 0) {
		journal_close(&j);
		(void) unlinkat(vol->dir, NEW_FILE, 0);
	}
	return r;
}

/* ---- at the start ---- */

/* Behind the last frame of a commit that came to be. */
static uint64_t find_end(struct span bytes, uint64_t modseq)
{
	struct span rest = bytes, entries, next = bytes;
	uint64_t at = 0;

	while (journal_frame_next(&next, &at, &entries) && at <= modseq)
		rest = next;
	return bytes.len - rest.len;
}

static int renew_from_index(struct volume *vol, uint64_t modseq, struct err *err)
{
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(vol->kv, KV_READ, &txn, err);

	return r < 0 ? r : journal_renew(vol, &txn, modseq, err);
}

int journal_open(struct volume *vol, uint64_t modseq, struct err *err)
{
	_cleanup_buf_ struct buf bytes = BUF_INIT;
	struct journal *j = &vol->journal;
	int r;

	j->limit = ROOM / 2;
	j->fd = openat(vol->dir, JOURNAL_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (j->fd < 0)
		return errno == ENOENT ? renew_from_index(vol, modseq, err)
		                       : err_errno(err, errno, "open " JOURNAL_FILE);
	r = journal_read(vol->dir, &bytes, err);
	return r < 0 ? r : journal_cut(j, find_end(buf_span(&bytes), modseq), err);
}
