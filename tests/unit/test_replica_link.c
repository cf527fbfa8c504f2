#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "podctl/podd/replica_link.h"

#define PATIENCE_S 20

/*
 * A replicator's control socket on the same loop: says yes to `watch`, gives a status, answers what has
 * `echo` with that, and is silent to `{"do": "hang"}`.
 */
struct fixture {
	char dir[40], path[64];
	struct event_base *base;
	struct evconnlistener *listener;
	struct bufferevent *conns[16];
	size_t n;
	struct bufferevent *watcher;
	struct replica_link *link;
	struct event *patience;
	char said[512]; /* what podd's side heard, in order */
	const char *until;
};

static void say(struct bufferevent *to, const char *line)
{
	(void) bufferevent_write(to, line, strlen(line));
}

static void server_on_input(struct bufferevent *b, void *arg)
{
	struct fixture *f = arg;
	char *line;

	while ((line = evbuffer_readln(bufferevent_get_input(b), NULL, EVBUFFER_EOL_LF))) {
		json_t *q = json_loads(line, 0, NULL);
		const char *what = json_string_value(json_object_get(q, "do"));
		const char *echo = json_string_value(json_object_get(q, "echo"));

		assert_non_null(what);
		if (strcmp(what, "watch") == 0) {
			f->watcher = b;
			say(b, "{\"ok\": true}\n");
		} else if (strcmp(what, "status") == 0) {
			say(b, "{\"ok\": true, \"role\": \"secondary\"}\n");
		} else if (echo) {
			say(b, echo);
		}
		json_decref(q);
		free(line);
	}
}

static void server_on_event(struct bufferevent *b, short what, void *arg)
{
	(void) bufferevent_disable(b, EV_READ);
}

static void server_on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *a, int len,
                             void *arg)
{
	struct fixture *f = arg;
	struct bufferevent *b = bufferevent_socket_new(f->base, fd, BEV_OPT_CLOSE_ON_FREE);

	assert_true(f->n < ARRAY_SIZE(f->conns));
	f->conns[f->n++] = b;
	bufferevent_setcb(b, server_on_input, NULL, server_on_event, f);
	(void) bufferevent_enable(b, EV_READ | EV_WRITE);
}

static void server_start(struct fixture *f)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	(void) snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	f->listener = evconnlistener_new_bind(f->base, server_on_accept, f, LEV_OPT_CLOSE_ON_FREE, -1,
	                                      (struct sockaddr *) &addr, sizeof(addr));
	assert_non_null(f->listener);
}

static void server_die(struct fixture *f)
{
	evconnlistener_free(f->listener);
	(void) unlink(f->path);
	for (size_t i = 0; i < f->n; i++)
		bufferevent_free(f->conns[i]);
	f->n = 0;
	f->watcher = NULL;
	f->listener = NULL;
}

/* ---- podd's side ---- */

static void heard(struct fixture *f, const char *what)
{
	size_t n = strlen(f->said);

	(void) snprintf(f->said + n, sizeof(f->said) - n, "%s; ", what);
	if (f->until && strstr(f->said, f->until))
		(void) event_base_loopbreak(f->base);
}

static void link_on_up(void *arg, const json_t *status)
{
	char text[64];

	(void) snprintf(text, sizeof(text), "up %s", json_string_value(json_object_get(status, "role")));
	heard(arg, text);
}

static void link_on_down(void *arg)
{
	heard(arg, "down");
}

static void link_on_event(void *arg, const json_t *event)
{
	heard(arg, json_string_value(json_object_get(event, "event")));
}

static const struct replica_link_ops ops = { link_on_up, link_on_down, link_on_event };

static void on_answer(void *arg, int r, const json_t *answer, const char *text)
{
	struct fixture *f = arg;
	char line[160];

	(void) snprintf(line, sizeof(line), "%s %s", r < 0 ? err_code_name(r) : "ok", text);
	heard(f, line);
}

static void on_patience_over(evutil_socket_t fd, short what, void *arg)
{
	struct fixture *f = arg;

	fail_msg("waited in vain for \"%s\"; heard: %s", f->until, f->said);
}

static void wait_for(struct fixture *f, const char *text)
{
	static const struct timeval patience = { .tv_sec = PATIENCE_S };

	f->until = text;
	(void) event_add(f->patience, &patience);
	if (!strstr(f->said, text))
		(void) event_base_dispatch(f->base);
	(void) event_del(f->patience);
}

