#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <cmocka.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mta/outbound/race.h"

#define PATIENCE_MS 60000

struct outcome {
	struct event_base *base;
	enum race_state first;
	int fd;
	bool over;
	struct race *race;
};

static void on_raced(void *arg, int fd)
{
	struct outcome *o = arg;

	o->first = race_state(o->race, 0);
	o->fd = fd;
	o->over = true;
	(void) race_free(o->race);
	(void) event_base_loopbreak(o->base);
}

/* A listener on loopback; backlog -1: its port is free again, so that it refuses. */
static int listener(int backlog, struct net_addr *ret_addr)
{
	struct sockaddr_in *in = (struct sockaddr_in *) &ret_addr->ss;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret_addr = (struct net_addr){ .len = sizeof(*in) };
	*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *) in, sizeof(*in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *) in, &ret_addr->len), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	else
		closep(&fd);
	return fd;
}

static void start(struct outcome *o, const struct net_addr *addrs, size_t n)
{
	static const struct net_addr any;
	const struct race_settings s = { .base = event_base_new(),
		                         .from_ipv4 = &any,
		                         .from_ipv6 = &any,
		                         .pause_ms = PATIENCE_MS,
		                         .limit_ms = PATIENCE_MS };

	*o = (struct outcome){ .base = s.base, .fd = -1 };
	o->race = race_start(&s, addrs, n, on_raced, o);
	assert_non_null(o->race);
}

static void finish(struct outcome *o)
{
	(void) event_base_dispatch(o->base);
	assert_true(o->over);
	event_base_free(o->base);
}

static void who_refuses_is_passed_by_at_once(void **state)
{
	struct net_addr addrs[2];
	_cleanup_(closep) int none = listener(-1, &addrs[0]), there = listener(4, &addrs[1]);
	struct outcome o;

	start(&o, addrs, 2);
	finish(&o);
	assert_int_equal(o.first, RACE_FAILED);
	assert_true(o.fd >= 0);
	closep(&o.fd);
}

static void where_all_refuse_there_is_no_connection(void **state)
{
	struct net_addr addrs[2];
	_cleanup_(closep) int a = listener(-1, &addrs[0]), b = listener(-1, &addrs[1]);
	struct outcome o;

	start(&o, addrs, 2);
	finish(&o);
	assert_int_equal(o.fd, -1);
}

/* A server that is too busy may end what it accepted before we come to look: that it was there is known. */
static void a_connection_that_is_reset_at_once_was_one(void **state)
{
	const struct linger reset = { .l_onoff = 1 };
	struct net_addr addr;
	_cleanup_(closep) int there = listener(4, &addr);
	struct outcome o;
	char byte;
	int accepted;

	start(&o, &addr, 1);
	(void) event_base_loop(o.base, EVLOOP_ONCE); /* begins to connect */
	accepted = accept(there, NULL, NULL);
	assert_true(accepted >= 0);
	assert_int_equal(setsockopt(accepted, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	closep(&accepted);
	finish(&o);
	assert_int_equal(o.first, RACE_CONNECTED);
	assert_true(read(o.fd, &byte, 1) <= 0);
	closep(&o.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_refuses_is_passed_by_at_once),
		cmocka_unit_test(where_all_refuse_there_is_no_connection),
		cmocka_unit_test(a_connection_that_is_reset_at_once_was_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
