/* What an idle TLS connection costs, so that a change that keeps buffers or handshake state shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/listener.h"
#include "tests/support/stream_end.h"

#define CONNECTIONS 300
#define LIMIT_BYTES (17 * 1024) /* measured: 14.5 KiB with OpenSSL 3.0, of which the SSL object 13.2 */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MALLOC_IS_MEASURED 0
#else
#define MALLOC_IS_MEASURED 1
#endif

static char dir[] = "/tmp/podtlsmXXXXXX";
static struct stream_end_rec ends[CONNECTIONS];
static size_t accepted;

struct ground {
	struct event_base *base;
	struct tls_context *tls;
};

static void on_accept(void *arg, const struct accepted *conn)
{
	struct ground *g = arg;

	stream_end_open(&ends[accepted], g->base, conn->fd, g->tls);
	ends[accepted].echo = true;
	stream_set_timeouts(ends[accepted].s, 1800000, 60000);
	accepted++;
}

/* In a process of its own, so that its half is not counted. Each connection says a word and is then quiet. */
static int be_clients(const struct sockaddr_in *to, const char *ca, int until)
{
	struct tls_client_options o = { .ca_file = ca };
	struct tls_context *ctx = NULL;
	char word[8];

	if (tls_client_create(&o, &ctx, NULL) < 0)
		return 1;
	for (int i = 0; i < CONNECTIONS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		SSL *ssl = tls_connect_ssl(ctx, "localhost");

		if (connect(fd, (const struct sockaddr *) to, sizeof(*to)) < 0 || SSL_set_fd(ssl, fd) != 1 ||
		    SSL_do_handshake(ssl) != 1 || SSL_write(ssl, "word", 4) != 4 || SSL_read(ssl, word, 4) != 4)
			return 2;
	}
	return read(until, word, 1) != 0;
}

static size_t all_got(void)
{
	size_t n = 0;

	for (size_t i = 0; i < accepted; i++)
		n += ends[i].got.len == 4 && evbuffer_get_length(stream_output(ends[i].s)) == 0;
	return n;
}

static void an_idle_tls_connection_stays_small(void **state)
{
	static const char *const names[] = { "localhost" };
	char ca[100], cert[100], key[100], command[100];
	struct tls_server_options o = { .cert_file = cert, .key_file = key };
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	struct ground g = { 0 };
	struct listener *l;
	struct net_addr any;
	size_t before, per;
	int fd, until[2], status;
	pid_t clients;

	if (!MALLOC_IS_MEASURED)
		skip();
	g.base = event_base_new();
	assert_non_null(mkdtemp(dir));
	assert_int_equal(tls_make_self_signed(dir, names, 1, NULL), 0);
	(void) snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	(void) snprintf(cert, sizeof(cert), "%s/server.pem", dir);
	(void) snprintf(key, sizeof(key), "%s/server.key", dir);
	assert_int_equal(tls_server_create(&o, &g.tls, NULL), 0);
	assert_int_equal(net_addr_parse(SPAN_LIT("127.0.0.1:0"), &any, NULL), 0);
	assert_int_equal(listener_open(&any, 0, &fd, NULL), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *) &in, &len), 0);
	assert_int_equal(listener_create(g.base, fd, NULL, on_accept, &g, &l, NULL), 0);
	assert_int_equal(pipe(until), 0);
	clients = fork();
	if (clients == 0) {
		(void) close(until[1]);
		_exit(be_clients(&in, ca, until[0]));
	}
	LOOP_UNTIL(g.base, all_got() == 1); /* what is made once for all is there */
	before = mallinfo2().uordblks;
	LOOP_UNTIL(g.base, all_got() == CONNECTIONS);
	per = (mallinfo2().uordblks - before) / (CONNECTIONS - 1);
	print_message("%zu bytes for each idle TLS connection\n", per);
	assert_true(per < LIMIT_BYTES);
	(void) close(until[1]);
	assert_int_equal(waitpid(clients, &status, 0), clients);
	assert_int_equal(status, 0);
	for (size_t i = 0; i < accepted; i++)
		stream_end_close(&ends[i]);
	(void) listener_free(l);
	(void) tls_unref(g.tls);
	event_base_free(g.base);
	(void) close(until[0]);
	(void) snprintf(command, sizeof(command), "rm -r '%s'", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(an_idle_tls_connection_stays_small) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
