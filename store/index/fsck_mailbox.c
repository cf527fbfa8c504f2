#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/index/fsck_internal.h"
#include "store/index/intake.h"
#include "store/index/ranges.h"
#include "store/maildir/mailbox_file.h"

/* A message of the index, and the file found for it. */
struct known {
	uint32_t uid;
	struct record rec;
	struct pending pending; /* op 0: none */
	const struct scanned_file *file;
};

struct mailbox_check {
	struct fsck *k;
	const struct volume_mailbox *m;
	struct mailbox_info info;
	struct mailbox_counts counts;
	struct layout_path folder;
	struct known *known;
	size_t known_n, known_cap;
	uint32_t *unlinking; /* uids whose files are to go, ascending */
	size_t unlinking_n, unlinking_cap;
	struct scanned_files files;
	bool *taken; /* files: known, or on their way out */
};

/* ---- what is there ---- */

static int read_records(struct mailbox_check *c, struct kv_txn *txn, struct err *err)
{
	KV_CURSOR cur = { 0 };
	struct span key, value;
	struct key k;
	int r = kv_cursor_open(txn, c->k->vol->t.mail, &cur, err);

	key_mail(&k, c->m->id, MAIL_RECORD);
	if (r == 0)
		r = kv_cursor_seek(&cur, key_span(&k), &key, &value);
	for (; r == 0 && mail_key_is(key, c->m->id, MAIL_RECORD); r = kv_cursor_next(&cur, &key, &value)) {
		if (c->known_n == c->known_cap) {
			c->known_cap = c->known_cap ? 2 * c->known_cap : 256;
			c->known = arena_grow(c->k->a, c->known, c->known_n, c->known_cap, sizeof(*c->known));
			if (!c->known)
				return err_set(err, POD_E_NOMEM, "fsck");
		}
		c->known[c->known_n] = (struct known){ .uid = mail_key_uid(key) };
		r = message_record_decode(value, &c->known[c->known_n++].rec, err);
		if (r < 0)
			return r;
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

static struct known *find_known(struct mailbox_check *c, uint32_t uid)
{
	size_t lo = 0, hi = c->known_n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->known[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->known_n && c->known[lo].uid == uid ? &c->known[lo] : NULL;
}

static int read_pending(struct mailbox_check *c, struct kv_txn *txn, struct err *err)
{
	KV_CURSOR cur = { 0 };
	struct span key, value;
	struct key k;
	int r = kv_cursor_open(txn, c->k->vol->t.pending, &cur, err);

	key_pending(&k, c->m->id, 0);
	if (r == 0)
		r = kv_cursor_seek(&cur, key_span(&k), &key, &value);
	for (; r == 0 && key_get_u32(key, 0) == c->m->id; r = kv_cursor_next(&cur, &key, &value)) {
		uint32_t uid = key_get_u32(key, 4);
		struct known *known = find_known(c, uid);

		if (known) {
			r = pending_decode(value, &known->pending, err);
			if (r < 0)
				return r;
			continue;
		}
		if (c->unlinking_n == c->unlinking_cap) {
			c->unlinking_cap = c->unlinking_cap ? 2 * c->unlinking_cap : 64;
			c->unlinking = arena_grow(c->k->a, c->unlinking, c->unlinking_n, c->unlinking_cap, sizeof(uint32_t));
			if (!c->unlinking)
				return err_set(err, POD_E_NOMEM, "fsck");
		}
		c->unlinking[c->unlinking_n++] = uid;
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

/*
 * Rows and files of one moment: write-behind stands still (the caller holds `folders`), so no file of ours moves, and
 * what commits meanwhile only adds names in staging/.
 */
static int look(struct mailbox_check *c, struct err *err)
{
	struct volume *vol = c->k->vol;
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(vol->kv, KV_READ, &txn, err);

	if (r == 0)
		r = mailbox_get(&txn, &vol->t, c->m->id, &c->info, err);
	if (r == 0 && mailbox_copy(c->k->a, &c->info) < 0)
		r = err_set(err, POD_E_NOMEM, "fsck");
	if (r == 0)
		r = counts_get(&txn, &vol->t, c->m->id, &c->counts, err);
	if (r < 0)
		return r;
	layout_mailbox(&c->folder, c->info.user_id, c->info.name);
	r = read_records(c, &txn, err);
	if (r == 0)
		r = read_pending(c, &txn, err);
	if (r == 0)
		r = scan_messages(vol->dir, c->folder.s, c->k->a, &c->files, err);
	c->taken = arena_array(c->k->a, c->files.n, sizeof(*c->taken));
	return r == 0 && !c->taken ? err_set(err, POD_E_NOMEM, "fsck") : r;
}

/* ---- comparing ---- */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

	return x < y ? -1 : x > y;
}

static void file_path(const struct mailbox_check *c, const struct scanned_file *f, struct layout_path *ret)
{
	*ret = c->folder;
	layout_add(ret, f->in_new ? "new" : "cur");
	layout_add(ret, f->name);
}

/* Whether the file has the very name its record asks for. */
static bool is_named_right(const struct mailbox_check *c, const struct known *known, const struct scanned_file *f)
{
	const struct place_name n = place_name_of(c->m->id, known->uid, &known->rec);
	struct layout_path is, want;

	file_path(c, f, &is);
	place_final(c->k->vol, &c->info, &n, &want);
	return strcmp(is.s, want.s) == 0;
}

/* Twice over all files: of several that could be a message's, the one with the right name is it. */
static void match_file(struct mailbox_check *c, size_t i, bool by_name)
{
	const struct scanned_file *f = &c->files.items[i];
	struct known *known = f->ours ? find_known(c, f->n.uid) : NULL;

	if (known && !known->file && guid_eq(&known->rec.guid, &f->n.guid) && f->size == known->rec.size &&
	    (!by_name || is_named_right(c, known, f))) {
		known->file = f;
		c->taken[i] = true;
	} else if (f->ours && !known && bsearch(&f->n.uid, c->unlinking, c->unlinking_n, sizeof(uint32_t), by_number)) {
		c->taken[i] = true;
	}
}

static void match_files(struct mailbox_check *c)
{
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < c->files.n; i++)
			if (!c->taken[i])
				match_file(c, i, pass == 0);
}

/* A settled file whose name is not the one its record asks for: another tool renamed it. The index is right. */
static int check_name(struct mailbox_check *c, const struct known *known, struct err *err)
{
	const struct place_name n = place_name_of(c->m->id, known->uid, &known->rec);
	struct layout_path is, want;

	if (known->pending.op || is_named_right(c, known, known->file))
		return 0;
	file_path(c, known->file, &is);
	place_final(c->k->vol, &c->info, &n, &want);
	fsck_problem(c->k, "%s: named otherwise than the index says", is.s);
	if (!c->k->repair)
		return 0;
	if (renameat2(c->k->vol->dir, is.s, c->k->vol->dir, want.s, RENAME_NOREPLACE) < 0)
		return errno == EEXIST ? 0 : err_errno(err, errno, "rename %s", is.s);
	c->k->report->repaired++;
	return 0;
}

static bool is_staged(struct mailbox_check *c, const struct known *known)
{
	struct place_name n = place_name_of(c->m->id, known->uid, &known->rec);
	struct layout_path path;

	if (!known->pending.op || !known->pending.staged)
		return false;
	n.flags = known->pending.file_flags;
	place_staged(c->k->vol, &n, &path);
	return file_exists(c->k->vol->dir, path.s, NULL) == 1;
}

static int check_known(struct mailbox_check *c, struct ranges_builder *missing, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->known_n; i++) {
		const struct known *known = &c->known[i];

		if (known->file) {
			r = check_name(c, known, err);
		} else if (!is_staged(c, known)) {
			fsck_problem(c->k, "%s: the file of uid %u is missing", c->folder.s, known->uid);
			if (ranges_add(missing, known->uid, known->uid) < 0)
				return err_set(err, POD_E_NOMEM, "fsck");
		}
	}
	return r;
}

/* Two names of one file: nothing is lost with one of them. */
static bool is_second_name(const struct mailbox_check *c, const struct scanned_file *f)
{
	for (size_t i = 0; f->ours && i < c->known_n; i++)
		if (c->known[i].uid == f->n.uid)
			return c->known[i].file && c->known[i].file->inode == f->inode;
	return false;
}

static bool counts_are_right(const struct mailbox_check *c)
{
	uint64_t bytes = 0;
	uint32_t unseen = 0, deleted = 0;

	for (size_t i = 0; i < c->known_n; i++) {
		bytes += c->known[i].rec.size;
		unseen += !(c->known[i].rec.flags & STORE_FLAG_SEEN);
		deleted += !!(c->known[i].rec.flags & STORE_FLAG_DELETED);
	}
	return c->counts.messages == c->known_n && c->counts.bytes == bytes && c->counts.unseen == unseen &&
	       c->counts.deleted == deleted && (c->known_n == 0 || c->known[c->known_n - 1].uid < c->counts.uidnext);
}

static bool file_is_right(struct mailbox_check *c)
{
	struct mailbox_file f;

	if (mailbox_file_read(c->k->vol->dir, c->folder.s, c->k->a, &f, NULL) < 0 || !guid_eq(&f.guid, &c->info.guid) ||
	    f.uidvalidity != c->info.uidvalidity || f.uid_reserve < c->counts.uidnext ||
	    f.keywords_n < c->info.keywords_n || strcmp(f.special_use, c->info.special_use) != 0)
		return false;
	for (size_t i = 0; i < c->info.keywords_n; i++)
		if (strcmp(f.keywords[i], c->info.keywords[i]) != 0)
			return false;
	return true;
}

/* ---- repairing ---- */

/* The bits of letters that mean something in this mailbox. */
static uint32_t flags_known(const struct mailbox_check *c, uint32_t flags)
{
	uint32_t mask = STORE_FLAGS_SYSTEM;

	for (size_t i = 0; i < c->info.keywords_n; i++)
		mask |= 1u << (STORE_KEYWORD_SHIFT + i);
	return flags & mask;
}

static size_t keywords_of(const struct mailbox_check *c, uint32_t flags, struct span names[STORE_KEYWORDS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < c->info.keywords_n; i++)
		if (flags & 1u << (STORE_KEYWORD_SHIFT + i))
			names[n++] = span_of(c->info.keywords[i]);
	return n;
}

/* Takes a file in as a new message: durable under its new name before the old one goes. */
static int take_in(struct mailbox_check *c, const struct scanned_file *f, struct err *err)
{
	struct fsck *k = c->k;
	struct span names[STORE_KEYWORDS_MAX];
	struct change ch = { .kind = CHANGE_APPEND, .a = k->a, .user_id = k->user_id };
	struct intake in = { 0 };
	struct layout_path path;
	bool unparsed = false;
	int r;

	file_path(c, f, &path);
	r = intake_open(k->vol->dir, k->vol->staging, path.s, f, k->parser, k->a, &in, &unparsed, err);
	if (r < 0)
		return r == -POD_E_NOTFOUND ? 0 : r;
	if (unparsed)
		fsck_problem(k, "%s: could not be parsed", path.s);
	ch.id = in.id;
	ch.u.append.name = c->info.name;
	ch.u.append.body = in.body;
	ch.u.append.summary = in.summary;
	ch.u.append.internal_date = in.internal_date;
	ch.u.append.flags = f->n.flags & STORE_FLAGS_SYSTEM;
	ch.u.append.keywords = names;
	ch.u.append.keywords_n = keywords_of(c, flags_known(c, f->n.flags), names);
	r = fsck_repair(k, &ch, err);
	if (r == 0 && ch.code == 0 && unlinkat(k->vol->dir, path.s, 0) < 0 && errno != ENOENT)
		r = err_errno(err, errno, "unlink %s", path.s);
	intake_done(&in);
	return r;
}

static int check_unknown(struct mailbox_check *c, struct err *err)
{
	int r = 0;

	if (c->files.odd)
		fsck_problem(c->k, "%s: %zu entries are no files", c->folder.s, c->files.odd);
	for (size_t i = 0; r == 0 && i < c->files.n; i++) {
		const struct scanned_file *f = &c->files.items[i];
		struct layout_path path;

		if (c->taken[i])
			continue;
		file_path(c, f, &path);
		fsck_problem(c->k, "%s: not in the index", path.s);
		if (!c->k->repair)
			continue;
		if (!is_second_name(c, f))
			r = take_in(c, f, err);
		else if (unlinkat(c->k->vol->dir, path.s, 0) == 0)
			c->k->report->repaired++;
	}
	return r;
}

static int forget(struct mailbox_check *c, const struct uid_ranges *missing, struct err *err)
{
	struct change ch = { .kind = CHANGE_FORGET, .a = c->k->a, .user_id = c->k->user_id, .mailbox = c->m->id,
		             .uids = *missing };

	return missing->n && c->k->repair ? fsck_repair(c->k, &ch, err) : 0;
}

static int check_counts(struct mailbox_check *c, struct err *err)
{
	struct change ch = { .kind = CHANGE_RECOUNT, .a = c->k->a, .user_id = c->k->user_id, .mailbox = c->m->id };
	bool counts = counts_are_right(c), file = file_is_right(c);

	if (!counts)
		fsck_problem(c->k, "%s: the index's counters are not those of its messages", c->folder.s);
	if (!file)
		fsck_problem(c->k, "%s: " LAYOUT_MAILBOX_FILE " is missing, damaged or not what the index says", c->folder.s);
	return (counts && file) || !c->k->repair ? 0 : fsck_repair(c->k, &ch, err);
}

int fsck_mailbox(struct fsck *k, const struct volume_mailbox *m, struct err *err)
{
	struct mailbox_check c = { .k = k, .m = m };
	struct ranges_builder missing = { .a = k->a };
	int r;

	(void) pthread_mutex_lock(&k->vol->folders);
	r = look(&c, err);
	if (r == 0)
		match_files(&c);
	if (r == 0)
		r = check_known(&c, &missing, err);
	(void) pthread_mutex_unlock(&k->vol->folders);
	if (r == -POD_E_NOTFOUND) /* deleted meanwhile */
		return 0;
	if (r == 0)
		r = check_counts(&c, err);
	if (r == 0)
		r = check_unknown(&c, err);
	if (r == 0)
		r = forget(&c, &missing.list, err);
	k->report->messages += c.known_n;
	return r;
}
