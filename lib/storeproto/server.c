#include "storeproto/server_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define HELLO_WITHIN_S 5

static const struct {
	const char *name;
	unsigned int role;
} roles[] = {
	{ "mta", STORE_ROLE_MTA },
	{ "gateway", STORE_ROLE_GATEWAY },
	{ "admin", STORE_ROLE_ADMIN },
	{ "filter", STORE_ROLE_FILTER },
};

/* ---- peers ---- */

void peer_maybe_free(struct store_peer *p)
{
	if (p->link || p->streams.n || p->held)
		return;
	LIST_REMOVE(p, entry);
	streams_done(&p->streams);
	(void) pthread_cond_destroy(&p->window_opened);
	(void) pthread_mutex_destroy(&p->lock);
	free(p);
}

/* A peer that asks faster than it is answered, or does not read its answers, is not read from meanwhile. */
void peer_mind_load(struct store_peer *p)
{
	bool pause = p->working_n >= PEER_REQUESTS_MAX || (p->link && link_is_full(p->link));

	if (!p->link || pause == p->paused)
		return;
	p->paused = pause;
	if (pause)
		link_pause(p->link);
	else
		link_resume(p->link);
}

void peer_lost(struct store_peer *p)
{
	const struct store_server_options *o = &p->server->o;
	struct store_request *rq;

	if (!p->link)
		return;
	p->link = link_free(p->link);
	(void) event_del(&p->hello_event);
	p->held++;
	/* Any of them may end while another is told, so no place in the list is kept across the call. */
	while ((rq = LIST_FIRST(&p->requests))) {
		LIST_REMOVE(rq, entry);
		LIST_INSERT_HEAD(&p->ending, rq, entry);
		request_cancel(rq);
	}
	p->held--;
	if (p->role && o->on_peer_gone)
		o->on_peer_gone(o->arg, p);
	peer_maybe_free(p);
}

static void on_hello_late(evutil_socket_t fd, short what, void *peer)
{
	peer_lost(peer);
}

static void on_link_down(void *peer, int code, const char *text)
{
	peer_lost(peer);
}

static void on_link_room(void *peer)
{
	struct store_peer *p = peer;
	struct store_request *rq;

	p->held++;
	peer_mind_load(p);
	/* Those that find no room again come back to wants_room, so each is told once. */
	while ((rq = LIST_FIRST(&p->wants_room))) {
		LIST_REMOVE(rq, room_entry);
		LIST_INSERT_HEAD(&p->telling, rq, room_entry);
	}
	while (p->link && (rq = LIST_FIRST(&p->telling)))
		request_tell_room(rq);
	p->held--;
	peer_maybe_free(p);
}

/* ---- hello ---- */

static bool name_is(const char *name, const char *wanted)
{
	return wanted && *wanted && strcmp(name, wanted) == 0;
}

