/*
 * Deliveries that go ahead of the index: durable after one flush, there for whoever reads, told to who
 * watches, and the same after a loss of power, whatever of their files and of the journal's tail came to the
 * disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/maildir/file.h"
#include "tests/support/volume_fixture.h"

#define LATER    60000 /* ms: not in this test */
#define MESSAGES 5

/* ---- steps ---- */

struct steps {
	atomic_uint count[VOLUME_STEPS];
	atomic_int step, error; /* fails with it */
};

static int on_step(void *arg, enum volume_step step)
{
	struct steps *s = arg;

	(void) atomic_fetch_add(&s->count[step], 1);
	return (int) step == atomic_load(&s->step) ? atomic_load(&s->error) : 0;
}

static void fail_at(struct steps *s, enum volume_step step, int error)
{
	atomic_store(&s->error, error);
	atomic_store(&s->step, (int) step);
}

static unsigned int counted(struct steps *s, enum volume_step step)
{
	return atomic_load(&s->count[step]);
}

/* ---- volumes ---- */

static void make(struct fixture *f, struct steps *s)
{
	*s = (struct steps){ .step = VOLUME_STEPS };
	fixture_make(f, NULL);
	f->o.on_step = on_step;
	f->o.step_arg = s;
	f->o.settle_ms = LATER;
	f->o.write_behind_ms = 1;
	fixture_open(f);
	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	/* The first one comes after the user's folder has moved, which a commit of its own has to finish. */
	assert_int_equal(fixture_deliver(f, "alice", "", "first\r\n", NULL, NULL), 0);
	fixture_settle(f);
}

static int dump_row(void *arg, const struct volume_row *r)
{
	buf_printf(arg, "%u %llu %llu %u " SPAN_FMT ";", r->uid, (unsigned long long) r->modseq,
	           (unsigned long long) r->size, r->guid.b[15], SPAN_ARG(r->envelope));
	return 0;
}

/* What clients were told and must not change: uids, modseqs, bytes. */
static char *dump(struct fixture *f)
{
	struct uid_range all = { 1, UINT32_MAX };
	const struct uid_ranges uids = { &all, 1 };
	struct volume_mailbox m = fixture_mailbox(f, "alice", "INBOX");
	_cleanup_buf_ struct buf b = BUF_INIT;

	buf_printf(&b, "%u messages, next %u, modseq %llu: ", m.messages, m.uidnext,
	           (unsigned long long) m.highestmodseq);
	assert_int_equal(volume_fetch(f->vol, SPAN_LIT("alice"), m.id, &uids,
	                              STORE_COL_ENVELOPE | STORE_COL_MODSEQ | STORE_COL_SIZE | STORE_COL_GUID,
	                              0, dump_row, &b, NULL),
	                 0);
	for (uint32_t uid = 1; uid < m.uidnext; uid++)
		buf_add_str(&b, fixture_body(f, "alice", m.id, uid));
	return strdup(buf_str(&b));
}

static void deliver(struct fixture *f, const char *text)
{
	assert_int_equal(fixture_deliver(f, "alice", "", text, NULL, NULL), 0);
}

static void shell(const char *command)
{
	assert_int_equal(system(command), 0);
}

/*
 * A child delivers, and ends with all of it in the journal only. What it told who asked is returned: it looks
 * after the volume was copied, since a look settles the index, and the copy is what is left.
 */
