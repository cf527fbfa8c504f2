#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/index/intake.h"
#include "store/index/mailbox.h"
#include "store/index/rebuild_internal.h"
#include "store/maildir/body.h"

struct building {
	struct rebuild *b;
	struct rebuild_user *u;
	uint32_t id;
	struct mailbox_info info;
	struct mailbox_counts counts;
	struct layout_path folder;
	struct scanned_files files;
};

/* ---- the mailbox ---- */

static bool id_is_free(const struct rebuild *b, uint32_t id)
{
	for (size_t i = 0; i < b->ids_n; i++)
		if (b->ids[i] == id)
			return false;
	return id != 0;
}

static int take_id(struct rebuild *b, uint32_t wanted, uint32_t *ret_id, struct err *err)
{
	uint32_t id = id_is_free(b, wanted) ? wanted : b->counters.next_mailbox++;

	if (b->ids_n == b->ids_cap) {
		size_t cap = b->ids_cap ? 2 * b->ids_cap : 1024;
		uint32_t *grown = reallocarray(b->ids, cap, sizeof(*grown));

		if (!grown)
			return err_set(err, POD_E_NOMEM, "rebuild");
		b->ids = grown;
		b->ids_cap = cap;
	}
	b->ids[b->ids_n++] = id;
	if (id >= b->counters.next_mailbox)
		b->counters.next_mailbox = id + 1;
	*ret_id = id;
	return 0;
}

/* Without its file a mailbox has a new UIDVALIDITY: what its uids meant is no longer known for sure. */
static int read_info(struct building *m, struct span name, struct err *err)
{
	struct mailbox_file f;
	int r = mailbox_file_read(m->b->vol.dir, m->folder.s, m->b->a, &f, err);

	if (r == -POD_E_NOTFOUND || r == -POD_E_CORRUPT) {
		rebuild_problem(m->b, "%s: " LAYOUT_MAILBOX_FILE " is missing or damaged: the mailbox gets a new UIDVALIDITY",
		                m->folder.s);
		f = (struct mailbox_file){ .uidvalidity = m->b->counters.next_uidvalidity++, .uid_reserve = 1, .guid = guid_new(),
			                   .special_use = "" };
		r = 0;
	}
	if (r == 0)
		r = take_id(m->b, f.id, &m->id, err);
	if (r < 0)
		return r;
	if (f.uidvalidity >= m->b->counters.next_uidvalidity)
		m->b->counters.next_uidvalidity = f.uidvalidity + 1;
	m->info = (struct mailbox_info){ .user = m->u->no, .uidvalidity = f.uidvalidity, .guid = f.guid, .user_id = m->u->id,
		                         .name = name, .special_use = f.special_use, .keywords_n = f.keywords_n };
	for (size_t i = 0; i < f.keywords_n; i++)
		m->info.keywords[i] = f.keywords[i];
	m->counts = (struct mailbox_counts){ .uidnext = f.uid_reserve ? f.uid_reserve : 1, .uid_reserve = f.uid_reserve };
	return 0;
}

static int put_info(struct building *m, struct err *err)
{
	struct key k;
	int r = mailbox_put(&m->b->txn, &m->b->vol.t, m->id, &m->info, err);

	key_user_name(&k, m->u->no, m->info.name);
	if (r == 0)
		r = kv_put(&m->b->txn, m->b->vol.t.names, key_span(&k), span_make(&m->id, sizeof(m->id)), err);
	m->u->usage.mailboxes++;
	return r;
}

/* uids up to here may be given out before the file is written again. */
static int finish(struct building *m, struct err *err)
{
	struct mailbox_file f = { .id = m->id, .uidvalidity = m->info.uidvalidity, .guid = m->info.guid,
		                  .uid_reserve = m->counts.uidnext + MAILBOX_UID_STEP, .special_use = m->info.special_use,
		                  .keywords = m->info.keywords, .keywords_n = m->info.keywords_n };
	int r = mailbox_folder_make(m->b->vol.dir, m->folder.s, &f, err);

	m->counts.uid_reserve = f.uid_reserve;
	m->counts.recent_from = m->counts.uidnext;
	m->counts.log_floor = m->counts.highestmodseq = m->b->counters.modseq;
	return r < 0 ? r : counts_put(&m->b->txn, &m->b->vol.t, m->id, &m->counts, err);
}

/* ---- its messages ---- */

