/* names.journal: its frames, and a rebuild that knows what no file name says yet. Crashes: see
 * test_index_faults.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/index/journal.h"
#include "store/maildir/file.h"
#include "store/maildir/layout.h"
#include "tests/support/volume_fixture.h"

#define SEEN    STORE_FLAG_SEEN
#define FLAGGED STORE_FLAG_FLAGGED

/* ---- frames ---- */

static void add_frame(struct buf *file, uint64_t modseq, const struct journal_entry *entries, size_t n)
{
	struct journal_frame f = { 0 };

	for (size_t i = 0; i < n; i++)
		journal_frame_add(&f, &entries[i]);
	buf_add(file, journal_frame_seal(&f, modseq));
	journal_frame_done(&f);
}

static void show_entry(struct buf *out, const struct journal_entry *e)
{
	if (e->kind == JOURNAL_MOVE)
		buf_printf(out, " move %u " SPAN_FMT ">" SPAN_FMT, e->mailbox, SPAN_ARG(e->from),
		           SPAN_ARG(e->to));
	else
		buf_printf(out, " %s %u %u:%u %x", e->kind == JOURNAL_GONE ? "gone" : "flags", e->mailbox,
		           e->first, e->last, e->flags);
}

/* What a reader makes of the bytes: "modseq entry entry;". */
static const char *show(struct buf *out, struct span file)
{
	struct span entries;
	uint64_t modseq = 0;

	buf_clear(out);
	while (journal_frame_next(&file, &modseq, &entries)) {
		struct journal_entry e;
		int r;

		buf_printf(out, "%llu", (unsigned long long) modseq);
		while ((r = journal_entry_next(&entries, &e)) == 1)
			show_entry(out, &e);
		assert_int_equal(r, 0);
		buf_add_byte(out, ';');
	}
	return buf_str(out);
}

static void neighbours_with_one_fate_share_an_entry(void **state)
{
	static const struct journal_entry entries[] = {
		{ .kind = JOURNAL_FLAGS, .mailbox = 7, .first = 1, .last = 1, .flags = SEEN },
		{ .kind = JOURNAL_FLAGS, .mailbox = 7, .first = 2, .last = 2, .flags = SEEN },
		{ .kind = JOURNAL_FLAGS, .mailbox = 7, .first = 3, .last = 3, .flags = FLAGGED },
		{ .kind = JOURNAL_FLAGS, .mailbox = 8, .first = 4, .last = 4, .flags = FLAGGED },
		{ .kind = JOURNAL_GONE, .mailbox = 8, .first = 5, .last = 5 },
		{ .kind = JOURNAL_GONE, .mailbox = 8, .first = 7, .last = 7 },
		{ .kind = JOURNAL_MOVE, .mailbox = 9, .from = SPAN_LIT("a/b"), .to = SPAN_LIT("trash/c") },
		{ .kind = JOURNAL_GONE, .mailbox = 8, .first = 8, .last = 8 },
	};
	_cleanup_buf_ struct buf file = BUF_INIT, out = BUF_INIT;

	add_frame(&file, 3, entries, ARRAY_SIZE(entries));
	assert_string_equal(show(&out, buf_span(&file)),
	                    "3 flags 7 1:2 1 flags 7 3:3 4 flags 8 4:4 4 gone 8 5:5 0"
	                    " gone 8 7:7 0 move 9 a/b>trash/c gone 8 8:8 0;");
}

static const struct journal_entry one = {
	.kind = JOURNAL_FLAGS, .mailbox = 1, .first = 1, .last = 9, .flags = SEEN
};
static const struct journal_entry two = {
	.kind = JOURNAL_MOVE, .mailbox = 2, .from = SPAN_LIT("a"), .to = SPAN_LIT("b")
};

static void a_frame_that_is_torn_anywhere_ends_the_journal_before_it(void **state)
{
	_cleanup_buf_ struct buf file = BUF_INIT, out = BUF_INIT;
	size_t first;

	add_frame(&file, 1, &one, 1);
	first = file.len;
	add_frame(&file, 2, &two, 1);
	for (size_t n = first; n < file.len; n++)
		assert_string_equal(show(&out, span_make(file.p, n)), "1 flags 1 1:9 1;");
	for (size_t n = first; n < file.len; n++) {
		file.p[n] ^= 0x10;
		assert_string_equal(show(&out, buf_span(&file)), "1 flags 1 1:9 1;");
		file.p[n] ^= 0x10;
	}
	assert_string_equal(show(&out, buf_span(&file)), "1 flags 1 1:9 1;2 move 2 a>b;");
}

