/*
 * The promise itself. A child process runs a script of changes and is ended at one step of one commit, or of what is
 * written behind; afterwards the volume must hold every change the child had an answer for, and of the one that was
 * under way all or nothing. Every step, every occurrence; with recovery, and with a rebuild from the files alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/maildir/file.h"
#include "tests/support/volume_fixture.h"

#define SEEN STORE_FLAG_SEEN
#define DELETED STORE_FLAG_DELETED
/* Deliveries go ahead of the index until another change, a look or write-behind needs it. */
#define SETTLE_MS 60000

/* ---- the script ---- */

static int copy(struct fixture *f, const char *from, const char *to, bool move)
{
	struct change c = fixture_change(f, CHANGE_COPY, "alice");
	static struct uid_range all = { 1, UINT32_MAX };

	c.mailbox = fixture_mailbox(f, "alice", from).id;
	c.uids = (struct uid_ranges){ &all, 1 };
	c.u.copy.target = span_of(to);
	c.u.copy.move = move;
	return fixture_run(f, &c);
}

static int expunge(struct fixture *f, const char *name)
{
	struct change c = fixture_change(f, CHANGE_EXPUNGE, "alice");

	c.mailbox = fixture_mailbox(f, "alice", name).id;
	return fixture_run(f, &c);
}

static int flags(struct fixture *f, const char *name, uint32_t first, uint32_t last, uint32_t bits, const char *keyword)
{
	return fixture_flags(f, "alice", fixture_mailbox(f, "alice", name).id, first, last, CHANGE_FLAGS_ADD, bits, keyword);
}

static int set_name(struct fixture *f)
{
	struct change c = fixture_change(f, CHANGE_USER_SET, "alice");

	c.u.user_op.user.display_name = "Alice";
	c.u.user_op.set_display_name = true;
	return fixture_run(f, &c);
}

static int put_state(struct fixture *f, const char *name, const char *value)
{
	struct state_put put = { .name = span_of(name), .value = span_of(value), .remove = !value };
	struct change c = fixture_change(f, CHANGE_STATE_PUT, "alice");

	c.u.state.puts = &put;
	c.u.state.puts_n = 1;
	return fixture_run(f, &c);
}

enum { OPS = 29 };

static int run_op(struct fixture *f, int i)
{
	switch (i) {
	case 0: return fixture_user_add(f, "alice", 0);
	case 1: return fixture_deliver(f, "alice", "", "one\r\n", NULL, NULL);
	case 2: return fixture_deliver(f, "alice", "", "two\r\n", NULL, NULL);
	case 3: return fixture_append(f, "alice", "INBOX", "three\r\n", SEEN, "red", NULL);
	case 4: return flags(f, "INBOX", 1, 1, SEEN, NULL);
	case 5: return flags(f, "INBOX", 1, 2, STORE_FLAG_FLAGGED, "blue");
	case 6: return copy(f, "INBOX", "Archive", false);
	case 7: return fixture_mailbox_op(f, CHANGE_MAILBOX_CREATE, "alice", "Work/A", NULL);
	case 8: return fixture_append(f, "alice", "Work/A", "four\r\n", 0, NULL, NULL);
	case 9: return copy(f, "Archive", "Work/A", true);
	case 10: return fixture_mailbox_op(f, CHANGE_MAILBOX_RENAME, "alice", "Work/A", "Play");
	case 11: return flags(f, "Play", 1, 2, DELETED, NULL);
	case 12: return expunge(f, "Play");
	case 13: return fixture_mailbox_op(f, CHANGE_MAILBOX_SUBSCRIBE, "alice", "Play", "yes");
	case 14: return set_name(f);
	case 15: return fixture_user_add(f, "bob", 0);
	case 16: return fixture_mailbox_op(f, CHANGE_MAILBOX_RENAME, "alice", "INBOX", "Old");
	case 17: return fixture_mailbox_op(f, CHANGE_MAILBOX_DELETE, "alice", "Play", NULL);
	case 18: return fixture_mailbox_op(f, CHANGE_USER_REMOVE, "bob", NULL, NULL);
	case 19: return fixture_deliver(f, "alice", "Junk", "five\r\n", NULL, NULL);
	case 20: return flags(f, "Old", 1, 3, STORE_FLAG_ANSWERED, NULL);
	case 21: return put_state(f, "eas/dev/sync/1", "first");
	case 22: return put_state(f, "eas/dev/sync/1", "second");
	case 23: return put_state(f, "eas/dev/ping", "third");
	case 24: return put_state(f, "eas/dev/sync/1", NULL);
	case 25: return fixture_deliver(f, "alice", "", "six\r\n", NULL, NULL);
	case 26: return fixture_deliver(f, "alice", "Junk", "seven\r\n", NULL, NULL);
	case 27: return fixture_deliver(f, "alice", "", "eight\r\n", NULL, NULL);
	case 28: return flags(f, "Junk", 1, 2, SEEN, NULL);
	default: return -POD_E_INTERNAL;
	}
}