static int remember(struct rebuild *b, const struct rebuild_user *u, uint32_t mailbox, uint32_t uid,
                    const struct record *rec, struct err *err)
{
	struct delivery d = { .time = rec->save_date, .mailbox = mailbox, .uid = uid }, before;
	struct mailbox_info info;
	struct span ranges;
	int r = delivery_get(&b->txn, &b->vol.t, &rec->guid, u->no, &before, &ranges, err);

	if (r != -POD_E_NOTFOUND) /* a copy: the first one answers */
		return r;
	r = mailbox_get(&b->txn, &b->vol.t, mailbox, &info, err);
	d.uidvalidity = info.uidvalidity;
	return r < 0 ? r : delivery_put(&b->txn, &b->vol.t, &rec->guid, u->no, &d, SPAN_NONE, err);
}

static int put_summary(struct rebuild *b, uint32_t mailbox, uint32_t uid, int fd, struct err *err)
{
	struct parsed s = { 0 };
	struct arena *a = arena_create((size_t) 256 << 20);
	struct key k;
	int r = a ? 0 : err_set(err, POD_E_NOMEM, "rebuild");

	if (r == 0 && parser_run(b->parser, fd, a, &s, NULL) < 0)
		rebuild_problem(b, "mailbox %u: uid %u could not be parsed", mailbox, uid);
	key_mail_uid(&k, mailbox, MAIL_ENVELOPE, uid);
	if (r == 0)
		r = kv_put(&b->txn, b->vol.t.mail, key_span(&k), s.envelope, err);
	if (r == 0)
		r = detail_put(&b->txn, &b->vol.t, mailbox, uid,
		               &(struct detail){ s.bodystructure, s.parts, s.headers }, err);
	(void) arena_free(a);
	return r;
}

int rebuild_put_message(struct rebuild *b, struct rebuild_user *u, uint32_t mailbox, struct mailbox_counts *counts,
                        uint32_t uid, const struct record *rec, int fd, struct err *err)
{
	struct record row = *rec;
	struct key k;
	int r;

	row.modseq = b->counters.modseq;
	r = record_put(&b->txn, &b->vol.t, mailbox, uid, &row, err);
	key_mail_modseq(&k, mailbox, MAIL_LOG, row.modseq, uid);
	if (r == 0)
		r = kv_put(&b->txn, b->vol.t.mail, key_span(&k), SPAN_NONE, err);
	if (r == 0)
		r = put_summary(b, mailbox, uid, fd, err);
	if (r == 0)
		r = remember(b, u, mailbox, uid, &row, err);
	if (r < 0)
		return r;
	counts->messages++;
	counts->bytes += row.size;
	counts->unseen += !(row.flags & STORE_FLAG_SEEN);
	counts->deleted += !!(row.flags & STORE_FLAG_DELETED);
	if (uid >= counts->uidnext)
		counts->uidnext = uid + 1;
	u->usage.messages++;
	u->usage.bytes += row.size;
	b->report->messages++;
	return 0;
}

static uint32_t flags_known(struct building *m, const struct scanned_file *f)
{
	uint32_t mask = STORE_FLAGS_SYSTEM;

	for (size_t i = 0; i < m->info.keywords_n; i++)
		mask |= 1u << (STORE_KEYWORD_SHIFT + i);
	if (f->n.flags & ~mask)
		rebuild_problem(m->b, "%s: %s has keywords that " LAYOUT_MAILBOX_FILE " does not name", m->folder.s, f->name);
	return f->n.flags & mask;
}

/* Its name says which uid it has, and its size is what the name says. */
static bool is_whole(const struct scanned_file *f)
{
	return f->ours && f->n.size == f->size;
}

static void path_of(const struct building *m, const struct scanned_file *f, struct layout_path *ret)
{
	*ret = m->folder;
	layout_add(ret, f->in_new ? "new" : "cur");
	layout_add(ret, f->name);
}

static bool uid_is_free(struct building *m, uint32_t uid)
{
	struct record r;

	return record_get(&m->b->txn, &m->b->vol.t, m->id, uid, &r, NULL) == -POD_E_NOTFOUND;
}

