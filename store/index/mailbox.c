#include "store/index/mailbox.h"

#include <ctype.h>
#include <stdio.h>

#include "store/index/place.h"
#include "store/maildir/account.h"
#include "store/maildir/folder.h"
#include "store/maildir/layout.h"

#define KEYWORD_LEN_MAX 255

int mailbox_of_user(struct batch *b, struct span user_id, uint32_t id, struct user_state **ret_user,
                    struct mailbox_state **ret_mailbox, struct err *err)
{
	struct user_state *u = NULL;
	struct mailbox_state *m = NULL;
	int r = batch_user(b, user_id, &u, err);

	if (r == 0)
		r = batch_mailbox(b, id, &m, err);
	if (r < 0)
		return r;
	if (m->info.user != u->info.no)
		return err_set(err, POD_E_NOTFOUND, "no such mailbox");
	*ret_user = u;
	*ret_mailbox = m;
	return 0;
}

int mailbox_by_name(struct batch *b, struct user_state *u, struct span name, struct mailbox_state **ret, struct err *err)
{
	struct span canonical = SPAN_NONE;
	uint32_t id = 0;
	int r = mailbox_name_canonical(b->a, name, &canonical, err);

	if (r < 0)
		return r;
	r = mailbox_find(&b->txn, &b->vol->t, u->info.no, canonical, &id, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND, "no such mailbox");
	return r < 0 ? r : batch_mailbox(b, id, ret, err);
}

/* ---- its file ---- */

static struct mailbox_file file_of(const struct mailbox_state *m)
{
	return (struct mailbox_file){ .id = m->id, .uidvalidity = m->info.uidvalidity, .uid_reserve = m->counts.uid_reserve,
		                      .guid = m->info.guid, .special_use = m->info.special_use,
		                      .keywords = m->info.keywords, .keywords_n = m->info.keywords_n };
}

static int file_save(struct batch *b, const struct mailbox_state *m, struct err *err)
{
	const struct mailbox_file f = file_of(m);
	struct layout_path path;

	layout_mailbox(&path, m->info.user_id, m->info.name);
	b->needs_sync = true;
	return mailbox_file_write(b->vol->dir, path.s, &f, err);
}

int mailbox_reserve_to(struct batch *b, struct mailbox_state *m, uint32_t reserve, struct err *err)
{
	uint32_t before = m->counts.uid_reserve;
	int r;

	m->counts.uid_reserve = reserve;
	r = file_save(b, m, err);
	if (r < 0)
		m->counts.uid_reserve = before;
	return r;
}

/* ---- keywords ---- */

/* flag-keyword = atom (RFC 3501 9); a backslash would make it a system flag. */
static int keyword_check(struct span k, struct err *err)
{
	if (k.len == 0 || k.len > KEYWORD_LEN_MAX)
		return err_set(err, POD_E_SYNTAX, "a keyword has 1 to %d bytes", KEYWORD_LEN_MAX);
	for (size_t i = 0; i < k.len; i++)
		if (k.p[i] <= 0x20 || k.p[i] >= 0x7f || strchr("(){%*\"\\]", k.p[i]))
			return err_set(err, POD_E_SYNTAX, "a keyword is an atom");
	return 0;
}

static size_t keyword_find(const struct mailbox_info *m, struct span name)
{
	size_t i = 0;

	while (i < m->keywords_n && !span_eq_nocase(span_of(m->keywords[i]), name))
		i++;
	return i;
}

static int keyword_add(struct batch *b, struct mailbox_state *m, struct span name, struct err *err)
{
	char *copy;
	int r = keyword_check(name, err);

	if (r < 0)
		return r;
	if (m->info.keywords_n == STORE_KEYWORDS_MAX)
		return err_set(err, POD_E_LIMIT, "a mailbox has no more than %d keywords", STORE_KEYWORDS_MAX);
	copy = arena_str(b->a, name);
	if (!copy)
		return err_set(err, POD_E_NOMEM, "keyword");
	m->info.keywords[m->info.keywords_n++] = copy;
	return 0;
}

/* The file first, then the row: the letters in file names must never mean something else. */
static int keywords_save(struct batch *b, struct mailbox_state *m, size_t before, struct err *err)
{
	int r = file_save(b, m, err);

	if (r < 0) {
		m->info.keywords_n = before;
		return r;
	}
	return batch_wrote(b, mailbox_put(&b->txn, &b->vol->t, m->id, &m->info, err), err);
}

