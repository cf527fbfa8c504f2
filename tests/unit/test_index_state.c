/* What front ends keep with an account: put, found again, kept through restarts, rebuilds and repairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "store/maildir/file.h"
#include "store/maildir/state_file.h"
#include "store/restore/restore.h"
#include "tests/support/volume_fixture.h"

static int put_all(struct fixture *f, const char *user, struct state_put *puts, size_t n)
{
	struct change c = fixture_change(f, CHANGE_STATE_PUT, user);

	c.u.state.puts = puts;
	c.u.state.puts_n = n;
	return fixture_run(f, &c);
}

static uint64_t put(struct fixture *f, const char *name, const char *value)
{
	struct state_put p = { .name = span_of(name), .value = span_of(value) };

	assert_int_equal(put_all(f, "alice", &p, 1), 0);
	assert_true(p.version > 0);
	return p.version;
}

static int swap(struct fixture *f, const char *name, uint64_t expected, const char *value)
{
	struct state_put p = { .name = span_of(name), .value = span_of(value), .expects = true, .expected = expected };

	return put_all(f, "alice", &p, 1);
}

static const char *get(struct fixture *f, const char *user, const char *name)
{
	struct volume_state s;
	int r = volume_state_get(f->vol, f->a, span_of(user), span_of(name), &s, &f->err);

	return r < 0 ? err_code_name(r) : arena_str(f->a, s.value);
}

static const char *list(struct fixture *f, const char *user, const char *prefix)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct volume_state *items;
	size_t n;

	assert_int_equal(volume_state_list(f->vol, f->a, span_of(user), span_of(prefix), &items, &n, &f->err), 0);
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, SPAN_FMT ":%u ", SPAN_ARG(items[i].name), items[i].size);
	return arena_str(f->a, buf_span(&b));
}

static size_t delete_all(struct fixture *f, const char *user, const char *prefix)
{
	struct change c = fixture_change(f, CHANGE_STATE_DELETE, user);

	c.u.state.prefix = span_of(prefix);
	assert_int_equal(fixture_run(f, &c), 0);
	return c.u.state.removed;
}

static int count_files(struct fixture *f, const char *user)
{
	struct layout_path p;

	state_folder_path(&p, span_of(user));
	assert_int_equal(fixture_count_files(f, "staging"), 0);
	return fixture_count_files(f, p.s);
}

static void add_alice(struct fixture *f)
{
	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	fixture_settle(f);
}

static void a_state_is_what_was_put_last(void **state)
{
	struct fixture *f = *state;
	uint64_t first, second;

	add_alice(f);
	assert_string_equal(get(f, "alice", "eas/d/1"), "NOTFOUND");
	first = put(f, "eas/d/1", "one");
	second = put(f, "eas/d/1", "two");
	assert_true(second > first);
	(void) put(f, "eas/e/1", "");
	assert_string_equal(get(f, "alice", "eas/d/1"), "two");
	assert_string_equal(get(f, "alice", "eas/e/1"), "");
	assert_string_equal(list(f, "alice", ""), "eas/d/1:3 eas/e/1:0 ");
	assert_string_equal(list(f, "alice", "eas/d"), "eas/d/1:3 ");
	assert_int_equal(count_files(f, "alice"), 2);
	assert_string_equal(get(f, "bob", "eas/d/1"), "NOTFOUND");
	fixture_close(f);
	fixture_open(f);
	assert_string_equal(get(f, "alice", "eas/d/1"), "two");
}

static void a_put_that_expects_another_version_changes_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t version;

	add_alice(f);
	assert_int_equal(swap(f, "a", 0, "x"), 0);
	assert_int_equal(swap(f, "a", 0, "y"), -POD_E_CONFLICT);
	version = put(f, "a", "z");
	struct state_put both[] = {
		{ .name = SPAN_LIT("b"), .value = SPAN_LIT("new"), .expects = true },
		{ .name = SPAN_LIT("a"), .value = SPAN_LIT("new"), .expects = true, .expected = version - 1 },
	};
	assert_int_equal(put_all(f, "alice", both, 2), -POD_E_CONFLICT);
	assert_string_equal(list(f, "alice", ""), "a:1 ");
	both[1].expected = version;
	assert_int_equal(put_all(f, "alice", both, 2), 0);
	assert_string_equal(get(f, "alice", "b"), "new");
	assert_string_equal(get(f, "alice", "a"), "new");
	/* A version is never one that was before. */
	assert_int_equal(delete_all(f, "alice", "a"), 1);
	assert_int_equal(swap(f, "a", both[1].version, "again"), -POD_E_CONFLICT);
	assert_true(put(f, "a", "again") > both[1].version);
	assert_int_equal(count_files(f, "alice"), 2);
}

