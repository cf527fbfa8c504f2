#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/listener.h"
#include "storeproto/client.h"
#include "storeproto/frame.h"
#include "storeproto/server.h"

/*
 * A server and a client on one event loop over a unix socket in a temporary folder. What the server does with
 * a request is the test's: by default it answers CHECK with as many codes as were asked for.
 */
struct pair {
	struct event_base *base;
	struct store_server *server;
	struct store_server_options so;
	struct store_client *client;
	struct store_client_options co;
	char dir[64], path[96], endpoint[104];
	/* what happened */
	int replies, code, connected, lost, cancelled, peers, peers_gone;
	int wanted; /* replies after which the loop ends */
	char text[256];
	struct store_request *held[8];
	size_t held_n;
	uint64_t bytes;
	uint32_t last_code;
	struct store_call *call;
};

static void answer_check(struct store_request *rq)
{
	const Podstore__Check *m = (const Podstore__Check *) store_request_message(rq);
	Podstore__CheckReply r = PODSTORE__CHECK_REPLY__INIT;
	uint32_t code = (uint32_t) m->size;

	r.codes = &code;
	r.n_codes = 1;
	store_request_reply(rq, &r.base, SPAN_NONE, -1);
}

static void on_check(void *arg, struct store_request *rq)
{
	answer_check(rq);
}

static void on_hold(void *arg, struct store_request *rq)
{
	struct pair *p = arg;

	assert_true(p->held_n < ARRAY_SIZE(p->held));
	p->held[p->held_n++] = rq;
	event_base_loopbreak(p->base);
}

static void on_more_unexpected(void *arg, struct store_request *rq, const ProtobufCMessage *message)
{
	fail();
}

static void on_cancel(void *arg, struct store_request *rq)
{
	struct pair *p = arg;

	p->cancelled++;
	event_base_loopbreak(p->base);
}

static void on_peer(void *arg, struct store_peer *peer)
{
	((struct pair *) arg)->peers++;
}

static void on_peer_gone(void *arg, struct store_peer *peer)
{
	struct pair *p = arg;

	p->peers_gone++;
	event_base_loopbreak(p->base);
}

static void on_client_state(void *arg, struct store_client *c, bool connected)
{
	struct pair *p = arg;

	if (connected)
		p->connected++;
	else
		p->lost++;
}

static void on_reply(void *arg, const struct store_reply *r)
{
	struct pair *p = arg;

	if (!r->final) {
		p->bytes += r->blob.len;
		return;
	}
	p->replies++;
	p->code = r->code;
	(void) snprintf(p->text, sizeof(p->text), "%s", r->text);
	if (r->code == 0 && r->message->descriptor == &podstore__check_reply__descriptor)
		p->last_code = ((const Podstore__CheckReply *) r->message)->codes[0];
	if (p->replies >= p->wanted)
		event_base_loopbreak(p->base);
}

static void pair_listen(struct pair *p)
{
	struct net_addr addr;
	int fd;

	assert_int_equal(store_server_create(&p->so, &p->server, NULL), 0);
	assert_int_equal(net_addr_parse(span_of(p->endpoint), &addr, NULL), 0);
	assert_int_equal(listener_open(&addr, 0, &fd, NULL), 0);
	assert_int_equal(store_server_listen(p->server, fd, NULL, NULL), 0);
}

static int pair_setup(void **state)
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
		.token = 7,
		.uid_mta = getuid(),
		.uid_gateway = (uid_t) -2,
		.uid_admin = (uid_t) -2,
		.on_request = on_check,
		.on_more = on_more_unexpected,
		.on_cancel = on_cancel,
		.on_peer = on_peer,
		.on_peer_gone = on_peer_gone,
		.arg = p,
	};
	p->co = (struct store_client_options){
		.base = p->base,
		.program = "test",
		.role = "mta",
		.volume = "vol01",
		.endpoint = p->endpoint,
		.token = 7,
		.on_state = on_client_state,
		.arg = p,
	};
	*state = p;
	return 0;
}