int mailbox_keywords(struct batch *b, struct mailbox_state *m, const struct span *names, size_t n, bool add,
                     uint32_t *ret_bits, struct err *err)
{
	size_t before = m->info.keywords_n;
	uint32_t bits = 0;

	for (size_t i = 0; i < n; i++) {
		size_t at = keyword_find(&m->info, names[i]);

		if (at == m->info.keywords_n && add) {
			int r = keyword_add(b, m, names[i], err);

			if (r < 0) {
				m->info.keywords_n = before;
				return r;
			}
		}
		if (at < m->info.keywords_n)
			bits |= 1u << (STORE_KEYWORD_SHIFT + at);
	}
	if (m->info.keywords_n > before) {
		int r = keywords_save(b, m, before, err);

		if (r < 0)
			return r;
	}
	*ret_bits = bits;
	return 0;
}

/* ---- making ---- */

int mailbox_check_free(struct batch *b, const struct user_state *u, struct span name, struct err *err)
{
	struct layout_path path;
	uint32_t id = 0;
	int r = mailbox_find(&b->txn, &b->vol->t, u->info.no, name, &id, err);

	if (r == 0)
		return err_set(err, POD_E_EXISTS, "mailbox \"" SPAN_FMT "\" exists already", SPAN_ARG(name));
	if (r != -POD_E_NOTFOUND)
		return r;
	layout_mailbox(&path, u->id, name);
	r = file_exists(b->vol->dir, path.s, err);
	return r == 1 ? err_set(err, POD_E_EXISTS, "a folder of that name is there, but not in the index: run fsck") : r;
}

static int plan_info(struct batch *b, struct user_state *u, const struct mailbox_plan *plan, struct mailbox_state *m)
{
	m->info.user = u->info.no;
	m->info.guid = guid_new();
	m->info.user_id = u->id;
	m->info.name = plan->name;
	m->info.special_use = plan->special_use;
	m->info.keywords_n = plan->keywords_n;
	for (size_t i = 0; i < plan->keywords_n; i++)
		m->info.keywords[i] = plan->keywords[i];
	return mailbox_copy(b->a, &m->info);
}

static int put_rows(struct batch *b, struct mailbox_state *m, struct err *err)
{
	struct key k;
	int r = mailbox_put(&b->txn, &b->vol->t, m->id, &m->info, err);

	key_user_name(&k, m->info.user, m->info.name);
	if (r == 0)
		r = kv_insert(&b->txn, b->vol->t.names, key_span(&k), span_make(&m->id, sizeof(m->id)), err);
	return batch_wrote(b, r, err);
}

int mailbox_make_rows(struct batch *b, struct user_state *u, const struct mailbox_plan *plan,
                      struct mailbox_state **ret, struct mailbox_file *ret_file, struct err *err)
{
	struct mailbox_state *m;
	uint32_t id = 0, validity = 0;
	int r;

	if (u->usage.mailboxes >= MAILBOXES_MAX)
		return err_set(err, POD_E_LIMIT, "a user has no more than %d mailboxes", MAILBOXES_MAX);
	r = batch_next_mailbox(b, &id, &validity, err);
	if (r < 0)
		return r;
	m = batch_new_mailbox(b, id);
	if (!m || plan_info(b, u, plan, m) < 0)
		return err_set(err, POD_E_NOMEM, "mailbox");
	m->info.uidvalidity = validity;
	m->counts = (struct mailbox_counts){ .uidnext = 1, .uid_reserve = plan->uids + MAILBOX_UID_STEP, .recent_from = 1 };
	u->usage.mailboxes++;
	u->dirty = u->list_changed = true;
	batch_touch(b, m);
	*ret_file = file_of(m);
	r = put_rows(b, m, err);
	if (r == 0)
		*ret = m;
	return r;
}

int mailbox_make(struct batch *b, struct user_state *u, const struct mailbox_plan *plan, struct mailbox_state **ret,
                 struct err *err)
{
	struct layout_path staged, final;
	struct mailbox_state *m = NULL;
	struct mailbox_file file;
	char name[16];
	int r = mailbox_check_free(b, u, plan->name, err);

