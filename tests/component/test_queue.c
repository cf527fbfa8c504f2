/* The queue's process against an outbound process that is the test: what is sent when, and what senders are
 * told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "mta/smtp/smtp.h"
#include "tests/component/queue_rig.h"

#define QUIET_MS 1500 /* nothing comes in so long a time: the wait of a retry is 200 ms */

static const struct rig_outcome delivered = { .state = OUTBOUND__STATE__DELIVERED, .code = 250 };
static const struct rig_outcome relayed = { .state = OUTBOUND__STATE__RELAYED,
	                                    .code = 250,
	                                    .mta = "mx.away.test" };
static const struct rig_outcome deferred = { .state = OUTBOUND__STATE__DEFERRED,
	                                     .code = 450,
	                                     .enhanced = "4.2.0",
	                                     .text = "come back later",
	                                     .mta = "mx.away.test" };
static const struct rig_outcome refused = { .state = OUTBOUND__STATE__FAILED,
	                                    .code = 550,
	                                    .enhanced = "5.1.1",
	                                    .text = "no such user",
	                                    .mta = "mx.away.test" };
static const struct rig_outcome away = { .state = OUTBOUND__STATE__DEFERRED,
	                                 .code = 451,
	                                 .enhanced = "4.4.1",
	                                 .text = "connection timed out",
	                                 .trouble = OUTBOUND__TROUBLE__UNREACHABLE };

