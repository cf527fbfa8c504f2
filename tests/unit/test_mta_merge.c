/* What attempts and time make of a queued message, which recipients travel together, and what reports say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mta/queue/merge.h"
#include "mta/queue/report.h"
#include "mta/smtp/smtp.h"

#define NOW 1000000

static const struct merge_times times = { .lifetime_ms = 432000000, .warn_ms = 14400000 };

static Queue__Item *make_item(size_t n)
{
	Queue__Item *item = calloc(1, sizeof(*item));

	queue__item__init(item);
	item->arrived_s = NOW;
	item->recipients = calloc(n + 1, sizeof(*item->recipients));
	for (size_t i = 0; i < n; i++) {
		char address[32];
		Queue__Recipient *r = calloc(1, sizeof(*r));

		queue__recipient__init(r);
		(void) snprintf(address, sizeof(address), "r%zu@a.test", i);
		assert_int_equal(queue_set_text(&r->address, address), 0);
		assert_int_equal(queue_set_text(&r->original, address), 0);
		r->state = QUEUE__STATE__OUTBOUND;
		item->recipients[item->n_recipients++] = r;
	}
	return item;
}

static struct said say(const Queue__Recipient *r, Queue__State state)
{
	return (struct said){ .address = r->address, .state = state, .reply = 450, .status = "4.2.0", .text = "later",
		              .remote = "mx.a.test", .next_ms = 5 };
}

static void what_was_said_reaches_whom_it_is_about(void **state)
{
	Queue__Item *item = make_item(5);
	struct said said[] = { say(item->recipients[1], QUEUE__STATE__OUTBOUND), say(item->recipients[3], QUEUE__STATE__FAILED),
		               say(item->recipients[0], QUEUE__STATE__PASSED), { .address = "other@a.test" } };

	item->recipients[4]->state = QUEUE__STATE__FAILED;
	assert_int_equal(merge_said(item, said, 4), 0);
	assert_int_equal(item->recipients[0]->state, QUEUE__STATE__PASSED); /* out of order, found all the same */
	assert_int_equal(item->recipients[1]->state, QUEUE__STATE__OUTBOUND);
	assert_int_equal(item->recipients[1]->attempts, 1);
	assert_int_equal(item->recipients[1]->next_ms, 5);
	assert_string_equal(item->recipients[1]->text, "later");
	assert_string_equal(item->recipients[1]->remote, "mx.a.test");
	assert_int_equal(item->recipients[2]->attempts, 0);
	assert_int_equal(item->recipients[3]->state, QUEUE__STATE__FAILED);
	assert_int_equal(item->attempts, 1);
	queue__item__free_unpacked(item, NULL);
}

static void a_message_is_late_once_and_then_returned(void **state)
{
	Queue__Item *item = make_item(2);

	assert_int_equal(merge_deadline_s(item, &times), NOW + 14400);
	assert_int_equal(merge_time(item, &times, NOW + 14399, NULL, NULL), MERGE_IN_TIME);
	assert_int_equal(merge_time(item, &times, NOW + 14400, NULL, NULL), MERGE_LATE);
	assert_int_equal(merge_time(item, &times, NOW + 14401, NULL, NULL), MERGE_IN_TIME);
	assert_int_equal(merge_deadline_s(item, &times), NOW + 432000);
	assert_int_equal(merge_end_s(item, &times), NOW + 432000);
	assert_int_equal(merge_time(item, &times, NOW + 432000, NULL, NULL), MERGE_IN_TIME);
	assert_int_equal(item->recipients[0]->state, QUEUE__STATE__FAILED);
	assert_string_equal(item->recipients[0]->status, "5.4.7");
	assert_string_equal(item->recipients[0]->text, "could not be delivered in time");
	assert_false(merge_has_state(item, QUEUE__STATE__OUTBOUND));
	queue__item__free_unpacked(item, NULL);
}

static bool is_first(void *arg, const Queue__Recipient *r)
{
	return r == arg;
}

static void who_is_being_tried_does_not_expire_meanwhile(void **state)
{
	Queue__Item *item = make_item(2);

	item->warned = true;
	(void) merge_time(item, &times, NOW + 432000, is_first, item->recipients[0]);
	assert_int_equal(item->recipients[0]->state, QUEUE__STATE__OUTBOUND);
	assert_int_equal(item->recipients[1]->state, QUEUE__STATE__FAILED);
	queue__item__free_unpacked(item, NULL);
}

