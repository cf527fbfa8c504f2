/* The service in one process with its client, over mutual TLS: as a front end of another host sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/listener.h"
#include "net/tls.h"
#include "store/auth/auth.h"
#include "store/service/service.h"
#include "storeproto/client.h"
#include "storeproto/frame.h"
#include "tests/support/volume_fixture.h"

#define NAME      "host.example.test"
#define BODY_SIZE (3u << 20)

struct world {
	struct fixture f;
	struct event_base *base;
	struct service *service;
	struct store_client *client;
	struct tls_context *server_tls, *client_tls;
	char endpoint[NET_ADDR_TEXT_SIZE], role[16];
	/* of the last call */
	int code, frames;
	bool done;
	uint64_t bytes, size;
	uint32_t uid, session;
	uint8_t token[256];
	size_t token_len, states;
	struct store_call *call;
};

static void make_tls(struct world *w)
{
	const char *names[] = { NAME, "127.0.0.1" };
	char ca[96], cert[96], key[96];
	struct tls_server_options so = { .cert_file = cert, .key_file = key, .client_ca_file = ca };
	struct tls_client_options co = { .cert_file = cert, .key_file = key, .ca_file = ca };

	(void) snprintf(ca, sizeof(ca), "%s/ca.pem", w->f.dir);
	(void) snprintf(cert, sizeof(cert), "%s/server.pem", w->f.dir);
	(void) snprintf(key, sizeof(key), "%s/server.key", w->f.dir);
	assert_int_equal(tls_make_self_signed(w->f.dir, names, 2, NULL), 0);
	assert_int_equal(tls_server_create(&so, &w->server_tls, NULL), 0);
	assert_int_equal(tls_client_create(&co, &w->client_tls, NULL), 0);
}

static void serve(struct world *w)
{
	const struct service_options o = {
		.base = w->base,
		.volume_name = "vol01",
		.volume_path = w->f.path,
		.readers = 2,
		.users_max = 10,
		.auth_remember_ms = 60000,
		.name_mta = NAME,
		.name_gateway = NAME,
		.name_admin = NAME,
		.uid_mta = (uid_t) -2,
		.uid_gateway = (uid_t) -2,
		.uid_admin = (uid_t) -2,
	};
	struct net_addr addr;
	struct err err = { 0 };
	int fd;

	if (service_create(&o, &w->service, &err) < 0)
		fail_msg("%s", err_text(&err));
	w->f.o.on_changed = service_on_changed;
	w->f.o.arg = w->service;
	fixture_open(&w->f);
	if (service_start(w->service, w->f.vol, &err) < 0)
		fail_msg("%s", err_text(&err));
	assert_int_equal(net_addr_parse(SPAN_LIT("127.0.0.1:0"), &addr, NULL), 0);
	assert_int_equal(listener_open(&addr, 0, &fd, NULL), 0);
	addr.len = sizeof(addr.ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *) &addr.ss, &addr.len), 0);
	(void) net_addr_format(&addr, w->endpoint, sizeof(w->endpoint));
	assert_int_equal(service_listen(w->service, fd, w->server_tls, NULL), 0);
}