	if (r == 0)
		r = mailbox_make_rows(b, u, plan, &m, &file, err);
	if (r < 0)
		return r;
	(void) snprintf(name, sizeof(name), "m-%08x", m->id);
	layout_set(&staged, LAYOUT_STAGING "/%s", name);
	layout_mailbox(&final, u->id, plan->name);
	r = batch_staged(b, name, true, err);
	file.made_for = final.s;
	if (r == 0)
		r = mailbox_folder_make(b->vol->dir, staged.s, &file, err);
	if (batch_wrote(b, r, err) < 0)
		return r;
	r = batch_intent(b, INTENT_MOVE, staged.s, final.s, err);
	if (r == 0)
		*ret = m;
	return r;
}

int mailbox_repair_folder(struct batch *b, const struct mailbox_state *m, struct err *err)
{
	const struct mailbox_file f = file_of(m);
	struct layout_path path;

	layout_mailbox(&path, m->info.user_id, m->info.name);
	b->dirty = b->needs_sync = true;
	return mailbox_folder_make(b->vol->dir, path.s, &f, err);
}

int mailbox_adopt(struct batch *b, struct user_state *u, struct span name, struct mailbox_state **ret, struct err *err)
{
	struct mailbox_plan plan = { .name = name, .special_use = "" };
	struct mailbox_state *m = NULL;
	struct mailbox_file before;
	struct layout_path path;
	uint32_t id = 0;
	int r = mailbox_find(&b->txn, &b->vol->t, u->info.no, name, &id, err);

	if (r == 0)
		return err_set(err, POD_E_EXISTS, "mailbox exists already");
	if (r != -POD_E_NOTFOUND)
		return r;
	layout_mailbox(&path, u->id, name);
	if (mailbox_file_read(b->vol->dir, path.s, b->a, &before, NULL) == 0) {
		plan.special_use = before.special_use;
		plan.keywords = before.keywords;
		plan.keywords_n = before.keywords_n;
	}
	r = mailbox_make_rows(b, u, &plan, &m, &before, err);
	if (r == 0)
		r = batch_wrote(b, mailbox_repair_folder(b, m, err), err);
	if (r == 0)
		*ret = m;
	return r;
}

/* ---- taking away ---- */

