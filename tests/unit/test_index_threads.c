/* Many threads change and read one volume while files move behind them: nobody sees anything half done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/index/submit_wait.h"
#include "tests/support/volume_fixture.h"

#define WRITERS 6
#define READERS 3
#define ROUNDS 40

struct shared {
	struct fixture *f;
	atomic_bool stop;
	atomic_uint next, wrong, bodies, events;
};

static int submit(struct volume *vol, struct change *c)
{
	struct err err = { 0 };
	int r = volume_submit_wait(vol, c, &err);

	if (r < 0)
		(void) fprintf(stderr, "change %d: %s\n", c->kind, err_text(&err));
	return r;
}

static struct volume_mailbox mailbox_of(struct volume *vol, struct arena *a, const char *user, const char *name)
{
	struct volume_mailbox m = { 0 };

	(void) volume_mailbox_get(vol, a, span_of(user), span_of(name), &m, NULL);
	return m;
}

static int deliver(struct volume *vol, struct arena *a, const char *user)
{
	struct change c = { .kind = CHANGE_DELIVER, .a = a };
	struct deliver_recipient rcpts[] = { { .user_id = span_of(user) }, { .user_id = SPAN_LIT("all") } };
	struct volume_body body = { .fd = -1 };
	int r = volume_stage_body(vol, SPAN_NONE, SPAN_LIT("Subject: x\r\n\r\nbody\r\n"), -1, 0, &body, NULL);

	c.u.deliver.bodies = &body;
	c.u.deliver.bodies_n = 1;
	c.u.deliver.rcpts = rcpts;
	c.u.deliver.rcpts_n = 2;
	r = r < 0 ? r : submit(vol, &c);
	volume_body_done(&body);
	return r < 0 ? r : rcpts[0].code < 0 ? rcpts[0].code : rcpts[1].code;
}

static int on_all(struct volume *vol, struct arena *a, const char *user, enum change_kind kind, unsigned int round)
{
	struct change c = { .kind = kind, .a = a, .user_id = span_of(user) };
	struct uid_range some = { round, UINT32_MAX };

	c.mailbox = mailbox_of(vol, a, user, "INBOX").id;
	c.uids = (struct uid_ranges){ &some, kind == CHANGE_EXPUNGE ? 0 : 1 };
	if (kind == CHANGE_FLAGS) {
		c.u.flags.mode = round % 3 ? CHANGE_FLAGS_ADD : CHANGE_FLAGS_SET;
		c.u.flags.flags = round % 2 ? STORE_FLAG_SEEN : STORE_FLAG_FLAGGED;
		if (round % 7 == 0)
			c.u.flags.flags |= STORE_FLAG_DELETED;
	}
	if (kind == CHANGE_COPY) {
		c.u.copy.target = round % 2 ? SPAN_LIT("Archive") : SPAN_LIT("Trash");
		c.u.copy.move = true;
	}
	return submit(vol, &c);
}

static void *writer(void *arg)
{
	struct shared *s = arg;
	char user[8];

	(void) snprintf(user, sizeof(user), "u%u", atomic_fetch_add(&s->next, 1) % 3);
	for (unsigned int i = 1; i <= ROUNDS; i++) {
		static const enum change_kind kinds[] = { CHANGE_FLAGS, CHANGE_COPY, CHANGE_FLAGS, CHANGE_EXPUNGE };
		struct arena *a = arena_create(1 << 22);

		if (deliver(s->f->vol, a, user) < 0 || on_all(s->f->vol, a, user, kinds[i % ARRAY_SIZE(kinds)], i) < 0)
			(void) atomic_fetch_add(&s->wrong, 1);
		(void) arena_free(a);
	}
	return NULL;
}

static int read_row(void *arg, const struct volume_row *row)
{
	struct uid_range *range = arg;

	if (range->first == 0)
		range->first = row->uid;
	range->last = row->uid;
	return 0;
}

/* Whatever is listed can be opened, unless it was expunged in between. */
static void read_mailbox(struct shared *s, struct arena *a, const char *user, const struct volume_mailbox *m)
{
	struct uid_range all = { 1, UINT32_MAX }, found = { 0, 0 };
	const struct uid_ranges uids = { &all, 1 };

	(void) volume_fetch(s->f->vol, span_of(user), m->id, &uids, 0, 0, read_row, &found, NULL);
	for (uint32_t uid = found.first; uid && uid <= found.last && uid < found.first + 20; uid++) {
		_cleanup_(closep) int fd = -1;
		struct err err = { 0 };
		struct span parts;
		uint64_t size = 0;
		int r = volume_body_open(s->f->vol, a, span_of(user), m->id, uid, &fd, &size, &parts, &err);

		if (r == 0 ? lseek(fd, 0, SEEK_END) != (off_t) size : r != -POD_E_NOTFOUND) {
			(void) fprintf(stderr, "body: %s\n", err_text(&err));
			(void) atomic_fetch_add(&s->wrong, 1);
		}
		(void) atomic_fetch_add(&s->bodies, r == 0);
	}
}