static int pair_teardown(void **state)
{
	struct pair *p = *state;

	(void) store_client_free(p->client);
	for (size_t i = 0; i < p->held_n; i++)
		store_request_fail(p->held[i], POD_E_CANCELLED, NULL);
	(void) store_server_free(p->server);
	event_base_free(p->base);
	(void) unlink(p->path);
	(void) rmdir(p->dir);
	free(p);
	return 0;
}

static void pair_start(struct pair *p)
{
	pair_listen(p);
	assert_int_equal(store_client_create(&p->co, &p->client, NULL), 0);
}

static struct store_call *ask(struct pair *p, uint32_t number, unsigned int timeout_ms)
{
	Podstore__Check m = PODSTORE__CHECK__INIT;

	m.size = number;
	return store_call(p->client, STORE_CHECK, &m.base, SPAN_NONE, -1, timeout_ms, on_reply, p);
}

/* Until a callback ends it; a test that hangs is ended by the runner. */
static void run(struct pair *p)
{
	(void) event_base_dispatch(p->base);
}

static void wait_connected(struct pair *p)
{
	int before = p->connected;

	while (p->connected == before)
		(void) event_base_loop(p->base, EVLOOP_ONCE);
}

static void calls_made_before_the_connection_stands_are_answered(void **state)
{
	struct pair *p = *state;

	pair_start(p);
	assert_non_null(ask(p, 42, 10000));
	assert_false(store_client_is_connected(p->client));
	run(p);
	assert_int_equal(p->code, 0);
	assert_int_equal(p->last_code, 42);
	assert_int_equal(p->connected, 1);
}

static void hellos_are_refused_by_role_and_volume(void **state)
{
	static const struct {
		const char *role, *volume;
		uint64_t token;
		int code;
	} cases[] = {
		{ "gateway", "vol01", 7, -POD_E_DENIED }, { "nobody", "vol01", 7, -POD_E_DENIED },
		{ "mta", "vol02", 7, -POD_E_NOTFOUND },
	};
	struct pair *p = *state;

	pair_listen(p);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		p->co.role = cases[i].role;
		p->co.volume = cases[i].volume;
		p->co.token = cases[i].token;
		p->replies = 0;
		assert_int_equal(store_client_create(&p->co, &p->client, NULL), 0);
		assert_non_null(ask(p, 1, 10000));
		run(p);
		assert_int_equal(p->code, cases[i].code);
		assert_true(strlen(p->text) > 0);
		p->client = store_client_free(p->client);
	}
	assert_int_equal(p->peers, 0);
}

/* A front end hears of a move a moment late, or early: that is no reason to tell a client that it failed. */
static void a_hello_with_a_stale_token_waits_until_the_directory_says_better(void **state)
{
	struct pair *p = *state;

	pair_listen(p);
	p->co.token = 6;
	assert_int_equal(store_client_create(&p->co, &p->client, NULL), 0);
	assert_non_null(ask(p, 1, 200));
	run(p);
	assert_int_equal(p->code, -POD_E_TIMEOUT);
	assert_int_equal(p->peers, 0);
	p->replies = 0;
	assert_non_null(ask(p, 2, 10000));
	store_client_move(p->client, p->co.endpoint, 7);
	run(p);
	assert_int_equal(p->code, 0);
}

static void a_peer_that_knows_a_newer_token_ends_the_service(void **state)
{
	struct pair *p = *state;
	struct store_client *other;
	struct store_client_options newer = p->co;

	pair_start(p);
	(void) ask(p, 1, 10000);
	run(p);
	assert_int_equal(p->code, 0);
	newer.token = 8;
	newer.on_state = NULL;
	assert_int_equal(store_client_create(&newer, &other, NULL), 0);
	{
		Podstore__Check m = PODSTORE__CHECK__INIT;

		p->replies = 0;
		(void) store_call(other, STORE_CHECK, &m.base, SPAN_NONE, -1, 500, on_reply, p);
		run(p);
		assert_int_equal(p->code, -POD_E_TIMEOUT);
	}
	p->replies = 0;
	(void) ask(p, 2, 10000);
	run(p);
	assert_int_equal(p->code, -POD_E_STALE);
	(void) store_client_free(other);
}

