#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "net/tls.h"
#include "tests/support/stream_end.h"

/* One folder of keys for all tests: main (localhost, 127.0.0.1), names/ (SNI) and other/ (another CA). */
static char dir[] = "/tmp/podtlsXXXXXX";

static const char *at(const char *name)
{
	static char paths[32][200];
	static unsigned int next;
	char *p = paths[next++ % 32];

	(void) snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

static void rename_to(const char *from, const char *to)
{
	assert_int_equal(rename(at(from), at(to)), 0);
}

static int make_keys(void **state)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "::1", "mail.example.test" };
	static const char *const one[] = { "one.example.test" }, *const wild[] = { "*.wild.test" };

	assert_non_null(mkdtemp(dir));
	assert_int_equal(tls_make_self_signed(dir, names, ARRAY_SIZE(names), NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(mkdir(at((const char *[]){ "names", "other", "sign" }[i]), 0700), 0);
	assert_int_equal(tls_make_self_signed(at("other"), names, 1, NULL), 0);
	/* Certificates for further names, by the same CA. */
	assert_int_equal(link(at("ca.pem"), at("sign/ca.pem")), 0);
	assert_int_equal(link(at("ca.key"), at("sign/ca.key")), 0);
	assert_int_equal(tls_make_self_signed(at("sign"), one, 1, NULL), 0);
	rename_to("sign/server.pem", "names/One.Example.test.pem");
	rename_to("sign/server.key", "names/One.Example.test.key");
	assert_int_equal(tls_make_self_signed(at("sign"), wild, 1, NULL), 0);
	rename_to("sign/server.pem", "names/_.wild.test.pem");
	rename_to("sign/server.key", "names/_.wild.test.key");
	return 0;
}

static int remove_keys(void **state)
{
	char command[200];

	(void) snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command);
}

static struct tls_context *server_with(const struct tls_server_options *o)
{
	struct tls_context *ctx = NULL;
	struct err err = { 0 };

	if (tls_server_create(o, &ctx, &err) < 0)
		fail_msg("%s", err.text);
	return ctx;
}

static struct tls_server_options server_options(void)
{
	return (struct tls_server_options){ .cert_file = at("server.pem"), .key_file = at("server.key") };
}

static struct tls_context *default_server(void)
{
	struct tls_server_options o = server_options();

	return server_with(&o);
}

static struct tls_context *client_with(const char *ca)
{
	struct tls_client_options o = { .ca_file = ca };
	struct tls_context *ctx = NULL;

	assert_int_equal(tls_client_create(&o, &ctx, NULL), 0);
	return ctx;
}

struct pair {
	struct event_base *base;
	struct stream_end_rec server, client;
};

/* Both ends plain; the handshake starts where the client asks for it. */
static void pair_open(struct pair *p, struct tls_context *server, struct tls_context *client, const char *name)
{
	int fds[2];

	tcp_pair(fds);
	p->base = event_base_new();
	stream_end_open(&p->server, p->base, fds[0], server);
	stream_end_open(&p->client, p->base, fds[1], NULL);
	if (client)
		assert_int_equal(stream_start_tls_client(p->client.s, client, name, NULL), 0);
}

static void pair_handshake(struct pair *p, struct tls_context *server, struct tls_context *client, const char *name)
{
	pair_open(p, server, client, name);
	LOOP_UNTIL(p->base, p->server.tls + p->server.ends && p->client.tls + p->client.ends);
}

static void pair_close(struct pair *p)
{
	stream_end_close(&p->server);
	stream_end_close(&p->client);
	(void) event_base_dispatch(p->base);
	event_base_free(p->base);
}

static void a_verified_connection_carries_bytes_both_ways(void **state)
{
	struct tls_context *server = default_server(), *client = client_with(at("ca.pem"));
	static const char *const names[] = { "localhost", "127.0.0.1", "::1", "mail.example.test" };
	char text[100];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct pair p;

		pair_handshake(&p, server, client, names[i]);
		assert_int_equal(p.client.tls, 1);
		assert_int_equal(p.server.tls, 1);
		p.server.echo = true;
		stream_write(p.client.s, SPAN_LIT("hello"));
		LOOP_UNTIL(p.base, p.client.got.len == 5);
		tls_describe(stream_ssl(p.server.s), text, sizeof(text));
		assert_memory_equal(text, "TLSv1.3 TLS_", 12);
		stream_finish(p.client.s);
		p.client.s = NULL;
		LOOP_UNTIL(p.base, p.server.ends == 1);
		assert_int_equal(p.server.why, STREAM_EOF);
		pair_close(&p);
	}
	(void) tls_unref(server);
	(void) tls_unref(client);
}

