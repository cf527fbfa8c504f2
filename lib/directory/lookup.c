#include "directory/directory_internal.h"

#define POSTMASTER SPAN_LIT("postmaster")

/* The record of an address, whatever it is. FOUND_NOTHING where there is none. */
static int find_exact(struct directory *dir, struct kv_txn *txn, struct arena *a, struct span key,
                      struct directory_found *ret, struct err *err)
{
	static const struct {
		enum directory_kind kind;
		int what;
	} tables[] = {
		{ DIRECTORY_USER, FOUND_USER },
		{ DIRECTORY_ALIAS, FOUND_ALIAS },
		{ DIRECTORY_GROUP, FOUND_GROUP },
	};

	*ret = (struct directory_found){ .what = FOUND_NOTHING };
	if (key.len > DIRECTORY_NAME_MAX)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		const ProtobufCMessage *record;
		int r = directory_record_get(dir, txn, a, tables[i].kind, key, &record, err);

		if (r == -POD_E_NOTFOUND)
			continue;
		if (r == 0)
			*ret = (struct directory_found){ .what = tables[i].what,
				                         .key = key,
				                         .record = record };
		return r;
	}
	return 0;
}

/* "local@domain" as a key of its own; SPAN_NONE where memory is out. */
static struct span join(struct arena *a, struct span local, struct span domain)
{
	char *s = arena_printf(a, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(local), SPAN_ARG(domain));

	return s ? span_of(s) : SPAN_NONE;
}

static int find_joined(struct directory *dir, struct kv_txn *txn, struct arena *a, struct span local,
                       struct span domain, struct directory_found *ret, struct err *err)
{
	struct span key = join(a, local, domain);

	return key.p ? find_exact(dir, txn, a, key, ret, err)
	             : err_set(err, POD_E_NOMEM, "resolving an address");
}

/* RFC 5233 subaddressing: user+detail@domain. */
static int find_subaddress(struct directory *dir, struct kv_txn *txn, struct arena *a, struct span local,
                           struct span domain, struct directory_found *ret, struct err *err)
{
	struct span detail, user = span_split(local, '+', &detail);
	int r;

	if (!detail.p || user.len == 0)
		return 0;
	r = find_joined(dir, txn, a, user, domain, ret, err);
	if (r == 0 && ret->what != FOUND_NOTHING)
		ret->detail = detail;
	return r;
}

/* The domain of the pod. A host's directory describes one pod; of several the first by name counts. */
static int pod_domain(struct directory *dir, struct kv_txn *txn, struct arena *a, struct span *ret_domain,
                      struct err *err)
{
	const ProtobufCMessage *record;
	struct span key, bytes;
	KV_CURSOR c = { 0 };
	int r = kv_cursor_open(txn, dir->tables[DIRECTORY_POD], &c, err);

	*ret_domain = SPAN_NONE;
	if (r < 0)
		return r;
	r = kv_cursor_seek(&c, SPAN_NONE, &key, &bytes);
	if (r == -POD_E_NOTFOUND)
		return 0;
	if (r == 0)
		r = directory_record_unpack(a, DIRECTORY_POD, bytes, &record, err);
	if (r != 0)
		return r;
	*ret_domain = directory_lower(a, span_of(((const Directory__Pod *) record)->domain));
	return ret_domain->p ? 0 : err_set(err, POD_E_NOMEM, "resolving an address");
}

/* RFC 5321 4.5.1: postmaster is there in every domain of ours, and without a domain. */
static int find_postmaster(struct directory *dir, struct kv_txn *txn, struct arena *a, struct span domain,
                           struct directory_found *ret, struct err *err)
{
	struct span home;
	int r = pod_domain(dir, txn, a, &home, err);

	if (r < 0 || home.len == 0 || span_eq(home, domain))
		return r;
	return find_joined(dir, txn, a, POSTMASTER, home, ret, err);
}

/* In a domain of ours, when there is no such address as written. */
static int find_otherwise(struct directory *dir, struct kv_txn *txn, struct arena *a, struct span local,
                          struct span domain, bool subaddressing, struct directory_found *ret,
                          struct err *err)
{
	int r = subaddressing ? find_subaddress(dir, txn, a, local, domain, ret, err) : 0;

	if (r == 0 && ret->what == FOUND_NOTHING)
		r = find_joined(dir, txn, a, SPAN_LIT(""), domain, ret, err);
	if (r == 0 && ret->what == FOUND_NOTHING && span_eq(local, POSTMASTER))
		r = find_postmaster(dir, txn, a, domain, ret, err);
	return r;
}

int directory_lookup(struct directory *dir, struct kv_txn *txn, struct arena *a, struct span key,
                     struct directory_found *ret, struct err *err)
{
	const ProtobufCMessage *record = NULL;
	struct span local, domain;
	int r;

	*ret = (struct directory_found){ .what = FOUND_NOTHING };
	if (span_eq(key, POSTMASTER))
		return find_postmaster(dir, txn, a, SPAN_NONE, ret, err);
	if (!directory_address_split(key, &local, &domain) || key.len > DIRECTORY_NAME_MAX)
		return 0;
	r = directory_record_get(dir, txn, a, DIRECTORY_DOMAIN, domain, &record, err);
	if (r == -POD_E_NOTFOUND) {
		ret->what = FOUND_REMOTE;
		return 0;
	}
	if (r == 0)
		r = find_exact(dir, txn, a, key, ret, err);
	if (r == 0 && ret->what == FOUND_NOTHING)
		r = find_otherwise(dir, txn, a, local, domain,
		                   ((const Directory__Domain *) record)->subaddressing, ret, err);
	return r;
}
