/* Users added, altered and removed. A new one's tree is made whole in staging/ and moves into place as one.
 */
#include <stdio.h>

#include "store/index/change.h"
#include "store/index/folders.h"
#include "store/index/mailbox.h"
#include "store/index/states.h"
#include "store/maildir/account.h"
#include "store/maildir/layout.h"

static const struct {
	const char *name, *special_use; /* RFC 6154 */
} defaults[] = {
	{ "INBOX", "" },      { "Drafts", "\\Drafts" }, { "Sent", "\\Sent" },
	{ "Junk", "\\Junk" }, { "Trash", "\\Trash" },   { "Archive", "\\Archive" },
};

static struct account account_of(const struct user_info *u)
{
	return (struct account){ u->address,    u->display_name, u->quota_bytes,       u->created,
		                 u->crypt_hash, u->scram,        u->credential_version };
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* ---- add ---- */

static int add_check(struct batch *b, const struct change *c, struct err *err)
{
	struct user_state *u = NULL;
	struct layout_path path;
	int r;

	if (!layout_user_is_valid(c->user_id))
		return err_set(err, POD_E_SYNTAX, "a user id has 1 to %d of a-z, 0-9, '.', '_' and '-'",
		               LAYOUT_USER_MAX);
	r = batch_user(b, c->user_id, &u, NULL);
	if (r == 0)
		return err_set(err, POD_E_EXISTS, "user exists already");
	if (r != -POD_E_NOTFOUND)
		return err_set(err, (enum pod_error) - r, "user");
	if (b->counters.users >= b->vol->o.users_max)
		return err_set(err, POD_E_FULL, "the volume has its %u users", b->vol->o.users_max);
	if (!c->u.user_op.user.address || !*c->u.user_op.user.address)
		return err_set(err, POD_E_SYNTAX, "a user has an address");
	layout_user(&path, c->user_id);
	r = file_exists(b->vol->dir, path.s, err);
	if (r == 1)
		return err_set(err, POD_E_EXISTS, "%s is there, but not in the index: run fsck", path.s);
	return r;
}

static int add_rows(struct batch *b, const struct change *c, struct user_state **ret, struct err *err)
{
	const struct volume_user *from = &c->u.user_op.user;
	struct user_state *u = batch_new_user(b, c->user_id);
	int r;

	if (!u)
		return err_set(err, POD_E_NOMEM, "user");
	u->info = (struct user_info){ .no = b->counters.next_user,
		                      .quota_bytes = from->quota_bytes,
		                      .created = from->created ? from->created : b->now,
		                      .credential_version = from->credential_version,
		                      .address = or_empty(from->address),
		                      .display_name = or_empty(from->display_name),
		                      .crypt_hash = or_empty(from->crypt_hash),
		                      .scram = or_empty(from->scram) };
	if (user_copy(b->a, &u->info) < 0)
		return err_set(err, POD_E_NOMEM, "user");
	u->dirty = true;
	r = user_put(&b->txn, &b->vol->t, u->id, &u->info, err);
	if (batch_wrote(b, r, err) < 0)
		return r;
	b->counters.next_user++;
	b->counters.users++;
	*ret = u;
	return 0;
}

/* One default mailbox with its folder below `maildir`, subscribed. */
static int add_mailbox(struct batch *b, struct user_state *u, size_t i, const char *maildir, struct err *err)
{
	const struct mailbox_plan plan = { .name = span_of(defaults[i].name),
		                           .special_use = defaults[i].special_use };
	struct mailbox_state *m = NULL;
	struct layout_path path;
	struct mailbox_file file;
	struct key k;
	int r = mailbox_make_rows(b, u, &plan, &m, &file, err);

	key_user_name(&k, u->info.no, plan.name);
	if (r == 0)
		r = kv_put(&b->txn, b->vol->t.subscribed, key_span(&k), SPAN_NONE, err);
	if (r < 0)
		return r;
	if (i == 0)
		layout_set(&path, "%s", maildir);
	else
		layout_set(&path, "%s/.%s", maildir, defaults[i].name);
	return mailbox_folder_make(b->vol->dir, path.s, &file, err);
}

static int add_tree(struct batch *b, struct user_state *u, const char *staged, struct err *err)
{
	const struct account acc = account_of(&u->info);
	struct span names[ARRAY_SIZE(defaults)];
	struct layout_path path;
	int r = file_mkdir(b->vol->dir, staged, err);

	layout_set(&path, "%s/" LAYOUT_ACCOUNT_FILE, staged);
	if (r == 0)
		r = account_write(b->vol->dir, path.s, NULL, &acc, err);
	layout_set(&path, "%s/Maildir", staged);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(defaults); i++) {
		names[i] = span_of(defaults[i].name);
		r = add_mailbox(b, u, i, path.s, err);
	}
	layout_add(&path, LAYOUT_SUBSCRIPTIONS);
	return r < 0 ? r : subscriptions_write(b->vol->dir, path.s, names, ARRAY_SIZE(names), err);
}