static void a_method_of_another_role_is_refused_and_the_connection_stays(void **state)
{
	struct pair *p = *state;
	Podstore__Empty empty = PODSTORE__EMPTY__INIT;

	pair_start(p);
	(void) store_call(p->client, STORE_USER_LIST, &empty.base, SPAN_NONE, -1, 10000, on_reply, p);
	run(p);
	assert_int_equal(p->code, -POD_E_DENIED);
	p->replies = 0;
	(void) ask(p, 5, 10000);
	run(p);
	assert_int_equal(p->code, 0);
	assert_int_equal(p->connected, 1);
}

struct numbered {
	struct pair *pair;
	uint32_t number;
};

static void on_numbered(void *arg, const struct store_reply *r)
{
	struct numbered *n = arg;

	assert_int_equal(r->code, 0);
	assert_int_equal(((const Podstore__CheckReply *) r->message)->codes[0], n->number);
	if (++n->pair->replies == n->pair->wanted)
		event_base_loopbreak(n->pair->base);
}

static void thousands_of_pipelined_calls_each_get_their_own_answer(void **state)
{
	static struct numbered numbers[3000];
	struct pair *p = *state;

	pair_start(p);
	p->wanted = ARRAY_SIZE(numbers);
	for (uint32_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		Podstore__Check m = PODSTORE__CHECK__INIT;

		m.size = i;
		numbers[i] = (struct numbered){ p, i };
		assert_non_null(store_call(p->client, STORE_CHECK, &m.base, SPAN_NONE, -1, 30000, on_numbered,
		                           &numbers[i]));
	}
	run(p);
	assert_int_equal(p->replies, ARRAY_SIZE(numbers));
}

/* ---- descriptors and bodies ---- */

static const uint8_t zeros[512];

static void on_body(void *arg, struct store_request *rq)
{
	Podstore__DeliverReply r = PODSTORE__DELIVER_REPLY__INIT;
	const Podstore__Deliver *m = (const Podstore__Deliver *) store_request_message(rq);
	struct pair *p = arg;
	char buf[32] = { 0 };
	struct stat st;

	if (store_request_fd(rq) >= 0) {
		assert_int_equal(fstat(store_request_fd(rq), &st), 0);
		assert_int_equal(st.st_size, m->size);
		assert_true(pread(store_request_fd(rq), buf, 16, 0) > 0);
		assert_int_equal(strtoul(buf, NULL, 10), m->internal_date);
		p->bytes += (uint64_t) st.st_size;
	} else {
		assert_int_equal(store_request_blob(rq).len, m->size);
	}
	store_request_reply(rq, &r.base, store_request_blob(rq),
	                    store_request_passes_fds(rq) ? dup(store_request_fd(rq)) : -1);
}

static void on_body_count(void *arg, struct store_request *rq)
{
	assert_false(store_request_passes_fds(rq));
	on_body(arg, rq);
}

static int body_file(unsigned int number, size_t size)
{
	char text[32];
	int fd = memfd_create("body", MFD_CLOEXEC);

	assert_true(fd >= 0);
	(void) snprintf(text, sizeof(text), "%u ", number);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(ftruncate(fd, (off_t) size), 0);
	return fd;
}

static void on_body_back(void *arg, const struct store_reply *r)
{
	struct numbered *n = arg;
	char buf[32] = { 0 };

	assert_int_equal(r->code, 0);
	if (n->number % 3 == 0) {
		assert_true(r->fd >= 0);
		assert_true(pread(r->fd, buf, 16, 0) > 0);
		assert_int_equal(strtoul(buf, NULL, 10), n->number);
	} else {
		assert_int_equal(r->blob.len, n->number);
	}
	if (++n->pair->replies == n->pair->wanted)
		event_base_loopbreak(n->pair->base);
}

