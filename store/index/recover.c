/*
 * What a start does before anything else, for a crash may have come before it. Rows say what is true: folders that a
 * commit said would move are moved; what lies in staging/ and is in no row was never acknowledged, and goes. Rows of
 * `pending` are write-behind's, as always.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "store/index/intents.h"
#include "store/index/place.h"
#include "store/index/states.h"

/* 1: a row of the index has this message. */
static int is_known(struct volume *vol, struct kv_txn *txn, uint32_t mailbox, const struct maildir_name *n,
                    struct err *err)
{
	struct record rec;
	int r = record_get(txn, &vol->t, mailbox, n->uid, &rec, err);

	if (r == -POD_E_NOTFOUND)
		return 0;
	return r < 0 ? r : guid_eq(&rec.guid, &n->guid);
}

/* A message whose row of `pending` is gone while its file is not yet in place: the row comes back. */
static int pend(struct volume *vol, uint32_t mailbox, const struct maildir_name *n, struct err *err)
{
	const struct pending p = { .op = PENDING_PLACE, .staged = 1, .file_flags = n->flags };
	KV_TXN txn = { 0 };
	struct pending before;
	int r = kv_txn_begin(vol->kv, KV_WRITE, &txn, err);

	if (r == 0)
		r = pending_get(&txn, &vol->t, mailbox, n->uid, &before, err);
	if (r == 0)
		return 0;
	if (r == -POD_E_NOTFOUND)
		r = pending_put(&txn, &vol->t, mailbox, n->uid, &p, err);
	return r < 0 ? r : kv_txn_commit(&txn, err);
}

static int sweep_message(struct volume *vol, const char *name, uint32_t mailbox, const struct maildir_name *n,
                         struct err *err)
{
	int known;

	{
		KV_TXN txn = { 0 };
		int r = kv_txn_begin(vol->kv, KV_READ, &txn, err);

		known = r < 0 ? r : is_known(vol, &txn, mailbox, n, err);
	}
	if (known < 0)
		return known;
	if (known)
		return pend(vol, mailbox, n, err);
	log_event(NULL, LOGL_NOTICE, "staging.removed", F_STR("name", name));
	return unlinkat(vol->staging, name, 0) < 0 && errno != ENOENT ? err_errno(err, errno, "unlink %s", name) : 0;
}

static int sweep_entry(struct volume *vol, const char *name, struct err *err)
{
	struct maildir_name n;
	uint32_t mailbox;
	int r;

	if (staged_name_parse(span_of(name), &mailbox, &n) == 0)
		return sweep_message(vol, name, mailbox, &n, err);
	r = states_recover(vol, name, err);
	if (r != 0)
		return r < 0 ? r : 0;
	/* Trees and small files of changes: those of committed ones have been moved just now. */
	log_event(NULL, LOGL_NOTICE, "staging.removed", F_STR("name", name));
	if (unlinkat(vol->staging, name, 0) == 0 || errno == ENOENT)
		return 0;
	return errno == EISDIR ? file_remove_tree(vol->staging, name, err) : err_errno(err, errno, "unlink %s", name);
}

static int sweep(struct volume *vol, struct err *err)
{
	int fd = openat(vol->dir, LAYOUT_STAGING, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	int r = 0;

	if (!d) {
		if (fd >= 0)
			(void) close(fd);
		return err_errno(err, errno, "list " LAYOUT_STAGING);
	}
	while (r == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = sweep_entry(vol, e->d_name, err);
	(void) closedir(d);
	return r;
}

int recover(struct volume *vol, struct err *err)
{
	int r = intents_run(vol, err);

	if (r == 0)
		r = sweep(vol, err);
	vol->writer.intents_open = true; /* at most one commit clears nothing */
	return err_wrap(err, r, "recovery");
}
