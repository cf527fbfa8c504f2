/* RENAME (RFC 3501 6.3.5): children go along; INBOX leaves its messages in a new mailbox and stays, empty. */
#include "store/index/change.h"
#include "store/index/copying.h"
#include "store/index/folders.h"
#include "store/index/mailbox.h"
#include "store/maildir/folder.h"
#include "store/maildir/layout.h"

static bool is_under(struct span name, struct span parent)
{
	return name.len > parent.len && span_eq(span_head(name, parent.len), parent) && name.p[parent.len] == '/';
}

/* Each mailbox whose name is `from` or under it, and its new name. */
struct renamed {
	uint32_t id;
	struct span to;
};
struct renames {
	struct renamed *items;
	size_t n, cap;
};

static int add_rename(struct batch *b, struct renames *list, uint32_t id, struct span name, struct span from,
                      struct span to, struct err *err)
{
	char *joined = arena_printf(b->a, SPAN_FMT SPAN_FMT, SPAN_ARG(to), SPAN_ARG(span_skip(name, from.len)));
	char folder[FOLDER_SIZE];

	if (list->n == list->cap) {
		list->cap = list->cap ? 2 * list->cap : 8;
		list->items = arena_grow(b->a, list->items, list->n, list->cap, sizeof(*list->items));
	}
	if (!joined || !list->items)
		return err_set(err, POD_E_NOMEM, "rename");
	list->items[list->n++] = (struct renamed){ id, span_of(joined) };
	if (maildir_folder_format(span_of(joined), folder) < 0)
		return err_set(err, POD_E_LIMIT, "the new name of \"%s\" is too long", joined);
	return 0;
}

static int collect(struct batch *b, const struct user_state *u, struct span from, struct span to, struct renames *list,
                   struct err *err)
{
	KV_CURSOR c = { 0 };
	struct span key, value;
	struct key k;
	int r = kv_cursor_open(&b->txn, b->vol->t.names, &c, err);

	key_user_name(&k, u->info.no, from);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, &value);
	for (; r == 0 && key_get_u32(key, 0) == u->info.no && span_eq(span_head(span_skip(key, 4), from.len), from);
	     r = kv_cursor_next(&c, &key, &value)) {
		struct span name = span_skip(key, 4);
		uint32_t id;

		if (!span_eq(name, from) && !is_under(name, from)) /* "A-b" sorts between "A" and "A/b" */
			continue;
		if (value.len != sizeof(id))
			return err_set(err, POD_E_CORRUPT, "index: a row of names is damaged");
		memcpy(&id, value.p, sizeof(id));
		r = add_rename(b, list, id, name, from, to, err);
		if (r < 0)
			return r;
	}
	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	return list->n ? 0 : err_set(err, POD_E_NOTFOUND, "no such mailbox");
}

/* A new name that is another's old one is free by then: A/B to A, and with it A/B/B to A/B, parents first. */
static int check_free(struct batch *b, const struct user_state *u, const struct renames *list, struct span from,
                      struct err *err)
{
	for (size_t i = 0; i < list->n; i++) {
		struct span to = list->items[i].to;
		int r = span_eq(to, from) || is_under(to, from) ? 0 : mailbox_check_free(b, u, to, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int rename_one(struct batch *b, struct mailbox_state *m, struct span to, struct err *err)
{
	struct layout_path old, new;
	struct key k;
	int r;

	layout_mailbox(&old, m->info.user_id, m->info.name);
	layout_mailbox(&new, m->info.user_id, to);
	key_user_name(&k, m->info.user, m->info.name);
	r = kv_delete(&b->txn, b->vol->t.names, key_span(&k), err);
	m->info.name = to;
	key_user_name(&k, m->info.user, to);
	if (r == 0)
		r = kv_insert(&b->txn, b->vol->t.names, key_span(&k), span_make(&m->id, sizeof(m->id)), err);
	if (r == 0)
		r = mailbox_put(&b->txn, &b->vol->t, m->id, &m->info, err);
	if (batch_wrote(b, r, err) < 0)
		return r;
	return batch_move(b, m->id, old.s, new.s, err);
}

static int rename_all(struct batch *b, struct user_state *u, struct span from, struct span to, struct err *err)
{
	struct renames list = { 0 };
	int r = collect(b, u, from, to, &list, err);

	if (r == 0)
		r = check_free(b, u, &list, from, err);
	/* Read all rows before the first is written: what is damaged then refuses this change alone. */
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		struct mailbox_state *m = NULL;

		r = batch_mailbox(b, list.items[i].id, &m, err);
	}
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		struct mailbox_state *m = NULL;

		r = batch_mailbox(b, list.items[i].id, &m, err);
		if (r == 0)
			r = rename_one(b, m, list.items[i].to, err);
	}
	u->list_changed = true;
	return r;
}

static int rename_inbox(struct batch *b, struct user_state *u, struct span to, struct err *err)
{
	static const struct uid_ranges all = { NULL, 0 };
	struct mailbox_state *inbox = NULL, *m = NULL;
	struct uid_ranges source, dest;
	struct picks p = { 0 };
	int r = mailbox_by_name(b, u, SPAN_LIT("INBOX"), &inbox, err);

	if (r == 0)
		r = message_pick(b, inbox, &all, NULL, NULL, &p, err);
	if (r == 0) {
		const struct mailbox_plan plan = { .name = to, .special_use = "", .keywords = inbox->info.keywords,
			                           .keywords_n = inbox->info.keywords_n, .uids = (uint32_t) p.n };

		r = mailbox_make(b, u, &plan, &m, err);
	}
	if (r < 0)
		return r;
	/* Rows of the new mailbox are written already. */
	r = copying_all(b, u, inbox, m, &p, b->a, &source, &dest, err);
	if (r == 0)
		r = message_remove_all(b, u, inbox, &p, b->a, &source, err);
	return batch_wrote(b, r, err);
}

int change_mailbox_rename(struct batch *b, struct change *c)
{
	struct user_state *u = NULL;
	struct span from = SPAN_NONE, to = SPAN_NONE;
	int r = batch_user(b, c->user_id, &u, &c->err);

	if (r == 0)
		r = mailbox_name_canonical(b->a, c->u.mailbox_op.name, &from, &c->err);
	if (r == 0)
		r = mailbox_name_canonical(b->a, c->u.mailbox_op.new_name, &to, &c->err);
	if (r == 0)
		r = folders_check(b, &c->err);
	if (r < 0)
		return r;
	if (span_eq(from, to))
		return err_set(&c->err, POD_E_EXISTS, "mailbox exists already");
	if (span_eq(from, SPAN_LIT("INBOX")))
		return rename_inbox(b, u, to, &c->err);
	if (is_under(to, from))
		return err_set(&c->err, POD_E_SYNTAX, "a mailbox cannot move below itself");
	return rename_all(b, u, from, to, &c->err);
}