static char *deliver_and_die(struct fixture *f)
{
	int said[2];
	char text[8192] = "";
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	fixture_close(f);
	assert_int_equal(pipe(said), 0);
	pid = fork();
	if (pid == 0) {
		char *saw;

		fixture_open(f);
		deliver(f, "second\r\n"); /* the first commit after a start is one of the index */
		fixture_settle(f);
		for (int i = 0; i < MESSAGES; i++)
			deliver(f, arena_printf(f->a, "Subject: %d\r\n\r\nahead %d\r\n", i, i));
		shell(arena_printf(f->a, "cp -a '%s' '%s.copy'", f->path, f->path));
		saw = dump(f);
		_exit(write(said[1], saw, strlen(saw)) < 0);
	}
	(void) close(said[1]);
	while ((n = read(said[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t) n;
	(void) close(said[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	shell(arena_printf(f->a, "rm -r '%s' && mv '%s.copy' '%s'", f->path, f->path, f->path));
	return strdup(text);
}

/* ---- what a loss of power does to files that were not flushed ---- */

enum harm { KEPT, GONE, EMPTY, ZEROS, SHORT, HARMS };

static void harm(const char *path, enum harm how)
{
	int fd = open(path, O_RDWR);
	off_t size = lseek(fd, 0, SEEK_END);
	char zeros[256] = { 0 };

	assert_true(fd >= 0);
	switch (how) {
	case GONE: assert_int_equal(unlink(path), 0); break;
	case EMPTY: assert_int_equal(ftruncate(fd, 0), 0); break;
	case ZEROS: assert_int_equal(pwrite(fd, zeros, (size_t) size, 0), size); break;
	case SHORT: assert_int_equal(ftruncate(fd, size / 2), 0); break;
	default: break;
	}
	(void) close(fd);
}

/* To each file of staging/; returns how many. */
static int harm_staged(struct fixture *f, enum harm how)
{
	DIR *d = opendir(arena_printf(f->a, "%s/staging", f->path));
	const struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		harm(arena_printf(f->a, "%s/staging/%s", f->path, e->d_name), how);
		n++;
	}
	(void) closedir(d);
	return n;
}

static void assert_sound(struct fixture *f)
{
	int problems = 0;
	struct fsck_report report = { .arg = &problems };

	assert_int_equal(volume_fsck(f->vol, SPAN_NONE, false, &report, &f->err), 0);
	assert_int_equal(report.problems, 0);
	fixture_settle(f);
	assert_int_equal(fixture_count_files(f, "staging"), 0);
}

static char *path_of_journal(struct fixture *f)
{
	return arena_printf(f->a, "%s/ahead/0", f->path);
}

static struct buf copy_of(const char *path)
{
	struct buf b = BUF_INIT;

	assert_int_equal(file_read(AT_FDCWD, path, 64 << 20, &b, NULL), 0);
	return b;
}

static void put_back(const char *path, const struct buf *b)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(file_write_at(fd, buf_span(b), 0, NULL), 0);
	(void) close(fd);
}

/* ---- tests ---- */

static void a_delivery_takes_no_commit_and_shows_at_once(void **state)
{
	struct fixture f;
	struct steps s;
	unsigned int syncs, commits;

	make(&f, &s);
	syncs = counted(&s, VOLUME_STEP_SYNC);
	commits = counted(&s, VOLUME_STEP_COMMIT);
	for (int i = 0; i < 10; i++)
		deliver(&f, "more\r\n");
	assert_int_equal(counted(&s, VOLUME_STEP_AHEAD), 10);
	assert_int_equal(counted(&s, VOLUME_STEP_SYNC), syncs);
	assert_int_equal(counted(&s, VOLUME_STEP_COMMIT), commits);
	assert_int_equal(fixture_mailbox(&f, "alice", "INBOX").messages, 11);
	assert_int_equal(counted(&s, VOLUME_STEP_COMMIT), commits + 1);
	assert_string_equal(fixture_body(&f, "alice", fixture_mailbox(&f, "alice", "INBOX").id, 11),
	                    "more\r\n");
	assert_sound(&f);
	fixture_remove(&f);
}

static void nobody_waits_for_the_mail_of_others(void **state)
{
	struct fixture f;
	struct steps s;
	unsigned int commits;

	make(&f, &s);
	assert_int_equal(fixture_user_add(&f, "bob", 0), 0);
	assert_int_equal(fixture_deliver(&f, "bob", "", "one\r\n", NULL, NULL), 0);
	fixture_settle(&f); /* write-behind's commit is not to be taken for one of a look */
	deliver(&f, "two\r\n");
	commits = counted(&s, VOLUME_STEP_COMMIT);
	assert_int_equal(fixture_mailbox(&f, "bob", "INBOX").messages, 1);
	assert_int_equal(counted(&s, VOLUME_STEP_COMMIT), commits);
	assert_int_equal(fixture_mailbox(&f, "alice", "INBOX").messages, 2);
	fixture_remove(&f);
}

static void a_repeated_delivery_is_known_before_the_index_has_the_first(void **state)
{
	const struct guid id = guid_new();
	struct fixture f;
	struct steps s;
	uint32_t first, second;

	make(&f, &s);
	assert_int_equal(fixture_deliver(&f, "alice", "", "once\r\n", &id, &first), 0);
	assert_int_equal(fixture_deliver(&f, "alice", "", "once\r\n", &id, &second), 0);
	assert_int_equal(first, second);
	assert_int_equal(fixture_mailbox(&f, "alice", "INBOX").messages, 2);
	fixture_remove(&f);
}

static void after_a_loss_of_power_all_is_as_it_was_told(void **state)
{
	for (int how = KEPT; how < HARMS; how++) {
		_cleanup_(freep) char *told = NULL, *now = NULL, *again = NULL;
		struct fixture f;
		struct steps s;

		make(&f, &s);
		told = deliver_and_die(&f);
		assert_non_null(strstr(told, "ahead 4\r\n"));
		assert_int_equal(harm_staged(&f, (enum harm) how), MESSAGES);
		fixture_open(&f);
		now = dump(&f);
		assert_string_equal(now, told);
		assert_sound(&f);
		fixture_close(&f);
		fixture_open(&f);
		again = dump(&f);
		assert_string_equal(again, told);
		fixture_remove(&f);
	}
}

static void without_the_index_they_come_from_the_journal_too(void **state)
{
	for (int how = KEPT; how < HARMS; how++) {
		struct fixture f;
		struct steps s;
		struct volume_mailbox m;

		make(&f, &s);
		free(deliver_and_die(&f));
		(void) harm_staged(&f, (enum harm) how);
		assert_int_equal(file_remove_tree(AT_FDCWD, arena_printf(f.a, "%s/index", f.path), NULL), 0);
		assert_int_equal(volume_rebuild(f.path, &(struct fsck_report){ 0 }, &f.err), 0);
		/* The rebuild took them; the journal's rows, of another index, are not put into this one. */
		if (how % 2)
			assert_int_equal(
				file_remove_tree(AT_FDCWD, arena_printf(f.a, "%s/ahead", f.path), NULL), 0);
		fixture_open(&f);
		m = fixture_mailbox(&f, "alice", "INBOX");
		assert_int_equal(m.messages, 2 + MESSAGES);
		assert_true(m.highestmodseq > 1000000);
		assert_string_equal(fixture_body(&f, "alice", m.id, 7), "Subject: 4\r\n\r\nahead 4\r\n");
		deliver(&f, "after\r\n");
		assert_int_equal(fixture_mailbox(&f, "alice", "INBOX").messages, 3 + MESSAGES);
		assert_sound(&f);
		fixture_remove(&f);
	}
}

/* The block that erases a settled segment may be lost, and the index with it: what was expunged since stays
 * away. */
static void a_journal_of_before_brings_nothing_back(void **state)
{
	_cleanup_buf_ struct buf before = BUF_INIT;
	struct fixture f;
	struct steps s;
	struct volume_mailbox m;
	struct change c;

	make(&f, &s);
	deliver(&f, "third\r\n");
	before = copy_of(path_of_journal(&f));
	m = fixture_mailbox(&f, "alice", "INBOX");
	assert_int_equal(fixture_flags(&f, "alice", m.id, 2, 2, CHANGE_FLAGS_ADD, STORE_FLAG_DELETED, NULL),
	                 0);
	c = fixture_change(&f, CHANGE_EXPUNGE, "alice");
	c.mailbox = m.id;
	assert_int_equal(fixture_run(&f, &c), 0);
	fixture_close(&f);
	put_back(path_of_journal(&f), &before);
	fixture_open(&f); /* the index knows that it is settled */
	assert_int_equal(fixture_mailbox(&f, "alice", "INBOX").messages, 1);
	assert_sound(&f);
	fixture_remove(&f);
}

static void a_settled_journal_is_erased(void **state)
{
	_cleanup_buf_ struct buf after = BUF_INIT;
	struct fixture f;
	struct steps s;

	make(&f, &s);
	deliver(&f, "second\r\n");
	(void) fixture_mailbox(&f, "alice", "INBOX");
	fixture_close(&f);
	after = copy_of(path_of_journal(&f));
	assert_int_equal(after.p[0], 0);
	assert_int_equal(file_remove_tree(AT_FDCWD, arena_printf(f.a, "%s/index", f.path), NULL), 0);
	assert_int_equal(volume_rebuild(f.path, &(struct fsck_report){ 0 }, &f.err), 0);
	fixture_open(&f);
	assert_int_equal(fixture_mailbox(&f, "alice", "INBOX").messages, 2);
	fixture_remove(&f);
}

/* A write that was cut off is of a delivery that nobody was told of. */
static void a_torn_end_of_the_journal_is_left_out(void **state)
{
	_cleanup_buf_ struct buf journal = BUF_INIT;
	struct fixture f;
	struct steps s;
	size_t last = 0;

	make(&f, &s);
	free(deliver_and_die(&f));
	journal = copy_of(path_of_journal(&f));
	for (size_t at = 0; at + 4 < journal.len; at += 4096)
		if (memcmp(journal.p + at, "PQJ1", 4) == 0)
			last = at;
	assert_true(last > 0);
	journal.p[last + 200] ^= 1;
	put_back(path_of_journal(&f), &journal);
	fixture_open(&f);
	assert_int_equal(fixture_mailbox(&f, "alice", "INBOX").messages, 1 + MESSAGES);
	deliver(&f, "after\r\n");
	assert_int_equal(fixture_mailbox(&f, "alice", "INBOX").uidnext, MESSAGES + 3);
	assert_sound(&f);
	fixture_remove(&f);
}

static void a_full_journal_is_settled_and_nothing_is_lost(void **state)
{
	_cleanup_(freep) char *text = malloc(VOLUME_BODY_HELD_MAX);
	struct fixture f;
	struct steps s;
	unsigned int commits;

	memset(text, 'x', 60000);
	text[60000] = '\0';
	make(&f, &s);
	commits = counted(&s, VOLUME_STEP_COMMIT);
	for (int i = 0; i < 100; i++)
		deliver(&f, text);
	assert_true(counted(&s, VOLUME_STEP_COMMIT) > commits);
	assert_true(counted(&s, VOLUME_STEP_AHEAD) > 50);
	assert_int_equal(fixture_mailbox(&f, "alice", "INBOX").messages, 101);
	assert_sound(&f);
	fixture_remove(&f);
}

/* A disk without room for the index: new mail is refused, what was taken is there when there is room again.
 */
static void an_index_without_room_stops_new_mail_and_goes_on(void **state)
{
	struct fixture f;
	struct steps s;

	make(&f, &s);
	deliver(&f, "taken\r\n");
	fail_at(&s, VOLUME_STEP_COMMIT, ENOSPC);
	volume_refresh(f.vol, SPAN_NONE);
	assert_int_equal(fixture_deliver(&f, "alice", "", "refused\r\n", NULL, NULL), -POD_E_NOSPACE);
	assert_null(volume_broken(f.vol));
	fail_at(&s, VOLUME_STEPS, 0);
	assert_int_equal(fixture_mailbox(&f, "alice", "INBOX").messages, 2);
	deliver(&f, "again\r\n");
	assert_int_equal(fixture_mailbox(&f, "alice", "INBOX").messages, 3);
	assert_sound(&f);
	fixture_remove(&f);
}

static void a_journal_without_room_refuses_that_delivery_alone(void **state)
{
	struct fixture f;
	struct steps s;

	make(&f, &s);
	deliver(&f, "taken\r\n");
	fail_at(&s, VOLUME_STEP_AHEAD, ENOSPC);
	assert_int_equal(fixture_deliver(&f, "alice", "", "refused\r\n", NULL, NULL), -POD_E_NOSPACE);
	fail_at(&s, VOLUME_STEPS, 0);
	deliver(&f, "again\r\n");
	assert_int_equal(fixture_mailbox(&f, "alice", "INBOX").messages, 3);
	assert_sound(&f);
	fixture_remove(&f);
}

/* After a failed flush the files that went ahead may lack bytes, whatever the error: the next start makes
 * them anew. */
static void a_failed_flush_breaks_the_volume_and_loses_nothing(void **state)
{
	static const int errors[] = { EIO, ENOSPC };

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct fixture f;
		struct steps s;

		make(&f, &s);
		deliver(&f, "taken\r\n");
		fail_at(&s, VOLUME_STEP_SYNC, errors[i]);
		volume_refresh(f.vol, SPAN_NONE);
		assert_non_null(volume_broken(f.vol));
		assert_int_equal(fixture_deliver(&f, "alice", "", "refused\r\n", NULL, NULL), -POD_E_IO);
		fixture_close(&f);
		assert_int_equal(harm_staged(&f, ZEROS), 1);
		fail_at(&s, VOLUME_STEPS, 0);
		fixture_open(&f);
		assert_int_equal(fixture_mailbox(&f, "alice", "INBOX").messages, 2);
		assert_string_equal(fixture_body(&f, "alice", fixture_mailbox(&f, "alice", "INBOX").id, 2),
		                    "taken\r\n");
		fixture_remove(&f);
	}
}

static uint64_t inode_of(struct fixture *f, const char *path)
{
	struct stat st;

	assert_int_equal(stat(arena_printf(f->a, "%s/%s", f->dir, path), &st), 0);
	return st.st_ino;
}

/* What the kernel could not write may be read well all the same, until it is dropped from the cache. */
static void after_a_failed_flush_files_are_made_anew_though_they_read_well(void **state)
{
	struct fixture f;
	struct steps s;
	struct stat st;
	int fd = -1;

	make(&f, &s);
	deliver(&f, "taken\r\n");
	fail_at(&s, VOLUME_STEP_SYNC, EIO);
	volume_refresh(f.vol, SPAN_NONE);
	fixture_close(&f);
	shell(arena_printf(f.a, "ln '%s'/staging/*U=2 '%s/before'", f.path,
	                   f.dir)); /* so that its inode is not given out again */
	fail_at(&s, VOLUME_STEPS, 0);
	fixture_open(&f);
	assert_int_equal(volume_body_open(f.vol, f.a, SPAN_LIT("alice"),
	                                  fixture_mailbox(&f, "alice", "INBOX").id, 2, &fd, &(uint64_t){ 0 },
	                                  &(struct span){ 0 }, &f.err),
	                 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_not_equal(st.st_ino, inode_of(&f, "before"));
	(void) close(fd);
	fixture_remove(&f);
}

/* ---- who watches ---- */

struct watcher {
	bool watching; /* not changed while the volume is open */
	pthread_mutex_t lock;
	pthread_cond_t told;
	unsigned int events; /* under lock */
};

static void on_changed(void *arg, const struct volume_event *events, size_t n)
{
	struct watcher *w = arg;

	(void) pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < n; i++)
		if (strcmp(events[i].user_id, "alice") == 0 && events[i].mailbox)
			w->events++;
	(void) pthread_cond_broadcast(&w->told);
	(void) pthread_mutex_unlock(&w->lock);
}

static bool is_watched(void *arg, const char *user_id)
{
	const struct watcher *w = arg;

	return strcmp(user_id, "alice") == 0 && w->watching;
}

/* How many there were since it was asked last. */
static unsigned int take_events(struct watcher *w)
{
	unsigned int n;

	(void) pthread_mutex_lock(&w->lock);
	n = w->events;
	w->events = 0;
	(void) pthread_mutex_unlock(&w->lock);
	return n;
}

static void wait_for_an_event(struct watcher *w)
{
	struct timespec until;
	int e = 0;

	(void) clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	(void) pthread_mutex_lock(&w->lock);
	while (w->events == 0 && e == 0)
		e = pthread_cond_timedwait(&w->told, &w->lock, &until);
	(void) pthread_mutex_unlock(&w->lock);
	assert_int_equal(e, 0);
}

static void make_watched(struct fixture *f, struct steps *s, struct watcher *w, unsigned int settle_ms)
{
	*s = (struct steps){ .step = VOLUME_STEPS };
	fixture_make(f, NULL);
	f->o.on_step = on_step;
	f->o.step_arg = s;
	f->o.on_changed = on_changed;
	f->o.is_watched = is_watched;
	f->o.arg = w;
	f->o.settle_ms = settle_ms;
	fixture_open(f);
	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	deliver(f, "first\r\n");
	fixture_settle(f); /* a commit of write-behind would tell, too */
	(void) take_events(w);
}

static void who_watches_is_told_without_waiting(void **state)
{
	struct watcher w = { true, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
	struct fixture f;
	struct steps s;

	make_watched(&f, &s, &w, LATER);
	deliver(&f, "second\r\n");
	wait_for_an_event(&w);
	for (int i = 0; i < 50; i++)
		deliver(&f, "more\r\n");
	assert_true(counted(&s, VOLUME_STEP_AHEAD) > 0); /* not each of them has a commit of the index */
	(void) fixture_mailbox(&f, "alice", "INBOX");
	(void) take_events(&w);
	deliver(&f, "last\r\n");
	wait_for_an_event(&w);
	fixture_remove(&f);
}

static void who_does_not_watch_is_told_when_the_index_is_settled(void **state)
{
	struct watcher w = { false, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
	struct fixture f;
	struct steps s;

	make_watched(&f, &s, &w, 50);
	deliver(&f, "second\r\n");
	wait_for_an_event(&w);
	fixture_close(&f);
	f.o.settle_ms = LATER;
	fixture_open(&f);
	deliver(&f, "third\r\n"); /* the first commit after a start is one of the index */
	fixture_settle(&f);
	(void) take_events(&w);
	deliver(&f, "fourth\r\n");
	assert_int_equal(take_events(&w), 0);
	volume_refresh(f.vol, SPAN_LIT("alice"));
	wait_for_an_event(&w);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_delivery_takes_no_commit_and_shows_at_once),
		cmocka_unit_test(nobody_waits_for_the_mail_of_others),
		cmocka_unit_test(a_repeated_delivery_is_known_before_the_index_has_the_first),
		cmocka_unit_test(after_a_loss_of_power_all_is_as_it_was_told),
		cmocka_unit_test(without_the_index_they_come_from_the_journal_too),
		cmocka_unit_test(a_journal_of_before_brings_nothing_back),
		cmocka_unit_test(a_settled_journal_is_erased),
		cmocka_unit_test(a_torn_end_of_the_journal_is_left_out),
		cmocka_unit_test(a_full_journal_is_settled_and_nothing_is_lost),
		cmocka_unit_test(an_index_without_room_stops_new_mail_and_goes_on),
		cmocka_unit_test(a_journal_without_room_refuses_that_delivery_alone),
		cmocka_unit_test(a_failed_flush_breaks_the_volume_and_loses_nothing),
		cmocka_unit_test(after_a_failed_flush_files_are_made_anew_though_they_read_well),
		cmocka_unit_test(who_watches_is_told_without_waiting),
		cmocka_unit_test(who_does_not_watch_is_told_when_the_index_is_settled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
