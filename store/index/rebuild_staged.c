/* What lies in staging/ when there is no index to say whether it was committed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "store/index/rebuild_internal.h"
#include "store/maildir/account.h"
#include "store/maildir/body.h"
#include "store/maildir/state_file.h"

#define STATE_MEMORY ((size_t) 4 << 20)

static DIR *open_staging(const struct rebuild *b, struct err *err)
{
	int fd = openat(b->vol.dir, LAYOUT_STAGING, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (!d) {
		(void) err_errno(err, errno, "list " LAYOUT_STAGING);
		if (fd >= 0)
			(void) close(fd);
	}
	return d;
}

/* ---- trees and small files ---- */

static int move(struct rebuild *b, const char *name, const char *to, bool replace, struct err *err)
{
	if (renameat2(b->vol.staging, name, b->vol.dir, to, replace ? 0 : RENAME_NOREPLACE) == 0) {
		b->report->repaired++;
		return 0;
	}
	/* Its place is taken or gone: it was superseded, and what is in place is what was committed later. */
	if (errno != EEXIST && errno != ENOENT && errno != ENOTDIR)
		return err_errno(err, errno, "move %s to %s", name, to);
	return file_remove_tree(b->vol.staging, name, NULL) < 0 && unlinkat(b->vol.staging, name, 0) < 0 ?
	               err_errno(err, errno, "remove %s", name) :
	               0;
}

/* A mailbox's tree says itself where it was to go. */
static int move_mailbox(struct rebuild *b, const char *name, struct err *err)
{
	struct layout_path path;
	struct mailbox_file f;
	int r;

	layout_set(&path, LAYOUT_STAGING "/%s", name);
	r = mailbox_file_read(b->vol.dir, path.s, b->a, &f, err);
	if (r == -POD_E_NOTFOUND || r == -POD_E_CORRUPT || (r == 0 && !*f.made_for)) /* not yet whole: never committed */
		return file_remove_tree(b->vol.staging, name, err);
	return r < 0 ? r : move(b, name, f.made_for, false, err);
}

