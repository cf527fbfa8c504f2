#include "store/restore/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/index/intake.h"
#include "store/maildir/folder.h"
#include "store/maildir/layout.h"
#include "store/maildir/mailbox_file.h"
#include "store/restore/source_ahead.h"
#include "store/restore/source_index.h"
#include "store/restore/source_journal.h"
#include "storeproto/storeproto.h"

/* A message that was committed and not yet moved to its mailbox. */
struct staged_file {
	uint32_t mailbox;
	uint64_t at; /* in the journal of deliveries; 0: a file of staging/ */
	bool has_file; /* of staging/, too */
	struct scanned_file f;
};

struct source {
	int dir, user; /* the source's folder, the user's below it */
	struct arena *a;
	const char *user_id;
	struct account account;
	bool exact, has_account, has_index;
	struct source_index index;
	struct source_journal journal; /* where there is no index */
	struct staged_file *staged;
	size_t staged_n, staged_cap;
	char index_trouble[256];
};

const char *source_user_id(const struct source *s)
{
	return s->user_id;
}

const struct account *source_account(const struct source *s)
{
	return s->has_account ? &s->account : NULL;
}

const char *source_index_trouble(const struct source *s)
{
	return s->index_trouble;
}

/* ---- finding the user ---- */

static int open_user(struct source *s, struct span user_id, int *ret_fd, struct err *err)
{
	struct layout_path path;

	layout_user(&path, user_id);
	return file_open_beneath(s->dir, path.s, O_DIRECTORY, ret_fd, err);
}

static int take_user(struct source *s, struct span user_id, struct err *err)
{
	int r = open_user(s, user_id, &s->user, err);

	if (r < 0)
		return r;
	s->user_id = arena_str(s->a, user_id);
	if (!s->user_id)
		return err_set(err, POD_E_NOMEM, "source");
	r = account_read(s->user, LAYOUT_ACCOUNT_FILE, s->a, &s->account, err);
	s->has_account = r == 0;
	return r == -POD_E_NOMEM ? r : 0;
}

struct by_address {
	struct source *s;
	const char *address;
	char found[LAYOUT_USER_MAX + 1];
};

static int compare_address(void *arg, const char *user_id)
{
	struct by_address *by = arg;
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	_cleanup_(closep) int fd = -1;
	struct account acc;

	if (!a || open_user(by->s, span_of(user_id), &fd, NULL) < 0 ||
	    account_read(fd, LAYOUT_ACCOUNT_FILE, a, &acc, NULL) < 0 ||
	    strcasecmp(acc.address, by->address) != 0)
		return 0;
	(void) snprintf(by->found, sizeof(by->found), "%s", user_id);
	return 1;
}

static int find_user(struct source *s, const struct source_options *o, struct err *err)
{
	struct by_address by = { .s = s, .address = o->address };
	int r = -POD_E_NOTFOUND;

	if (layout_user_is_valid(o->user_id))
		r = take_user(s, o->user_id, err);
	if (r != -POD_E_NOTFOUND)
		return r;
	if (o->address && *o->address)
		r = scan_users(s->dir, compare_address, &by, err);
	if (r == 1)
		return take_user(s, span_of(by.found), err);
	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	return err_set(err, POD_E_NOTFOUND, "there is no user %s in %s",
	               o->address && *o->address ? o->address : arena_str(s->a, o->user_id), o->path);
}

/* ---- staging/ ---- */

