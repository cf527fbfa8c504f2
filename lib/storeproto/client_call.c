#include "storeproto/client_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

#define BUCKETS_MIN 64
#define BODY_CHUNK (64u << 10)
#define ACKNOWLEDGE_AT (FRAME_WINDOW / 4) /* so that not every frame is answered by one of ours */
#define REPLY_ARENA_MAX (64u << 20)

/* ---- open calls by stream ---- */

static struct store_call **bucket_of(const struct store_client *c, uint32_t stream)
{
	return &c->buckets[(stream >> 1) & (c->buckets_n - 1)];
}

static struct store_call *call_find(const struct store_client *c, uint32_t stream)
{
	struct store_call *call = c->buckets_n ? *bucket_of(c, stream) : NULL;

	while (call && call->stream != stream)
		call = call->next_in_bucket;
	return call;
}

static bool buckets_grow(struct store_client *c)
{
	size_t n = c->buckets_n ? c->buckets_n * 2 : BUCKETS_MIN;
	struct store_call **buckets = calloc(n, sizeof(struct store_call *));
	struct store_call *call;

	if (!buckets)
		return false;
	free(c->buckets);
	c->buckets = buckets;
	c->buckets_n = n;
	TAILQ_FOREACH(call, &c->open, entry) {
		struct store_call **b = bucket_of(c, call->stream);

		call->next_in_bucket = *b;
		*b = call;
	}
	return true;
}

static void bucket_remove(struct store_call *call)
{
	struct store_call **at = bucket_of(call->client, call->stream);

	while (*at != call)
		at = &(*at)->next_in_bucket;
	*at = call->next_in_bucket;
	call->client->open_n--;
}

static void list_move(struct store_call *call, struct call_list *to)
{
	if (call->on)
		TAILQ_REMOVE(call->on, call, entry);
	call->on = to;
	if (to)
		TAILQ_INSERT_TAIL(to, call, entry);
}

/* ---- life of a call ---- */

/* Off every list and heap; the memory goes with call_free. */
static void call_detach(struct store_call *call)
{
	struct store_client *c = call->client;

	if (call->on == &c->open)
		bucket_remove(call);
	list_move(call, NULL);
	deadlines_remove(&c->deadlines, call);
	call->ended = true;
}

static void call_free(struct store_call *call)
{
	(void) frame_out_free(call->request);
	if (call->body >= 0)
		(void) close(call->body);
	free(call);
}

static void timer_set(struct store_client *c)
{
	const struct store_call *first = deadlines_first(&c->deadlines);
	uint64_t now, wait;
	struct timeval tv;

	/* A timer that fires early because its call has ended costs less than moving it with each call. */
	if (!first || (c->timer_at_ms && c->timer_at_ms <= first->deadline_ms))
		return;
	now = clock_mono_ms();
	wait = first->deadline_ms > now ? first->deadline_ms - now : 0;
	tv = (struct timeval){ (time_t) (wait / 1000), (suseconds_t) (wait % 1000 * 1000) };
	if (event_add(&c->deadline_event, &tv) == 0)
		c->timer_at_ms = first->deadline_ms;
}

/* Requests of a session carry its number as their first field; 0, an admin's, is none. */
static bool names_session(const ProtobufCMessage *request)
{
	const ProtobufCMessageDescriptor *d = request->descriptor;

	if (d->n_fields == 0 || strcmp(d->fields[0].name, "session") != 0)
		return false;
	return *(const uint32_t *) (const void *) ((const char *) request + d->fields[0].offset) != 0;
}

struct store_call *client_call_new(struct store_client *c, enum store_method method, const ProtobufCMessage *request,
                                   struct span blob, int fd, unsigned int timeout_ms, store_reply_fn *fn, void *arg)
{
	struct store_call *call = calloc(1, sizeof(*call));
	struct frame_header h = { .method = (uint16_t) method, .kind = FRAME_REQUEST };
	int own_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (!call || (fd >= 0 && own_fd < 0))
		goto failed;
	*call = (struct store_call){ .client = c, .method = store_method_find(method), .fn = fn, .arg = arg, .body = -1 };
	call->bound = names_session(request);
	call->request = frame_pack(h, request, blob, own_fd);
	own_fd = -1;
	if (!call->request)
		goto failed;
	if (timeout_ms)
		call->deadline_ms = clock_mono_ms() + timeout_ms;
	if (!deadlines_add(&c->deadlines, call))
		goto failed;
	timer_set(c);
	return call;
failed:
	if (own_fd >= 0)
		(void) close(own_fd);
	if (call)
		(void) frame_out_free(call->request);
	free(call);
	return NULL;
}

static uint32_t stream_next(struct store_client *c)
{
	do
		c->next_stream += 2;
	while (call_find(c, c->next_stream));
	return c->next_stream;
}

