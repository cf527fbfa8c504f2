#include "storeproto/server_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- arenas, used again ---- */

struct arena *server_arena(struct store_server *s)
{
	return s->spare_n ? s->spare_arenas[--s->spare_n] : arena_create(REQUEST_ARENA_MAX);
}

void server_arena_give_back(struct store_server *s, struct arena *a)
{
	if (a && s->spare_n < sizeof(s->spare_arenas) / sizeof(s->spare_arenas[0])) {
		arena_reset(a);
		s->spare_arenas[s->spare_n++] = a;
	} else {
		(void) arena_free(a);
	}
}

/* ---- what a request is ---- */

enum store_method store_request_method(const struct store_request *rq)
{
	return rq->method->method;
}

const ProtobufCMessage *store_request_message(const struct store_request *rq)
{
	return rq->message;
}

struct arena *store_request_arena(struct store_request *rq)
{
	return rq->a;
}

struct span store_request_blob(const struct store_request *rq)
{
	return rq->blob;
}

int store_request_fd(const struct store_request *rq)
{
	return rq->fd;
}

struct store_peer *store_request_peer(const struct store_request *rq)
{
	return rq->peer;
}

unsigned int store_request_role(const struct store_request *rq)
{
	return rq->peer->role;
}

bool store_request_cancelled(const struct store_request *rq)
{
	return atomic_load_explicit(&rq->cancelled, memory_order_acquire);
}

void store_request_set_data(struct store_request *rq, void *data)
{
	rq->data = data;
}

void *store_request_data(const struct store_request *rq)
{
	return rq->data;
}

bool store_request_passes_fds(const struct store_request *rq)
{
	return !rq->peer->tls;
}

/*
 * Open for as long as somebody else likes: a client that idles, or one that thinks about a challenge. Thousands
 * of those are no load, and must not stop the peer that they all come through.
 */
static bool is_waiting_kind(const struct store_method_info *method)
{
	return method->method == STORE_WATCH || method->method == STORE_AUTH;
}

static unsigned int *counter_of(struct store_request *rq)
{
	return is_waiting_kind(rq->method) ? &rq->peer->waiting_n : &rq->peer->working_n;
}

/* ---- answers ---- */

static void request_free(struct store_request *rq)
{
	struct store_peer *p = rq->peer;
	struct store_server *s = p->server;

	LIST_REMOVE(rq, entry);
	if (rq->told_full)
		LIST_REMOVE(rq, room_entry);
	streams_remove(&p->streams, rq);
	--*counter_of(rq);
	if (rq->fd >= 0)
		(void) close(rq->fd);
	for (size_t i = 0; i < rq->more_n; i++)
		server_arena_give_back(s, rq->more[i]);
	server_arena_give_back(s, rq->a); /* rq was in it */
	peer_mind_load(p);
	peer_maybe_free(p);
}

/* On the loop's thread: an answer joins its peer's output. */
static void answer_send(struct frame_out *f)
{
	struct store_request *rq = f->owner;
	struct store_peer *p = rq->peer;
	bool final = f->final;

	if (f == &rq->last_resort) {
		if (p->link)
			peer_lost(p); /* whom an answer cannot be sent must not wait for it */
	} else if (p->link && (final || !store_request_cancelled(rq))) {
		link_send(p->link, f);
	} else {
		(void) frame_out_free(f);
	}
	if (final)
		request_free(rq);
}