static int setup(void **state)
{
	*state = rig_open("");
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

static void assert_target(const struct rig_job *job, const char *address)
{
	assert_int_equal(job->job->n_targets, 1);
	assert_string_equal(job->job->targets[0]->address, address);
}

static void a_message_goes_to_each_destination_as_one_job(void **state)
{
	struct rig *r = *state;
	Queue__Item item = rig_item("alice@example.test");
	Queue__Recipient rcpts[] = { rig_recipient("a@one.test"), rig_recipient("b@two.test"),
		                     rig_recipient("c@ONE.test") };
	size_t targets = 0;

	item.body8 = true;
	item.priority = 3;
	item.envid = (char[]){ "env+2B1" };
	rcpts[0].notify = SMTP_NOTIFY_NEVER;
	rcpts[0].orcpt = (char[]){ "rfc822;a@one.test" };
	rig_submit(r, &item, rcpts, 3, "Subject: x\r\n\r\nthe body\r\n");
	for (int i = 0; i < 2; i++) {
		struct rig_job job = rig_job(r);

		targets += job.job->n_targets;
		assert_int_equal(job.job->n_targets,
		                 strcasecmp(job.job->destination, "one.test") == 0 ? 2 : 1);
		assert_string_equal(job.job->sender, "alice@example.test");
		assert_string_equal(job.job->envid, "env+2B1");
		assert_string_equal(job.body, "Subject: x\r\n\r\nthe body\r\n");
		assert_true(job.job->body8);
		assert_int_equal(job.job->priority, 3);
		rig_answer(r, &job, &delivered);
	}
	assert_int_equal(targets, 3);
	rig_wait_for(r, "GET /queue", "\"total\":0");
}

static void many_recipients_of_a_destination_go_a_hundred_at_a_time(void **state)
{
	struct rig *r = *state;
	Queue__Item item = rig_item("alice@example.test");
	static Queue__Recipient rcpts[250];
	static char names[250][32];
	size_t seen = 0;

	for (size_t i = 0; i < 250; i++) {
		(void) snprintf(names[i], sizeof(names[i]), "r%zu@many.test", i);
		rcpts[i] = rig_recipient(names[i]);
	}
	rig_submit(r, &item, rcpts, 250, "Subject: x\r\n\r\n");
	while (seen < 250) {
		struct rig_job job = rig_job(r);

		assert_true(job.job->n_targets <= 100);
		seen += job.job->n_targets;
		rig_answer(r, &job, &delivered);
	}
	assert_int_equal(seen, 250);
	rig_wait_for(r, "GET /queue", "\"total\":0");
}

static void a_destination_that_takes_few_recipients_gets_few(void **state)
{
	struct rig *r = *state;
	struct rig_outcome o = delivered;
	Queue__Item item = rig_item("alice@example.test");
	static Queue__Recipient rcpts[35];
	static char names[35][32];
	struct rig_job job;
	size_t seen = 0;

	o.recipients_max = 10;
	rig_send(r, "alice@example.test", "first@few.test");
	job = rig_job(r);
	rig_answer(r, &job, &o);
	rig_wait_for(r, "GET /queue", "\"total\":0");
	for (size_t i = 0; i < 35; i++) {
		(void) snprintf(names[i], sizeof(names[i]), "r%zu@few.test", i);
		rcpts[i] = rig_recipient(names[i]);
	}
	rig_submit(r, &item, rcpts, 35, "Subject: x\r\n\r\n");
	while (seen < 35) {
		job = rig_job(r);
		assert_true(job.job->n_targets <= 10);
		seen += job.job->n_targets;
		rig_answer(r, &job, &o);
	}
	assert_int_equal(seen, 35);
	rig_wait_for(r, "GET /queue", "\"total\":0");
}

static void what_is_deferred_comes_again_and_shows_why(void **state)
{
	struct rig *r = *state;
	struct rig_job job;

	rig_send(r, "alice@example.test", "ann@away.test");
	for (int i = 0; i < 3; i++) {
		job = rig_job(r);
		assert_target(&job, "ann@away.test");
		rig_answer(r, &job, &deferred);
	}
	rig_wait_for(r, "GET /queue", "come back later");
	job = rig_job(r);
	rig_answer(r, &job, &delivered);
	rig_wait_for(r, "GET /queue", "\"total\":0");
}

static void a_failure_is_reported_in_the_senders_language(void **state)
{
	struct rig *r = *state;
	_cleanup_buf_ struct buf mail = BUF_INIT;
	struct rig_job job;

	rig_send(r, "alice@example.test", "ann@away.test");
	job = rig_job(r);
	rig_answer(r, &job, &refused);
	rig_mail(r, &mail);
	assert_non_null(strstr(buf_str(&mail), "Subject: Unzustellbare Nachricht\r\n"));
	assert_non_null(strstr(buf_str(&mail), "Content-Language: de\r\n"));
	assert_non_null(strstr(buf_str(&mail), "konnte diesen Empf=C3=A4ngern"));
	assert_non_null(
		strstr(buf_str(&mail),
	               "\r\nFinal-Recipient: rfc822; ann@away.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"
	               "Remote-MTA: dns; mx.away.test\r\n"
	               "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"));
	rig_wait_for(r, "GET /queue", "\"total\":0");
}

static void a_report_to_another_server_comes_from_nobody_and_is_not_reported_on(void **state)
{
	struct rig *r = *state;
	struct rig_job job;

	rig_send(r, "stranger@far.test", "ann@away.test");
	job = rig_job(r);
	rig_answer(r, &job, &refused);
	job = rig_job(r);
	assert_target(&job, "stranger@far.test");
	assert_string_equal(job.job->sender, "");
	assert_non_null(strstr(job.body, "multipart/report"));
	rig_answer(r, &job, &refused);
	rig_wait_for(r, "GET /queue", "\"total\":0");
	assert_false(rig_take(r, QUIET_MS, &job));
}

static void success_is_told_where_the_next_server_cannot(void **state)
{
	struct rig *r = *state;
	_cleanup_buf_ struct buf mail = BUF_INIT;
	Queue__Item item = rig_item("alice@example.test");
	Queue__Recipient rcpt = rig_recipient("ann@away.test");
	struct rig_job job;

	rcpt.notify = SMTP_NOTIFY_SUCCESS;
	rig_submit(r, &item, &rcpt, 1, "Subject: x\r\n\r\n");
	job = rig_job(r);
	assert_int_equal(job.job->targets[0]->notify, SMTP_NOTIFY_SUCCESS);
	rig_answer(r, &job, &relayed);
	rig_mail(r, &mail);
	assert_non_null(strstr(buf_str(&mail),
	                       "Action: relayed\r\nStatus: 2.0.0\r\nRemote-MTA: dns; mx.away.test\r\n"));
	rig_submit(r, &item, &rcpt, 1, "Subject: x\r\n\r\n");
	job = rig_job(r);
	rig_answer(r, &job, &delivered); /* he reports himself */
	rig_wait_for(r, "GET /queue", "\"total\":0");
}

static void never_means_never(void **state)
{
	struct rig *r = *state;
	Queue__Item item = rig_item("alice@example.test");
	Queue__Recipient rcpt = rig_recipient("ann@away.test");
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct rig_job job;

	rcpt.notify = SMTP_NOTIFY_NEVER;
	rig_submit(r, &item, &rcpt, 1, "Subject: x\r\n\r\n");
	job = rig_job(r);
	rig_answer(r, &job, &refused);
	rig_wait_for(r, "GET /queue", "\"total\":0");
	assert_false(rig_take(r, QUIET_MS, &job));
}

static void a_destination_that_is_away_is_asked_with_one_message(void **state)
{
	struct rig *r = *state;
	struct rig_job job;
	unsigned int probes = 0;

	for (int i = 0; i < 100; i++)
		rig_send(r, "alice@example.test", "ann@dead.test");
	for (uint64_t until = clock_mono_ms() + 3000; clock_mono_ms() < until;)
		if (rig_take(r, 100, &job)) {
			probes++;
			rig_answer(r, &job, &away);
		}
	assert_true(probes >= 3);
	assert_true(probes <= 20);
	rig_send(r, "alice@example.test", "bob@alive.test");
	do {
		job = rig_job(r);
		if (strcmp(job.job->destination, "alive.test") == 0)
			break;
		rig_answer(r, &job, &away);
	} while (true);
	rig_answer(r, &job, &delivered);
	rig_wait_for(r, "GET /queue/lanes", "connection timed out");
	for (int i = 0; i < 100; i++) {
		job = rig_job(r);
		rig_answer(r, &job, &delivered);
	}
	rig_wait_for(r, "GET /queue", "\"total\":0");
}

static void a_killed_queue_sends_again_what_was_not_answered(void **state)
{
	struct rig *r = *state;
	struct rig_job job;

	rig_send(r, "alice@example.test", "ann@away.test");
	rig_send(r, "alice@example.test", "bob@away.test");
	job = rig_job(r);
	assert_target(&job, "ann@away.test");
	rig_answer(r, &job, &delivered);
	job = rig_job(r);
	assert_target(&job, "bob@away.test");
	rig_wait_for(r, "GET /queue", "\"total\":1");
	rig_stop(r, SIGKILL);
	rig_job_free(&job);
	rig_start(r);
	job = rig_job(r);
	assert_target(&job, "bob@away.test");
	rig_answer(r, &job, &delivered);
	rig_wait_for(r, "GET /queue", "\"total\":0");
}

static void ask_about(struct rig *r, const char *method, const char *trace, const char *what,
                      const char *wanted)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	char request[128];

	(void) snprintf(request, sizeof(request), "%s /queue/%s%s", method, trace, what);
	rig_ask(r, request, &b);
	if (!strstr(buf_str(&b), wanted))
		fail_msg("%s says %s", request, buf_str(&b));
}

