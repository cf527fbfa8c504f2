/* The socket on which the queue's process asks: jobs in, results out. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "mta/outbound/internal.h"
#include "mta/outbound/wire.h"

/* One connection; there is one, and while the queue is restarted perhaps two. */
struct link {
	TAILQ_ENTRY(link) entry;
	struct outbound_queue *owner;
	int fd;
	struct event readable, writable;
	TAILQ_HEAD(, asked) asked;
};

/* A job of a connection: under way (job), or done and not sent yet (result). */
struct asked {
	TAILQ_ENTRY(asked) entry;
	struct link *link;
	uint64_t number;
	struct job *job;
	struct wire_parcel result;
};

struct outbound_queue {
	struct outbound *o;
	int fd;
	struct event acceptable;
	TAILQ_HEAD(, link) links;
	uint8_t buffer[WIRE_PACKET_MAX]; /* the packet that is being read */
};

static void asked_free(struct asked *a)
{
	if (a->job)
		job_cancel(a->job);
	outbound_wire_drop(&a->result);
	TAILQ_REMOVE(&a->link->asked, a, entry);
	free(a);
}

/* Nobody is there to be told: what is under way is given up. The queue tries again what it has no result of.
 */
static void link_free(struct link *l)
{
	while (!TAILQ_EMPTY(&l->asked))
		asked_free(TAILQ_FIRST(&l->asked));
	(void) event_del(&l->readable);
	(void) event_del(&l->writable);
	closep(&l->fd);
	TAILQ_REMOVE(&l->owner->links, l, entry);
	free(l);
}

/* -POD_E_UNAVAILABLE: the connection is over. */
static int send_results(struct link *l)
{
	struct asked *a, *next;

	for (a = TAILQ_FIRST(&l->asked); a; a = next) {
		int r;

		next = TAILQ_NEXT(a, entry);
		if (!outbound_wire_is_packed(&a->result))
			continue;
		r = outbound_wire_send(l->fd, &a->result);
		if (r == 0)
			(void) event_add(&l->writable, NULL);
		if (r != 1)
			return r;
		asked_free(a);
	}
	return 0;
}

static void on_writable(evutil_socket_t fd, short what, void *link)
{
	if (send_results(link) < 0)
		link_free(link);
}

static void on_job_done(void *arg, const Outbound__Result *result)
{
	struct asked *a = arg;
	struct link *l = a->link;

	a->job = NULL;
	if (outbound_wire_pack(WIRE_RESULT, a->number, &result->base, SPAN_NONE, -1, &a->result) < 0) {
		log_event(NULL, LOGL_ERROR, "outbound.no_memory");
		link_free(l); /* the queue takes all of them for lost, and tries again */
		return;
	}
	if (send_results(l) < 0)
		link_free(l);
}

static bool is_sound(const Outbound__Job *job)
{
	return job && job->destination[0] && job->n_targets > 0;
}

/* -POD_E_*: the connection ends. */
static int take(struct link *l, struct wire_packet *p)
{
	Outbound__Job *record = (Outbound__Job *) outbound_wire_unpack(&outbound__job__descriptor, p);
	struct asked *a = is_sound(record) ? calloc(1, sizeof(*a)) : NULL;

	if (!a) {
		if (record)
			outbound__job__free_unpacked(record, NULL);
		return -POD_E_PROTOCOL;
	}
	*a = (struct asked){ .link = l, .number = p->number, .result = WIRE_NOTHING };
	TAILQ_INSERT_TAIL(&l->asked, a, entry);
	a->job = job_start(l->owner->o, record, p->body, take_fd(&p->body_fd), on_job_done, a);
	if (!a->job) {
		asked_free(a);
		return -POD_E_NOMEM;
	}
	return 0;
}

static void cancel(struct link *l, uint64_t number)
{
	struct asked *a;

	TAILQ_FOREACH(a, &l->asked, entry)
	if (a->number == number) {
		asked_free(a);
		return;
	}
}

static int take_packet(struct link *l, struct wire_packet *p)
{
	switch (p->kind) {
	case WIRE_JOB: return take(l, p);
	case WIRE_CANCEL: cancel(l, p->number); return 0;
	default: return -POD_E_PROTOCOL;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;
	struct wire_packet p;
	int r = outbound_wire_receive(fd, l->owner->buffer, &p);

	if (r == 0)
		return;
	if (r == 1) {
		r = take_packet(l, &p);
		outbound_wire_close(&p);
	}
	if (r < 0 && r != -POD_E_UNAVAILABLE)
		log_event(NULL, LOGL_ERROR, "outbound.bad_request", F_CODE(r));
	if (r < 0)
		link_free(l);
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct outbound_queue *q = arg;
	_cleanup_(closep) int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct link *l = conn >= 0 ? calloc(1, sizeof(*l)) : NULL;

	if (!l)
		return;
	l->owner = q;
	l->fd = take_fd(&conn);
	TAILQ_INIT(&l->asked);
	TAILQ_INSERT_TAIL(&q->links, l, entry);
	(void) event_assign(&l->readable, q->o->base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
	(void) event_assign(&l->writable, q->o->base, l->fd, EV_WRITE, on_writable, l);
	if (event_add(&l->readable, NULL) < 0)
		link_free(l);
}

int outbound_queue_serve(struct outbound *o, int listen_fd, struct outbound_queue **ret_queue,
                         struct err *err)
{
	struct outbound_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return err_set(err, POD_E_NOMEM, "no memory for the outbound socket");
	q->o = o;
	q->fd = listen_fd;
	TAILQ_INIT(&q->links);
	(void) event_assign(&q->acceptable, o->base, listen_fd, EV_READ | EV_PERSIST, on_acceptable, q);
	if (event_add(&q->acceptable, NULL) < 0) {
		free(q);
		return err_set(err, POD_E_NOMEM, "no memory for the outbound socket");
	}
	*ret_queue = q;
	return 0;
}

void outbound_queue_pause(struct outbound_queue *q)
{
	struct link *l;

	(void) event_del(&q->acceptable);
	TAILQ_FOREACH(l, &q->links, entry)
	(void) event_del(&l->readable);
}

struct outbound_queue *outbound_queue_stop(struct outbound_queue *q)
{
	if (!q)
		return NULL;
	(void) event_del(&q->acceptable);
	while (!TAILQ_EMPTY(&q->links))
		link_free(TAILQ_FIRST(&q->links));
	free(q);
	return NULL;
}