static void descriptors_arrive_with_their_own_frames_in_both_directions(void **state)
{
	static struct numbered numbers[300];
	struct pair *p = *state;

	p->so.on_request = on_body;
	pair_start(p);
	p->wanted = ARRAY_SIZE(numbers);
	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++) {
		Podstore__Deliver m = PODSTORE__DELIVER__INIT;
		int fd = i % 3 == 0 ? body_file(i, 1000 + i) : -1;

		m.size = fd >= 0 ? 1000 + i : i;
		m.internal_date = i;
		numbers[i] = (struct numbered){ p, i };
		assert_non_null(store_call(p->client, STORE_DELIVER, &m.base, span_make(zeros, fd >= 0 ? 0 : i), fd, 30000,
		                           on_body_back, &numbers[i]));
		if (fd >= 0)
			(void) close(fd);
	}
	run(p);
	assert_int_equal(p->replies, ARRAY_SIZE(numbers));
}

/* ---- mutual TLS ---- */

struct identity {
	char dir[64], ca[128], cert[128], key[128];
};

/* A CA of its own with a certificate for 127.0.0.1. */
static void identity_make(struct identity *id, const char *name)
{
	const char *names[] = { name, "127.0.0.1" };
	struct err err = { 0 };

	(void) snprintf(id->dir, sizeof(id->dir), "/tmp/podmail-test-XXXXXX");
	assert_non_null(mkdtemp(id->dir));
	if (tls_make_self_signed(id->dir, names, 2, &err) < 0)
		fail_msg("%s", err_text(&err));
	(void) snprintf(id->ca, sizeof(id->ca), "%s/ca.pem", id->dir);
	(void) snprintf(id->cert, sizeof(id->cert), "%s/server.pem", id->dir);
	(void) snprintf(id->key, sizeof(id->key), "%s/server.key", id->dir);
}

static void identity_remove(const struct identity *id)
{
	char ca_key[128];

	(void) snprintf(ca_key, sizeof(ca_key), "%s/ca.key", id->dir);
	(void) unlink(ca_key);
	(void) unlink(id->ca);
	(void) unlink(id->cert);
	(void) unlink(id->key);
	(void) rmdir(id->dir);
}

static void pair_start_tls(struct pair *p, const struct identity *server, const struct identity *client)
{
	struct tls_server_options so = {
		.cert_file = server->cert,
		.key_file = server->key,
		.client_ca_file = server->ca,
	};
	struct tls_client_options co = { .ca_file = server->ca };
	struct tls_context *tls;
	struct net_addr addr = { .len = sizeof(addr.ss) };
	int fd;

	if (client) {
		co.cert_file = client->cert;
		co.key_file = client->key;
	}
	assert_int_equal(net_addr_parse(SPAN_LIT("127.0.0.1:0"), &addr, NULL), 0);
	assert_int_equal(listener_open(&addr, 0, &fd, NULL), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *) &addr.ss, &addr.len), 0);
	(void) net_addr_format(&addr, p->endpoint, sizeof(p->endpoint));
	assert_int_equal(store_server_create(&p->so, &p->server, NULL), 0);
	assert_int_equal(tls_server_create(&so, &tls, NULL), 0);
	assert_int_equal(store_server_listen(p->server, fd, tls, NULL), 0);
	(void) tls_unref(tls);
	assert_int_equal(tls_client_create(&co, &p->co.tls, NULL), 0);
	assert_int_equal(store_client_create(&p->co, &p->client, NULL), 0);
	p->co.tls = tls_unref(p->co.tls);
}

static void over_tls_roles_come_by_certificate_and_bodies_are_streamed(void **state)
{
	struct pair *p = *state;
	Podstore__Deliver m = PODSTORE__DELIVER__INIT;
	struct identity id;
	int fd = body_file(77, 3u << 20);

	identity_make(&id, "mta.example.test");
	p->so.name_mta = "mta.example.test";
	p->so.uid_mta = (uid_t) -2;
	p->so.on_request = on_body_count;
	pair_start_tls(p, &id, &id);
	p->wanted = 1001;
	m.size = 3u << 20;
	m.internal_date = 77;
	(void) store_call(p->client, STORE_DELIVER, &m.base, SPAN_NONE, fd, 30000, on_reply, p);
	m.size = 100;
	for (int i = 0; i < 1000; i++)
		(void) store_call(p->client, STORE_DELIVER, &m.base, span_make(zeros, 100), -1, 30000, on_reply, p);
	(void) close(fd);
	run(p);
	assert_int_equal(p->code, 0);
	assert_int_equal(p->replies, 1001);
	assert_int_equal(p->bytes, 3u << 20);
	identity_remove(&id);
}

