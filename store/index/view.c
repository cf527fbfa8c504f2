/* Reading users and mailboxes, each call in a snapshot of its own. */
#include <stdlib.h>

#include "base/clock.h"
#include "store/index/mailbox.h"
#include "store/index/view.h"
#include "store/maildir/folder.h"

int view_begin(struct volume *vol, struct span user_id, struct kv_txn *ret_txn, struct err *err)
{
	ahead_wait(vol, user_id);
	return kv_txn_begin(vol->kv, KV_READ, ret_txn, err);
}

int view_mailbox(struct volume *vol, struct kv_txn *txn, struct span user_id, uint32_t id, struct mailbox_info *ret_info,
                 struct mailbox_counts *ret_counts, struct err *err)
{
	int r = mailbox_get(txn, &vol->t, id, ret_info, err);

	if (r == -POD_E_NOTFOUND || (r == 0 && !span_eq(ret_info->user_id, user_id)))
		return err_set(err, POD_E_NOTFOUND, "no such mailbox");
	return r < 0 || !ret_counts ? r : counts_get(txn, &vol->t, id, ret_counts, err);
}

int volume_count(struct volume *vol, struct volume_counts *ret, struct err *err)
{
	KV_TXN txn = { 0 };
	struct counters c;
	int r = kv_txn_begin(vol->kv, KV_READ, &txn, err);

	if (r == 0)
		r = counters_get(&txn, &vol->t, &c, err);
	if (r < 0)
		return r;
	*ret = (struct volume_counts){ .users = c.users, .messages = c.messages, .bytes = c.bytes, .commits = c.commits,
		                       .pending = kv_count(&txn, vol->t.pending) };
	return 0;
}

/* ---- users ---- */

static int show_user(struct volume *vol, struct kv_txn *txn, const char *user_id, const struct user_info *info,
                     struct volume_user *ret, struct err *err)
{
	struct usage usage;
	int64_t last_login = logins_at(&vol->logins, span_of(user_id));
	int r = usage_get(txn, &vol->t, info->no, &usage, err);

	if (r == 0 && !last_login)
		r = login_get(txn, &vol->t, span_of(user_id), &last_login, err);
	if (r < 0)
		return r == -POD_E_NOTFOUND ? err_set(err, POD_E_CORRUPT, "index: no usage of user %s", user_id) : r;
	*ret = (struct volume_user){ .user_id = user_id, .address = info->address, .display_name = info->display_name,
		                     .quota_bytes = info->quota_bytes, .used_bytes = usage.bytes, .messages = usage.messages,
		                     .mailboxes = usage.mailboxes, .created = info->created, .last_login = last_login, .crypt_hash = info->crypt_hash,
		                     .scram = info->scram, .credential_version = info->credential_version };
	return 0;
}

void volume_note_login(struct volume *vol, struct span user_id)
{
	logins_note(&vol->logins, user_id, clock_wall_s());
}

int volume_user_get(struct volume *vol, struct arena *a, struct span user_id, struct volume_user *ret, struct err *err)
{
	KV_TXN txn = { 0 };
	struct user_info info;
	char *id = arena_str(a, user_id);
	int r = id ? kv_txn_begin(vol->kv, KV_READ, &txn, err) : err_set(err, POD_E_NOMEM, "user");

	if (r == 0)
		r = user_get(&txn, &vol->t, user_id, &info, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND, "no such user");
	if (r == 0 && user_copy(a, &info) < 0)
		return err_set(err, POD_E_NOMEM, "user");
	return r < 0 ? r : show_user(vol, &txn, id, &info, ret, err);
}