static void a_client_refuses_what_it_cannot_verify(void **state)
{
	struct tls_context *server = default_server();
	const struct {
		const char *ca, *name, *text;
	} cases[] = {
		{ at("other/ca.pem"), "localhost", "unable to get local issuer" },
		{ at("ca.pem"), "evil.test", "hostname mismatch" },
		{ at("ca.pem"), "127.0.0.2", "IP address mismatch" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tls_context *client = client_with(cases[i].ca);
		struct pair p;

		pair_handshake(&p, server, client, cases[i].name);
		assert_int_equal(p.client.why, STREAM_TLS_FAILED);
		assert_non_null(strstr(p.client.error, cases[i].text));
		LOOP_UNTIL(p.base, p.server.ends == 1);
		assert_int_equal(p.client.tls, 0);
		pair_close(&p);
		(void) tls_unref(client);
	}
	(void) tls_unref(server);
}

static void the_certificate_follows_the_name_asked_for(void **state)
{
	struct tls_server_options o = server_options();
	static const struct {
		const char *name;
		bool ok;
	} cases[] = {
		{ "localhost", true },     { "one.example.test", true },   { "ONE.example.TEST", true },
		{ "a.wild.test", true },   { "a.b.wild.test", false },     { "wild.test", false },
		{ "two.example.test", false },
	};
	struct tls_context *server, *client = client_with(at("ca.pem"));

	o.sni_dir = at("names");
	server = server_with(&o);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pair p;

		pair_handshake(&p, server, client, cases[i].name);
		assert_int_equal(p.client.tls, cases[i].ok);
		pair_close(&p);
	}
	(void) tls_unref(server);
	(void) tls_unref(client);
}

/* A client of OpenSSL's own, for what our contexts do not do. Moves bytes until its handshake ends. */
static int raw_handshake(struct event_base *base, struct stream_end_rec *server, SSL *ssl)
{
	int r;

	LOOP_UNTIL(base, (r = SSL_connect(ssl)) == 1 || SSL_get_error(ssl, r) != SSL_ERROR_WANT_READ);
	ERR_clear_error();
	return r;
}

static SSL *raw_client(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);

	assert_int_equal(SSL_set_fd(ssl, fd), 1);
	return ssl;
}

static void versions_before_1_2_are_refused(void **state)
{
	static const struct {
		int version, r;
	} cases[] = { { TLS1_VERSION, -1 }, { TLS1_1_VERSION, -1 }, { TLS1_2_VERSION, 1 }, { TLS1_3_VERSION, 1 } };
	struct tls_context *server = default_server();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct event_base *base = event_base_new();
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		struct stream_end_rec e;
		SSL *ssl;
		int fds[2];

		SSL_CTX_set_security_level(ctx, 0);
		assert_int_equal(SSL_CTX_set_min_proto_version(ctx, cases[i].version), 1);
		assert_int_equal(SSL_CTX_set_max_proto_version(ctx, cases[i].version), 1);
		tcp_pair(fds);
		stream_end_open(&e, base, fds[0], server);
		ssl = raw_client(ctx, fds[1]);
		assert_int_equal(raw_handshake(base, &e, ssl), cases[i].r);
		if (cases[i].r < 0) {
			LOOP_UNTIL(base, e.ends == 1);
			assert_int_equal(e.why, STREAM_TLS_FAILED);
		}
		SSL_free(ssl);
		SSL_CTX_free(ctx);
		(void) close(fds[1]);
		stream_end_close(&e);
		event_base_free(base);
	}
	(void) tls_unref(server);
}

static SSL_SESSION *last_session;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION_free(last_session);
	last_session = session;
	return 1;
}

