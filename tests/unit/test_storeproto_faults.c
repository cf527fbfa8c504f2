/* The store protocol where things go wrong: peers that are slow, many, newer than we are, or gone in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/listener.h"
#include "storeproto/client.h"
#include "storeproto/frame.h"
#include "storeproto/server.h"

/* A store and a gateway on one event loop. What the store does with requests is the test's. */
struct pair {
	struct event_base *base;
	struct store_server *server;
	struct store_server_options so;
	struct store_client *client;
	struct store_client_options co;
	char dir[64], path[96], endpoint[104];
	int replies, wanted, code, cancelled;
	struct store_request *held[2];
	size_t held_n;
	bool gone;
};

static void on_reply(void *arg, const struct store_reply *r)
{
	struct pair *p = arg;

	if (!r->final)
		return;
	p->code = r->code;
	if (++p->replies >= p->wanted)
		event_base_loopbreak(p->base);
}

static void reply_empty(struct store_request *rq)
{
	Podstore__Empty empty = PODSTORE__EMPTY__INIT;

	store_request_reply(rq, &empty.base, SPAN_NONE, -1);
}

/* WATCH stays open, anything else is answered. */
static void on_request(void *arg, struct store_request *rq)
{
	if (store_request_method(rq) != STORE_WATCH)
		reply_empty(rq);
}

static void on_more(void *arg, struct store_request *rq, const ProtobufCMessage *message)
{
	fail();
}

static void on_cancel(void *arg, struct store_request *rq)
{
	((struct pair *) arg)->cancelled++;
	store_request_fail(rq, POD_E_CANCELLED, NULL);
}

static void on_peer_gone(void *arg, struct store_peer *peer)
{
	struct pair *p = arg;

	p->gone = true;
	event_base_loopbreak(p->base);
}

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->base = event_base_new();
	(void) snprintf(p->dir, sizeof(p->dir), "/tmp/podmail-test-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	(void) snprintf(p->path, sizeof(p->path), "%s/s", p->dir);
	(void) snprintf(p->endpoint, sizeof(p->endpoint), "unix:%s", p->path);
	p->wanted = 1;
	p->so = (struct store_server_options){
		.base = p->base,
		.volume = "vol01",
		.volume_id = "0123",
		.uid_mta = (uid_t) -2,
		.uid_gateway = getuid(),
		.uid_admin = (uid_t) -2,
		.on_request = on_request,
		.on_more = on_more,
		.on_cancel = on_cancel,
		.on_peer_gone = on_peer_gone,
		.arg = p,
	};
	p->co = (struct store_client_options){
		.base = p->base,
		.program = "test",
		.role = "gateway",
		.volume = "vol01",
		.endpoint = p->endpoint,
	};
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	(void) store_client_free(p->client);
	(void) store_server_free(p->server);
	event_base_free(p->base);
	(void) unlink(p->path);
	(void) rmdir(p->dir);
	free(p);
	return 0;
}

static int listen_here(struct pair *p)
{
	struct net_addr addr;
	int fd;

	assert_int_equal(net_addr_parse(span_of(p->endpoint), &addr, NULL), 0);
	assert_int_equal(listener_open(&addr, 0, &fd, NULL), 0);
	return fd;
}

/* Requests of a session are for one connection only. */
static void wait_connected(struct pair *p)
{
	while (!store_client_is_connected(p->client))
		(void) event_base_loop(p->base, EVLOOP_ONCE);
}

static void start(struct pair *p)
{
	assert_int_equal(store_server_create(&p->so, &p->server, NULL), 0);
	assert_int_equal(store_server_listen(p->server, listen_here(p), NULL, NULL), 0);
	assert_int_equal(store_client_create(&p->co, &p->client, NULL), 0);
	wait_connected(p);
}

static struct store_call *close_session(struct pair *p, unsigned int timeout_ms)
{
	Podstore__SessionClose m = PODSTORE__SESSION_CLOSE__INIT;

	return store_call(p->client, STORE_SESSION_CLOSE, &m.base, SPAN_NONE, -1, timeout_ms, on_reply, p);
}

static struct store_call *watch(struct pair *p, store_reply_fn *fn)
{
	Podstore__Watch m = PODSTORE__WATCH__INIT;

	return store_call(p->client, STORE_WATCH, &m.base, SPAN_NONE, -1, 0, fn, p);
}

/* Until a callback ends it; a test that hangs is ended by the runner. */
static void run(struct pair *p)
{
	(void) event_base_dispatch(p->base);
}

static void on_nothing(void *arg, const struct store_reply *r)
{
}

