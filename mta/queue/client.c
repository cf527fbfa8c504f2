/* The sessions' end of the queue: submissions in flight, sent again where the queue's process was restarted.
 */
#include "mta/queue/queue.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "mta/queue/packet.h"
#include "mta/queue/shelf.h"

#define RECONNECT_MS 100

struct queue_call {
	LIST_ENTRY(queue_call) link;
	struct queue_client *client;
	uint64_t number;
	struct packet_head *packet; /* with what follows it */
	size_t packet_size;
	int fds[2]; /* of what does not: submission and body */
	bool sent;
	struct event timeout;
	queue_done_fn *fn;
	void *arg;
};

struct queue_client {
	struct event_base *base;
	struct sockaddr_un path;
	unsigned int timeout_ms;
	int sock;
	struct event readable, writable, reconnect;
	uint64_t last_number;
	LIST_HEAD(, queue_call) calls;
};

static void send_waiting(struct queue_client *c);

static void call_free(struct queue_call *call)
{
	LIST_REMOVE(call, link);
	(void) event_del(&call->timeout);
	closep(&call->fds[0]);
	closep(&call->fds[1]);
	free(call->packet);
	free(call);
}

static void call_end(struct queue_call *call, int code, const char *text)
{
	queue_done_fn *fn = call->fn;
	void *arg = call->arg;

	call_free(call);
	fn(arg, code, text);
}

static void disconnect(struct queue_client *c)
{
	struct queue_call *call;
	struct timeval tv = { 0, RECONNECT_MS * 1000 };

	if (c->sock >= 0) {
		(void) event_del(&c->readable);
		(void) event_del(&c->writable);
		closep(&c->sock);
	}
	c->sock = -1;
	/* What was not answered may be lost: it goes again, and the queue knows it by its id. */
	LIST_FOREACH(call, &c->calls, link)
	call->sent = false;
	if (!LIST_EMPTY(&c->calls))
		(void) event_add(&c->reconnect, &tv);
}

static struct queue_call *call_find(struct queue_client *c, uint64_t number)
{
	struct queue_call *call;

	LIST_FOREACH(call, &c->calls, link)
	if (call->number == number)
		return call;
	return NULL;
}

static void on_readable(evutil_socket_t fd, short what, void *client)
{
	struct queue_client *c = client;
	struct packet_answer answer;
	int r;

	while ((r = packet_receive_answer(fd, &answer)) == 1) {
		struct queue_call *call = call_find(c, answer.number);

		if (call)
			call_end(call, answer.code, answer.text);
		if (c->sock < 0)
			return;
	}
	if (r < 0)
		disconnect(c);
}

static void on_writable(evutil_socket_t fd, short what, void *client)
{
	send_waiting(client);
}

static int connect_now(struct queue_client *c)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *) &c->path, sizeof(c->path)) < 0)
		return -POD_E_UNAVAILABLE;
	c->sock = take_fd(&fd);
	(void) event_assign(&c->readable, c->base, c->sock, EV_READ | EV_PERSIST, on_readable, c);
	(void) event_assign(&c->writable, c->base, c->sock, EV_WRITE, on_writable, c);
	return event_add(&c->readable, NULL) < 0 ? -POD_E_NOMEM : 0;
}

static void send_waiting(struct queue_client *c)
{
	struct queue_call *call;
	int r = c->sock >= 0 ? 0 : connect_now(c);

	if (r < 0) {
		disconnect(c);
		return;
	}
	LIST_FOREACH(call, &c->calls, link)
	{
		if (call->sent)
			continue;
		r = packet_send_request(c->sock, span_make(call->packet, call->packet_size),
		                        call->fds[0] < 0 ? NULL : call->fds);
		if (r == 0)
			(void) event_add(&c->writable, NULL);
		if (r < 0)
			disconnect(c);
		if (r != 1)
			return;
		call->sent = true;
	}
}

static void on_reconnect(evutil_socket_t fd, short what, void *client)
{
	send_waiting(client);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	call_end(arg, -POD_E_TIMEOUT, "the queue did not answer in time");
}

int queue_client_create(struct event_base *base, const char *path, unsigned int timeout_ms,
                        struct queue_client **ret_client, struct err *err)
{
	struct queue_client *c;

