/* Taking messages over from sessions: durable first, answered then. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "mta/queue/internal.h"
#include "proc/proc.h"
#include "mta/queue/packet.h"
#include "mta/service/metrics.h"

/* One worker's connection. It outlives its socket while answers to it are outstanding. */
struct link {
	TAILQ_ENTRY(link) link;
	struct queue_submit *owner;
	int fd;
	struct event readable;
	size_t outstanding;
};

struct queue_submit {
	struct queue *q;
	int fd;
	uid_t filter_uid; /* podfilter's, whose reports are mail; (uid_t) -1: it runs as we do */
	struct event acceptable;
	TAILQ_HEAD(, link) links;
	uint8_t packet[PACKET_MAX]; /* the request that is being read */
};

struct taking {
	struct link *from;
	uint64_t number;
	Queue__Submission *submission;
	struct settle settle;
	int body_fd; /* -1: it was in the packet */
};

static void link_free(struct link *l)
{
	if (l->fd >= 0) {
		(void) event_del(&l->readable);
		closep(&l->fd);
		l->fd = -1;
	}
	if (l->outstanding)
		return;
	TAILQ_REMOVE(&l->owner->links, l, link);
	free(l);
}

/* An answer that cannot be sent is asked for again: the session repeats its submission. */
static void answer(struct link *l, uint64_t number, int code, const char *text)
{
	struct packet_answer a = { .number = number, .code = code };

	(void) snprintf(a.text, sizeof(a.text), "%s", text);
	if (l->fd >= 0 && packet_send_answer(l->fd, &a) != 1)
		link_free(l);
}

static void taking_end(struct taking *t, int code, const char *text)
{
	struct link *l = t->from;

	l->outstanding--;
	if (l->fd >= 0)
		answer(l, t->number, code, text);
	else
		link_free(l);
	if (t->submission)
		queue__submission__free_unpacked(t->submission, NULL);
	closep(&t->body_fd);
	free(t);
}

static void log_taken(const Queue__Item *item)
{
	size_t outbound = 0;

	for (size_t i = 0; i < item->n_recipients; i++)
		outbound += item->recipients[i]->state == QUEUE__STATE__OUTBOUND;
	log_event(NULL, LOGL_INFO, merge_is_held(item) ? "message.held" : "message.queued",
	          F_STR("trace", item->trace), F_STR("sender", item->sender),
	          F_UINT("waiting", item->n_recipients - outbound), F_UINT("outbound", outbound),
	          F_STR("text", item->hold ? item->hold->text : ""));
}

static void on_committed(void *arg, struct shelf_change *change, int r, const struct err *err)
{
	struct taking *t = arg;
	struct queue *q = t->from->owner->q;
	struct err no_memory = { 0 };

	if (r == 0) {
		metric_add(M_QUEUE_SUBMITTED, 1);
		if (t->settle.stays) {
			log_taken(t->submission->item);
			/* Durable, but not known to this run: told as a failure, repeated, then found by its
			 * id. */
			if (!queue_add(q, t->submission->item))
				r = err_set(&no_memory, POD_E_NOMEM, "no memory for the queue");
		}
		if (t->settle.report && !queue_add(q, t->settle.report))
			log_event(NULL, LOGL_ERROR, "queue.no_memory");
		queue_pump(q);
	}
	if (t->settle.report)
		queue__item__free_unpacked(t->settle.report, NULL);
	if (r < 0 && r != -POD_E_EXISTS)
		log_event(NULL, LOGL_ERROR, "queue.refused", F_ERR(r == -POD_E_NOMEM ? &no_memory : err));
	taking_end(t, r == -POD_E_EXISTS ? 0 : r,
	           r == 0 || r == -POD_E_EXISTS ? "" : err_text(r == -POD_E_NOMEM ? &no_memory : err));
}

/* What a session packed; it is one of ours, but it spoke with the internet. */
static int unpack(struct span packed, Queue__Submission **ret, struct err *err)
{
	*ret = queue__submission__unpack(NULL, packed.len, packed.p);
	if (!*ret)
		return err_set(err, POD_E_PROTOCOL, "a submission that cannot be read");
	if (!(*ret)->item || !(*ret)->summary || (*ret)->item->id.len != ID_SIZE ||
	    !(*ret)->item->n_recipients)
		return err_set(err, POD_E_PROTOCOL, "a submission without its parts");
	return 0;
}

static int read_submission(const struct packet_request *rq, Queue__Submission **ret, struct err *err)
{
	struct stat st;
	void *map;
	int r;

	if (rq->submission_fd < 0)
		return unpack(rq->submission, ret, err);
	if (fstat(rq->submission_fd, &st) < 0 || st.st_size <= 0 || st.st_size > (off_t) SUBMISSION_MAX)
		return err_set(err, POD_E_PROTOCOL, "a submission of impossible size");
	map = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, rq->submission_fd, 0);
	if (map == MAP_FAILED)
		return err_errno(err, errno, "mapping a submission");
	r = unpack(span_make(map, (size_t) st.st_size), ret, err);
	(void) munmap(map, (size_t) st.st_size);
	return r;
}