/* ---- what a volume holds, as lines ---- */

struct dump {
	struct fixture *f;
	struct buf *b;
	const char *user;
	const struct volume_mailbox *m;
	bool messages_only;
};

static int dump_row(void *arg, const struct volume_row *r)
{
	struct dump *d = arg;
	const char *body = fixture_body(d->f, d->user, d->m->id, r->uid);

	buf_printf(d->b, "%s/%s %u " SPAN_FMT " %x %llu", d->user, d->m->name, r->uid,
	           SPAN_ARG(span_trim(span_of(body))), r->flags & STORE_FLAGS_SYSTEM,
	           (unsigned long long) r->size);
	/* Keywords by name: a mailbox's file may name one more than is in use, for a change that did not come to be. */
	for (size_t i = 0; i < d->m->keywords_n; i++)
		if (r->flags & 1u << (STORE_KEYWORD_SHIFT + i))
			buf_printf(d->b, " %s", d->m->keywords[i]);
	buf_add_byte(d->b, '\n');
	return 0;
}

static void dump_mailbox(struct dump *d)
{
	struct uid_range all = { 1, UINT32_MAX };
	const struct uid_ranges uids = { &all, 1 };

	if (!d->messages_only) {
		buf_printf(d->b, "%s/%s %s %d %d %u %u\n", d->user, d->m->name, d->m->special_use, d->m->exists,
		           d->m->subscribed, d->m->messages, d->m->unseen);
	}
	if (d->m->exists)
		assert_int_equal(volume_fetch(d->f->vol, span_of(d->user), d->m->id, &uids, 0, 0, dump_row, d, &d->f->err), 0);
}

static void dump_states(struct fixture *f, const char *user, struct buf *b)
{
	struct volume_state *items, s;
	size_t n;

	assert_int_equal(volume_state_list(f->vol, f->a, span_of(user), SPAN_NONE, &items, &n, &f->err), 0);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(volume_state_get(f->vol, f->a, span_of(user), items[i].name, &s, &f->err), 0);
		buf_printf(b, "%s state " SPAN_FMT " " SPAN_FMT "\n", user, SPAN_ARG(s.name), SPAN_ARG(s.value));
	}
}

static const char *dump(struct fixture *f, bool messages_only)
{
	static const char *const users[] = { "alice", "bob" };
	_cleanup_buf_ struct buf b = BUF_INIT;

	volume_refresh(f->vol, SPAN_NONE); /* for the counts of users */
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		struct dump d = { .f = f, .b = &b, .user = users[i], .messages_only = messages_only };
		struct volume_mailboxes list;
		struct volume_user u;

		if (volume_user_get(f->vol, f->a, span_of(users[i]), &u, &f->err) < 0)
			continue;
		if (!messages_only)
			buf_printf(&b, "%s %s %u\n", users[i], u.display_name, u.messages);
		dump_states(f, users[i], &b);
		assert_int_equal(volume_mailbox_list(f->vol, f->a, span_of(users[i]), &list, &f->err), 0);
		for (size_t j = 0; j < list.n; j++) {
			d.m = &list.items[j];
			dump_mailbox(&d);
		}
	}
	return arena_str(f->a, buf_span(&b));
}

/* ---- the hook ---- */

struct trap {
	enum volume_step step;
	unsigned int at; /* the occurrence to end the process at; 0: only count */
	atomic_uint count[VOLUME_STEPS];
};

static int on_step(void *arg, enum volume_step step)
{
	struct trap *t = arg;
	unsigned int n = atomic_fetch_add(&t->count[step], 1) + 1;

	if (step == t->step && n == t->at)
		_exit(7);
	return 0;
}

/* ---- the reference: the same script with no fault ---- */

struct reference {
	struct fixture f;
	struct trap trap;
	const char *full[OPS + 1], *messages[OPS + 1];
};

static void make_reference(struct reference *ref)
{
	fixture_make(&ref->f, NULL);
	ref->f.o.on_step = on_step;
	ref->f.o.step_arg = &ref->trap;
	ref->f.o.settle_ms = SETTLE_MS;
	fixture_open(&ref->f);
	for (int i = 0; i < OPS; i++) {
		ref->full[i] = dump(&ref->f, false);
		ref->messages[i] = dump(&ref->f, true);
		assert_int_equal(run_op(&ref->f, i), 0);
	}
	ref->full[OPS] = dump(&ref->f, false);
	ref->messages[OPS] = dump(&ref->f, true);
	fixture_settle(&ref->f);
	fixture_close(&ref->f);
}

