#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "podctl/podd/trace.h"
#include "podctl/podd/trace_story.h"
#include "podctl/podd/tracebook.h"

#define DAY INT64_C(86400000)
#define START INT64_C(1795651200000) /* midnight */

static const struct tracebook_limits plenty = { 30 * DAY, 1u << 30 };

struct fixture {
	char dir[48];
	struct tracebook *book;
	unsigned int found;
	char last[512];
};

static void reopen(struct fixture *f, const struct tracebook_limits *limits, int64_t now_ms)
{
	struct err err = { 0 };

	f->book = tracebook_close(f->book);
	if (tracebook_open(f->dir, limits, now_ms, &f->book, &err) < 0)
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/podmail-traces-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	reopen(f, &plenty, START);
	*state = f;
	return 0;
}

static unsigned int remove_files(const char *dir, const char *ending)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	unsigned int n = 0;
	char path[512];

	assert_non_null(d);
	while ((e = readdir(d))) {
		if (!strstr(e->d_name, ending))
			continue;
		(void) snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		n += unlink(path) == 0;
	}
	(void) closedir(d);
	return n;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->book = tracebook_close(f->book);
	(void) remove_files(f->dir, ".");
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void add(struct fixture *f, int64_t now_ms, const char *fmt, ...)
{
	char time[CLOCK_ISO_SIZE], rest[400], line[512];
	struct err err = { 0 };
	va_list ap;

	va_start(ap, fmt);
	(void) vsnprintf(rest, sizeof(rest), fmt, ap);
	va_end(ap);
	(void) snprintf(line, sizeof(line), "%s info mta[1] %s", clock_format_iso(now_ms, time, sizeof(time)), rest);
	if (tracebook_add(f->book, span_of(line), now_ms, &err) < 0)
		fail_msg("%s", err.text);
}

static bool count(void *arg, struct span line)
{
	struct fixture *f = arg;

	f->found++;
	(void) snprintf(f->last, sizeof(f->last), SPAN_FMT, SPAN_ARG(line));
	return true;
}

static unsigned int of_message(struct fixture *f, const char *trace)
{
	f->found = 0;
	assert_int_equal(tracebook_of_message(f->book, trace, count, f, NULL), 0);
	return f->found;
}

static unsigned int search(struct fixture *f, const char *from, const char *to, int64_t since_ms, int64_t until_ms)
{
	const struct tracebook_query q = { from, to, since_ms, until_ms };

	f->found = 0;
	assert_int_equal(tracebook_search(f->book, &q, count, f, NULL), 0);
	return f->found;
}

static void lines_of_a_message_are_found_among_many_and_after_a_restart(void **state)
{
	struct fixture *f = *state;

	/* More than a run holds, over three days. */
	for (int i = 0; i < 30000; i++)
		add(f, START + i * DAY / 10000, "rcpt.delivered sender=s%d@a.test rcpt=R%d@b.test trace=id%05d", i % 1000, i % 700, i);
	add(f, START + 3 * DAY, "queue.done trace=id00007");
	add(f, START + 3 * DAY, "podd.noise nothing=here");
	for (int round = 0; round < 2; round++) {
		assert_int_equal(of_message(f, "id00007"), 2);
		assert_non_null(strstr(f->last, "queue.done"));
		assert_int_equal(of_message(f, "id29999"), 1);
		assert_int_equal(of_message(f, "id0000"), 0);
		assert_int_equal(search(f, "S7@A.test", NULL, 0, 0), 30);
		assert_int_equal(search(f, "s7@a.test", NULL, START + DAY, START + 2 * DAY - 1), 10);
		assert_int_equal(search(f, NULL, "r7@b.test", 0, 0), 43);
		assert_int_equal(search(f, "s7@a.test", "r7@b.test", 0, 0), 5);
		assert_int_equal(search(f, "nobody@a.test", NULL, 0, 0), 0);
		/* By time alone: from here on. */
		assert_int_equal(search(f, NULL, NULL, START + 2 * DAY, 0), 10001);
		assert_int_equal(search(f, NULL, NULL, START + DAY, START + DAY + DAY / 100), 101);
		reopen(f, &plenty, START + 3 * DAY);
	}
}

