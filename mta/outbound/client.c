/* The queue's end: jobs in flight at each of the processes, and what becomes of them when one dies. */
#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/fnv.h"
#include "base/span.h"
#include "mta/outbound/outbound.h"
#include "mta/outbound/path.h"
#include "mta/outbound/wire.h"
#include "net/seqpacket.h"

#define RECONNECT_MS 100

struct outbound_call {
	TAILQ_ENTRY(outbound_call) link;
	struct lane *lane;
	uint64_t number;
	size_t n_targets;
	struct wire_parcel parcel; /* dropped once sent */
	bool sent;
	outbound_done_fn *fn;
	void *arg;
};

/* One process. */
struct lane {
	struct outbound_client *client;
	char path[OUTBOUND_PATH_SIZE];
	int sock;
	struct event readable, writable, reconnect;
	TAILQ_HEAD(, outbound_call) calls;
};

struct outbound_client {
	struct event_base *base;
	uint64_t last_number;
	uint8_t buffer[WIRE_PACKET_MAX]; /* the packet that is being read */
	unsigned int n;
	struct lane lanes[];
};

static void send_waiting(struct lane *l);

static void call_free(struct outbound_call *call)
{
	TAILQ_REMOVE(&call->lane->calls, call, link);
	outbound_wire_drop(&call->parcel);
	free(call);
}

static void call_end(struct outbound_call *call, const Outbound__Result *result)
{
	outbound_done_fn *fn = call->fn;
	void *arg = call->arg;

	call_free(call);
	fn(arg, result);
}

/* Nobody knows what became of it, so that it has to be tried again. */
static void call_lost(struct outbound_call *call, char *why)
{
	Outbound__Feedback feedback = OUTBOUND__FEEDBACK__INIT;
	Outbound__Outcome outcome = OUTBOUND__OUTCOME__INIT;
	Outbound__Result result = OUTBOUND__RESULT__INIT;
	_cleanup_(freep) Outbound__Outcome **outcomes = calloc(call->n_targets, sizeof(Outbound__Outcome *));

	outcome.code = 451;
	outcome.enhanced = (char[]){ "4.3.0" };
	outcome.text = why;
	feedback.trouble = OUTBOUND__TROUBLE__LOCAL;
	feedback.text = why;
	for (size_t i = 0; outcomes && i < call->n_targets; i++)
		outcomes[i] = &outcome;
	result.outcomes = outcomes;
	result.n_outcomes = outcomes ? call->n_targets : 0;
	result.feedback = &feedback;
	call_end(call, &result);
}

static bool is_sound(const Outbound__Result *result, const struct outbound_call *call)
{
	return result && result->feedback && result->n_outcomes == call->n_targets;
}

static void close_lane(struct lane *l)
{
	if (l->sock < 0)
		return;
	(void) event_del(&l->readable);
	(void) event_del(&l->writable);
	closep(&l->sock);
	l->sock = -1;
}

static void call_later(struct lane *l)
{
	struct timeval tv = { 0, RECONNECT_MS * 1000 };

	(void) event_add(&l->reconnect, &tv);
}

/* The callbacks may start and cancel calls: each look begins anew. */
static void end_sent(struct lane *l)
{
	struct outbound_call *call;

	do {
		TAILQ_FOREACH(call, &l->calls, link)
		if (call->sent)
			break;
		if (call)
			call_lost(call, (char[]){ "the outbound process ended before it answered" });
	} while (call && l->sock < 0);
}

static void disconnect(struct lane *l)
{
	close_lane(l);
	end_sent(l);
	if (!TAILQ_EMPTY(&l->calls) && l->sock < 0)
		call_later(l);
}