static void states_with_a_prefix_go_together_and_those_of_a_user_with_him(void **state)
{
	struct fixture *f = *state;

	add_alice(f);
	assert_int_equal(fixture_user_add(f, "bob", 0), 0);
	for (int i = 0; i < 5; i++)
		(void) put(f, arena_printf(f->a, "eas/d%d/x", i), "v");
	(void) put(f, "eas/d10/x", "v");
	assert_int_equal(delete_all(f, "alice", "eas/d1/"), 1);
	assert_int_equal(delete_all(f, "alice", "nothing"), 0);
	assert_int_equal(delete_all(f, "bob", ""), 0);
	assert_int_equal(count_files(f, "alice"), 5);
	assert_int_equal(delete_all(f, "alice", "eas/"), 5);
	assert_int_equal(count_files(f, "alice"), 0);
	(void) put(f, "a", "v");
	assert_int_equal(fixture_mailbox_op(f, CHANGE_USER_REMOVE, "alice", NULL, NULL), 0);
	assert_string_equal(get(f, "alice", "a"), "NOTFOUND");
	fixture_settle(f);
	add_alice(f);
	assert_string_equal(list(f, "alice", ""), "");
}

static void names_and_sizes_have_limits(void **state)
{
	static const char *const bad[] = { "", "/a", ".a", "a b", "a%b", "a#b", "\xc3\xa4" };
	struct fixture *f = *state;
	char *large = arena_alloc(f->a, STATE_VALUE_MAX + 1), *name = arena_alloc(f->a, STATE_NAME_MAX + 2);
	struct state_put p = { .value = SPAN_LIT("x") };

	add_alice(f);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		p.name = span_of(bad[i]);
		assert_int_equal(put_all(f, "alice", &p, 1), -POD_E_SYNTAX);
	}
	memset(name, 'n', STATE_NAME_MAX + 1);
	p.name = span_of(name);
	assert_int_equal(put_all(f, "alice", &p, 1), -POD_E_SYNTAX);
	p.name.len = STATE_NAME_MAX;
	p.value = span_make(large, STATE_VALUE_MAX + 1);
	assert_int_equal(put_all(f, "alice", &p, 1), -POD_E_LIMIT);
	p.value.len--;
	assert_int_equal(put_all(f, "alice", &p, 1), 0);
	assert_int_equal(put_all(f, "nobody", &p, 1), -POD_E_NOTFOUND);
	/* All of a user's together. */
	for (int i = 0, r = 0; r == 0; i++) {
		p.name = span_of(arena_printf(f->a, "%d", i));
		r = put_all(f, "alice", &p, 1);
		assert_int_equal(r, i < 63 ? 0 : -POD_E_LIMIT);
	}
	assert_int_equal(delete_all(f, "alice", "1"), 11);
	assert_int_equal(put_all(f, "alice", &p, 1), 0);
}

static void rebuild(struct fixture *f)
{
	struct fsck_report report = { 0 };

	fixture_close(f);
	(void) file_remove_tree(AT_FDCWD, arena_printf(f->a, "%s/index", f->path), NULL);
	assert_int_equal(volume_rebuild(f->path, &report, &f->err), 0);
	fixture_open(f);
}

static void write_at(struct fixture *f, const char *name, uint64_t version, const char *value, bool gone)
{
	const struct state_file s = { span_of(name), span_of(value), version, 1, gone };
	_cleanup_(closep) int dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct layout_path from, to;

	assert_int_equal(state_file_write(dir, SPAN_LIT("alice"), &s, &f->err), 0);
	state_staged_path(&from, SPAN_LIT("alice"), s.name, version);
	state_file_path(&to, SPAN_LIT("alice"), s.name, version);
	assert_int_equal(renameat(dir, from.s, dir, to.s), 0);
}

static void damage(struct fixture *f, const char *name, uint64_t version, off_t size)
{
	struct layout_path p;

	state_file_path(&p, SPAN_LIT("alice"), span_of(name), version);
	assert_int_equal(truncate(arena_printf(f->a, "%s/%s", f->path, p.s), size), 0);
}