static void only_trace(struct rig *r, char trace[17])
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	const char *at;

	rig_ask(r, "GET /queue", &b);
	at = strstr(buf_str(&b), "\"trace\":\"");
	assert_non_null(at);
	(void) snprintf(trace, 17, "%s", at + 9);
}

static void a_held_message_stays_until_it_is_released(void **state)
{
	struct rig *r = *state;
	Queue__Item item = rig_item("alice@example.test");
	Queue__Recipient rcpts[] = { rig_recipient("ann@away.test"), rig_recipient("alice@example.test") };
	Queue__Hold hold = QUEUE__HOLD__INIT;
	_cleanup_buf_ struct buf mail = BUF_INIT;
	struct rig_job job;
	char trace[17];

	hold.reason = QUEUE__HOLD_REASON__QUARANTINE;
	hold.text = (char[]){ "looks like spam" };
	item.hold = &hold;
	rig_submit(r, &item, rcpts, 2, "Subject: held\r\n\r\nbody\r\n");
	assert_false(rig_take(r, QUIET_MS, &job));
	only_trace(r, trace);
	ask_about(r, "GET", trace, "", "\"hold_text\":\"looks like spam\"");
	ask_about(r, "GET", trace, "/message", "Subject: held\\r\\n\\r\\nbody");
	ask_about(r, "POST", trace, "/retry", "409");
	rig_stop(r, SIGTERM);
	rig_start(r);
	ask_about(r, "GET", trace, "", "\"state\":\"held\"");
	rig_wait_for(r, "GET /queue?state=held&hold=quarantine", trace);
	ask_about(r, "POST", trace, "/release", "\"changed\":true");
	job = rig_job(r);
	rig_answer(r, &job, &delivered);
	rig_mail(r, &mail);
	assert_non_null(strstr(buf_str(&mail), "Subject: held"));
	rig_wait_for(r, "GET /queue", "\"total\":0");
}

