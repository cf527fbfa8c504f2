/* The parts of a client: its calls (client_call.c), its deadlines (deadline.c), its connection (client.c). */
#ifndef POD_STOREPROTO_CLIENT_INTERNAL_H
#define POD_STOREPROTO_CLIENT_INTERNAL_H

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "storeproto/client.h"
#include "storeproto/link_internal.h"

TAILQ_HEAD(call_list, store_call);

struct store_call {
	struct store_client *client;
	const struct store_method_info *method;
	store_reply_fn *fn; /* NULL: cancelled, only its final frame is waited for */
	void *arg;
	TAILQ_ENTRY(store_call) entry;
	struct call_list *on; /* the list it is on */
	struct store_call *next_in_bucket;
	uint32_t stream;
	struct frame_out *request; /* until it is sent */
	int body; /* over TLS: the rest of the body to stream, or -1 */
	uint64_t body_at;
	uint32_t unacknowledged; /* bytes of "more" frames dealt with */
	bool paused, ended;
	bool bound; /* names a session: good for no connection but the one it was made on */
	uint64_t deadline_ms; /* 0: none */
	size_t heap_at;
};

/* A heap of calls, the one that is due first on top. */
struct deadlines {
	struct store_call **heap;
	size_t n, cap;
};
bool deadlines_add(struct deadlines *d, struct store_call *call);
void deadlines_remove(struct deadlines *d, struct store_call *call);
struct store_call *deadlines_first(const struct deadlines *d);

enum client_state { CLIENT_DOWN, CLIENT_CONNECTING, CLIENT_HELLO, CLIENT_READY };

struct store_client {
	struct event_base *base;
	char *program, *role, *volume, *endpoint;
	uint64_t token;
	struct tls_context *tls;
	void (*on_state)(void *arg, struct store_client *c, bool connected);
	void *arg;
	enum client_state state;
	struct link *link; /* in HELLO and READY */
	int connecting_fd;
	struct event connect_event, retry_event, deadline_event;
	unsigned int retry_ms; /* the next pause before a new attempt */
	bool tls_endpoint;
	bool closing; /* takes no new calls */
	const char *break_why; /* the connection ends as soon as the loop runs; calls wait for the next one */
	uint64_t ready_at_ms;
	uint64_t connections; /* that stood */
	struct call_list waiting; /* for the hello, or for room in the link */
	struct call_list open; /* sent */
	struct call_list failing; /* being ended */
	struct store_call **buckets; /* open calls by stream */
	size_t buckets_n, open_n;
	uint32_t next_stream;
	struct deadlines deadlines;
	uint64_t timer_at_ms; /* when deadline_event fires; 0: not set */
	/* A callback may free the client: functions up the stack hold its memory and see that it is dead. */
	unsigned int held;
	bool dead;
};

static inline void client_hold(struct store_client *c)
{
	c->held++;
}

/* False where the client was freed meanwhile. */
bool client_let_go(struct store_client *c);
/* Sends what waits, as far as there is room. */
void client_send_waiting(struct store_client *c);
/* The hello's call goes out before all others. */
struct store_call *client_call_new(struct store_client *c, enum store_method method, const ProtobufCMessage *request,
                                   struct span blob, int fd, unsigned int timeout_ms, store_reply_fn *fn, void *arg);
bool client_call_send(struct store_call *call);
/* Ends every call on a list; false where a callback freed the client. */
bool client_fail_calls(struct store_client *c, struct call_list *list, int code, const char *text);
/*
 * Ends the bound calls that were not sent, with UNAVAILABLE: a session's number is the connection's, and on the next
 * one it may be somebody else's. False where a callback freed the client.
 */
bool client_fail_bound(struct store_client *c);
void client_on_frame(void *client, const struct frame_header *h, struct span message, struct span blob, int *fd);
void client_on_room(void *client);
void client_on_deadline(evutil_socket_t fd, short what, void *client);
/* The same from the loop: for where no callback may come. why: a literal. */
void client_break(struct store_client *c, const char *why);
/* Gives the connection up, ends what was sent, and tries again: at once, or after the back-off. */
void client_disconnect(struct store_client *c, int code, const char *text);

#endif
