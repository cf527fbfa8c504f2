#include "tests/support/volume_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "store/maildir/file.h"

static void must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		abort();
	}
}

void fixture_make(struct fixture *f, const char *base)
{
	struct err err = { 0 };

	*f = (struct fixture){ .a = arena_create((size_t) 256 << 20) };
	if (!base)
		base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void) snprintf(f->dir, sizeof(f->dir), "%s/podmail-test-XXXXXX", base);
	must(f->a && mkdtemp(f->dir), "mkdtemp");
	(void) snprintf(f->path, sizeof(f->path), "%s/vol", f->dir);
	f->o = (struct volume_options){ .path = f->path, .map_bytes = (uint64_t) 1 << 30, .users_max = 1000, .write_behind_ms = 5,
		                        .delivery_memory_days = 7 };
	if (volume_create(f->path, "vol01", &err) < 0) {
		(void) fprintf(stderr, "volume_create: %s\n", err_text(&err));
		abort();
	}
}

void fixture_open(struct fixture *f)
{
	struct err err = { 0 };

	if (volume_open(&f->o, &f->vol, &err) < 0) {
		(void) fprintf(stderr, "volume_open: %s\n", err_text(&err));
		abort();
	}
}

void fixture_close(struct fixture *f)
{
	f->vol = volume_close(f->vol);
}

void fixture_remove(struct fixture *f)
{
	fixture_close(f);
	(void) file_remove_tree(AT_FDCWD, f->dir, NULL);
	f->a = arena_free(f->a);
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	must(f != NULL, "calloc");
	fixture_make(f, NULL);
	fixture_open(f);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	fixture_remove(*state);
	free(*state);
	return 0;
}

/* ---- changes ---- */

struct wait {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	const struct fixture *f;
};

static void on_done(struct change *c)
{
	struct wait *w = c->owner;

	if (w->f->on_answered)
		w->f->on_answered(w->f->answered_arg);
	(void) pthread_mutex_lock(&w->lock);
	w->done = true;
	(void) pthread_cond_signal(&w->cond);
	(void) pthread_mutex_unlock(&w->lock);
}

int fixture_run(struct fixture *f, struct change *c)
{
	struct wait w = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, f };

	c->done = on_done;
	c->owner = &w;
	volume_submit(f->vol, c);
	(void) pthread_mutex_lock(&w.lock);
	while (!w.done)
		(void) pthread_cond_wait(&w.cond, &w.lock);
	(void) pthread_mutex_unlock(&w.lock);
	f->err = c->err;
	return c->code;
}

struct change fixture_change(struct fixture *f, enum change_kind kind, const char *user)
{
	return (struct change){ .kind = kind, .a = f->a, .user_id = span_of(user) };
}

int fixture_user_add(struct fixture *f, const char *user, uint64_t quota)
{
	struct change c = fixture_change(f, CHANGE_USER_ADD, user);

	c.u.user_op.user = (struct volume_user){ .address = arena_printf(f->a, "%s@example.test", user), .display_name = "Some One",
		                                 .quota_bytes = quota, .crypt_hash = "$y$hash", .scram = "SCRAM-SHA-256$4096:salt$a:b" };
	return fixture_run(f, &c);
}

int fixture_deliver(struct fixture *f, const char *user, const char *mailbox, const char *text, const struct guid *id,
                    uint32_t *ret_uid)
{
	struct change c = fixture_change(f, CHANGE_DELIVER, NULL);
	struct deliver_recipient rcpt = { .user_id = span_of(user), .mailbox = span_of(mailbox) };
	struct volume_body body = volume_hold_body(SPAN_NONE, span_of(text));
	int r;

	c.id = id ? *id : guid_new();
	c.u.deliver.bodies = &body;
	c.u.deliver.bodies_n = 1;
	c.u.deliver.rcpts = &rcpt;
	c.u.deliver.rcpts_n = 1;
	c.u.deliver.internal_date = 1700000000;
	c.u.deliver.summary.envelope = SPAN_LIT("(NIL)");
	c.u.deliver.summary.headers = SPAN_LIT("Subject: x\r\n");
	r = fixture_run(f, &c);
	volume_body_done(&body);
	if (ret_uid)
		*ret_uid = rcpt.uid;
	return r < 0 ? r : rcpt.code;
}