/* Streams what is left of a body while the connection takes it (TLS only). */
static void body_pump(struct store_call *call)
{
	struct store_client *c = call->client;
	uint8_t chunk[BODY_CHUNK];

	while (call->body >= 0 && !c->break_why && !link_is_full(c->link)) {
		struct frame_header h = {
			.stream = call->stream,
			.method = (uint16_t) call->method->method,
			.kind = FRAME_REQUEST_MORE,
			.flags = FRAME_BODY,
		};
		ssize_t n = pread(call->body, chunk, sizeof(chunk), (off_t) call->body_at);
		struct frame_out *f;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			/* A body that cannot be read ends early; the store finds it shorter than announced. */
			h.flags |= FRAME_BODY_END;
			(void) close(call->body);
			call->body = -1;
			n = 0;
		}
		call->body_at += (uint64_t) n;
		f = frame_pack(h, NULL, span_make(chunk, (size_t) n), -1);
		if (!f) {
			client_break(c, "no memory for a body");
			return;
		}
		link_send(c->link, f);
	}
}

bool client_call_send(struct store_call *call)
{
	struct store_client *c = call->client;
	struct frame_out *f = call->request;
	uint8_t flags = f->fd < 0 ? 0 : c->tls_endpoint ? FRAME_BODY : FRAME_FD;

	if (c->open_n >= c->buckets_n && !buckets_grow(c))
		return false;
	call->stream = stream_next(c);
	frame_out_address(f, call->stream, flags);
	if (flags & FRAME_BODY) {
		call->body = f->fd;
		f->fd = -1;
	}
	call->request = NULL;
	list_move(call, &c->open);
	call->next_in_bucket = *bucket_of(c, call->stream);
	*bucket_of(c, call->stream) = call;
	c->open_n++;
	link_send(c->link, f);
	if (call->body >= 0)
		body_pump(call);
	return true;
}

void client_on_room(void *client)
{
	struct store_client *c = client;
	struct store_call *call, *next;

	call = c->tls_endpoint ? TAILQ_FIRST(&c->open) : NULL; /* elsewhere no call has a body left to send */
	for (; call && !link_is_full(c->link); call = next) {
		next = TAILQ_NEXT(call, entry);
		if (call->body >= 0)
			body_pump(call);
	}
	client_send_waiting(c);
}

void client_send_waiting(struct store_client *c)
{
	struct store_call *call;

	while (c->state == CLIENT_READY && !c->break_why && !link_is_full(c->link) && (call = TAILQ_FIRST(&c->waiting))) {
		if (!client_call_send(call)) {
			client_disconnect(c, POD_E_NOMEM, "no memory for calls");
			return;
		}
	}
}

struct store_call *store_call(struct store_client *c, enum store_method method, const ProtobufCMessage *request,
                              struct span blob, int fd, unsigned int timeout_ms, store_reply_fn *fn, void *arg)
{
	struct store_call *call = NULL;

	if (!c->closing)
		call = client_call_new(c, method, request, blob, fd, timeout_ms, fn, arg);
	if (!call)
		return NULL;
	/* What a store that hangs does not take stays ours, so that a time-out can free it. */
	if (c->state != CLIENT_READY || c->break_why || link_is_full(c->link) || !TAILQ_EMPTY(&c->waiting)) {
		list_move(call, &c->waiting);
		return call;
	}
	if (client_call_send(call))
		return call;
	call_detach(call);
	call_free(call);
	return NULL;
}

/* A frame of ours on an open call; what cannot be queued breaks the connection, so that nobody waits for it. */
static int call_send_more(struct store_call *call, enum frame_kind kind, const ProtobufCMessage *message)
{
	struct frame_header h = { .stream = call->stream, .method = (uint16_t) call->method->method, .kind = kind };
	struct frame_out *f = frame_pack(h, message, SPAN_NONE, -1);

	if (!f)
		return -POD_E_NOMEM;
	link_send(call->client->link, f);
	return 0;
}

int store_call_more(struct store_call *call, const ProtobufCMessage *message)
{
	if (call->ended || call->on != &call->client->open || !call->client->link)
		return -POD_E_UNAVAILABLE;
	return call_send_more(call, FRAME_REQUEST_MORE, message);
}

static void acknowledge(struct store_call *call)
{
	struct frame_header h = {
		.stream = call->stream,
		.method = (uint16_t) call->method->method,
		.kind = FRAME_WINDOW_OPEN,
	};
	struct frame_out *f = frame_pack_window(h, call->unacknowledged);

	if (!f)
		return; /* tried again with the next frame */
	call->unacknowledged = 0;
	link_send(call->client->link, f);
}

void store_call_pause(struct store_call *call)
{
	call->paused = true;
}

void store_call_resume(struct store_call *call)
{
	call->paused = false;
	if (call->unacknowledged && !call->ended && call->on == &call->client->open && call->client->link)
		acknowledge(call);
}

