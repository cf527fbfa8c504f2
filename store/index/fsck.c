/*
 * Files against index, a mailbox at a time, while the volume is in service. The index says what is true of messages it
 * knows; a file it does not know is a message that came another way and is taken in. Nothing that holds a message is
 * ever removed before the message is durable under another name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/index/fsck_internal.h"
#include "store/index/submit_wait.h"
#include "store/maildir/account.h"

#define FSCK_MEMORY ((size_t) 1 << 30)

void fsck_problem(struct fsck *k, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	k->report->problems++;
	if (!k->report->problem)
		return;
	va_start(ap, fmt);
	(void) vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	k->report->problem(k->report->arg, text);
}

int fsck_repair(struct fsck *k, struct change *c, struct err *err)
{
	int r = volume_submit_wait(k->vol, c, err);

	if (r == 0)
		k->report->repaired++;
	else
		fsck_problem(k, "not repaired: %s", err_text(&c->err));
	/* One repair that is refused (a quota, a full disk) is no reason not to look further; a broken volume is. */
	return volume_broken(k->vol) ? r : 0;
}

/* ---- one user ---- */

static int check_account(struct fsck *k, const struct volume_user *u, struct err *err)
{
	struct change c = { .kind = CHANGE_USER_SET, .a = k->a, .user_id = k->user_id };
	struct layout_path path;
	struct account acc;
	int r;

	layout_user(&path, k->user_id);
	layout_add(&path, LAYOUT_ACCOUNT_FILE);
	r = account_read(k->vol->dir, path.s, k->a, &acc, err);
	if (r < 0 && r != -POD_E_NOTFOUND && r != -POD_E_CORRUPT)
		return r;
	if (r == 0 && strcmp(acc.address, u->address) == 0 && strcmp(acc.display_name, u->display_name) == 0 &&
	    acc.quota_bytes == u->quota_bytes && strcmp(acc.crypt_hash, u->crypt_hash) == 0 && strcmp(acc.scram, u->scram) == 0)
		return 0;
	fsck_problem(k, "%s: %s", u->user_id, r < 0 ? "account.json is missing or damaged" : "account.json is not what the index says");
	if (!k->repair)
		return 0;
	if (r == -POD_E_CORRUPT && unlinkat(k->vol->dir, path.s, 0) < 0)
		return err_errno(err, errno, "unlink %s", path.s);
	return fsck_repair(k, &c, err); /* writes all the index has */
}

/* A folder of a mailbox that the index does not have becomes one; its messages are then found like any dropped in. */
static int check_folders(struct fsck *k, const struct volume_mailboxes *known, struct err *err)
{
	struct scanned_mailboxes found;
	struct layout_path path;
	int r;

	layout_user(&path, k->user_id);
	layout_add(&path, "Maildir");
	r = scan_mailboxes(k->vol->dir, path.s, k->a, &found, err);
	if (r == -POD_E_NOTFOUND) {
		fsck_problem(k, SPAN_FMT ": no Maildir", SPAN_ARG(k->user_id));
		return 0;
	}
	if (r == 0 && found.odd)
		fsck_problem(k, SPAN_FMT ": %zu folders are no mailboxes of ours", SPAN_ARG(k->user_id), found.odd);
	for (size_t i = 0; r == 0 && i < found.n; i++) {
		struct change c = { .kind = CHANGE_MAILBOX_CREATE, .a = k->a, .user_id = k->user_id };
		size_t j = 0;

		while (j < known->n && !(known->items[j].exists && span_eq(span_of(known->items[j].name), found.names[i])))
			j++;
		if (j < known->n)
			continue;
		fsck_problem(k, SPAN_FMT ": folder of mailbox \"" SPAN_FMT "\" is not in the index", SPAN_ARG(k->user_id),
		             SPAN_ARG(found.names[i]));
		c.u.mailbox_op.name = found.names[i];
		c.u.mailbox_op.adopt = true;
		if (k->repair)
			r = fsck_repair(k, &c, err);
	}
	return r;
}

static int check_user(struct fsck *k, const struct volume_user *u, struct err *err)
{
	struct volume_mailboxes list;
	int r = check_account(k, u, err);

	if (r == 0)
		r = fsck_states(k, err);
	if (r == 0)
		r = volume_mailbox_list(k->vol, k->a, k->user_id, &list, err);
	if (r == 0)
		r = check_folders(k, &list, err);
	if (r == 0) /* again: with those just adopted */
		r = volume_mailbox_list(k->vol, k->a, k->user_id, &list, err);
	for (size_t i = 0; r == 0 && i < list.n; i++)
		if (list.items[i].exists)
			r = fsck_mailbox(k, &list.items[i], err);
	return r;
}

/* ---- all ---- */

struct user_list {
	struct arena *a;
	struct span *ids;
	size_t n, cap;
};

static int collect_user(void *arg, const struct volume_user *u)
{
	struct user_list *l = arg;

	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->ids = arena_grow(l->a, l->ids, l->n, l->cap, sizeof(*l->ids));
	}
	if (!l->ids)
		return 1;
	l->ids[l->n] = span_make(arena_str(l->a, span_of(u->user_id)), strlen(u->user_id));
	return l->ids[l->n++].p == NULL;
}

static int note_unknown(void *arg, const char *user_id)
{
	struct fsck *k = arg;
	struct volume_user u;
	struct arena *a = arena_create(1 << 20);

	if (a && volume_user_get(k->vol, a, span_of(user_id), &u, NULL) == -POD_E_NOTFOUND)
		fsck_problem(k, "%s: a user's folder is not in the index: rebuild takes it in", user_id);
	(void) arena_free(a);
	return 0;
}

static int check_one(struct volume *vol, struct span user_id, bool repair, struct fsck_report *report, struct err *err)
{
	struct fsck k = { .vol = vol, .user_id = user_id, .repair = repair, .report = report };
	struct volume_user u;
	int r;

	k.a = arena_create(FSCK_MEMORY);
	k.parser = parser_create();
	r = k.a && k.parser ? volume_user_get(vol, k.a, user_id, &u, err) : err_set(err, POD_E_NOMEM, "fsck");
	if (r == 0)
		r = check_user(&k, &u, err);
	report->users += r == 0;
	(void) parser_free(k.parser);
	(void) arena_free(k.a);
	if (report->progress)
		report->progress(report->arg, report);
	return r;
}

int volume_fsck(struct volume *vol, struct span user_id, bool repair, struct fsck_report *report, struct err *err)
{
	struct fsck whole = { .vol = vol, .report = report };
	struct user_list users = { 0 };
	int r;

	volume_refresh(vol, user_id);
	if (user_id.len)
		return check_one(vol, user_id, repair, report, err);
	users.a = arena_create(FSCK_MEMORY);
	r = users.a ? volume_user_each(vol, collect_user, &users, err) : err_set(err, POD_E_NOMEM, "fsck");
	for (size_t i = 0; r == 0 && i < users.n; i++) {
		r = check_one(vol, users.ids[i], repair, report, err);
		if (r == -POD_E_NOTFOUND) /* removed meanwhile */
			r = 0;
	}
	(void) arena_free(users.a);
	return r < 0 ? r : scan_users(vol->dir, note_unknown, &whole, err);
}
