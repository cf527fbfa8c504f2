/* Replicas of different versions meet: which version they speak then, and who is told to be upgraded. A peer
 * of another version is played here: what it says is a hello of ours with other versions in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/le.h"
#include "replicator/link/link_internal.h"
#include "tests/support/replica_pair.h"

#define WAIT_MS 30000

/* ---- what two hellos come to ---- */

static int meet(unsigned int oldest, unsigned int newest, bool ranged, struct hello ours, unsigned int *ret,
                struct err *err)
{
	struct hello theirs = { .oldest = (uint8_t) oldest, .newest = (uint8_t) newest, .site = "theirs" },
		     got;
	uint8_t payload[HELLO_SIZE];

	hello_encode(&theirs, payload);
	if (!ranged)
		payload[10] = payload[11] = 0;
	return hello_decode(payload, &ours, &got, ret, err);
}

static void both_speak_the_newest_that_both_know(void **state)
{
	static const struct {
		unsigned int oldest, newest;
		bool ranged;
		unsigned int ours[2], agreed;
		const char *upgrade; /* NULL: they agree */
	} cases[] = {
		{ 2, 2, true, { 2, 2 }, 2, NULL },      { 2, 2, false, { 2, 2 }, 2, NULL },
		{ 2, 9, true, { 2, 2 }, 2, NULL },      { 2, 4, true, { 3, 7 }, 4, NULL },
		{ 2, 3, true, { 3, 7 }, 3, NULL },      { 2, 2, false, { 1, 7 }, 2, NULL },
		{ 1, 1, false, { 2, 2 }, 0, "theirs" }, { 1, 2, true, { 3, 4 }, 0, "theirs" },
		{ 3, 3, false, { 2, 2 }, 0, "ours" },   { 5, 6, true, { 2, 4 }, 0, "ours" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct hello ours = { .oldest = (uint8_t) cases[i].ours[0],
			                    .newest = (uint8_t) cases[i].ours[1],
			                    .site = "ours" };
		unsigned int agreed = 0;
		char end[40];
		struct err err = { 0 };
		int r = meet(cases[i].oldest, cases[i].newest, cases[i].ranged, ours, &agreed, &err);

		assert_int_equal(r, cases[i].upgrade ? -POD_E_VERSION : 0);
		assert_int_equal(agreed, cases[i].agreed);
		if (!cases[i].upgrade)
			continue;
		(void) snprintf(end, sizeof(end), ": upgrade podmail at %s", cases[i].upgrade);
		assert_string_equal(err_text(&err) + strlen(err_text(&err)) - strlen(end), end);
	}
}

static void ranges_that_are_none_are_refused(void **state)
{
	const struct hello ours = { .oldest = 2, .newest = 2, .site = "ours" };
	unsigned int version = 0;

	assert_int_equal(meet(5, 3, true, ours, &version, NULL), -POD_E_PROTOCOL);
	assert_int_equal(meet(0, 3, true, ours, &version, NULL), -POD_E_PROTOCOL);
	assert_int_equal(meet(0, 0, false, ours, &version, NULL), -POD_E_PROTOCOL);
}

/* ---- with a replica that serves ---- */

/* A hello as r would say it, of a podmail with other versions. */
static void hello_of(struct replication *r, uint8_t oldest, uint8_t newest, uint8_t payload[HELLO_SIZE])
{
	struct hello h;

	hello_make(r, &h);
	h.oldest = oldest;
	h.newest = newest;
	hello_encode(&h, payload);
}

/* Calls b as the primary a would; what b says to such a hello. */
static enum frame_type call(struct pair *p, uint8_t oldest, uint8_t newest, char text[256])
{
	struct sockaddr_in *in;
	struct net_addr addr = { .len = sizeof(*in) };
	uint8_t payload[HELLO_SIZE];
	struct frame f = { .type = 0 };
	struct wire *w;
	struct err err = { 0 };

	in = (struct sockaddr_in *) &addr.ss;
	*in = (struct sockaddr_in){ .sin_family = AF_INET,
		                    .sin_port = htons(p->b.port),
		                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	hello_of(p->a.r, oldest, newest, payload);
	assert_int_equal(wire_create(&w, NULL), 0);
	assert_int_equal(wire_connect(w, &addr, p->a.r->client, REPLICATION_IDENTITY_PREFIX "site2", WAIT_MS,
	                              -1, &err),
	                 0);
	assert_int_equal(wire_put(w, FRAME_HELLO, 0, payload, sizeof(payload)), 0);
	if (wire_wait(w, WAIT_MS, -1, &f, &err) != 1)
		fail_msg("no answer: %s", err_text(&err));
	text[0] = '\0';
	if (f.type == FRAME_ERROR) {
		assert_int_equal(le_get32(f.payload), POD_E_VERSION);
		memcpy(text, f.payload + 4, f.size - 4);
		text[f.size - 4] = '\0';
	}
	wire_free(w);
	return f.type;
}

static void a_secondary_says_which_site_is_too_old_for_a_primary(void **state)
{
	struct pair *p = *state;
	char text[256];

	PAIR_UNTIL(replica_peer_status(&p->a).state == PEER_FOLLOWING);
	assert_int_equal(replica_peer_status(&p->a).link_version, LINK_VERSION);
	assert_int_equal(replication_pause(p->a.r, "site2", NULL), 0);
	assert_int_equal(call(p, LINK_VERSION_OLDEST - 1, LINK_VERSION_OLDEST - 1, text), FRAME_ERROR);
	assert_non_null(strstr(text, "upgrade podmail at site1"));
	assert_int_equal(call(p, LINK_VERSION + 1, LINK_VERSION + 3, text), FRAME_ERROR);
	assert_non_null(strstr(text, "upgrade podmail at site2"));
	assert_int_equal(call(p, LINK_VERSION_OLDEST - 1, LINK_VERSION + 3, text), FRAME_HELLO);
	assert_int_equal(replication_resume(p->a.r, "site2", NULL), 0);
	PAIR_UNTIL(replica_peer_status(&p->a).state == PEER_FOLLOWING);
}

/* Answers a primary's calls at a port of its own, in place of b. */
struct answerer {
	struct pair *p;
	int fd;
	uint16_t port;
	uint8_t oldest, newest;
	bool words_only; /* it says no hello: a version from before there were ranges */
	atomic_bool end;
	atomic_uint answered;
	pthread_t thread;
};

static void answer(struct answerer *x, int fd)
{
	static const char *const names[] = { REPLICATION_IDENTITY_PREFIX "site1" };
	static const char old[] = "the peer speaks version 2 of the replication link, we speak 1";
	uint8_t payload[HELLO_SIZE];
	struct frame f;
	struct wire *w;

	if (wire_create(&w, NULL) < 0)
		return;
	if (wire_accept(w, fd, x->p->b.r->server, names, 1, WAIT_MS, -1, NULL) == 0 &&
	    wire_wait(w, WAIT_MS, -1, &f, NULL) == 1 && f.type == FRAME_HELLO) {
		hello_of(x->p->b.r, x->oldest, x->newest, payload);
		wire_lock(w);
		if (x->words_only)
			(void) hello_put_error(w, -POD_E_VERSION, old);
		else
			(void) wire_put(w, FRAME_HELLO, 0, payload, sizeof(payload));
		wire_unlock(w);
		(void) wire_wait(w, WAIT_MS, -1, &f, NULL); /* what it says to that */
		atomic_fetch_add(&x->answered, 1);
	}
	wire_free(w);
}

static void *answerer_main(void *arg)
{
	struct answerer *x = arg;
	int fd;

	while ((fd = accept4(x->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0 && !atomic_load(&x->end))
		answer(x, fd);
	if (fd >= 0)
		(void) close(fd);
	return NULL;
}

static void answerer_start(struct answerer *x)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	x->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(x->fd, (struct sockaddr *) &at, len), 0);
	assert_int_equal(listen(x->fd, 4), 0);
	assert_int_equal(getsockname(x->fd, (struct sockaddr *) &at, &len), 0);
	x->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&x->thread, NULL, answerer_main, x), 0);
}