static void on_result(struct lane *l, const struct wire_packet *p)
{
	struct outbound_call *call;
	Outbound__Result *result;

	TAILQ_FOREACH(call, &l->calls, link)
	if (call->number == p->number && call->sent)
		break;
	if (!call)
		return; /* cancelled */
	result = (Outbound__Result *) outbound_wire_unpack(&outbound__result__descriptor, p);
	if (is_sound(result, call))
		call_end(call, result);
	else
		call_lost(call, (char[]){ "the outbound process gave an answer that cannot be read" });
	if (result)
		outbound__result__free_unpacked(result, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *lane)
{
	struct lane *l = lane;
	struct wire_packet p;
	int r;

	while ((r = outbound_wire_receive(fd, l->client->buffer, &p)) == 1) {
		if (p.kind == WIRE_RESULT)
			on_result(l, &p);
		outbound_wire_close(&p);
		if (p.kind != WIRE_RESULT)
			r = -POD_E_PROTOCOL;
		if (l->sock != fd || r < 0)
			break;
	}
	if (r < 0 && l->sock == fd)
		disconnect(l);
}

static void on_writable(evutil_socket_t fd, short what, void *lane)
{
	send_waiting(lane);
}

static int connect_now(struct lane *l)
{
	int r = seqpacket_connect(l->path, &l->sock);

	if (r < 0)
		return r;
	(void) event_assign(&l->readable, l->client->base, l->sock, EV_READ | EV_PERSIST, on_readable, l);
	(void) event_assign(&l->writable, l->client->base, l->sock, EV_WRITE, on_writable, l);
	if (event_add(&l->readable, NULL) < 0) {
		close_lane(l);
		return -POD_E_NOMEM;
	}
	return 0;
}

/* Never ends a call itself: it runs inside outbound_send, too. What a dead socket had is told by on_readable.
 */
static void send_waiting(struct lane *l)
{
	struct outbound_call *call;

	if (l->sock < 0 && connect_now(l) < 0) {
		call_later(l);
		return;
	}
	TAILQ_FOREACH(call, &l->calls, link)
	{
		int r = call->sent ? 1 : outbound_wire_send(l->sock, &call->parcel);

		if (r == 0)
			(void) event_add(&l->writable, NULL);
		if (r != 1)
			return;
		call->sent = true;
		outbound_wire_drop(&call->parcel);
	}
}

static void on_reconnect(evutil_socket_t fd, short what, void *lane)
{
	send_waiting(lane);
}

int outbound_client_create(struct event_base *base, const struct conf *conf,
                           struct outbound_client **ret_client, struct err *err)
{
	unsigned int n = conf->outbound.workers;
	struct outbound_client *c = calloc(1, sizeof(*c) + n * sizeof(c->lanes[0]));

	if (!c)
		return err_set(err, POD_E_NOMEM, "no memory for the outbound client");
	c->base = base;
	c->n = n;
	for (unsigned int i = 0; i < n; i++) {
		struct lane *l = &c->lanes[i];

		l->client = c;
		l->sock = -1;
		TAILQ_INIT(&l->calls);
		(void) evtimer_assign(&l->reconnect, base, on_reconnect, l);
		(void) outbound_path(conf, i, l->path);
	}
	*ret_client = c;
	return 0;
}

struct outbound_client *outbound_client_free(struct outbound_client *c)
{
	if (!c)
		return NULL;
	for (unsigned int i = 0; i < c->n; i++) {
		struct lane *l = &c->lanes[i];

		while (!TAILQ_EMPTY(&l->calls))
			call_free(TAILQ_FIRST(&l->calls));
		close_lane(l);
		(void) event_del(&l->reconnect);
	}
	free(c);
	return NULL;
}

/* The same process for the same destination, however it is written. */
static struct lane *lane_of(struct outbound_client *c, const char *destination)
{
	uint32_t h = FNV32_START;

	for (const char *p = destination; *p; p++)
		h = fnv32_byte(h, ascii_lower((uint8_t) *p));
	return &c->lanes[h % c->n];
}

struct outbound_call *outbound_send(struct outbound_client *c, const Outbound__Job *job, struct span body,
                                    int body_fd, outbound_done_fn *fn, void *arg)
{
	struct outbound_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	*call = (struct outbound_call){ .lane = lane_of(c, job->destination),
		                        .number = ++c->last_number,
		                        .n_targets = job->n_targets,
		                        .parcel = WIRE_NOTHING,
		                        .fn = fn,
		                        .arg = arg };
	TAILQ_INSERT_TAIL(&call->lane->calls, call, link);
	if (outbound_wire_pack(WIRE_JOB, call->number, &job->base, body, body_fd, &call->parcel) < 0) {
		call_free(call);
		return NULL;
	}
	send_waiting(call->lane);
	return call;
}

void outbound_cancel(struct outbound_call *call)
{
	if (!call)
		return;
	/* A packet that does not fit is given up: the message goes out, and nobody hears of it. */
	if (call->sent && call->lane->sock >= 0 &&
	    outbound_wire_pack(WIRE_CANCEL, call->number, NULL, SPAN_NONE, -1, &call->parcel) == 0)
		(void) outbound_wire_send(call->lane->sock, &call->parcel);
	call_free(call);
}