static void a_rebuild_takes_the_newest_whole_file_of_each_name(void **state)
{
	struct fixture *f = *state;
	uint64_t version;

	add_alice(f);
	(void) put(f, "a", "one");
	version = put(f, "b", "kept");
	(void) put(f, "c", "three");
	(void) put(f, "d", "four");
	write_at(f, "a", version << 8, "newer", false);
	write_at(f, "b", version << 8, "torn", false);
	damage(f, "b", version << 8, 43);
	write_at(f, "c", version << 8, "", true);
	write_at(f, "d", 1, "older", false);
	rebuild(f);
	assert_string_equal(get(f, "alice", "a"), "newer");
	assert_string_equal(get(f, "alice", "b"), "kept");
	assert_string_equal(get(f, "alice", "c"), "NOTFOUND");
	assert_string_equal(get(f, "alice", "d"), "four");
	assert_string_equal(list(f, "alice", ""), "a:5 b:4 d:4 ");
	rebuild(f);
	assert_int_equal(swap(f, "b", version, "still its version"), 0);
	assert_true(put(f, "d", "x") > version);
}

static struct fsck_report fsck(struct fixture *f, bool repair)
{
	struct fsck_report report = { 0 };

	assert_int_equal(volume_fsck(f->vol, SPAN_NONE, repair, &report, &f->err), 0);
	return report;
}

static void fsck_finds_states_without_files_and_files_without_states(void **state)
{
	struct fixture *f = *state;
	uint64_t version;

	add_alice(f);
	version = put(f, "a", "one");
	(void) put(f, "b", "two");
	assert_int_equal(fsck(f, false).problems, 0);
	write_at(f, "b", 1, "older", false);
	damage(f, "a", version, 3);
	assert_string_equal(get(f, "alice", "a"), "CORRUPT");
	assert_int_equal(fsck(f, false).problems, 2);
	assert_int_equal(fsck(f, true).repaired, 2);
	assert_int_equal(fsck(f, false).problems, 0);
	assert_string_equal(list(f, "alice", ""), "b:3 ");
	assert_int_equal(count_files(f, "alice"), 1);
}

static int count_syncs(void *arg, enum volume_step step)
{
	if (step == VOLUME_STEP_SYNC)
		atomic_fetch_add((atomic_int *) arg, 1);
	return 0;
}

static void states_share_the_flush_of_their_commit(void **state)
{
	struct fixture *f = *state;
	struct state_put puts[20];
	atomic_int syncs = 0;

	fixture_close(f);
	f->o.on_step = count_syncs;
	f->o.step_arg = &syncs;
	f->o.write_behind_ms = 60000;
	fixture_open(f);
	add_alice(f);
	for (size_t i = 0; i < ARRAY_SIZE(puts); i++)
		puts[i] = (struct state_put){ .name = span_of(arena_printf(f->a, "n%zu", i)), .value = SPAN_LIT("v") };
	atomic_store(&syncs, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(put_all(f, "alice", puts, ARRAY_SIZE(puts)), 0);
	assert_int_equal(atomic_load(&syncs), 3);
}

static void a_user_who_is_restored_has_his_states_again(void **state)
{
	struct fixture *f = *state;
	const char *copy = arena_printf(f->a, "%s/copy", f->dir);
	struct source_options from = { .path = copy, .user_id = SPAN_LIT("alice") };

	add_alice(f);
	(void) put(f, "eas/d/1", "kept");
	(void) put(f, "eas/d/2", "gone");
	assert_int_equal(delete_all(f, "alice", "eas/d/2"), 1);
	fixture_settle(f);
	assert_int_equal(system(arena_printf(f->a, "cp -r %s %s", f->path, copy)), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_USER_REMOVE, "alice", NULL, NULL), 0);
	assert_int_equal(volume_restore_account(f->vol, &from, SPAN_LIT("alice-2"), NULL, &f->err), 0);
	assert_string_equal(list(f, "alice-2", ""), "eas/d/1:4 ");
	assert_string_equal(get(f, "alice-2", "eas/d/1"), "kept");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_state_is_what_was_put_last),
		TEST(a_put_that_expects_another_version_changes_nothing),
		TEST(states_with_a_prefix_go_together_and_those_of_a_user_with_him),
		TEST(names_and_sizes_have_limits),
		TEST(a_rebuild_takes_the_newest_whole_file_of_each_name),
		TEST(fsck_finds_states_without_files_and_files_without_states),
		TEST(states_share_the_flush_of_their_commit),
		TEST(a_user_who_is_restored_has_his_states_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
