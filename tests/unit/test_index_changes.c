/* Each kind of change on a volume of its own: what it answers, what is there afterwards, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "tests/support/volume_fixture.h"

#define SEEN STORE_FLAG_SEEN
#define DELETED STORE_FLAG_DELETED

static void a_new_user_has_the_usual_mailboxes_subscribed(void **state)
{
	static const char *const want[][2] = {
		{ "INBOX", "" },        { "Archive", "\\Archive" }, { "Drafts", "\\Drafts" },
		{ "Junk", "\\Junk" }, { "Sent", "\\Sent" },       { "Trash", "\\Trash" },
	};
	struct fixture *f = *state;
	struct volume_mailboxes list;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(volume_mailbox_list(f->vol, f->a, SPAN_LIT("alice"), &list, &f->err), 0);
	assert_int_equal(list.n, ARRAY_SIZE(want));
	for (size_t i = 0; i < list.n; i++) {
		assert_string_equal(list.items[i].name, want[i][0]);
		assert_string_equal(list.items[i].special_use, want[i][1]);
		assert_true(list.items[i].subscribed && list.items[i].exists && !list.items[i].has_children);
		assert_int_equal(list.items[i].uidnext, 1);
	}
}

static void a_user_is_found_as_added_and_as_changed(void **state)
{
	struct fixture *f = *state;
	struct change c = fixture_change(f, CHANGE_USER_SET, "alice");
	struct volume_user u;

	assert_int_equal(fixture_user_add(f, "alice", 1000), 0);
	assert_int_equal(volume_user_get(f->vol, f->a, SPAN_LIT("alice"), &u, &f->err), 0);
	assert_string_equal(u.address, "alice@example.test");
	assert_int_equal(u.quota_bytes, 1000);
	assert_int_equal(u.mailboxes, 6);
	c.u.user_op.user = (struct volume_user){ .display_name = "Alice", .crypt_hash = "$y$new", .scram = "s" };
	c.u.user_op.set_display_name = c.u.user_op.set_credentials = true;
	assert_int_equal(fixture_run(f, &c), 0);
	assert_int_equal(volume_user_get(f->vol, f->a, SPAN_LIT("alice"), &u, &f->err), 0);
	assert_string_equal(u.display_name, "Alice");
	assert_string_equal(u.crypt_hash, "$y$new");
	assert_string_equal(u.address, "alice@example.test");
	assert_int_equal(u.quota_bytes, 1000);
	assert_int_equal(u.credential_version, 1);
	assert_int_equal(volume_user_get(f->vol, f->a, SPAN_LIT("bob"), &u, &f->err), -POD_E_NOTFOUND);
}

static void users_are_refused_for_what_is_wrong_with_them(void **state)
{
	static const char *const bad[] = { "", ".", "..", ".x", "a/b", "Alice", "a b" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(fixture_user_add(f, bad[i], 0), -POD_E_SYNTAX);
	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_user_add(f, "alice", 0), -POD_E_EXISTS);
}

static void the_user_over_the_cap_is_refused_and_nothing_is_half_made(void **state)
{
	struct fixture *f = *state;
	int files;

	fixture_close(f);
	f->o.users_max = 3;
	fixture_open(f);
	assert_int_equal(fixture_user_add(f, "a", 0), 0);
	assert_int_equal(fixture_user_add(f, "b", 0), 0);
	assert_int_equal(fixture_user_add(f, "c", 0), 0);
	files = fixture_count_files(f, "users");
	assert_int_equal(fixture_user_add(f, "d", 0), -POD_E_FULL);
	assert_int_equal(fixture_count_files(f, "users"), files);
	assert_int_equal(fixture_count_files(f, "staging"), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_USER_REMOVE, "b", NULL, NULL), 0);
	assert_int_equal(fixture_user_add(f, "d", 0), 0);
}

static void a_removed_user_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct volume_counts counts;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_deliver(f, "alice", "", "Subject: a\r\n\r\n", NULL, NULL), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_USER_REMOVE, "alice", NULL, NULL), 0);
	assert_int_equal(volume_count(f->vol, &counts, &f->err), 0);
	assert_int_equal(counts.users + counts.messages + counts.bytes, 0);
	fixture_settle(f);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(fixture_count_files(f, "users"), 0);
	assert_int_equal(fixture_count_files(f, "staging"), 0);
	assert_int_equal(fixture_count_files(f, "trash"), 0);
	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "");
}

static void a_delivery_is_there_as_it_came(void **state)
{
	static const char text[] = "Subject: hello\r\n\r\nbody\r\n";
	struct fixture *f = *state;
	struct volume_mailbox m;
	uint32_t uid = 0;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_deliver(f, "alice", "", text, NULL, &uid), 0);
	assert_int_equal(uid, 1);
	m = fixture_mailbox(f, "alice", "inbox");
	assert_int_equal(m.messages, 1);
	assert_int_equal(m.unseen, 1);
	assert_int_equal(m.uidnext, 2);
	assert_int_equal(m.bytes, sizeof(text) - 1);
	assert_string_equal(fixture_body(f, "alice", m.id, 1), text);
	fixture_settle(f);
	assert_string_equal(fixture_body(f, "alice", m.id, 1), text);
	assert_int_equal(fixture_count_files(f, "staging"), 0);
	assert_int_equal(volume_body_open(f->vol, f->a, SPAN_LIT("bob"), m.id, 1, &(int){ 0 }, &(uint64_t){ 0 },
	                                  &(struct span){ 0 }, &f->err), -POD_E_NOTFOUND);
}

static void a_repeated_delivery_is_answered_as_the_first(void **state)
{
	struct fixture *f = *state;
	struct guid id = guid_new();
	uint32_t uid = 0;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_deliver(f, "alice", "", "a\r\n", &id, &uid), 0);
	assert_int_equal(fixture_deliver(f, "alice", "", "b\r\n", NULL, NULL), 0);
	assert_int_equal(fixture_deliver(f, "alice", "", "a\r\n", &id, &uid), 0);
	assert_int_equal(uid, 1);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(fixture_deliver(f, "alice", "", "a\r\n", &id, &uid), 0);
	assert_int_equal(uid, 1);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "1 0;2 0;");
}

static void recipients_share_one_body_and_fail_alone(void **state)
{
	struct fixture *f = *state;
	struct change c = fixture_change(f, CHANGE_DELIVER, NULL);
	struct volume_body body;
	struct deliver_recipient rcpts[] = {
		{ .user_id = SPAN_LIT("alice") }, { .user_id = SPAN_LIT("nobody") }, { .user_id = SPAN_LIT("small") },
		{ .user_id = SPAN_LIT("bob"), .mailbox = SPAN_LIT("Junk") },
	};

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_user_add(f, "bob", 0), 0);
	assert_int_equal(fixture_user_add(f, "small", 3), 0);
	assert_int_equal(volume_stage_body(f->vol, SPAN_LIT("X: y\r\n"), SPAN_LIT("\r\nbody\r\n"), -1, 0, &body, &f->err), 0);
	c.u.deliver.bodies = &body;
	c.u.deliver.bodies_n = 1;
	c.u.deliver.rcpts = rcpts;
	c.u.deliver.rcpts_n = ARRAY_SIZE(rcpts);
	assert_int_equal(fixture_run(f, &c), 0);
	assert_int_equal(rcpts[0].code, 0);
	assert_int_equal(rcpts[1].code, -POD_E_NOTFOUND);
	assert_int_equal(rcpts[2].code, -POD_E_QUOTA);
	assert_int_equal(rcpts[3].code, 0);
	volume_body_done(&body);
	assert_string_equal(fixture_rows(f, "bob", "Junk"), "1 0;");
	assert_string_equal(fixture_rows(f, "small", "INBOX"), "");
	assert_string_equal(fixture_body(f, "bob", fixture_mailbox(f, "bob", "Junk").id, 1), "X: y\r\n\r\nbody\r\n");
}

static void an_unknown_mailbox_of_a_delivery_is_inbox_but_junk_is_made(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_DELETE, "alice", "Junk", NULL), 0);
	assert_int_equal(fixture_deliver(f, "alice", "No/Such", "a\r\n", NULL, NULL), 0);
	assert_int_equal(fixture_deliver(f, "alice", "Junk", "b\r\n", NULL, NULL), 0);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "1 0;");
	assert_string_equal(fixture_rows(f, "alice", "Junk"), "1 0;");
	assert_string_equal(fixture_mailbox(f, "alice", "Junk").special_use, "\\Junk");
}

static void an_append_keeps_flags_keywords_and_date(void **state)
{
	struct fixture *f = *state;
	struct volume_mailbox m;
	uint32_t uid = 0;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_append(f, "alice", "Sent", "a\r\n", SEEN, "$Forwarded", &uid), 0);
	assert_string_equal(fixture_rows(f, "alice", "Sent"), "1 21;");
	m = fixture_mailbox(f, "alice", "Sent");
	assert_int_equal(m.unseen, 0);
	assert_int_equal(m.keywords_n, 1);
	assert_string_equal(m.keywords[0], "$Forwarded");
	assert_int_equal(fixture_append(f, "alice", "None", "a\r\n", 0, NULL, NULL), -POD_E_NOTFOUND);
}

static void the_27th_keyword_is_refused(void **state)
{
	struct fixture *f = *state;
	struct volume_mailbox m;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_append(f, "alice", "INBOX", "a\r\n", 0, NULL, NULL), 0);
	m = fixture_mailbox(f, "alice", "INBOX");
	for (int i = 0; i < STORE_KEYWORDS_MAX; i++) {
		char word[16];

		(void) snprintf(word, sizeof(word), "word%d", i);
		assert_int_equal(fixture_flags(f, "alice", m.id, 1, 1, CHANGE_FLAGS_ADD, 0, word), 0);
	}
	assert_int_equal(fixture_flags(f, "alice", m.id, 1, 1, CHANGE_FLAGS_ADD, 0, "WORD3"), 0);
	assert_int_equal(fixture_flags(f, "alice", m.id, 1, 1, CHANGE_FLAGS_ADD, 0, "more"), -POD_E_LIMIT);
	assert_int_equal(fixture_flags(f, "alice", m.id, 1, 1, CHANGE_FLAGS_REMOVE, 0, "more"), 0);
	assert_int_equal(fixture_flags(f, "alice", m.id, 1, 1, CHANGE_FLAGS_ADD, 0, "not an atom"), -POD_E_SYNTAX);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "1 7fffffe0;");
}

static void flags_are_set_added_and_removed_with_counts(void **state)
{
	struct fixture *f = *state;
	struct volume_mailbox m;
	uint64_t before;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fixture_append(f, "alice", "INBOX", "a\r\n", 0, NULL, NULL), 0);
	m = fixture_mailbox(f, "alice", "INBOX");
	assert_int_equal(fixture_flags(f, "alice", m.id, 1, 2, CHANGE_FLAGS_SET, SEEN | DELETED, NULL), 0);
	assert_int_equal(fixture_flags(f, "alice", m.id, 2, 3, CHANGE_FLAGS_ADD, STORE_FLAG_FLAGGED, NULL), 0);
	assert_int_equal(fixture_flags(f, "alice", m.id, 1, 9, CHANGE_FLAGS_REMOVE, DELETED, NULL), 0);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "1 1;2 5;3 4;");
	m = fixture_mailbox(f, "alice", "INBOX");
	assert_int_equal(m.unseen, 1);
	before = m.highestmodseq;
	assert_int_equal(fixture_flags(f, "alice", m.id, 1, 1, CHANGE_FLAGS_ADD, SEEN, NULL), 0);
	assert_int_equal(fixture_mailbox(f, "alice", "INBOX").highestmodseq, before);
	assert_int_equal(fixture_flags(f, "bob", m.id, 1, 1, CHANGE_FLAGS_ADD, SEEN, NULL), -POD_E_NOTFOUND);
}

static void a_conditional_store_leaves_what_changed_since(void **state)
{
	struct fixture *f = *state;
	struct change c = fixture_change(f, CHANGE_FLAGS, "alice");
	struct uid_range all = { 1, 10 };
	struct volume_mailbox m;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(fixture_append(f, "alice", "INBOX", "a\r\n", 0, NULL, NULL), 0);
	m = fixture_mailbox(f, "alice", "INBOX");
	assert_int_equal(fixture_flags(f, "alice", m.id, 2, 2, CHANGE_FLAGS_ADD, SEEN, NULL), 0);
	c.mailbox = m.id;
	c.uids = (struct uid_ranges){ &all, 1 };
	c.u.flags.mode = CHANGE_FLAGS_ADD;
	c.u.flags.flags = DELETED;
	c.u.flags.unchanged_since_set = true;
	c.u.flags.unchanged_since = m.highestmodseq;
	assert_int_equal(fixture_run(f, &c), 0);
	assert_int_equal(c.u.flags.rows_n, 1);
	assert_int_equal(c.u.flags.rows[0].uid, 1);
	assert_int_equal(c.u.flags.modified.n, 1);
	assert_int_equal(c.u.flags.modified.r[0].first, 2);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "1 8;2 1;");
}

static int copy(struct fixture *f, struct change *c, const char *user, uint32_t mailbox, const char *target, bool move,
                const struct guid *id)
{
	static struct uid_range all = { 1, UINT32_MAX };

	*c = fixture_change(f, CHANGE_COPY, user);
	c->mailbox = mailbox;
	c->uids = (struct uid_ranges){ &all, 1 };
	c->u.copy.target = span_of(target);
	c->u.copy.move = move;
	c->id = *id;
	return fixture_run(f, c);
}

static void a_copy_keeps_flags_and_is_not_done_twice(void **state)
{
	struct fixture *f = *state;
	struct guid id = guid_new();
	struct volume_mailbox m, t;
	struct change c;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_append(f, "alice", "INBOX", "one\r\n", SEEN, "red", NULL), 0);
	assert_int_equal(fixture_append(f, "alice", "INBOX", "two\r\n", 0, "blue", NULL), 0);
	assert_int_equal(fixture_append(f, "alice", "Archive", "zero\r\n", 0, "blue", NULL), 0);
	m = fixture_mailbox(f, "alice", "INBOX");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(copy(f, &c, "alice", m.id, "Archive", false, &id), 0);
		assert_int_equal(c.u.copy.dest.n, 1);
		assert_int_equal(c.u.copy.dest.r[0].first, 2);
		assert_int_equal(c.u.copy.dest.r[0].last, 3);
		assert_int_equal(c.u.copy.source.r[0].first, 1);
	}
	t = fixture_mailbox(f, "alice", "Archive");
	assert_int_equal(c.u.copy.uidvalidity, t.uidvalidity);
	/* red is the target's second keyword */
	assert_string_equal(fixture_rows(f, "alice", "Archive"), "1 20;2 41;3 20;");
	assert_string_equal(fixture_body(f, "alice", t.id, 3), "two\r\n");
	assert_int_equal(copy(f, &c, "alice", m.id, "None", false, &(struct guid){ 0 }), -POD_E_NOTFOUND);
}

