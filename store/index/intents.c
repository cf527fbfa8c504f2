#include "store/index/intents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "store/index/volume_internal.h"
#include "store/maildir/layout.h"

static int run_one(struct volume *vol, const struct intent *i, struct err *err)
{
	unsigned int flags = i->op == INTENT_MOVE ? RENAME_NOREPLACE : 0;
	int e = STEP(vol, VOLUME_STEP_FOLDER);

	if (e == 0 && renameat2(vol->dir, i->from, vol->dir, i->to, flags) < 0)
		e = errno;
	/* Neither is an error: it is where it should be from the time before. */
	return e == 0 || e == ENOENT || e == EEXIST ? 0 : err_errno(err, e, "move %s to %s", i->from, i->to);
}

int intents_run(struct volume *vol, struct err *err)
{
	KV_TXN txn = { 0 };
	KV_CURSOR c = { 0 };
	struct span value;
	int r = kv_txn_begin(vol->kv, KV_READ, &txn, err);

	if (r == 0)
		r = kv_cursor_open(&txn, vol->t.intents, &c, err);
	if (r == 0)
		r = kv_cursor_seek(&c, SPAN_NONE, NULL, &value);
	while (r == 0) {
		struct intent i;

		r = intent_decode(value, &i, err);
		if (r == 0)
			r = run_one(vol, &i, err);
		if (r < 0)
			return r;
		r = kv_cursor_next(&c, NULL, &value);
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}
