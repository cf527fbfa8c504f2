/*
 * Which record needs which: a table beside the records, kept in the same transaction, so that "is it in
 * use, and by whom" is one look-up. A key is what is referred to, a NUL, and who refers; the value is empty.
 * Users, aliases and groups share one name space, of addresses: a reference does not say which it is.
 */
#include "directory/directory_internal.h"

/* A record's references are walked by calling fn for each. */
typedef int ref_fn(void *arg, enum directory_kind to, struct span name);

static enum directory_kind space_of(enum directory_kind kind)
{
	return directory_kind_is_address(kind) ? DIRECTORY_USER : kind;
}

static int each_text(char *const *names, size_t n, enum directory_kind to, ref_fn *fn, void *arg)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = fn(arg, to, span_of(names[i]));
	return r;
}

static int volume_refs(const Directory__Volume *v, ref_fn *fn, void *arg)
{
	int r = v->primary_host[0] ? fn(arg, DIRECTORY_HOST, span_of(v->primary_host)) : 0;

	for (size_t i = 0; r == 0 && i < v->n_replicas; i++) {
		const Directory__Replica *replica = v->replicas[i];

		r = fn(arg, DIRECTORY_HOST, span_of(replica->host));
		if (r == 0 && replica->site[0])
			r = fn(arg, DIRECTORY_SITE, span_of(replica->site));
	}
	return r;
}

static int user_refs(const Directory__User *u, ref_fn *fn, void *arg)
{
	int r = fn(arg, DIRECTORY_VOLUME, span_of(u->volume));

	return r < 0 ? r : each_text(u->send_as, u->n_send_as, DIRECTORY_USER, fn, arg);
}

static int group_refs(const Directory__Group *g, ref_fn *fn, void *arg)
{
	int r = each_text(g->members, g->n_members, DIRECTORY_USER, fn, arg);

	return r < 0 ? r : each_text(g->send_as, g->n_send_as, DIRECTORY_USER, fn, arg);
}

static int refs_each(enum directory_kind kind, const ProtobufCMessage *record, ref_fn *fn, void *arg)
{
	const Directory__Host *host = (const Directory__Host *) record;
	const Directory__Domain *domain = (const Directory__Domain *) record;
	const Directory__User *user = (const Directory__User *) record;
	const Directory__Alias *alias = (const Directory__Alias *) record;
	const Directory__Group *group = (const Directory__Group *) record;

	switch (kind) {
	case DIRECTORY_SITE:
	case DIRECTORY_POD: return 0;
	case DIRECTORY_HOST: return host->site[0] ? fn(arg, DIRECTORY_SITE, span_of(host->site)) : 0;
	case DIRECTORY_VOLUME: return volume_refs((const Directory__Volume *) record, fn, arg);
	case DIRECTORY_DOMAIN:
		return domain->default_volume[0] ? fn(arg, DIRECTORY_VOLUME, span_of(domain->default_volume))
		                                 : 0;
	case DIRECTORY_USER: return user_refs(user, fn, arg);
	case DIRECTORY_ALIAS: return each_text(alias->targets, alias->n_targets, DIRECTORY_USER, fn, arg);
	case DIRECTORY_GROUP: return group_refs(group, fn, arg);
	case DIRECTORY_KINDS: break;
	}
	return 0;
}

struct refs_call {
	struct directory *dir;
	struct kv_txn *txn;
	struct arena *a;
	enum directory_kind from;
	struct span from_key;
	struct err *err;
};

/* The record's own references, and that of an address to its domain. */
static int refs_walk(struct refs_call *call, const ProtobufCMessage *record, ref_fn *fn)
{
	struct span local, domain;
	int r = 0;

	if (directory_kind_is_address(call->from) && directory_address_split(call->from_key, &local, &domain))
		r = fn(call, DIRECTORY_DOMAIN, domain);
	return r < 0 ? r : refs_each(call->from, record, fn, call);
}

/* ---- is there what is referred to? ---- */

static int missing(const struct refs_call *call, enum directory_kind to, struct span name)
{
	return err_set(call->err, POD_E_NOTFOUND, "there is no %s " SPAN_FMT,
	               to == DIRECTORY_USER ? "address" : directory_kind_name(to), SPAN_ARG(name));
}

/* A remote address is its owner's business; one in a domain of ours has to be somebody's. */
static int check_address(struct refs_call *call, struct span name)
{
	struct directory_found found;
	struct span key, local, domain;
	int r = directory_key(call->a, DIRECTORY_USER, name, &key, call->err);

	if (r < 0)
		return r;
	if (span_eq(key, call->from_key))
		return err_set(call->err, POD_E_SYNTAX, SPAN_FMT " cannot stand for itself", SPAN_ARG(key));
	r = directory_lookup(call->dir, call->txn, call->a, key, &found, call->err);
	if (r < 0 || found.what == FOUND_REMOTE)
		return r;
	/* a catch-all that is being made, or replaced, is no address that its own target could be */
	if (found.what == FOUND_NOTHING || !directory_address_split(found.key, &local, &domain) ||
	    span_eq(found.key, call->from_key))
		return missing(call, DIRECTORY_USER, key);
	return 0;
}

