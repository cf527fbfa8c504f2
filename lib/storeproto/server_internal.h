/* The parts of a server: peers and their frames (server.c), requests and their answers (request.c). */
#ifndef POD_STOREPROTO_SERVER_INTERNAL_H
#define POD_STOREPROTO_SERVER_INTERNAL_H

#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "net/listener.h"
#include "storeproto/link_internal.h"
#include "storeproto/server.h"

#define REQUEST_ARENA_MAX (64u << 20)
#define REQUEST_MORE_MAX 16 /* further messages of a client on one stream */
#define PEER_REQUESTS_MAX 1024 /* being worked on; beyond it, or while it reads no answers, a peer is not read from */
#define PEER_WAITING_MAX 65536 /* WATCH and AUTH, which wait for others; further ones are refused with BUSY */

LIST_HEAD(request_list, store_request);
LIST_HEAD(peer_list, store_peer);
LIST_HEAD(acceptor_list, acceptor);

struct acceptor {
	LIST_ENTRY(acceptor) entry;
	struct store_server *server;
	struct listener *listener;
	struct tls_context *tls;
};

/* A peer's open requests by their stream. */
struct streams {
	struct store_request **buckets;
	size_t buckets_n, n;
};

struct store_server {
	struct event_base *base;
	struct store_server_options o;
	char *volume, *volume_id, *name_mta, *name_gateway, *name_admin, *name_filter, *spool_dir;
	bool superseded; /* a peer knew a newer token */
	struct acceptor_list acceptors;
	struct peer_list peers, leaving; /* those that store_server_free ends */
	pthread_t loop; /* answers given on it need no wake-up */
	bool loop_known;
	int wake_fd;
	struct event wake_event;
	_Atomic(struct frame_out *) answers; /* of other threads, the newest first */
	struct frame_out *due, **due_tail; /* taken from there, the oldest first */
	struct arena *spare_arenas[16];
	size_t spare_n;
};

struct store_peer {
	LIST_ENTRY(store_peer) entry;
	struct store_server *server;
	struct link *link; /* NULL once it is gone */
	unsigned int identity_roles; /* that the socket's peer may take */
	unsigned int role; /* 0 before the hello */
	bool tls, paused;
	struct streams streams;
	struct request_list requests;
	struct request_list ending; /* cancelled because the peer is lost */
	struct request_list wants_room, telling; /* on_room is owed; is being told */
	unsigned int working_n, waiting_n;
	unsigned int held; /* by functions up the stack, whose callbacks may end its last request */
	struct event hello_event; /* it has to say hello in time */
	pthread_mutex_t lock; /* of the windows below */
	pthread_cond_t window_opened;
	void *data;
};

struct store_request {
	LIST_ENTRY(store_request) entry, room_entry;
	struct store_request *next_in_bucket;
	struct store_peer *peer;
	struct arena *a;
	const struct store_method_info *method;
	const ProtobufCMessage *message;
	struct span blob;
	uint32_t stream;
	int fd;
	bool body_coming; /* TLS: handed on when the body is all there */
	uint64_t body_size;
	void *data;
	struct arena *more[REQUEST_MORE_MAX];
	size_t more_n;
	_Atomic bool cancelled;
	_Atomic int broken; /* POD_E_*: a part of the answer could not be packed */
	uint32_t unacknowledged; /* under the peer's lock */
	bool told_full; /* loop's thread: on one of the room lists */
	struct frame_out last_resort; /* stands for a final answer that there was no memory for */
};

/* server.c */
void peer_lost(struct store_peer *p);
void peer_maybe_free(struct store_peer *p);
void peer_mind_load(struct store_peer *p);

/* streams.c. Adding fails where memory is out. */
bool streams_add(struct streams *s, struct store_request *rq);
void streams_remove(struct streams *s, struct store_request *rq);
struct store_request *streams_find(const struct streams *s, uint32_t stream);
void streams_done(struct streams *s);

/* request.c */
/* -POD_E_PROTOCOL where the connection is to end. */
int request_begin(struct store_peer *p, const struct frame_header *h, struct span message, struct span blob, int *fd);
int request_continue(struct store_peer *p, const struct frame_header *h, struct span message, struct span blob);
void request_cancel(struct store_request *rq);
void request_window(struct store_request *rq, uint32_t bytes);
void request_tell_room(struct store_request *rq);
/* Answers that other threads queued. */
void server_take_answers(struct store_server *s);
struct arena *server_arena(struct store_server *s);
void server_arena_give_back(struct store_server *s, struct arena *a);

#endif
