#include "mta/conn/guard.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "mta/conn/internal.h"
#include "mta/service/metrics.h"

#define SWEEP_MS 2000
#define VOUCHED_MS (30 * 86400 * INT64_C(1000))
#define LATENCY_LEAST 20 /* deliveries of a sweep, before they say anything */
#define HANDSHAKE_MS 60000

/* ---- the worker's load ---- */

static uint64_t resident_bytes(void)
{
	_cleanup_(closep) int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char text[128];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	unsigned long long all, resident;

	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "%llu %llu", &all, &resident) != 2)
		return 0;
	return resident * (uint64_t) sysconf(_SC_PAGESIZE);
}

bool smtp_guard_is_short_of_memory(const struct worker *w)
{
	return w->load.memory > w->conf->guard.memory_max;
}

bool smtp_guard_spares_memory(const struct worker *w)
{
	return w->load.memory > w->conf->guard.memory_max / 4 * 3;
}

void smtp_guard_note_latency(struct worker *w, uint64_t us)
{
	w->load.answered++;
	if (us / 1000 > w->conf->guard.latency_max_ms)
		w->load.late++;
}

/* One volume that is slow is its users' trouble; nine of ten deliveries that are late are everybody's. */
static void look_at_latency(struct worker *w)
{
	bool late = w->load.answered >= LATENCY_LEAST && w->load.late * 10 >= w->load.answered * 9;

	if (late != w->load.is_late && (late || w->load.answered))
		log_event(NULL, LOGL_WARNING, late ? "overload.began" : "overload.ended", F_STR("what", "latency"));
	if (late || w->load.answered)
		w->load.is_late = late;
	w->load.answered = w->load.late = 0;
}

static void look_at_memory(struct worker *w)
{
	bool before = smtp_guard_is_short_of_memory(w);
	uint64_t now = resident_bytes();

	metric_add(M_MEMORY, (int64_t) now - (int64_t) w->load.memory);
	w->load.memory = now;
	if (before != smtp_guard_is_short_of_memory(w))
		log_event(NULL, LOGL_WARNING, before ? "overload.ended" : "overload.began", F_STR("what", "memory"),
		          F_UINT("bytes", w->load.memory));
}

/* ---- who comes in ---- */

static bool is_exempt(const struct door *d, const struct accepted *a)
{
	return a->peer.ss.ss_family == AF_UNIX || d->which == CONF_LISTEN_LMTP ||
	       (d->w->exempt && net_set_has(d->w->exempt, &a->peer));
}

static const char *overload(const struct door *d)
{
	if (d->w->n_conns >= d->w->conf->mta.max_connections) {
		metric_add(M_REFUSED_CONNECTIONS, 1);
		return "421 4.3.2 Too many connections\r\n";
	}
	if (smtp_guard_is_short_of_memory(d->w)) {
		metric_add(M_REFUSED_MEMORY, 1);
		return "421 4.3.2 Overloaded, try again later\r\n";
	}
	if (d->which == CONF_LISTEN_SMTP && d->w->load.is_late) {
		metric_add(M_REFUSED_LATENCY, 1);
		return "421 4.3.2 Overloaded, try again later\r\n";
	}
	return NULL;
}

static const char *refuse_network(const struct accepted *a, enum mta_metric metric, const char *words)
{
	char address[NET_ADDR_TEXT_SIZE];

	metric_add(metric, 1);
	log_event(NULL, LOGL_NOTICE, "session.refused", F_STR("peer", net_addr_host(&a->peer, address, sizeof(address))),
	          F_STR("why", words + strlen("421 4.7.0 ")));
	return words;
}

/* Counts it for its address and its network, for both or for none. */
static const char *count_in(struct worker *w, const struct accepted *a, struct guard_ticket *t)
{
	const struct guard_conf *g = &w->conf->guard;
	char text[NET_ADDR_TEXT_SIZE];
	struct tally_key rate;
	int64_t now_ms = clock_wall_ms();
	uint32_t wait_s;

	(void) net_addr_network(&a->peer, 32, 64, text, sizeof(text));
	t->address = tally_key(w->tally, "connections", span_of(text));
	rate = tally_key(w->tally, "connections/minute", span_of(text));
	(void) net_addr_network(&a->peer, 24, 48, text, sizeof(text));
	t->network = tally_key(w->tally, "connections", span_of(text));
	if (tally_take(w->tally, &rate, (struct tally_rate){ g->connections_per_minute, 60 }, 1, now_ms, &wait_s) < 0)
		return refuse_network(a, M_REFUSED_RATE, "421 4.7.0 Too many connections in a minute from your address\r\n");
	if (tally_enter(w->tally, &t->address, g->connections_per_address, now_ms) < 0)
		return refuse_network(a, M_REFUSED_ADDRESS, "421 4.7.0 Too many connections from your address\r\n");
	if (tally_enter(w->tally, &t->network, g->connections_per_network, now_ms) < 0) {
		tally_leave(w->tally, &t->address, now_ms);
		return refuse_network(a, M_REFUSED_NETWORK, "421 4.7.0 Too many connections from your network\r\n");
	}
	t->counted = true;
	return NULL;
}