static int put_staged(struct source *s, struct span name, const struct staged_file *what)
{
	struct staged_file file = *what;

	if (s->staged_n == s->staged_cap) {
		size_t cap = s->staged_cap ? 2 * s->staged_cap : 64;
		struct staged_file *grown = arena_grow(s->a, s->staged, s->staged_n, cap, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		s->staged = grown;
		s->staged_cap = cap;
	}
	file.f.name = arena_str(s->a, name);
	file.f.ours = true;
	s->staged[s->staged_n++] = file;
	return file.f.name ? 0 : -POD_E_NOMEM;
}

static int add_staged(struct source *s, int dir, const char *name)
{
	struct staged_file file = { 0 };
	struct stat st;

	if (staged_name_parse(span_of(name), &file.mailbox, &file.f.n) < 0 ||
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	file.f.size = (uint64_t) st.st_size;
	file.has_file = true;
	return put_staged(s, span_of(name), &file);
}

static int read_staging(struct source *s, struct err *err)
{
	const struct dirent *e;
	DIR *d;
	int fd = -1, r = file_open_beneath(s->dir, LAYOUT_STAGING, O_DIRECTORY, &fd, err);

	if (r < 0) /* a backup of users/ alone has none */
		return r == -POD_E_NOTFOUND ? 0 : r;
	d = fdopendir(fd);
	if (!d) {
		(void) close(fd);
		return err_set(err, POD_E_NOMEM, "list " LAYOUT_STAGING);
	}
	while (r == 0 && (e = readdir(d)))
		r = add_staged(s, dirfd(d), e->d_name);
	(void) closedir(d);
	return r < 0 ? err_set(err, POD_E_NOMEM, "list " LAYOUT_STAGING) : 0;
}

/* Its bytes are surely there; those of its file in staging/ may not be. */
static int add_delivery(void *source, const struct source_delivery *d)
{
	const struct staged_file file = { .mailbox = d->mailbox, .at = d->at, .f = { .n = d->n, .size = d->size } };
	struct source *s = source;

	for (size_t i = 0; i < s->staged_n; i++) {
		if (span_eq(span_of(s->staged[i].f.name), d->name)) {
			s->staged[i].at = d->at;
			s->staged[i].f.size = d->size;
			return 0;
		}
	}
	return put_staged(s, d->name, &file);
}

static int read_journal_of_deliveries(struct source *s, struct err *err)
{
	int r = source_ahead_each(s->dir, add_delivery, s, err);

	return r == -POD_E_NOMEM ? err_set(err, POD_E_NOMEM, "messages of " SOURCE_AHEAD_FILE) : r;
}

/* ---- the whole ---- */

static void read_index(struct source *s)
{
	struct err why = { 0 };

	s->has_index = source_index_read(s->dir, span_of(s->user_id), s->a, &s->index, &why) == 0;
	if (!s->has_index)
		(void) snprintf(s->index_trouble, sizeof(s->index_trouble), "%s", err_text(&why));
}

static int check_is_volume(const struct source *s, const char *path, struct err *err)
{
	_cleanup_(closep) int users = -1;
	int r = file_open_beneath(s->dir, LAYOUT_USERS, O_DIRECTORY, &users, err);

	return r == -POD_E_NOTFOUND ? err_set(err, POD_E_NOTFOUND,
	                                      "%s holds no volume: it has no folder " LAYOUT_USERS, path)
	                            : r;
}

int source_open(const struct source_options *o, struct arena *a, struct source **ret_source, struct err *err)
{
	struct source *s = arena_new(a, struct source);
	int r;

	if (!s)
		return err_set(err, POD_E_NOMEM, "source");
	s->a = a;
	s->user = -1;
	s->exact = o->exact;
	s->dir = open(o->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = s->dir < 0 ? err_errno(err, errno, "open %s", o->path) : check_is_volume(s, o->path, err);
	if (r == 0)
		r = find_user(s, o, err);
	if (r == 0)
		r = read_staging(s, err);
	if (r == 0)
		r = read_journal_of_deliveries(s, err);
	if (r == 0 && o->exact)
		read_index(s);
	if (r == 0 && !s->has_index)
		r = source_journal_read(s->dir, a, &s->journal, err);
	if (r < 0) {
		(void) source_close(s);
		return r;
	}
	*ret_source = s;
	return 0;
}

struct each_account {
	struct source s; /* its folder alone */
	source_user_fn *fn;
	void *arg;
};

static int show_account(void *arg, const char *user_id)
{
	struct each_account *each = arg;
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	_cleanup_(closep) int fd = -1;
	struct account acc;

	if (!a || open_user(&each->s, span_of(user_id), &fd, NULL) < 0 ||
	    account_read(fd, LAYOUT_ACCOUNT_FILE, a, &acc, NULL) < 0)
		return 0;
	return each->fn(each->arg, user_id, &acc);
}

int source_users(const char *path, source_user_fn *fn, void *arg, struct err *err)
{
	struct each_account each = { .s = { .user = -1 }, .fn = fn, .arg = arg };
	int r;

	each.s.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = each.s.dir < 0 ? err_errno(err, errno, "open %s", path) : check_is_volume(&each.s, path, err);
	if (r == 0)
		r = scan_users(each.s.dir, show_account, &each, err);
	(void) source_close(&each.s);
	return r;
}

struct source *source_close(struct source *s)
{
	if (s) {
		closep(&s->user);
		closep(&s->dir);
	}
	return NULL;
}

/* ---- mailboxes ---- */

int source_mailboxes(struct source *s, struct scanned_mailboxes *ret, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	int r = file_open_beneath(s->user, "Maildir", O_DIRECTORY, &fd, err);

	return r < 0 ? r : scan_mailboxes(fd, ".", s->a, ret, err);
}

int source_subscriptions(struct source *s, struct span **ret_names, size_t *ret_n, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	int r = file_open_beneath(s->user, "Maildir", O_DIRECTORY, &fd, err);

	return r < 0 ? r : subscriptions_read(fd, LAYOUT_SUBSCRIPTIONS, s->a, ret_names, ret_n, err);
}

int source_states_open(const struct source *s, int *ret_fd, struct err *err)
{
	return file_open_beneath(s->user, LAYOUT_STATE, O_DIRECTORY, ret_fd, err);
}

/* ---- messages ---- */

struct reading {
	const struct source *s;
	struct arena *a;
	struct mailbox_file info;      /* id 0: its file is missing */
	struct source_journal journal; /* of the mailbox */
	struct layout_path folder;
	struct source_mailbox *ret;
};

static uint32_t flags_known(const struct reading *rd, uint32_t flags)
{
	uint32_t mask = STORE_FLAGS_SYSTEM;

	for (size_t i = 0; i < rd->info.keywords_n; i++)
		mask |= 1u << (STORE_KEYWORD_SHIFT + i);
	return flags & mask;
}

/* Of a copy of no one moment, losing nothing goes before showing too much. */
static bool ask_journal(const struct reading *rd, uint32_t uid, uint32_t *flags)
{
	const struct source_fate *fate = source_journal_find(&rd->journal, uid);

	if (!fate)
		return true;
	if (fate->gone)
		return !rd->s->exact;
	*flags = fate->flags;
	return true;
}

/* Whether somebody knows better than the file's name: false where there is no such message any more. *flags
 * as it is known. */
static bool ask_others(const struct reading *rd, const struct scanned_file *f, uint32_t *flags)
{
	const struct source *s = rd->s;
	const struct source_row *row;

	if (rd->info.id == 0)
		return true;
	if (!s->has_index)
		return ask_journal(rd, f->n.uid, flags);
	if (!source_index_find(&s->index, rd->info.id, 0))
		return true;
	row = source_index_find(&s->index, rd->info.id, f->n.uid);
	if (!row || !guid_eq(&row->guid, &f->n.guid))
		return false;
	*flags = row->flags;
	return true;
}

/* Uids only grow: what is in the journal and above all that the index has came after its last commit. */
static bool is_after_index(const struct reading *rd, const struct staged_file *staged)
{
	const struct source_index *ix = &rd->s->index;

	if (!staged->at || !rd->s->has_index)
		return false;
	for (size_t i = 0; i < ix->n; i++)
		if (ix->rows[i].mailbox == rd->info.id && ix->rows[i].uid >= staged->f.n.uid)
			return false;
	return true;
}

static int add_message(struct reading *rd, const struct scanned_file *f, const char *path, bool whole)
{
	struct source_message m = { .path = arena_str(rd->a, span_of(path)),
		                    .size = f->size,
		                    .ours = whole,
		                    .internal_date = intake_date(f),
		                    .flags = f->n.flags };

	if (!m.path)
		return -POD_E_NOMEM;
	if (whole && !ask_others(rd, f, &m.flags))
		return 0;
	m.uid = whole ? f->n.uid : 0;
	m.guid = whole ? f->n.guid : intake_id(path, f);
	m.flags = flags_known(rd, m.flags);
	rd->ret->items[rd->ret->n++] = m;
	return 0;
}

/* One whose size is not what its name says was touched by another tool: its bytes are taken as such a tool's.
 */
static int add_files(struct reading *rd, const struct scanned_files *files)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < files->n; i++) {
		const struct scanned_file *f = &files->items[i];
		struct layout_path path = rd->folder;

		if (strlen(path.s) + strlen(f->name) + sizeof("/cur/") > sizeof(path.s)) {
			rd->ret->odd++;
			continue;
		}
		layout_add(&path, f->in_new ? "new" : "cur");
		layout_add(&path, f->name);
		r = add_message(rd, f, path.s, f->ours && f->n.size == f->size);
	}
	return r;
}

static int add_staged_file(struct reading *rd, const struct staged_file *staged, const char *path)
{
	size_t before = rd->ret->n;
	int r;

	if (is_after_index(rd, staged)) {
		const struct source_message m = { .path = arena_str(rd->a, span_of(path)),
			                          .guid = staged->f.n.guid,
			                          .uid = staged->f.n.uid,
			                          .flags = flags_known(rd, staged->f.n.flags),
			                          .internal_date = intake_date(&staged->f),
			                          .size = staged->f.size,
			                          .ours = true };

		rd->ret->items[rd->ret->n++] = m;
		r = m.path ? 0 : -POD_E_NOMEM;
	} else if (rd->s->has_index && !staged->has_file) {
		return 0; /* the journal is an old one: the index says what became of it */
	} else {
		r = add_message(rd, &staged->f, path, true);
	}
	if (r == 0 && rd->ret->n > before)
		rd->ret->items[before].at = staged->at;
	return r;
}

/* Without an index to say that they were committed, all that are whole may have been. */
static int add_staged_files(struct reading *rd)
{
	const struct source *s = rd->s;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->staged_n; i++) {
		const struct staged_file *staged = &s->staged[i];
		struct layout_path path;

		if (staged->mailbox != rd->info.id || rd->info.id == 0 || staged->f.n.size != staged->f.size)
			continue;
		layout_set(&path, LAYOUT_STAGING "/%s", staged->f.name);
		if (staged->at)
			layout_set(&path, "%s", SOURCE_AHEAD_FILE);
		r = add_staged_file(rd, staged, path.s);
	}
	return r;
}