int volume_user_each(struct volume *vol, volume_user_fn *fn, void *arg, struct err *err)
{
	KV_TXN txn = { 0 };
	KV_CURSOR c = { 0 };
	struct span key, value;
	int r = view_begin(vol, SPAN_NONE, &txn, err);

	if (r == 0)
		r = kv_cursor_open(&txn, vol->t.users, &c, err);
	if (r == 0)
		r = kv_cursor_seek(&c, SPAN_NONE, &key, &value);
	for (; r == 0; r = kv_cursor_next(&c, &key, &value)) {
		struct user_info info;
		struct volume_user user;
		char id[KV_KEY_MAX + 1];

		memcpy(id, key.p, key.len);
		id[key.len] = '\0';
		r = user_decode(value, &info, err);
		if (r == 0)
			r = show_user(vol, &txn, id, &info, &user, err);
		if (r < 0)
			return r;
		if (fn(arg, &user) != 0)
			return 0;
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

/* ---- mailboxes ---- */

struct list {
	struct arena *a;
	struct volume_mailbox *items;
	size_t n, cap;
};

static int list_add(struct list *l, const struct volume_mailbox *m)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 16;
		struct volume_mailbox *grown = arena_grow(l->a, l->items, l->n, cap, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		l->items = grown;
		l->cap = cap;
	}
	l->items[l->n++] = *m;
	return 0;
}

static int list_existing(struct volume *vol, struct kv_txn *txn, uint32_t user, struct list *l, struct err *err)
{
	KV_CURSOR c = { 0 };
	struct span key, value;
	struct key k;
	int r = kv_cursor_open(txn, vol->t.names, &c, err);

	key_mailbox(&k, user);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, &value);
	for (; r == 0 && key_get_u32(key, 0) == user; r = kv_cursor_next(&c, &key, &value)) {
		struct mailbox_info info;
		struct mailbox_counts counts;
		struct volume_mailbox m;
		uint32_t id;

		if (value.len != sizeof(id))
			return err_set(err, POD_E_CORRUPT, "index: a row of names is damaged");
		memcpy(&id, value.p, sizeof(id));
		r = mailbox_get(txn, &vol->t, id, &info, err);
		if (r == 0)
			r = counts_get(txn, &vol->t, id, &counts, err);
		if (r == 0)
			r = mailbox_show(vol, txn, l->a, id, &info, &counts, &m, err);
		if (r == 0 && list_add(l, &m) < 0)
			r = err_set(err, POD_E_NOMEM, "mailboxes");
		if (r < 0)
			return r == -POD_E_NOTFOUND ? err_set(err, POD_E_CORRUPT, "index: mailbox %u has no row", id) : r;
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

/* A name without a mailbox: subscribed, or above others. */
static int list_add_name(struct list *l, struct span name, bool subscribed)
{
	const struct volume_mailbox m = { .name = arena_str(l->a, name), .special_use = "", .subscribed = subscribed };

	return m.name ? list_add(l, &m) : -POD_E_NOMEM;
}

static int list_subscribed(struct volume *vol, struct kv_txn *txn, uint32_t user, struct list *l, struct err *err)
{
	KV_CURSOR c = { 0 };
	struct span key;
	struct key k;
	int r = kv_cursor_open(txn, vol->t.subscribed, &c, err);

	key_mailbox(&k, user);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, NULL);
	for (; r == 0 && key_get_u32(key, 0) == user; r = kv_cursor_next(&c, &key, NULL)) {
		uint32_t id;
		int found = mailbox_find(txn, &vol->t, user, span_skip(key, 4), &id, err);

		if (found == -POD_E_NOTFOUND && list_add_name(l, span_skip(key, 4), true) < 0)
			return err_set(err, POD_E_NOMEM, "mailboxes");
		if (found < 0 && found != -POD_E_NOTFOUND)
			return found;
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

static bool is_inbox(const struct volume_mailbox *m)
{
	return strcmp(m->name, "INBOX") == 0;
}

/* INBOX first; '/' before all else, so that children follow their parent at once. */
static int by_name(const void *a, const void *b)
{
	const struct volume_mailbox *x = a, *y = b;
	const unsigned char *p = (const unsigned char *) x->name, *q = (const unsigned char *) y->name;

	if (is_inbox(x) != is_inbox(y))
		return is_inbox(x) ? -1 : 1;
	for (; *p && *p == *q; p++, q++)
		;
	return (*p == '/' ? 1 : *p ? *p + 1 : 0) - (*q == '/' ? 1 : *q ? *q + 1 : 0);
}

static int list_parents(struct list *l)
{
	size_t n = l->n;

	for (size_t i = 0; i < n; i++) {
		const char *name = l->items[i].name;

		for (const char *at = strchr(name, '/'); at; at = strchr(at + 1, '/'))
			if (list_add_name(l, span_make(name, (size_t) (at - name)), false) < 0)
				return -POD_E_NOMEM;
	}
	return 0;
}

/* Children follow at once; only INBOX, which is put first, may have its own further down. */
static bool is_parent(const struct list *l, size_t i)
{
	size_t len = strlen(l->items[i].name), end = is_inbox(&l->items[i]) ? l->n : i + 2;

	for (size_t j = i + 1; j < end && j < l->n; j++)
		if (strncmp(l->items[j].name, l->items[i].name, len) == 0 && l->items[j].name[len] == '/')
			return true;
	return false;
}

/* Sorts, drops the parents that are there as themselves, and tells who has children. */
static void list_finish(struct list *l)
{
	size_t n = 0;

	if (l->n)
		qsort(l->items, l->n, sizeof(*l->items), by_name);
	for (size_t i = 0; i < l->n; i++) {
		struct volume_mailbox *last = n ? &l->items[n - 1] : NULL;

		if (last && strcmp(last->name, l->items[i].name) == 0) {
			if (l->items[i].exists || (l->items[i].subscribed && !last->exists))
				*last = l->items[i];
			continue;
		}
		l->items[n++] = l->items[i];
	}
	l->n = n;
	for (size_t i = 0; i < n; i++)
		l->items[i].has_children = is_parent(l, i);
}

int volume_mailbox_list(struct volume *vol, struct arena *a, struct span user_id, struct volume_mailboxes *ret,
                        struct err *err)
{
	KV_TXN txn = { 0 };
	struct list l = { .a = a };
	struct user_info user;
	int r = view_begin(vol, user_id, &txn, err);

	if (r == 0)
		r = user_get(&txn, &vol->t, user_id, &user, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND, "no such user");
	if (r == 0)
		r = list_existing(vol, &txn, user.no, &l, err);
	if (r == 0)
		r = list_subscribed(vol, &txn, user.no, &l, err);
	if (r == 0 && list_parents(&l) < 0)
		r = err_set(err, POD_E_NOMEM, "mailboxes");
	if (r < 0)
		return r;
	list_finish(&l);
	*ret = (struct volume_mailboxes){ l.items, l.n };
	return 0;
}

/* The first name below this one follows at once in key order, but for names like "A-b" between "A" and "A/b". */
static int has_children(struct volume *vol, struct kv_txn *txn, uint32_t user, struct span name, bool *ret,
                        struct err *err)
{
	KV_CURSOR c = { 0 };
	struct span key;
	struct key k;
	int r = kv_cursor_open(txn, vol->t.names, &c, err);

	key_user_name(&k, user, name);
	r = r < 0 ? r : key_bytes(&k, SPAN_LIT("/"));
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, NULL);
	*ret = r == 0 && span_eq(span_head(key, k.len), key_span(&k));
	return r == -POD_E_NOTFOUND ? 0 : r;
}

static int show_mailbox(struct volume *vol, struct kv_txn *txn, struct arena *a, struct span user_id, uint32_t id,
                        struct volume_mailbox *ret, struct mailbox_counts *ret_counts, struct err *err)
{
	struct mailbox_info info;
	struct volume_mailbox m;
	int r = view_mailbox(vol, txn, user_id, id, &info, ret_counts, err);

	if (r == 0)
		r = mailbox_show(vol, txn, a, id, &info, ret_counts, &m, err);
	if (r == 0)
		r = has_children(vol, txn, info.user, info.name, &m.has_children, err);
	if (r == 0)
		*ret = m;
	return r;
}

static int show_by_name(struct volume *vol, struct kv_txn *txn, struct arena *a, struct span user_id, struct span name,
                        struct volume_mailbox *ret, struct mailbox_counts *ret_counts, struct err *err)
{
	struct user_info user;
	struct span canonical = SPAN_NONE;
	uint32_t id = 0;
	int r = mailbox_name_canonical(a, name, &canonical, err);

	if (r == 0)
		r = user_get(txn, &vol->t, user_id, &user, err);
	if (r == 0)
		r = mailbox_find(txn, &vol->t, user.no, canonical, &id, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND, "no such mailbox");
	return r < 0 ? r : show_mailbox(vol, txn, a, user_id, id, ret, ret_counts, err);
}

int volume_mailbox_get(struct volume *vol, struct arena *a, struct span user_id, struct span name,
                       struct volume_mailbox *ret, struct err *err)
{
	KV_TXN txn = { 0 };
	struct mailbox_counts counts;
	int r = view_begin(vol, user_id, &txn, err);

	return r < 0 ? r : show_by_name(vol, &txn, a, user_id, name, ret, &counts, err);
}

int volume_mailbox_get_id(struct volume *vol, struct arena *a, struct span user_id, uint32_t id,
                          struct volume_mailbox *ret, struct err *err)
{
	KV_TXN txn = { 0 };
	struct mailbox_counts counts;
	int r = view_begin(vol, user_id, &txn, err);

	return r < 0 ? r : show_mailbox(vol, &txn, a, user_id, id, ret, &counts, err);
}

int volume_mailbox_open(struct volume *vol, struct arena *a, struct span user_id, struct span name,
                        enum volume_open_mode mode, struct volume_opened *ret, struct err *err)
{
	KV_TXN txn = { 0 };
	struct volume_opened o = { 0 };
	struct volume_mailbox *m = &o.mailbox;
	struct mailbox_counts counts;
	int r = view_begin(vol, user_id, &txn, err);

	if (r == 0)
		r = show_by_name(vol, &txn, a, user_id, name, m, &counts, err);
	if (r == 0)
		r = view_uids(vol, &txn, a, m->id, &counts, &o.uids, &o.first_unseen, err);
	if (r < 0)
		return r;
	if (mode == VOLUME_SELECT)
		o.first_recent = recent_claim(&vol->recent, m->id, counts.recent_from, counts.uidnext);
	else if (m->recent_from < m->uidnext)
		o.first_recent = m->recent_from;
	*ret = o;
	return 0;
}