/* One connection with the session given; true where it was resumed. Leaves the ticket in last_session. */
static bool resumes(struct tls_context *server, SSL_CTX *ctx, SSL_SESSION *session)
{
	struct event_base *base = event_base_new();
	struct stream_end_rec e;
	SSL *ssl;
	int fds[2];
	bool reused;
	char c;

	tcp_pair(fds);
	stream_end_open(&e, base, fds[0], server);
	ssl = raw_client(ctx, fds[1]);
	if (session)
		assert_int_equal(SSL_set_session(ssl, session), 1);
	assert_int_equal(raw_handshake(base, &e, ssl), 1);
	LOOP_UNTIL(base, e.tls == 1);
	stream_write(e.s, SPAN_LIT("x"));
	LOOP_UNTIL(base, SSL_read(ssl, &c, 1) == 1); /* the ticket comes before it */
	reused = SSL_session_reused(ssl);
	assert_int_equal(SSL_session_reused(stream_ssl(e.s)), reused);
	(void) SSL_shutdown(ssl);
	SSL_free(ssl);
	(void) close(fds[1]);
	stream_end_close(&e);
	event_base_free(base);
	return reused;
}

static void a_ticket_of_one_worker_resumes_at_another(void **state)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct tls_server_options o = server_options();
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		struct tls_context *first, *second, *third;
		SSL_SESSION *session;

		assert_int_equal(SSL_CTX_set_max_proto_version(ctx, version), 1);
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, keep_session);
		memset(o.ticket_key, 7, sizeof(o.ticket_key));
		first = server_with(&o);
		second = server_with(&o);
		memset(o.ticket_key, 8, sizeof(o.ticket_key));
		third = server_with(&o);
		last_session = NULL;
		assert_false(resumes(first, ctx, NULL));
		assert_non_null(last_session);
		session = last_session;
		last_session = NULL;
		assert_true(resumes(second, ctx, session));
		assert_false(resumes(third, ctx, session));
		SSL_SESSION_free(session);
		SSL_SESSION_free(last_session);
		(void) tls_unref(first);
		(void) tls_unref(second);
		(void) tls_unref(third);
		SSL_CTX_free(ctx);
	}
}

static void both_ends_see_the_same_channel_bindings(void **state)
{
	struct tls_context *server = default_server(), *client = client_with(at("ca.pem"));
	uint8_t exporter[3][32], end_point[2][64];
	size_t len[2];
	struct pair p, q;

	pair_handshake(&p, server, client, "localhost");
	pair_handshake(&q, server, client, "localhost");
	assert_int_equal(tls_binding_exporter(stream_ssl(p.server.s), exporter[0]), 0);
	assert_int_equal(tls_binding_exporter(stream_ssl(p.client.s), exporter[1]), 0);
	assert_int_equal(tls_binding_exporter(stream_ssl(q.client.s), exporter[2]), 0);
	assert_memory_equal(exporter[0], exporter[1], 32);
	assert_memory_not_equal(exporter[0], exporter[2], 32);
	assert_int_equal(tls_binding_end_point(stream_ssl(p.server.s), end_point[0], &len[0]), 0);
	assert_int_equal(tls_binding_end_point(stream_ssl(p.client.s), end_point[1], &len[1]), 0);
	assert_int_equal(len[0], 32);
	assert_int_equal(len[1], 32);
	assert_memory_equal(end_point[0], end_point[1], 32);
	pair_close(&p);
	pair_close(&q);
	(void) tls_unref(server);
	(void) tls_unref(client);
}

static void commands_before_the_handshake_are_thrown_away(void **state)
{
	struct tls_context *server = default_server(), *client = client_with(at("ca.pem"));
	struct pair p;
	struct span line;

	pair_open(&p, NULL, NULL, NULL);
	p.server.keep_input = true;
	stream_write(p.client.s, SPAN_LIT("STARTTLS\r\nMAIL FROM:<evil@example.test>\r\n"));
	LOOP_UNTIL(p.base, evbuffer_get_length(stream_input(p.server.s)) == 41);
	assert_int_equal(line_take(p.server.s, 100, &line), 1);
	stream_write(p.server.s, SPAN_LIT("220 go ahead\r\n"));
	assert_int_equal(stream_start_tls(p.server.s, server, NULL), 0);
	stream_write(p.server.s, SPAN_LIT("under TLS"));
	assert_int_equal(evbuffer_get_length(stream_input(p.server.s)), 0);
	LOOP_UNTIL(p.base, p.client.got.len == 14);
	assert_string_equal(buf_str(&p.client.got), "220 go ahead\r\n");
	buf_clear(&p.client.got);
	assert_int_equal(stream_start_tls_client(p.client.s, client, "localhost", NULL), 0);
	LOOP_UNTIL(p.base, p.client.tls && p.server.tls && p.client.got.len == 9);
	assert_int_equal(evbuffer_get_length(stream_input(p.server.s)), 0);
	assert_string_equal(buf_str(&p.client.got), "under TLS");
	stream_write(p.client.s, SPAN_LIT("EHLO again\r\n"));
	LOOP_UNTIL(p.base, (line_take(p.server.s, 100, &line)) == 1);
	assert_true(span_eq(line, SPAN_LIT("EHLO again")));
	pair_close(&p);
	(void) tls_unref(server);
	(void) tls_unref(client);
}