static void thousands_of_idle_watches_do_not_stop_the_connection_they_share(void **state)
{
	struct pair *p = *state;

	start(p);
	for (int i = 0; i < 3000; i++)
		assert_non_null(watch(p, on_nothing));
	assert_non_null(close_session(p, 20000));
	run(p);
	assert_int_equal(p->code, 0);
	p->client = store_client_free(p->client);
	while (!p->gone)
		run(p);
	assert_int_equal(p->cancelled, 3000);
}

/* ---- answers that cross a loss ---- */

static void *answer_on_a_thread(void *rq)
{
	reply_empty(rq);
	return NULL;
}

/* While the loop tells the first request that its peer is gone, another thread answers the second. */
static void on_cancel_of_one_of_two(void *arg, struct store_request *rq)
{
	struct pair *p = arg;
	struct store_request *other = p->held[rq == p->held[0]];
	pthread_t thread;

	if (p->cancelled++ > 0)
		return;
	assert_int_equal(pthread_create(&thread, NULL, answer_on_a_thread, other), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	store_request_fail(rq, POD_E_CANCELLED, NULL);
}

static void on_hold(void *arg, struct store_request *rq)
{
	struct pair *p = arg;

	p->held[p->held_n++] = rq;
	if (p->held_n == 2)
		event_base_loopbreak(p->base);
}

static void a_request_that_ends_while_another_is_told_of_the_loss_is_not_touched_again(void **state)
{
	struct pair *p = *state;

	p->so.on_request = on_hold;
	p->so.on_cancel = on_cancel_of_one_of_two;
	start(p);
	assert_non_null(watch(p, on_nothing));
	assert_non_null(watch(p, on_nothing));
	while (p->held_n < 2)
		run(p);
	p->client = store_client_free(p->client);
	while (!p->gone)
		run(p);
	assert_int_equal(p->cancelled, 1);
}

static void on_request_answer_too_much(void *arg, struct store_request *rq)
{
	static const uint8_t much[FRAME_LENGTH_MAX + 1];
	Podstore__Rows rows = PODSTORE__ROWS__INIT;

	if (store_request_method(rq) == STORE_FETCH)
		store_request_reply(rq, &rows.base, span_make(much, sizeof(much)), -1);
	else
		reply_empty(rq);
}

static void an_answer_that_fits_no_frame_fails_alone(void **state)
{
	struct pair *p = *state;
	Podstore__Fetch m = PODSTORE__FETCH__INIT;

	p->so.on_request = on_request_answer_too_much;
	start(p);
	assert_non_null(store_call(p->client, STORE_FETCH, &m.base, SPAN_NONE, -1, 20000, on_reply, p));
	run(p);
	assert_int_equal(p->code, -POD_E_LIMIT);
	assert_non_null(close_session(p, 20000));
	run(p);
	assert_int_equal(p->code, 0);
	assert_false(p->gone);
}

/* ---- moving ---- */

static void on_watch_event_move(void *arg, const struct store_reply *r)
{
	struct pair *p = arg;

	if (r->final) {
		on_reply(arg, r);
		return;
	}
	store_client_move(p->client, "unix:/nonexistent/socket", 1);
	assert_int_equal(p->replies, 0); /* no call of the owner's ends inside another call of his */
	assert_false(store_client_is_connected(p->client));
}

static void on_request_send_event(void *arg, struct store_request *rq)
{
	Podstore__WatchEvent e = PODSTORE__WATCH_EVENT__INIT;

	store_request_more(rq, &e.base, SPAN_NONE, -1);
}

static void a_volume_that_moves_during_a_callback_ends_its_calls_after_it(void **state)
{
	struct pair *p = *state;

	p->so.on_request = on_request_send_event;
	start(p);
	assert_non_null(watch(p, on_watch_event_move));
	while (p->replies == 0)
		run(p);
	assert_int_equal(p->code, -POD_E_UNAVAILABLE);
}

/* ---- a store that hangs, and one that does not know us ---- */

static void raw_write(int fd, struct frame_header h, const ProtobufCMessage *m)
{
	uint8_t bytes[512] = { 0 };

	h.length = h.message = (uint32_t) protobuf_c_message_pack(m, bytes + FRAME_HEADER_SIZE);
	frame_header_encode(&h, bytes);
	assert_int_equal(write(fd, bytes, FRAME_HEADER_SIZE + h.length), FRAME_HEADER_SIZE + h.length);
}

struct raw_store {
	struct pair *pair;
	int fd;
	size_t bytes;
};

/* Takes the hello, answers it, and reads nothing more. */
static void on_raw_accept(evutil_socket_t listening, short what, void *arg)
{
	Podstore__HelloReply m = PODSTORE__HELLO_REPLY__INIT;
	struct raw_store *raw = arg;
	uint8_t hello[512];

	raw->fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	assert_true(raw->fd >= 0);
	assert_true(recv(raw->fd, hello, sizeof(hello), 0) > FRAME_HEADER_SIZE);
	raw_write(raw->fd, (struct frame_header){ .stream = 1, .method = STORE_HELLO, .kind = FRAME_REPLY }, &m.base);
	m.version = STORE_PROTOCOL_VERSION;
}

static void on_raw_bytes(evutil_socket_t fd, short what, void *arg)
{
	struct raw_store *raw = arg;
	static uint8_t buf[1 << 16];
	ssize_t n = (what & EV_READ) ? recv(fd, buf, sizeof(buf), MSG_DONTWAIT) : 0;

	if (n > 0)
		raw->bytes += (size_t) n;
	else
		event_base_loopbreak(raw->pair->base); /* nothing came for a while */
}

static void a_store_that_hangs_is_not_sent_without_bound_what_timed_out_long_ago(void **state)
{
	static const uint8_t body[60000];
	const struct timeval quiet = { 1, 0 };
	struct pair *p = *state;
	struct raw_store raw = { p, -1, 0 };
	int fd = listen_here(p);
	struct event *ev = event_new(p->base, fd, EV_READ, on_raw_accept, &raw);
	Podstore__Append m = PODSTORE__APPEND__INIT;

	assert_int_equal(event_add(ev, NULL), 0);
	assert_int_equal(store_client_create(&p->co, &p->client, NULL), 0);
	wait_connected(p);
	p->wanted = 500;
	for (int i = 0; i < p->wanted; i++)
		assert_non_null(store_call(p->client, STORE_APPEND, &m.base, span_make(body, sizeof(body)), -1, 300,
		                           on_reply, p));
	run(p);
	assert_int_equal(p->code, -POD_E_TIMEOUT);
	event_free(ev);
	ev = event_new(p->base, raw.fd, EV_READ | EV_PERSIST, on_raw_bytes, &raw);
	assert_int_equal(event_add(ev, &quiet), 0);
	run(p);
	assert_in_range(raw.bytes, sizeof(body), 3u << 20);
	event_free(ev);
	(void) close(raw.fd);
	(void) close(fd);
}

static int raw_connect(const struct pair *p)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void) snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", p->path);
	assert_int_equal(connect(fd, (struct sockaddr *) &sun, sizeof(sun)), 0);
	return fd;
}

