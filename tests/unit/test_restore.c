/* Mail brought back out of a copy of a volume: what comes back, what does not, and what a hostile copy cannot
 * do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "store/maildir/file.h"
#include "store/maildir/layout.h"
#include "store/restore/restore.h"
#include "store/restore/source.h"
#include "tests/support/volume_fixture.h"

#define SEEN    STORE_FLAG_SEEN
#define FLAGGED STORE_FLAG_FLAGGED
#define DELETED STORE_FLAG_DELETED

extern char **environ;

static const char letter[] =
	"From: =?utf-8?q?J=C3=BCrgen?= <j@example.test>\r\nSubject: =?utf-8?q?Caf=C3=A9?= plan\r\n"
	"Message-ID: <cafe.1@example.test>\r\n\r\nLet us meet.\r\n";
static const char other[] =
	"From: bob@example.test\r\nSubject: other\r\nMessage-ID: <2@example.test>\r\n\r\nx\r\n";

/* ---- a copy of the volume, as a snapshot has it ---- */

static const char *copy_path(struct fixture *f)
{
	return arena_printf(f->a, "%s/copy", f->dir);
}

static void run_program(const char *const *argv)
{
	pid_t child;
	int status;

	assert_int_equal(posix_spawnp(&child, argv[0], NULL, NULL, (char *const *) (uintptr_t) argv, environ),
	                 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void take_copy(struct fixture *f)
{
	const char *const argv[] = { "cp", "-a", f->path, copy_path(f), NULL };

	(void) file_remove_tree(AT_FDCWD, copy_path(f), NULL);
	run_program(argv);
}

static const char *in_copy(struct fixture *f, const char *user, const char *more)
{
	struct layout_path p;

	layout_user(&p, span_of(user));
	return arena_printf(f->a, "%s/%s/%s", copy_path(f), p.s, more);
}

/* ---- asking ---- */

struct told {
	struct buf items, problems;
	uint64_t end_after; /* restored; 0: never */
};

static void told_done(struct told *t)
{
	buf_done(&t->items);
	buf_done(&t->problems);
}

static const char *state_name(enum restore_state s)
{
	static const char *const names[] = { "found", "present", "restored", "failed" };

	return names[s];
}

static void note_item(void *arg, const struct restore_item *i)
{
	struct told *t = arg;

	buf_printf(&t->items, "%s/%u>%s/%u %s " SPAN_FMT "|" SPAN_FMT "|" SPAN_FMT "\n", i->mailbox, i->uid,
	           i->into, i->new_uid, state_name(i->state), SPAN_ARG(i->subject), SPAN_ARG(i->from),
	           SPAN_ARG(i->message_id));
}

static void note_problem(void *arg, const char *text)
{
	buf_printf(&((struct told *) arg)->problems, "%s\n", text);
}

static bool note_progress(void *arg, const struct restore_report *r)
{
	const struct told *t = arg;

	return t->end_after == 0 || r->restored < t->end_after;
}

static struct restore_wish wish(struct fixture *f, const char *mailbox)
{
	return (struct restore_wish){
		.source = { .path = copy_path(f), .exact = true, .user_id = SPAN_LIT("alice") },
		.user_id = SPAN_LIT("alice"),
		.mailbox = span_of(mailbox),
		.items = true
	};
}

static int restore(struct fixture *f, const struct restore_wish *w, struct told *t,
                   struct restore_report *ret)
{
	struct restore_report report = {
		.item = note_item, .problem = note_problem, .progress = note_progress, .arg = t
	};
	int r;

	buf_clear(&t->items);
	buf_clear(&t->problems);
	f->err = (struct err){ 0 };
	r = volume_restore(f->vol, w, &report, &f->err);
	if (ret)
		*ret = report;
	return r;
}

static int expunge_all(struct fixture *f, const char *mailbox)
{
	struct volume_mailbox m = fixture_mailbox(f, "alice", mailbox);
	struct change c = fixture_change(f, CHANGE_EXPUNGE, "alice");
	int r = fixture_flags(f, "alice", m.id, 1, UINT32_MAX - 1, CHANGE_FLAGS_ADD, DELETED, NULL);

	c.mailbox = m.id;
	return r < 0 ? r : fixture_run(f, &c);
}

/* Two messages in INBOX (uids 1 and 2), settled in their places. */
static void fill(struct fixture *f)
{
	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_append(f, "alice", "INBOX", letter, SEEN | FLAGGED, "$Work", NULL), 0);
	assert_int_equal(fixture_deliver(f, "alice", NULL, other, NULL, NULL), 0);
	fixture_settle(f);
}

/* ---- what comes back ---- */

static int note_row(void *arg, const struct volume_row *r)
{
	char guid[ID_TEXT_SIZE];

	guid_format(&r->guid, guid);
	buf_printf(arg, "%u %x %lld %s " SPAN_FMT "\n", r->uid, r->flags, (long long) r->internal_date, guid,
	           SPAN_ARG(r->envelope));
	return 0;
}

static const char *rows(struct fixture *f, const char *mailbox)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct volume_mailbox m = fixture_mailbox(f, "alice", mailbox);
	struct uid_range all = { 1, UINT32_MAX };
	const struct uid_ranges uids = { &all, 1 };

	assert_int_equal(volume_fetch(f->vol, span_of("alice"), m.id, &uids,
	                              STORE_COL_ENVELOPE | STORE_COL_GUID, 0, note_row, &b, &f->err),
	                 0);
	return arena_str(f->a, buf_span(&b));
}

