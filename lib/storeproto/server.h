/*
 * The store's side of the protocol: accepts connections, grants roles, cuts frames, unpacks requests, checks
 * the role of each, and hands it over; packs answers and minds windows. It knows nothing of mail.
 *
 * Everything runs on the event_base's thread, except store_request_reply and its kin, which any thread may
 * call: they queue the packed answer and wake the loop once for many.
 */
#ifndef POD_STOREPROTO_SERVER_H
#define POD_STOREPROTO_SERVER_H

#include <event2/event.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "net/tls.h"
#include "storeproto/storeproto.h"

struct store_server;
struct store_peer; /* one connection */
struct store_request; /* one stream of it, from its request to its final answer */

struct store_server_options {
	struct event_base *base;
	const char *volume, *volume_id;
	uint64_t token; /* requests of a peer that knows an older one are refused with STALE, and one that knows a newer one makes this store refuse everything */
	/* Identity to roles: by uid on unix sockets (SO_PEERCRED), by certificate name over TLS. */
	const char *spool_dir; /* where bodies that come over TLS are spooled; NULL: memory */
	uid_t uid_mta, uid_gateway, uid_admin, uid_filter;
	const char *name_mta, *name_gateway, *name_admin, *name_filter;
	/*
	 * A request came. The callee owns it until it has given the final answer. On the loop's thread: hand
	 * anything that waits for the disk to another one.
	 */
	void (*on_request)(void *arg, struct store_request *rq);
	/* A further message on an open stream; it lives as long as the request. */
	void (*on_more)(void *arg, struct store_request *rq, const ProtobufCMessage *message);
	/*
	 * The peer cancelled, or is gone: answers go nowhere from now on, but the final one must still be given.
	 * It may come while another thread is giving it: who answers whom is for the service to settle.
	 */
	void (*on_cancel)(void *arg, struct store_request *rq);
	/* After store_request_has_room said no: there may be room again. May be NULL. */
	void (*on_room)(void *arg, struct store_request *rq);
	/* May be NULL. */
	void (*on_peer)(void *arg, struct store_peer *peer);
	void (*on_peer_gone)(void *arg, struct store_peer *peer);
	void *arg;
};

int store_server_create(const struct store_server_options *o, struct store_server **ret_server, struct err *err);
/* Serves a listening socket (non-blocking, as listener_open makes it), which it then owns. tls NULL for unix
 * sockets. */
int store_server_listen(struct store_server *s, int fd, struct tls_context *tls, struct err *err);
/*
 * Ends every connection: on_cancel comes for each open request. What other threads answer still goes nowhere,
 * but has to come: free the server when every request had its final answer and no thread knows it any more.
 */
void store_server_stop(struct store_server *s);
/* Stops it where that was not done. NULL is fine; returns NULL. */
struct store_server *store_server_free(struct store_server *s);

enum store_method store_request_method(const struct store_request *rq);
const ProtobufCMessage *store_request_message(const struct store_request *rq); /* in the request's arena */
struct arena *store_request_arena(struct store_request *rq);
struct span store_request_blob(const struct store_request *rq); /* lives as long as the request */
int store_request_fd(const struct store_request *rq); /* or -1; owned by the request */
struct store_peer *store_request_peer(const struct store_request *rq);
unsigned int store_request_role(const struct store_request *rq);
bool store_request_cancelled(const struct store_request *rq); /* any thread */
/* The service's own state of a request (an AUTH exchange, a watch). */
void store_request_set_data(struct store_request *rq, void *data);
void *store_request_data(const struct store_request *rq);

/* Answers; any thread. blob is copied; fd is taken over. After the final one rq is gone. */
void store_request_reply(struct store_request *rq, const ProtobufCMessage *message, struct span blob, int fd);
void store_request_more(struct store_request *rq, const ProtobufCMessage *message, struct span blob, int fd);
void store_request_fail(struct store_request *rq, int code, const char *text);
/*
 * For long answers: blocks a worker thread (never the loop's) until the window has room, so that memory is
 * bounded. -POD_E_CANCELLED where the peer is gone.
 */
int store_request_wait_window(struct store_request *rq);
/* Whether that would block; any thread. */
bool store_request_window_is_full(struct store_request *rq);
/*
 * The same question without waiting, on the loop's thread: false where the peer does not keep up with what
 * it was sent; on_room comes later. For events that can be joined meanwhile.
 */
bool store_request_has_room(struct store_request *rq);
/* Whether an answer can carry a descriptor; where not, send its bytes as blobs. */
bool store_request_passes_fds(const struct store_request *rq);

/* The service's own state of a connection (its sessions), freed by it in on_peer_gone. Loop's thread only. */
void store_peer_set_data(struct store_peer *peer, void *data);
void *store_peer_data(const struct store_peer *peer);

#endif