/* ---- one crash ---- */

/* Before a commit of write-behind can come: its thread must not end the process between an answer and its count. */
static void on_answered(void *arg)
{
	if (write(*(int *) arg, "x", 1) != 1)
		_exit(1);
}

static void child_main(struct fixture *f, struct trap *trap, int answers)
{
	f->on_answered = on_answered;
	f->answered_arg = &answers;
	f->o.on_step = on_step;
	f->o.step_arg = trap;
	f->o.settle_ms = SETTLE_MS;
	fixture_open(f);
	for (int i = 0; i < OPS; i++) {
		if (run_op(f, i) != 0)
			_exit(1);
		/* Let write-behind come between now and then. */
		if (i % 4 == 3)
			fixture_settle(f);
	}
	fixture_settle(f);
	fixture_close(f);
	_exit(0);
}

/* Runs the script until the trap; returns how many changes were answered. */
static int crash(struct fixture *f, enum volume_step step, unsigned int at, int *ret_status)
{
	struct trap trap = { .step = step, .at = at };
	int answers[2], n = 0;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(answers), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child_main(f, &trap, answers[1]);
	(void) close(answers[1]);
	while (read(answers[0], &byte, 1) == 1)
		n++;
	(void) close(answers[0]);
	assert_int_equal(waitpid(pid, ret_status, 0), pid);
	return n;
}

static bool same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* Every line of want is in have. */
static bool contains_all(const char *have, const char *want)
{
	struct span rest = span_of(want);

	while (rest.len) {
		struct span line = span_split(rest, '\n', &rest);

		if (line.len && span_find(span_of(have), line) == SIZE_MAX)
			return false;
	}
	return true;
}

static void note_problem(void *arg, const char *text)
{
	(void) fprintf(stderr, "fsck: %s\n", text);
	*(int *) arg += 1;
}

static void assert_sound(struct fixture *f)
{
	int problems = 0;
	struct fsck_report report = { .problem = note_problem, .arg = &problems };

	assert_int_equal(volume_fsck(f->vol, SPAN_NONE, false, &report, &f->err), 0);
	assert_int_equal(problems, 0);
	fixture_settle(f);
	assert_int_equal(fixture_count_files(f, "staging"), 0);
}

/*
 * Before the commit of the index nothing of a change may be left; once its folders move, all of it must be there.
 * Write-behind, which has commits of its own, comes at any time.
 */
static bool is_allowed(const struct reference *ref, enum volume_step step, int answered, const char *now)
{
	bool before = step <= VOLUME_STEP_COMMIT, after = step == VOLUME_STEP_FOLDER;

	if (!after && same(now, ref->full[answered]))
		return true;
	return !before && answered < OPS && same(now, ref->full[answered + 1]);
}

static void recovered_after(const struct reference *ref, enum volume_step step, unsigned int at)
{
	struct fixture f;
	const char *now;
	int status, answered;

	fixture_make(&f, NULL);
	answered = crash(&f, step, at, &status);
	assert_true(WIFEXITED(status));
	fixture_open(&f);
	now = dump(&f, false);
	if (WEXITSTATUS(status) == 0 ? !same(now, ref->full[OPS]) : !is_allowed(ref, step, answered, now))
		fail_msg("step %d.%u, %d answered, exit %d:\n%s--- instead of\n%s", step, at, answered, WEXITSTATUS(status), now,
		         ref->full[answered]);
	assert_sound(&f);
	fixture_close(&f);
	assert_int_equal(fixture_count_files(&f, "trash"), 0);
	/* And once more from the files alone. */
	assert_int_equal(volume_rebuild(f.path, &(struct fsck_report){ 0 }, &f.err), 0);
	fixture_open(&f);
	assert_string_equal(dump(&f, false), now);
	assert_sound(&f);
	fixture_remove(&f);
}

/* Every line is in one of two. */
static bool is_of(const char *have, const char *one, const char *other)
{
	struct span rest = span_of(have);

	while (rest.len) {
		struct span line = span_split(rest, '\n', &rest);

		if (line.len && span_find(span_of(one), line) == SIZE_MAX &&
		    span_find(span_of(other), line) == SIZE_MAX)
			return false;
	}
	return true;
}

/*
 * Without the index nobody knows whether the last change was committed, so it may be there in part; all
 * before it is there with its flags, and nothing else.
 */