static int take_own(struct building *m, const struct scanned_file *f, uint32_t uid, struct err *err)
{
	struct record rec = { .size = f->size, .internal_date = f->n.time, .save_date = f->mtime, .guid = f->n.guid,
		              .flags = flags_known(m, f) };
	const struct place_name n = place_name_of(m->id, uid, &rec);
	_cleanup_(closep) int fd = -1;
	struct layout_path is, want;

	path_of(m, f, &is);
	place_final(&m->b->vol, &m->info, &n, &want);
	fd = openat(m->b->vol.dir, is.s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_errno(err, errno, "open %s", is.s);
	if (strcmp(is.s, want.s) != 0 && renameat2(m->b->vol.dir, is.s, m->b->vol.dir, want.s, RENAME_NOREPLACE) < 0)
		return err_errno(err, errno, "rename %s", is.s);
	return rebuild_put_message(m->b, m->u, m->id, &m->counts, uid, &rec, fd, err);
}

/* Another tool's file: linked under a name of ours, with CRLF, before its own name goes. */
static int take_foreign(struct building *m, const struct scanned_file *f, struct err *err)
{
	struct rebuild *b = m->b;
	uint32_t uid = m->counts.uidnext;
	struct layout_path is, want;
	struct place_name n;
	struct intake in;
	struct record rec;
	bool unparsed;
	int r;

	path_of(m, f, &is);
	r = intake_open(b->vol.dir, b->vol.staging, is.s, f, b->parser, b->a, &in, &unparsed, err);
	if (r < 0)
		return r;
	rec = (struct record){ .size = in.body.size, .internal_date = in.internal_date, .save_date = f->mtime, .guid = in.id,
		               .flags = flags_known(m, f) };
	n = place_name_of(m->id, uid, &rec);
	place_final(&b->vol, &m->info, &n, &want);
	r = body_link(in.body.fd, b->vol.dir, want.s, err);
	if (r == 0 && unlinkat(b->vol.dir, is.s, 0) < 0)
		r = err_errno(err, errno, "unlink %s", is.s);
	if (r == 0)
		r = rebuild_put_message(b, m->u, m->id, &m->counts, uid, &rec, in.body.fd, err);
	b->report->repaired++;
	intake_done(&in);
	return r;
}

/* Files of messages that are no more go; names of the others will say the flags of the last commit. */
static int settle_fates(struct building *m, struct err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->files.n; i++) {
		struct scanned_file *f = &m->files.items[i];
		const struct fate *fate = f->ours ? rebuild_fate(m->b, m->id, f->n.uid) : NULL;
		struct layout_path path;

		if (fate && fate->gone) {
			path_of(m, f, &path);
			if (unlinkat(m->b->vol.dir, path.s, 0) < 0)
				return err_errno(err, errno, "unlink %s", path.s);
			continue;
		}
		if (fate)
			f->n.flags = fate->flags;
		m->files.items[kept++] = *f;
	}
	m->files.n = kept;
	return 0;
}

/*
 * First those that have a uid, so that the others get theirs above all of them. A uid that is taken means a copy: the
 * same file under two names is one message, another file is another message.
 */
static int put_messages(struct building *m, struct err *err)
{
	size_t later_n = 0, *later = arena_array(m->b->a, m->files.n, sizeof(*later));
	int r = later ? 0 : err_set(err, POD_E_NOMEM, "rebuild");

	for (size_t i = 0; r == 0 && i < m->files.n; i++) {
		const struct scanned_file *f = &m->files.items[i];

		if (is_whole(f) && uid_is_free(m, f->n.uid))
			r = take_own(m, f, f->n.uid, err);
		else
			later[later_n++] = i;
	}
	for (size_t i = 0; r == 0 && i < later_n; i++) {
		const struct scanned_file *f = &m->files.items[later[i]];

		rebuild_problem(m->b, "%s: %s gets a new uid", m->folder.s, f->name);
		r = is_whole(f) ? take_own(m, f, m->counts.uidnext, err) : take_foreign(m, f, err);
	}
	return r;
}

int rebuild_mailbox(struct rebuild *b, struct rebuild_user *u, struct span name, struct err *err)
{
	struct building m = { .b = b, .u = u };
	int r;

	layout_mailbox(&m.folder, u->id, name);
	r = read_info(&m, name, err);
	if (r == 0)
		r = put_info(&m, err);
	if (r == 0)
		r = mailbox_folder_make(b->vol.dir, m.folder.s,
		                        &(struct mailbox_file){ .id = m.id, .uidvalidity = m.info.uidvalidity,
		                                                .guid = m.info.guid, .uid_reserve = m.counts.uid_reserve,
		                                                .special_use = m.info.special_use,
		                                                .keywords = m.info.keywords,
		                                                .keywords_n = m.info.keywords_n }, err);
	if (r == 0)
		r = scan_messages(b->vol.dir, m.folder.s, b->a, &m.files, err);
	if (m.files.odd)
		rebuild_problem(b, "%s: %zu entries are no files", m.folder.s, m.files.odd);
	if (r == 0)
		r = settle_fates(&m, err);
	if (r == 0)
		r = put_messages(&m, err);
	return r < 0 ? r : finish(&m, err);
}