static void a_message_that_was_deleted_comes_back_under_a_new_uid_with_all_it_had(void **state)
{
	struct fixture *f = *state;
	struct uid_range first = { 1, 1 };
	struct told t = { 0 };
	struct restore_report report;
	struct restore_wish w;
	const char *before, *after;

	fill(f);
	before = rows(f, "INBOX");
	take_copy(f);
	assert_int_equal(expunge_all(f, "INBOX"), 0);
	w = wish(f, "inbox");
	w.uids = (struct uid_ranges){ &first, 1 };
	assert_int_equal(restore(f, &w, &t, &report), 0);
	assert_int_equal(report.restored, 1);
	after = rows(f, "INBOX");
	assert_string_equal(buf_str(&t.items), "INBOX/1>INBOX/3 restored ||\n");
	/* The same flags, keyword, date and GUID; the envelope is the parser's. */
	assert_memory_equal(after, "3", 1);
	assert_memory_equal(after + 1, before + 1, strcspn(before, "\n") - 1);
	assert_non_null(strstr(after, "cafe.1@example.test"));
	assert_string_equal(fixture_body(f, "alice", fixture_mailbox(f, "alice", "INBOX").id, 3), letter);
	told_done(&t);
}

static void what_is_there_is_not_doubled_however_often_it_is_restored(void **state)
{
	struct fixture *f = *state;
	struct told t = { 0 };
	struct restore_report report;
	struct restore_wish w;

	fill(f);
	take_copy(f);
	w = wish(f, "INBOX");
	assert_int_equal(restore(f, &w, &t, &report), 0);
	assert_int_equal(report.present, 2);
	assert_int_equal(expunge_all(f, "INBOX"), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(restore(f, &w, &t, &report), 0);
	assert_int_equal(report.present, 2);
	assert_int_equal(report.restored, 0);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "3 25;4 0;");
	w.force = true;
	assert_int_equal(restore(f, &w, &t, &report), 0);
	assert_int_equal(report.restored, 2);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "3 25;4 0;5 25;6 0;");
	told_done(&t);
}

static void a_restore_that_was_ended_goes_on_where_it_stopped(void **state)
{
	struct fixture *f = *state;
	struct told t = { .end_after = 1 };
	struct restore_report report;
	struct restore_wish w;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	for (int i = 0; i < 700; i++)
		assert_int_equal(fixture_append(f, "alice", "INBOX", other, 0, NULL, NULL), 0);
	fixture_settle(f);
	take_copy(f);
	assert_int_equal(expunge_all(f, "INBOX"), 0);
	w = wish(f, "INBOX");
	assert_int_equal(restore(f, &w, &t, &report), -POD_E_CANCELLED);
	assert_true(report.restored > 0 && report.restored < 700);
	t.end_after = 0;
	assert_int_equal(restore(f, &w, &t, &report), 0);
	assert_int_equal(fixture_mailbox(f, "alice", "INBOX").messages, 700);
	told_done(&t);
}