static void become(struct world *w, const char *role)
{
	const struct store_client_options o = { .base = w->base,
		                                .program = "test",
		                                .role = role,
		                                .volume = "vol01",
		                                .endpoint = w->endpoint,
		                                .tls = w->client_tls };

	w->client = store_client_free(w->client);
	assert_int_equal(store_client_create(&o, &w->client, NULL), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->base = event_base_new();
	fixture_make(&w->f, NULL);
	make_tls(w);
	serve(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	(void) store_client_free(w->client);
	service_stop(w->service);
	fixture_close(&w->f);
	(void) service_free(w->service);
	(void) tls_unref(w->server_tls);
	(void) tls_unref(w->client_tls);
	fixture_remove(&w->f);
	event_base_free(w->base);
	free(w);
	return 0;
}

static void on_reply(void *arg, const struct store_reply *r)
{
	struct world *w = arg;

	w->frames++;
	w->bytes += r->blob.len;
	if (r->message && r->message->descriptor == &podstore__body_open_reply__descriptor)
		w->size += ((const Podstore__BodyOpenReply *) r->message)->size;
	if (r->final) {
		w->code = r->code;
		w->done = true;
		if (r->code == 0 && r->message->descriptor == &podstore__deliver_reply__descriptor) {
			w->code = -(int) ((const Podstore__DeliverReply *) r->message)->results[0]->code;
			w->uid = ((const Podstore__DeliverReply *) r->message)->results[0]->uid;
		}
		if (r->code == 0 && r->message->descriptor == &podstore__auth_reply__descriptor) {
			const Podstore__AuthReply *a = (const Podstore__AuthReply *) r->message;

			w->token_len = a->session_token.len;
			memcpy(w->token, a->session_token.data, w->token_len);
		}
		if (r->code == 0 && r->message->descriptor == &podstore__session_open_reply__descriptor)
			w->session = ((const Podstore__SessionOpenReply *) r->message)->session;
	}
	if (r->final && r->code == 0 && r->message->descriptor == &podstore__state_list_reply__descriptor)
		w->states = ((const Podstore__StateListReply *) r->message)->n_entries;
	if (r->final && r->code == 0 && r->message->descriptor == &podstore__state_get_reply__descriptor)
		w->states = ((const Podstore__StateGetReply *) r->message)->n_entries;
	event_base_loopbreak(w->base);
}

static void begin(struct world *w, enum store_method method, const ProtobufCMessage *m, int fd)
{
	w->done = false;
	w->frames = w->code = 0;
	w->bytes = w->size = 0;
	w->call = store_call(w->client, method, m, SPAN_NONE, fd, 60000, on_reply, w);
	assert_non_null(w->call);
}

static void finish(struct world *w)
{
	while (!w->done)
		(void) event_base_dispatch(w->base);
}

static void ask(struct world *w, enum store_method method, const ProtobufCMessage *m, int fd)
{
	begin(w, method, m, fd);
	finish(w);
}

static char *str(const char *s)
{
	return (char *) (uintptr_t) s;
}

static void add_alice(struct world *w)
{
	Podstore__UserAdd m = PODSTORE__USER_ADD__INIT;

	become(w, "admin");
	m.user_id = str("alice");
	m.address = str("alice@example.test");
	m.password = str("secret");
	ask(w, STORE_USER_ADD, &m.base, -1);
	assert_int_equal(w->code, 0);
}

/* Begins to log in; what follows decides whether it gets to its end. */
static void begin_login(struct world *w, const char *password)
{
	Podstore__AuthStart m = PODSTORE__AUTH_START__INIT;
	char plain[64];
	int len = snprintf(plain, sizeof(plain), "%calice@example.test%c%s", 0, 0, password);

	m.mechanism = str("PLAIN");
	m.user_id = str("alice");
	m.address = str("alice@example.test");
	m.service = str("imap");
	m.peer = str("192.0.2.1");
	m.initial = (ProtobufCBinaryData){ (size_t) len, (uint8_t *) plain };
	m.has_initial = true;
	begin(w, STORE_AUTH, &m.base, -1);
}

static void open_session(struct world *w)
{
	Podstore__SessionOpen m = PODSTORE__SESSION_OPEN__INIT;

	become(w, "gateway");
	begin_login(w, "secret");
	finish(w);
	assert_int_equal(w->code, 0);
	m.session_token = (ProtobufCBinaryData){ w->token_len, w->token };
	ask(w, STORE_SESSION_OPEN, &m.base, -1);
	assert_int_equal(w->code, 0);
}

static void deliver_large(struct world *w)
{
	Podstore__Deliver m = PODSTORE__DELIVER__INIT;
	Podstore__DeliverRecipient rcpt = PODSTORE__DELIVER_RECIPIENT__INIT, *list = &rcpt;
	int fd = memfd_create("body", MFD_CLOEXEC);

	become(w, "mta");
	assert_int_equal(ftruncate(fd, BODY_SIZE), 0);
	rcpt.user_id = str("alice");
	m.recipients = &list;
	m.n_recipients = 1;
	m.size = BODY_SIZE;
	ask(w, STORE_DELIVER, &m.base, fd);
	(void) close(fd);
	assert_int_equal(w->code, 0);
}

static void begin_body(struct world *w)
{
	Podstore__BodyOpen m = PODSTORE__BODY_OPEN__INIT;

	m.session = w->session;
	m.mailbox = fixture_mailbox(&w->f, "alice", "INBOX").id;
	m.uid = w->uid;
	begin(w, STORE_BODY_OPEN, &m.base, -1);
}

static void on_ping(void *arg, const struct store_reply *r)
{
	bool *answered = arg;

	*answered = true;
}

/* Long enough for whatever else the store would send. */
static void let_time_pass(struct world *w)
{
	Podstore__Empty empty = PODSTORE__EMPTY__INIT;

	for (int i = 0; i < 100; i++) {
		bool answered = false;

		assert_non_null(store_call(w->client, STORE_PING, &empty.base, SPAN_NONE, -1, 60000, on_ping,
		                           &answered));
		while (!answered)
			(void) event_base_loop(w->base, EVLOOP_ONCE);
	}
}

static void large_bodies_are_streamed_both_ways(void **state)
{
	struct world *w = *state;

	add_alice(w);
	deliver_large(w);
	open_session(w);
	begin_body(w);
	finish(w);
	assert_int_equal(w->code, 0);
	assert_int_equal(w->bytes, BODY_SIZE);
	assert_int_equal(w->size, BODY_SIZE); /* said once, in the first frame */
	assert_true(w->frames > 40);
}

static void a_stream_that_nobody_reads_stops_and_goes_on_or_ends(void **state)
{
	struct world *w = *state;

	add_alice(w);
	deliver_large(w);
	open_session(w);
	for (int resumes = 0; resumes < 2; resumes++) {
		begin_body(w);
		store_call_pause(w->call);
		while (w->bytes < FRAME_WINDOW)
			(void) event_base_dispatch(w->base);
		let_time_pass(w);
		assert_false(w->done);
		assert_in_range(w->bytes, FRAME_WINDOW, FRAME_WINDOW + FRAME_BLOB_INLINE_MAX);
		if (resumes) {
			store_call_resume(w->call);
			finish(w);
			assert_int_equal(w->bytes, BODY_SIZE);
		} else {
			store_call_cancel(w->call);
		}
	}
}

static void exchanges_may_be_cancelled_at_any_time(void **state)
{
	struct world *w = *state;
	Podstore__AuthStart m = PODSTORE__AUTH_START__INIT;
	Podstore__Empty empty = PODSTORE__EMPTY__INIT;

	add_alice(w);
	become(w, "gateway");
	begin_login(w, "secret"); /* not even connected */
	store_call_cancel(w->call);
	m.mechanism = str("LOGIN");
	m.user_id = str("alice");
	m.address = str("alice@example.test");
	begin(w, STORE_AUTH, &m.base, -1);
	while (w->frames == 0) /* it waits for the name */
		(void) event_base_dispatch(w->base);
	store_call_cancel(w->call);
	begin_login(w, "secret"); /* while the hash is made, or not: both have to do */
	(void) event_base_loop(w->base, EVLOOP_ONCE);
	store_call_cancel(w->call);
	ask(w, STORE_PING, &empty.base, -1);
	begin_login(w, "wrong"); /* in its pause */
	for (int i = 0; i < 3; i++)
		(void) event_base_loop(w->base, EVLOOP_ONCE);
	store_call_cancel(w->call);
	open_session(w);
}

static void the_service_ends_with_everything_under_way(void **state)
{
	struct world *w = *state;
	Podstore__Watch watch = PODSTORE__WATCH__INIT;
	Podstore__MailboxList list = PODSTORE__MAILBOX_LIST__INIT;

	add_alice(w);
	deliver_large(w);
	open_session(w);
	watch.session = list.session = w->session;
	begin(w, STORE_WATCH, &watch.base, -1);
	begin_body(w);
	store_call_pause(w->call);
	while (w->bytes < FRAME_WINDOW)
		(void) event_base_dispatch(w->base);
	begin_login(w, "wrong");
	for (int i = 0; i < 50; i++)
		begin(w, STORE_MAILBOX_LIST, &list.base, -1);
	(void) event_base_loop(w->base, EVLOOP_ONCE);
	/* The tear-down ends it here. */
}

/* The volume as it was before the message was taken away: its own folder, which write-behind has not touched
 * yet. */
static void restores_are_asked_for_by_admins_and_told_of(void **state)
{
	struct world *w = *state;
	Podstore__RestoreSource source = PODSTORE__RESTORE_SOURCE__INIT;
	Podstore__Restore m = PODSTORE__RESTORE__INIT;
	Podstore__UserRestore user = PODSTORE__USER_RESTORE__INIT;

	add_alice(w);
	deliver_large(w);
	source.path = w->f.path;
	source.user_id = m.user_id = str("alice");
	m.source = user.source = &source;
	m.into = str("Copies");
	m.mailbox = str("INBOX");
	m.items = true;
	user.user_id = str("bob");
	user.address = str("bob@example.test");
	become(w, "gateway");
	ask(w, STORE_RESTORE, &m.base, -1);
	assert_int_equal(w->code, -POD_E_DENIED);
	become(w, "admin");
	fixture_settle(&w->f); /* the source is the live volume: its files are not to move meanwhile */
	ask(w, STORE_RESTORE, &m.base, -1);
	assert_int_equal(w->code, 0);
	assert_int_equal(fixture_mailbox(&w->f, "alice", "Copies").messages, 1);
	fixture_settle(&w->f);
	ask(w, STORE_USER_RESTORE, &user.base, -1);
	assert_int_equal(w->code, 0);
	source.path = str("relative");
	ask(w, STORE_RESTORE, &m.base, -1);
	assert_int_equal(w->code, -POD_E_SYNTAX);
	begin(w, STORE_RESTORE, &m.base, -1);
	store_call_cancel(w->call);
}

/* ---- states ---- */

static void put_state(struct world *w, uint32_t session, const char *user, const char *value)
{
	Podstore__StatePut m = PODSTORE__STATE_PUT__INIT;
	Podstore__StateChange change = PODSTORE__STATE_CHANGE__INIT, *changes = &change;

	change.name = str("eas/d/1");
	change.value = (ProtobufCBinaryData){ strlen(value), (uint8_t *) str(value) };
	m.session = session;
	m.user_id = str(user);
	m.changes = &changes;
	m.n_changes = 1;
	ask(w, STORE_STATE_PUT, &m.base, -1);
}

static void list_states(struct world *w, uint32_t session, const char *user)
{
	Podstore__StateList m = PODSTORE__STATE_LIST__INIT;

	m.session = session;
	m.user_id = str(user);
	m.prefix = str("eas/");
	ask(w, STORE_STATE_LIST, &m.base, -1);
}

static void a_gateway_has_the_states_of_its_session_and_an_admin_those_he_names(void **state)
{
	struct world *w = *state;
	Podstore__StateGet get = PODSTORE__STATE_GET__INIT;
	Podstore__StateDelete delete = PODSTORE__STATE_DELETE__INIT;
	char *name = str("eas/d/1");

	add_alice(w);
	open_session(w);
	put_state(w, w->session, "nobody", "value");
	assert_int_equal(w->code, 0);
	put_state(w, w->session + 1, "alice", "value");
	assert_int_equal(w->code, -POD_E_AUTH);
	list_states(w, w->session, "");
	assert_int_equal(w->code, 0);
	assert_int_equal(w->states, 1);
	get.session = w->session;
	get.names = &name;
	get.n_names = 1;
	ask(w, STORE_STATE_GET, &get.base, -1);
	assert_int_equal(w->states, 1);
	become(w, "mta");
	list_states(w, 0, "alice");
	assert_int_equal(w->code, -POD_E_DENIED);
	become(w, "admin");
	list_states(w, 0, "nobody");
	assert_int_equal(w->code, -POD_E_NOTFOUND);
	list_states(w, 0, "alice");
	assert_int_equal(w->states, 1);
	delete.user_id = str("alice");
	delete.prefix = str("eas/d/");
	ask(w, STORE_STATE_DELETE, &delete.base, -1);
	assert_int_equal(w->code, 0);
	list_states(w, 0, "alice");
	assert_int_equal(w->states, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(large_bodies_are_streamed_both_ways),
		T(a_stream_that_nobody_reads_stops_and_goes_on_or_ends),
		T(exchanges_may_be_cancelled_at_any_time),
		T(restores_are_asked_for_by_admins_and_told_of),
		T(a_gateway_has_the_states_of_its_session_and_an_admin_those_he_names),
		T(the_service_ends_with_everything_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
