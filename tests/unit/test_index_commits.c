/* How many commits changes take: what stored.commit_window and stored.commit_max_messages promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <semaphore.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/support/volume_fixture.h"

#define LONG_MS 600000 /* nobody waits for it: the test would be ended first */
#define CHANGES 6

static void on_done(struct change *c)
{
	(void) sem_post(c->owner);
}

static uint64_t commits(struct fixture *f)
{
	struct volume_counts counts;

	assert_int_equal(volume_count(f->vol, &counts, NULL), 0);
	return counts.commits;
}

struct delivery {
	struct change change;
	struct volume_body body;
	struct deliver_recipient rcpt;
};

static void prepare(struct fixture *f, struct delivery *d, sem_t *done)
{
	d->body = volume_hold_body(SPAN_NONE, SPAN_LIT("Subject: x\r\n\r\nbody\r\n"));
	d->rcpt = (struct deliver_recipient){ .user_id = SPAN_LIT("alice") };
	d->change = fixture_change(f, CHANGE_DELIVER, NULL);
	d->change.id = guid_new();
	d->change.u.deliver.bodies = &d->body;
	d->change.u.deliver.bodies_n = 1;
	d->change.u.deliver.rcpts = &d->rcpt;
	d->change.u.deliver.rcpts_n = 1;
	d->change.done = on_done;
	d->change.owner = done;
}

/* Messages submitted one after the other, without waiting for any; returns the commits that they took. */
static uint64_t commits_of(struct fixture *f, struct delivery *deliveries, size_t n)
{
	uint64_t before = commits(f);
	sem_t done;

	assert_int_equal(sem_init(&done, 0, 0), 0);
	for (size_t i = 0; i < n; i++)
		prepare(f, &deliveries[i], &done);
	for (size_t i = 0; i < n; i++)
		volume_submit(f->vol, &deliveries[i].change);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sem_wait(&done), 0);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(deliveries[i].change.code, 0);
		assert_int_equal(deliveries[i].rcpt.code, 0);
	}
	(void) sem_destroy(&done);
	return commits(f) - before;
}

static void a_commit_waits_for_company_until_it_is_full(void **state)
{
	struct fixture f;
	struct delivery deliveries[CHANGES];

	fixture_make(&f, NULL);
	fixture_open(&f);
	assert_int_equal(fixture_user_add(&f, "alice", 0), 0);
	fixture_close(&f);
	f.o.write_behind_ms = 2000; /* whose own commits come after ours */
	f.o.commit_window_ms = LONG_MS;
	f.o.commit_changes_max = CHANGES / 2;
	fixture_open(&f);
	assert_int_equal(commits_of(&f, deliveries, CHANGES), 2);
	fixture_close(&f);
	fixture_remove(&f);
}

static void a_commit_waits_no_longer_than_its_window(void **state)
{
	struct fixture f;
	struct delivery delivery;

	fixture_make(&f, NULL);
	f.o.commit_window_ms = 20;
	fixture_open(&f);
	assert_int_equal(fixture_user_add(&f, "alice", 0), 0);
	assert_true(commits_of(&f, &delivery, 1) >= 1);
	fixture_close(&f);
	fixture_remove(&f);
}

/* Before the alarm rings, that is: what is to be written behind is, and a switchover waits for this. */
static void a_volume_closes_without_waiting_for_what_is_written_behind(void **state)
{
	struct fixture f;

	fixture_make(&f, NULL);
	f.o.write_behind_ms = 3600 * 1000;
	fixture_open(&f);
	assert_int_equal(fixture_user_add(&f, "alice", 0), 0);
	assert_int_equal(fixture_deliver(&f, "alice", "INBOX", "Subject: one\r\n\r\n", NULL, NULL), 0);
	(void) alarm(120);
	fixture_close(&f);
	(void) alarm(0);
	assert_int_equal(fixture_count_files(&f, "staging"), 0);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_commit_waits_for_company_until_it_is_full),
		cmocka_unit_test(a_commit_waits_no_longer_than_its_window),
		cmocka_unit_test(a_volume_closes_without_waiting_for_what_is_written_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