static void a_frame_of_an_earlier_use_of_the_file_is_not_read(void **state)
{
	_cleanup_buf_ struct buf file = BUF_INIT, out = BUF_INIT;

	add_frame(&file, 5, &one, 1);
	add_frame(&file, 5, &two, 1);
	assert_string_equal(show(&out, buf_span(&file)), "5 flags 1 1:9 1;");
}

static void entries_that_are_none_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "\1\0\0\0", 4 },
		{ "\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0", 20 }, /* no kind */
		{ "\4\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0", 20 }, /* one of a later version */
		{ "\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\0\0\0", 19 },
		{ "\3\0\0\0\1\0\0\0\2\0\0\0\1\0\0\0ab", 18 }, /* paths of three bytes in two */
		{ "\3\0\0\0\1\0\0\0\xff\xff\xff\xff\2\0\0\0ab", 18 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span rest = span_make(cases[i].bytes, cases[i].len);
		struct journal_entry e;

		assert_int_equal(journal_entry_next(&rest, &e), -POD_E_CORRUPT);
	}
}

/* ---- a volume whose write-behind can be held up ---- */

struct hold {
	atomic_bool behind; /* nothing is written behind, no trash taken out */
	atomic_int commits_to_fail;
	atomic_uint count[VOLUME_STEPS];
};

static int on_step(void *arg, enum volume_step step)
{
	struct hold *h = arg;

	(void) atomic_fetch_add(&h->count[step], 1);
	if ((step == VOLUME_STEP_PLACE || step == VOLUME_STEP_UNLINK || step == VOLUME_STEP_TRASH) &&
	    atomic_load(&h->behind))
		return ENOSPC;
	if (step == VOLUME_STEP_COMMIT && atomic_load(&h->commits_to_fail) > 0) {
		(void) atomic_fetch_sub(&h->commits_to_fail, 1);
		return ENOSPC;
	}
	return 0;
}

static void make_held(struct fixture *f, struct hold *h, int messages)
{
	fixture_make(f, NULL);
	f->o.on_step = on_step;
	f->o.step_arg = h;
	f->o.write_behind_ms = 1;
	fixture_open(f);
	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	for (int i = 0; i < messages; i++)
		assert_int_equal(fixture_deliver(f, "alice", "", "x\r\n", NULL, NULL), 0);
	fixture_settle(f);
	atomic_store(&h->behind, true);
}

static int set_flags(struct fixture *f, uint32_t first, uint32_t last, uint32_t flags, const char *keyword)
{
	return fixture_flags(f, "alice", fixture_mailbox(f, "alice", "INBOX").id, first, last,
	                     CHANGE_FLAGS_SET, flags, keyword);
}

static int expunge(struct fixture *f)
{
	struct change c = fixture_change(f, CHANGE_EXPUNGE, "alice");

	c.mailbox = fixture_mailbox(f, "alice", "INBOX").id;
	return fixture_run(f, &c);
}

static void lose_index(struct fixture *f)
{
	fixture_close(f);
	(void) file_remove_tree(AT_FDCWD, arena_printf(f->a, "%s/index", f->path), NULL);
	assert_int_equal(volume_rebuild(f->path, &(struct fsck_report){ 0 }, &f->err), 0);
	fixture_open(f);
}

static const char *read_journal(struct fixture *f, struct buf *out)
{
	_cleanup_(closep) int dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_buf_ struct buf bytes = BUF_INIT;

	assert_int_equal(journal_read(dir, &bytes, &f->err), 0);
	return show(out, buf_span(&bytes));
}