static void over_tls_a_wrong_certificate_or_name_gets_no_role(void **state)
{
	struct pair *p = *state;
	struct identity id, stranger;

	identity_make(&id, "imap.example.test");
	identity_make(&stranger, "mta.example.test");
	p->so.name_mta = "mta.example.test";
	pair_start_tls(p, &id, &id); /* trusted, but another name */
	(void) ask(p, 1, 10000);
	run(p);
	assert_int_equal(p->code, -POD_E_DENIED);
	p->client = store_client_free(p->client);
	p->server = store_server_free(p->server);
	p->replies = 0;
	pair_start_tls(p, &id, &stranger); /* the right name, but of a CA that nobody trusts */
	(void) ask(p, 1, 300);
	run(p);
	assert_true(p->code == -POD_E_TIMEOUT || p->code == -POD_E_UNAVAILABLE);
	assert_int_equal(p->peers, 0);
	identity_remove(&id);
	identity_remove(&stranger);
}

/* ---- cancel, time-outs, windows ---- */

static void a_cancelled_call_is_told_to_the_server_and_never_called_back(void **state)
{
	struct pair *p = *state;
	struct store_call *call;

	p->so.on_request = on_hold;
	pair_start(p);
	call = ask(p, 1, 10000);
	run(p);
	assert_int_equal(p->held_n, 1);
	store_call_cancel(call);
	run(p);
	assert_int_equal(p->cancelled, 1);
	assert_true(store_request_cancelled(p->held[0]));
	assert_int_equal(p->replies, 0);
}

static void a_call_without_an_answer_times_out(void **state)
{
	struct pair *p = *state;

	p->so.on_request = on_hold;
	pair_start(p);
	(void) ask(p, 1, 10000);
	run(p);
	(void) ask(p, 2, 60000);
	(void) ask(p, 3, 50);
	run(p);
	while (p->replies == 0)
		run(p);
	assert_int_equal(p->code, -POD_E_TIMEOUT);
	assert_int_equal(p->replies, 1);
}

static void a_store_that_is_not_there_times_out_too(void **state)
{
	struct pair *p = *state;

	assert_int_equal(store_client_create(&p->co, &p->client, NULL), 0);
	(void) ask(p, 3, 50);
	run(p);
	assert_int_equal(p->code, -POD_E_TIMEOUT);
}

#define CHUNK (60u << 10)

/* Sends until it may not, as a thread with a long answer does. */
static void *long_answer(void *arg)
{
	struct pair *p = arg;
	struct store_request *rq = p->held[0];
	Podstore__Rows rows = PODSTORE__ROWS__INIT;
	_cleanup_(freep) uint8_t *chunk = calloc(1, CHUNK);

	for (int i = 0; i < 200 && store_request_wait_window(rq) == 0; i++) {
		store_request_more(rq, &rows.base, span_make(chunk, CHUNK), -1);
		p->last_code = (uint32_t) i + 1;
	}
	store_request_reply(rq, &rows.base, SPAN_NONE, -1);
	return NULL;
}

static void on_slow_reader(void *arg, const struct store_reply *r)
{
	struct pair *p = arg;

	if (p->bytes == 0)
		store_call_pause(p->call);
	on_reply(arg, r);
	if (!r->final && p->bytes >= FRAME_WINDOW && p->wanted == 1)
		event_base_loopbreak(p->base);
}

