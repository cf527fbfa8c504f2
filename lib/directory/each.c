#include "directory/directory_internal.h"

#define RECORD_MEMORY (16u << 20)

/* Moves to the first key after `after`, which need not be there. */
static int seek_after(struct kv_cursor *c, struct arena *a, struct span after, struct span *ret_key,
                      struct span *ret_value)
{
	struct span from = directory_lower(a, after);
	int r;

	if (!from.p)
		return -POD_E_NOMEM;
	r = kv_cursor_seek(c, after.len > DIRECTORY_NAME_MAX ? span_head(from, DIRECTORY_NAME_MAX) : from,
	                   ret_key, ret_value);
	while (r == 0 && after.len && span_cmp(*ret_key, from) <= 0)
		r = kv_cursor_next(c, ret_key, ret_value);
	return r;
}

static int call_one(enum directory_kind kind, struct arena *a, struct span key, struct span bytes,
                    directory_each_fn *fn, void *arg, struct err *err)
{
	const ProtobufCMessage *record;
	const char *name;
	int r;

	arena_reset(a);
	name = arena_str(a, key);
	if (!name)
		return err_set(err, POD_E_NOMEM, "listing the directory");
	r = directory_record_unpack(a, kind, bytes, &record, err);
	return r < 0 ? r : fn(arg, name, record);
}

int directory_each(struct directory *dir, enum directory_kind kind, struct span after, directory_each_fn *fn,
                   void *arg, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(RECORD_MEMORY);
	struct span key, bytes;
	KV_TXN txn = { 0 };
	KV_CURSOR c = { 0 };
	int r;

	if (!a)
		return err_set(err, POD_E_NOMEM, "listing the directory");
	r = kv_txn_begin(dir->kv, KV_READ, &txn, err);
	if (r == 0)
		r = kv_cursor_open(&txn, dir->tables[kind], &c, err);
	if (r < 0)
		return r;
	for (r = seek_after(&c, a, after, &key, &bytes); r == 0; r = kv_cursor_next(&c, &key, &bytes)) {
		r = call_one(kind, a, key, bytes, fn, arg, err);
		if (r != 0)
			return r;
	}
	if (r == -POD_E_NOTFOUND)
		return 0;
	return err_set(err, (enum pod_error) - r, "listing the directory: %s", err_code_text(r));
}
