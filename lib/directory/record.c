#include "directory/directory_internal.h"

static const struct {
	const char *name;
	const ProtobufCMessageDescriptor *descriptor;
} kinds[DIRECTORY_KINDS] = {
	[DIRECTORY_SITE] = { "site", &directory__site__descriptor },
	[DIRECTORY_POD] = { "pod", &directory__pod__descriptor },
	[DIRECTORY_HOST] = { "host", &directory__host__descriptor },
	[DIRECTORY_VOLUME] = { "volume", &directory__volume__descriptor },
	[DIRECTORY_DOMAIN] = { "domain", &directory__domain__descriptor },
	[DIRECTORY_USER] = { "user", &directory__user__descriptor },
	[DIRECTORY_ALIAS] = { "alias", &directory__alias__descriptor },
	[DIRECTORY_GROUP] = { "group", &directory__group__descriptor },
};

const char *directory_kind_name(enum directory_kind kind)
{
	return kinds[kind].name;
}

const ProtobufCMessageDescriptor *directory_kind_descriptor(enum directory_kind kind)
{
	return kinds[kind].descriptor;
}

/* protobuf-c's allocator on an arena: nothing is freed before the arena is. */
struct arena_source {
	struct arena *a;
	bool empty;
};

static void *source_alloc(void *arg, size_t size)
{
	struct arena_source *source = arg;
	void *p = arena_alloc(source->a, size);

	source->empty |= !p;
	return p;
}

static void source_free(void *arg, void *p)
{
}

int directory_record_unpack(struct arena *a, enum directory_kind kind, struct span bytes,
                            const ProtobufCMessage **ret_record, struct err *err)
{
	struct arena_source source = { a, false };
	ProtobufCAllocator allocator = { source_alloc, source_free, &source };
	ProtobufCMessage *m =
		protobuf_c_message_unpack(kinds[kind].descriptor, &allocator, bytes.len, bytes.p);

	if (!m && source.empty)
		return err_set(err, POD_E_NOMEM, "reading a %s of the directory", kinds[kind].name);
	if (!m)
		return err_set(err, POD_E_CORRUPT, "a %s of the directory cannot be read", kinds[kind].name);
	*ret_record = m;
	return 0;
}

int directory_record_get(struct directory *dir, struct kv_txn *txn, struct arena *a, enum directory_kind kind,
                         struct span key, const ProtobufCMessage **ret_record, struct err *err)
{
	struct span bytes;
	int r = kv_get(txn, dir->tables[kind], key, &bytes, err);

	return r < 0 ? r : directory_record_unpack(a, kind, bytes, ret_record, err);
}

int directory_record_put(struct directory *dir, struct kv_txn *txn, enum directory_kind kind, struct span key,
                         const ProtobufCMessage *record, struct err *err)
{
	size_t len = protobuf_c_message_get_packed_size(record);
	void *room;
	int r = kv_reserve(txn, dir->tables[kind], key, len, &room, err);

	if (r == 0)
		(void) protobuf_c_message_pack(record, room);
	return r;
}

int directory_record_exists(struct directory *dir, struct kv_txn *txn, enum directory_kind kind,
                            struct span key, struct err *err)
{
	struct span bytes;

	return kv_get(txn, dir->tables[kind], key, &bytes, err);
}

int directory_get(struct directory *dir, struct arena *a, enum directory_kind kind, struct span name,
                  const ProtobufCMessage **ret_record, struct err *err)
{
	KV_TXN txn = { 0 };
	struct span key;
	int r = directory_key(a, kind, name, &key, err);

	if (r < 0)
		return r == -POD_E_SYNTAX
		               ? err_set(err, POD_E_NOTFOUND, "there is no such %s", kinds[kind].name)
		               : r;
	r = kv_txn_begin(dir->kv, KV_READ, &txn, err);
	if (r == 0)
		r = directory_record_get(dir, &txn, a, kind, key, ret_record, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND, "there is no %s " SPAN_FMT, kinds[kind].name,
		               SPAN_ARG(key));
	return r;
}