static void a_rebuild_knows_flags_and_expunges_that_no_file_name_says(void **state)
{
	struct hold h = { false };
	struct fixture f;

	make_held(&f, &h, 4);
	assert_int_equal(set_flags(&f, 1, 3, SEEN, "blue"), 0);
	assert_int_equal(set_flags(&f, 2, 2, STORE_FLAG_DELETED, NULL), 0);
	assert_int_equal(expunge(&f), 0);
	assert_int_equal(set_flags(&f, 3, 3, FLAGGED, NULL), 0);
	/* One still in staging/ when its flags change, and one that goes from there. */
	assert_int_equal(fixture_deliver(&f, "alice", "", "y\r\n", NULL, NULL), 0);
	assert_int_equal(set_flags(&f, 5, 5, SEEN, NULL), 0);
	assert_int_equal(fixture_append(&f, "alice", "INBOX", "z\r\n", STORE_FLAG_DELETED, NULL, NULL), 0);
	assert_int_equal(expunge(&f), 0);
	/* And the rebuild's own journal, for one that comes before its names are right. */
	for (int i = 0; i < 3; i++) {
		lose_index(&f);
		assert_string_equal(fixture_rows(&f, "alice", "INBOX"), "1 21;3 4;4 0;5 1;");
	}
	atomic_store(&h.behind, false);
	fixture_settle(&f);
	lose_index(&f);
	assert_string_equal(fixture_rows(&f, "alice", "INBOX"), "1 21;3 4;4 0;5 1;");
	fixture_remove(&f);
}

static void flags_alone_are_flushed_once_and_mail_is_not_journaled(void **state)
{
	struct hold h = { false };
	struct fixture f;

	make_held(&f, &h, 1);
	f.o.write_behind_ms = 60000; /* whose own commits come after ours */
	fixture_close(&f);
	fixture_open(&f);
	assert_int_equal(set_flags(&f, 1, 1, FLAGGED, NULL), 0); /* the first commit after a start flushes all */
	memset(h.count, 0, sizeof(h.count));
	assert_int_equal(set_flags(&f, 1, 1, SEEN, NULL), 0);
	assert_int_equal(atomic_load(&h.count[VOLUME_STEP_JOURNAL]), 1);
	assert_int_equal(atomic_load(&h.count[VOLUME_STEP_SYNC]), 1);
	assert_int_equal(fixture_deliver(&f, "alice", "", "x\r\n", NULL, NULL), 0);
	assert_int_equal(atomic_load(&h.count[VOLUME_STEP_JOURNAL]), 1);
	assert_int_equal(atomic_load(&h.count[VOLUME_STEP_SYNC]), 2);
	fixture_remove(&f);
}

static void the_journal_is_empty_when_names_say_all(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct hold h = { false };
	struct fixture f;

	make_held(&f, &h, 2);
	assert_int_equal(set_flags(&f, 1, 2, SEEN, NULL), 0);
	assert_string_not_equal(read_journal(&f, &out), "");
	atomic_store(&h.behind, false);
	fixture_settle(&f);
	fixture_close(&f);
	assert_string_equal(read_journal(&f, &out), "");
	fixture_remove(&f);
}

static void what_a_failed_commit_had_written_is_taken_back(void **state)
{
	_cleanup_buf_ struct buf before = BUF_INIT, out = BUF_INIT;
	struct hold h = { false };
	struct fixture f;

	make_held(&f, &h, 2);
	assert_int_equal(set_flags(&f, 1, 1, SEEN, NULL), 0);
	(void) read_journal(&f, &before);
	atomic_store(&h.commits_to_fail, 100);
	assert_int_equal(set_flags(&f, 2, 2, FLAGGED, NULL), -POD_E_NOSPACE);
	atomic_store(&h.commits_to_fail, 0);
	assert_string_equal(read_journal(&f, &out), buf_str(&before));
	lose_index(&f);
	assert_string_equal(fixture_rows(&f, "alice", "INBOX"), "1 1;2 0;");
	fixture_remove(&f);
}

static void a_journal_that_grows_long_is_written_anew(void **state)
{
	enum { MESSAGES = 40, ROUNDS = 175 }; /* 7000 frames of 44 bytes are more than the file's room */
	struct hold h = { false };
	struct fixture f;
	struct stat st;
	const char *rows;

	make_held(&f, &h, MESSAGES);
	for (int i = 0; i < ROUNDS; i++)
		for (uint32_t uid = 1; uid <= MESSAGES; uid++)
			assert_int_equal(set_flags(&f, uid, uid, i % 2 ? SEEN : FLAGGED, NULL), 0);
	assert_int_equal(stat(arena_printf(f.a, "%s/" JOURNAL_FILE, f.path), &st), 0);
	assert_int_equal(st.st_size, 256 << 10);
	rows = fixture_rows(&f, "alice", "INBOX");
	lose_index(&f);
	assert_string_equal(fixture_rows(&f, "alice", "INBOX"), rows);
	fixture_remove(&f);
}

/* ---- folders whose move the power took back ---- */

static void take_back(struct fixture *f, const char *from, const char *to)
{
	const char *base = arena_printf(f->a, "%s/", f->path);

	assert_int_equal(rename(arena_printf(f->a, "%s%s", base, from), arena_printf(f->a, "%s%s", base, to)),
	                 0);
}

