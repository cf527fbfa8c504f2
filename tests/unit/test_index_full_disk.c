/*
 * A disk that is really full: a small ext4 on a loop device. What adds mail is refused, nothing acknowledged is harmed,
 * what frees space goes on, and deliveries with it. Needs root and mount(8); passed over, saying so, elsewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "tests/support/full_disk.h"
#include "tests/support/volume_fixture.h"

#define DISK_MIB 48
#define MESSAGE_BYTES 100000

static uint32_t deliver_until_full(struct fixture *f, const char *text)
{
	uint32_t n = 0;
	int r;

	while ((r = fixture_deliver(f, "alice", "", text, NULL, NULL)) == 0 && n < 100000)
		n++;
	assert_int_equal(r, -POD_E_NOSPACE);
	return n;
}

static void expunge_all(struct fixture *f, const struct volume_mailbox *m)
{
	struct change c = fixture_change(f, CHANGE_EXPUNGE, "alice");

	assert_int_equal(fixture_flags(f, "alice", m->id, 1, UINT32_MAX, CHANGE_FLAGS_ADD, STORE_FLAG_DELETED, NULL), 0);
	c.mailbox = m->id;
	assert_int_equal(fixture_run(f, &c), 0);
}

static void note_problem(void *arg, const char *text)
{
	(void) fprintf(stderr, "fsck: %s\n", text);
	*(int *) arg += 1;
}

/* What is on a full disk can be read and deleted, and then mail comes in again. */
static void empty(struct fixture *f, const char *text)
{
	int problems = 0;
	struct fsck_report report = { .problem = note_problem, .arg = &problems };
	struct volume_mailbox m = fixture_mailbox(f, "alice", "INBOX");

	expunge_all(f, &m);
	fixture_settle(f);
	assert_int_equal(fixture_mailbox(f, "alice", "INBOX").messages, 0);
	assert_int_equal(fixture_deliver(f, "alice", "", text, NULL, NULL), 0);
	fixture_settle(f);
	assert_int_equal(volume_fsck(f->vol, SPAN_NONE, false, &report, &f->err), 0);
	assert_int_equal(problems, 0);
	expunge_all(f, &m);
	fixture_settle(f);
}

static void fill_and_empty(struct fixture *f, const char *text)
{
	struct volume_mailbox m;
	uint32_t n = deliver_until_full(f, text);

	assert_true(n > 10);
	assert_null(volume_broken(f->vol));
	m = fixture_mailbox(f, "alice", "INBOX");
	assert_int_equal(m.messages, n);
	assert_string_equal(fixture_body(f, "alice", m.id, m.uidnext - 1), text);
	/* Small ones do not slip in by the room that is kept for deletions for ever. */
	for (int i = 0; i < 20; i++)
		(void) fixture_deliver(f, "alice", "", "small\r\n", NULL, NULL);
	assert_null(volume_broken(f->vol));
	empty(f, text);
}

static void a_full_disk_refuses_mail_and_recovers_when_space_returns(void **state)
{
	struct full_disk d;
	struct fixture f;
	char *text;

	full_disk_make(&d, DISK_MIB);
	text = malloc(MESSAGE_BYTES + 1);
	assert_non_null(text);
	memset(text, 'x', MESSAGE_BYTES);
	text[MESSAGE_BYTES] = '\0';
	fixture_make(&f, d.mounted);
	fixture_open(&f);
	assert_int_equal(fixture_user_add(&f, "alice", 0), 0);
	fill_and_empty(&f, text);
	(void) deliver_until_full(&f, text);
	fixture_close(&f);
	fixture_open(&f); /* also on a full disk */
	empty(&f, text);
	fixture_remove(&f);
	full_disk_remove(&d);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_disk_refuses_mail_and_recovers_when_space_returns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
