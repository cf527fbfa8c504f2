/* One IMAP client: its stream, its protocol session and its session with the store, and what ties them. */
#ifndef POD_IMAPD_CONN_CONN_H
#define POD_IMAPD_CONN_CONN_H

#include <event2/event_struct.h>

#include "imapd/conn/store_session.h"
#include "imapd/conn/worker.h"
#include "net/stream.h"

struct imap_auth;

struct imap_conn {
	struct imap_conn *prev, *next; /* of the worker's */
	struct imapd_worker *worker;
	struct stream *stream;
	struct imap_session *session; /* NULL until TLS is there, on the imaps port */
	struct store_session *store;  /* NULL until authenticated */
	struct imap_auth *auth;       /* an exchange under way, or authenticated with no session yet */
	char *user_id;                /* NULL until authenticated */
	char *peer;                   /* for logs: "192.0.2.1" */
	char network[52];             /* whose failed logins it shares; "" where they are not counted */
	struct log log;
	uint64_t active_ms; /* when the client was last heard */
	struct event timer;
	uint32_t id; /* conn= in logs */
	bool loopback, tls;
	bool closing;
};

/* Takes the accepted descriptor; the connection owns itself from then on. */
void imap_conn_accept(struct imapd_worker *w, const struct accepted *accepted, bool tls);
/* After any event: commands go on, the stream reads or waits, or the connection ends and is freed. */
void imap_conn_pump(struct imap_conn *c);
/* The worker is to end: idle clients get a BYE now, others after their command. */
void imap_conn_drain(struct imap_conn *c);

/* auth.c: the exchange with the user's store, for struct imap_host_ops. */
void imap_auth_start(void *conn, enum sasl_mechanism mechanism, struct span message);
void imap_auth_step(void *conn, struct span response);
void imap_auth_cancel(void *conn);
struct imap_auth *imap_auth_free(struct imap_auth *auth);

/* conn.c, for auth.c: the store has authenticated the user. -POD_E_LIMIT: he has too many connections;
 * -POD_E_NOMEM. */
int imap_conn_authenticated(struct imap_conn *c, struct store_client *client, const char *user_id,
                            struct span token);
/* Takes that back, where the exchange did not end well for the client. */
void imap_conn_forget_user(struct imap_conn *c);
/* The connection ends when imap_conn_pump comes round. */
void imap_conn_close(struct imap_conn *c);

#endif
