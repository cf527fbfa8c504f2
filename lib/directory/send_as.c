/*
 * Who may send mail from which address. The address is followed the way mail to it would go, breadth first
 * over a bounded list, but through aliases only: to be a member of a group is no right to speak for it.
 */
#include "directory/address_set.h"
#include "directory/directory_internal.h"

#define SCRATCH_MEMORY (8u << 20)
#define ALIASES_MAX    1000 /* addresses an alias may lead to before it is nobody's in particular */

struct claim {
	struct directory *dir;
	struct kv_txn *txn;
	struct arena *a;
	struct span login; /* lower-case */
	struct address_set seen;
	struct span *pending; /* ALIASES_MAX of them */
	size_t n;
};

static int nomem(struct err *err)
{
	return err_set(err, POD_E_NOMEM, "looking for whom an address belongs to");
}

static int push(struct claim *c, char *const *addresses, size_t n, struct err *err)
{
	for (size_t i = 0; i < n && c->n < ALIASES_MAX; i++) {
		struct span key = directory_lower(c->a, span_of(addresses[i]));
		int added = key.p ? address_set_add(&c->seen, c->a, key) : -POD_E_NOMEM;

		if (added < 0)
			return nomem(err);
		if (added > 0)
			c->pending[c->n++] = key;
	}
	return 0;
}

static bool names_login(const struct claim *c, char *const *addresses, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq_nocase(span_of(addresses[i]), c->login))
			return true;
	return false;
}

/* 1: yes; 0: not by this one. */
static int look_at(struct claim *c, const struct directory_found *found, struct err *err)
{
	const Directory__User *user = (const Directory__User *) found->record;
	const Directory__Alias *alias = (const Directory__Alias *) found->record;
	const Directory__Group *group = (const Directory__Group *) found->record;

	switch (found->what) {
	case FOUND_NOTHING:
	case FOUND_REMOTE: return 0;
	case FOUND_USER:
		return span_eq(found->key, c->login) || names_login(c, user->send_as, user->n_send_as);
	case FOUND_ALIAS: return push(c, alias->targets, alias->n_targets, err);
	case FOUND_GROUP:
		return names_login(c, group->send_as, group->n_send_as) ||
		       (group->members_send_as && names_login(c, group->members, group->n_members));
	}
	return 0;
}

static int follow(struct claim *c, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n; i++) {
		struct directory_found found;

		r = directory_lookup(c->dir, c->txn, c->a, c->pending[i], &found, err);
		if (r == 0)
			r = look_at(c, &found, err);
	}
	return r;
}

int directory_send_as_check(struct directory *dir, struct span login, struct span address, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SCRATCH_MEMORY);
	struct claim c = { .dir = dir, .a = a };
	KV_TXN txn = { 0 };
	char *first = a ? arena_str(a, address) : NULL;
	int r;

	if (!first)
		return nomem(err);
	c.txn = &txn;
	c.login = directory_lower(a, login);
	c.pending = arena_array(a, ALIASES_MAX, sizeof(*c.pending));
	if (!c.login.p || !c.pending)
		return nomem(err);
	r = kv_txn_begin(dir->kv, KV_READ, &txn, err);
	if (r == 0)
		r = push(&c, &first, 1, err);
	if (r == 0)
		r = follow(&c, err);
	if (r == 0)
		return err_set(err, POD_E_DENIED, SPAN_FMT " may not send as " SPAN_FMT, SPAN_ARG(login),
		               SPAN_ARG(address));
	return r < 0 ? r : 0;
}

int directory_sending_find(struct directory *dir, struct arena *a, struct span login,
                           struct directory_sending *ret, struct err *err)
{
	const ProtobufCMessage *record;
	int r = directory_get(dir, a, DIRECTORY_USER, login, &record, err);
	const Directory__User *u;

	if (r < 0)
		return r;
	u = (const Directory__User *) record;
	*ret = (struct directory_sending){ .messages_per_hour = u->messages_per_hour,
		                           .messages_per_day = u->messages_per_day,
		                           .recipients_per_hour = u->recipients_per_hour,
		                           .recipients_per_day = u->recipients_per_day,
		                           .undo_send_s = u->undo_send_s };
	return 0;
}