static void deliver_by_has_two_ends(void **state)
{
	for (int give_up = 0; give_up <= 1; give_up++) {
		Queue__Item *item = make_item(1);

		item->by = calloc(1, sizeof(*item->by));
		queue__deliver_by__init(item->by);
		item->by->at_s = NOW + 60;
		item->by->give_up = give_up;
		assert_int_equal(merge_deadline_s(item, &times), NOW + 60);
		assert_int_equal(merge_time(item, &times, NOW + 60, NULL, NULL), give_up ? MERGE_IN_TIME : MERGE_BY_PASSED);
		assert_int_equal(item->recipients[0]->state, give_up ? QUEUE__STATE__FAILED : QUEUE__STATE__OUTBOUND);
		if (!give_up)
			assert_int_equal(merge_time(item, &times, NOW + 61, NULL, NULL), MERGE_IN_TIME);
		queue__item__free_unpacked(item, NULL);
	}
}

static void hold(Queue__Item *item, Queue__HoldReason reason, int64_t until_s)
{
	item->hold = calloc(1, sizeof(*item->hold));
	queue__hold__init(item->hold);
	item->hold->reason = reason;
	item->hold->until_s = until_s;
}

static void what_is_held_does_not_age(void **state)
{
	Queue__Item *item = make_item(1);

	hold(item, QUEUE__HOLD_REASON__FUTURE, NOW + 500000);
	assert_int_equal(merge_deadline_s(item, &times), NOW + 500000);
	assert_int_equal(merge_time(item, &times, NOW + 499999, NULL, NULL), MERGE_IN_TIME);
	assert_true(merge_is_held(item));
	assert_int_equal(merge_time(item, &times, NOW + 500000, NULL, NULL), MERGE_IN_TIME);
	assert_false(merge_is_held(item));
	assert_int_equal(item->recipients[0]->state, QUEUE__STATE__OUTBOUND);
	assert_int_equal(merge_end_s(item, &times), NOW + 500000 + 432000);
	queue__item__free_unpacked(item, NULL);
}

static void a_quarantine_ends_in_the_bin_and_without_an_end_never(void **state)
{
	Queue__Item *item = make_item(1);

	hold(item, QUEUE__HOLD_REASON__QUARANTINE, 0);
	assert_int_equal(merge_deadline_s(item, &times), INT64_MAX);
	(void) merge_time(item, &times, NOW + 100000000, NULL, NULL);
	assert_true(merge_is_held(item));
	item->hold->until_s = NOW + 60;
	(void) merge_time(item, &times, NOW + 60, NULL, NULL);
	assert_int_equal(item->recipients[0]->state, QUEUE__STATE__PASSED); /* and nobody is told */
	queue__item__free_unpacked(item, NULL);
}

/* ---- reports ---- */

static int file_of(const char *text)
{
	int fd = memfd_create("message", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t) strlen(text));
	return fd;
}

static void write_report(Queue__Item *item, enum report_kind kind, const char *language, const char *message, struct buf *out,
                         bool *ret_utf8, bool *ret_body8)
{
	struct report_line line = { item->recipients[0], kind };
	struct report rep = { .hostname = "mx.test", .trace = "fedcba9876543210", .now_s = NOW, .until_s = NOW + 60, .item = item,
		              .words = report_words_of(language), .lines = &line, .n = 1, .body_fd = file_of(message) };

	assert_non_null(rep.words);
	assert_int_equal(report_write(&rep, out, ret_utf8, ret_body8, NULL), 0);
	closep(&rep.body_fd);
}

static void every_language_says_everything_in_seven_bits(void **state)
{
	static const char *const languages[] = { "en", "de", "fr", "es", "it", "nl", "de-AT", "FR" };

	for (size_t l = 0; l < ARRAY_SIZE(languages); l++)
		for (int kind = 0; kind < REPORT_KINDS; kind++) {
			Queue__Item *item = make_item(1);
			_cleanup_buf_ struct buf out = BUF_INIT;
			struct span rest, line;
			bool utf8, body8;

			assert_int_equal(queue_set_text(&item->sender, "a@b.test"), 0);
			write_report(item, (enum report_kind) kind, languages[l], "Subject: x\r\n\r\n", &out, &utf8, &body8);
			assert_false(utf8);
			assert_false(body8);
			for (rest = buf_span(&out); rest.p;) {
				line = span_split(rest, '\n', &rest);
				assert_true(line.len <= 120);
				assert_true(!line.len || line.p[line.len - 1] == '\r');
			}
			assert_non_null(strstr(buf_str(&out), "Subject: "));
			queue__item__free_unpacked(item, NULL);
		}
	assert_null(report_words_of("xx"));
	assert_null(report_words_of(""));
	assert_null(report_words_of("den"));
}