/* Files still in staging/ are to be unlinked; all others go with the folder. */
static int wipe_pending(struct batch *b, struct mailbox_state *m, struct err *err)
{
	KV_CURSOR c = { 0 };
	struct span key, value;
	struct key k;
	int r = kv_cursor_open(&b->txn, b->vol->t.pending, &c, err);

	key_pending(&k, m->id, 0);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, &value);
	while (r == 0 && key_get_u32(key, 0) == m->id) {
		struct pending p;
		struct record rec;
		uint32_t uid = key_get_u32(key, 4);

		r = pending_decode(value, &p, err);
		if (r < 0)
			return r;
		if (p.op == PENDING_PLACE) {
			r = p.staged ? record_get(&b->txn, &b->vol->t, m->id, uid, &rec, err) : -POD_E_NOTFOUND;
			if (r == 0) {
				p.op = PENDING_UNLINK;
				p.internal_date = rec.internal_date;
				p.size = rec.size;
				p.guid = rec.guid;
				p.flags = rec.flags;
				r = pending_put(&b->txn, &b->vol->t, m->id, uid, &p, err);
			} else if (r == -POD_E_NOTFOUND) {
				r = kv_cursor_delete(&c, err);
			}
			if (r < 0)
				return r;
		}
		/* Found anew: a write moves pages. */
		if (uid == UINT32_MAX)
			break;
		key_pending(&k, m->id, uid + 1);
		r = kv_cursor_seek(&c, key_span(&k), &key, &value);
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

static int wipe_mail(struct batch *b, struct mailbox_state *m, struct err *err)
{
	KV_CURSOR c = { 0 };
	struct span key;
	struct key k;
	int r = kv_cursor_open(&b->txn, b->vol->t.mail, &c, err);

	key_mailbox(&k, m->id);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, NULL);
	while (r == 0 && key_get_u32(key, 0) == m->id) {
		r = kv_cursor_delete(&c, err);
		if (r == 0)
			r = kv_cursor_next(&c, &key, NULL);
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int mailbox_wipe(struct batch *b, struct user_state *u, struct mailbox_state *m, struct err *err)
{
	struct key k;
	int r = wipe_pending(b, m, err);

	if (r == 0)
		r = wipe_mail(b, m, err);
	key_mailbox(&k, m->id);
	if (r == 0)
		r = kv_delete(&b->txn, b->vol->t.mailboxes, key_span(&k), err);
	key_user_name(&k, m->info.user, m->info.name);
	if (r == 0)
		r = kv_delete(&b->txn, b->vol->t.names, key_span(&k), err);
	if (batch_wrote(b, r, err) < 0)
		return r;
	u->usage.mailboxes--;
	u->usage.messages -= m->counts.messages;
	u->usage.bytes -= m->counts.bytes;
	u->dirty = u->list_changed = true;
	b->counters.messages -= m->counts.messages;
	b->counters.bytes -= m->counts.bytes;
	m->gone = true;
	return 0;
}

/* ---- showing ---- */

int mailbox_show(struct volume *vol, struct kv_txn *txn, struct arena *a, uint32_t id, const struct mailbox_info *info,
                 const struct mailbox_counts *counts, struct volume_mailbox *ret, struct err *err)
{
	struct mailbox_info copy = *info;
	const char **keywords = arena_array(a, info->keywords_n, sizeof(*keywords));
	struct span v;
	struct key k;
	int r;

	if (!keywords || mailbox_copy(a, &copy) < 0)
		return err_set(err, POD_E_NOMEM, "mailbox");
	for (size_t i = 0; i < copy.keywords_n; i++)
		keywords[i] = copy.keywords[i];
	key_user_name(&k, info->user, info->name);
	r = kv_get(txn, vol->t.subscribed, key_span(&k), &v, err);
	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	*ret = (struct volume_mailbox){
		.id = id, .uidvalidity = info->uidvalidity, .uidnext = counts->uidnext, .name = (const char *) copy.name.p,
		.special_use = copy.special_use, .subscribed = r == 0, .exists = true,
		.highestmodseq = counts->highestmodseq, .bytes = counts->bytes, .messages = counts->messages,
		.unseen = counts->unseen, .recent_from = recent_from(&vol->recent, id, counts->recent_from),
		.keywords = keywords, .keywords_n = copy.keywords_n, .guid = info->guid,
	};
	return 0;
}

/* ---- subscriptions ---- */

static int subscriptions_list(struct batch *b, const struct user_state *u, struct span **ret_names, size_t *ret_n,
                              struct err *err)
{
	KV_CURSOR c = { 0 };
	struct span key, *names = NULL;
	struct key k;
	size_t n = 0, cap = 0;
	int r = kv_cursor_open(&b->txn, b->vol->t.subscribed, &c, err);

	key_mailbox(&k, u->info.no);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, NULL);
	for (; r == 0 && key_get_u32(key, 0) == u->info.no; r = kv_cursor_next(&c, &key, NULL)) {
		if (n == cap) {
			cap = cap ? 2 * cap : 16;
			names = arena_grow(b->a, names, n, cap, sizeof(*names));
			if (!names)
				return err_set(err, POD_E_NOMEM, "subscriptions");
		}
		names[n++] = span_skip(key, 4);
	}
	*ret_names = names;
	*ret_n = n;
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int mailbox_subscriptions_stage(struct batch *b, struct user_state *u, struct err *err)
{
	struct layout_path staged, final;
	struct span *names = NULL;
	char name[LAYOUT_USER_MAX + 8];
	size_t n = 0;
	int r = subscriptions_list(b, u, &names, &n, err);

	(void) snprintf(name, sizeof(name), "s-" SPAN_FMT, SPAN_ARG(u->id));
	layout_set(&staged, LAYOUT_STAGING "/%s", name);
	layout_user(&final, u->id);
	layout_add(&final, "Maildir/" LAYOUT_SUBSCRIPTIONS);
	if (r == 0)
		r = batch_staged(b, name, false, err);
	if (r == 0)
		r = subscriptions_write(b->vol->dir, staged.s, names, n, err);
	return r < 0 ? batch_wrote(b, r, err) : batch_intent(b, INTENT_REPLACE, staged.s, final.s, err);
}