static void a_message_for_the_future_goes_by_itself(void **state)
{
	struct rig *r = *state;
	Queue__Item item = rig_item("alice@example.test");
	Queue__Recipient rcpt = rig_recipient("ann@away.test");
	Queue__Hold hold = QUEUE__HOLD__INIT;
	int64_t until = clock_wall_s() + 2;
	struct rig_job job;

	hold.reason = QUEUE__HOLD_REASON__FUTURE;
	hold.until_s = until;
	item.hold = &hold;
	rig_submit(r, &item, &rcpt, 1, "Subject: x\r\n\r\n");
	job = rig_job(r);
	assert_true(clock_wall_s() >= until);
	rig_answer(r, &job, &delivered);
	rig_wait_for(r, "GET /queue", "\"total\":0");
}

static void an_admin_holds_and_removes(void **state)
{
	struct rig *r = *state;
	struct rig_job job;
	char trace[17];

	rig_send(r, "alice@example.test", "ann@away.test");
	job = rig_job(r);
	only_trace(r, trace);
	ask_about(r, "DELETE", trace, "", "409"); /* it may be delivered this moment */
	ask_about(r, "POST", trace, "/hold?text=let%20me%20see", "\"changed\":true");
	rig_answer(r, &job, &deferred);
	rig_wait_for(r, "GET /queue", "\"state\":\"held\"");
	assert_false(rig_take(r, QUIET_MS, &job));
	ask_about(r, "GET", trace, "", "let me see");
	ask_about(r, "POST", trace, "/hold", "409");
	ask_about(r, "DELETE", trace, "", "\"removed\":true");
	rig_wait_for(r, "GET /queue", "\"total\":0");
	ask_about(r, "GET", trace, "", "404");
}

static void deliver_by_returns_in_time_or_says_that_it_is_late(void **state)
{
	struct rig *r = *state;
	_cleanup_buf_ struct buf mail = BUF_INIT;
	Queue__Item item = rig_item("alice@example.test");
	Queue__Recipient rcpt = rig_recipient("ann@away.test");
	Queue__DeliverBy by = QUEUE__DELIVER_BY__INIT;
	struct rig_job job;

	by.at_s = clock_wall_s() + 2;
	by.give_up = true;
	item.by = &by;
	rig_submit(r, &item, &rcpt, 1, "Subject: x\r\n\r\n");
	job = rig_job(r);
	assert_int_equal(job.job->by_mode, OUTBOUND__BY_MODE__BY_RETURN);
	assert_int_equal(job.job->by_deadline_ms, by.at_s * 1000);
	rig_answer(r, &job, &deferred);
	while (rig_take(r, 2500, &job))
		rig_answer(r, &job, &deferred);
	rig_mail(r, &mail);
	assert_non_null(strstr(buf_str(&mail), "Action: failed\r\nStatus: 5.4.7\r\n"));
	by.at_s = clock_wall_s() + 1;
	by.give_up = false;
	rig_submit(r, &item, &rcpt, 1, "Subject: x\r\n\r\n");
	job = rig_job(r);
	rig_answer(r, &job, &away);
	while (!rig_take(r, 3000, &job))
		;
	rig_mail(r, &mail);
	assert_non_null(strstr(buf_str(&mail), "Action: delayed\r\n"));
	assert_non_null(strstr(buf_str(&mail), "Will-Retry-Until: "));
	rig_answer(r, &job, &delivered);
	while (rig_take(r, 300, &job))
		rig_answer(r, &job, &delivered);
	rig_wait_for(r, "GET /queue", "\"total\":0");
}