/* ---- lessons ---- */

static size_t lessons_of(struct fixture *f, struct volume_lesson *lessons, size_t max)
{
	size_t n = 0;

	assert_int_equal(volume_lessons(f->vol, f->a, 0, lessons, max, &n, NULL), 0);
	return n;
}

static void lessons_learnt(struct fixture *f, uint64_t number)
{
	struct change c = fixture_change(f, CHANGE_LESSONS_DONE, "alice");

	c.u.lessons.done = number;
	assert_int_equal(fixture_run(f, &c), 0);
}

static void a_move_into_junk_or_out_of_it_is_a_lesson(void **state)
{
	struct fixture *f = *state;
	struct volume_mailbox inbox, junk;
	struct volume_lesson l[8];
	struct change c;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(fixture_deliver(f, "alice", "", "Subject: x\r\n\r\n", NULL, NULL), 0);
	inbox = fixture_mailbox(f, "alice", "INBOX");
	junk = fixture_mailbox(f, "alice", "Junk");
	assert_int_equal(copy(f, &c, "alice", inbox.id, "Archive", false, &(struct guid){ 0 }), 0);
	assert_int_equal(lessons_of(f, l, 8), 0);
	assert_int_equal(copy(f, &c, "alice", inbox.id, "Junk", true, &(struct guid){ 0 }), 0);
	assert_int_equal(lessons_of(f, l, 8), 2);
	assert_true(l[0].spam && l[1].spam && l[0].number < l[1].number);
	assert_int_equal(l[0].mailbox, junk.id);
	assert_int_equal(l[0].uid, 1);
	assert_true(span_eq(l[0].user_id, SPAN_LIT("alice")));
	assert_int_equal(lessons_of(f, l, 1), 1);
	fixture_close(f); /* they are as durable as the move */
	fixture_open(f);
	assert_int_equal(lessons_of(f, l, 8), 2);
	lessons_learnt(f, l[1].number);
	assert_int_equal(lessons_of(f, l, 8), 0);
	assert_int_equal(copy(f, &c, "alice", junk.id, "INBOX", true, &(struct guid){ 0 }), 0);
	lessons_learnt(f, l[1].number); /* repeated: nothing that came later is meant */
	assert_int_equal(lessons_of(f, l, 8), 2);
	assert_false(l[0].spam);
	lessons_learnt(f, l[1].number);
	inbox = fixture_mailbox(f, "alice", "INBOX");
	assert_int_equal(fixture_deliver(f, "alice", "Junk", "Subject: x\r\n\r\n", NULL, NULL), 0);
	assert_int_equal(lessons_of(f, l, 8), 0); /* a delivery says nothing */
}