static void a_command_behind_the_reply_breaks_the_handshake(void **state)
{
	struct tls_context *server = default_server();
	struct pair p;

	pair_open(&p, NULL, NULL, NULL);
	assert_int_equal(stream_start_tls(p.server.s, server, NULL), 0);
	assert_int_equal(stream_start_tls(p.server.s, server, NULL), -POD_E_PROTOCOL);
	stream_write(p.client.s, SPAN_LIT("RSET\r\nNOOP\r\n"));
	LOOP_UNTIL(p.base, p.server.ends == 1);
	assert_int_equal(p.server.why, STREAM_TLS_FAILED);
	assert_int_equal(p.server.got.len, 0);
	pair_close(&p);
	(void) tls_unref(server);
}

static void clients_that_do_not_speak_tls_cost_nothing(void **state)
{
	static const struct {
		const char *say;
		const char *error;
	} cases[] = {
		{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "http request" },
		{ "EHLO there\r\n", "" },
		{ "", "closed by the peer" },
		{ "\x16\x03\x01\x02", "" },
	};
	struct tls_context *server = default_server();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct event_base *base = event_base_new();
		struct stream_end_rec e;
		int fds[2];

		tcp_pair(fds);
		stream_end_open(&e, base, fds[0], server);
		(void) send(fds[1], cases[i].say, strlen(cases[i].say), 0);
		(void) shutdown(fds[1], SHUT_WR);
		LOOP_UNTIL(base, e.ends == 1);
		assert_int_equal(e.why, STREAM_TLS_FAILED);
		assert_non_null(strstr(e.error, cases[i].error));
		assert_int_equal(e.tls, 0);
		(void) close(fds[1]);
		stream_end_close(&e);
		event_base_free(base);
	}
	(void) tls_unref(server);
}

/* Bytes that keep coming must not keep a handshake alive. */
static void a_handshake_that_drips_ends_at_the_read_timeout(void **state)
{
	static const char hello[] = "\x16\x03\x01\x3f\xff\x01\x00\x3f\xfb\x03\x03";
	struct tls_context *server = default_server();
	struct event_base *base = event_base_new();
	struct stream_end_rec e;
	uint64_t start = clock_mono_ms(), last = 0;
	size_t sent = 0;
	int fds[2];

	tcp_pair(fds);
	stream_end_open(&e, base, fds[0], server);
	stream_set_timeouts(e.s, 300, 0);
	loop_limit_start(base);
	while (e.ends == 0) {
		if (clock_mono_ms() - last >= 10) {
			(void) send(fds[1], sent < sizeof(hello) - 1 ? hello + sent : "\0", 1, MSG_NOSIGNAL);
			last = clock_mono_ms();
			sent++;
		}
		loop_once(base, __FILE__, __LINE__);
	}
	assert_int_equal(e.why, STREAM_TIMEOUT);
	assert_true(clock_mono_ms() - start >= 290);
	(void) close(fds[1]);
	stream_end_close(&e);
	event_base_free(base);
	(void) tls_unref(server);
}

static void a_reload_leaves_running_connections_alone(void **state)
{
	struct tls_server_options o = server_options();
	struct tls_context *server, *client = client_with(at("ca.pem"));
	struct pair p, q;

	o.sni_dir = at("names");
	server = server_with(&o);
	pair_open(&p, server, client, "a.wild.test"); /* its handshake runs after the context is let go */
	pair_handshake(&q, server, client, "one.example.test");
	(void) tls_unref(server);
	LOOP_UNTIL(p.base, p.server.tls && p.client.tls);
	stream_write(p.client.s, SPAN_LIT("alive"));
	stream_write(q.server.s, SPAN_LIT("too"));
	LOOP_UNTIL(p.base, p.server.got.len == 5);
	LOOP_UNTIL(q.base, q.client.got.len == 3);
	pair_close(&p);
	pair_close(&q);
	(void) tls_unref(client);
}