/* The roles that the other end may take: by its uid, or by the name in its verified certificate. */
static unsigned int identity_roles(const struct store_peer *p)
{
	const struct store_server_options *o = &p->server->o;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	char name[256];

	if (p->tls) {
		tls_peer_name(link_ssl(p->link), name, sizeof(name));
		return (name_is(name, p->server->name_mta) ? STORE_ROLE_MTA : 0) |
		       (name_is(name, p->server->name_gateway) ? STORE_ROLE_GATEWAY : 0) |
		       (name_is(name, p->server->name_admin) ? STORE_ROLE_ADMIN : 0) |
		       (name_is(name, p->server->name_filter) ? STORE_ROLE_FILTER : 0);
	}
	if (getsockopt(link_fd(p->link), SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return 0;
	return (cred.uid == o->uid_mta ? STORE_ROLE_MTA : 0) | (cred.uid == o->uid_gateway ? STORE_ROLE_GATEWAY : 0) |
	       (cred.uid == o->uid_admin ? STORE_ROLE_ADMIN : 0) |
	       (cred.uid == o->uid_filter ? STORE_ROLE_FILTER : 0);
}

static unsigned int role_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		if (strcmp(roles[i].name, name) == 0)
			return roles[i].role;
	return 0;
}

static int hello_check(struct store_peer *p, const Podstore__Hello *hello, struct err *err)
{
	struct store_server *s = p->server;
	unsigned int role = role_find(hello->role);

	if (hello->version != STORE_PROTOCOL_VERSION)
		return err_set(err, POD_E_VERSION, "store protocol version %u, not %u", STORE_PROTOCOL_VERSION,
		               hello->version);
	if (!role || !(role & identity_roles(p)))
		return err_set(err, POD_E_DENIED, "role \"%.32s\" is not granted to this peer", hello->role);
	if (strcmp(hello->volume, s->volume) != 0)
		return err_set(err, POD_E_NOTFOUND, "this is volume %s, not \"%.64s\"", s->volume, hello->volume);
	if (hello->token < s->o.token)
		return err_set(err, POD_E_STALE, "token %llu is older than %llu", (unsigned long long) hello->token,
		               (unsigned long long) s->o.token);
	if (hello->token > s->o.token)
		s->superseded = true; /* another store serves the volume now: this one must not */
	if (s->superseded)
		return err_set(err, POD_E_STALE, "this store's token %llu is stale", (unsigned long long) s->o.token);
	p->role = role;
	return 0;
}

/* False where the peer is gone. */
static bool hello_answer(struct store_peer *p, uint32_t stream, enum frame_kind kind, const ProtobufCMessage *m)
{
	struct frame_header h = { .stream = stream, .method = STORE_HELLO, .kind = (uint8_t) kind };
	struct frame_out *f = frame_pack(h, m, SPAN_NONE, -1);

	if (f)
		link_send(p->link, f);
	if (!f || kind == FRAME_ERROR) {
		link_flush(p->link); /* a new connection's buffer has room for one frame */
		peer_lost(p);
		return false;
	}
	return true;
}

static void hello_take(struct store_peer *p, const struct frame_header *h, struct span message)
{
	struct store_server *s = p->server;
	struct arena *a = server_arena(s);
	const ProtobufCMessage *m = NULL;
	struct err err = { 0 };

	if (a && h->kind == FRAME_REQUEST && h->method == STORE_HELLO)
		m = message_unpack(a, &podstore__hello__descriptor, message);
	if (!m) {
		peer_lost(p);
	} else if (hello_check(p, (const Podstore__Hello *) m, &err) < 0) {
		Podstore__Error e = PODSTORE__ERROR__INIT;

		e.code = (uint32_t) err.code;
		e.text = err.text;
		(void) hello_answer(p, h->stream, FRAME_ERROR, &e.base);
	} else {
		Podstore__HelloReply r = PODSTORE__HELLO_REPLY__INIT;

		(void) event_del(&p->hello_event);
		r.version = STORE_PROTOCOL_VERSION;
		r.volume = s->volume;
		r.volume_id = s->volume_id;
		r.token = s->o.token;
		if (hello_answer(p, h->stream, FRAME_REPLY, &r.base) && s->o.on_peer)
			s->o.on_peer(s->o.arg, p);
	}
	server_arena_give_back(s, a);
}

/* ---- frames ---- */

static void on_frame(void *peer, const struct frame_header *h, struct span message, struct span blob, int *fd)
{
	struct store_peer *p = peer;
	struct store_request *rq;
	uint32_t bytes;
	int r = 0;

	if (!p->role) {
		hello_take(p, h, message);
		return;
	}
	switch (h->kind) {
	case FRAME_REQUEST: r = request_begin(p, h, message, blob, fd); break;
	case FRAME_REQUEST_MORE: r = request_continue(p, h, message, blob); break;
	case FRAME_CANCEL:
		rq = streams_find(&p->streams, h->stream);
		if (rq)
			request_cancel(rq);
		break;
	case FRAME_WINDOW_OPEN:
		rq = streams_find(&p->streams, h->stream);
		r = frame_unpack_window(message, &bytes);
		if (r == 0 && rq)
			request_window(rq, bytes);
		break;
	default: r = -POD_E_PROTOCOL; break;
	}
	/* By a protocol error it is still there: nothing of its was handed on. */
	if (r < 0)
		peer_lost(p);
}

static const struct link_ops server_link_ops = {
	.on_frame = on_frame,
	.on_down = on_link_down,
	.on_room = on_link_room,
};

/* ---- accepting ---- */

static void peer_start(struct acceptor *a, int fd)
{
	struct store_server *s = a->server;
	struct store_peer *p = calloc(1, sizeof(*p));
	struct timeval tv = { HELLO_WITHIN_S, 0 };
	SSL *ssl = NULL;

	if (!p || (a->tls && !(ssl = tls_accept_ssl(a->tls)))) {
		free(p);
		(void) close(fd);
		return;
	}
	p->server = s;
	p->tls = a->tls != NULL;
	LIST_INIT(&p->requests);
	LIST_INIT(&p->ending);
	LIST_INIT(&p->wants_room);
	LIST_INIT(&p->telling);
	(void) pthread_mutex_init(&p->lock, NULL);
	(void) pthread_cond_init(&p->window_opened, NULL);
	(void) evtimer_assign(&p->hello_event, s->base, on_hello_late, p);
	LIST_INSERT_HEAD(&s->peers, p, entry);
	if (ssl)
		(void) SSL_set_min_proto_version(ssl, TLS1_3_VERSION);
	if (link_create(s->base, fd, ssl, &server_link_ops, p, &p->link, NULL) < 0)
		peer_maybe_free(p);
	else
		(void) evtimer_add(&p->hello_event, &tv);
}

static void on_accepted(void *acceptor, const struct accepted *conn)
{
	struct acceptor *a = acceptor;

	if (!a->server->loop_known) {
		a->server->loop = pthread_self();
		a->server->loop_known = true;
	}
	peer_start(a, conn->fd);
}

static void on_wake(evutil_socket_t fd, short what, void *server)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) > 0 || errno == EAGAIN)
		server_take_answers(server);
}