static void a_move_takes_them_away_in_the_same_commit(void **state)
{
	struct fixture *f = *state;
	struct volume_changes ch;
	struct volume_mailbox m;
	struct change c;

	assert_int_equal(fixture_user_add(f, "alice", 12), 0);
	assert_int_equal(fixture_append(f, "alice", "INBOX", "one\r\n", SEEN, NULL, NULL), 0);
	assert_int_equal(fixture_append(f, "alice", "INBOX", "two\r\n", 0, NULL, NULL), 0);
	m = fixture_mailbox(f, "alice", "INBOX");
	assert_int_equal(copy(f, &c, "alice", m.id, "Trash", false, &(struct guid){ 0 }), -POD_E_QUOTA);
	assert_int_equal(copy(f, &c, "alice", m.id, "Trash", true, &(struct guid){ 0 }), 0);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "");
	assert_string_equal(fixture_rows(f, "alice", "Trash"), "1 1;2 0;");
	assert_int_equal(volume_changes(f->vol, f->a, SPAN_LIT("alice"), m.id, m.highestmodseq, 0, NULL, NULL, &ch, &f->err), 0);
	assert_int_equal(ch.vanished.n, 1);
	assert_int_equal(ch.vanished.r[0].last, 2);
	assert_int_equal(ch.mailbox.highestmodseq, c.highestmodseq);
	fixture_settle(f);
	assert_string_equal(fixture_body(f, "alice", fixture_mailbox(f, "alice", "Trash").id, 2), "two\r\n");
	assert_int_equal(fixture_count_files(f, "staging"), 0);
}