/* On a busy machine a message comes here when its time is over, and its first attempt is due at the same
 * moment. */
static void what_is_over_when_it_comes_is_returned_and_not_sent(void **state)
{
	struct rig *r = *state;
	_cleanup_buf_ struct buf mail = BUF_INIT;
	Queue__Item item = rig_item("alice@example.test");
	Queue__Recipient rcpts[] = { rig_recipient("ann@away.test"), rig_recipient("alice@example.test") };
	Queue__DeliverBy by = QUEUE__DELIVER_BY__INIT;
	struct rig_job job;

	by.at_s = clock_wall_s() - 1;
	by.give_up = true;
	item.by = &by;
	rig_submit(r, &item, rcpts, ARRAY_SIZE(rcpts), "Subject: x\r\n\r\n");
	rig_mail(r, &mail);
	if (!strstr(buf_str(&mail), "ann@away.test"))
		fail_msg("another message than the report: %s", buf_str(&mail));
	assert_non_null(strstr(buf_str(&mail), "Action: failed\r\nStatus: 5.4.7\r\n"));
	rig_wait_for(r, "GET /queue", "\"total\":0");
	assert_false(rig_take(r, 300, &job));
	assert_false(rig_has_mail(r));
}

static void forwarded_mail_gets_a_sender_that_leads_back(void **state)
{
	struct rig *r = *state;
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	Queue__Item item = rig_item("stranger@far.test");
	Queue__Recipient rcpts[] = { rig_recipient("ann@away.test"), rig_recipient("bob@away.test") };
	struct address given = { SPAN_NONE, SPAN_NONE }, back;

	rcpts[0].forwarded = true;
	rcpts[0].original = (char[]){ "far@example.test" };
	rig_submit(r, &item, rcpts, 2, "Subject: x\r\n\r\n");
	for (int i = 0; i < 2; i++) {
		struct rig_job job = rig_job(r);

		assert_int_equal(job.job->n_targets, 1); /* their senders differ */
		if (strcmp(job.job->targets[0]->address, "bob@away.test") == 0) {
			assert_string_equal(job.job->sender, "stranger@far.test");
		} else {
			given.local = span_split(arena_dup(a, span_of(job.job->sender)), '@', &given.domain);
			assert_true(span_eq(given.domain, SPAN_LIT("example.test")));
			assert_int_equal(srs_reverse(r->srs, a, &given, clock_wall_s(), &back, NULL), 0);
			assert_true(span_eq(back.local, SPAN_LIT("stranger")));
		}
		rig_answer(r, &job, &delivered);
	}
	/* A sender of ours needs none. */
	item = rig_item("alice@example.test");
	rig_submit(r, &item, rcpts, 1, "Subject: x\r\n\r\n");
	for (struct rig_job job = rig_job(r); job.job; rig_answer(r, &job, &delivered))
		assert_string_equal(job.job->sender, "alice@example.test");
	rig_wait_for(r, "GET /queue", "\"total\":0");
}

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)); text += strlen(word))
		n++;
	return n;
}

static void a_long_list_comes_in_pages_that_can_be_filtered(void **state)
{
	struct rig *r = *state;
	_cleanup_buf_ struct buf b = BUF_INIT;
	char request[128], after[33] = "", address[32];
	size_t n = 0, pages = 0;
	const char *at;
	Queue__Hold hold = QUEUE__HOLD__INIT;

	hold.reason = QUEUE__HOLD_REASON__ADMIN;
	for (int i = 0; i < 250; i++) {
		Queue__Item item = rig_item("alice@example.test");
		Queue__Recipient rcpt;

		(void) snprintf(address, sizeof(address), "r%d@d%d.test", i, i % 5);
		rcpt = rig_recipient(address);
		item.hold = &hold;
		rig_submit(r, &item, &rcpt, 1, "Subject: x\r\n\r\n");
	}
	do {
		(void) snprintf(request, sizeof(request), "GET /queue?limit=100%s%s", *after ? "&after=" : "",
		                after);
		rig_ask(r, request, &b);
		n += count(buf_str(&b), "\"trace\":");
		pages++;
		at = strstr(buf_str(&b), "\"after\":\"");
		(void) snprintf(after, sizeof(after), "%s", at ? at + 9 : "");
	} while (at);
	assert_int_equal(n, 250);
	assert_int_equal(pages, 3);
	rig_ask(r, "GET /queue?domain=d3.test", &b);
	assert_int_equal(count(buf_str(&b), "\"trace\":"), 50);
	rig_ask(r, "GET /queue?to=r7@", &b);
	assert_int_equal(count(buf_str(&b), "\"trace\":"), 1);
	rig_ask(r, "GET /queue?from=nobody", &b);
	assert_int_equal(count(buf_str(&b), "\"trace\":"), 0);
	rig_ask(r, "GET /queue?after=nonsense", &b);
	assert_non_null(strstr(buf_str(&b), "400"));
}

