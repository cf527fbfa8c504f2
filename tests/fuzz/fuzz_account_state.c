/*
 * What is kept with a user's account beside folders' states, as any disk may give it back: answers while he
 * is away, a device's record, what it sent, its folders, details of flags. The first byte says which. What is
 * read can be used, and be written to bytes that read the same (but for fields of protobuf that are not ours,
 * which its library may give out so that it cannot read them).
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "device/device.h"
#include "imapd/eas/folder/hierarchy.h"
#include "imapd/eas/item/note_table.h"
#include "imapd/eas/send/memory.h"
#include "storeproto/oof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static void answers(struct arena *a, struct span bytes)
{
	struct span once, twice;
	Podstore__Oof *o = NULL;

	if (oof_unpack(a, bytes, &o, NULL) < 0 || o->base.n_unknown_fields)
		return;
	(void) oof_is_on(o, 1000);
	if (oof_check(o, NULL) == 0)
		CHECK(o->when <= OOF_TIMED);
	CHECK(oof_pack(a, o, &once) == 0);
	CHECK(oof_unpack(a, once, &o, NULL) == 0 && oof_pack(a, o, &twice) == 0 && span_eq(once, twice));
}

static void record(struct arena *a, struct span bytes)
{
	struct span once, twice;
	Device__Device *d = NULL;

	if (device_unpack(a, bytes, &d, NULL) < 0 || d->base.n_unknown_fields)
		return;
	CHECK(device_access_text(d->access) && device_wipe_text(d->wipe_state));
	(void) device_wipe(d, DEVICE__WIPE_KIND__WIPE_ACCOUNT, 1, NULL);
	once = device_pack(a, d);
	CHECK(once.p && device_unpack(a, once, &d, NULL) == 0);
	twice = device_pack(a, d);
	CHECK(twice.p && span_eq(once, twice));
}

static void sent(struct arena *a, struct span bytes)
{
	_cleanup_buf_ struct buf once = BUF_INIT, twice = BUF_INIT;
	static const struct guid id = { { 1 } };
	struct sent_memory m;

	if (sent_memory_unpack(bytes, &m) < 0)
		return;
	if (!sent_memory_find(&m, SPAN_LIT("a client's")))
		CHECK(sent_memory_add(&m, SPAN_LIT("a client's"), &id, 5)->at_s == 5);
	CHECK(m.n <= SENT_MAX);
	sent_memory_pack(&m, &once);
	CHECK(sent_memory_unpack(buf_span(&once), &m) == 0);
	sent_memory_pack(&m, &twice);
	CHECK(span_eq(buf_span(&once), buf_span(&twice)));
}

static void folders(struct arena *a, struct span bytes)
{
	char key[EAS_SYNC_KEY_SIZE];
	struct hierarchy h;
	struct span once, twice;

	if (hierarchy_decode(a, bytes, &h) < 0)
		return;
	hierarchy_key(&h, key);
	(void) hierarchy_base(&h, hierarchy_judge(&h, span_of(key)));
	once = hierarchy_encode(a, &h);
	CHECK(once.p && hierarchy_decode(a, once, &h) == 0);
	twice = hierarchy_encode(a, &h);
	CHECK(twice.p && span_eq(once, twice));
}

static void notes(struct arena *a, struct span bytes)
{
	static const struct span guid = SPAN_LIT("0123456789abcdef");
	_cleanup_buf_ struct buf table = BUF_INIT, without = BUF_INIT;
	struct eas_note note = { .flag = EAS_FLAG_NONE };

	(void) eas_note_table_find(bytes, guid, &note);
	eas_note_table_put(bytes, guid, &note, &table);
	CHECK(table.failed || eas_note_table_find(buf_span(&table), guid, &note) == 0);
	eas_note_table_put(buf_span(&table), guid, NULL, &without);
	CHECK(without.failed || eas_note_table_find(buf_span(&without), guid, &note) == -POD_E_NOTFOUND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const kinds[])(struct arena * a, struct span bytes) = { answers, record, sent, folders,
		                                                              notes };
	_cleanup_(arena_freep) struct arena *a = arena_create(16u << 20);

	if (a && len > 0)
		kinds[data[0] % ARRAY_SIZE(kinds)](a, span_make(data + 1, len - 1));
	return 0;
}
