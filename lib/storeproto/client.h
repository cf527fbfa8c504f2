/*
 * The front end's side of the store protocol: one connection to one volume, used by all sessions of a worker,
 * pipelined, reconnecting by itself (at once, then with back-off up to 2 s, and at once again when the
 * directory names a new endpoint). All on the event_base's thread.
 */
#ifndef POD_STOREPROTO_CLIENT_H
#define POD_STOREPROTO_CLIENT_H

#include <event2/event.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "net/tls.h"
#include "storeproto/storeproto.h"

struct store_client;

struct store_client_options {
	struct event_base *base;
	const char *program;
	const char *role; /* "mta", "gateway", "admin" */
	const char *volume; /* name; copied */
	const char *endpoint; /* "unix:/path" or "host:port"; copied */
	uint64_t token;
	struct tls_context *tls; /* for host:port; may be NULL for unix */
	/* Called after each successful hello and after each loss of the connection. May be NULL. */
	void (*on_state)(void *arg, struct store_client *c, bool connected);
	void *arg;
};

/* Starts connecting; calls may be made at once and wait for the hello. */
int store_client_create(const struct store_client_options *o, struct store_client **ret_client, struct err *err);
/* Ends every call with -POD_E_CANCELLED, then frees. */
struct store_client *store_client_free(struct store_client *c);
bool store_client_is_connected(const struct store_client *c);
/* How many connections have stood so far: a session's number is good for as long as this stays what it was. */
uint64_t store_client_connections(const struct store_client *c);
/*
 * A new place of the volume (after a failover): reconnects there; calls under way fail with UNAVAILABLE, from
 * the event loop, never inside this call.
 */
void store_client_move(struct store_client *c, const char *endpoint, uint64_t token);

/* A part of an answer, valid during the callback only (take fd over by setting it to -1). */
struct store_reply {
	bool final; /* no further callback follows */
	int code; /* 0, or -POD_E_*; final where it is not 0 */
	const char *text; /* words for an error, else "" */
	const ProtobufCMessage *message; /* of the method's reply or more type; NULL on error */
	struct span blob;
	int fd; /* or -1; closed after the callback if left */
};

struct store_call;

/* May make new calls and cancel this one; may free the client only in its final callback. */
typedef void store_reply_fn(void *arg, const struct store_reply *reply);

/*
 * Sends a request. The message is packed before this returns. blob: bytes behind it, copied. fd: passed along
 * where it is >= 0 (duplicated by the kernel; the caller still owns his; over TLS its bytes are streamed).
 * timeout_ms from now to the final answer, 0 for none, the time until a connection is there included.
 * Fails by callback only: -POD_E_UNAVAILABLE: the connection was lost before the answer, so that what
 * was asked may or may not have happened; -POD_E_TIMEOUT likewise. NULL where memory is out: no callback then.
 * A request that names a session is never carried over to another connection, where that number may be another
 * user's: it ends with -POD_E_UNAVAILABLE, and the session has to be opened again.
 */
struct store_call *store_call(struct store_client *c, enum store_method method, const ProtobufCMessage *request,
                              struct span blob, int fd, unsigned int timeout_ms, store_reply_fn *fn, void *arg);
/* A further message on an open stream (AUTH_STEP). */
int store_call_more(struct store_call *call, const ProtobufCMessage *message);
/* The callback is never called again. */
void store_call_cancel(struct store_call *call);
/*
 * Back-pressure: "more" answers are held back by the server once a window of bytes is unacknowledged. By
 * default each is acknowledged after its callback; a paused call's are not until it is resumed.
 */
void store_call_pause(struct store_call *call);
void store_call_resume(struct store_call *call);

/*
 * For programs that have nothing else to do (podctl's tools, tests): makes one call on a private event loop
 * and waits. *ret_message is unpacked into a.
 */
int store_call_wait(const struct store_client_options *o, enum store_method method, const ProtobufCMessage *request,
                    struct arena *a, unsigned int timeout_ms, const ProtobufCMessage **ret_message, struct err *err);

/* The volumes of a pod as one worker sees them: a client for each, made at first use, moved when the directory moves. */
struct directory;
struct store_pool;
int store_pool_create(struct event_base *base, struct directory *dir, const char *program, const char *role,
                      struct tls_context *tls, struct store_pool **ret_pool, struct err *err);
struct store_pool *store_pool_free(struct store_pool *p);
/* fn is called whenever the connection to a volume of the pool comes up or is lost. */
void store_pool_on_state(struct store_pool *p, void (*fn)(void *arg, const char *volume, bool connected), void *arg);
/* The client of a volume, owned by the pool. NULL with err where the directory has no such volume. */
struct store_client *store_pool_get(struct store_pool *p, const char *volume, struct err *err);

#endif