static void expunge_takes_deleted_ones_only(void **state)
{
	struct fixture *f = *state;
	struct change c = fixture_change(f, CHANGE_EXPUNGE, "alice");
	struct uid_range some = { 1, 2 };
	struct volume_mailbox m;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(fixture_append(f, "alice", "INBOX", "a\r\n", i % 2 ? DELETED : 0, NULL, NULL), 0);
	m = fixture_mailbox(f, "alice", "INBOX");
	c.mailbox = m.id;
	c.uids = (struct uid_ranges){ &some, 1 };
	assert_int_equal(fixture_run(f, &c), 0);
	assert_int_equal(c.u.expunge.expunged.n, 1);
	assert_int_equal(c.u.expunge.expunged.r[0].first, 2);
	c.uids.n = 0;
	assert_int_equal(fixture_run(f, &c), 0);
	assert_int_equal(c.u.expunge.expunged.r[0].first, 4);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "1 0;3 0;");
	assert_int_equal(fixture_append(f, "alice", "INBOX", "a\r\n", 0, NULL, &c.mailbox), 0);
	assert_int_equal(c.mailbox, 5);
	fixture_settle(f);
	assert_int_equal(fixture_mailbox(f, "alice", "INBOX").bytes, 9);
}

static int64_t last_login(struct fixture *f)
{
	struct volume_user u;

	assert_int_equal(volume_user_get(f->vol, f->a, SPAN_LIT("alice"), &u, &f->err), 0);
	return u.last_login;
}