static void a_mailbox_that_was_deleted_is_made_again_with_what_it_was_for(void **state)
{
	struct fixture *f = *state;
	struct told t = { 0 };
	struct restore_wish w;
	uint32_t validity;

	fill(f);
	assert_int_equal(fixture_append(f, "alice", "Sent", letter, SEEN, NULL, NULL), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_CREATE, "alice", "A/B", NULL), 0);
	fixture_settle(f);
	validity = fixture_mailbox(f, "alice", "Sent").uidvalidity;
	take_copy(f);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_DELETE, "alice", "Sent", NULL), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_SUBSCRIBE, "alice", "Sent", NULL), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_DELETE, "alice", "A/B", NULL), 0);
	w = wish(f, NULL);
	assert_int_equal(restore(f, &w, &t, NULL), 0);
	assert_string_equal(fixture_mailbox(f, "alice", "Sent").special_use, "\\Sent");
	assert_true(fixture_mailbox(f, "alice", "Sent").subscribed);
	assert_int_equal(fixture_mailbox(f, "alice", "Sent").messages, 1);
	assert_true(fixture_mailbox(f, "alice", "Sent").uidvalidity > validity);
	assert_true(fixture_mailbox(f, "alice", "A/B").exists);
	told_done(&t);
}

static void mail_can_come_back_below_another_mailbox(void **state)
{
	struct fixture *f = *state;
	struct told t = { 0 };
	struct restore_wish w;

	fill(f);
	take_copy(f);
	w = wish(f, "INBOX");
	w.into = SPAN_LIT("Restored/daily-1");
	assert_int_equal(restore(f, &w, &t, NULL), 0);
	assert_string_equal(fixture_rows(f, "alice", "Restored/daily-1"), "1 25;2 0;");
	w = wish(f, NULL);
	w.into = SPAN_LIT("Old");
	assert_int_equal(restore(f, &w, &t, NULL), 0);
	assert_string_equal(fixture_rows(f, "alice", "Old/INBOX"), "1 25;2 0;");
	assert_string_equal(fixture_mailbox(f, "alice", "Old/Sent").special_use, "");
	told_done(&t);
}

static void messages_are_found_by_what_their_headers_say(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *id, *subject, *from, *items;
	} cases[] = {
		{ "<cafe.1@example.test>", NULL, NULL,
		  "INBOX/1>INBOX/0 found Caf\303\251 plan|J\303\274rgen "
		  "<j@example.test>|cafe.1@example.test\n" },
		{ "2@example.test", NULL, NULL,
		  "INBOX/2>INBOX/0 found other|bob@example.test|2@example.test\n" },
		{ NULL, "CAF\303\251 PLAN", NULL,
		  "INBOX/1>INBOX/0 found Caf\303\251 plan|J\303\274rgen "
		  "<j@example.test>|cafe.1@example.test\n" },
		{ NULL, NULL, "J\303\274rgen",
		  "INBOX/1>INBOX/0 found Caf\303\251 plan|J\303\274rgen "
		  "<j@example.test>|cafe.1@example.test\n" },
		{ NULL, "plan", "bob", "" },
	};
	struct told t = { 0 };
	struct restore_wish w;

	fill(f);
	take_copy(f);
	assert_int_equal(expunge_all(f, "INBOX"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		w = wish(f, NULL);
		w.list = true;
		w.message_id = cases[i].id;
		w.subject = cases[i].subject;
		w.from = cases[i].from;
		assert_int_equal(restore(f, &w, &t, NULL), *cases[i].items ? 0 : -POD_E_NOTFOUND);
		assert_string_equal(buf_str(&t.items), cases[i].items);
	}
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), ""); /* listing changes nothing */
	w = wish(f, NULL);
	w.since = 1650000000;
	w.before = 1750000000;
	assert_int_equal(restore(f, &w, &t, NULL), 0);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "3 0;");
	told_done(&t);
}

/* ---- what a crash-consistent copy knows ---- */

static int nothing_behind(void *arg, enum volume_step step)
{
	return step == VOLUME_STEP_PLACE || step == VOLUME_STEP_UNLINK ? EBUSY : 0;
}

/* From now on files stay where and as they are committed. */
static void hold_write_behind(struct fixture *f)
{
	fixture_close(f);
	f->o.on_step = nothing_behind;
	fixture_open(f);
}