static int check_one(void *arg, enum directory_kind to, struct span name)
{
	struct refs_call *call = arg;
	struct span key;
	int r;

	if (to == DIRECTORY_USER)
		return check_address(call, name);
	r = directory_key(call->a, to, name, &key, call->err);
	if (r == 0)
		r = directory_record_exists(call->dir, call->txn, to, key, call->err);
	return r == -POD_E_NOTFOUND ? missing(call, to, name) : r;
}

int directory_refs_check(struct directory *dir, struct kv_txn *txn, struct arena *a, enum directory_kind kind,
                         struct span key, const ProtobufCMessage *record, struct err *err)
{
	struct refs_call call = { dir, txn, a, kind, key, err };

	return refs_walk(&call, record, check_one);
}

/* ---- keeping the table ---- */

static int prefix(struct key *k, enum directory_kind to, struct span to_key)
{
	const uint8_t space = (uint8_t) space_of(to);

	return key_bytes(k, span_make(&space, 1)) < 0 || key_bytes(k, to_key) < 0 ||
	                       key_bytes(k, span_make("", 1)) < 0
	               ? -POD_E_LIMIT
	               : 0;
}

static int ref_key(const struct refs_call *call, enum directory_kind to, struct span name,
                   struct key *ret_key)
{
	const uint8_t from = (uint8_t) call->from;
	struct span to_key;
	int r = directory_key(call->a, to, name, &to_key, call->err);

	if (r < 0)
		return r;
	ret_key->len = 0;
	if (prefix(ret_key, to, to_key) < 0 || key_bytes(ret_key, span_make(&from, 1)) < 0 ||
	    key_bytes(ret_key, call->from_key) < 0)
		return err_set(call->err, POD_E_LIMIT, "the names are too long");
	return 0;
}

static int add_one(void *arg, enum directory_kind to, struct span name)
{
	struct refs_call *call = arg;
	struct key k;
	int r = ref_key(call, to, name, &k);

	return r < 0 ? r : kv_put(call->txn, call->dir->refs, key_span(&k), SPAN_NONE, call->err);
}

/* The same address twice in a group is one reference: the second time it is gone already. */
static int remove_one(void *arg, enum directory_kind to, struct span name)
{
	struct refs_call *call = arg;
	struct key k;
	int r = ref_key(call, to, name, &k);

	if (r == 0)
		r = kv_delete(call->txn, call->dir->refs, key_span(&k), call->err);
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int directory_refs_add(struct directory *dir, struct kv_txn *txn, struct arena *a, enum directory_kind kind,
                       struct span key, const ProtobufCMessage *record, struct err *err)
{
	struct refs_call call = { dir, txn, a, kind, key, err };

	return refs_walk(&call, record, add_one);
}

int directory_refs_remove(struct directory *dir, struct kv_txn *txn, struct arena *a,
                          enum directory_kind kind, struct span key, const ProtobufCMessage *record,
                          struct err *err)
{
	struct refs_call call = { dir, txn, a, kind, key, err };

	return refs_walk(&call, record, remove_one);
}

int directory_refs_none_to(struct directory *dir, struct kv_txn *txn, enum directory_kind kind,
                           struct span key, struct err *err)
{
	struct key k = { .len = 0 };
	enum directory_kind by;
	struct span found;
	KV_CURSOR c = { 0 };
	int r = prefix(&k, kind, key) < 0 ? err_set(err, POD_E_LIMIT, "the name is too long")
	                                  : kv_cursor_open(txn, dir->refs, &c, err);

	if (r < 0)
		return r;
	r = kv_cursor_seek(&c, key_span(&k), &found, NULL);
	if (r == -POD_E_NOTFOUND || (r == 0 && !span_eq(span_head(found, k.len), key_span(&k))))
		return 0;
	if (r != 0 || found.len < k.len + 2u || found.p[k.len] >= DIRECTORY_KINDS)
		return err_set(err, POD_E_CORRUPT, "the directory's references cannot be read");
	by = (enum directory_kind) found.p[k.len];
	return err_set(err, POD_E_BUSY, "%s " SPAN_FMT " is in use by %s " SPAN_FMT,
	               directory_kind_name(kind), SPAN_ARG(key), directory_kind_name(by),
	               SPAN_ARG(span_skip(found, k.len + 1u)));
}