/* It goes round in circles, and ends here before the next server has to find that out (RFC 5321 6.3). */
static void end_loop(const struct queue *q, Queue__Item *item)
{
	for (size_t i = 0; item->hops > q->conf->mta.max_hops && i < item->n_recipients; i++) {
		Queue__Recipient *r = item->recipients[i];

		if (r->state != QUEUE__STATE__OUTBOUND)
			continue;
		r->state = QUEUE__STATE__FAILED;
		/* Without memory for the words they are missing. */
		(void) queue_set_text(&r->status, "5.4.6");
		(void) queue_set_text(&r->text, "too many hops, this message is looping");
		log_event(NULL, LOGL_WARNING, "rcpt.failed", F_STR("trace", item->trace),
		          F_STR("rcpt", r->address), F_STR("text", r->text));
	}
}

/* A filter's quarantine ends, unless somebody looks at it. */
static void limit_quarantine(const struct queue *q, Queue__Item *item)
{
	if (item->hold && item->hold->reason == QUEUE__HOLD_REASON__QUARANTINE && !item->hold->until_s)
		item->hold->until_s =
			item->arrived_s + (int64_t) (q->conf->mta.quarantine_lifetime_ms / 1000);
}

static int start(struct queue *q, struct taking *t, const struct packet_request *rq, struct err *err)
{
	struct shelf_change *change;
	int r = q->draining ? err_set(err, POD_E_UNAVAILABLE, "the queue is closing")
	                    : read_submission(rq, &t->submission, err);

	if (r == 0 && rq->body_fd < 0 && rq->body.len != t->submission->item->size)
		r = err_set(err, POD_E_PROTOCOL, "a submitted message is not as long as it says");
	if (r < 0)
		return r;
	end_loop(q, t->submission->item);
	limit_quarantine(q, t->submission->item);
	queue_item_set_parts(t->submission->item);
	t->settle = (struct settle){ .next = t->submission->item,
		                     .body_fd = t->body_fd,
		                     .body = rq->body,
		                     .summary = t->submission->summary };
	r = queue_settle(q, &t->settle, &change, err);
	if (r < 0)
		return r;
	change->done = on_committed;
	change->arg = t;
	shelf_commit(q->shelf, change);
	return 0;
}

static void take(struct link *l, struct packet_request *rq)
{
	struct taking *t = calloc(1, sizeof(*t));
	struct err err = { 0 };
	int r;

	if (!t) {
		closep(&rq->submission_fd);
		closep(&rq->body_fd);
		answer(l, rq->number, -POD_E_NOMEM, "out of memory");
		return;
	}
	*t = (struct taking){ .from = l, .number = rq->number, .body_fd = rq->body_fd };
	l->outstanding++;
	r = start(l->owner->q, t, rq, &err);
	closep(&rq->submission_fd);
	t->settle.body = SPAN_NONE; /* it was the packet's */
	if (r < 0) {
		log_event(NULL, LOGL_ERROR, "queue.refused", F_ERR(&err));
		taking_end(t, r, err_text(&err));
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;
	struct packet_request rq;
	int r = packet_receive_request(fd, l->owner->packet, &rq);

	if (r == 1)
		take(l, &rq);
	else if (r < 0)
		link_free(l);
}

/* Our own processes, and podfilter. */
static bool peer_may_submit(const struct queue_submit *s, int conn)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == geteuid() || peer.uid == 0 || peer.uid == s->filter_uid)
		return true;
	log_event(NULL, LOGL_WARNING, "queue.stranger", F_UINT("uid", peer.uid));
	return false;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct queue_submit *s = arg;
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct link *l = conn >= 0 ? calloc(1, sizeof(*l)) : NULL;

	if (!l || !peer_may_submit(s, conn)) {
		closep(&conn);
		free(l);
		return;
	}
	l->owner = s;
	l->fd = conn;
	TAILQ_INSERT_TAIL(&s->links, l, link);
	(void) event_assign(&l->readable, s->q->base, conn, EV_READ | EV_PERSIST, on_readable, l);
	if (event_add(&l->readable, NULL) < 0)
		link_free(l);
}

int queue_submit_serve(struct queue *q, int fd, struct queue_submit **ret_submit, struct err *err)
{
	struct queue_submit *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, POD_E_NOMEM, "no memory for the queue's socket");
	s->q = q;
	s->fd = fd;
	s->filter_uid = *q->conf->pod.user_filter ? privilege_uid_of(q->conf->pod.user_filter) : (uid_t) -1;
	TAILQ_INIT(&s->links);
	(void) event_assign(&s->acceptable, q->base, fd, EV_READ | EV_PERSIST, on_acceptable, s);
	if (event_add(&s->acceptable, NULL) < 0) {
		free(s);
		return err_set(err, POD_E_NOMEM, "no memory for the queue's socket");
	}
	*ret_submit = s;
	return 0;
}

struct queue_submit *queue_submit_stop(struct queue_submit *s)
{
	struct link *l;

	if (!s)
		return NULL;
	(void) event_del(&s->acceptable);
	while ((l = TAILQ_FIRST(&s->links))) {
		l->outstanding = 0;
		link_free(l);
	}
	free(s);
	return NULL;
}
