/* fsck against files that others touched, and rebuild from the files alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/index/index.h"
#include "store/maildir/file.h"
#include "store/maildir/layout.h"
#include "tests/support/volume_fixture.h"

#define SEEN STORE_FLAG_SEEN

static const char text[] = "From: a@example.test\r\nSubject: =?iso-8859-2?q?=B1?=\r\n\r\nbody\r\n";

static void put_file(struct fixture *f, const char *path, const char *bytes)
{
	_cleanup_(closep) int dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(file_replace(dir, path, span_of(bytes), 0600, &f->err), 0);
}

static const char *maildir(struct fixture *f, const char *user, const char *more)
{
	struct layout_path p;

	layout_user(&p, span_of(user));
	return arena_printf(f->a, "%s/Maildir/%s", p.s, more);
}

static void note_problem(void *arg, const char *problem)
{
	buf_printf(arg, "%s\n", problem);
}

static struct fsck_report fsck(struct fixture *f, bool repair, struct buf *problems)
{
	struct fsck_report report = { .problem = problems ? note_problem : NULL, .arg = problems };

	assert_int_equal(volume_fsck(f->vol, SPAN_NONE, repair, &report, &f->err), 0);
	return report;
}

static void assert_clean(struct fixture *f)
{
	_cleanup_buf_ struct buf problems = BUF_INIT;

	(void) fsck(f, false, &problems);
	assert_string_equal(buf_str(&problems), "");
}

/* ---- the whole state as text ---- */

static int dump_row(void *arg, const struct volume_row *r)
{
	char guid[ID_TEXT_SIZE];

	guid_format(&r->guid, guid);
	buf_printf(arg, "  %u %x %lld %llu %s " SPAN_FMT "\n", r->uid, r->flags, (long long) r->internal_date,
	           (unsigned long long) r->size, guid, SPAN_ARG(r->envelope));
	return 0;
}

static const char *dump(struct fixture *f, const char *user)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct volume_mailboxes list;
	struct volume_user u;
	struct uid_range all = { 1, UINT32_MAX };
	const struct uid_ranges uids = { &all, 1 };

	assert_int_equal(volume_user_get(f->vol, f->a, span_of(user), &u, &f->err), 0);
	buf_printf(&b, "%s %s %s %s %llu %llu %u %u\n", u.address, u.display_name, u.crypt_hash, u.scram,
	           (unsigned long long) u.quota_bytes, (unsigned long long) u.used_bytes, u.messages, u.mailboxes);
	assert_int_equal(volume_mailbox_list(f->vol, f->a, span_of(user), &list, &f->err), 0);
	for (size_t i = 0; i < list.n; i++) {
		const struct volume_mailbox *m = &list.items[i];
		char guid[ID_TEXT_SIZE];

		guid_format(&m->guid, guid);
		buf_printf(&b, "%s %u %s %d %d %s %u %u", m->name, m->uidvalidity, m->special_use, m->subscribed, m->exists, guid,
		           m->messages, m->unseen);
		for (size_t j = 0; j < m->keywords_n; j++)
			buf_printf(&b, " %s", m->keywords[j]);
		buf_add_byte(&b, '\n');
		if (m->exists)
			assert_int_equal(volume_fetch(f->vol, span_of(user), m->id, &uids, STORE_COL_ENVELOPE, 0, dump_row, &b,
			                              &f->err), 0);
	}
	return arena_str(f->a, buf_span(&b));
}

static int append(struct fixture *f, const char *mailbox, uint32_t flags, const char *keyword)
{
	struct volume_body body = { .fd = -1 };
	struct change c = fixture_change(f, CHANGE_APPEND, "alice");
	const struct span word = span_of(keyword);
	int r;

	assert_int_equal(volume_stage_body(f->vol, SPAN_NONE, span_of(text), -1, 0, &body, &f->err), 0);
	assert_int_equal(volume_parse_file(body.fd, f->a, &c.u.append.summary, &f->err), 0);
	c.u.append.body = body;
	c.u.append.name = span_of(mailbox);
	c.u.append.flags = flags;
	c.u.append.internal_date = 1500000000;
	c.u.append.keywords = &word;
	c.u.append.keywords_n = keyword ? 1 : 0;
	c.id = guid_new();
	r = fixture_run(f, &c);
	volume_body_done(&body);
	return r;
}