/* A session whose answer was lost with the queue's process hands its message over again. */
static void a_message_handed_over_again_is_known_even_when_it_is_gone(void **state)
{
	struct rig *r = *state;
	struct guid id = guid_new(), other = guid_new();
	_cleanup_buf_ struct buf mail = BUF_INIT;
	Queue__Item item = rig_item("alice@example.test");
	Queue__Recipient rcpt = rig_recipient("ann@away.test");
	struct rig_job job;

	r->again = &id;
	rig_submit(r, &item, &rcpt, 1, "Subject: x\r\n\r\n");
	job = rig_job(r);
	rig_answer(r, &job, &delivered);
	rig_wait_for(r, "GET /queue", "\"total\":0");
	rig_stop(r, SIGKILL);
	rig_start(r);
	rig_submit(r, &item, &rcpt, 1, "Subject: x\r\n\r\n");
	/* And one that is over at once: its sender is told once. */
	r->again = &other;
	rcpt.state = QUEUE__STATE__FAILED;
	rig_submit(r, &item, &rcpt, 1, "Subject: x\r\n\r\n");
	rig_submit(r, &item, &rcpt, 1, "Subject: x\r\n\r\n");
	assert_int_equal(r->taken, 4);
	assert_int_equal(r->refused, 0);
	rig_mail(r, &mail);
	rig_wait_for(r, "GET /queue", "\"total\":0");
	assert_false(rig_has_mail(r));
	assert_false(rig_take(r, QUIET_MS, &job));
}

static void a_loop_ends_here(void **state)
{
	struct rig *r = *state;
	_cleanup_buf_ struct buf mail = BUF_INIT;
	Queue__Item item = rig_item("alice@example.test");
	Queue__Recipient rcpt = rig_recipient("ann@away.test");

	item.hops = 101;
	rig_submit(r, &item, &rcpt, 1, "Subject: x\r\n\r\n");
	rig_mail(r, &mail);
	assert_non_null(strstr(buf_str(&mail), "Action: failed\r\nStatus: 5.4.6\r\n"));
	rig_wait_for(r, "GET /queue", "\"total\":0");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_message_goes_to_each_destination_as_one_job),
		T(many_recipients_of_a_destination_go_a_hundred_at_a_time),
		T(a_destination_that_takes_few_recipients_gets_few),
		T(what_is_deferred_comes_again_and_shows_why),
		T(a_failure_is_reported_in_the_senders_language),
		T(a_report_to_another_server_comes_from_nobody_and_is_not_reported_on),
		T(success_is_told_where_the_next_server_cannot),
		T(never_means_never),
		T(a_destination_that_is_away_is_asked_with_one_message),
		T(a_killed_queue_sends_again_what_was_not_answered),
		T(a_held_message_stays_until_it_is_released),
		T(a_message_for_the_future_goes_by_itself),
		T(an_admin_holds_and_removes),
		T(deliver_by_returns_in_time_or_says_that_it_is_late),
		T(what_is_over_when_it_comes_is_returned_and_not_sent),
		T(forwarded_mail_gets_a_sender_that_leads_back),
		T(a_long_list_comes_in_pages_that_can_be_filtered),
		T(a_message_handed_over_again_is_known_even_when_it_is_gone),
		T(a_loop_ends_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