static void the_last_login_is_known_after_a_restart(void **state)
{
	struct fixture *f = *state;
	int64_t now = time(NULL);

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(last_login(f), 0);
	volume_note_login(f->vol, SPAN_LIT("alice"));
	assert_true(last_login(f) >= now);
	fixture_close(f);
	fixture_open(f);
	assert_true(last_login(f) >= now);
	/* And is not that of another who has the name later. */
	volume_note_login(f->vol, SPAN_LIT("alice"));
	assert_int_equal(fixture_mailbox_op(f, CHANGE_USER_REMOVE, "alice", NULL, NULL), 0);
	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(last_login(f), 0);
}

static void recent_is_claimed_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_append(f, "alice", "INBOX", "a\r\n", 0, NULL, NULL), 0);
	assert_int_equal(fixture_open_mailbox(f, "alice", "INBOX", VOLUME_EXAMINE).first_recent, 1);
	assert_int_equal(fixture_open_mailbox(f, "alice", "INBOX", VOLUME_SELECT).first_recent, 1);
	assert_int_equal(fixture_open_mailbox(f, "alice", "INBOX", VOLUME_SELECT).first_recent, 0);
	assert_int_equal(fixture_mailbox(f, "alice", "INBOX").recent_from, 2);
	assert_int_equal(fixture_append(f, "alice", "INBOX", "a\r\n", 0, NULL, NULL), 0);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(fixture_open_mailbox(f, "alice", "INBOX", VOLUME_SELECT).first_recent, 2);
}