static void fill(struct fixture *f)
{
	uint32_t id;

	assert_int_equal(fixture_user_add(f, "alice", 123456), 0);
	assert_int_equal(fixture_user_add(f, "bob", 0), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_CREATE, "alice", "Work/v1.2 \xc3\xbc", NULL), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_SUBSCRIBE, "alice", "No/Box", "yes"), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(append(f, "INBOX", i % 2 ? SEEN : 0, i == 3 ? "red" : NULL), 0);
	assert_int_equal(append(f, "Work/v1.2 \xc3\xbc", SEEN | STORE_FLAG_FLAGGED, "blue"), 0);
	id = fixture_mailbox(f, "alice", "INBOX").id;
	assert_int_equal(fixture_flags(f, "alice", id, 2, 2, CHANGE_FLAGS_SET, STORE_FLAG_ANSWERED, "green"), 0);
	assert_int_equal(fixture_flags(f, "alice", id, 5, 5, CHANGE_FLAGS_SET, STORE_FLAG_DELETED, NULL), 0);
	struct change c = fixture_change(f, CHANGE_EXPUNGE, "alice");
	c.mailbox = id;
	assert_int_equal(fixture_run(f, &c), 0);
}

static void rebuild(struct fixture *f)
{
	struct fsck_report report = { 0 };
	struct err err = { 0 };

	fixture_close(f);
	(void) file_remove_tree(AT_FDCWD, arena_printf(f->a, "%s/index", f->path), NULL);
	assert_true(volume_lacks_index(f->path));
	assert_int_equal(volume_open(&f->o, &f->vol, &err), -POD_E_CORRUPT);
	assert_int_equal(volume_rebuild(f->path, &report, &err), 0);
	assert_false(volume_lacks_index(f->path));
	assert_int_equal(report.problems, 0);
	fixture_open(f);
}

static void a_rebuilt_volume_is_the_one_before(void **state)
{
	struct fixture *f = *state;
	const char *before;
	struct guid id = guid_new();
	uint64_t modseq;
	uint32_t uid = 0, validity;

	fill(f);
	assert_int_equal(fixture_deliver(f, "bob", "", "x\r\n", &id, NULL), 0);
	validity = fixture_mailbox(f, "bob", "Junk").uidvalidity;
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_DELETE, "bob", "Junk", NULL), 0);
	before = dump(f, "alice");
	modseq = fixture_mailbox(f, "alice", "INBOX").highestmodseq;
	for (int i = 0; i < 2; i++) {
		rebuild(f);
		assert_string_equal(dump(f, "alice"), before);
		assert_clean(f);
		assert_true(fixture_mailbox(f, "alice", "INBOX").highestmodseq > modseq);
		modseq = fixture_mailbox(f, "alice", "INBOX").highestmodseq;
		/* A delivery that came before is recognised, uids go on above all that were given out. */
		assert_int_equal(fixture_deliver(f, "bob", "", "x\r\n", &id, &uid), 0);
		assert_int_equal(uid, 1);
	}
	assert_int_equal(append(f, "INBOX", 0, NULL), 0);
	assert_true(fixture_mailbox(f, "alice", "INBOX").uidnext > 6);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_CREATE, "bob", "Junk", NULL), 0);
	assert_true(fixture_mailbox(f, "bob", "Junk").uidvalidity > validity);
}

/* A name in staging/ that says a message is whole, over these bytes, made as long as `size` by zeros. */
static void stage_file(struct fixture *f, uint32_t mailbox, uint32_t uid, size_t said, struct span bytes, size_t size)
{
	const char *path = arena_printf(f->a, "%s/staging/%08x.1500000000.0123456789abcdef0123456789abcdef.vol01,S=%zu,W=%zu,U=%u",
	                                f->path, mailbox, said, said, uid);
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, bytes.p, bytes.len), bytes.len);
	assert_int_equal(ftruncate(fd, (off_t) size), 0);
}

/* What a power cut may leave of commits that nobody had an answer for: names and sizes without bytes. */
static void a_rebuild_takes_nothing_in_that_lacks_its_bytes(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct fsck_report report = { 0 };
	const char *before;
	uint32_t id;

	fill(f);
	id = fixture_mailbox(f, "alice", "INBOX").id;
	before = dump(f, "alice");
	fixture_close(f);
	while (lines.len < 8192)
		buf_add_str(&lines, "a line\r\n");
	stage_file(f, id, 100, 700, SPAN_NONE, 700); /* none of its blocks were written */
	stage_file(f, id, 101, 8192, span_make(lines.p, 4096), 8192); /* some were */
	stage_file(f, id, 102, 8192, span_make(lines.p, 4096), 4096); /* the file is short */
	memset(lines.p + 512, 0, 512);
	stage_file(f, id, 103, 8192, buf_span(&lines), 8192); /* one in the middle is missing */
	put_file(f, "staging/a-alice", "");
	put_file(f, "staging/s-alice", "");
	assert_int_equal(mkdir(arena_printf(f->a, "%s/staging/u-carol", f->path), 0700), 0);
	assert_int_equal(mkdir(arena_printf(f->a, "%s/staging/u-carol/Maildir", f->path), 0700), 0);
	put_file(f, "staging/u-carol/account.json", "");
	put_file(f, "staging/u-carol/Maildir/subscriptions", "");
	assert_int_equal(volume_rebuild(f->path, &report, &f->err), 0);
	assert_int_equal(report.problems, 4);
	assert_int_equal(report.users, 2);
	fixture_open(f);
	assert_string_equal(dump(f, "alice"), before);
	assert_int_equal(fixture_count_files(f, "staging"), 0);
	assert_clean(f);
}