static bool is_allowed_rebuilt(const struct reference *ref, int answered, const char *now)
{
	const char *before = ref->messages[answered], *after = ref->messages[answered < OPS ? answered + 1 : OPS];

	return (contains_all(now, before) || contains_all(now, after)) && is_of(now, before, after);
}

static void rebuilt_after(const struct reference *ref, enum volume_step step, unsigned int at)
{
	struct fixture f;
	const char *now;
	int status, answered;

	fixture_make(&f, NULL);
	answered = crash(&f, step, at, &status);
	(void) file_remove_tree(AT_FDCWD, arena_printf(f.a, "%s/index", f.path), NULL);
	assert_int_equal(volume_rebuild(f.path, &(struct fsck_report){ 0 }, &f.err), 0);
	fixture_open(&f);
	now = dump(&f, true);
	if (!is_allowed_rebuilt(ref, answered, now))
		fail_msg("step %d.%u, %d answered:\n%s--- instead of\n%s", step, at, answered, now,
		         ref->messages[answered]);
	assert_sound(&f);
	fixture_remove(&f);
}

static void for_each_occurrence(void (*check)(const struct reference *, enum volume_step, unsigned int))
{
	struct reference *ref = calloc(1, sizeof(*ref));

	assert_non_null(ref);
	make_reference(ref);
	for (int step = 0; step < VOLUME_STEPS; step++) {
		unsigned int n = atomic_load(&ref->trap.count[step]);

		assert_true(n > 0);
		for (unsigned int at = 1; at <= n; at++)
			check(ref, (enum volume_step) step, at);
	}
	fixture_remove(&ref->f);
	free(ref);
}

static void a_crash_at_any_step_loses_nothing_answered_and_leaves_nothing_half_done(void **state)
{
	for_each_occurrence(recovered_after);
}

static void a_rebuild_right_after_a_crash_has_what_was_answered_for_and_nothing_else(void **state)
{
	for_each_occurrence(rebuilt_after);
}

/* ---- calls that fail ---- */

struct failing {
	atomic_int step, error, times;
};

static int fail_step(void *arg, enum volume_step step)
{
	struct failing *t = arg;

	if ((int) step != atomic_load(&t->step) || atomic_fetch_sub(&t->times, 1) <= 0)
		return 0;
	return atomic_load(&t->error);
}

static void arm(struct failing *t, enum volume_step step, int error, int times)
{
	atomic_store(&t->error, error);
	atomic_store(&t->times, times);
	atomic_store(&t->step, (int) step);
}

static void make_failing(struct fixture *f, struct failing *t)
{
	fixture_make(f, NULL);
	f->o.on_step = fail_step;
	f->o.step_arg = t;
	f->o.write_behind_ms = 1;
	fixture_open(f);
	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	fixture_settle(f);
}

static void a_full_disk_fails_that_change_alone_and_passes(void **state)
{
	static const enum volume_step steps[] = { VOLUME_STEP_STAGE, VOLUME_STEP_LINK, VOLUME_STEP_SYNC, VOLUME_STEP_COMMIT };
	struct failing t = { .step = VOLUME_STEPS };
	struct fixture f;

	make_failing(&f, &t);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		arm(&t, steps[i], ENOSPC, 100);
		assert_int_equal(fixture_deliver(&f, "alice", "", "no\r\n", NULL, NULL), -POD_E_NOSPACE);
		assert_null(volume_broken(f.vol));
		arm(&t, VOLUME_STEPS, 0, 0);
		assert_int_equal(fixture_deliver(&f, "alice", "", "yes\r\n", NULL, NULL), 0);
	}
	assert_string_equal(fixture_rows(&f, "alice", "INBOX"), "1 0;2 0;3 0;4 0;");
	assert_sound(&f);
	fixture_remove(&f);
}

static void a_body_held_in_memory_survives_a_batch_that_is_undone_and_done_again(void **state)
{
	struct volume_body body = volume_hold_body(SPAN_LIT("X: y\r\n"), SPAN_LIT("\r\ntext\r\n"));
	struct deliver_recipient rcpts[2] = { { .user_id = SPAN_LIT("alice") }, { .user_id = SPAN_LIT("bob") } };
	struct failing t = { .step = VOLUME_STEPS };
	struct change c;
	struct fixture f;

	make_failing(&f, &t);
	assert_int_equal(fixture_user_add(&f, "bob", 0), 0);
	c = fixture_change(&f, CHANGE_DELIVER, NULL);
	c.id = guid_new();
	c.u.deliver.bodies = &body;
	c.u.deliver.bodies_n = 1;
	c.u.deliver.rcpts = rcpts;
	c.u.deliver.rcpts_n = 2;
	arm(&t, VOLUME_STEP_COMMIT, ENOMEM, 1);
	assert_int_equal(fixture_run(&f, &c), 0);
	for (size_t i = 0; i < 2; i++) {
		const char *user = i ? "bob" : "alice";

		assert_int_equal(rcpts[i].code, 0);
		assert_string_equal(fixture_body(&f, user, fixture_mailbox(&f, user, "INBOX").id, 1), "X: y\r\n\r\ntext\r\n");
	}
	volume_body_done(&body);
	assert_sound(&f);
	fixture_remove(&f);
}