int change_user_add(struct batch *b, struct change *c)
{
	struct layout_path staged, parent, final;
	char name[LAYOUT_USER_MAX + 8];
	struct user_state *u = NULL;
	int r = add_check(b, c, &c->err);

	if (r == 0)
		r = folders_check(b, &c->err);
	if (r == 0)
		r = add_rows(b, c, &u, &c->err);
	if (r < 0)
		return r;
	(void) snprintf(name, sizeof(name), "u-" SPAN_FMT, SPAN_ARG(u->id));
	layout_set(&staged, LAYOUT_STAGING "/%s", name);
	layout_user_parent(&parent, u->id);
	layout_user(&final, u->id);
	r = batch_staged(b, name, true, &c->err);
	if (r == 0)
		r = add_tree(b, u, staged.s, &c->err);
	if (r == 0)
		r = file_mkdir(b->vol->dir, parent.s, &c->err);
	if (batch_wrote(b, r, &c->err) < 0)
		return r;
	return batch_intent(b, INTENT_MOVE, staged.s, final.s, &c->err);
}

/* ---- set ---- */

static int set_info(struct batch *b, const struct change *c, struct user_info *u)
{
	const struct volume_user *from = &c->u.user_op.user;

	if (c->u.user_op.set_address)
		u->address = or_empty(from->address);
	if (c->u.user_op.set_display_name)
		u->display_name = or_empty(from->display_name);
	if (c->u.user_op.set_quota)
		u->quota_bytes = from->quota_bytes;
	if (c->u.user_op.set_credentials) {
		u->crypt_hash = or_empty(from->crypt_hash);
		u->scram = or_empty(from->scram);
		u->credential_version = from->credential_version > u->credential_version
		                                ? from->credential_version
		                                : u->credential_version + 1;
	}
	return user_copy(b->a, u);
}

int change_user_set(struct batch *b, struct change *c)
{
	struct layout_path staged, final;
	char name[LAYOUT_USER_MAX + 8];
	struct user_state *u = NULL;
	struct user_info info;
	struct account acc;
	int r = batch_user(b, c->user_id, &u, &c->err);

	if (r == 0)
		r = folders_check(b, &c->err);
	if (r < 0)
		return r;
	info = u->info;
	if (set_info(b, c, &info) < 0)
		return change_nomem(b, c);
	if (!*info.address)
		return err_set(&c->err, POD_E_SYNTAX, "a user has an address");
	acc = account_of(&info);
	(void) snprintf(name, sizeof(name), "a-" SPAN_FMT, SPAN_ARG(u->id));
	layout_set(&staged, LAYOUT_STAGING "/%s", name);
	layout_user(&final, u->id);
	layout_add(&final, LAYOUT_ACCOUNT_FILE);
	r = batch_staged(b, name, false, &c->err);
	if (r == 0)
		r = account_write(b->vol->dir, staged.s, final.s, &acc, &c->err);
	if (r < 0)
		return r;
	r = user_put(&b->txn, &b->vol->t, u->id, &info, &c->err);
	if (batch_wrote(b, r, &c->err) < 0)
		return r;
	u->info = info;
	u->account_changed |= c->u.user_op.set_credentials;
	return batch_intent(b, INTENT_REPLACE, staged.s, final.s, &c->err);
}