static void a_rebuild_takes_in_other_tools_files(void **state)
{
	struct fixture *f = *state;
	struct fsck_report report = { 0 };
	struct volume_mailbox m;

	fill(f);
	fixture_close(f);
	put_file(f, maildir(f, "alice", "new/1400000000.M1P2.other"), "Subject: lf\n\nx\n");
	put_file(f, maildir(f, "alice", ".Sent/cur/1400000001.M1P2.other:2,FSz"), "Subject: crlf\r\n\r\nx\r\n");
	assert_int_equal(unlink(arena_printf(f->a, "%s/%s", f->path, maildir(f, "alice", ".Archive/podmail-mailbox.json"))), 0);
	assert_int_equal(volume_rebuild(f->path, &report, &f->err), 0);
	assert_int_equal(report.problems, 4); /* two without uid, one keyword without name, one mailbox without file */
	fixture_open(f);
	m = fixture_mailbox(f, "alice", "INBOX");
	assert_int_equal(m.messages, 5);
	assert_string_equal(fixture_body(f, "alice", m.id, m.uidnext - 1), "Subject: lf\r\n\r\nx\r\n");
	m = fixture_mailbox(f, "alice", "Sent");
	assert_string_equal(fixture_rows(f, "alice", "Sent"), arena_printf(f->a, "%u 5;", m.uidnext - 1));
	assert_clean(f);
}

static void fsck_finds_nothing_on_a_sound_volume(void **state)
{
	struct fixture *f = *state;
	struct fsck_report report;

	fill(f);
	assert_clean(f);
	report = fsck(f, true, NULL);
	assert_int_equal(report.users, 2);
	assert_int_equal(report.messages, 5);
	assert_int_equal(report.repaired, 0);
	fixture_settle(f);
	assert_clean(f);
}

static void fsck_takes_in_what_was_dropped_into_new(void **state)
{
	struct fixture *f = *state;
	struct volume_mailbox m;
	struct fsck_report report;

	fill(f);
	fixture_settle(f);
	put_file(f, maildir(f, "alice", "new/1400000000.M1P2.other"), "Subject: lf\n\nx\n");
	put_file(f, maildir(f, "alice", "cur/1400000001.M1P2.other:2,FS"), "Subject: crlf\r\n\r\nx\r\n");
	report = fsck(f, false, NULL);
	assert_int_equal(report.problems, 2);
	assert_int_equal(fixture_mailbox(f, "alice", "INBOX").messages, 4);
	report = fsck(f, true, NULL);
	assert_int_equal(report.problems, 2);
	assert_int_equal(report.repaired, 2);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "1 0;2 42;3 0;4 21;6 0;7 5;");
	m = fixture_mailbox(f, "alice", "INBOX");
	assert_string_equal(fixture_body(f, "alice", m.id, 6), "Subject: lf\r\n\r\nx\r\n");
	assert_string_equal(fixture_body(f, "alice", m.id, 7), "Subject: crlf\r\n\r\nx\r\n");
	fixture_settle(f);
	assert_clean(f);
}

/* The path of a message's file: the only one in the folder whose name has that uid. */
static const char *path_of_uid(struct fixture *f, const char *folder, uint32_t uid)
{
	FILE *p = popen(arena_printf(f->a, "ls -d %s/%s/*,U=%u*", f->path, maildir(f, "alice", folder), uid), "r");
	char line[1024];

	assert_non_null(p);
	assert_non_null(fgets(line, sizeof(line), p));
	(void) pclose(p);
	line[strcspn(line, "\n")] = '\0';
	return arena_str(f->a, span_of(line));
}