	if (strlen(path) >= sizeof(c->path.sun_path))
		return err_set(err, POD_E_LIMIT, "%s: too long for a socket's name", path);
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, POD_E_NOMEM, "no memory for the queue's client");
	c->base = base;
	c->timeout_ms = timeout_ms;
	c->sock = -1;
	c->path.sun_family = AF_UNIX;
	memcpy(c->path.sun_path, path, strlen(path) + 1);
	(void) evtimer_assign(&c->reconnect, base, on_reconnect, c);
	LIST_INIT(&c->calls);
	*ret_client = c;
	return 0;
}

struct queue_client *queue_client_free(struct queue_client *c)
{
	if (!c)
		return NULL;
	while (!LIST_EMPTY(&c->calls))
		call_free(LIST_FIRST(&c->calls));
	disconnect(c);
	(void) event_del(&c->reconnect);
	free(c);
	return NULL;
}

/* The packed submission in a file of memory, for it may be larger than any packet. */
static int pack_to_fd(const Queue__Submission *submission, int *ret_fd)
{
	size_t len = queue__submission__get_packed_size(submission);
	_cleanup_(closep) int fd = len <= SUBMISSION_MAX ? memfd_create("submission", MFD_CLOEXEC) : -1;
	void *map;

	if (fd < 0 || ftruncate(fd, (off_t) len) < 0)
		return -POD_E_NOMEM;
	map = mmap(NULL, len ? len : 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -POD_E_NOMEM;
	(void) queue__submission__pack(submission, map);
	(void) munmap(map, len ? len : 1);
	*ret_fd = take_fd(&fd);
	return 0;
}

static struct queue_call *call_new(struct queue_client *c, size_t packet_size, queue_done_fn *fn, void *arg)
{
	struct timeval tv = { c->timeout_ms / 1000, (c->timeout_ms % 1000) * 1000 };
	struct queue_call *call = calloc(1, sizeof(*call));
	struct packet_head *packet = malloc(packet_size);

	if (!call || !packet) {
		free(call);
		free(packet);
		return NULL;
	}
	*packet = (struct packet_head){ .number = ++c->last_number };
	*call = (struct queue_call){ .client = c,
		                     .number = packet->number,
		                     .packet = packet,
		                     .packet_size = packet_size,
		                     .fds = { -1, -1 },
		                     .fn = fn,
		                     .arg = arg };
	(void) evtimer_assign(&call->timeout, c->base, on_timeout, call);
	LIST_INSERT_HEAD(&c->calls, call, link);
	if (event_add(&call->timeout, &tv) == 0)
		return call;
	call_free(call);
	return NULL;
}

static struct queue_call *call_begin(struct queue_call *call, int r)
{
	if (r == 0) {
		send_waiting(call->client);
		return call;
	}
	call_free(call);
	return NULL;
}

struct queue_call *queue_submit(struct queue_client *c, const Queue__Submission *submission, int body_fd,
                                queue_done_fn *fn, void *arg)
{
	struct queue_call *call = call_new(c, sizeof(struct packet_head), fn, arg);

	if (!call)
		return NULL;
	call->fds[1] = fcntl(body_fd, F_DUPFD_CLOEXEC, 0);
	return call_begin(call, call->fds[1] < 0 ? -POD_E_NOMEM : pack_to_fd(submission, &call->fds[0]));
}

/* All in one packet. */
static struct queue_call *submit_whole(struct queue_client *c, const Queue__Submission *submission,
                                       size_t len, struct span body, queue_done_fn *fn, void *arg)
{
	struct queue_call *call = call_new(c, sizeof(struct packet_head) + len + body.len, fn, arg);
	uint8_t *to;

	if (!call)
		return NULL;
	to = (uint8_t *) (call->packet + 1);
	call->packet->submission = (uint32_t) len;
	call->packet->body = (uint32_t) body.len;
	(void) queue__submission__pack(submission, to);
	if (body.len)
		memcpy(to + len, body.p, body.len);
	return call_begin(call, 0);
}

struct queue_call *queue_submit_bytes(struct queue_client *c, const Queue__Submission *submission,
                                      struct span body, queue_done_fn *fn, void *arg)
{
	size_t len = queue__submission__get_packed_size(submission);
	struct queue_call *call;
	int r;

	if (len <= PACKET_MAX && sizeof(struct packet_head) + len + body.len <= PACKET_MAX)
		return submit_whole(c, submission, len, body, fn, arg);
	call = call_new(c, sizeof(struct packet_head), fn, arg);
	if (!call)
		return NULL;
	r = pack_to_fd(submission, &call->fds[0]);
	return call_begin(call, r < 0 ? r : shelf_memory_file(body, &call->fds[1], NULL));
}

void queue_submit_cancel(struct queue_call *call)
{
	if (call)
		call_free(call);
}