/* What a commit may have acknowledged was flushed before; a file without its bytes was not, and takes no other's place. */
static bool has_its_bytes(const struct rebuild *b, const char *name)
{
	_cleanup_(closep) int fd = openat(b->vol.staging, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;

	return size > 0 && body_is_whole(fd, (uint64_t) size, NULL) == 1;
}

static bool account_is_whole(struct rebuild *b, const char *path)
{
	struct account acc;

	return account_read(b->vol.dir, path, b->a, &acc, NULL) == 0;
}

/* Subscriptions are the last file of a tree. */
static bool user_is_whole(struct rebuild *b, const char *staged)
{
	struct layout_path account, maildir, subscriptions;
	struct mailbox_file inbox;

	layout_set(&account, "%s/" LAYOUT_ACCOUNT_FILE, staged);
	layout_set(&maildir, "%s/Maildir", staged);
	layout_set(&subscriptions, "%s/" LAYOUT_SUBSCRIPTIONS, maildir.s);
	return file_exists(b->vol.dir, subscriptions.s, NULL) == 1 && account_is_whole(b, account.s) &&
	       mailbox_file_read(b->vol.dir, maildir.s, b->a, &inbox, NULL) == 0;
}

/* One that is not whole was never committed. */
static int move_user(struct rebuild *b, const char *name, const char *to, struct err *err)
{
	struct layout_path path;

	layout_set(&path, LAYOUT_STAGING "/%s", name);
	return user_is_whole(b, path.s) ? move(b, name, to, false, err) : file_remove_tree(b->vol.staging, name, err);
}

static int move_file(struct rebuild *b, const char *name, bool whole, const char *to, struct err *err)
{
	if (whole)
		return move(b, name, to, true, err);
	return unlinkat(b->vol.staging, name, 0) < 0 ? err_errno(err, errno, "unlink %s", name) : 0;
}

/* Which of a state's files holds, the user's own turn decides. */
static int move_state(struct rebuild *b, const char *name, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(STATE_MEMORY);
	struct scanned_state s;
	struct state_file f;
	struct layout_path to;
	struct span user;
	int r = a ? state_staged_parse(name, a, &user, &s) : -POD_E_NOMEM;

	if (r != 1)
		return r < 0 ? err_set(err, POD_E_NOMEM, "rebuild") : 0;
	r = state_file_read(b->vol.dir, user, s.name, s.version, a, &f, NULL);
	state_file_path(&to, user, s.name, s.version);
	return move_file(b, name, r == 0, to.s, err);
}

static int move_staged(struct rebuild *b, const char *name, struct err *err)
{
	const struct span user = span_of(name + 2);
	struct layout_path to, path;

	if (strlen(name) < 3 || name[1] != '-')
		return 0;
	if (name[0] == 'm')
		return move_mailbox(b, name, err);
	if (name[0] == 'v')
		return move_state(b, name, err);
	if (!layout_user_is_valid(user))
		return 0;
	layout_user(&to, user);
	layout_set(&path, LAYOUT_STAGING "/%s", name);
	switch (name[0]) {
	case 'u': return move_user(b, name, to.s, err);
	case 'a':
		layout_add(&to, LAYOUT_ACCOUNT_FILE);
		return move_file(b, name, account_is_whole(b, path.s), to.s, err);
	case 's':
		layout_add(&to, "Maildir/" LAYOUT_SUBSCRIPTIONS);
		return move_file(b, name, has_its_bytes(b, name), to.s, err);
	default: return 0;
	}
}

int rebuild_staged_trees(struct rebuild *b, struct err *err)
{
	DIR *d = open_staging(b, err);
	const struct dirent *e;
	int r = 0;

	if (!d)
		return -POD_E_IO;
	b->a = arena_create(1 << 24);
	if (!b->a)
		r = err_set(err, POD_E_NOMEM, "rebuild");
	while (r == 0 && (e = readdir(d)))
		if (e->d_name[0] != '.')
			r = move_staged(b, e->d_name, err);
	(void) closedir(d);
	b->a = arena_free(b->a);
	return r;
}

/* ---- messages ---- */

static int put_pending(struct rebuild *b, uint32_t mailbox, const struct maildir_name *n, struct err *err)
{
	const struct pending p = { .op = PENDING_PLACE, .staged = 1, .file_flags = n->flags };

	return pending_put(&b->txn, &b->vol.t, mailbox, n->uid, &p, err);
}

/* flags: those of the last commit, while the name says those of the first. */
static int take_in(struct rebuild *b, uint32_t mailbox, const struct maildir_name *n, uint32_t flags, int fd,
                   struct err *err)
{
	struct rebuild_user u = { 0 };
	struct mailbox_info info;
	struct mailbox_counts counts;
	struct record rec = { .size = n->size, .internal_date = n->time, .save_date = n->time, .guid = n->guid,
		              .flags = flags };
	int r = mailbox_get(&b->txn, &b->vol.t, mailbox, &info, err);

	if (r == 0)
		r = counts_get(&b->txn, &b->vol.t, mailbox, &counts, err);
	u.no = info.user;
	if (r == 0)
		r = usage_get(&b->txn, &b->vol.t, u.no, &u.usage, err);
	if (r == 0)
		r = rebuild_put_message(b, &u, mailbox, &counts, n->uid, &rec, fd, err);
	if (r == 0)
		r = put_pending(b, mailbox, n, err);
	if (r == 0)
		r = usage_put(&b->txn, &b->vol.t, u.no, &u.usage, err);
	if (r == 0)
		r = counts_put(&b->txn, &b->vol.t, mailbox, &counts, err);
	b->counters.messages++;
	b->counters.bytes += rec.size;
	return r;
}

/* Whether a commit may have said that this mailbox has it: then its bytes were flushed before. */
static int belongs(struct rebuild *b, uint32_t mailbox, const struct maildir_name *n, int fd, struct err *err)
{
	struct mailbox_info info;
	struct record rec;

	if (mailbox_get(&b->txn, &b->vol.t, mailbox, &info, NULL) < 0 ||
	    record_get(&b->txn, &b->vol.t, mailbox, n->uid, &rec, NULL) != -POD_E_NOTFOUND)
		return 0;
	return body_is_whole(fd, n->size, err);
}

/* One whose bytes are not all there, whose mailbox is gone or whose uid has a file in place was not to stay. */
static int put_message(struct rebuild *b, const char *name, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	const struct fate *fate;
	struct maildir_name n;
	uint32_t mailbox;
	int r = 0;

	if (staged_name_parse(span_of(name), &mailbox, &n) < 0)
		return 0;
	fate = rebuild_fate(b, mailbox, n.uid);
	if (!fate || !fate->gone) {
		fd = openat(b->vol.staging, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		r = fd < 0 ? err_errno(err, errno, "open %s", name) : belongs(b, mailbox, &n, fd, err);
		if (r < 0)
			return r;
		if (r == 1)
			return take_in(b, mailbox, &n, fate ? fate->flags : n.flags, fd, err);
		rebuild_problem(b, "staging: %s is in no mailbox or not whole", name);
	}
	return unlinkat(b->vol.staging, name, 0) < 0 ? err_errno(err, errno, "unlink %s", name) : 0;
}

int rebuild_staged_messages(struct rebuild *b, struct err *err)
{
	DIR *d = open_staging(b, err);
	const struct dirent *e;
	int r = d ? kv_txn_begin(b->vol.kv, KV_WRITE, &b->txn, err) : -POD_E_IO;

	if (!d)
		return r;
	b->parser = parser_create();
	if (!b->parser)
		r = err_set(err, POD_E_NOMEM, "rebuild");
	while (r == 0 && (e = readdir(d)))
		r = put_message(b, e->d_name, err);
	(void) closedir(d);
	if (r == 0)
		r = counters_put(&b->txn, &b->vol.t, &b->counters, err);
	r = r < 0 ? r : kv_txn_commit(&b->txn, err);
	kv_txn_abort(&b->txn);
	b->parser = parser_free(b->parser);
	return r;
}