static const char *folder_of(struct fixture *f, const char *user, const char *mailbox)
{
	struct layout_path p;

	layout_mailbox(&p, span_of(user), span_of(mailbox));
	return arena_str(f->a, span_of(p.s));
}

static void a_rebuild_moves_folders_whose_move_was_lost(void **state)
{
	struct hold h = { false };
	struct fixture f;
	struct volume_mailbox m;
	struct volume_user u;

	make_held(&f, &h, 0);
	assert_int_equal(fixture_mailbox_op(&f, CHANGE_MAILBOX_CREATE, "alice", "A", NULL), 0);
	assert_int_equal(fixture_mailbox_op(&f, CHANGE_MAILBOX_RENAME, "alice", "A", "B"), 0);
	take_back(&f, folder_of(&f, "alice", "B"), folder_of(&f, "alice", "A"));
	lose_index(&f);
	(void) fixture_mailbox(&f, "alice", "B");
	assert_int_equal(volume_mailbox_get(f.vol, f.a, SPAN_LIT("alice"), SPAN_LIT("A"), &m, NULL),
	                 -POD_E_NOTFOUND);
	/* And what was made at the old place since stays there. */
	assert_int_equal(fixture_mailbox_op(&f, CHANGE_MAILBOX_RENAME, "alice", "B", "C"), 0);
	assert_int_equal(fixture_mailbox_op(&f, CHANGE_MAILBOX_CREATE, "alice", "B", NULL), 0);
	assert_int_equal(fixture_user_add(&f, "bob", 0), 0);
	assert_int_equal(fixture_mailbox_op(&f, CHANGE_USER_REMOVE, "bob", NULL, NULL), 0);
	assert_int_equal(fixture_user_add(&f, "bob", 0), 0);
	lose_index(&f);
	(void) fixture_mailbox(&f, "alice", "B");
	(void) fixture_mailbox(&f, "alice", "C");
	assert_int_equal(volume_user_get(f.vol, f.a, SPAN_LIT("bob"), &u, &f.err), 0);
	fixture_remove(&f);
}

static void a_rebuild_removes_again_what_the_power_brought_back(void **state)
{
	struct hold h = { false };
	struct fixture f;
	struct volume_mailbox m;
	struct volume_user u;
	struct layout_path bob;
	const char *junk;

	make_held(&f, &h, 0);
	junk = arena_printf(f.a, "trash/m-%08x", fixture_mailbox(&f, "alice", "Junk").id);
	assert_int_equal(fixture_user_add(&f, "bob", 0), 0);
	assert_int_equal(fixture_mailbox_op(&f, CHANGE_MAILBOX_DELETE, "alice", "Junk", NULL), 0);
	assert_int_equal(fixture_mailbox_op(&f, CHANGE_USER_REMOVE, "bob", NULL, NULL), 0);
	layout_user(&bob, SPAN_LIT("bob"));
	take_back(&f, junk, folder_of(&f, "alice", "Junk"));
	take_back(&f, "trash/u-00000002-bob", bob.s);
	lose_index(&f);
	assert_int_equal(volume_mailbox_get(f.vol, f.a, SPAN_LIT("alice"), SPAN_LIT("Junk"), &m, NULL),
	                 -POD_E_NOTFOUND);
	assert_int_equal(volume_user_get(f.vol, f.a, SPAN_LIT("bob"), &u, NULL), -POD_E_NOTFOUND);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_with_one_fate_share_an_entry),
		cmocka_unit_test(a_frame_that_is_torn_anywhere_ends_the_journal_before_it),
		cmocka_unit_test(a_frame_of_an_earlier_use_of_the_file_is_not_read),
		cmocka_unit_test(entries_that_are_none_are_refused),
		cmocka_unit_test(a_rebuild_knows_flags_and_expunges_that_no_file_name_says),
		cmocka_unit_test(flags_alone_are_flushed_once_and_mail_is_not_journaled),
		cmocka_unit_test(the_journal_is_empty_when_names_say_all),
		cmocka_unit_test(what_a_failed_commit_had_written_is_taken_back),
		cmocka_unit_test(a_journal_that_grows_long_is_written_anew),
		cmocka_unit_test(a_rebuild_moves_folders_whose_move_was_lost),
		cmocka_unit_test(a_rebuild_removes_again_what_the_power_brought_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
