#include "directory/address_set.h"
#include "directory/directory_internal.h"

/*
 * An address is resolved breadth first over a list that only grows: no recursion, and every address is
 * looked at once, so that aliases in a loop end. The list is bounded as the results are.
 */
#define SCRATCH_MEMORY (64u << 20)

struct pending {
	struct span address; /* as it is written in an alias or group */
	struct span detail;  /* of the address whose alias led here */
};

struct resolver {
	struct directory *dir;
	struct kv_txn *txn;
	struct arena *a; /* for results */
	struct arena *scratch;
	struct address_set seen, mailboxes; /* looked at; among the results */
	struct pending *pending;
	size_t n, cap;
	struct directory_targets out;
	size_t out_cap;
	bool suspended; /* a mailbox was left out for that */
};

static int nomem(struct err *err)
{
	return err_set(err, POD_E_NOMEM, "resolving an address");
}

static int push(struct resolver *rs, struct span address, struct span detail, struct err *err)
{
	if (rs->n == DIRECTORY_EXPAND_MAX)
		return err_set(err, POD_E_LIMIT, "expands to more than %d addresses", DIRECTORY_EXPAND_MAX);
	if (rs->n == rs->cap) {
		size_t cap = rs->cap ? rs->cap * 2 : 8;
		struct pending *p = arena_grow(rs->scratch, rs->pending, rs->n, cap, sizeof(*p));

		if (!p)
			return nomem(err);
		rs->pending = p;
		rs->cap = cap;
	}
	rs->pending[rs->n++] = (struct pending){ address, detail };
	return 0;
}

static int push_all(struct resolver *rs, char *const *addresses, size_t n, struct span detail,
                    struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = push(rs, span_of(addresses[i]), detail, err);
	return r;
}

static int emit(struct resolver *rs, const struct directory_target *t, struct err *err)
{
	if (rs->out.n == rs->out_cap) {
		size_t cap = rs->out_cap ? rs->out_cap * 2 : 1;
		struct directory_target *items =
			arena_grow(rs->a, rs->out.items, rs->out.n, cap, sizeof(*items));

		if (!items)
			return nomem(err);
		rs->out.items = items;
		rs->out_cap = cap;
	}
	if (!t->address || !t->detail || (t->kind == TARGET_MAILBOX && (!t->user_id || !t->volume)))
		return nomem(err);
	rs->out.items[rs->out.n++] = *t;
	return 0;
}

static int emit_mailbox(struct resolver *rs, const struct directory_found *found, struct span detail,
                        struct err *err)
{
	const Directory__User *user = (const Directory__User *) found->record;
	int added;

	if (strcmp(user->state, "active") != 0) {
		rs->suspended |= strcmp(user->state, "suspended") == 0;
		return 0;
	}
	added = address_set_add(&rs->mailboxes, rs->scratch, found->key); /* user+a and user+b are one */
	if (added <= 0)
		return added < 0 ? nomem(err) : 0;
	return emit(rs,
	            &(struct directory_target){
			    .kind = TARGET_MAILBOX,
			    .address = arena_str(rs->a, found->key),
			    .user_id = arena_str(rs->a, span_of(user->user_id)),
			    .volume = arena_str(rs->a, span_of(user->volume)),
			    .detail = arena_str(rs->a, detail),
		    },
	            err);
}

static int emit_remote(struct resolver *rs, struct span address, struct err *err)
{
	return emit(rs,
	            &(struct directory_target){
			    .kind = TARGET_REMOTE,
			    .address = arena_str(rs->a, address),
			    .detail = "",
		    },
	            err);
}

static int expand(struct resolver *rs, const struct pending *p, const struct directory_found *found,
                  struct err *err)
{
	const Directory__Alias *alias = (const Directory__Alias *) found->record;
	const Directory__Group *group = (const Directory__Group *) found->record;
	struct span detail = found->detail.len ? found->detail : p->detail;

	switch (found->what) {
	case FOUND_NOTHING: return 0; /* a member that is gone does not stop mail to the others */
	case FOUND_REMOTE: return emit_remote(rs, p->address, err);
	case FOUND_USER: return emit_mailbox(rs, found, detail, err);
	case FOUND_ALIAS: return push_all(rs, alias->targets, alias->n_targets, detail, err);
	case FOUND_GROUP: return push_all(rs, group->members, group->n_members, SPAN_NONE, err);
	}
	return 0;
}