/* ---- life ---- */

static char *copy(const char *s)
{
	return s ? strdup(s) : NULL;
}

int store_server_create(const struct store_server_options *o, struct store_server **ret_server, struct err *err)
{
	struct store_server *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, POD_E_NOMEM, "no memory for a store server");
	s->base = o->base;
	s->due_tail = &s->due;
	s->o = *o;
	s->volume = copy(o->volume);
	s->volume_id = copy(o->volume_id);
	s->name_mta = copy(o->name_mta);
	s->name_gateway = copy(o->name_gateway);
	s->name_admin = copy(o->name_admin);
	s->name_filter = copy(o->name_filter);
	s->spool_dir = copy(o->spool_dir);
	LIST_INIT(&s->acceptors);
	LIST_INIT(&s->peers);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake_fd < 0 || !s->volume || !s->volume_id) {
		(void) store_server_free(s);
		return err_set(err, POD_E_NOMEM, "no memory for a store server");
	}
	(void) event_assign(&s->wake_event, s->base, s->wake_fd, EV_READ | EV_PERSIST, on_wake, s);
	(void) event_add(&s->wake_event, NULL);
	*ret_server = s;
	return 0;
}

int store_server_listen(struct store_server *s, int fd, struct tls_context *tls, struct err *err)
{
	struct acceptor *a = calloc(1, sizeof(*a));
	int r;

	if (!a) {
		(void) close(fd);
		return err_set(err, POD_E_NOMEM, "no memory for a listener");
	}
	r = listener_create(s->base, fd, NULL, on_accepted, a, &a->listener, err);
	if (r < 0) {
		free(a);
		return r;
	}
	a->server = s;
	a->tls = tls ? tls_ref(tls) : NULL;
	LIST_INSERT_HEAD(&s->acceptors, a, entry);
	return 0;
}

void store_server_stop(struct store_server *s)
{
	struct acceptor *a;
	struct store_peer *p;

	while ((a = LIST_FIRST(&s->acceptors))) {
		LIST_REMOVE(a, entry);
		(void) listener_free(a->listener);
		if (a->tls)
			(void) tls_unref(a->tls);
		free(a);
	}
	server_take_answers(s);
	while ((p = LIST_FIRST(&s->peers))) {
		LIST_REMOVE(p, entry);
		LIST_INSERT_HEAD(&s->leaving, p, entry);
		peer_lost(p);
	}
}

struct store_server *store_server_free(struct store_server *s)
{
	if (!s)
		return NULL;
	store_server_stop(s);
	server_take_answers(s);
	if (s->wake_fd >= 0) {
		(void) event_del(&s->wake_event);
		(void) close(s->wake_fd);
	}
	while (s->spare_n)
		(void) arena_free(s->spare_arenas[--s->spare_n]);
	free(s->volume);
	free(s->volume_id);
	free(s->name_mta);
	free(s->name_gateway);
	free(s->name_admin);
	free(s->name_filter);
	free(s->spool_dir);
	free(s);
	return NULL;
}

void store_peer_set_data(struct store_peer *peer, void *data)
{
	peer->data = data;
}

void *store_peer_data(const struct store_peer *peer)
{
	return peer->data;
}
