/* Requests over HTTP, both ways of asking, to a server in a process of its own. TLS is in test_tlspolicy.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "http/http.h"
#include "proc/proc.h"

#define SECOND_MS 1000
#define LONG_SIZE 5000

struct world {
	pid_t server;
	unsigned int port, closed_port;
	char folder[64], socket[128];
};

/* ---- the server ---- */

static const char *method_of(struct evhttp_request *rq)
{
	switch (evhttp_request_get_command(rq)) {
	case EVHTTP_REQ_GET: return "GET";
	case EVHTTP_REQ_POST: return "POST";
	case EVHTTP_REQ_PUT: return "PUT";
	default: return "?";
	}
}

static const char *field_of(struct evhttp_request *rq, const char *name)
{
	const char *value = evhttp_find_header(evhttp_request_get_input_headers(rq), name);

	return value ? value : "-";
}

/* Says what it was asked: method, type, Password, body. */
static void echo(struct evhttp_request *rq, void *arg)
{
	struct evbuffer *out = evbuffer_new(), *in = evhttp_request_get_input_buffer(rq);

	(void) arg;
	(void) evhttp_add_header(evhttp_request_get_output_headers(rq), "Content-Type", "text/x-echo");
	(void) evbuffer_add_printf(out, "%s %s %s [%.*s]", method_of(rq), field_of(rq, "Content-Type"),
	                           field_of(rq, "Password"), (int) evbuffer_get_length(in),
	                           (const char *) evbuffer_pullup(in, -1));
	evhttp_send_reply(rq, 200, NULL, out);
	evbuffer_free(out);
}

static void redirect(struct evhttp_request *rq, void *arg)
{
	(void) arg;
	(void) evhttp_add_header(evhttp_request_get_output_headers(rq), "Location", "/echo");
	evhttp_send_reply(rq, 302, NULL, NULL);
}

static void be_long(struct evhttp_request *rq, void *arg)
{
	struct evbuffer *out = evbuffer_new();

	(void) arg;
	for (size_t i = 0; i < LONG_SIZE; i++)
		(void) evbuffer_add(out, "x", 1);
	evhttp_send_reply(rq, 200, NULL, out);
	evbuffer_free(out);
}

/* The connection ends without an answer. */
static void hang_up(struct evhttp_request *rq, void *arg)
{
	(void) arg;
	evhttp_connection_free(evhttp_request_get_connection(rq));
}

static void say_nothing(struct evhttp_request *rq, void *arg)
{
	(void) rq;
	(void) arg;
}

static void serve(int tcp, int local)
{
	struct event_base *base = event_base_new();
	struct evhttp *http = evhttp_new(base);

	proc_die_with_parent(getppid());
	(void) evhttp_set_cb(http, "/echo", echo, NULL);
	(void) evhttp_set_cb(http, "/redirect", redirect, NULL);
	(void) evhttp_set_cb(http, "/long", be_long, NULL);
	(void) evhttp_set_cb(http, "/broken", hang_up, NULL);
	(void) evhttp_set_cb(http, "/slow", say_nothing, NULL);
	if (evhttp_accept_socket(http, tcp) == 0 && evhttp_accept_socket(http, local) == 0)
		(void) event_base_dispatch(base);
	_exit(1);
}

static int listen_on(const char *text)
{
	struct net_addr addr;
	int fd = -1;

	assert_int_equal(net_addr_parse(span_of(text), &addr, NULL), 0);
	assert_int_equal(listener_open(&addr, 0, &fd, NULL), 0);
	return fd;
}