int fixture_append(struct fixture *f, const char *user, const char *mailbox, const char *text, uint32_t flags,
                   const char *keyword, uint32_t *ret_uid)
{
	struct change c = fixture_change(f, CHANGE_APPEND, user);
	const struct span word = span_of(keyword);
	int r = volume_stage_body(f->vol, SPAN_NONE, span_of(text), -1, 0, &c.u.append.body, &f->err);

	if (r < 0)
		return r;
	c.id = guid_new();
	c.u.append.name = span_of(mailbox);
	c.u.append.flags = flags;
	c.u.append.internal_date = 1600000000;
	c.u.append.keywords = &word;
	c.u.append.keywords_n = keyword ? 1 : 0;
	r = fixture_run(f, &c);
	volume_body_done(&c.u.append.body);
	if (ret_uid)
		*ret_uid = c.u.append.uid;
	return r;
}

int fixture_flags(struct fixture *f, const char *user, uint32_t mailbox, uint32_t first, uint32_t last, int mode,
                  uint32_t flags, const char *keyword)
{
	struct change c = fixture_change(f, CHANGE_FLAGS, user);
	struct uid_range range = { first, last };
	const struct span word = span_of(keyword);

	c.mailbox = mailbox;
	c.uids = (struct uid_ranges){ &range, 1 };
	c.u.flags.mode = mode;
	c.u.flags.flags = flags;
	c.u.flags.keywords = &word;
	c.u.flags.keywords_n = keyword ? 1 : 0;
	return fixture_run(f, &c);
}

int fixture_mailbox_op(struct fixture *f, enum change_kind kind, const char *user, const char *name, const char *new_name)
{
	struct change c = fixture_change(f, kind, user);

	c.u.mailbox_op.name = span_of(name);
	c.u.mailbox_op.new_name = span_of(new_name);
	c.u.mailbox_op.subscribed = new_name != NULL; /* SUBSCRIBE: any text; UNSUBSCRIBE: NULL */
	return fixture_run(f, &c);
}

/* ---- looking ---- */

struct volume_mailbox fixture_mailbox(struct fixture *f, const char *user, const char *name)
{
	struct volume_mailbox m = { 0 };

	assert_int_equal(volume_mailbox_get(f->vol, f->a, span_of(user), span_of(name), &m, &f->err), 0);
	return m;
}

struct volume_opened fixture_open_mailbox(struct fixture *f, const char *user, const char *name,
                                          enum volume_open_mode mode)
{
	struct volume_opened o = { 0 };

	assert_int_equal(volume_mailbox_open(f->vol, f->a, span_of(user), span_of(name), mode, &o, &f->err), 0);
	return o;
}

static int add_row(void *arg, const struct volume_row *row)
{
	buf_printf(arg, "%u %x;", row->uid, row->flags);
	return 0;
}

const char *fixture_rows(struct fixture *f, const char *user, const char *name)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct volume_mailbox m = fixture_mailbox(f, user, name);
	struct uid_range all = { 1, UINT32_MAX };
	const struct uid_ranges uids = { &all, 1 };

	assert_int_equal(volume_fetch(f->vol, span_of(user), m.id, &uids, STORE_COL_FLAGS, 0, add_row, &b, &f->err), 0);
	return arena_str(f->a, buf_span(&b));
}

const char *fixture_body(struct fixture *f, const char *user, uint32_t mailbox, uint32_t uid)
{
	_cleanup_(closep) int fd = -1;
	struct span parts;
	uint64_t size = 0;
	char *text;

	assert_int_equal(volume_body_open(f->vol, f->a, span_of(user), mailbox, uid, &fd, &size, &parts, &f->err), 0);
	text = arena_alloc(f->a, size + 1);
	assert_int_equal(pread(fd, text, size + 1, 0), size);
	return text;
}

void fixture_settle(struct fixture *f)
{
	struct volume_counts counts;

	volume_settle(f->vol);
	assert_int_equal(volume_count(f->vol, &counts, &f->err), 0);
	assert_int_equal(counts.pending, 0);
}

static int count_files(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	int n = 0;

	if (!d)
		return -1;
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n += e->d_type == DT_DIR ? count_files(dirfd(d), e->d_name) : 1;
	}
	(void) closedir(d);
	return n;
}

int fixture_count_files(struct fixture *f, const char *folder)
{
	_cleanup_(closep) int dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return count_files(dir, folder);
}
