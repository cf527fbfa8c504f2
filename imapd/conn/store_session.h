/*
 * One client's session with its volume's store: opened at once with the token that authentication gave,
 * opened again after each loss of the store, so that the client's connection lives on. Requests wait for
 * that, up to a time-out, and are repeated where the answer was lost: what they change, they change once (by
 * id), or it makes no difference. On the event loop's thread.
 */
#ifndef POD_IMAPD_CONN_STORE_SESSION_H
#define POD_IMAPD_CONN_STORE_SESSION_H

#include "storeproto/client.h"

struct imap_call;
struct store_session;

struct store_session_options {
	struct store_client *client; /* of the user's volume; outlives this */
	struct span token;           /* copied */
	unsigned int timeout_ms;     /* of each request, waiting included */
	/* A watch was lost and the session is open again: whatever was watched has to be looked at anew. */
	void (*on_back)(void *arg);
	/* The store does not take the token any more (password changed, expired). Calls are answered already.
	 */
	void (*on_refused)(void *arg, int code);
	/* After each answer's callback. */
	void (*on_answered)(void *arg);
	void *arg;
};

/* NULL where memory is out. */
struct store_session *store_session_create(const struct store_session_options *o);
/* Drops all calls: their callbacks do not come any more. May be called from any callback but a reply's own.
 */
struct store_session *store_session_free(struct store_session *ss);

/*
 * As store_call, but the session field of request (the first of every such message) is set here, and request
 * and blob stay valid until the final answer. NULL where memory is out; never answered before it returns.
 */
struct imap_call *store_session_call(struct store_session *ss, enum store_method method,
                                     ProtobufCMessage *request, struct span blob, int fd, store_reply_fn *fn,
                                     void *arg);
/*
 * The user's password may have been changed: asks the store whether it still takes the token; on_refused,
 * from the loop, where it does not.
 */
void store_session_check(struct store_session *ss);
void store_session_cancel(struct imap_call *call);
void store_session_pause(struct imap_call *call);
void store_session_resume(struct imap_call *call);

#endif
