#include "directory/directory_internal.h"
#include "directory/validate.h"

#define SCRATCH_MEMORY (64u << 20)

/* One write: its transaction, memory and names. */
struct change {
	struct directory *dir;
	struct kv_txn *txn;
	struct arena *a;
	enum directory_kind kind;
	struct span key;
	struct err *err;
};

static int not_there(const struct change *c)
{
	return err_set(c->err, POD_E_NOTFOUND, "there is no %s " SPAN_FMT, directory_kind_name(c->kind),
	               SPAN_ARG(c->key));
}

/* An address is one thing only; other names are taken by their own kind. */
static int check_free(const struct change *c)
{
	static const enum directory_kind addresses[] = { DIRECTORY_USER, DIRECTORY_ALIAS, DIRECTORY_GROUP };
	bool address = directory_kind_is_address(c->kind);

	for (size_t i = 0; i < (address ? ARRAY_SIZE(addresses) : 1); i++) {
		enum directory_kind kind = address ? addresses[i] : c->kind;
		int r = directory_record_exists(c->dir, c->txn, kind, c->key, c->err);

		if (r == 0)
			return err_set(c->err, POD_E_EXISTS, "there is a %s " SPAN_FMT " already",
			               directory_kind_name(kind), SPAN_ARG(c->key));
		if (r != -POD_E_NOTFOUND)
			return r;
	}
	return 0;
}

/* Adds to the count of users on a volume; it is for placement, the cap itself is the store's. */
static int count_user(const struct change *c, const char *volume, int by)
{
	struct span key = directory_lower(c->a, span_of(volume));
	const ProtobufCMessage *record;
	Directory__Volume v;
	int r = key.p ? directory_record_get(c->dir, c->txn, c->a, DIRECTORY_VOLUME, key, &record, c->err)
	              : -POD_E_NOMEM;

	if (r < 0)
		return err_wrap(c->err, r, "volume %s", volume);
	v = *(const Directory__Volume *) record;
	if (by < 0 && v.users == 0)
		return err_set(c->err, POD_E_CORRUPT, "volume %s: more users go than there were", volume);
	v.users += (uint32_t) by;
	return directory_record_put(c->dir, c->txn, DIRECTORY_VOLUME, key, &v.base, c->err);
}

/* Puts a record with the number of users that is known here, not the one a caller may have read long ago. */
static int put(const struct change *c, const ProtobufCMessage *old, const ProtobufCMessage *record)
{
	Directory__Volume v;

	if (c->kind == DIRECTORY_VOLUME) {
		v = *(const Directory__Volume *) record;
		v.users = old ? ((const Directory__Volume *) old)->users : 0;
		record = &v.base;
	}
	return directory_record_put(c->dir, c->txn, c->kind, c->key, record, c->err);
}

/* Takes the old record's traces back and leaves those of the new one; either may be NULL. */
static int follow(const struct change *c, const ProtobufCMessage *old, const ProtobufCMessage *record)
{
	int r = 0;

	if (old)
		r = directory_refs_remove(c->dir, c->txn, c->a, c->kind, c->key, old, c->err);
	if (r == 0 && record)
		r = directory_refs_add(c->dir, c->txn, c->a, c->kind, c->key, record, c->err);
	if (r == 0 && old && c->kind == DIRECTORY_USER)
		r = count_user(c, ((const Directory__User *) old)->volume, -1);
	if (r == 0 && record && c->kind == DIRECTORY_USER)
		r = count_user(c, ((const Directory__User *) record)->volume, 1);
	return r;
}

static int check_record(const struct change *c, const ProtobufCMessage *record)
{
	int r = directory_record_validate(c->kind, record, c->err);

	return r < 0 ? r : directory_refs_check(c->dir, c->txn, c->a, c->kind, c->key, record, c->err);
}

static int change_create(const struct change *c, const ProtobufCMessage *record)
{
	int r = check_free(c);

	if (r == 0)
		r = check_record(c, record);
	if (r == 0)
		r = put(c, NULL, record);
	return r < 0 ? r : follow(c, NULL, record);
}

static int change_replace(const struct change *c, const ProtobufCMessage *record)
{
	const ProtobufCMessage *old;
	int r = directory_record_get(c->dir, c->txn, c->a, c->kind, c->key, &old, c->err);

	if (r == -POD_E_NOTFOUND)
		return not_there(c);
	if (r == 0)
		r = check_record(c, record);
	if (r == 0)
		r = directory_change_validate(c->kind, old, record, c->err);
	if (r == 0)
		r = put(c, old, record);
	return r < 0 ? r : follow(c, old, record);
}

static int change_delete(const struct change *c, const ProtobufCMessage *record)
{
	const ProtobufCMessage *old;
	int r = directory_record_get(c->dir, c->txn, c->a, c->kind, c->key, &old, c->err);

	if (r == -POD_E_NOTFOUND)
		return not_there(c);
	if (r == 0)
		r = directory_refs_none_to(c->dir, c->txn, c->kind, c->key, c->err);
	if (r == 0)
		r = follow(c, old, NULL);
	return r < 0 ? r : kv_delete(c->txn, c->dir->tables[c->kind], c->key, c->err);
}

typedef int change_fn(const struct change *c, const ProtobufCMessage *record);

static int run(struct directory *dir, enum directory_kind kind, struct span name, change_fn *fn,
               const ProtobufCMessage *record, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SCRATCH_MEMORY);
	KV_TXN txn = { 0 };
	struct change c = { .dir = dir, .txn = &txn, .a = a, .kind = kind, .err = err };
	int r;

	if (!a)
		return err_set(err, POD_E_NOMEM, "changing the directory");
	r = directory_key(a, kind, name, &c.key, err);
	if (r < 0)
		return r;
	kv_reap_readers(dir->kv); /* a front end that was killed would keep old pages from being used again */
	r = kv_txn_begin(dir->kv, KV_WRITE, &txn, err);
	if (r == 0)
		r = fn(&c, record);
	return r < 0 ? r : kv_txn_commit(&txn, err);
}

int directory_create(struct directory *dir, enum directory_kind kind, struct span name,
                     const ProtobufCMessage *record, struct err *err)
{
	return run(dir, kind, name, change_create, record, err);
}

int directory_replace(struct directory *dir, enum directory_kind kind, struct span name,
                      const ProtobufCMessage *record, struct err *err)
{
	return run(dir, kind, name, change_replace, record, err);
}

int directory_delete(struct directory *dir, enum directory_kind kind, struct span name, struct err *err)
{
	return run(dir, kind, name, change_delete, NULL, err);
}

int directory_delete_check(struct directory *dir, enum directory_kind kind, struct span name, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SCRATCH_MEMORY);
	KV_TXN txn = { 0 };
	struct change c = { .dir = dir, .txn = &txn, .a = a, .kind = kind, .err = err };
	int r;

	if (!a)
		return err_set(err, POD_E_NOMEM, "reading the directory");
	r = directory_key(a, kind, name, &c.key, err);
	if (r == 0)
		r = kv_txn_begin(dir->kv, KV_READ, &txn, err);
	if (r == 0)
		r = directory_record_exists(dir, &txn, kind, c.key, err);
	if (r == -POD_E_NOTFOUND)
		return not_there(&c);
	return r < 0 ? r : directory_refs_none_to(dir, &txn, kind, c.key, err);
}