static void addresses_in_utf8_make_it_a_global_report(void **state)
{
	Queue__Item *item = make_item(1);
	_cleanup_buf_ struct buf out = BUF_INIT;
	bool utf8, body8;

	assert_int_equal(queue_set_text(&item->sender, "a@b.test"), 0);
	assert_int_equal(queue_set_text(&item->recipients[0]->original, "\xc3\xa4@a.test"), 0);
	write_report(item, REPORT_FAILED, "en", "Subject: \xc3\xa4\r\n\r\n", &out, &utf8, &body8);
	assert_false(utf8); /* its own header is ASCII */
	assert_true(body8);
	assert_non_null(strstr(buf_str(&out), "report-type=global-delivery-status"));
	assert_non_null(strstr(buf_str(&out), "Content-Type: message/global-delivery-status\r\n"));
	assert_non_null(strstr(buf_str(&out), "Final-Recipient: utf-8; \xc3\xa4@a.test\r\n"));
	assert_non_null(strstr(buf_str(&out), "Content-Type: message/global-headers\r\n"));
	buf_clear(&out);
	assert_int_equal(queue_set_text(&item->sender, "\xc3\xb6@b.test"), 0);
	write_report(item, REPORT_FAILED, "en", "Subject: x\r\n\r\n", &out, &utf8, &body8);
	assert_true(utf8);
	queue__item__free_unpacked(item, NULL);
}

static void nothing_a_server_says_leaves_its_line(void **state)
{
	Queue__Item *item = make_item(1);
	Queue__Recipient *r = item->recipients[0];
	_cleanup_buf_ struct buf out = BUF_INIT;
	bool utf8, body8;

	assert_int_equal(queue_set_text(&item->sender, "a@b.test"), 0);
	assert_int_equal(queue_set_text(&r->text, "no\r\nX-Evil: yes\xff"), 0);
	assert_int_equal(queue_set_text(&r->orcpt, "rfc822;x+0D+0Ay+zz"), 0);
	assert_int_equal(queue_set_text(&r->status, "5.1.1"), 0);
	r->reply = 550;
	write_report(item, REPORT_FAILED, "en", "Subject: x\r\n\r\n", &out, &utf8, &body8);
	assert_null(strstr(buf_str(&out), "\nX-Evil"));
	assert_non_null(strstr(buf_str(&out), "Original-Recipient: rfc822;x??y+zz\r\n"));
	assert_non_null(strstr(buf_str(&out), "Diagnostic-Code: smtp; 550 5.1.1 no  X-Evil: yes?\r\n"));
	queue__item__free_unpacked(item, NULL);
}

static void text_is_quoted_so_that_every_server_takes_it(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain\n", "plain\r\n" },
		{ "a=b\n", "a=3Db\r\n" },
		{ "end \nx", "end=20\r\nx" },
		{ ".\n", "=2E\r\n" },
		{ "\xc3\xa4", "=C3=A4" },
		{ "a\r\nb\n", "a\r\nb\r\n" },
		{ "1234567890123456789012345678901234567890123456789012345678901234567890123456789",
		  "123456789012345678901234567890123456789012345678901234567890123456789012345=\r\n6789" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT;

		report_add_quoted(&out, span_of(cases[i].in));
		assert_string_equal(buf_str(&out), cases[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_said_reaches_whom_it_is_about),
		cmocka_unit_test(a_message_is_late_once_and_then_returned),
		cmocka_unit_test(who_is_being_tried_does_not_expire_meanwhile),
		cmocka_unit_test(deliver_by_has_two_ends),
		cmocka_unit_test(what_is_held_does_not_age),
		cmocka_unit_test(a_quarantine_ends_in_the_bin_and_without_an_end_never),
		cmocka_unit_test(every_language_says_everything_in_seven_bits),
		cmocka_unit_test(addresses_in_utf8_make_it_a_global_report),
		cmocka_unit_test(nothing_a_server_says_leaves_its_line),
		cmocka_unit_test(text_is_quoted_so_that_every_server_takes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