static void a_slow_reader_holds_the_answer_back_at_the_window(void **state)
{
	struct pair *p = *state;
	Podstore__Fetch m = PODSTORE__FETCH__INIT;
	pthread_t thread;

	p->so.uid_gateway = getuid();
	p->co.role = "gateway";
	p->so.on_request = on_hold;
	pair_start(p);
	wait_connected(p);
	p->call = store_call(p->client, STORE_FETCH, &m.base, SPAN_NONE, -1, 60000, on_slow_reader, p);
	run(p);
	assert_int_equal(p->held_n, 1);
	p->held_n = 0;
	assert_int_equal(pthread_create(&thread, NULL, long_answer, p), 0);
	run(p);
	/* The window and the one frame that may overshoot it, and not a byte more until it is opened. */
	assert_in_range(p->bytes, FRAME_WINDOW, FRAME_WINDOW + CHUNK);
	p->wanted = 2;
	p->replies = 1;
	store_call_resume(p->call);
	run(p);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(p->bytes, 200 * CHUNK);
	assert_int_equal(p->code, 0);
}

static void a_thread_that_waits_for_the_window_is_freed_when_the_peer_goes(void **state)
{
	struct pair *p = *state;
	Podstore__Fetch m = PODSTORE__FETCH__INIT;
	pthread_t thread;

	p->so.uid_gateway = getuid();
	p->co.role = "gateway";
	p->so.on_request = on_hold;
	pair_start(p);
	wait_connected(p);
	p->call = store_call(p->client, STORE_FETCH, &m.base, SPAN_NONE, -1, 60000, on_slow_reader, p);
	run(p);
	p->held_n = 0;
	assert_int_equal(pthread_create(&thread, NULL, long_answer, p), 0);
	run(p);
	p->client = store_client_free(p->client);
	assert_int_equal(p->code, -POD_E_CANCELLED);
	while (p->peers_gone == 0)
		run(p);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(p->last_code < 200);
}

/* ---- losing the store ---- */

static void a_store_that_dies_in_a_call_makes_it_unavailable_and_comes_back(void **state)
{
	struct pair *p = *state;

	p->so.on_request = on_hold;
	pair_start(p);
	(void) ask(p, 1, 10000);
	run(p);
	assert_int_equal(p->held_n, 1);
	store_request_fail(p->held[0], POD_E_INTERNAL, "never sent");
	p->held_n = 0;
	p->server = store_server_free(p->server); /* with the answer still queued: as by a crash */
	run(p);
	assert_int_equal(p->code, -POD_E_UNAVAILABLE);
	assert_int_equal(p->lost, 1);
	p->replies = 0;
	(void) ask(p, 9, 10000);
	p->so.on_request = on_check;
	pair_listen(p);
	run(p);
	assert_int_equal(p->code, 0);
	assert_int_equal(p->last_code, 9);
	assert_int_equal(p->connected, 2);
}

/*
 * A session's number is its connection's. A request that was waiting while the store came back must not be sent
 * with the old number: on the new connection it may be another user's.
 */
static void a_request_of_a_session_is_never_carried_over_to_another_connection(void **state)
{
	Podstore__QuotaGet m = PODSTORE__QUOTA_GET__INIT;
	struct pair *p = *state;

	p->so.uid_gateway = getuid();
	p->co.role = "gateway";
	pair_start(p);
	wait_connected(p);
	p->server = store_server_free(p->server);
	while (p->lost == 0)
		(void) event_base_loop(p->base, EVLOOP_ONCE);
	m.session = 1;
	assert_non_null(store_call(p->client, STORE_QUOTA_GET, &m.base, SPAN_NONE, -1, 10000, on_reply, p));
	p->so.on_request = on_hold; /* which would count it */
	pair_listen(p);
	run(p);
	assert_int_equal(p->code, -POD_E_UNAVAILABLE);
	assert_int_equal(p->connected, 2);
	assert_int_equal(p->held_n, 0);
}

static void a_volume_that_moved_is_followed(void **state)
{
	struct pair *p = *state;
	char nowhere[128];

	pair_listen(p);
	(void) snprintf(nowhere, sizeof(nowhere), "unix:%s/nobody", p->dir);
	p->co.endpoint = nowhere;
	p->co.token = 6;
	assert_int_equal(store_client_create(&p->co, &p->client, NULL), 0);
	(void) ask(p, 4, 10000);
	store_client_move(p->client, p->endpoint, 7);
	run(p);
	assert_int_equal(p->code, 0);
	assert_int_equal(p->last_code, 4);
}