/* Turns the stack of new answers round and puts it behind those that are due. */
static void collect_answers(struct store_server *s)
{
	struct frame_out *newest = atomic_exchange_explicit(&s->answers, NULL, memory_order_acquire);
	struct frame_out *oldest = NULL, *last = newest;

	while (newest) {
		struct frame_out *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	*s->due_tail = oldest;
	if (last)
		s->due_tail = &last->next;
}

/*
 * An answer that cannot be sent ends its peer, whose requests' callbacks may answer and so come here again:
 * they find what is left in its order, because a stream's answers must not overtake each other.
 */
void server_take_answers(struct store_server *s)
{
	struct frame_out *f;

	collect_answers(s);
	while ((f = s->due)) {
		s->due = f->next;
		if (!s->due)
			s->due_tail = &s->due;
		answer_send(f);
	}
}

/* Only the first of a batch wakes the loop: it takes all there are. */
static void answer_queue(struct store_server *s, struct frame_out *f)
{
	struct frame_out *newest = atomic_load_explicit(&s->answers, memory_order_relaxed);
	const uint64_t one = 1;

	if (s->loop_known && pthread_equal(s->loop, pthread_self())) {
		server_take_answers(s); /* what another thread said on this stream came first */
		answer_send(f);
		return;
	}
	do
		f->next = newest;
	while (!atomic_compare_exchange_weak_explicit(&s->answers, &newest, f, memory_order_release,
	                                              memory_order_relaxed));
	if (!newest)
		while (write(s->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
}

static struct frame_out *pack_error(struct frame_header h, int code, const char *text)
{
	Podstore__Error e = PODSTORE__ERROR__INIT;

	h.kind = FRAME_ERROR;
	e.code = (uint32_t) code;
	e.text = (char *) (uintptr_t) text; /* only packed, never written to */
	return frame_pack(h, &e.base, SPAN_NONE, -1);
}

/* Why frame_pack would not. */
static int pack_failure(const ProtobufCMessage *message, struct span blob)
{
	size_t size = message ? protobuf_c_message_get_packed_size(message) : 0;

	return size > FRAME_LENGTH_MAX || blob.len > FRAME_LENGTH_MAX - size ? POD_E_LIMIT : POD_E_NOMEM;
}

/* What takes the place of a final answer that cannot be given whole: its own stream fails, not the connection. */
static struct frame_out *answer_broken(struct store_request *rq, struct frame_header h)
{
	struct frame_out *f = pack_error(h, atomic_load(&rq->broken), "the answer could not be sent whole");

	return f ? f : &rq->last_resort;
}

static void answer(struct store_request *rq, enum frame_kind kind, const ProtobufCMessage *message, struct span blob,
                   int fd)
{
	struct frame_header h = { .stream = rq->stream, .method = (uint16_t) rq->method->method, .kind = kind };
	struct store_peer *p = rq->peer;
	struct frame_out *f;

	if (kind == FRAME_MORE && store_request_cancelled(rq)) {
		if (fd >= 0)
			(void) close(fd);
		return;
	}
	f = frame_pack(h, message, blob, fd);
	if (!f)
		atomic_store(&rq->broken, pack_failure(message, blob));
	if (kind == FRAME_MORE) {
		if (!f)
			return; /* a hole in the answer: the final one says so */
		(void) pthread_mutex_lock(&p->lock);
		rq->unacknowledged += (uint32_t) (f->len - FRAME_HEADER_SIZE);
		(void) pthread_mutex_unlock(&p->lock);
	} else if (atomic_load(&rq->broken)) {
		(void) frame_out_free(f);
		f = answer_broken(rq, h);
	}
	f->owner = rq;
	f->final = kind != FRAME_MORE;
	answer_queue(p->server, f);
}

void store_request_reply(struct store_request *rq, const ProtobufCMessage *message, struct span blob, int fd)
{
	answer(rq, FRAME_REPLY, message, blob, fd);
}

void store_request_more(struct store_request *rq, const ProtobufCMessage *message, struct span blob, int fd)
{
	answer(rq, FRAME_MORE, message, blob, fd);
}

void store_request_fail(struct store_request *rq, int code, const char *text)
{
	Podstore__Error e = PODSTORE__ERROR__INIT;

	e.code = (uint32_t) (code < 0 ? -code : code);
	e.text = (char *) (uintptr_t) (text ? text : err_code_text(code)); /* only packed, never written to */
	answer(rq, FRAME_ERROR, &e.base, SPAN_NONE, -1);
}

/* ---- windows ---- */

int store_request_wait_window(struct store_request *rq)
{
	struct store_peer *p = rq->peer;

	(void) pthread_mutex_lock(&p->lock);
	while (rq->unacknowledged >= FRAME_WINDOW && !store_request_cancelled(rq))
		(void) pthread_cond_wait(&p->window_opened, &p->lock);
	(void) pthread_mutex_unlock(&p->lock);
	return store_request_cancelled(rq) ? -POD_E_CANCELLED : 0;
}

bool store_request_window_is_full(struct store_request *rq)
{
	struct store_peer *p = rq->peer;
	bool full;

	(void) pthread_mutex_lock(&p->lock);
	full = rq->unacknowledged >= FRAME_WINDOW;
	(void) pthread_mutex_unlock(&p->lock);
	return full;
}

bool store_request_has_room(struct store_request *rq)
{
	struct store_peer *p = rq->peer;
	bool room = !store_request_window_is_full(rq) && p->link && !link_is_full(p->link);

	if (!room && !rq->told_full) {
		LIST_INSERT_HEAD(&p->wants_room, rq, room_entry);
		rq->told_full = true;
	}
	return room;
}

void request_window(struct store_request *rq, uint32_t bytes)
{
	struct store_peer *p = rq->peer;

	(void) pthread_mutex_lock(&p->lock);
	rq->unacknowledged -= bytes < rq->unacknowledged ? bytes : rq->unacknowledged;
	(void) pthread_cond_broadcast(&p->window_opened);
	(void) pthread_mutex_unlock(&p->lock);
	request_tell_room(rq);
}

void request_tell_room(struct store_request *rq)
{
	const struct store_server_options *o = &rq->peer->server->o;

	if (!rq->told_full)
		return;
	LIST_REMOVE(rq, room_entry);
	rq->told_full = false;
	if (o->on_room && !store_request_cancelled(rq))
		o->on_room(o->arg, rq);
}

void request_cancel(struct store_request *rq)
{
	struct store_peer *p = rq->peer;
	const struct store_server_options *o = &p->server->o;

	if (store_request_cancelled(rq))
		return;
	(void) pthread_mutex_lock(&p->lock);
	atomic_store_explicit(&rq->cancelled, true, memory_order_release);
	(void) pthread_cond_broadcast(&p->window_opened);
	(void) pthread_mutex_unlock(&p->lock);
	if (rq->body_coming)
		store_request_fail(rq, POD_E_CANCELLED, "cancelled before its body came");
	else
		o->on_cancel(o->arg, rq);
}

/* ---- requests coming in ---- */

static void hand_on(struct store_request *rq)
{
	const struct store_server_options *o = &rq->peer->server->o;

	if (rq->method->method == STORE_PING) {
		Podstore__Empty empty = PODSTORE__EMPTY__INIT;

		store_request_reply(rq, &empty.base, SPAN_NONE, -1);
	} else if (rq->peer->server->superseded) {
		store_request_fail(rq, POD_E_STALE, "this store's fencing token is stale");
	} else if (rq->peer->waiting_n > PEER_WAITING_MAX && is_waiting_kind(rq->method)) {
		store_request_fail(rq, POD_E_BUSY, "too many requests of this connection wait");
	} else if (!(rq->method->roles & rq->peer->role)) {
		store_request_fail(rq, POD_E_DENIED, "the role of this connection may not ask for this");
	} else {
		o->on_request(o->arg, rq);
	}
}

static int spool_open(const struct store_server *s)
{
	if (s->spool_dir)
		return open(s->spool_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return memfd_create("podmail-body", MFD_CLOEXEC);
}

static struct store_request *request_new(struct store_peer *p, const struct frame_header *h, struct span message,
                                         struct span blob, const struct store_method_info *method)
{
	struct arena *a = server_arena(p->server);
	struct store_request *rq = a ? arena_new(a, struct store_request) : NULL;

	if (rq) {
		rq->peer = p;
		rq->a = a;
		rq->method = method;
		rq->stream = h->stream;
		rq->fd = -1;
		rq->last_resort.fd = -1;
		rq->message = message_unpack(a, method->request, message);
		rq->blob = blob.len ? arena_dup(a, blob) : SPAN_NONE;
	}
	if (!rq || !rq->message || rq->blob.len != blob.len || !streams_add(&p->streams, rq)) {
		server_arena_give_back(p->server, a);
		return NULL;
	}
	return rq;
}

/* A peer that is newer than this store asks for what it does not know: no reason to end its other requests. */
static int refuse_unknown(struct store_peer *p, const struct frame_header *h)
{
	const struct frame_header answer_to = { .stream = h->stream, .method = h->method };
	struct frame_out *f = pack_error(answer_to, POD_E_UNSUPPORTED, "this store does not know the method");

	if (!f)
		return -POD_E_NOMEM;
	link_send(p->link, f);
	peer_mind_load(p);
	return 0;
}

int request_begin(struct store_peer *p, const struct frame_header *h, struct span message, struct span blob, int *fd)
{
	const struct store_method_info *method = store_method_find(h->method);
	struct store_request *rq;

	if (h->method == STORE_HELLO || streams_find(&p->streams, h->stream))
		return -POD_E_PROTOCOL;
	if (!method)
		return refuse_unknown(p, h);
	if ((h->flags & FRAME_BODY) && (!p->tls || blob.len))
		return -POD_E_PROTOCOL;
	rq = request_new(p, h, message, blob, method);
	if (!rq)
		return -POD_E_PROTOCOL;
	rq->fd = *fd;
	*fd = -1;
	LIST_INSERT_HEAD(&p->requests, rq, entry);
	++*counter_of(rq);
	peer_mind_load(p);
	if (!(h->flags & FRAME_BODY)) {
		hand_on(rq);
		return 0;
	}
	rq->fd = spool_open(p->server);
	if (rq->fd < 0)
		store_request_fail(rq, POD_E_NOSPACE, "cannot spool a body");
	else
		rq->body_coming = true;
	return 0;
}

static bool write_all(int fd, struct span s)
{
	while (s.len) {
		ssize_t n = write(fd, s.p, s.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = span_skip(s, (size_t) n);
	}
	return true;
}

static int body_continue(struct store_request *rq, const struct frame_header *h, struct span blob)
{
	rq->body_size += blob.len;
	if (rq->body_size > FRAME_BODY_MAX)
		return -POD_E_PROTOCOL;
	if (!write_all(rq->fd, blob)) {
		rq->body_coming = false;
		store_request_fail(rq, POD_E_NOSPACE, "cannot spool a body");
		return 0;
	}
	if (h->flags & FRAME_BODY_END) {
		rq->body_coming = false;
		hand_on(rq);
	}
	return 0;
}

int request_continue(struct store_peer *p, const struct frame_header *h, struct span message, struct span blob)
{
	const struct store_server_options *o = &p->server->o;
	struct store_request *rq = streams_find(&p->streams, h->stream);
	const ProtobufCMessage *m;
	struct arena *a;

	if (!rq)
		return 0; /* answered while this was on its way */
	if (h->flags & FRAME_BODY)
		return rq->body_coming ? body_continue(rq, h, blob) : 0;
	if (rq->method->method != STORE_AUTH || rq->more_n == REQUEST_MORE_MAX)
		return -POD_E_PROTOCOL;
	if (store_request_cancelled(rq))
		return 0;
	a = server_arena(p->server); /* its own: the request's may be in use by a thread */
	m = a ? message_unpack(a, &podstore__auth_step__descriptor, message) : NULL;
	if (!m) {
		server_arena_give_back(p->server, a);
		return -POD_E_PROTOCOL;
	}
	rq->more[rq->more_n++] = a;
	o->on_more(o->arg, rq, m);
	return 0;
}
