/*
 * The IMAP server's protocol core (RFC 3501 and extensions). It knows no socket, clock or thread: whoever
 * runs it (imapd/conn, a test, a fuzzer) feeds bytes, carries requests to the store and back, and takes bytes
 * out.
 *
 * After every event (bytes, an answer of the store, writable, ...) the host calls imap_session_run(), which
 * goes on with commands as far as they go. The session may ask for its end (ops->close); it is freed by the
 * host, later.
 */
#ifndef POD_IMAPD_IMAP_IMAP_H
#define POD_IMAPD_IMAP_IMAP_H

#include <event2/buffer.h>

#include "base/log.h"
#include "sasl/sasl.h"
#include "storeproto/client.h"

struct imap_session;
struct imap_call; /* the host's: a request to the store under way */

/* The same for all sessions of a worker. */
struct imap_settings {
	uint64_t max_literal; /* bytes of an APPEND */
	size_t max_line;      /* bytes of a command, its other literals included, once authenticated */
	const char *temp_dir; /* for large messages on their way in */
	const char *version;  /* for ID */
};

struct imap_host_ops {
	/* Where replies go. */
	struct evbuffer *(*output)(void *host);
	/* Whether so much is waiting to go out that no more should be made: imap_session_on_writable follows.
	 */
	bool (*output_is_full)(void *host);
	/* Queues a file's bytes behind what is queued. Takes fd, also on failure. */
	int (*write_file)(void *host, int fd, uint64_t off, uint64_t len);
	/* Sends what is queued, then starts the server side of TLS; imap_session_on_tls follows. */
	void (*start_tls)(void *host);
	/* Sends what is queued, then ends the connection. */
	void (*close)(void *host);

	/*
	 * An exchange with the user's store. message is the client's first one, or for a mechanism in which
	 * the server speaks first nothing. Each is answered by imap_session_on_auth, never before it returns.
	 */
	void (*auth_start)(void *host, enum sasl_mechanism mechanism, struct span message);
	void (*auth_step)(void *host, struct span response);
	void (*auth_cancel)(void *host);

	/* Who has authenticated, as the store calls him; and whether an address is his. */
	const char *(*user_id)(void *host);
	bool (*is_user)(void *host, const char *address);

	/*
	 * A request to the store on behalf of the user. The host sets its session field and keeps trying
	 * while the store is away, up to its time-out; request and blob stay valid until the final answer.
	 * NULL where memory is out. reply as in storeproto/client.h; it is never called before this returns.
	 */
	struct imap_call *(*call)(void *host, enum store_method method, ProtobufCMessage *request,
	                          struct span blob, int fd, store_reply_fn *reply, void *arg);
	void (*call_cancel)(void *host, struct imap_call *call);
	void (*call_pause)(void *host, struct imap_call *call);
	void (*call_resume)(void *host, struct imap_call *call);
};

struct imap_options {
	const struct imap_settings *settings;
	const struct imap_host_ops *ops;
	void *host;
	const struct log *log; /* of the connection */
	bool tls;              /* the connection is under TLS already */
	bool can_start_tls;
	bool cleartext_auth; /* passwords may be sent without TLS: a loopback peer */
};

/* Greets the client. NULL where memory is out. */
struct imap_session *imap_session_create(const struct imap_options *o);
struct imap_session *imap_session_free(struct imap_session *s);

/* Takes commands from in, whose bytes it drains as it goes. */
void imap_session_run(struct imap_session *s, struct evbuffer *in);
/* Whether more bytes from the client would be taken now: back-pressure otherwise. */
bool imap_session_wants_input(const struct imap_session *s);
/* Nothing under way and nothing half-read: the connection may be told to go, buffers may be given back. */
bool imap_session_is_idle(const struct imap_session *s);
bool imap_session_is_authenticated(const struct imap_session *s);

void imap_session_on_writable(struct imap_session *s);
void imap_session_on_tls(struct imap_session *s);
/*
 * code 0: authenticated; challenge holds the server's last message where there is one. POD_E_BUSY: a
 * challenge to be passed on, the exchange goes on. Others: refused.
 */
void imap_session_on_auth(struct imap_session *s, int code, bool has_challenge, struct span challenge);
/* The store is back after a loss: watch again, and look what happened meanwhile. */
void imap_session_on_store_back(struct imap_session *s);
/* "* BYE text" and close. */
void imap_session_bye(struct imap_session *s, const char *text);

#endif