/* Marks are beside the levels, under a key of their own. */
static struct tally_key vouched_key(const struct guard_ticket *t)
{
	return (struct tally_key){ { t->address.h[0], ~t->address.h[1] } };
}

const char *smtp_guard_admit(const struct door *d, const struct accepted *a, struct guard_ticket *ret_ticket)
{
	struct guard_ticket t = { .known = true };
	const char *words = overload(d);

	if (!words && !is_exempt(d, a)) {
		struct tally_key vouched;

		words = count_in(d->w, a, &t);
		vouched = vouched_key(&t);
		t.known = tally_is_marked(d->w->tally, &vouched, clock_wall_ms());
	}
	if (!words)
		*ret_ticket = t;
	return words;
}

void smtp_guard_leave(struct worker *w, struct guard_ticket *t)
{
	if (!t->counted)
		return;
	tally_leave(w->tally, &t->address, clock_wall_ms());
	tally_leave(w->tally, &t->network, clock_wall_ms());
	t->counted = false;
}

uint64_t smtp_guard_greet_delay_ms(const struct door *d, const struct guard_ticket *t)
{
	return d->which == CONF_LISTEN_SMTP && !t->known ? d->w->conf->guard.greet_delay_ms : 0;
}

void smtp_guard_vouch(struct worker *w, const struct guard_ticket *t)
{
	struct tally_key k = vouched_key(t);

	if (t->counted)
		tally_mark(w->tally, &k, clock_wall_ms() + VOUCHED_MS);
}

/* ---- who may stay ---- */

/* A deadline for the whole of a command, or of a handshake: bytes that trickle in do not put it off. */
static bool waits_too_long(const struct smtp_conn *c, uint64_t now_ms)
{
	uint64_t most = c->handshake ? HANDSHAKE_MS : c->w->conf->mta.command_timeout_ms;

	return smtp_session_wants(c->session) != SMTP_WANT_DATA && smtp_session_wants(c->session) != SMTP_WANT_ANSWER &&
	       now_ms - c->pace.since_ms > most;
}

static bool sends_too_slowly(struct smtp_conn *c, uint64_t now_ms)
{
	uint64_t bytes = c->pace.bytes;

	if (smtp_session_wants(c->session) != SMTP_WANT_DATA || c->paused) {
		c->pace.window_ms = now_ms; /* it is our turn, not the client's */
		c->pace.bytes = 0;
		return false;
	}
	if (now_ms - c->pace.window_ms < c->w->conf->guard.data_window_ms)
		return false;
	c->pace.window_ms = now_ms;
	c->pace.bytes = 0;
	return bytes < c->w->conf->guard.data_least;
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	uint64_t now_ms = clock_mono_ms();
	struct smtp_conn *c, *next;

	look_at_memory(w);
	look_at_latency(w);
	for (c = LIST_FIRST(&w->conns); c; c = next) {
		next = LIST_NEXT(c, link);
		if (waits_too_long(c, now_ms) || sends_too_slowly(c, now_ms)) {
			metric_add(M_SESSIONS_SLOW, 1);
			smtp_conn_expire(c);
		} else if (now_ms - c->pace.since_ms > SWEEP_MS) {
			smtp_conn_shrink(c);
		}
	}
}

int smtp_guard_start(struct worker *w, struct err *err)
{
	struct timeval often = { SWEEP_MS / 1000, SWEEP_MS % 1000 * 1000 };

	w->load.sweep = event_new(w->base, -1, EV_PERSIST, on_sweep, w);
	if (!w->load.sweep || event_add(w->load.sweep, &often) < 0)
		return err_set(err, POD_E_NOMEM, "no memory for a worker");
	look_at_memory(w);
	return *w->conf->guard.exempt ? net_set_parse(span_of(w->conf->guard.exempt), &w->exempt, err) : 0;
}

void smtp_guard_stop(struct worker *w)
{
	if (w->load.sweep)
		event_free(w->load.sweep);
	w->load.sweep = NULL;
	metric_add(M_MEMORY, -(int64_t) w->load.memory);
	w->exempt = net_set_free(w->exempt);
}
