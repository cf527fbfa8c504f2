/*
 * One connection to another server, from where it is connected: TLS and its check, and the machine of lib/smtp. It
 * belongs to the job that opened it, then to the pool (pool.h), then to the next job.
 */
#ifndef POD_MTA_OUTBOUND_CONN_H
#define POD_MTA_OUTBOUND_CONN_H

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "smtp/client.h"
#include "smtp/stuff.h"
#include "mta/outbound/body.h"
#include "mta/tlspolicy/tlspolicy.h"
#include "net/listener.h"
#include "net/stream.h"

struct outbound;

/* Where to, and how. All of it is copied but demand, which has to stay until on_ready or on_over. */
struct conn_target {
	const char *host; /* a name, or an address literal with its brackets */
	struct net_addr addr;
	int fd; /* connected to it (race.h); owned from then on, also where nothing is opened */
	const struct tls_demand *demand;
	bool in_clear;                /* TLS was tried and failed, and the demand lets it pass */
	const char *login, *password; /* NULL: none */
	const char *key;              /* what makes another job's target the same (pool.h) */
};

/* Called from the loop, never from inside a call. on_over comes once, and conn_free is the owner's to call
 * then. */
struct conn_ops {
	void (*on_ready)(void *arg);
	void (*on_over)(void *arg);
};

/* How far it came: what a failure means depends on it. */
enum conn_stage { CONN_GREETING, CONN_HANDSHAKE, CONN_SPEAKING };

struct conn {
	struct outbound *o;
	const struct conn_ops *ops;
	void *arg;
	struct arena *arena;
	struct stream *stream; /* NULL: memory was out */
	struct smtp_client *client;
	struct smtp_client_settings settings;
	struct buf out;
	struct event soon; /* the machine is looked at from the loop */
	enum conn_stage stage;
	bool busy, over;
	/* of the target */
	const char *host, *key;
	char address[NET_ADDR_TEXT_SIZE];
	struct net_addr addr;
	const struct tls_demand *demand;
	bool in_clear;
	/* of TLS */
	bool tls_failed; /* the handshake, or what was shown in it */
	char tls[128];   /* "TLSv1.3 TLS_AES_256_GCM_SHA384 dane", "" in clear */
	enum tls_verdict verdict;
	/* the message under way */
	const struct body *body;
	uint64_t body_at;
	struct smtp_stuffer stuffer;
	/* of its life */
	uint64_t opened_ms;
	uint64_t reply_since_ms; /* a reply has begun; 0: none */
	unsigned int mails;
	/* of the pool */
	TAILQ_ENTRY(conn) idle_link;
	struct event idle_timer;
	char *destination; /* of the last job */
};

/* NULL where memory is out. What goes wrong is told by on_over, also of a connection that fails at once. */
struct conn *conn_open(struct outbound *o, const struct conn_target *target, const struct conn_ops *ops,
                       void *arg);
/* Closes at once; what is under way is given up without a verdict. NULL is fine; returns NULL. */
struct conn *conn_free(struct conn *c);
/* Says QUIT where that is proper, and does not wait for the answer. Frees. */
void conn_quit(struct conn *c);
void conn_set_owner(struct conn *c, const struct conn_ops *ops, void *arg);
/* Begins a transaction, where on_ready came; on_ready or on_over follows. mail and body stay until then. */
void conn_mail(struct conn *c, struct smtp_client_mail *mail, const struct body *body);
/* Whether a further message may go over it: limits of ours and of the server's. */
bool conn_has_room(const struct conn *c);

#endif