static unsigned int port_of(int fd)
{
	struct sockaddr_in sin;
	socklen_t n = sizeof(sin);

	assert_int_equal(getsockname(fd, (struct sockaddr *) &sin, &n), 0);
	return ntohs(sin.sin_port);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char local_text[140];
	int tcp = listen_on("127.0.0.1:0"), closed = listen_on("127.0.0.1:0"), local;

	(void) snprintf(w->folder, sizeof(w->folder), "/tmp/test_http.XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	(void) snprintf(w->socket, sizeof(w->socket), "%s/s", w->folder);
	(void) snprintf(local_text, sizeof(local_text), "unix:%s", w->socket);
	local = listen_on(local_text);
	w->port = port_of(tcp);
	w->closed_port = port_of(closed);
	(void) close(closed);
	w->server = fork();
	assert_true(w->server >= 0);
	if (w->server == 0)
		serve(tcp, local);
	(void) close(tcp);
	(void) close(local);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	int status;

	(void) kill(w->server, SIGKILL);
	(void) waitpid(w->server, &status, 0);
	(void) unlink(w->socket);
	(void) rmdir(w->folder);
	free(w);
	return 0;
}

/* ---- asking ---- */

struct got {
	struct event_base *base;
	int r, calls;
	unsigned int status;
	size_t size;
	char type[40], body[200], why[200];
};

static void got_on_answer(void *arg, const struct http_answer *answer)
{
	struct got *g = arg;

	g->calls++;
	g->r = answer->r;
	g->status = answer->status;
	g->size = answer->body.len;
	(void) snprintf(g->type, sizeof(g->type), "%s", answer->type);
	(void) snprintf(g->why, sizeof(g->why), "%s", answer->why);
	(void) snprintf(g->body, sizeof(g->body), SPAN_FMT, SPAN_ARG(answer->body));
	if (g->base)
		(void) event_base_loopbreak(g->base);
}

static struct got ask_and_wait(const struct http_ask *ask)
{
	struct got g = { 0 };

	http_call(ask, got_on_answer, &g);
	return g;
}

static struct got ask_on_loop(const struct http_ask *ask)
{
	struct event_base *base = event_base_new();
	struct got g = { .base = base };
	struct http_client *c = NULL;
	struct http_request *rq = NULL;
	struct err err = { 0 };

	assert_int_equal(http_client_create(base, &c, NULL), 0);
	g.r = http_send(c, ask, got_on_answer, &g, &rq, &err);
	if (g.r == 0) {
		assert_int_equal(g.calls, 0); /* never from inside */
		(void) event_base_dispatch(base);
	} else {
		(void) snprintf(g.why, sizeof(g.why), "%s", err_text(&err));
		g.calls = 1;
	}
	assert_null(http_client_free(c));
	event_base_free(base);
	return g;
}

static const struct asked {
	const char *path; /* or a whole URL */
	struct http_ask ask;
	int r;
	unsigned int status;
	size_t size;      /* of the body, where it is not 0 */
	const char *body; /* or NULL */
	const char *type;
} asked[] = {
	{ "/echo", { 0 }, 0, 200, 0, "GET - - []", "text/x-echo" },
	{ "/echo",
	  { .body = SPAN_LIT("a\n"), .body_type = "text/plain", .fields = { "Password: p q", "X: y" } },
	  0,
	  200,
	  0,
	  "POST text/plain p q [a\n]",
	  "text/x-echo" },
	{ "/echo",
	  { .method = "PUT", .body = SPAN_LIT("{}"), .body_type = "application/json" },
	  0,
	  200,
	  0,
	  "PUT application/json - [{}]",
	  "text/x-echo" },
	{ "/echo",
	  { .method = "POST", .body_type = "application/json" },
	  0,
	  200,
	  0,
	  "POST application/json - []",
	  "text/x-echo" },
	{ "/nowhere", { .answer_max = 1000 }, 0, 404, 0, NULL, NULL },
	{ "/redirect", { 0 }, 0, 302, 0, "", NULL },
	{ "/long", { .answer_max = LONG_SIZE }, 0, 200, LONG_SIZE, NULL, NULL },
	{ "/long", { .answer_max = LONG_SIZE - 1 }, -POD_E_LIMIT, 0, 0, NULL, NULL },
	{ "/long", { .answer_max = 7, .overlong = HTTP_OVERLONG_CUT }, 0, 200, 7, "xxxxxxx", NULL },
	{ "/slow", { .timeout_ms = 50 }, -POD_E_TIMEOUT, 0, 0, NULL, NULL },
	{ "/broken", { 0 }, -POD_E_IO, 0, 0, NULL, NULL },
	{ "http://127.0.0.1:CLOSED/", { 0 }, -POD_E_UNAVAILABLE, 0, 0, NULL, NULL },
	{ "http://", { 0 }, -POD_E_SYNTAX, 0, 0, NULL, NULL },
	{ "file:///etc/passwd", { 0 }, -POD_E_SYNTAX, 0, 0, NULL, NULL },
	{ "http://127.0.0.1:PORT/echo",
	  { .unix_socket = "/nowhere/at/all" },
	  -POD_E_UNAVAILABLE,
	  0,
	  0,
	  NULL,
	  NULL },
};

static void put_url(const struct world *w, const char *path, struct buf *url)
{
	const char *closed = strstr(path, "CLOSED"), *port = strstr(path, "PORT");

	if (*path == '/')
		buf_printf(url, "http://127.0.0.1:%u%s", w->port, path);
	else if (closed)
		buf_printf(url, "%.*s%u%s", (int) (closed - path), path, w->closed_port, closed + 6);
	else if (port)
		buf_printf(url, "%.*s%u%s", (int) (port - path), path, w->port, port + 4);
	else
		buf_add_str(url, path);
}

static void check(const struct asked *c, const struct got *g)
{
	if (g->r != c->r || g->status != (c->r ? g->status : c->status))
		fail_msg("%s: %d, status %u, %s", c->path, g->r, g->status, g->why);
	assert_int_equal(g->calls, 1);
	assert_true((c->r < 0) == (g->why[0] != '\0'));
	if (c->size)
		assert_int_equal(g->size, c->size);
	if (c->body)
		assert_string_equal(g->body, c->body);
	if (c->type)
		assert_string_equal(g->type, c->type);
}

static void both_ways_of_asking_say_the_same(void **state)
{
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		_cleanup_buf_ struct buf url = BUF_INIT;
		struct http_ask ask = asked[i].ask;
		struct got g;

		put_url(*state, asked[i].path, &url);
		ask.url = buf_str(&url);
		ask.answer_max = ask.answer_max ? ask.answer_max : 200;
		ask.timeout_ms = ask.timeout_ms ? ask.timeout_ms : 60 * SECOND_MS;
		g = ask_and_wait(&ask);
		check(&asked[i], &g);
		g = ask_on_loop(&ask);
		check(&asked[i], &g);
	}
}