static int by_uid(const void *a, const void *b)
{
	const struct source_message *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid - 1 < y->uid - 1 ? -1 : 1; /* none at the end */
	if (x->internal_date != y->internal_date)
		return x->internal_date < y->internal_date ? -1 : 1;
	return strcmp(x->path, y->path);
}

static int read_info(struct reading *rd, int folder, struct err *err)
{
	int r = mailbox_file_read(folder, ".", rd->a, &rd->info, err);

	if (r == -POD_E_NOTFOUND || r == -POD_E_CORRUPT) {
		rd->info = (struct mailbox_file){ .special_use = "" };
		r = 0;
	}
	rd->ret->special_use = rd->info.special_use;
	rd->ret->keywords = rd->info.keywords;
	rd->ret->keywords_n = rd->info.keywords_n;
	return r;
}

int source_mailbox_read(struct source *s, struct span name, struct arena *a, struct source_mailbox *ret,
                        struct err *err)
{
	struct source_mailbox m = { 0 };
	struct reading rd = { .s = s, .a = a, .ret = &m };
	struct scanned_files files = { 0 };
	_cleanup_(closep) int folder = -1;
	char maildir_folder[FOLDER_SIZE];
	int r = maildir_folder_format(name, maildir_folder);

	if (r < 0)
		return err_set(err, POD_E_LIMIT, "the mailbox's name is too long");
	layout_mailbox(&rd.folder, span_of(s->user_id), name);
	r = file_open_beneath(s->dir, rd.folder.s, O_DIRECTORY, &folder, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND,
		               "there is no mailbox \"" SPAN_FMT "\" of user %s in the source",
		               SPAN_ARG(name), s->user_id);
	if (r == 0)
		r = read_info(&rd, folder, err);
	if (r == 0 && source_journal_narrow(&s->journal, rd.info.id, a, &rd.journal) < 0)
		r = err_set(err, POD_E_NOMEM, "messages of the source");
	if (r == 0)
		r = scan_messages(folder, ".", a, &files, err);
	if (r < 0)
		return r;
	m.odd = files.odd;
	m.items = arena_array(a, files.n + s->staged_n + 1, sizeof(*m.items));
	if (!m.items || add_files(&rd, &files) < 0 || add_staged_files(&rd) < 0)
		return err_set(err, POD_E_NOMEM, "messages of the source");
	qsort(m.items, m.n, sizeof(*m.items), by_uid);
	*ret = m;
	return 0;
}

int source_message_open(const struct source *s, const struct source_message *m, int *ret_fd, struct err *err)
{
	return m->at ? source_ahead_open(s->dir, m->at, m->size, ret_fd, err) :
	               file_open_beneath(s->dir, m->path, 0, ret_fd, err);
}
