/* The HTTPS server's connections, before and beside any request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "imapd/http/http.h"
#include "tests/support/stream_end.h"

#define FDS_MAX 256 /* that a test may have open */

struct world {
	char folder[64], cert[96], key[96];
	struct event_base *base;
	struct tls_context *tls;
	struct http *http;
	struct sockaddr_in at;
};

static const struct http_route no_routes[] = { { .path = NULL } };

static struct http_options options(const struct world *w)
{
	return (struct http_options){ .base = w->base,
		                      .tls = w->tls,
		                      .routes = no_routes,
		                      .max_connections = 10,
		                      .idle_timeout_s = 60,
		                      .request_timeout_s = 60 };
}

static void serve(struct world *w, const struct http_options *o)
{
	socklen_t len = sizeof(w->at);
	struct net_addr addr;
	int fd = -1;

	assert_int_equal(net_addr_parse(SPAN_LIT("127.0.0.1:0"), &addr, NULL), 0);
	assert_int_equal(listener_open(&addr, 0, &fd, NULL), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *) &w->at, &len), 0);
	assert_int_equal(http_create(o, fd, &w->http, NULL), 0);
}

static int set_up(void **state)
{
	const char *name = "localhost";
	struct world *w = calloc(1, sizeof(*w));
	struct tls_server_options o = { .cert_file = w->cert, .key_file = w->key };

	(void) snprintf(w->folder, sizeof(w->folder), "/tmp/test_https.XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	(void) snprintf(w->cert, sizeof(w->cert), "%s/server.pem", w->folder);
	(void) snprintf(w->key, sizeof(w->key), "%s/server.key", w->folder);
	assert_int_equal(tls_make_self_signed(w->folder, &name, 1, NULL), 0);
	assert_int_equal(tls_server_create(&o, &w->tls, NULL), 0);
	w->base = event_base_new();
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	static const char *const files[] = { "server.pem", "server.key", "ca.pem", "ca.key" };
	struct world *w = *state;
	char path[128];

	(void) http_free(w->http);
	event_base_free(w->base);
	(void) tls_unref(w->tls);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void) snprintf(path, sizeof(path), "%s/%s", w->folder, files[i]);
		(void) unlink(path);
	}
	(void) rmdir(w->folder);
	free(w);
	return 0;
}

static int dial(const struct world *w)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *) &w->at, sizeof(w->at)), 0);
	return fd;
}

/* The server's end of a connection, in this process. -1: it has not been accepted. */
static int server_end(int client)
{
	struct sockaddr_in mine, peer;
	socklen_t len = sizeof(mine);

	assert_int_equal(getsockname(client, (struct sockaddr *) &mine, &len), 0);
	for (int fd = 3; fd < FDS_MAX; fd++) {
		len = sizeof(peer);
		if (fd != client && getpeername(fd, (struct sockaddr *) &peer, &len) == 0 &&
		    peer.sin_family == AF_INET && peer.sin_port == mine.sin_port)
			return fd;
	}
	return -1;
}

static void an_answers_body_does_not_wait_for_its_head_to_be_acknowledged(void **state)
{
	struct world *w = *state;
	struct http_options o = options(w);
	socklen_t len = sizeof(int);
	int nodelay = 0;

	serve(w, &o);
	_cleanup_(closep) int client = dial(w);

	LOOP_UNTIL(w->base, server_end(client) >= 0);
	assert_int_equal(getsockopt(server_end(client), IPPROTO_TCP, TCP_NODELAY, &nodelay, &len), 0);
	assert_int_not_equal(nodelay, 0);
}

static bool has_ended(int client)
{
	uint8_t byte;

	return recv(client, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

static void who_says_nothing_or_too_little_is_not_waited_for(void **state)
{
	struct world *w = *state;
	struct http_options o = options(w);

	o.request_timeout_s = 1;
	serve(w, &o);
	_cleanup_(closep) int silent = dial(w), slow = dial(w);

	assert_int_equal(send(slow, "\x16\x03\x01", 3, 0), 3); /* the beginning of a handshake */
	LOOP_UNTIL(w->base, has_ended(silent) && has_ended(slow));
}

static void who_is_to_begin_with_a_proxy_header_and_does_not_is_refused(void **state)
{
	static const char right_header[] = "PROXY TCP4 192.0.2.9 127.0.0.1 1 443\r\n";
	struct world *w = *state;
	struct http_options o = options(w);
	struct net_set *from = NULL;

	assert_int_equal(net_set_parse(SPAN_LIT("127.0.0.0/8"), &from, NULL), 0);
	o.proxy_from = from;
	serve(w, &o);
	_cleanup_(closep) int none = dial(w), wrong = dial(w), right = dial(w);

	assert_int_equal(send(none, "\x16\x03\x01", 3, 0), 3);
	assert_int_equal(send(wrong, "PROXY TCP9 ", 11, 0), 11);
	assert_int_equal(send(right, right_header, strlen(right_header), 0), strlen(right_header));
	LOOP_UNTIL(w->base, has_ended(none));
	assert_int_equal(send(wrong, "x y 1 2\r\n", 9, 0), 9);
	LOOP_UNTIL(w->base, has_ended(wrong));
	assert_false(has_ended(right));
	w->http = http_free(w->http);
	(void) net_set_free(from);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(an_answers_body_does_not_wait_for_its_head_to_be_acknowledged),
		T(who_says_nothing_or_too_little_is_not_waited_for),
		T(who_is_to_begin_with_a_proxy_header_and_does_not_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
