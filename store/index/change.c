#include "store/index/change.h"

static const struct change_row rows[CHANGE_KINDS] = {
	/* clang-format off */
	[CHANGE_DELIVER]           = { "deliver",           change_deliver,           CHANGE_ADDS },
	[CHANGE_APPEND]            = { "append",            change_append,            CHANGE_ADDS },
	[CHANGE_FLAGS]             = { "flags",             change_flags,             0 },
	[CHANGE_COPY]              = { "copy",              change_copy,              CHANGE_ADDS },
	[CHANGE_EXPUNGE]           = { "expunge",           change_expunge,           0 },
	[CHANGE_MAILBOX_CREATE]    = { "mailbox create",    change_mailbox_create,    CHANGE_ADDS },
	[CHANGE_MAILBOX_DELETE]    = { "mailbox delete",    change_mailbox_delete,    0 },
	[CHANGE_MAILBOX_RENAME]    = { "mailbox rename",    change_mailbox_rename,    0 },
	[CHANGE_MAILBOX_SUBSCRIBE] = { "mailbox subscribe", change_mailbox_subscribe, 0 },
	[CHANGE_URL_KEY]           = { "url key",           change_url_key,           0 },
	[CHANGE_URL_RESET]         = { "url reset",         change_url_reset,         0 },
	[CHANGE_STATE_PUT]         = { "state put",         change_state_put,         0 },
	[CHANGE_STATE_DELETE]      = { "state delete",      change_state_delete,      0 },
	[CHANGE_USER_ADD]          = { "user add",          change_user_add,          CHANGE_ADDS },
	[CHANGE_USER_SET]          = { "user set",          change_user_set,          0 },
	[CHANGE_USER_REMOVE]       = { "user remove",       change_user_remove,       0 },
	[CHANGE_CLEAR]             = { "clear",             change_clear,             0 },
	[CHANGE_FORGET]            = { "forget",            change_forget,            0 },
	[CHANGE_RECOUNT]           = { "recount",           change_recount,           0 },
	[CHANGE_LESSONS_DONE]      = { "lessons done",      change_lessons_done,      0 },
	/* clang-format on */
};

const struct change_row *change_row(enum change_kind kind)
{
	return (unsigned int) kind < CHANGE_KINDS ? &rows[kind] : NULL;
}

int change_nomem(struct batch *b, struct change *c)
{
	int r = err_set(&c->err, POD_E_NOMEM, "the result of %s", rows[c->kind].name);

	return b->dirty ? batch_wrote(b, r, &c->err) : r;
}

/* ---- requests that may come again ---- */

static bool is_none(const struct guid *id)
{
	static const struct guid none;

	return guid_eq(id, &none);
}

int change_repeated(struct batch *b, const struct guid *id, uint32_t user, struct delivery *ret, struct span *ret_ranges,
                    struct err *err)
{
	int r;

	if (is_none(id))
		return 0;
	r = delivery_get(&b->txn, &b->vol->t, id, user, ret, ret_ranges, err);
	return r == -POD_E_NOTFOUND ? 0 : r < 0 ? r : 1;
}

int change_remember(struct batch *b, const struct guid *id, uint32_t user, const struct delivery *d, struct span ranges,
                    struct err *err)
{
	if (is_none(id))
		return 0;
	return batch_wrote(b, delivery_put(&b->txn, &b->vol->t, id, user, d, ranges, err), err);
}

/* Ids begin with their time (base/id.h), so the oldest come first; an odd id in between only delays the rest. */
int change_prune_memory(struct batch *b, struct err *err)
{
	int64_t oldest = b->now - (int64_t) b->vol->o.delivery_memory_days * 86400;
	KV_CURSOR c = { 0 };
	struct span value, ranges;
	struct delivery d;
	int r = kv_cursor_open(&b->txn, b->vol->t.deliveries, &c, err);

	if (r == 0)
		r = kv_cursor_seek(&c, SPAN_NONE, NULL, &value);
	for (int i = 0; r == 0 && i < 64; i++) {
		r = delivery_decode(value, &d, &ranges, err);
		if (r < 0 || d.time >= oldest)
			return r;
		r = kv_cursor_delete(&c, err);
		if (r == 0)
			r = kv_cursor_next(&c, NULL, &value);
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}