static int resolve_one(struct resolver *rs, size_t i, struct directory_found *ret_found, struct err *err)
{
	const struct pending p = rs->pending[i];
	struct span key = directory_lower(rs->scratch, p.address);
	int r = key.p ? address_set_add(&rs->seen, rs->scratch, key) : -POD_E_NOMEM;

	*ret_found = (struct directory_found){ .what = FOUND_NOTHING };
	if (r < 0)
		return nomem(err);
	if (r == 0)
		return 0;
	r = directory_lookup(rs->dir, rs->txn, rs->scratch, key, ret_found, err);
	return r < 0 ? r : expand(rs, &p, ret_found, err);
}

/* What the address itself is decides the error; what it expands to only adds. */
static int resolve_all(struct resolver *rs, struct span address, struct err *err)
{
	struct directory_found first, found;
	int r = push(rs, address, SPAN_NONE, err);

	if (r == 0)
		r = resolve_one(rs, 0, &first, err);
	if (r < 0)
		return r;
	if (first.what == FOUND_REMOTE)
		return err_set(err, POD_E_UNSUPPORTED, "not an address of ours");
	for (size_t i = 1; r == 0 && i < rs->n; i++)
		r = resolve_one(rs, i, &found, err);
	if (r < 0 || rs->out.n)
		return r;
	if (rs->suspended)
		return err_set(err, POD_E_DENIED, "the mailbox is suspended");
	return err_set(err, POD_E_NOTFOUND, "no such mailbox");
}

static int resolve_in(struct directory *dir, struct kv_txn *txn, struct arena *a, struct span address,
                      struct directory_targets *ret, struct err *err)
{
	_cleanup_(arena_freep) struct arena *scratch = arena_create(SCRATCH_MEMORY);
	struct resolver rs = { .dir = dir, .txn = txn, .a = a, .scratch = scratch };
	int r = scratch ? resolve_all(&rs, address, err) : nomem(err);

	if (r == 0)
		*ret = rs.out;
	return r;
}

int directory_resolve(struct directory *dir, struct arena *a, struct span address,
                      struct directory_targets *ret, struct err *err)
{
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(dir->kv, KV_READ, &txn, err);

	return r < 0 ? r : resolve_in(dir, &txn, a, address, ret, err);
}

static bool is_among(const struct directory_targets *targets, const char *address)
{
	for (size_t i = 0; i < targets->n; i++)
		if (span_eq_nocase(span_of(targets->items[i].address), span_of(address)))
			return true;
	return false;
}

/* Whether the sender, or a mailbox its address stands for, is among the group's. */
static int sender_is_member(struct directory *dir, struct kv_txn *txn, struct arena *scratch,
                            struct span group, struct span sender, struct err *err)
{
	struct directory_targets members = { 0 }, self = { 0 };
	char *address = arena_str(scratch, sender);
	int r = address ? resolve_in(dir, txn, scratch, group, &members, err) : nomem(err);

	if (r == 0 && is_among(&members, address))
		return 0;
	if (r == 0)
		r = resolve_in(dir, txn, scratch, sender, &self, err);
	for (size_t i = 0; r == 0 && i < self.n; i++)
		if (is_among(&members, self.items[i].address))
			return 0;
	if (r == -POD_E_NOMEM || r == -POD_E_CORRUPT || r == -POD_E_IO)
		return r;
	return err_set(err, POD_E_DENIED, "only members may send to this group");
}

int directory_sender_check(struct directory *dir, struct span recipient, struct span sender, struct err *err)
{
	_cleanup_(arena_freep) struct arena *scratch = arena_create(SCRATCH_MEMORY);
	struct directory_found found = { 0 };
	struct span key = scratch ? directory_lower(scratch, recipient) : SPAN_NONE;
	KV_TXN txn = { 0 };
	int r = key.p ? kv_txn_begin(dir->kv, KV_READ, &txn, err) : nomem(err);

	if (r == 0)
		r = directory_lookup(dir, &txn, scratch, key, &found, err);
	if (r < 0 || found.what != FOUND_GROUP || !((const Directory__Group *) found.record)->members_only)
		return r;
	return sender_is_member(dir, &txn, scratch, found.key, sender, err);
}