/* ---- remove ---- */

static int collect(struct batch *b, const struct user_state *u, uint32_t **ret_ids, size_t *ret_n,
                   struct err *err)
{
	KV_CURSOR c = { 0 };
	uint32_t *ids = arena_array(b->a, u->usage.mailboxes, sizeof(*ids));
	struct span key, value;
	struct key k;
	size_t n = 0;
	int r = ids ? kv_cursor_open(&b->txn, b->vol->t.names, &c, err) : err_set(err, POD_E_NOMEM, "user");

	key_mailbox(&k, u->info.no);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, &value);
	for (; r == 0 && key_get_u32(key, 0) == u->info.no; r = kv_cursor_next(&c, &key, &value)) {
		if (value.len != sizeof(*ids) || n == u->usage.mailboxes)
			return err_set(err, POD_E_CORRUPT, "index: a row of names is damaged");
		memcpy(&ids[n++], value.p, sizeof(*ids));
	}
	*ret_ids = ids;
	*ret_n = n;
	return r == -POD_E_NOTFOUND ? 0 : r;
}

/* All rows of a user who goes, in a table whose keys begin with his number. Files of states go with his
 * folder. */
static int wipe_rows(struct batch *b, kv_table table, const struct user_state *u, struct err *err)
{
	KV_CURSOR c = { 0 };
	struct span key;
	struct key k;
	int r = kv_cursor_open(&b->txn, table, &c, err);

	key_mailbox(&k, u->info.no);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, NULL);
	while (r == 0 && key_get_u32(key, 0) == u->info.no) {
		r = kv_cursor_delete(&c, err);
		if (r == 0)
			r = kv_cursor_next(&c, &key, NULL);
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

static int wipe(struct batch *b, struct user_state *u, struct err *err)
{
	uint32_t *ids = NULL;
	struct key k;
	size_t n = 0;
	int r = collect(b, u, &ids, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct mailbox_state *m = NULL;

		r = batch_mailbox(b, ids[i], &m, err);
		if (r == 0)
			r = mailbox_wipe(b, u, m, err);
	}
	if (r == 0)
		r = wipe_rows(b, b->vol->t.subscribed, u, err);
	if (r == 0)
		r = wipe_rows(b, b->vol->t.states, u, err);
	key_mailbox(&k, u->info.no);
	if (r == 0)
		r = kv_delete(&b->txn, b->vol->t.usage, key_span(&k), err);
	if (r == 0)
		r = kv_delete(&b->txn, b->vol->t.users, u->id, err);
	if (r == 0)
		r = login_delete(&b->txn, &b->vol->t, u->id, err);
	logins_forget(&b->vol->logins, u->id);
	return batch_wrote(b, r, err);
}

int change_user_remove(struct batch *b, struct change *c)
{
	struct layout_path from, to;
	struct user_state *u = NULL;
	uint32_t inbox = 0;
	int r = batch_user(b, c->user_id, &u, &c->err);

	if (r == 0)
		r = folders_check(b, &c->err);
	if (r == 0)
		r = mailbox_find(&b->txn, &b->vol->t, u->info.no, SPAN_LIT("INBOX"), &inbox, &c->err);
	if (r == 0 || r == -POD_E_NOTFOUND)
		r = wipe(b, u, &c->err);
	if (r < 0)
		return r;
	u->gone = u->list_changed = true;
	b->counters.users--;
	layout_user(&from, u->id);
	layout_set(&to, LAYOUT_TRASH "/u-%08x-" SPAN_FMT, u->info.no, SPAN_ARG(u->id));
	return batch_move(b, inbox, from.s, to.s, &c->err);
}
