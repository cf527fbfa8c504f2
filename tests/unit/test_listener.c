#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "net/listener.h"

static void addresses_parse_and_format_the_same(void **state)
{
	static const struct {
		const char *in, *out;
		uint16_t port;
		bool loopback;
	} cases[] = {
		{ "127.0.0.1:25", "127.0.0.1:25", 25, true },
		{ "127.9.9.9:0", "127.9.9.9:0", 0, true },
		{ "192.0.2.1:65535", "192.0.2.1:65535", 65535, false },
		{ "[::1]:993", "[::1]:993", 993, true },
		{ "[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", 1, true },
		{ "[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.1]:1", 1, false },
		{ "[2001:DB8::1]:25", "[2001:db8::1]:25", 25, false },
		{ "*:143", "[::]:143", 143, false },
		{ "unix:/run/x.sock", "unix:/run/x.sock", 0, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_addr a;
		char text[NET_ADDR_TEXT_SIZE];

		assert_int_equal(net_addr_parse(span_of(cases[i].in), &a, NULL), 0);
		assert_string_equal(net_addr_format(&a, text, sizeof(text)), cases[i].out);
		assert_int_equal(net_addr_port(&a), cases[i].port);
		assert_int_equal(net_addr_is_loopback(&a), cases[i].loopback);
	}
}

static void what_is_no_address_is_refused_in_words(void **state)
{
	static const char *const cases[] = { "",	"25",	   ":25",      "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
		                             "::1:25",  "[::1]",   "[]:25",    "host:25",   "unix:",	  "127.0.0.1:+1",
		                             "[::1:25", "1.2.3:25" };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_addr a;
		struct err err = { 0 };

		assert_int_equal(net_addr_parse(span_of(cases[i]), &a, &err), -POD_E_SYNTAX);
		assert_true(err.text[0] != '\0');
	}
}

static void networks_hold_the_addresses_inside_them(void **state)
{
	static const struct {
		const char *set, *addr;
		int r;
		bool in;
	} cases[] = {
		{ "127.0.0.1, 10.0.0.0/8, ::1", "10.255.1.1:1", 0, true },
		{ "127.0.0.1, 10.0.0.0/8, ::1", "11.0.0.1:1", 0, false },
		{ "127.0.0.1, 10.0.0.0/8, ::1", "127.0.0.1:1", 0, true },
		{ "127.0.0.1, 10.0.0.0/8, ::1", "127.0.0.2:1", 0, false },
		{ "127.0.0.1, 10.0.0.0/8, ::1", "[::1]:1", 0, true },
		{ "10.0.0.0/8", "[::ffff:10.1.2.3]:1", 0, true },
		{ "192.0.2.128/25", "192.0.2.127:1", 0, false },
		{ "192.0.2.128/25", "192.0.2.200:1", 0, true },
		{ "0.0.0.0/0", "8.8.8.8:1", 0, true },
		{ "0.0.0.0/0", "[2001:db8::1]:1", 0, false },
		{ "2001:db8::/33", "[2001:db8:8000::1]:1", 0, false },
		{ "", "127.0.0.1:1", 0, false },
		{ "0.0.0.0/0, ::/0", "unix:/x", 0, false },
		{ "10.0.0.1/8", "10.0.0.1:1", -POD_E_SYNTAX, false },
		{ "10.0.0.0/33", "10.0.0.1:1", -POD_E_SYNTAX, false },
		{ "10.0.0.0/", "10.0.0.1:1", -POD_E_SYNTAX, false },
		{ "10.0.0", "10.0.0.1:1", -POD_E_SYNTAX, false },
		{ "localhost", "10.0.0.1:1", -POD_E_SYNTAX, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_set *set = NULL;
		struct net_addr a;

		assert_int_equal(net_addr_parse(span_of(cases[i].addr), &a, NULL), 0);
		assert_int_equal(net_set_parse(span_of(cases[i].set), &set, NULL), cases[i].r);
		assert_int_equal(set && net_set_has(set, &a), cases[i].in);
		(void) net_set_free(set);
	}
}

struct seen {
	struct event_base *base;
	struct listener *l;
	int count, fd, troubles;
	char peer[NET_ADDR_TEXT_SIZE], local[NET_ADDR_TEXT_SIZE];
	bool free_listener;
};

static void on_accept(void *arg, const struct accepted *conn)
{
	struct seen *s = arg;

	s->count++;
	if (s->fd >= 0)
		(void) close(s->fd);
	s->fd = conn->fd;
	(void) net_addr_format(&conn->peer, s->peer, sizeof(s->peer));
	(void) net_addr_format(&conn->local, s->local, sizeof(s->local));
	if (s->free_listener)
		s->l = listener_free(s->l);
	(void) event_base_loopbreak(s->base);
}

static void seen_start(struct seen *s, const char *addr, const struct net_set *from, struct sockaddr_storage *ret_ss,
                       socklen_t *ret_len)
{
	struct net_addr a;
	int fd;

	*s = (struct seen){ .base = event_base_new(), .fd = -1 };
	assert_int_equal(net_addr_parse(span_of(addr), &a, NULL), 0);
	assert_int_equal(listener_open(&a, 0, &fd, NULL), 0);
	*ret_len = sizeof(*ret_ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *) ret_ss, ret_len), 0);
	assert_int_equal(listener_create(s->base, fd, from, on_accept, s, &s->l, NULL), 0);
}

