/* What the files of mta/conn share. */
#ifndef POD_MTA_CONN_INTERNAL_H
#define POD_MTA_CONN_INTERNAL_H

#include <event2/event_struct.h>
#include <netinet/in.h>
#include <sys/queue.h>

#include "base/log.h"
#include "directory/directory.h"
#include "dns/peer.h"
#include "mta/milter/milter.h"
#include "mta/conn/conn.h"
#include "mta/conn/guard.h"
#include "mta/conn/plan.h"
#include "mta/queue/queue.h"
#include "mta/safetynet/safetynet.h"
#include "mta/spool/spool.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/tls.h"
#include "storeproto/client.h"
#include "tally/login.h"

struct worker;

struct door {
	struct worker *w;
	enum conf_listener which;
	bool implicit_tls, gateway;
	struct smtp_settings settings;
	struct listener *listener;
	struct milter_set *milters; /* NULL: none */
};

struct worker {
	struct event_base *base;
	const struct conf *conf; /* the newest that was loaded */
	const struct conf *reloaded;
	struct tls_context *tls;
	struct tls_context *store_tls; /* the parent's */
	uint8_t ticket_key[80];
	struct directory *dir;
	struct store_pool *pool;
	struct dns *dns; /* NULL until somebody's name is looked up */
	bool dns_failed; /* it cannot be made, which was said once */
	struct queue_client *queue;
	const struct milter_counted *counted;
	struct net_set *proxy_from;
	struct net_set *exempt; /* whose connections are not counted; NULL: nobody's */
	struct tally *tally; /* the parent's */
	const struct srs *srs; /* the parent's; NULL: none */
	struct {
		struct event *sweep;
		uint64_t memory; /* resident bytes, as of the last sweep */
		uint32_t answered, late; /* deliveries since then */
		bool is_late;
	} load;
	struct door doors[SMTP_DOORS];
	char tmp_dir[4096];
	LIST_HEAD(, smtp_conn) conns;
	size_t n_conns;
	bool draining;
	struct event *check; /* whether all are gone; runs while draining */
	unsigned int idle_checks; /* while draining, in a row without connections */
};

/* A message on its way from its last byte to the reply. */
struct handover {
	struct smtp_mail *mail;
	struct plan plan;
	struct mime_summary *summary;
	struct guid id;
	uint64_t size;
	uint64_t began_us;
	size_t pending; /* volumes that have not answered */
	struct handover_part {
		struct smtp_conn *c;
		struct plan_volume volume;
		struct deliver_call *call;
		struct safetynet_watch safety; /* as the volume was when it was asked */
	} *parts;
	size_t n_parts;
	enum plan_rest *rests;
	struct smtp_status *statuses;
	size_t n_statuses;
	struct queue_call *queue_call;
	/* Why it does not go anywhere yet; reason FREE: it does. */
	struct handover_hold {
		Queue__HoldReason reason;
		int64_t until_s; /* wall clock; 0: until somebody releases it */
		const char *text; /* in the mail's arena; may be NULL */
	} hold;
};

struct conn_filter;

/* Whose turn it is, and so how long the client may take. */
enum smtp_patience { PATIENCE_UNSET, PATIENCE_COMMAND, PATIENCE_BODY, PATIENCE_OURS };

struct smtp_conn {
	LIST_ENTRY(smtp_conn) link;
	struct worker *w;
	const struct door *door;
	struct stream *stream;
	struct smtp_session *session;
	struct buf out;
	struct spool *spool; /* NULL until the first message */
	struct conn_filter *filter; /* NULL: no milters here */
	struct handover *handover; /* in the mail's arena; NULL: none under way */
	struct event delay; /* replies held back */
	bool delayed, pumping, paused, ended;
	enum smtp_patience patience;
	bool greeting; /* is still held back: whoever talks now talks too early */
	struct {
		struct dns_peer_lookup *lookup; /* NULL: not under way */
		enum dns_peer_outcome outcome;
		char *ptr; /* what was found; NULL: nothing */
	} naming;
	bool handshake; /* TLS is not done yet */
	struct guard_ticket ticket;
	struct {
		uint64_t since_ms; /* the client's turn began; clock_mono_ms */
		uint64_t window_ms, bytes; /* of a body, since then */
		enum smtp_want want;
	} pace;
	struct sending *sending; /* of an authenticated user's message under way; in its arena */
	char conn_id[TRACE_ID_SIZE];
	char address[INET6_ADDRSTRLEN];
	char network[INET6_ADDRSTRLEN + 4]; /* the address, or the /64: whose failed logins it shares */
	char trace[TRACE_ID_SIZE]; /* of the message under way */
	struct log log, mail_log;
	struct store_call *burl_call; /* what a BURL names is on its way */
	/* AUTH under way */
	struct store_call *auth_call;
	char *auth_user;
	bool auth_finished; /* the store said yes and sent a last message, which the client has to answer */
};

/* ---- worker.c ---- */

/* For logs and filters: its listener's, or "gateway". */
const char *smtp_door_name(const struct door *d);

/* ---- naming.c ---- */

/* Begins to look the client's name up, where that is done; its greeting waits for it. */
void smtp_conn_name_start(struct smtp_conn *c, const struct net_addr *peer);
void smtp_conn_name_stop(struct smtp_conn *c);
/* Its confirmed name; NULL: it has none. What became of the lookup: "OK", "FAIL", "FORGED", "TEMP", as Sendmail says. */
const char *smtp_conn_name(const struct smtp_conn *c);
const char *smtp_conn_resolve_word(const struct smtp_conn *c);