static void a_snapshot_knows_flags_and_messages_that_were_not_yet_written_behind(void **state)
{
	struct fixture *f = *state;
	struct told t = { 0 };
	struct restore_wish w;
	uint32_t id;

	hold_write_behind(f);
	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_append(f, "alice", "INBOX", letter, 0, NULL, NULL), 0);
	assert_int_equal(fixture_append(f, "alice", "INBOX", other, 0, NULL, NULL), 0);
	id = fixture_mailbox(f, "alice", "INBOX").id;
	assert_int_equal(fixture_flags(f, "alice", id, 1, 1, CHANGE_FLAGS_ADD, SEEN | DELETED, "$Work"), 0);
	take_copy(f);
	assert_int_equal(expunge_all(f, "INBOX"), 0);
	w = wish(f, "INBOX");
	assert_int_equal(restore(f, &w, &t, NULL), 0);
	assert_string_equal(buf_str(&t.problems), "");
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "3 21;4 0;"); /* not \Deleted: it is wanted */
	/* A copy of no one moment: its journal knows them too; file names alone do not. */
	assert_int_equal(expunge_all(f, "INBOX"), 0);
	w.source.exact = false;
	assert_int_equal(restore(f, &w, &t, NULL), 0);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "5 21;6 0;");
	assert_int_equal(expunge_all(f, "INBOX"), 0);
	assert_int_equal(unlink(arena_printf(f->a, "%s/names.journal", copy_path(f))), 0);
	assert_int_equal(restore(f, &w, &t, NULL), 0);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "7 0;8 0;");
	told_done(&t);
}

/* An image of a moment that nobody waited for: the last deliveries are in their journal, their files are not. */
static void deliveries_that_the_index_of_a_snapshot_lacks_come_out_of_its_journal(void **state)
{
	struct fixture *f = *state;
	struct told t = { 0 };
	struct restore_wish w;

	fixture_close(f);
	f->o.settle_ms = 60000;
	fixture_open(f);
	fill(f);
	take_copy(f); /* its journal is settled */
	w = wish(f, "INBOX");
	assert_int_equal(expunge_all(f, "INBOX"), 0);
	assert_int_equal(restore(f, &w, &t, NULL), 0);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "3 25;4 0;");
	fixture_settle(f); /* its commits would settle what is to be in the journal alone */
	assert_int_equal(fixture_deliver(f, "alice", NULL, letter, NULL, NULL), 0);
	assert_int_equal(fixture_deliver(f, "alice", NULL, other, NULL, NULL), 0);
	take_copy(f);
	(void) file_remove_tree(AT_FDCWD, arena_printf(f->a, "%s/staging", copy_path(f)), NULL);
	assert_int_equal(expunge_all(f, "INBOX"), 0);
	assert_int_equal(restore(f, &w, &t, NULL), 0);
	assert_string_equal(buf_str(&t.problems), "");
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "7 25;8 0;9 0;10 0;");
	assert_string_equal(fixture_body(f, "alice", fixture_mailbox(f, "alice", "INBOX").id, 9), letter);
	/* And without the index. */
	(void) file_remove_tree(AT_FDCWD, arena_printf(f->a, "%s/index", copy_path(f)), NULL);
	assert_int_equal(expunge_all(f, "INBOX"), 0);
	assert_int_equal(restore(f, &w, &t, NULL), 0);
	assert_int_equal(fixture_mailbox(f, "alice", "INBOX").messages, 4);
	told_done(&t);
}

static void what_was_expunged_before_a_snapshot_does_not_come_back(void **state)
{
	struct fixture *f = *state;
	struct told t = { 0 };
	struct restore_report report;
	struct restore_wish w;

	hold_write_behind(f);
	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_append(f, "alice", "INBOX", letter, DELETED, NULL, NULL), 0);
	assert_int_equal(expunge_all(f, "INBOX"), 0);
	take_copy(f);
	w = wish(f, "INBOX");
	assert_int_equal(restore(f, &w, &t, &report), 0);
	assert_int_equal(report.found, 0);
	w.source.exact = false; /* the file is still there: losing nothing goes before showing too much */
	assert_int_equal(restore(f, &w, &t, &report), 0);
	assert_int_equal(report.restored, 1);
	told_done(&t);
}

static void an_index_that_lies_ends_its_reader_and_not_the_store(void **state)
{
	struct fixture *f = *state;
	struct told t = { 0 };
	struct restore_wish w;
	_cleanup_(closep) int fd = -1;
	char noise[4096];

	fill(f);
	take_copy(f);
	assert_int_equal(expunge_all(f, "INBOX"), 0);
	memset(noise, 0xff, sizeof(noise));
	fd = open(arena_printf(f->a, "%s/index/data.mdb", copy_path(f)), O_WRONLY | O_CLOEXEC);
	for (off_t at = 8192; at < 262144; at += (off_t) sizeof(noise)) /* behind the two meta pages */
		assert_int_equal(pwrite(fd, noise, sizeof(noise), at), sizeof(noise));
	w = wish(f, "INBOX");
	assert_int_equal(restore(f, &w, &t, NULL), 0);
	assert_non_null(strstr(buf_str(&t.problems), "the index of the source is not used"));
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "3 25;4 0;");
	told_done(&t);
}