static void client_certificates_are_demanded_and_named(void **state)
{
	struct tls_server_options o = server_options();
	struct tls_client_options with = { .ca_file = at("ca.pem"), .cert_file = at("server.pem"), .key_file = at("server.key") };
	struct tls_client_options foreign = { .ca_file = at("ca.pem"), .cert_file = at("other/server.pem"),
		                              .key_file = at("other/server.key") };
	struct tls_context *server, *clients[3] = { client_with(at("ca.pem")) };
	char name[64];

	o.client_ca_file = at("ca.pem");
	server = server_with(&o);
	assert_int_equal(tls_client_create(&foreign, &clients[1], NULL), 0);
	assert_int_equal(tls_client_create(&with, &clients[2], NULL), 0);
	for (int i = 0; i < 3; i++) {
		struct pair p;

		pair_open(&p, server, clients[i], "localhost");
		LOOP_UNTIL(p.base, p.server.tls + p.server.ends);
		assert_int_equal(p.server.tls, i == 2);
		if (i == 2) {
			tls_peer_name(stream_ssl(p.server.s), name, sizeof(name));
			assert_string_equal(name, "localhost");
		}
		pair_close(&p);
		(void) tls_unref(clients[i]);
	}
	(void) tls_unref(server);
}

static void large_files_and_bytes_pass_under_tls_in_order(void **state)
{
	struct tls_context *server = default_server(), *client = client_with(at("ca.pem"));
	const size_t size = 3u << 20;
	_cleanup_(freep) uint8_t *bytes = malloc(size);
	int fd = memfd_create("file", MFD_CLOEXEC);
	struct pair p;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t) (i * 31 + i / 255);
	assert_int_equal(write(fd, bytes, size), size);
	pair_handshake(&p, server, client, "localhost");
	for (size_t i = 0; i < 1000; i++) /* many small runs, so that records are gathered */
		(void) evbuffer_add_reference(stream_output(p.server.s), bytes + i * 100, 100, NULL, NULL);
	assert_int_equal(stream_write_file(p.server.s, fd, 100000, size - 100000, NULL), 0);
	stream_write(p.server.s, span_make(bytes, size));
	LOOP_UNTIL(p.base, p.client.got.len == 2 * size);
	assert_memory_equal(p.client.got.p, bytes, size);
	assert_memory_equal(p.client.got.p + size, bytes, size);
	pair_close(&p);
	(void) tls_unref(server);
	(void) tls_unref(client);
}

static void freeing_inside_on_tls_is_safe(void **state)
{
	struct tls_context *server = default_server(), *client = client_with(at("ca.pem"));
	struct pair p;

	pair_open(&p, server, client, "localhost");
	p.server.free_on_tls = true;
	p.client.free_on_end = true;
	LOOP_UNTIL(p.base, p.server.s == NULL && p.client.ends == 1);
	pair_close(&p);
	(void) tls_unref(server);
	(void) tls_unref(client);
}

static void mistakes_in_files_are_told_in_words(void **state)
{
	const struct {
		const char *cert, *key, *names, *ca, *text;
	} cases[] = {
		{ at("missing.pem"), at("server.key"), NULL, NULL, "missing.pem: No such file" },
		{ at("server.pem"), at("other/server.key"), NULL, NULL, "other/server.key" },
		{ at("server.key"), at("server.key"), NULL, NULL, "certificate" },
		{ at("server.pem"), at("server.key"), at("nowhere"), NULL, "nowhere" },
	};
	struct err err = { 0 };
	struct tls_context *ctx = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tls_server_options o = { .cert_file = cases[i].cert, .key_file = cases[i].key, .sni_dir = cases[i].names };

		assert_true(tls_server_create(&o, &ctx, &err) < 0);
		if (!strstr(err.text, cases[i].text))
			fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].text);
		assert_int_equal(ERR_peek_error(), 0);
	}
	assert_true(tls_server_create(&(struct tls_server_options){ .cert_file = cases[0].cert, .key_file = "" }, &ctx, NULL) < 0);
	assert_null(ctx);
}

