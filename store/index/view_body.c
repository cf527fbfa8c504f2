/* The bytes of a message: the open file of where the index says it is. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/index/change.h"
#include "store/index/place.h"
#include "store/index/view.h"

/* While write-behind moves a file, a look can come too late at one place and too early at the next. */
#define LOOKS 3

struct found {
	struct record rec;
	struct span parts;
	int fd;
};

static int get_parts(struct volume *vol, struct kv_txn *txn, struct arena *a, uint32_t mailbox, uint32_t uid,
                     const struct record *rec, struct span *ret_parts, struct err *err)
{
	struct row_reader rr = { .txn = txn, .t = &vol->t, .mailbox = mailbox, .columns = STORE_COL_PARTS };
	struct volume_row row;
	int r = row_read(&rr, uid, rec, &row, err);

	if (r == 0 && row.parts.len) {
		*ret_parts = arena_dup(a, row.parts);
		if (!ret_parts->p)
			r = err_set(err, POD_E_NOMEM, "message");
	}
	row_reader_done(&rr);
	return r;
}

static int open_places(struct volume *vol, const struct places *p, int *ret_fd, struct err *err)
{
	for (size_t i = 0; i < p->n; i++) {
		int fd = openat(vol->dir, p->at[i].s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

		if (fd >= 0) {
			*ret_fd = fd;
			return 0;
		}
		if (errno != ENOENT)
			return err_errno(err, errno, "open %s", p->at[i].s);
	}
	return -POD_E_NOTFOUND;
}

/* 1: no file at any of the places. */
static int look(struct volume *vol, struct arena *a, struct span user_id, uint32_t mailbox, uint32_t uid, bool search,
                struct found *f, struct err *err)
{
	KV_TXN txn = { 0 };
	struct mailbox_info info;
	struct place_name name;
	struct places places = { 0 };
	int r = view_begin(vol, user_id, &txn, err);

	if (r == 0)
		r = view_mailbox(vol, &txn, user_id, mailbox, &info, NULL, err);
	if (r == 0)
		r = record_get(&txn, &vol->t, mailbox, uid, &f->rec, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND, "no such message");
	if (r == 0 && !f->parts.p)
		r = get_parts(vol, &txn, a, mailbox, uid, &f->rec, &f->parts, err);
	if (r < 0)
		return r;
	name = place_name_of(mailbox, uid, &f->rec);
	if (search)
		r = place_search(vol, &info, &name, &places, err);
	else
		r = place_find(vol, &txn, &info, &name, &places, err);
	if (r == 0)
		r = open_places(vol, &places, &f->fd, err);
	return r == -POD_E_NOTFOUND ? 1 : r;
}

int volume_body_open(struct volume *vol, struct arena *a, struct span user_id, uint32_t mailbox, uint32_t uid,
                     int *ret_fd, uint64_t *ret_size, struct span *ret_parts, struct err *err)
{
	struct found f = { .fd = -1 };
	struct err why = { 0 };
	int r = 1;

	for (int i = 0; r == 1 && i < LOOKS; i++)
		r = look(vol, a, user_id, mailbox, uid, i == LOOKS - 1, &f, &why);
	if (r == 1)
		r = err_set(&why, POD_E_CORRUPT, "the file of uid %u is missing: run fsck", uid);
	if (r < 0) {
		if (err)
			*err = why;
		return r;
	}
	*ret_fd = f.fd;
	*ret_size = f.rec.size;
	*ret_parts = f.parts;
	return 0;
}

int volume_url_key(struct volume *vol, uint32_t mailbox, uint8_t ret_key[VOLUME_URL_KEY_SIZE], struct err *err)
{
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(vol->kv, KV_READ, &txn, err);

	return r < 0 ? r : url_key_get(&txn, &vol->t, mailbox, ret_key, err);
}