/* ---- a volume taken over ---- */

/* Goes on with the copy, as a standby does that is promoted while the old primary had more. */
static void take_over(struct fixture *f, uint64_t token)
{
	fixture_close(f);
	(void) file_remove_tree(AT_FDCWD, f->path, NULL);
	assert_int_equal(rename(copy_path(f), f->path), 0);
	f->o.token = token;
	fixture_open(f);
}

static void uids_that_a_lost_tail_had_do_not_come_again(void **state)
{
	struct fixture *f = *state;
	struct volume_mailbox before, after;
	uint64_t lost_modseq;
	uint32_t lost = 0, next = 0;

	fixture_close(f);
	f->o.token = 1;
	fixture_open(f);
	fill(f);
	take_copy(f);
	for (int i = 0; i < 5; i++)
		assert_int_equal(fixture_deliver(f, "alice", NULL, other, NULL, &lost), 0);
	before = fixture_mailbox(f, "alice", "INBOX");
	lost_modseq = before.highestmodseq;
	take_over(f, 2);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "1 25;2 0;");
	assert_int_equal(fixture_deliver(f, "alice", NULL, letter, NULL, &next), 0);
	after = fixture_mailbox(f, "alice", "INBOX");
	assert_int_equal(after.uidvalidity, before.uidvalidity);
	assert_true(next > lost);
	assert_true(after.highestmodseq > lost_modseq);
	/* Under the same token it goes on as it was. */
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(fixture_deliver(f, "alice", NULL, other, NULL, &lost), 0);
	assert_int_equal(lost, next + 1);
}

/* ---- a copy that others made ---- */

static void links_and_pipes_in_a_copy_are_not_followed(void **state)
{
	struct fixture *f = *state;
	struct told t = { 0 };
	struct restore_report report;
	struct restore_wish w;

	fill(f);
	take_copy(f);
	w = wish(f, "INBOX");
	w.source.exact = false;
	/* In a folder of messages: none of these is one. */
	assert_int_equal(symlink("/etc/passwd", in_copy(f, "alice", "Maildir/cur/1.2.h:2,S")), 0);
	assert_int_equal(mkfifo(in_copy(f, "alice", "Maildir/cur/2.2.h:2,S"), 0600), 0);
	assert_int_equal(restore(f, &w, &t, &report), 0);
	assert_int_equal(report.found, 2);
	assert_non_null(strstr(buf_str(&t.problems), "2 entries are no messages"));
	/* A folder that is a link, of another user's mail or of anything. */
	assert_int_equal(rename(in_copy(f, "alice", "Maildir"), in_copy(f, "alice", "elsewhere")), 0);
	assert_int_equal(symlink("elsewhere", in_copy(f, "alice", "Maildir")), 0);
	assert_int_equal(restore(f, &w, &t, &report), -POD_E_DENIED);
	told_done(&t);
}

static void a_message_cut_short_and_another_tools_file_come_back_as_they_are(void **state)
{
	struct fixture *f = *state;
	struct told t = { 0 };
	struct restore_report report;
	struct restore_wish w;
	uint32_t id;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	take_copy(f);
	assert_int_equal(file_replace(AT_FDCWD, in_copy(f, "alice", "Maildir/cur/1400000000.M1P2.mail:2,RS"),
	                              SPAN_LIT("Subject: lf\n\nbody\n"), 0600, &f->err),
	                 0);
	w = wish(f, "INBOX");
	w.source.exact = false;
	assert_int_equal(restore(f, &w, &t, &report), 0);
	assert_int_equal(restore(f, &w, &t, &report), 0);
	assert_int_equal(report.present, 1);
	id = fixture_mailbox(f, "alice", "INBOX").id;
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "1 3;");
	assert_string_equal(fixture_body(f, "alice", id, 1), "Subject: lf\r\n\r\nbody\r\n");
	assert_memory_equal(rows(f, "INBOX"), "1 3 1400000000 ", 15);
	told_done(&t);
}

