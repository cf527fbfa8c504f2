/*
 * The index made anew from the files alone, beside the old one, which it replaces when it is whole and durable. Files
 * of staging/ that a commit may have acknowledged are taken in: losing nothing goes before showing too much, and a
 * delivery that its sender repeats is recognised by its guid.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/index/rebuild_internal.h"
#include "store/index/volume_create.h"
#include "store/maildir/account.h"

#define REBUILD_MEMORY ((size_t) 4 << 30)
#define NEW_INDEX "index.new"
#define OLD_INDEX "index.old"
#define RESERVE_STEP 1000000 /* of modseqs */
#define ID_STEP 10000

void rebuild_problem(struct rebuild *b, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	b->report->problems++;
	if (!b->report->problem)
		return;
	va_start(ap, fmt);
	(void) vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	b->report->problem(b->report->arg, text);
}

/* ---- users ---- */

static int put_subscriptions(struct rebuild *b, const struct rebuild_user *u, struct err *err)
{
	struct layout_path path;
	struct span *names = NULL;
	size_t n = 0;
	int r;

	layout_user(&path, u->id);
	layout_add(&path, "Maildir/" LAYOUT_SUBSCRIPTIONS);
	r = subscriptions_read(b->vol.dir, path.s, b->a, &names, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct span name;
		struct key k;

		if (mailbox_name_canonical(b->a, names[i], &name, NULL) < 0) {
			rebuild_problem(b, SPAN_FMT ": a subscription is no mailbox name", SPAN_ARG(u->id));
			continue;
		}
		key_user_name(&k, u->no, name);
		r = kv_put(&b->txn, b->vol.t.subscribed, key_span(&k), SPAN_NONE, err);
	}
	return r;
}

static int put_user(struct rebuild *b, struct rebuild_user *u, struct err *err)
{
	struct layout_path path;
	struct account acc;
	struct user_info info;
	int r;

	layout_user(&path, u->id);
	layout_add(&path, LAYOUT_ACCOUNT_FILE);
	r = account_read(b->vol.dir, path.s, b->a, &acc, err);
	if (r == -POD_E_NOTFOUND || r == -POD_E_CORRUPT) {
		/* The mail is worth more than the password: the user is there, and an admin sets a new one. */
		rebuild_problem(b, SPAN_FMT ": account.json is missing or damaged: set address and password", SPAN_ARG(u->id));
		acc = (struct account){ .address = (const char *) u->id.p, .display_name = "", .created = clock_wall_s(),
			                .crypt_hash = "", .scram = "" };
	} else if (r < 0) {
		return r;
	}
	info = (struct user_info){ .no = u->no, .quota_bytes = acc.quota_bytes, .created = acc.created,
		                   .credential_version = acc.credential_version, .address = acc.address,
		                   .display_name = acc.display_name, .crypt_hash = acc.crypt_hash, .scram = acc.scram };
	return user_put(&b->txn, &b->vol.t, u->id, &info, err);
}

static int put_mailboxes(struct rebuild *b, struct rebuild_user *u, struct err *err)
{
	struct scanned_mailboxes list = { 0 };
	struct layout_path path;
	int r;

	layout_user(&path, u->id);
	layout_add(&path, "Maildir");
	r = file_mkdir(b->vol.dir, path.s, err);
	if (r == 0)
		r = scan_mailboxes(b->vol.dir, path.s, b->a, &list, err);
	if (list.odd)
		rebuild_problem(b, SPAN_FMT ": %zu folders are no mailboxes of ours", SPAN_ARG(u->id), list.odd);
	for (size_t i = 0; r == 0 && i < list.n; i++)
		r = rebuild_mailbox(b, u, list.names[i], err);
	return r;
}

static int rebuild_one_user(struct rebuild *b, const char *user_id, struct err *err)
{
	struct rebuild_user u = { .id = span_of(user_id), .no = b->counters.next_user++ };
	int r = kv_txn_begin(b->vol.kv, KV_WRITE, &b->txn, err);

	b->parser = parser_create();
	if (r == 0 && !b->parser)
		r = err_set(err, POD_E_NOMEM, "rebuild");
	if (r == 0)
		r = put_user(b, &u, err);
	if (r == 0)
		r = put_mailboxes(b, &u, err);
	if (r == 0)
		r = put_subscriptions(b, &u, err);
	if (r == 0)
		r = rebuild_states(b, &u, err);
	if (r == 0)
		r = usage_put(&b->txn, &b->vol.t, u.no, &u.usage, err);
	b->counters.users++;
	b->counters.messages += u.usage.messages;
	b->counters.bytes += u.usage.bytes;
	if (r == 0)
		r = counters_put(&b->txn, &b->vol.t, &b->counters, err);
	r = r < 0 ? r : kv_txn_commit(&b->txn, err);
	kv_txn_abort(&b->txn);
	b->parser = parser_free(b->parser);
	return err_wrap(err, r, "user %s", user_id);
}

struct each_user {
	struct rebuild *b;
	struct err *err;
};

static int on_user(void *arg, const char *user_id)
{
	struct each_user *e = arg;
	int r;

	e->b->a = arena_create(REBUILD_MEMORY);
	r = e->b->a ? rebuild_one_user(e->b, user_id, e->err) : err_set(e->err, POD_E_NOMEM, "rebuild");
	e->b->a = arena_free(e->b->a);
	e->b->report->users++;
	if (e->b->report->progress)
		e->b->report->progress(e->b->report->arg, e->b->report);
	return r;
}

/* ---- the whole ---- */