static void mailboxes_are_made_renamed_and_deleted_with_their_children(void **state)
{
	struct fixture *f = *state;
	struct volume_mailboxes list;
	struct volume_mailbox before, after;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_CREATE, "alice", "Work/", NULL), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_CREATE, "alice", "Work/v1.2 & \xc3\xbc", NULL), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_CREATE, "alice", "Work-b", NULL), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_CREATE, "alice", "Work", NULL), -POD_E_EXISTS);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_CREATE, "alice", "a//b", NULL), -POD_E_SYNTAX);
	assert_int_equal(fixture_append(f, "alice", "Work/v1.2 & \xc3\xbc", "a\r\n", SEEN, NULL, NULL), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_RENAME, "alice", "Work", "Sent"), -POD_E_EXISTS);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_RENAME, "alice", "Work", "Work/x"), -POD_E_SYNTAX);
	before = fixture_mailbox(f, "alice", "Work/v1.2 & \xc3\xbc");
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_RENAME, "alice", "Work", "Play/Fun"), 0);
	after = fixture_mailbox(f, "alice", "Play/Fun/v1.2 & \xc3\xbc");
	assert_int_equal(before.uidvalidity, after.uidvalidity);
	assert_int_equal(before.id, after.id);
	fixture_settle(f);
	assert_string_equal(fixture_body(f, "alice", after.id, 1), "a\r\n");
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_DELETE, "alice", "Play/Fun", NULL), 0);
	assert_int_equal(volume_mailbox_list(f->vol, f->a, SPAN_LIT("alice"), &list, &f->err), 0);
	assert_int_equal(list.n, 10);
	assert_string_equal(list.items[5].name, "Play/Fun");
	assert_true(!list.items[5].exists && list.items[5].has_children);
	assert_string_equal(list.items[6].name, "Play/Fun/v1.2 & \xc3\xbc");
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_CREATE, "alice", "Play/Fun", NULL), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_DELETE, "alice", "inbox", NULL), -POD_E_DENIED);
}