static void on_reply_that_frees(void *arg, const struct store_reply *r)
{
	struct pair *p = arg;

	on_reply(arg, r);
	if (p->replies == 1)
		p->client = store_client_free(p->client);
}

static void the_client_may_be_freed_in_a_final_callback(void **state)
{
	struct pair *p = *state;
	Podstore__Check m = PODSTORE__CHECK__INIT;

	pair_start(p);
	for (int i = 0; i < 5; i++)
		(void) store_call(p->client, STORE_CHECK, &m.base, SPAN_NONE, -1, 1000, on_reply_that_frees, p);
	run(p);
	assert_int_equal(p->replies, 5);
	assert_int_equal(p->code, -POD_E_CANCELLED);
	while (p->peers_gone == 0)
		run(p);
}

/* ---- hostile bytes ---- */

static int raw_connect(const struct pair *p)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void) snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", p->path);
	assert_int_equal(connect(fd, (struct sockaddr *) &sun, sizeof(sun)), 0);
	return fd;
}

static void raw_frame(int fd, struct frame_header h, const ProtobufCMessage *m, size_t extra)
{
	uint8_t bytes[4096] = { 0 };
	size_t n = m ? protobuf_c_message_pack(m, bytes + FRAME_HEADER_SIZE) : 0;

	h.message += (uint32_t) n;
	h.length += (uint32_t) n;
	frame_header_encode(&h, bytes);
	assert_int_equal(write(fd, bytes, FRAME_HEADER_SIZE + n + extra), FRAME_HEADER_SIZE + n + extra);
}

static void raw_hello(int fd, uint32_t version)
{
	Podstore__Hello m = PODSTORE__HELLO__INIT;

	m.version = version;
	m.role = (char *) (uintptr_t) "mta";
	m.volume = (char *) (uintptr_t) "vol01";
	m.token = 7;
	raw_frame(fd, (struct frame_header){ .method = STORE_HELLO, .kind = FRAME_REQUEST, .stream = 1 }, &m.base, 0);
}

struct raw_end {
	struct pair *pair;
	bool closed;
};

static void on_raw(evutil_socket_t fd, short what, void *arg)
{
	struct raw_end *e = arg;
	char buf[4096];

	if (recv(fd, buf, sizeof(buf), 0) <= 0) {
		e->closed = true;
		event_base_loopbreak(e->pair->base);
	}
}

/* Runs the loop until the server has closed this connection. */
static void wait_closed(struct pair *p, int fd)
{
	struct raw_end e = { p, false };
	struct event *ev = event_new(p->base, fd, EV_READ | EV_PERSIST, on_raw, &e);

	assert_int_equal(event_add(ev, NULL), 0);
	while (!e.closed)
		run(p);
	event_free(ev);
	(void) close(fd);
}

static void malformed_frames_close_their_own_connection_only(void **state)
{
	static const struct frame_header cases[] = {
		{ .method = STORE_CHECK, .kind = FRAME_REQUEST, .stream = 3, .length = FRAME_LENGTH_MAX + 1 },
		{ .method = STORE_CHECK, .kind = FRAME_REQUEST, .stream = 3, .length = 4, .message = 8 },
		{ .method = STORE_CHECK, .kind = FRAME_REQUEST, .stream = 2 },
		{ .method = STORE_CHECK, .kind = 99, .stream = 3 },
		{ .method = STORE_CHECK, .kind = FRAME_REPLY, .stream = 3 },
		{ .method = STORE_CHECK, .kind = FRAME_REQUEST, .stream = 3, .flags = 0x80 },
		{ .method = STORE_CHECK, .kind = FRAME_REQUEST, .stream = 3, .flags = FRAME_FD },
		{ .method = STORE_CHECK, .kind = FRAME_REQUEST, .stream = 3, .flags = FRAME_BODY },
		{ .method = STORE_HELLO, .kind = FRAME_REQUEST, .stream = 3 },
		{ .method = STORE_CHECK, .kind = FRAME_REQUEST, .stream = 3, .length = 3, .message = 3 }, /* field 0 */
		{ .method = STORE_CHECK, .kind = FRAME_WINDOW_OPEN, .stream = 3, .length = 3, .message = 3 },
	};
	struct pair *p = *state;

	pair_start(p);
	(void) ask(p, 1, 10000);
	run(p);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int fd = raw_connect(p);

		raw_hello(fd, STORE_PROTOCOL_VERSION);
		raw_frame(fd, cases[i], NULL, cases[i].length <= 8 ? cases[i].length : 0);
		wait_closed(p, fd);
	}
	p->replies = 0;
	(void) ask(p, 2, 10000);
	run(p);
	assert_int_equal(p->code, 0);
	assert_int_equal(p->lost, 0);
}