static void seen_stop(struct seen *s)
{
	(void) listener_free(s->l);
	closep(&s->fd);
	event_base_free(s->base);
}

static int dial(const struct sockaddr_storage *ss, socklen_t len)
{
	int fd = socket(ss->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *) ss, len), 0);
	return fd;
}

static void a_client_is_accepted_with_both_addresses(void **state)
{
	struct seen s;
	struct sockaddr_storage ss;
	socklen_t len;

	seen_start(&s, "127.0.0.1:0", NULL, &ss, &len);
	_cleanup_(closep) int fd = dial(&ss, len);

	assert_int_equal(event_base_dispatch(s.base), 0);
	assert_int_equal(s.count, 1);
	assert_memory_equal(s.peer, "127.0.0.1:", 10);
	assert_memory_equal(s.local, "127.0.0.1:", 10);
	assert_true(fcntl(s.fd, F_GETFL) & O_NONBLOCK);
	seen_stop(&s);
}

static void any_address_takes_ipv4_clients_as_ipv4(void **state)
{
	struct seen s;
	struct sockaddr_storage ss;
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len;

	seen_start(&s, "*:0", NULL, &ss, &len);
	four.sin_port = ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *) &ss)->sin6_port
	                                         : ((struct sockaddr_in *) &ss)->sin_port;
	memcpy(&ss, &four, sizeof(four));
	_cleanup_(closep) int fd = dial(&ss, sizeof(four));

	assert_int_equal(event_base_dispatch(s.base), 0);
	assert_memory_equal(s.peer, "127.0.0.1:", 10);
	seen_stop(&s);
}

static void a_callback_may_free_its_listener(void **state)
{
	struct seen s;
	struct sockaddr_storage ss;
	socklen_t len;

	seen_start(&s, "127.0.0.1:0", NULL, &ss, &len);
	s.free_listener = true;
	_cleanup_(closep) int a = dial(&ss, len);
	_cleanup_(closep) int b = dial(&ss, len);

	assert_int_equal(event_base_dispatch(s.base), 0);
	assert_int_equal(s.count, 1);
	seen_stop(&s);
}

static void a_paused_listener_leaves_clients_to_the_kernel(void **state)
{
	struct seen s;
	struct sockaddr_storage ss;
	socklen_t len;

	seen_start(&s, "127.0.0.1:0", NULL, &ss, &len);
	listener_pause(s.l);
	_cleanup_(closep) int fd = dial(&ss, len);

	assert_int_equal(event_base_loop(s.base, EVLOOP_NONBLOCK), 1); /* no events registered */
	assert_int_equal(s.count, 0);
	listener_resume(s.l);
	assert_int_equal(event_base_dispatch(s.base), 0);
	assert_int_equal(s.count, 1);
	seen_stop(&s);
}