static void a_unix_socket_is_asked_instead_of_the_host(void **state)
{
	const struct world *w = *state;
	const struct http_ask ask = { .url = "http://nowhere.invalid/echo",
		                      .unix_socket = w->socket,
		                      .answer_max = 200 };
	struct got g = ask_and_wait(&ask);

	assert_int_equal(g.r, 0);
	assert_string_equal(g.body, "GET - - []");
}

/* The name is nobody's: only the given address leads there. One that nobody serves is passed over. */
static void addresses_that_are_given_are_the_hosts(void **state)
{
	const struct world *w = *state;
	struct net_addr addrs[2];
	char url[80];
	struct http_ask ask = { .url = url, .addrs = addrs, .addrs_n = 2, .answer_max = 200 };
	struct got g;

	(void) snprintf(url, sizeof(url), "http://a.invalid:%u/echo", w->port);
	assert_int_equal(net_addr_parse(SPAN_LIT("[::1]:1"), &addrs[0], NULL), 0);
	assert_int_equal(net_addr_parse(SPAN_LIT("127.0.0.1:1"), &addrs[1], NULL), 0);
	g = ask_and_wait(&ask);
	assert_int_equal(g.r, 0);
	g = ask_on_loop(&ask);
	assert_int_equal(g.r, 0);
	assert_string_equal(g.body, "GET - - []");
}

static void a_request_that_was_cancelled_calls_nobody(void **state)
{
	const struct world *w = *state;
	struct event_base *base = event_base_new();
	struct got cancelled = { 0 }, kept = { .base = base };
	struct http_request *a, *b;
	struct http_client *c = NULL;
	char url[80];
	const struct http_ask ask = { .url = url, .answer_max = 200 };

	(void) snprintf(url, sizeof(url), "http://127.0.0.1:%u/echo", w->port);
	assert_int_equal(http_client_create(base, &c, NULL), 0);
	assert_int_equal(http_send(c, &ask, got_on_answer, &cancelled, &a, NULL), 0);
	assert_int_equal(http_send(c, &ask, got_on_answer, &kept, &b, NULL), 0);
	assert_null(http_cancel(a));
	(void) event_base_dispatch(base);
	assert_int_equal(kept.r, 0);
	assert_int_equal(kept.calls, 1);
	assert_int_equal(cancelled.calls, 0);
	/* Nor does one that is still under way when its client goes. */
	assert_int_equal(http_send(c, &ask, got_on_answer, &cancelled, &a, NULL), 0);
	assert_null(http_client_free(c));
	assert_int_equal(cancelled.calls, 0);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways_of_asking_say_the_same),
		cmocka_unit_test(a_unix_socket_is_asked_instead_of_the_host),
		cmocka_unit_test(addresses_that_are_given_are_the_hosts),
		cmocka_unit_test(a_request_that_was_cancelled_calls_nobody),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