static void fsck_mends_names_copies_and_losses(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf problems = BUF_INIT, changed = BUF_INIT;
	const char *one, *three;
	struct volume_changes ch;
	struct volume_mailbox m;
	struct fsck_report report;

	fill(f);
	fixture_settle(f);
	m = fixture_mailbox(f, "alice", "INBOX");
	one = path_of_uid(f, "new", 1);
	three = path_of_uid(f, "new", 3);
	/* 1 is renamed as a mail reader would; 3 is deleted; 4 has a second name, and a copy that claims its uid. */
	assert_int_equal(rename(one, arena_printf(f->a, "%s/%s%s:2,S", f->path, maildir(f, "alice", "cur/"), strrchr(one, '/') + 1)), 0);
	assert_int_equal(unlink(three), 0);
	one = path_of_uid(f, "cur", 4);
	assert_int_equal(link(one, arena_printf(f->a, "%s/%s/%s", f->path, maildir(f, "alice", "new"), strrchr(one, '/') + 1)), 0);
	put_file(f, maildir(f, "alice", "cur/1500000000.0123456789abcdef0123456789abcdef.vol01,S=3,W=3,U=4:2,S"), "z\r\n");
	/* A reader finds what was renamed even before the repair. */
	assert_string_equal(fixture_body(f, "alice", m.id, 1), text);
	report = fsck(f, true, &problems);
	if (report.problems != 4 || report.repaired != 4)
		fail_msg("%s", buf_str(&problems));
	fixture_settle(f);
	assert_clean(f);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "1 0;2 42;4 21;6 1;");
	assert_string_equal(fixture_body(f, "alice", m.id, 6), "z\r\n");
	assert_string_equal(fixture_body(f, "alice", m.id, 1), text);
	assert_int_equal(volume_changes(f->vol, f->a, SPAN_LIT("alice"), m.id, m.highestmodseq, 0, dump_row,
	                                &changed, &ch, &f->err), 0);
	assert_int_equal(ch.vanished.n, 1);
	assert_int_equal(ch.vanished.r[0].first, 3);
}

static void fsck_adopts_folders_and_mends_small_files(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf problems = BUF_INIT;
	struct fsck_report report;

	fill(f);
	fixture_settle(f);
	assert_int_equal(mkdir(arena_printf(f->a, "%s/%s", f->path, maildir(f, "alice", ".Found")), 0700), 0);
	assert_int_equal(mkdir(arena_printf(f->a, "%s/%s", f->path, maildir(f, "alice", ".Found/new")), 0700), 0);
	put_file(f, maildir(f, "alice", ".Found/new/1.x.y"), "a\r\n");
	put_file(f, maildir(f, "alice", ".Sent/podmail-mailbox.json"), "{");
	put_file(f, maildir(f, "alice", "../account.json"), "[]");
	put_file(f, maildir(f, "alice", "new/.hidden"), "x");
	assert_int_equal(mkdir(arena_printf(f->a, "%s/%s", f->path, maildir(f, "alice", "cur/folder")), 0700), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_CREATE, "alice", "Found", NULL), -POD_E_EXISTS);
	report = fsck(f, true, &problems);
	if (report.problems != 5 || report.repaired != 4)
		fail_msg("%s", buf_str(&problems));
	assert_string_equal(fixture_rows(f, "alice", "Found"), "1 0;");
	buf_clear(&problems);
	report = fsck(f, true, &problems);
	assert_int_equal(report.problems, 1); /* the folder among messages, which is nobody's to remove */
	fixture_settle(f);
	const char *before = dump(f, "alice");
	fixture_close(f);
	assert_int_equal(volume_rebuild(f->path, &report, &f->err), 0);
	fixture_open(f);
	/* But for what only a message's own file says: the envelopes of bodies parsed anew are the same, too. */
	assert_string_equal(dump(f, "alice"), before);
}

static void the_parser_survives_messages_it_cannot_take(void **state)
{
	struct fixture *f = *state;
	struct volume_summary s;
	struct volume_body body = { .fd = -1 };

	assert_int_equal(volume_stage_body(f->vol, SPAN_NONE, span_of(text), -1, 0, &body, &f->err), 0);
	assert_int_equal(volume_parse_file(body.fd, f->a, &s, &f->err), 0);
	assert_true(s.envelope.len && s.bodystructure.len && s.parts.len && s.headers.len);
	assert_int_equal(ftruncate(body.fd, (off_t) 600 << 20), 0);
	assert_int_equal(volume_parse_file(body.fd, f->a, &s, &f->err), -POD_E_LIMIT);
	volume_body_done(&body);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_rebuilt_volume_is_the_one_before),
		T(a_rebuild_takes_nothing_in_that_lacks_its_bytes),
		T(a_rebuild_takes_in_other_tools_files),
		T(fsck_finds_nothing_on_a_sound_volume),
		T(fsck_takes_in_what_was_dropped_into_new),
		T(fsck_mends_names_copies_and_losses),
		T(fsck_adopts_folders_and_mends_small_files),
		T(the_parser_survives_messages_it_cannot_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