static X509 *load_cert(const char *path)
{
	BIO *in = BIO_new_file(path, "r");
	X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);

	(void) BIO_free(in);
	assert_non_null(cert);
	return cert;
}

static void made_certificates_are_what_clients_accept(void **state)
{
	X509 *ca = load_cert(at("ca.pem")), *cert = load_cert(at("server.pem"));
	int days, seconds;
	struct stat st;

	assert_int_equal(ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(cert), X509_get0_notAfter(cert)), 1);
	assert_true(days <= 825 && days > 800);
	assert_int_equal(ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(ca), X509_get0_notAfter(ca)), 1);
	assert_true(days >= 3649);
	assert_int_equal(X509_check_ca(ca), 1);
	assert_int_equal(X509_check_ca(cert), 0);
	assert_int_equal(X509_verify(cert, X509_get0_pubkey(ca)), 1);
	assert_int_equal(X509_check_ip_asc(cert, "::1", 0), 1);
	assert_int_equal(X509_check_host(cert, "mail.example.test", 0, 0, NULL), 1);
	assert_int_equal(stat(at("ca.key"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(at("server.key"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	X509_free(ca);
	X509_free(cert);
}

static void files_that_are_there_stay_and_missing_ones_come_back(void **state)
{
	static const char *const names[] = { "localhost" };
	X509 *before, *after, *ca;
	struct err err = { 0 };

	assert_int_equal(mkdir(at("again"), 0700), 0);
	assert_int_equal(tls_make_self_signed(at("again"), names, 1, NULL), 0);
	before = load_cert(at("again/server.pem"));
	assert_int_equal(tls_make_self_signed(at("again"), names, 1, NULL), 0);
	after = load_cert(at("again/server.pem"));
	assert_int_equal(X509_cmp(before, after), 0);
	X509_free(after);
	assert_int_equal(unlink(at("again/server.pem")), 0); /* as after a crash between key and certificate */
	assert_int_equal(tls_make_self_signed(at("again"), names, 1, NULL), 0);
	after = load_cert(at("again/server.pem"));
	ca = load_cert(at("again/ca.pem"));
	assert_int_equal(X509_cmp(before, after) == 0, 0);
	assert_int_equal(X509_verify(after, X509_get0_pubkey(ca)), 1);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(before), X509_get0_pubkey(after)), 1);
	assert_int_equal(unlink(at("again/server.pem")), 0);
	assert_int_equal(unlink(at("again/ca.key")), 0);
	assert_int_equal(tls_make_self_signed(at("again"), names, 1, &err), -POD_E_NOTFOUND);
	assert_non_null(strstr(err.text, "ca.key"));
	assert_int_equal(tls_make_self_signed(at("again"), (const char *const[]){ "a,DNS:b" }, 1, &err), -POD_E_SYNTAX);
	X509_free(before);
	X509_free(after);
	X509_free(ca);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_verified_connection_carries_bytes_both_ways),
		cmocka_unit_test(a_client_refuses_what_it_cannot_verify),
		cmocka_unit_test(the_certificate_follows_the_name_asked_for),
		cmocka_unit_test(versions_before_1_2_are_refused),
		cmocka_unit_test(a_ticket_of_one_worker_resumes_at_another),
		cmocka_unit_test(both_ends_see_the_same_channel_bindings),
		cmocka_unit_test(commands_before_the_handshake_are_thrown_away),
		cmocka_unit_test(a_command_behind_the_reply_breaks_the_handshake),
		cmocka_unit_test(clients_that_do_not_speak_tls_cost_nothing),
		cmocka_unit_test(a_handshake_that_drips_ends_at_the_read_timeout),
		cmocka_unit_test(a_reload_leaves_running_connections_alone),
		cmocka_unit_test(client_certificates_are_demanded_and_named),
		cmocka_unit_test(large_files_and_bytes_pass_under_tls_in_order),
		cmocka_unit_test(freeing_inside_on_tls_is_safe),
		cmocka_unit_test(mistakes_in_files_are_told_in_words),
		cmocka_unit_test(made_certificates_are_what_clients_accept),
		cmocka_unit_test(files_that_are_there_stay_and_missing_ones_come_back),
	};

	return cmocka_run_group_tests(tests, make_keys, remove_keys);
}