static void another_version_or_anything_before_the_hello_is_turned_away(void **state)
{
	struct pair *p = *state;
	int fd;

	pair_listen(p);
	fd = raw_connect(p);
	raw_hello(fd, STORE_PROTOCOL_VERSION + 1);
	wait_closed(p, fd);
	fd = raw_connect(p);
	raw_frame(fd, (struct frame_header){ .method = STORE_PING, .kind = FRAME_REQUEST, .stream = 1 }, NULL, 0);
	wait_closed(p, fd);
	assert_int_equal(p->peers, 0);
}

static void a_descriptor_nobody_announced_does_no_harm(void **state)
{
	struct pair *p = *state;
	int fd, held = body_file(1, 10);
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	uint8_t half[4] = { 0 };
	struct iovec v = { half, sizeof(half) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &held, sizeof(int));
	pair_listen(p);
	fd = raw_connect(p);
	for (int i = 0; i < 40; i++)
		assert_int_equal(sendmsg(fd, &m, MSG_NOSIGNAL), 4);
	wait_closed(p, fd);
	(void) close(held);
}

static void one_call_can_be_waited_for(void **state)
{
	struct pair *p = *state;
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	Podstore__Check m = PODSTORE__CHECK__INIT;
	const ProtobufCMessage *reply;
	struct err err = { 0 };

	/* The server shares no loop with this one, so nobody answers: the time-out is what comes back. */
	pair_listen(p);
	assert_int_equal(store_call_wait(&p->co, STORE_CHECK, &m.base, a, 50, &reply, &err), -POD_E_TIMEOUT);
	assert_int_equal(err.code, POD_E_TIMEOUT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, pair_setup, pair_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(calls_made_before_the_connection_stands_are_answered),
		T(hellos_are_refused_by_role_and_volume),
		T(a_hello_with_a_stale_token_waits_until_the_directory_says_better),
		T(a_peer_that_knows_a_newer_token_ends_the_service),
		T(a_method_of_another_role_is_refused_and_the_connection_stays),
		T(thousands_of_pipelined_calls_each_get_their_own_answer),
		T(descriptors_arrive_with_their_own_frames_in_both_directions),
		T(over_tls_roles_come_by_certificate_and_bodies_are_streamed),
		T(over_tls_a_wrong_certificate_or_name_gets_no_role),
		T(a_cancelled_call_is_told_to_the_server_and_never_called_back),
		T(a_call_without_an_answer_times_out),
		T(a_store_that_is_not_there_times_out_too),
		T(a_slow_reader_holds_the_answer_back_at_the_window),
		T(a_thread_that_waits_for_the_window_is_freed_when_the_peer_goes),
		T(a_store_that_dies_in_a_call_makes_it_unavailable_and_comes_back),
		T(a_request_of_a_session_is_never_carried_over_to_another_connection),
		T(a_volume_that_moved_is_followed),
		T(the_client_may_be_freed_in_a_final_callback),
		T(malformed_frames_close_their_own_connection_only),
		T(another_version_or_anything_before_the_hello_is_turned_away),
		T(a_descriptor_nobody_announced_does_no_harm),
		T(one_call_can_be_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