static void a_folder_that_holds_no_volume_is_refused_in_words(void **state)
{
	struct fixture *f = *state;
	struct told t = { 0 };
	struct restore_wish w;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	w = wish(f, NULL);
	assert_int_equal(restore(f, &w, &t, NULL), -POD_E_NOTFOUND);
	assert_int_equal(mkdir(copy_path(f), 0700), 0);
	assert_int_equal(restore(f, &w, &t, NULL), -POD_E_NOTFOUND);
	assert_non_null(strstr(f->err.text, "holds no volume"));
	take_copy(f);
	w.source.user_id = SPAN_LIT("nobody");
	assert_int_equal(restore(f, &w, &t, NULL), -POD_E_NOTFOUND);
	assert_non_null(strstr(f->err.text, "there is no user nobody"));
	w = wish(f, "Nothing");
	assert_int_equal(restore(f, &w, &t, NULL), -POD_E_NOTFOUND);
	assert_non_null(strstr(f->err.text, "there is no mailbox"));
	told_done(&t);
}

/* ---- quota ---- */

static void the_quota_ends_a_restore_unless_it_is_not_to_count(void **state)
{
	struct fixture *f = *state;
	struct change c = fixture_change(f, CHANGE_USER_SET, "alice");
	struct told t = { 0 };
	struct restore_report report;
	struct restore_wish w;

	fill(f);
	take_copy(f);
	assert_int_equal(expunge_all(f, "INBOX"), 0);
	c.u.user_op.set_quota = true;
	c.u.user_op.user.quota_bytes = sizeof(letter) + 10;
	assert_int_equal(fixture_run(f, &c), 0);
	w = wish(f, "INBOX");
	assert_int_equal(restore(f, &w, &t, &report), -POD_E_QUOTA);
	assert_int_equal(report.restored, 1);
	assert_non_null(strstr(f->err.text, "1 messages were restored"));
	w.over_quota = true;
	assert_int_equal(restore(f, &w, &t, &report), 0);
	assert_int_equal(report.restored, 1);
	assert_int_equal(report.present, 1);
	told_done(&t);
}

/* ---- users ---- */

static void a_user_who_was_removed_comes_back_with_credentials_and_mail(void **state)
{
	struct fixture *f = *state;
	struct change c = fixture_change(f, CHANGE_USER_REMOVE, "alice");
	struct source_options by_address;
	struct told t = { 0 };
	struct volume_user u;
	struct restore_wish w;

	fill(f);
	take_copy(f);
	assert_int_equal(fixture_run(f, &c), 0);
	w = wish(f, NULL);
	assert_int_equal(restore(f, &w, &t, NULL), -POD_E_NOTFOUND);
	by_address = (struct source_options){ .path = copy_path(f),
		                              .user_id = SPAN_LIT("alice-2"),
		                              .address = "ALICE@example.test" };
	assert_int_equal(volume_restore_account(f->vol, &by_address, SPAN_LIT("alice-2"),
	                                        "alice@example.test", &f->err),
	                 0);
	assert_int_equal(volume_restore_account(f->vol, &by_address, SPAN_LIT("alice-2"), NULL, &f->err),
	                 -POD_E_EXISTS);
	assert_int_equal(volume_user_get(f->vol, f->a, SPAN_LIT("alice-2"), &u, &f->err), 0);
	assert_string_equal(u.crypt_hash, "$y$hash");
	assert_string_equal(u.display_name, "Some One");
	assert_string_equal(u.address, "alice@example.test");
	w.user_id = SPAN_LIT("alice-2");
	assert_int_equal(restore(f, &w, &t, NULL), 0);
	assert_string_equal(fixture_rows(f, "alice-2", "INBOX"), "1 25;2 0;");
	told_done(&t);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_message_that_was_deleted_comes_back_under_a_new_uid_with_all_it_had),
		TEST(what_is_there_is_not_doubled_however_often_it_is_restored),
		TEST(a_restore_that_was_ended_goes_on_where_it_stopped),
		TEST(a_mailbox_that_was_deleted_is_made_again_with_what_it_was_for),
		TEST(mail_can_come_back_below_another_mailbox),
		TEST(messages_are_found_by_what_their_headers_say),
		TEST(a_snapshot_knows_flags_and_messages_that_were_not_yet_written_behind),
		TEST(what_was_expunged_before_a_snapshot_does_not_come_back),
		TEST(deliveries_that_the_index_of_a_snapshot_lacks_come_out_of_its_journal),
		TEST(an_index_that_lies_ends_its_reader_and_not_the_store),
		TEST(uids_that_a_lost_tail_had_do_not_come_again),
		TEST(links_and_pipes_in_a_copy_are_not_followed),
		TEST(a_message_cut_short_and_another_tools_file_come_back_as_they_are),
		TEST(a_folder_that_holds_no_volume_is_refused_in_words),
		TEST(the_quota_ends_a_restore_unless_it_is_not_to_count),
		TEST(a_user_who_was_removed_comes_back_with_credentials_and_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