/* Writes text in pieces of n bytes, letting the loop run between them. */
static void drip(struct seen *s, int fd, const char *text, size_t n)
{
	for (size_t len = strlen(text), at = 0; at < len; at += n) {
		size_t piece = len - at < n ? len - at : n;

		assert_int_equal(send(fd, text + at, piece, 0), piece);
		(void) event_base_loop(s->base, EVLOOP_NONBLOCK);
	}
}

static void a_trusted_proxy_speaks_for_its_client_byte_by_byte(void **state)
{
	struct net_set *from = NULL;
	struct seen s;
	struct sockaddr_storage ss;
	socklen_t len;
	char rest[16];

	assert_int_equal(net_set_parse(SPAN_LIT("127.0.0.0/8"), &from, NULL), 0);
	for (size_t n = 1; n < 60; n += 7) {
		seen_start(&s, "127.0.0.1:0", from, &ss, &len);
		_cleanup_(closep) int fd = dial(&ss, len);

		drip(&s, fd, "PROXY TCP4 192.0.2.7 198.51.100.2 40000 25\r\nEHLO x\r\n", n);
		while (s.count == 0)
			(void) event_base_loop(s.base, EVLOOP_ONCE);
		assert_string_equal(s.peer, "192.0.2.7:40000");
		assert_string_equal(s.local, "198.51.100.2:25");
		/* What came behind the header is still in the socket. */
		for (size_t have = 0; have < 8;) {
			ssize_t got = recv(s.fd, rest + have, sizeof(rest) - have, 0);

			assert_true(got > 0 || errno == EAGAIN);
			have += got > 0 ? (size_t) got : 0;
		}
		assert_memory_equal(rest, "EHLO x\r\n", 8);
		seen_stop(&s);
	}
	(void) net_set_free(from);
}