static void answerer_stop(struct answerer *x)
{
	atomic_store(&x->end, true);
	(void) shutdown(x->fd, SHUT_RDWR);
	(void) pthread_join(x->thread, NULL);
	(void) close(x->fd);
}

/* What a says in its status of a peer with such versions. */
static void refused_by(struct pair *p, struct answerer *x, const char *words)
{
	x->p = p;
	answerer_start(x);
	atomic_store(&p->relay.to_port, x->port);
	atomic_store(&p->relay.mode, RELAY_CUT);
	PAIR_UNTIL(replica_peer_status(&p->a).state == PEER_DOWN);
	atomic_store(&p->relay.mode, RELAY_PASS);
	PAIR_UNTIL(replica_peer_status(&p->a).state == PEER_REFUSED);
	assert_non_null(strstr(replica_peer_status(&p->a).last_error, words));
	/* And when that site has another podmail, nobody has to do anything here. */
	answerer_stop(x);
	atomic_store(&p->relay.to_port, p->b.port);
	PAIR_UNTIL(replica_peer_status(&p->a).state == PEER_FOLLOWING);
	assert_int_equal(*replica_peer_status(&p->a).last_error, '\0');
}

static void a_primary_says_in_its_status_which_site_is_too_old(void **state)
{
	struct answerer older = { .oldest = LINK_VERSION_OLDEST - 1, .newest = LINK_VERSION_OLDEST - 1 };
	struct answerer newer = { .oldest = LINK_VERSION + 1, .newest = LINK_VERSION + 1 };
	struct answerer ancient = { .words_only = true };
	struct pair *p = *state;

	PAIR_UNTIL(replica_peer_status(&p->a).state == PEER_FOLLOWING);
	refused_by(p, &older, "upgrade podmail at site2");
	refused_by(p, &newer, "upgrade podmail at site1");
	refused_by(p, &ancient, "site2 and we, site1: the peer says: the peer speaks version 2");
	pair_write(p, &p->a, 5);
	pair_flush(&p->a);
	PAIR_UNTIL(pair_is_same(p));
}

#define PAIR_TEST(f) cmocka_unit_test_setup_teardown(f, pair_setup, pair_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_speak_the_newest_that_both_know),
		cmocka_unit_test(ranges_that_are_none_are_refused),
		PAIR_TEST(a_secondary_says_which_site_is_too_old_for_a_primary),
		PAIR_TEST(a_primary_says_in_its_status_which_site_is_too_old),
	};

	return cmocka_run_group_tests(tests, pair_keys_make, pair_keys_remove);
}
