/* After a crash: what the journal has and the index has not is done once more. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "store/index/ahead.h"
#include "store/index/ahead_format.h"
#include "store/index/volume_internal.h"
#include "store/maildir/body.h"
#include "store/maildir/layout.h"
#include "store/maildir/name.h"

#define ROOM_FIRST (2u << 20)
#define ROOM_MOST  (32u << 20) /* some thousand messages */

struct replay {
	struct volume *vol;
	struct kv_txn txn; /* begun by the first batch */
	kv_table tables[SCHEMA_TABLES];
	bool files_only, begun;
	size_t batches, files;
	uint64_t segment;
};

/* ---- files ---- */

/* Also one that is there, whole: after a flush that failed, what reads well may be in the cache alone, and
 * clean there. */
static int restore_file(struct replay *p, struct span name, struct span bytes, struct err *err)
{
	struct maildir_name n;
	char text[STAGED_NAME_SIZE];
	uint32_t mailbox;
	int fd = -1, r;

	if (name.len >= sizeof(text) || staged_name_parse(name, &mailbox, &n) < 0)
		return err_set(err, POD_E_CORRUPT, "the deliveries' journal has a name that is none");
	memcpy(text, name.p, name.len);
	text[name.len] = '\0';
	if (unlinkat(p->vol->staging, text, 0) < 0 && errno != ENOENT)
		return err_errno(err, errno, "unlink %s", text);
	r = body_make(p->vol->staging, text, bytes, SPAN_NONE, &fd, err);
	closep(&fd);
	p->files++;
	return r;
}

/* ---- rows ---- */

static int apply(struct replay *p, struct span changes, struct err *err)
{
	int r = p->txn.impl ? 0 : kv_txn_begin(p->vol->kv, KV_WRITE, &p->txn, err);

	return r < 0 ? r : kv_redo_apply(&p->txn, p->tables, SCHEMA_TABLES, changes, err);
}

static int replay_entry(struct replay *p, const struct ahead_entry *e, struct span *last, struct err *err)
{
	switch (e->kind) {
	case AHEAD_FILE: *last = e->bytes; return restore_file(p, e->name, e->bytes, err);
	case AHEAD_AGAIN: return restore_file(p, e->name, *last, err);
	case AHEAD_CHANGES: return p->files_only ? 0 : apply(p, e->bytes, err);
	}
	return 0;
}

static int replay_batch(void *arg, uint64_t segment, struct span entries, struct err *err)
{
	struct replay *p = arg;
	struct span last = SPAN_NONE;
	struct ahead_entry e;
	int r, more;

	p->begun = true;
	while ((more = ahead_entry_next(&entries, &e)) == 1) {
		r = replay_entry(p, &e, &last, err);
		if (r < 0)
			return r;
	}
	p->batches++;
	p->segment = segment;
	return more < 0 ? err_set(err, POD_E_CORRUPT,
	                          "the deliveries' journal has an entry that cannot be read")
	                : 0;
}

/* Files before rows, as ever. */
static int finish(struct replay *p, struct err *err)
{
	int r;

	if (p->batches == 0)
		return 0;
	log_event(NULL, LOGL_NOTICE, "deliveries.replayed", F_STR("volume", p->vol->file.name),
	          F_UINT("commits", p->batches), F_UINT("files", p->files));
	if (syncfs(p->vol->dir) < 0)
		return err_errno(err, errno, "syncfs of the volume");
	r = p->txn.impl ? ahead_segment_put(&p->txn, &p->vol->t, p->segment, err) : 0;
	return r < 0 || !p->txn.impl ? r : kv_txn_commit(&p->txn, err);
}

/* ---- opening ---- */

static int open_journal(struct volume *vol, uint64_t settled, struct replay *p, struct wal **ret_wal,
                        struct err *err)
{
	struct wal_options o = { .dir = vol->dir,
		                 .folder = LAYOUT_AHEAD,
		                 .name = "the deliveries' journal",
		                 .files = 1,
		                 .room_first = ROOM_FIRST,
		                 .room_most = ROOM_MOST };
	int r = wal_open(&o, settled, replay_batch, p, ret_wal, err);

	if (r != -POD_E_NOSPACE || p->begun)
		return r;
	/* A full disk: what there is has to be read all the same. */
	o.room_first = WAL_BLOCK;
	return wal_open(&o, settled, replay_batch, p, ret_wal, err);
}

static bool has_journal(const struct volume *vol)
{
	return file_exists(vol->dir, LAYOUT_AHEAD, NULL) != 0;
}

static int settled_segment(struct volume *vol, uint64_t *ret, struct err *err)
{
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(vol->kv, KV_READ, &txn, err);

	return r < 0 ? r : ahead_segment_get(&txn, &vol->t, ret, err);
}

/* *ret_wal stays NULL where the disk has no room for one: a file without a block never had a batch. */
static int open_and_replay(struct volume *vol, struct wal **ret_wal, struct err *err)
{
	struct replay p = { .vol = vol };
	uint64_t settled = 0;
	int r = settled_segment(vol, &settled, err);

	schema_list(&vol->t, p.tables);
	if (r == 0)
		r = open_journal(vol, settled, &p, ret_wal, err);
	if (r == 0)
		r = finish(&p, err);
	kv_txn_abort(&p.txn);
	if (r == -POD_E_NOSPACE && !p.begun) {
		log_event(NULL, LOGL_WARNING, "deliveries.no_journal", F_STR("volume", vol->file.name),
		          F_ERR(err));
		return 0;
	}
	if (r == 0 && p.batches) {
		wal_turn(*ret_wal);
		(void) wal_erase(*ret_wal, NULL);
	}
	return r;
}

int ahead_open(struct volume *vol, struct err *err)
{
	struct ahead *ah = &vol->ahead;
	struct wal *wal = NULL;
	struct err why = { 0 };
	int r = 0;

	if (vol->o.settle_ms || has_journal(vol))
		r = open_and_replay(vol, &wal, &why);
	if (r < 0 || !vol->o.settle_ms)
		wal = wal_close(wal);
	if (r < 0 && err)
		*err = why;
	ah->wal = wal;
	schema_list(&vol->t, ah->tables);
	kv_redo_init(&ah->redo, ah->tables, SCHEMA_TABLES);
	return err_wrap(err, r, "recovery of deliveries");
}

int ahead_restore_files(struct volume *vol, uint64_t *ret_segment, struct err *err)
{
	struct replay p = { .vol = vol, .files_only = true };
	struct wal *wal = NULL;
	int r = has_journal(vol) ? open_journal(vol, 0, &p, &wal, err) : 0;

	(void) wal_close(wal);
	if (r == 0)
		r = finish(&p, err);
	if (r == 0)
		*ret_segment = p.segment;
	return r;
}