static void ask(struct fixture *f, const char *request, unsigned int timeout_ms, int r)
{
	assert_int_equal(
		replica_link_ask(f->link, json_loads(request, 0, NULL), timeout_ms, on_answer, f, NULL), r);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void) snprintf(f->dir, sizeof(f->dir), "link-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void) snprintf(f->path, sizeof(f->path), "%s/control", f->dir);
	f->base = event_base_new();
	f->patience = evtimer_new(f->base, on_patience_over, f);
	assert_int_equal(replica_link_create(f->base, f->path, &ops, f, &f->link, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	(void) replica_link_free(f->link);
	if (f->listener)
		server_die(f);
	event_free(f->patience);
	(void) event_base_loop(f->base, EVLOOP_NONBLOCK); /* what libevent still has to free */
	event_base_free(f->base);
	(void) rmdir(f->dir);
	free(f);
	return 0;
}

static void it_waits_for_a_replica_that_starts_later_and_says_its_status(void **state)
{
	struct fixture *f = *state;
	struct timeval moment = { .tv_usec = 60000 };

	(void) event_base_loopexit(f->base, &moment);
	(void) event_base_dispatch(f->base);
	assert_string_equal(f->said, "");
	assert_false(replica_link_is_up(f->link));
	ask(f, "{\"do\": \"status\"}", 0, -POD_E_UNAVAILABLE);
	server_start(f);
	wait_for(f, "up secondary");
	assert_true(replica_link_is_up(f->link));
}

static void answers_come_in_the_order_of_the_requests_with_their_codes(void **state)
{
	struct fixture *f = *state;

	server_start(f);
	wait_for(f, "up");
	f->said[0] = '\0';
	ask(f, "{\"do\": \"x\", \"echo\": \"{\\\"ok\\\": true}\\n\"}", 5000, 0);
	ask(f,
	    "{\"do\": \"x\", \"echo\": \"{\\\"ok\\\": false, \\\"error\\\": \\\"STALE\\\", \\\"text\\\": "
	    "\\\"old\\\"}\\n\"}",
	    5000, 0);
	ask(f, "{\"do\": \"x\", \"echo\": \"{\\\"ok\\\": false, \\\"error\\\": \\\"NEW\\\"}\\n\"}", 5000, 0);
	ask(f, "{\"do\": \"x\", \"echo\": \"{\\\"okay\\\": 1}\\n\"}", 5000, 0);
	wait_for(f, "ok ; STALE old; PROTOCOL protocol violation by the peer; PROTOCOL protocol violation by "
	            "the peer; ");
}

static void events_come_while_a_request_waits(void **state)
{
	struct fixture *f = *state;

	server_start(f);
	wait_for(f, "up");
	ask(f, "{\"do\": \"hang\"}", 0, 0);
	say(f->watcher,
	    "{\"event\": \"strike\", \"peer\": \"site2\", \"serial\": 4}\n{\"event\": \"join\"}\n");
	wait_for(f, "strike; join; ");
}

static void a_replica_that_dies_ends_its_requests_and_is_found_again(void **state)
{
	struct fixture *f = *state;

	server_start(f);
	wait_for(f, "up");
	ask(f, "{\"do\": \"hang\"}", 0, 0);
	server_die(f);
	wait_for(f, "UNAVAILABLE the replica is gone; down; ");
	f->said[0] = '\0';
	server_start(f);
	wait_for(f, "up secondary; ");
}

static void one_that_does_not_answer_in_time_is_looked_for_again(void **state)
{
	struct fixture *f = *state;

	server_start(f);
	wait_for(f, "up");
	ask(f, "{\"do\": \"hang\"}", 50, 0);
	wait_for(f, "TIMEOUT the replica does not answer; down; up secondary; ");
}

static void words_that_are_no_json_end_the_connection(void **state)
{
	struct fixture *f = *state;

	server_start(f);
	wait_for(f, "up");
	ask(f, "{\"do\": \"x\", \"echo\": \"[1]\\n\"}", 5000, 0);
	wait_for(f, "UNAVAILABLE the replica is gone; down; up secondary; ");
}

static void what_takes_long_goes_on_a_connection_of_its_own(void **state)
{
	struct fixture *f = *state;
	json_t *q = json_pack("{ss, ss}", "do", "x", "echo", "{\"ok\": true}\n");

	server_start(f);
	wait_for(f, "up");
	ask(f, "{\"do\": \"hang\"}", 0, 0);
	assert_int_equal(replica_ask_aside(f->base, f->path, q, 5000, on_answer, f, NULL), 0);
	wait_for(f, "ok ; ");
	assert_int_equal(
		replica_ask_aside(f->base, f->path, json_pack("{ss}", "do", "hang"), 50, on_answer, f, NULL),
		0);
	wait_for(f, "TIMEOUT");
	assert_true(replica_link_is_up(f->link));
	server_die(f);
	wait_for(f, "down");
	assert_int_equal(
		replica_ask_aside(f->base, f->path, json_pack("{ss}", "do", "hang"), 0, on_answer, f, NULL),
		-POD_E_UNAVAILABLE); /* at once: there is no socket */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_waits_for_a_replica_that_starts_later_and_says_its_status),
		TEST(answers_come_in_the_order_of_the_requests_with_their_codes),
		TEST(events_come_while_a_request_waits),
		TEST(a_replica_that_dies_ends_its_requests_and_is_found_again),
		TEST(one_that_does_not_answer_in_time_is_looked_for_again),
		TEST(words_that_are_no_json_end_the_connection),
		TEST(what_takes_long_goes_on_a_connection_of_its_own),
	};

	(void) signal(SIGPIPE, SIG_IGN); /* as podd does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
