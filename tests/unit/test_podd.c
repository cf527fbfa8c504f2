#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "podctl/pod/pidfile.h"
#include "podctl/podd/admin_token.h"
#include "podctl/podd/job.h"
#include "podctl/podd/logbook.h"
#include "podctl/podd/process.h"
#include "podctl/podd/queue_link.h"
#include "podctl/podd/trace.h"

static char dir[64];

static int make_dir(void **state)
{
	(void) snprintf(dir, sizeof(dir), "podd-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	(void) snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static const char *file_text(const char *name)
{
	static char text[4096];
	char path[128];
	_cleanup_(fclosep) FILE *f = NULL;
	size_t n;

	(void) snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[n] = '\0';
	return f ? text : NULL;
}

/* ---- log ---- */

static void the_log_is_rotated_by_size_and_old_files_are_few(void **state)
{
	char path[128];
	struct logbook *book;
	struct logbook_options o = { .path = path, .max_bytes = 20, .keep = 2, .copy_fd = -1 };

	(void) snprintf(path, sizeof(path), "%s/rotated.log", dir);
	assert_int_equal(logbook_open(&o, &book, NULL), 0);
	for (int i = 0; i < 8; i++) {
		char line[32];

		(void) snprintf(line, sizeof(line), "line %d..", i); /* 9 bytes with the line end: two fit */
		logbook_write(book, span_of(line));
	}
	assert_null(logbook_close(book));
	assert_string_equal(file_text("rotated.log"), "line 6..\nline 7..\n");
	assert_string_equal(file_text("rotated.log.1"), "line 4..\nline 5..\n");
	assert_string_equal(file_text("rotated.log.2"), "line 2..\nline 3..\n");
	assert_null(file_text("rotated.log.3"));
}

static void a_log_moved_away_by_others_is_opened_anew(void **state)
{
	char path[128], moved[128];
	struct logbook *book;
	struct logbook_options o = { .path = path, .max_bytes = 1000, .keep = 2, .copy_fd = -1 };

	(void) snprintf(path, sizeof(path), "%s/moved.log", dir);
	(void) snprintf(moved, sizeof(moved), "%s/moved.log.old", dir);
	assert_int_equal(logbook_open(&o, &book, NULL), 0);
	logbook_write(book, SPAN_LIT("before"));
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(logbook_reopen(book, 1000, 2, NULL), 0);
	logbook_write(book, SPAN_LIT("after"));
	assert_null(logbook_close(book));
	assert_string_equal(file_text("moved.log"), "after\n");
	assert_string_equal(file_text("moved.log.old"), "before\n");
}

/* ---- processes ---- */

struct heard {
	struct event_base *base;
	char lines[512];
	int ready, exits, status;
};

static void heard_on_line(void *arg, struct span line)
{
	struct heard *h = arg;
	size_t n = strlen(h->lines);

	(void) snprintf(h->lines + n, sizeof(h->lines) - n, SPAN_FMT "|", SPAN_ARG(line));
}

static void heard_on_ready(void *arg)
{
	struct heard *h = arg;

	h->ready++;
}

static void heard_on_exit(void *arg, pid_t pid, int status)
{
	struct heard *h = arg;

	h->exits++;
	h->status = status;
	(void) event_base_loopbreak(h->base);
}

static struct heard run_process(const char *script)
{
	static const struct process_ops ops = { heard_on_line, heard_on_ready, heard_on_exit };
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	struct logbook_options o = { .copy_fd = -1 };
	struct heard h = { .base = event_base_new() };
	struct process *p;
	struct logbook *log;

	assert_int_equal(logbook_open(&o, &log, NULL), 0);
	assert_int_equal(process_start(h.base, &(struct process_spec){ .argv = argv }, log, &ops, &h, &p, NULL), 0);
	(void) event_base_dispatch(h.base);
	event_base_free(h.base);
	assert_null(logbook_close(log));
	return h;
}

static void what_a_process_says_comes_as_lines_and_its_end_as_an_event(void **state)
{
	struct heard h = run_process("echo one; echo two >&2; printf 'no line end'; exit 3");

	assert_string_equal(h.lines, "one|two|no line end|");
	assert_int_equal(h.exits, 1);
	assert_int_equal(WEXITSTATUS(h.status), 3);
	assert_int_equal(h.ready, 0);
}

static void readiness_is_what_is_written_on_the_descriptor_that_the_environment_names(void **state)
{
	struct heard h = run_process("eval \"echo ready >&$PODMAIL_READY_FD\"; kill -9 $$");

	assert_int_equal(h.ready, 1);
	assert_true(WIFSIGNALED(h.status) && WTERMSIG(h.status) == SIGKILL);
}

static void a_program_that_is_not_there_ends_with_words(void **state)
{
	static const struct process_ops ops = { heard_on_line, heard_on_ready, heard_on_exit };
	static const char *const argv[] = { "/nonexistent/program", NULL };
	struct logbook_options o = { .copy_fd = -1 };
	struct heard h = { .base = event_base_new() };
	struct process *p;
	struct logbook *log;

	assert_int_equal(logbook_open(&o, &log, NULL), 0);
	assert_int_equal(process_start(h.base, &(struct process_spec){ .argv = argv }, log, &ops, &h, &p, NULL), 0);
	(void) event_base_dispatch(h.base);
	assert_int_equal(WEXITSTATUS(h.status), 127);
	assert_non_null(strstr(h.lines, "/nonexistent/program: No such file"));
	event_base_free(h.base);
	assert_null(logbook_close(log));
}

/* ---- who runs ---- */

static void a_process_is_marked_by_its_id_and_start_so_that_no_other_is_taken_for_it(void **state)
{
	struct process_mark me, other;

	assert_int_equal(process_mark_of(getpid(), &me, NULL), 0);
	assert_true(process_mark_alive(&me));
	other = me;
	other.start++;
	assert_false(process_mark_alive(&other));
	assert_int_equal(process_mark_signal(&other, SIGKILL, NULL), -POD_E_NOTFOUND);
	assert_int_equal(process_mark_wait(&other, 1000, NULL), 0);
	assert_int_equal(process_mark_wait(&me, 1, NULL), -POD_E_TIMEOUT);
}

static void a_pid_file_is_locked_and_a_stale_one_names_nobody(void **state)
{
	struct process_mark found;
	char path[128];
	int fd, second;

	(void) snprintf(path, sizeof(path), "%s/podd.pid", dir);
	assert_int_equal(pidfile_read(path, &found, NULL), -POD_E_NOTFOUND);
	assert_int_equal(pidfile_acquire(path, &fd, NULL), 0);
	assert_int_equal(pidfile_read(path, &found, NULL), 0);
	assert_int_equal(found.pid, getpid());
	assert_int_equal(pidfile_acquire(path, &second, NULL), -POD_E_BUSY);
	assert_int_equal(pwrite(fd, "1 1\n\0\0\0\0\0\0\0\0\0\0\0\0", 16, 0),
	                 16); /* process 1 did not start at tick 1 */
	assert_int_equal(pidfile_read(path, &found, NULL), -POD_E_NOTFOUND);
	(void) close(fd);
}

/* ---- trace ---- */

static void a_trace_is_found_as_a_field_in_both_formats(void **state)
{
	static const struct {
		const char *line;
		bool found;
	} cases[] = {
		{ "2026-11-21T04:12:26.416Z info mta[1] mail.accepted conn=3 trace=0123abcd size=5", true },
		{ "2026-11-21T04:12:26.416Z info mta[1] mail.accepted trace=0123abcd", true },
		{ "2026-11-21T04:12:26.416Z info mta[1] mail.accepted trace=0123abcde", false },
		{ "2026-11-21T04:12:26.416Z info mta[1] mail.accepted subject=\"x trace\\u003d0123abcd\"",
		  false },
		{ "2026-11-21T04:12:26.416Z info mta[1] mail.accepted text=\"a trace=0123abcd \\\" trace=0123abcd\"",
		  false },
		{ "2026-11-21T04:12:26.416Z info mta[1] mail.accepted text=\"a b\" trace=0123abcd", true },
		{ "2026-11-21T04:12:26.416Z info mta[1] mail.accepted backtrace=0123abcd", false },
		{ "{\"time\":\"t\",\"event\":\"mail.accepted\",\"trace\":\"0123abcd\",\"size\":5}", true },
		{ "{\"time\":\"t\",\"event\":\"mail.accepted\",\"trace\":\"0123abcdef\"}", false },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span value = SPAN_NONE;
		bool found = trace_line_field(span_of(cases[i].line), "trace", &value) &&
		             span_eq(value, SPAN_LIT("0123abcd"));

		if (found != cases[i].found)
			fail_msg("%s", cases[i].line);
	}
}

static void a_line_of_the_log_becomes_an_object(void **state)
{
	static const struct {
		const char *line, *json;
	} cases[] = {
		{ "2026-11-21T04:12:26.416Z info mta[17] mail.accepted conn=3 trace=01 text=\"a \\\"b\\\" "
		  "\\u00e9\"",
		  "{\"time\":\"2026-11-21T04:12:26.416Z\",\"level\":\"info\",\"program\":\"mta\",\"pid\":17,"
		  "\"event\":\"mail.accepted\",\"fields\":{\"conn\":\"3\",\"trace\":\"01\",\"text\":\"a "
		  "\\\"b\\\" \xc3\xa9\"}}" },
		{ "{\"time\":\"t\",\"level\":\"info\",\"program\":\"mta\",\"pid\":17,\"event\":\"e\","
		  "\"trace\":\"01\",\"n\":5}",
		  "{\"time\":\"t\",\"level\":\"info\",\"program\":\"mta\",\"pid\":17,\"event\":\"e\","
		  "\"fields\":{\"trace\":\"01\",\"n\":5}}" },
		{ "short", "{\"line\":\"short\"}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *json = trace_line_json(span_of(cases[i].line));
		_cleanup_(freep) char *text = json_dumps(json, JSON_COMPACT);

		assert_string_equal(text, cases[i].json);
		json_decref(json);
	}
	assert_true(trace_id_is_valid("0123abcd"));
	assert_false(trace_id_is_valid(""));
	assert_false(trace_id_is_valid("a b"));
}

/* ---- the queue's answers ---- */

static void answers_of_the_queue_are_whole_or_refused(void **state)
{
	static const struct {
		const char *in;
		int status;
		const char *body;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, "{}" },
		{ "HTTP/1.0 404 Not Found\r\ncontent-length:  2 \r\nX: y\r\n\r\n[]more", 404, "[]" },
		{ "HTTP/1.0 200 OK\r\n\r\nall", 200, "all" },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n{}", -POD_E_PROTOCOL, NULL },
		{ "HTTP/1.0 200 OK\r\nContent-Length: x\r\n\r\n{}", -POD_E_PROTOCOL, NULL },
		{ "HTTP/1.0 20x OK\r\n\r\n", -POD_E_PROTOCOL, NULL },
		{ "HTTP/1.0 200 OK\r\n", -POD_E_PROTOCOL, NULL },
		{ "SSH-2.0\r\n\r\n", -POD_E_PROTOCOL, NULL },
		{ "", -POD_E_PROTOCOL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span body = SPAN_NONE;

		assert_int_equal(peer_answer_parse(span_of(cases[i].in), &body), cases[i].status);
		if (cases[i].body)
			assert_true(span_eq(body, span_of(cases[i].body)));
	}
}

/* ---- the token ---- */

static void the_token_is_made_once_and_is_nobody_elses_to_read(void **state)
{
	char first[ADMIN_TOKEN_SIZE], again[ADMIN_TOKEN_SIZE], path[128];
	struct stat st;

	assert_int_equal(admin_token_load(dir, first, NULL), 0);
	assert_int_equal(admin_token_load(dir, again, NULL), 0);
	assert_string_equal(first, again);
	assert_true(admin_token_equal(first, again));
	again[63] = again[63] == '0' ? '1' : '0';
	assert_false(admin_token_equal(first, again));
	assert_false(admin_token_equal(first, ""));
	(void) snprintf(path, sizeof(path), "%s/" ADMIN_TOKEN_NAME, dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_log_is_rotated_by_size_and_old_files_are_few),
		cmocka_unit_test(a_log_moved_away_by_others_is_opened_anew),
		cmocka_unit_test(what_a_process_says_comes_as_lines_and_its_end_as_an_event),
		cmocka_unit_test(readiness_is_what_is_written_on_the_descriptor_that_the_environment_names),
		cmocka_unit_test(a_program_that_is_not_there_ends_with_words),
		cmocka_unit_test(a_process_is_marked_by_its_id_and_start_so_that_no_other_is_taken_for_it),
		cmocka_unit_test(a_pid_file_is_locked_and_a_stale_one_names_nobody),
		cmocka_unit_test(a_trace_is_found_as_a_field_in_both_formats),
		cmocka_unit_test(a_line_of_the_log_becomes_an_object),
		cmocka_unit_test(answers_of_the_queue_are_whole_or_refused),
		cmocka_unit_test(the_token_is_made_once_and_is_nobody_elses_to_read),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
