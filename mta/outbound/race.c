#include "mta/outbound/race.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

struct runner {
	struct race *race;
	struct net_addr addr;
	enum race_state state;
	int fd;
	struct event answer; /* connected, failed, or too late */
	const char *why;
};

struct race {
	struct race_settings settings;
	race_fn *fn;
	void *arg;
	struct runner runners[RACE_MAX];
	size_t n, next;     /* the next to be tried */
	struct event pause; /* until then */
};

static void stop(struct runner *u)
{
	if (u->fd < 0)
		return;
	(void) event_del(&u->answer);
	closep(&u->fd);
	u->fd = -1;
}

struct race *race_free(struct race *r)
{
	if (!r)
		return NULL;
	(void) event_del(&r->pause);
	for (size_t i = 0; i < r->n; i++)
		stop(&r->runners[i]);
	free(r);
	return NULL;
}

static void fail(struct runner *u, int e)
{
	stop(u);
	u->state = RACE_FAILED;
	u->why = e == ETIMEDOUT ? "it took too long" : strerrordesc_np(e) ?: "it failed";
}

static bool is_running(const struct race *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->runners[i].state == RACE_RUNS)
			return true;
	return false;
}

/* ---- one address ---- */

static void race_on_answer(evutil_socket_t fd, short what, void *runner);

/* 0: under way; else errno. */
static int begin(struct runner *u)
{
	const struct race_settings *s = &u->race->settings;
	const struct net_addr *from = u->addr.ss.ss_family == AF_INET6 ? s->from_ipv6 : s->from_ipv4;
	struct timeval limit = { s->limit_ms / 1000, (s->limit_ms % 1000) * 1000 };

	u->fd = socket(u->addr.ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->fd < 0)
		return errno;
	(void) setsockopt(u->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)); /* only speed */
	(void) event_assign(&u->answer, u->race->settings.base, u->fd, EV_WRITE, race_on_answer, u);
	if (from->len && bind(u->fd, (const struct sockaddr *) &from->ss, from->len) < 0)
		return errno;
	if (connect(u->fd, (const struct sockaddr *) &u->addr.ss, u->addr.len) < 0 && errno != EINPROGRESS)
		return errno;
	return event_add(&u->answer, &limit) < 0 ? ENOMEM : 0;
}

/* Those that fail at once are passed by. */
static void begin_next(struct race *r)
{
	struct timeval pause = { r->settings.pause_ms / 1000, (r->settings.pause_ms % 1000) * 1000 };
	bool under_way = false;

	while (!under_way && r->next < r->n) {
		struct runner *u = &r->runners[r->next++];
		int e = begin(u);

		u->state = RACE_RUNS;
		under_way = e == 0;
		if (e)
			fail(u, e);
	}
	if (under_way && r->next < r->n)
		(void) event_add(&r->pause, &pause);
}

/* ---- all of them ---- */

/* Goes on behind a failure, at the beginning, and when the one before is slow. The race may be gone behind
 * it. */
static void go_on(struct race *r)
{
	(void) event_del(&r->pause);
	begin_next(r);
	if (!is_running(r))
		r->fn(r->arg, -1);
}

static void race_on_pause_over(evutil_socket_t fd, short what, void *race)
{
	go_on(race);
}

static void win(struct runner *u)
{
	struct race *r = u->race;
	int fd = u->fd;

	(void) event_del(&u->answer);
	u->fd = -1;
	u->state = RACE_CONNECTED;
	(void) event_del(&r->pause);
	for (size_t i = 0; i < r->n; i++)
		stop(&r->runners[i]);
	r->fn(r->arg, fd);
}

static void race_on_answer(evutil_socket_t fd, short what, void *runner)
{
	struct runner *u = runner;
	int e = ETIMEDOUT;
	socklen_t len = sizeof(e);

	if ((what & EV_WRITE) && getsockopt(u->fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
		e = errno;
	/* Reset is not refused: it took the connection, and ended it before we looked. Who reads will be
	 * told. */
	if (e == 0 || e == ECONNRESET) {
		win(u);
		return;
	}
	fail(u, e);
	go_on(u->race);
}

struct race *race_start(const struct race_settings *settings, const struct net_addr *addrs, size_t n,
                        race_fn *fn, void *arg)
{
	struct race *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct race){ .settings = *settings, .fn = fn, .arg = arg, .n = n < RACE_MAX ? n : RACE_MAX };
	for (size_t i = 0; i < r->n; i++)
		r->runners[i] = (struct runner){ .race = r, .addr = addrs[i], .fd = -1 };
	(void) evtimer_assign(&r->pause, settings->base, race_on_pause_over, r);
	event_active(&r->pause, EV_TIMEOUT, 0);
	return r;
}

size_t race_n(const struct race *r)
{
	return r->n;
}

const struct net_addr *race_addr(const struct race *r, size_t i)
{
	return &r->runners[i].addr;
}

enum race_state race_state(const struct race *r, size_t i)
{
	return r->runners[i].state;
}

const char *race_why(const struct race *r, size_t i)
{
	return r->runners[i].why;
}