static int lock(struct rebuild *b, const char *path, struct err *err)
{
	b->vol.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->vol.dir < 0)
		return err_errno(err, errno, "open volume %s", path);
	b->vol.lock = openat(b->vol.dir, "volume.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (b->vol.lock < 0)
		return err_errno(err, errno, "open the lock of volume %s", path);
	if (flock(b->vol.lock, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, POD_E_BUSY, "volume %s is open in another process", path);
	b->vol.staging = openat(b->vol.dir, LAYOUT_STAGING, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return b->vol.staging < 0 ? err_errno(err, errno, "open " LAYOUT_STAGING) : volume_file_read(b->vol.dir, &b->vol.file, err);
}

/*
 * The promises in volume.json say where to go on: above all that was ever given out. They are renewed before the new
 * index is put in place, so that a second rebuild starts above this one.
 */
static int start_counters(struct rebuild *b, struct err *err)
{
	struct volume_file f = b->vol.file;
	uint32_t now = (uint32_t) clock_wall_s();

	b->counters = (struct counters){ .version = SCHEMA_VERSION, .next_user = 1, .modseq = f.modseq_reserve + 1,
		                         .next_mailbox = f.mailbox_reserve ? f.mailbox_reserve : 1,
		                         .next_uidvalidity = f.uidvalidity_reserve > now ? f.uidvalidity_reserve : now };
	f.modseq_reserve = b->counters.modseq + RESERVE_STEP;
	f.mailbox_reserve = b->counters.next_mailbox + ID_STEP;
	f.uidvalidity_reserve = b->counters.next_uidvalidity + ID_STEP;
	b->vol.file = f;
	return volume_file_write(b->vol.dir, &f, err);
}

static int sync_all(const struct rebuild *b, struct err *err)
{
	return syncfs(b->vol.dir) < 0 ? err_errno(err, errno, "syncfs of the volume") : 0;
}

/* Names say now what the journal said, but for those in staging/, which the new one tells of. */
static int renew_journal(struct rebuild *b, struct err *err)
{
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(b->vol.kv, KV_READ, &txn, err);

	return r < 0 ? r : journal_renew(&b->vol, &txn, b->counters.modseq, err);
}

/* Between the two renames a crash leaves no index: that is an error at the next start, and this is done again. */
static int exchange(struct rebuild *b, struct err *err)
{
	int r = kv_sync(b->vol.kv, err);

	if (r == 0)
		r = renew_journal(b, err); /* makes all durable */
	b->vol.kv = kv_close(b->vol.kv);
	if (r == 0)
		r = file_remove_tree(b->vol.dir, OLD_INDEX, err);
	if (r == 0 && renameat(b->vol.dir, LAYOUT_INDEX, b->vol.dir, OLD_INDEX) < 0 && errno != ENOENT)
		r = err_errno(err, errno, "put the old index aside");
	if (r == 0 && renameat(b->vol.dir, NEW_INDEX, b->vol.dir, LAYOUT_INDEX) < 0)
		r = err_errno(err, errno, "put the new index in place");
	if (r == 0)
		r = sync_all(b, err);
	return r < 0 ? r : file_remove_tree(b->vol.dir, OLD_INDEX, err);
}

/* The journal's rows are not for this index, which has the messages otherwise. */
static int note_segment(struct rebuild *b, uint64_t segment, struct err *err)
{
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(b->vol.kv, KV_WRITE, &txn, err);

	if (r == 0)
		r = ahead_segment_put(&txn, &b->vol.t, segment, err);
	return r < 0 ? r : kv_txn_commit(&txn, err);
}

static int make_index(struct rebuild *b, const char *path, struct err *err)
{
	struct each_user each = { b, err };
	char index[PATH_MAX + sizeof("/" NEW_INDEX)];
	uint64_t segment = 0; /* of the deliveries' journal */
	int r = file_remove_tree(b->vol.dir, NEW_INDEX, err);

	(void) snprintf(index, sizeof(index), "%s/" NEW_INDEX, path);
	if (r == 0)
		r = start_counters(b, err);
	if (r == 0)
		r = rebuild_journal_read(b, err);
	if (r == 0)
		r = ahead_restore_files(&b->vol, &segment, err);
	if (r == 0)
		r = rebuild_staged_trees(b, err);
	if (r == 0)
		r = index_create(index, KV_NOSYNC, &b->counters, &b->vol.kv, &b->vol.t, err);
	if (r == 0)
		r = scan_users(b->vol.dir, on_user, &each, err);
	if (r == 0)
		r = rebuild_staged_messages(b, err);
	if (r == 0)
		r = note_segment(b, segment, err);
	return r < 0 ? r : exchange(b, err);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		(void) close(fd);
}

int volume_rebuild(const char *path, struct fsck_report *report, struct err *err)
{
	struct rebuild *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return err_set(err, POD_E_NOMEM, "rebuild");
	b->report = report;
	b->vol.dir = b->vol.lock = b->vol.staging = b->vol.journal.fd = -1;
	r = strlen(path) < PATH_MAX ? lock(b, path, err) : err_set(err, POD_E_LIMIT, "the volume's path is too long");
	if (r == 0)
		r = make_index(b, path, err);
	(void) kv_close(b->vol.kv);
	journal_close(&b->vol.journal);
	rebuild_journal_done(&b->journal);
	free(b->ids);
	close_fd(b->vol.staging);
	close_fd(b->vol.dir);
	close_fd(b->vol.lock);
	free(b);
	return r;
}

bool volume_lacks_index(const char *path)
{
	char file[PATH_MAX];

	(void) snprintf(file, sizeof(file), "%s/volume.json", path);
	if (access(file, F_OK) != 0)
		return false;
	(void) snprintf(file, sizeof(file), "%s/" LAYOUT_INDEX, path);
	return access(file, F_OK) != 0 && errno == ENOENT;
}