static void a_bad_proxy_header_closes_the_connection(void **state)
{
	static const char *const cases[] = { "EHLO x\r\n", "PROXY TCP4 nonsense\r\n", "" };
	struct net_set *from = NULL;

	assert_int_equal(net_set_parse(SPAN_LIT("127.0.0.1"), &from, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seen s;
		struct sockaddr_storage ss;
		socklen_t len;
		char c;
		ssize_t n;

		seen_start(&s, "127.0.0.1:0", from, &ss, &len);
		_cleanup_(closep) int fd = dial(&ss, len);

		drip(&s, fd, cases[i], 100);
		(void) shutdown(fd, SHUT_WR); /* the other side may have closed already */
		while ((n = recv(fd, &c, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
			(void) event_base_loop(s.base, EVLOOP_ONCE);
		assert_true(n <= 0);
		assert_int_equal(s.count, 0);
		seen_stop(&s);
	}
	(void) net_set_free(from);
}

static void a_header_from_a_stranger_is_not_taken(void **state)
{
	struct net_set *from = NULL;
	struct seen s;
	struct sockaddr_storage ss;
	socklen_t len;

	assert_int_equal(net_set_parse(SPAN_LIT("10.0.0.0/8"), &from, NULL), 0);
	seen_start(&s, "127.0.0.1:0", from, &ss, &len);
	_cleanup_(closep) int fd = dial(&ss, len);

	assert_int_equal(event_base_dispatch(s.base), 0);
	assert_memory_equal(s.peer, "127.0.0.1:", 10);
	seen_stop(&s);
	(void) net_set_free(from);
}

static void freeing_a_listener_closes_proxies_that_wait(void **state)
{
	struct net_set *from = NULL;
	struct seen s;
	struct sockaddr_storage ss;
	socklen_t len;
	char c;

	assert_int_equal(net_set_parse(SPAN_LIT("127.0.0.1"), &from, NULL), 0);
	seen_start(&s, "127.0.0.1:0", from, &ss, &len);
	_cleanup_(closep) int fd = dial(&ss, len);

	(void) event_base_loop(s.base, EVLOOP_ONCE);
	seen_stop(&s);
	assert_int_equal(recv(fd, &c, 1, 0), 0);
	(void) net_set_free(from);
}

static void on_trouble(void *arg, const struct err *err)
{
	struct seen *s = arg;

	s->troubles++;
	assert_int_equal(err->code, POD_E_LIMIT);
	(void) event_base_loopbreak(s->base);
}

static void without_descriptors_it_waits_and_then_goes_on(void **state)
{
	struct rlimit before, low;
	struct seen s;
	struct sockaddr_storage ss;
	socklen_t len;

	seen_start(&s, "127.0.0.1:0", NULL, &ss, &len);
	listener_set_trouble(s.l, on_trouble);
	_cleanup_(closep) int fd = dial(&ss, len);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = (rlim_t) fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(event_base_dispatch(s.base), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(s.troubles, 1);
	assert_int_equal(s.count, 0);
	assert_int_equal(event_base_dispatch(s.base), 0);
	assert_int_equal(s.count, 1);
	seen_stop(&s);
}

static void a_stale_unix_socket_is_replaced_and_a_live_one_is_not(void **state)
{
	char dir[] = "/tmp/podtestXXXXXX", path[64], text[80];
	struct net_addr a;
	_cleanup_(closep) int first = -1, second = -1, third = -1, plain = -1;
	struct err err = { 0 };

	assert_non_null(mkdtemp(dir));
	(void) snprintf(path, sizeof(path), "%s/s", dir);
	(void) snprintf(text, sizeof(text), "unix:%s", path);
	assert_int_equal(net_addr_parse(span_of(text), &a, NULL), 0);
	assert_int_equal(listener_open(&a, 0, &first, NULL), 0);
	assert_int_equal(listener_open(&a, 0, &second, &err), -POD_E_BUSY);
	(void) close(take_fd(&first));
	assert_int_equal(listener_open(&a, 0, &third, NULL), 0);
	assert_int_equal(unlink(path), 0);
	plain = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(listener_open(&a, 0, &second, &err), -POD_E_EXISTS);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void a_port_that_is_taken_is_an_error_that_names_it(void **state)
{
	struct net_addr a;
	_cleanup_(closep) int first = -1, second = -1;
	struct err err = { 0 };

	assert_int_equal(net_addr_parse(SPAN_LIT("127.0.0.1:0"), &a, NULL), 0);
	assert_int_equal(listener_open(&a, 0, &first, NULL), 0);
	a.len = sizeof(a.ss);
	assert_int_equal(getsockname(first, (struct sockaddr *) &a.ss, &a.len), 0);
	assert_true(listener_open(&a, 0, &second, &err) < 0);
	assert_non_null(strstr(err.text, "listen on 127.0.0.1:"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_parse_and_format_the_same),
		cmocka_unit_test(what_is_no_address_is_refused_in_words),
		cmocka_unit_test(networks_hold_the_addresses_inside_them),
		cmocka_unit_test(a_client_is_accepted_with_both_addresses),
		cmocka_unit_test(any_address_takes_ipv4_clients_as_ipv4),
		cmocka_unit_test(a_callback_may_free_its_listener),
		cmocka_unit_test(a_paused_listener_leaves_clients_to_the_kernel),
		cmocka_unit_test(a_trusted_proxy_speaks_for_its_client_byte_by_byte),
		cmocka_unit_test(a_bad_proxy_header_closes_the_connection),
		cmocka_unit_test(a_header_from_a_stranger_is_not_taken),
		cmocka_unit_test(freeing_a_listener_closes_proxies_that_wait),
		cmocka_unit_test(without_descriptors_it_waits_and_then_goes_on),
		cmocka_unit_test(a_stale_unix_socket_is_replaced_and_a_live_one_is_not),
		cmocka_unit_test(a_port_that_is_taken_is_an_error_that_names_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