/* ---- burl.c ---- */

void smtp_conn_burl_open(void *arg, struct smtp_mail *mail, struct span text);
void smtp_conn_burl_cancel(struct smtp_conn *c);

/* ---- conn.c ---- */

void smtp_conn_open(struct door *door, const struct accepted *a);
/* Greets, where neither the delay nor the lookup of its name is under way any more. */
void smtp_conn_greet_when_ready(struct smtp_conn *c);
/* Goes on after an answer came; safe to call from inside the pump. */
void smtp_conn_pump(struct smtp_conn *c);
void smtp_conn_free(struct smtp_conn *c);
/* 421 for those who do nothing; the others may end what they began. */
void smtp_conn_shut_down(struct smtp_conn *c);

/* ---- host.c, message.c, auth.c: what sessions ask ---- */

extern const struct smtp_host smtp_conn_host;

/*
 * returns.c: whether address is one that stands for a sender whose mail was forwarded. 1: for *ret_sender, in a; 0: it
 * is any other address; -POD_E_STALE: it is one no more, or was not made by us.
 */
int smtp_conn_returns_to(const struct smtp_conn *c, struct arena *a, struct span address, struct span *ret_sender,
                         struct err *err);

void smtp_conn_on_body_end(void *arg, struct smtp_mail *mail);
/*
 * Holds the message back: nothing is delivered, all of it goes to the queue with the hold. Before its parts are made.
 * Of several a quarantine counts, else the last to end.
 */
void smtp_handover_hold(struct handover *h, const struct handover_hold *hold);
/* Forgets a handover under way; volumes may deliver it nevertheless. */
void smtp_conn_handover_cancel(struct smtp_conn *c);

void smtp_conn_auth_start(void *arg, enum sasl_mechanism m, struct span user, struct span message);
void smtp_conn_auth_step(void *arg, struct span response);
void smtp_conn_auth_cancel(void *arg);

/* Ends it with a 421: the client is too slow. And gives memory back that a client who waits does not need. */
void smtp_conn_expire(struct smtp_conn *c);
void smtp_conn_shrink(struct smtp_conn *c);

/* ---- sending.c: what authenticated users may do ---- */

struct smtp_status smtp_conn_mail_check(void *arg, struct smtp_mail *mail);
int smtp_conn_author_check(void *arg, struct span address);
/* Counts one more recipient: 250, or the refusal. */
struct smtp_status smtp_sending_rcpt(struct smtp_conn *c, struct smtp_mail *mail);
/* The message is accepted: what was counted for it stays. */
void smtp_sending_kept(struct smtp_conn *c);
void smtp_sending_end(struct smtp_conn *c);

/* For how long a message is held, so that its user can take it back; 0: not at all. */
uint32_t smtp_sending_undo_s(const struct smtp_conn *c);

/* ---- safety.c ---- */

/* Before a volume is given anything; nothing is watched where the safety net is off. */
struct safetynet_watch smtp_safety_watch(struct worker *w, const char *volume);
/* The part's volume has answered: keeps what it took, where a standby may lack it. */
void smtp_safety_keep(struct smtp_conn *c, const struct handover_part *p);

/* Where a recipient leads: rcpt->host is set, 0 or -POD_E_*, as smtp_status_of_rcpt wants it. */
int smtp_conn_resolve(struct smtp_conn *c, struct smtp_mail *mail, struct smtp_rcpt *rcpt);
/* The recipient is one of another server, and may be. -POD_E_NOMEM. */
int smtp_conn_relay(struct smtp_mail *mail, struct smtp_rcpt *rcpt);

/* ---- filter.c: milters; all but the first are fine where there are none ---- */

/* -POD_E_NOMEM. */
int conn_filter_create(struct smtp_conn *c, const struct accepted *a);
void conn_filter_free(struct smtp_conn *c);
/* The client has a name now, or it is known that it has none. */
void conn_filter_name(struct smtp_conn *c);
/* smtp_host's question. */
void conn_filter_ask(void *arg, const struct smtp_question *q);
/* A message's bytes, when the spool has them; ours: the fields on top. */
void conn_filter_body_begin(struct smtp_conn *c, struct span ours);
void conn_filter_body_add(struct smtp_conn *c, struct span bytes);
/* The message is there: filters have the last word, then it is handed over, or refused. */
void conn_filter_body_end(void *arg, struct smtp_mail *mail);
void conn_filter_mail_end(struct smtp_conn *c);
/* Why the message is to be held; NULL where it is not. */
const char *conn_filter_quarantine(const struct smtp_conn *c);
/*
 * LMTP owes an answer for each recipient of RCPT; filters may have taken some off and added others: makes
 * those out of the statuses of the recipients there are. NULL where memory is out.
 */
const struct smtp_status *conn_filter_statuses(const struct smtp_conn *c, const struct smtp_mail *mail,
                                               const struct smtp_status *statuses, size_t *n);

/* submission.c: what the queue has to take over of a message. In arena; -POD_E_NOMEM. */
int smtp_submission_make(const struct smtp_conn *c, const struct smtp_mail *mail, struct arena *arena,
                         Queue__Submission **ret_submission);

#endif