static void an_index_lost_or_cut_in_half_is_made_again(void **state)
{
	struct fixture *f = *state;
	char path[512];
	FILE *idx;

	for (int i = 0; i < 100; i++)
		add(f, START + i, "rcpt.delivered sender=s@a.test rcpt=r@b.test trace=id%03d", i);
	f->book = tracebook_close(f->book);
	assert_int_equal(remove_files(f->dir, ".idx"), 1);
	reopen(f, &plenty, START + DAY / 2);
	assert_int_equal(of_message(f, "id042"), 1);
	assert_int_equal(search(f, "s@a.test", NULL, 0, 0), 100);
	f->book = tracebook_close(f->book);
	(void) snprintf(path, sizeof(path), "%s/%lld.idx", f->dir, (long long) START);
	idx = fopen(path, "r+");
	assert_non_null(idx);
	assert_int_equal(fseek(idx, 0, SEEK_END), 0);
	assert_int_equal(ftruncate(fileno(idx), ftell(idx) - 100), 0);
	assert_int_equal(fclose(idx), 0);
	reopen(f, &plenty, START + DAY / 2);
	assert_int_equal(search(f, "s@a.test", NULL, 0, 0), 100);
	assert_int_equal(of_message(f, "id099"), 1);
}

static void the_oldest_go_when_they_are_old_or_much(void **state)
{
	const struct tracebook_limits small = { 30 * DAY, 1u << 20 };
	struct fixture *f = *state;

	for (int day = 0; day < 40; day++)
		add(f, START + day * DAY, "rcpt.delivered sender=s@a.test rcpt=r@b.test trace=day%02d", day);
	assert_int_equal(of_message(f, "day05"), 0);
	assert_int_equal(of_message(f, "day15"), 1);
	reopen(f, &small, START + 40 * DAY);
	for (int i = 0; i < 40000; i++)
		add(f, START + 40 * DAY + i, "rcpt.delivered sender=s@a.test rcpt=r@b.test trace=id%05d", i);
	assert_int_equal(of_message(f, "day39"), 0);
	assert_int_equal(of_message(f, "id00001"), 0);
	assert_int_equal(of_message(f, "id39999"), 1);
}

static void a_report_is_found_from_either_side(void **state)
{
	struct fixture *f = *state;
	json_t *story;

	add(f, START, "rcpt.queued sender=s@a.test rcpt=x@far.test mailbox=x@far.test trace=one");
	add(f, START, "message.queued trace=one");
	add(f, START + 1, "rcpt.failed rcpt=x@far.test text=\"no such user\" trace=one");
	add(f, START + 2, "report.made trace=one report=two");
	add(f, START + 3, "rcpt.delivered rcpt=s@a.test trace=two");
	assert_int_equal(trace_story(f->book, "one", &story, NULL), 0);
	assert_string_equal(json_string_value(json_object_get(story, "state")), "failed");
	assert_string_equal(json_string_value(json_array_get(json_object_get(story, "reports"), 0)), "two");
	json_decref(story);
	assert_int_equal(trace_story(f->book, "two", &story, NULL), 0);
	assert_string_equal(json_string_value(json_object_get(story, "report_on")), "one");
	assert_string_equal(json_string_value(json_object_get(story, "state")), "delivered");
	json_decref(story);
	assert_int_equal(trace_story(f->book, "three", &story, NULL), -POD_E_NOTFOUND);
}

static void the_state_of_a_message_follows_from_its_events(void **state)
{
	static const struct {
		const char *events, *state; /* event address[,...] */
	} cases[] = {
		{ "rcpt.delivered a@b", "delivered" },
		{ "rcpt.delivered a@b;rcpt.refused c@d", "mixed" },
		{ "rcpt.delivered a@b;rcpt.queued c@d;message.queued -", "waiting" },
		{ "rcpt.queued c@d;message.queued -;rcpt.deferred c@d;rcpt.sent c@d", "sent" },
		{ "rcpt.queued c@d;message.held -", "held" },
		{ "rcpt.queued c@d;message.held -;queue.released -;rcpt.sent c@d", "sent" },
		{ "rcpt.queued c@d;message.held -;queue.removed -", "removed" },
		{ "rcpt.deferred a@b", "put-off" },
		{ "rcpt.queued C@d;message.queued -;rcpt.expired c@D", "expired" },
		{ "session.noise -", "unknown" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span rest = span_of(cases[i].events);
		json_t *events = json_array(), *story;

		while (rest.len) {
			struct span address, one = span_split(rest, ';', &rest), event = span_split(one, ' ', &address);

			assert_int_equal(json_array_append_new(events,
			                                       json_pack("{ss%, ss, s{ss%}}", "event", event.p, event.len, "time",
			                                                 "t", "fields", "rcpt", address.p, address.len)),
			                 0);
		}
		story = trace_story_of("x", events);
		if (strcmp(json_string_value(json_object_get(story, "state")), cases[i].state) != 0)
			fail_msg("%s: %s", cases[i].events, json_string_value(json_object_get(story, "state")));
		json_decref(story);
		json_decref(events);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(lines_of_a_message_are_found_among_many_and_after_a_restart),
		TEST(an_index_lost_or_cut_in_half_is_made_again),
		TEST(the_oldest_go_when_they_are_old_or_much),
		TEST(a_report_is_found_from_either_side),
		cmocka_unit_test(the_state_of_a_message_follows_from_its_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