void store_call_cancel(struct store_call *call)
{
	struct store_client *c = call->client;

	if (call->ended)
		return;
	call->fn = NULL;
	if (call->on != &c->open || !c->link) {
		call_detach(call);
		call_free(call);
		return;
	}
	deadlines_remove(&c->deadlines, call);
	if (call->body >= 0) {
		(void) close(call->body);
		call->body = -1;
	}
	(void) call_send_more(call, FRAME_CANCEL, NULL); /* without it the answer is only longer than needed */
}

/* ---- answers ---- */

static void call_fail(struct store_call *call, int code, const char *text)
{
	struct store_reply reply = { .final = true, .code = -code, .text = text, .fd = -1 };
	store_reply_fn *fn = call->fn;

	call_detach(call);
	if (fn)
		fn(call->arg, &reply);
	call_free(call);
}

static bool fail_failing(struct store_client *c, int code, const char *text)
{
	struct store_call *call;

	client_hold(c);
	while ((call = TAILQ_FIRST(&c->failing)))
		call_fail(call, code, text);
	return client_let_go(c);
}

bool client_fail_calls(struct store_client *c, struct call_list *list, int code, const char *text)
{
	struct store_call *call;

	while ((call = TAILQ_FIRST(list))) {
		if (list == &c->open)
			bucket_remove(call);
		list_move(call, &c->failing);
	}
	return fail_failing(c, code, text);
}

bool client_fail_bound(struct store_client *c)
{
	struct store_call *call, *next;

	for (call = TAILQ_FIRST(&c->waiting); call; call = next) {
		next = TAILQ_NEXT(call, entry);
		if (call->bound)
			list_move(call, &c->failing);
	}
	return fail_failing(c, POD_E_UNAVAILABLE, "the session's connection was lost");
}

static void error_reply(const ProtobufCMessage *message, struct store_reply *r)
{
	const Podstore__Error *e = (const Podstore__Error *) message;

	r->final = true;
	r->code = e->code > POD_E_NONE && e->code < POD_E_END ? -(int) e->code : -POD_E_INTERNAL;
	r->text = e->text;
	r->message = NULL;
}

/* What the frame's message must be; NULL where a server does not send such a frame. */
static const ProtobufCMessageDescriptor *answer_type(const struct store_call *call, const struct frame_header *h)
{
	if (h->method != call->method->method)
		return NULL;
	switch (h->kind) {
	case FRAME_MORE: return call->method->more;
	case FRAME_REPLY: return call->method->reply;
	case FRAME_ERROR: return &podstore__error__descriptor;
	default: return NULL;
	}
}

static void after_more(struct store_call *call, uint32_t bytes)
{
	call->unacknowledged += bytes;
	if (!call->paused && call->unacknowledged >= ACKNOWLEDGE_AT && call->client->link)
		acknowledge(call);
}

void client_on_frame(void *client, const struct frame_header *h, struct span message, struct span blob, int *fd)
{
	struct store_client *c = client;
	struct store_call *call = call_find(c, h->stream);
	const ProtobufCMessageDescriptor *type = call ? answer_type(call, h) : NULL;
	struct store_reply reply = { .final = h->kind != FRAME_MORE, .text = "", .blob = blob, .fd = *fd };
	struct arena *a;
	store_reply_fn *fn;

	if (!type) {
		client_disconnect(c, POD_E_PROTOCOL, "the store sent a frame that answers nothing");
		return;
	}
	a = arena_create(REPLY_ARENA_MAX);
	reply.message = a ? message_unpack(a, type, message) : NULL;
	if (!reply.message) {
		(void) arena_free(a);
		client_disconnect(c, POD_E_PROTOCOL, "the store sent a malformed message");
		return;
	}
	*fd = -1;
	if (h->kind == FRAME_ERROR)
		error_reply(reply.message, &reply);
	fn = call->fn;
	if (reply.final)
		call_detach(call);
	if (fn)
		fn(call->arg, &reply); /* a final one may free the client */
	if (reply.final)
		call_free(call);
	else if (call->on)
		after_more(call, h->length);
	if (reply.fd >= 0)
		(void) close(reply.fd);
	(void) arena_free(a);
}

void client_on_deadline(evutil_socket_t fd, short what, void *client)
{
	struct store_client *c = client;
	struct store_call *call;

	c->timer_at_ms = 0;
	client_hold(c);
	while (!c->dead && (call = deadlines_first(&c->deadlines)) && call->deadline_ms <= clock_mono_ms()) {
		struct store_reply reply = { .final = true, .code = -POD_E_TIMEOUT, .text = "no answer in time", .fd = -1 };
		store_reply_fn *fn = call->fn;
		void *arg = call->arg;

		store_call_cancel(call);
		if (fn)
			fn(arg, &reply);
	}
	if (client_let_go(c))
		timer_set(c);
}