/* Runs the loop until the socket has at least a header and what it announces, and returns the header. */
static struct frame_header raw_read(struct pair *p, int fd)
{
	uint8_t bytes[4096];
	struct frame_header h = { 0 };
	ssize_t n = 0;

	while (n < FRAME_HEADER_SIZE) {
		(void) event_base_loop(p->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		n = recv(fd, bytes, FRAME_HEADER_SIZE, MSG_PEEK | MSG_DONTWAIT);
		assert_int_not_equal(n, 0);
	}
	assert_int_equal(frame_header_decode(bytes, &h, NULL), 0);
	assert_in_range(h.length, 0, sizeof(bytes) - FRAME_HEADER_SIZE);
	assert_int_equal(recv(fd, bytes, FRAME_HEADER_SIZE + h.length, MSG_WAITALL), FRAME_HEADER_SIZE + h.length);
	return h;
}

static void a_method_of_a_newer_peer_is_refused_and_the_connection_stays(void **state)
{
	struct pair *p = *state;
	Podstore__Hello hello = PODSTORE__HELLO__INIT;
	Podstore__Empty empty = PODSTORE__EMPTY__INIT;
	_cleanup_(closep) int fd = -1;

	start(p);
	fd = raw_connect(p);
	hello.version = STORE_PROTOCOL_VERSION;
	hello.role = (char *) (uintptr_t) "gateway";
	hello.volume = (char *) (uintptr_t) "vol01";
	raw_write(fd, (struct frame_header){ .method = STORE_HELLO, .kind = FRAME_REQUEST, .stream = 1 }, &hello.base);
	assert_int_equal(raw_read(p, fd).kind, FRAME_REPLY);
	raw_write(fd, (struct frame_header){ .method = 999, .kind = FRAME_REQUEST, .stream = 3 }, &empty.base);
	assert_int_equal(raw_read(p, fd).kind, FRAME_ERROR);
	raw_write(fd, (struct frame_header){ .method = STORE_PING, .kind = FRAME_REQUEST, .stream = 5 }, &empty.base);
	assert_int_equal(raw_read(p, fd).stream, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(thousands_of_idle_watches_do_not_stop_the_connection_they_share),
		TEST(a_request_that_ends_while_another_is_told_of_the_loss_is_not_touched_again),
		TEST(an_answer_that_fits_no_frame_fails_alone),
		TEST(a_volume_that_moves_during_a_callback_ends_its_calls_after_it),
		TEST(a_store_that_hangs_is_not_sent_without_bound_what_timed_out_long_ago),
		TEST(a_method_of_a_newer_peer_is_refused_and_the_connection_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