static void an_io_error_breaks_the_volume_until_it_is_opened_again(void **state)
{
	static const enum volume_step steps[] = { VOLUME_STEP_SYNC, VOLUME_STEP_COMMIT };
	struct failing t = { .step = VOLUME_STEPS };
	struct fixture f;

	make_failing(&f, &t);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		arm(&t, steps[i], EIO, 1);
		assert_int_equal(fixture_deliver(&f, "alice", "", "no\r\n", NULL, NULL), -POD_E_IO);
		assert_non_null(volume_broken(f.vol));
		assert_int_equal(fixture_deliver(&f, "alice", "", "no\r\n", NULL, NULL), -POD_E_IO);
		(void) fixture_mailbox(&f, "alice", "INBOX"); /* reading goes on */
		fixture_close(&f);
		fixture_open(&f);
		assert_int_equal(fixture_deliver(&f, "alice", "", "yes\r\n", NULL, NULL), 0);
		assert_sound(&f);
	}
	assert_string_equal(fixture_rows(&f, "alice", "INBOX"), "1 0;2 0;");
	fixture_remove(&f);
}

static void files_that_cannot_be_moved_yet_are_read_where_they_are_and_moved_later(void **state)
{
	struct failing t = { .step = VOLUME_STEPS };
	struct fixture f;
	struct volume_mailbox m;

	make_failing(&f, &t);
	arm(&t, VOLUME_STEP_PLACE, ENOSPC, 3);
	assert_int_equal(fixture_deliver(&f, "alice", "", "one\r\n", NULL, NULL), 0);
	m = fixture_mailbox(&f, "alice", "INBOX");
	assert_int_equal(fixture_flags(&f, "alice", m.id, 1, 1, CHANGE_FLAGS_SET, SEEN, NULL), 0);
	assert_string_equal(fixture_body(&f, "alice", m.id, 1), "one\r\n");
	fixture_settle(&f);
	assert_true(atomic_load(&t.times) <= 0);
	assert_sound(&f);
	fixture_remove(&f);
}

static void folders_that_cannot_be_moved_yet_hold_up_other_folders_only(void **state)
{
	struct failing t = { .step = VOLUME_STEPS };
	struct fixture f;

	make_failing(&f, &t);
	arm(&t, VOLUME_STEP_FOLDER, EIO, 2);
	assert_int_equal(fixture_mailbox_op(&f, CHANGE_MAILBOX_CREATE, "alice", "A", NULL), 0);
	assert_int_equal(fixture_append(&f, "alice", "A", "one\r\n", SEEN, NULL, NULL), 0);
	assert_int_equal(fixture_mailbox_op(&f, CHANGE_MAILBOX_CREATE, "alice", "B", NULL), -POD_E_UNAVAILABLE);
	assert_string_equal(fixture_body(&f, "alice", fixture_mailbox(&f, "alice", "A").id, 1), "one\r\n");
	/* The next commit finds it possible again. */
	assert_int_equal(fixture_append(&f, "alice", "A", "two\r\n", SEEN, NULL, NULL), 0);
	assert_int_equal(fixture_mailbox_op(&f, CHANGE_MAILBOX_CREATE, "alice", "B", NULL), 0);
	fixture_settle(&f);
	assert_sound(&f);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crash_at_any_step_loses_nothing_answered_and_leaves_nothing_half_done),
		cmocka_unit_test(a_rebuild_right_after_a_crash_has_what_was_answered_for_and_nothing_else),
		cmocka_unit_test(a_full_disk_fails_that_change_alone_and_passes),
		cmocka_unit_test(a_body_held_in_memory_survives_a_batch_that_is_undone_and_done_again),
		cmocka_unit_test(an_io_error_breaks_the_volume_until_it_is_opened_again),
		cmocka_unit_test(files_that_cannot_be_moved_yet_are_read_where_they_are_and_moved_later),
		cmocka_unit_test(folders_that_cannot_be_moved_yet_hold_up_other_folders_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