static void *reader(void *arg)
{
	struct shared *s = arg;
	unsigned int round = 0;

	while (!atomic_load(&s->stop)) {
		struct arena *a = arena_create(1 << 22);
		struct volume_mailboxes list = { 0 };
		char user[8];

		(void) snprintf(user, sizeof(user), "u%u", round++ % 3);
		if (volume_mailbox_list(s->f->vol, a, span_of(user), &list, NULL) < 0)
			(void) atomic_fetch_add(&s->wrong, 1);
		for (size_t i = 0; i < list.n; i++)
			read_mailbox(s, a, user, &list.items[i]);
		(void) arena_free(a);
	}
	return NULL;
}

static void on_changed(void *arg, const struct volume_event *events, size_t n)
{
	(void) atomic_fetch_add((atomic_uint *) arg, (unsigned int) n);
}

static void note_problem(void *arg, const char *text)
{
	(void) fprintf(stderr, "fsck: %s\n", text);
	*(int *) arg += 1;
}

static void threads_change_and_read_without_getting_in_each_others_way(void **state)
{
	struct fixture *f = *state;
	struct shared s = { .f = f };
	pthread_t writers[WRITERS], readers[READERS];
	int problems = 0;
	struct fsck_report report = { .problem = note_problem, .arg = &problems };

	fixture_close(f);
	f->o.on_changed = on_changed;
	f->o.arg = &s.events;
	f->o.write_behind_ms = 1;
	fixture_open(f);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fixture_user_add(f, arena_printf(f->a, "u%d", i), 0), 0);
	assert_int_equal(fixture_user_add(f, "all", 0), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, reader, &s), 0);
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, writer, &s), 0);
	for (int i = 0; i < WRITERS; i++)
		(void) pthread_join(writers[i], NULL);
	/* While they still read, files are compared with the index. */
	assert_int_equal(volume_fsck(f->vol, SPAN_NONE, false, &report, &f->err), 0);
	atomic_store(&s.stop, true);
	for (int i = 0; i < READERS; i++)
		(void) pthread_join(readers[i], NULL);
	assert_int_equal(atomic_load(&s.wrong), 0);
	assert_int_equal(problems, 0);
	assert_true(atomic_load(&s.bodies) > 0);
	assert_true(atomic_load(&s.events) > 0);
	assert_int_equal(fixture_mailbox(f, "all", "INBOX").messages, WRITERS * ROUNDS);
	fixture_settle(f);
	assert_int_equal(fixture_count_files(f, "staging"), 0);
	assert_int_equal(volume_fsck(f->vol, SPAN_NONE, false, &report, &f->err), 0);
	assert_int_equal(problems, 0);
}

static void closing_leaves_nothing_to_be_written_behind(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(fixture_append(f, "alice", "INBOX", "x\r\n", STORE_FLAG_SEEN, NULL, NULL), 0);
	fixture_close(f);
	/* All was written behind: the files alone say it. */
	assert_int_equal(fixture_count_files(f, "staging"), 0);
	assert_int_equal(fixture_count_files(f, "users/51/alice/Maildir/cur"), 20);
	fixture_open(f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(threads_change_and_read_without_getting_in_each_others_way),
		T(closing_leaves_nothing_to_be_written_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