static void a_mailbox_made_again_has_a_new_uidvalidity(void **state)
{
	struct fixture *f = *state;
	uint32_t before;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_append(f, "alice", "Trash", "a\r\n", 0, NULL, NULL), 0);
	before = fixture_mailbox(f, "alice", "Trash").uidvalidity;
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_DELETE, "alice", "Trash", NULL), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_CREATE, "alice", "Trash", NULL), 0);
	assert_true(fixture_mailbox(f, "alice", "Trash").uidvalidity > before);
	assert_string_equal(fixture_rows(f, "alice", "Trash"), "");
	fixture_settle(f);
	assert_int_equal(fixture_count_files(f, "staging"), 0);
	/* The subscription survived the mailbox. */
	assert_true(fixture_mailbox(f, "alice", "Trash").subscribed);
}

static void renaming_inbox_moves_its_messages_and_keeps_it(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_CREATE, "alice", "INBOX/child", NULL), 0);
	assert_int_equal(fixture_append(f, "alice", "INBOX", "a\r\n", SEEN, "red", NULL), 0);
	assert_int_equal(fixture_append(f, "alice", "INBOX", "b\r\n", 0, NULL, NULL), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_RENAME, "alice", "INBOX", "Old"), 0);
	assert_string_equal(fixture_rows(f, "alice", "INBOX"), "");
	assert_string_equal(fixture_rows(f, "alice", "Old"), "1 21;2 0;");
	assert_string_equal(fixture_body(f, "alice", fixture_mailbox(f, "alice", "Old").id, 2), "b\r\n");
	assert_int_equal(fixture_mailbox(f, "alice", "INBOX").uidnext, 3);
	(void) fixture_mailbox(f, "alice", "INBOX/child");
	fixture_settle(f);
	assert_string_equal(fixture_body(f, "alice", fixture_mailbox(f, "alice", "Old").id, 1), "a\r\n");
}

static void subscriptions_are_kept_with_and_without_mailboxes(void **state)
{
	struct fixture *f = *state;
	struct volume_mailboxes list;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_SUBSCRIBE, "alice", "News/Comp", "yes"), 0);
	assert_int_equal(fixture_mailbox_op(f, CHANGE_MAILBOX_SUBSCRIBE, "alice", "Junk", NULL), 0);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(volume_mailbox_list(f->vol, f->a, SPAN_LIT("alice"), &list, &f->err), 0);
	assert_int_equal(list.n, 8);
	assert_string_equal(list.items[4].name, "News");
	assert_string_equal(list.items[5].name, "News/Comp");
	assert_true(list.items[5].subscribed && !list.items[5].exists && !list.items[4].subscribed);
	assert_false(fixture_mailbox(f, "alice", "Junk").subscribed);
}

static void a_volume_is_open_in_one_process_only(void **state)
{
	struct fixture *f = *state;
	struct volume *again = NULL;

	assert_int_equal(volume_open(&f->o, &again, &f->err), -POD_E_BUSY);
	assert_int_equal(volume_create(f->path, "x", &f->err), -POD_E_EXISTS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_new_user_has_the_usual_mailboxes_subscribed),
		T(a_user_is_found_as_added_and_as_changed),
		T(users_are_refused_for_what_is_wrong_with_them),
		T(the_user_over_the_cap_is_refused_and_nothing_is_half_made),
		T(a_removed_user_leaves_nothing),
		T(a_delivery_is_there_as_it_came),
		T(a_repeated_delivery_is_answered_as_the_first),
		T(recipients_share_one_body_and_fail_alone),
		T(an_unknown_mailbox_of_a_delivery_is_inbox_but_junk_is_made),
		T(an_append_keeps_flags_keywords_and_date),
		T(the_27th_keyword_is_refused),
		T(flags_are_set_added_and_removed_with_counts),
		T(a_conditional_store_leaves_what_changed_since),
		T(a_copy_keeps_flags_and_is_not_done_twice),
		T(a_move_into_junk_or_out_of_it_is_a_lesson),
		T(a_move_takes_them_away_in_the_same_commit),
		T(expunge_takes_deleted_ones_only),
		T(recent_is_claimed_once),
		T(the_last_login_is_known_after_a_restart),
		T(mailboxes_are_made_renamed_and_deleted_with_their_children),
		T(a_mailbox_made_again_has_a_new_uidvalidity),
		T(renaming_inbox_moves_its_messages_and_keeps_it),
		T(subscriptions_are_kept_with_and_without_mailboxes),
		T(a_volume_is_open_in_one_process_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
