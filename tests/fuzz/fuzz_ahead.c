/*
 * A batch of the deliveries' journal as any disk may give it back, without the sum that keeps wrong ones out:
 * entries, and the changes of the index in them, done in a transaction that is aborted. What is read must be
 * written to bytes that read the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "kv/redo.h"
#include "store/index/ahead_format.h"

#define TABLES 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct kv *kv;
static kv_table tables[TABLES];

static void open_database(void)
{
	const struct kv_options o = { .map_bytes = 64 << 20, .flags = KV_CREATE | KV_NOSYNC };
	static char dir[] = "/dev/shm/podmail-fuzz-ahead-XXXXXX";

	if (!mkdtemp(dir) || kv_open(dir, &o, &kv, NULL) < 0 ||
	    kv_table_open(kv, "a", KV_TABLE_CREATE, &tables[0], NULL) < 0 ||
	    kv_table_open(kv, "b", KV_TABLE_CREATE, &tables[1], NULL) < 0)
		abort();
	/* Its files are open; nothing is to be left behind. */
	for (size_t i = 0; i < 2; i++) {
		char path[64];

		(void) snprintf(path, sizeof(path), "%s/%s", dir, i ? "lock.mdb" : "data.mdb");
		(void) unlink(path);
	}
	(void) rmdir(dir);
}

static void apply(struct span changes)
{
	KV_TXN txn = { 0 };

	if (!kv)
		open_database();
	if (kv_txn_begin(kv, KV_WRITE, &txn, NULL) < 0)
		abort();
	(void) kv_redo_apply(&txn, tables, TABLES, changes, NULL);
}

static void check_again(const struct ahead_entry *e)
{
	struct buf b = BUF_INIT;
	struct ahead_entry again;
	struct span rest;

	ahead_entry_add(&b, e->kind, e->name, e->bytes, SPAN_NONE);
	rest = buf_span(&b);
	if (ahead_entry_next(&rest, &again) != 1 || rest.len != 0 || again.kind != e->kind ||
	    !span_eq(again.name, e->name) || !span_eq(again.bytes, e->bytes))
		abort();
	buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span rest = span_make(data, len);
	struct ahead_entry e;

	while (ahead_entry_next(&rest, &e) == 1) {
		check_again(&e);
		if (e.kind == AHEAD_CHANGES)
			apply(e.bytes);
	}
	apply(span_make(data, len));
	return 0;
}
