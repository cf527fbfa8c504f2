#include "directory/directory_internal.h"

static int nomem(struct err *err)
{
	return err_set(err, POD_E_NOMEM, "asking the directory");
}

/* Kept by the caller: a copy outside of the record, which is in the same arena. */
static int find(struct directory *dir, struct arena *a, enum directory_kind kind, struct span name,
                struct span *ret_key, const ProtobufCMessage **ret_record, struct err *err)
{
	struct span key = directory_lower(a, name);
	KV_TXN txn = { 0 };
	int r;

	if (!key.p)
		return nomem(err);
	if (key.len == 0 || key.len > DIRECTORY_NAME_MAX)
		return err_set(err, POD_E_NOTFOUND, "there is no such %s", directory_kind_name(kind));
	r = kv_txn_begin(dir->kv, KV_READ, &txn, err);
	if (r == 0)
		r = directory_record_get(dir, &txn, a, kind, key, ret_record, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND, "there is no %s " SPAN_FMT, directory_kind_name(kind),
		               SPAN_ARG(key));
	*ret_key = key;
	return r;
}

static bool standby_behind(const Directory__Volume *v)
{
	if (strcmp(v->kind, "replicated") != 0)
		return false;
	for (size_t i = 0; i < v->n_replicas; i++) {
		const Directory__Replica *r = v->replicas[i];

		if (strcmp(r->site, v->primary_site) != 0 && strcmp(r->mode, "none") != 0 &&
		    (strcmp(r->mode, "sync") != 0 || !r->in_sync))
			return true;
	}
	return false;
}

int directory_volume_find(struct directory *dir, struct arena *a, struct span name,
                          struct directory_volume *ret, struct err *err)
{
	const ProtobufCMessage *record;
	const Directory__Volume *v;
	struct span key;
	int r = find(dir, a, DIRECTORY_VOLUME, name, &key, &record, err);

	if (r != 0)
		return r;
	v = (const Directory__Volume *) record;
	*ret = (struct directory_volume){ arena_str(a, key), v->id, v->endpoint, v->token, standby_behind(v) };
	return ret->name ? 0 : nomem(err);
}

int directory_user_find(struct directory *dir, struct arena *a, struct span address,
                        struct directory_user *ret, struct err *err)
{
	const ProtobufCMessage *record;
	const Directory__User *u;
	struct directory_user user;
	struct span key;
	int r = find(dir, a, DIRECTORY_USER, address, &key, &record, err);

	if (r != 0)
		return r;
	u = (const Directory__User *) record;
	if (strcmp(u->state, "suspended") == 0)
		return err_set(err, POD_E_DENIED, "user " SPAN_FMT " is suspended", SPAN_ARG(key));
	if (strcmp(u->state, "active") != 0) /* still being made */
		return err_set(err, POD_E_NOTFOUND, "there is no user " SPAN_FMT, SPAN_ARG(key));
	user = (struct directory_user){ arena_str(a, key), u->user_id, u->volume };
	if (!user.address)
		return nomem(err);
	*ret = user;
	return 0;
}

int directory_domain_find(struct directory *dir, struct span domain, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(4096);
	struct span key = a ? directory_lower(a, span_head(domain, DIRECTORY_NAME_MAX + 1)) : SPAN_NONE;
	KV_TXN txn = { 0 };
	int r;

	if (!key.p)
		return nomem(err);
	if (key.len == 0 || key.len > DIRECTORY_NAME_MAX)
		return err_set(err, POD_E_NOTFOUND, "there is no such domain");
	r = kv_txn_begin(dir->kv, KV_READ, &txn, err);
	return r < 0 ? r : directory_record_exists(dir, &txn, DIRECTORY_DOMAIN, key, err);
}
