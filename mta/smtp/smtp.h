/*
 * SMTP (RFC 5321), submission (RFC 6409) and LMTP (RFC 2033) as a session that knows no sockets, clocks or
 * processes. Lines and body bytes go in, replies come out in a buf, and what the session needs from outside
 * it asks of its host (struct smtp_host). The one who runs it asks smtp_session_wants() what comes next:
 *
 *   while ((want = smtp_session_wants(s)) is a line or data, and there is input)
 *           feed it;
 *   write s->out
 *
 * A session belongs to one thread. Everything of a message (struct smtp_mail) lives in the session's arena
 * until the transaction ends.
 */
#ifndef POD_MTA_SMTP_H
#define POD_MTA_SMTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/span.h"
#include "mime/address.h"
#include "sasl/sasl.h"

enum smtp_service { SMTP_SERVICE_MX, SMTP_SERVICE_SUBMISSION, SMTP_SERVICE_LMTP };

/* Longest line the caller has to deliver: an AUTH response (RFC 4954 section 4). Commands have less each. */
#define SMTP_LINE_MAX 12288

/* One per listener, shared by its sessions, constant. */
struct smtp_settings {
	enum smtp_service service;
	const char *hostname;
	uint64_t message_size_max; /* bytes of a message, advertised by SIZE */
	uint32_t header_max; /* bytes of its header */
	unsigned int recipients_max; /* in one transaction */
	unsigned int errors_max; /* refused commands and recipients before the session is closed */
	unsigned int errors_slow; /* refusals from which on replies are delayed */
	unsigned int hops_max; /* Received fields before a message counts as looping */
	bool starttls; /* offered */
	bool auth; /* offered */
	bool cleartext_auth; /* passwords without TLS are taken from anybody, not from loopback alone */
	unsigned int messages_max; /* MAIL commands in one session, advertised by LIMITS (RFC 9422); 0: any number */
	uint32_t future_release_max_s; /* longest hold a submitter may ask for (RFC 4865); 0: FUTURERELEASE is not offered */
	int priority_user_max; /* highest MT-PRIORITY (RFC 6710) of authenticated users; others may go as high as 0 */
	bool hide_client; /* the Received field of an authenticated user's message does not say where from */
	bool trusts_login; /* who submits is said with AUTH= of MAIL (RFC 4954 section 5) by a peer that has seen to it */
	bool mend_line_ends; /* a bare CR or LF in a message becomes CRLF; else such a message is refused */
};

/* Who is at the other end. The strings outlive the session. */
struct smtp_peer {
	const char *address; /* "192.0.2.1", "2001:db8::1", or "" for a unix socket */
	const char *name; /* in the DNS, confirmed; NULL: not known */
	bool loopback;
};

/* A reply: basic code, enhanced code (RFC 3463; "" for none) and words, LF between lines. text is borrowed.
 */
struct smtp_status {
	uint16_t code;
	const char *enhanced;
	const char *text;
};

enum smtp_body { SMTP_BODY_UNSAID, SMTP_BODY_7BIT, SMTP_BODY_8BITMIME };
enum smtp_ret { SMTP_RET_UNSAID, SMTP_RET_FULL, SMTP_RET_HDRS };

/* What is to become of a message that is late (RFC 2852): it goes back, or its sender is told. */
enum smtp_by { SMTP_BY_UNSAID, SMTP_BY_RETURN, SMTP_BY_NOTIFY };

#define SMTP_NOTIFY_NEVER 1u
#define SMTP_NOTIFY_SUCCESS 2u
#define SMTP_NOTIFY_FAILURE 4u
#define SMTP_NOTIFY_DELAY 8u

struct smtp_rcpt {
	struct span address; /* canonical, as in RCPT TO */
	struct span key; /* for looking it up */
	unsigned int notify; /* SMTP_NOTIFY_*; 0: not said, which means failure (RFC 3461 4.1) */
	struct span orcpt; /* "rfc822;address", xtext still on; empty where not said */
	struct span params; /* what was said behind the path, as it was */
	void *host; /* the host's own, in the mail's arena */
};

/* A message under way: what MAIL and RCPT said. */
struct smtp_mail {
	struct arena *arena; /* lives as long as the message */
	char trace[TRACE_ID_SIZE];
	struct span sender; /* canonical; empty for the null path */
	uint64_t size; /* declared by SIZE=; 0: not said */
	enum smtp_body body;
	enum smtp_ret ret;
	struct span envid; /* xtext */
	bool utf8;
	int64_t hold_until_s; /* FUTURERELEASE (RFC 4865): not before, wall clock; 0: at once */
	enum smtp_by by; /* DELIVERBY: what follows where it is not delivered before by_at_s */
	int64_t by_at_s; /* wall clock */
	bool by_trace;
	int priority; /* MT-PRIORITY, -9 to 9, as far as policy grants it */
	bool require_tls; /* REQUIRETLS (RFC 8689): only on over authenticated TLS */
	struct guid transaction; /* TRANSID, where the login is trusted: the same again is the same message; else zeros */
	unsigned int hops; /* Received fields, ours with them; known at body_end */
	struct smtp_rcpt **rcpts; /* those accepted */
	size_t n_rcpts, cap_rcpts;
};

/* Where filters may look at a session, beside a message's bytes. */
enum smtp_stage {
	SMTP_STAGE_CONNECT, /* before the greeting */
	SMTP_STAGE_HELO,
	SMTP_STAGE_MAIL,
	SMTP_STAGE_RCPT,
	SMTP_STAGE_DATA,    /* DATA, or the first BDAT */
	SMTP_STAGE_UNKNOWN, /* a command that is none */
};

struct smtp_question {
	enum smtp_stage stage;
	struct span text;   /* the name of HELO, the path's address, the line of an unknown command */
	struct span params; /* what stood behind the path */
	const struct smtp_mail *mail;      /* NULL outside a transaction */
	const struct smtp_rcpt *rcpt;      /* RCPT: whose it is */
	const struct smtp_status *refused; /* RCPT: rcpt_check refused it, which stays so; else NULL */
};

/*
 * What a session asks of the one who runs it. Questions marked "answers" are answered by calling the
 * function named, either at once, inside the call, or later; until then the session wants nothing else.
 */
struct smtp_host {
	/* A transaction begins: a new trace id, please. */
	void (*mail_begin)(void *arg, char trace[TRACE_ID_SIZE]);
	/* May mail go to rcpt? Answers smtp_session_rcpt_done. */
	void (*rcpt_check)(void *arg, struct smtp_mail *mail, struct smtp_rcpt *rcpt);
	/* A body comes; header: the fields that go on top of it. 0 or -POD_E_*: it is then refused. */
	int (*body_begin)(void *arg, const struct smtp_mail *mail, struct span header);
	/* Bytes of it, in CRLF form, unstuffed. After an error no more are sent, nor body_end. */
	int (*body_add)(void *arg, struct span bytes);
	/* It is complete: make it durable. Answers smtp_session_mail_done. */
	void (*body_end)(void *arg, struct smtp_mail *mail);
	/* The transaction is over, however: forget the body. */
	void (*mail_end)(void *arg, struct smtp_mail *mail);
	/*
	 * A client authenticates as user with its first message (decoded). Answers smtp_session_auth_challenge
	 * or smtp_session_auth_done; further responses come through auth_step and are answered the same way.
	 */
	void (*auth_start)(void *arg, enum sasl_mechanism mechanism, struct span user, struct span message);
	void (*auth_step)(void *arg, struct span response);
	/* The client gave up, or the connection ends: nothing is answered. */
	void (*auth_cancel)(void *arg);
	/*
	 * May this transaction begin? A code of 2xx, or the refusal: the sender is not theirs to use, they have sent too
	 * much. mail_begin has been called; mail_end will be, where the answer is yes. NULL: yes.
	 */
	struct smtp_status (*mail_check)(void *arg, struct smtp_mail *mail);
	/* May who submits call themselves that, in a From or Sender field? 0, or -POD_E_DENIED. NULL: yes. */
	int (*author_check)(void *arg, struct span address);
	/* Have filters anything against it? Answers smtp_session_filter_done. NULL: there are no filters. */
	void (*filter)(void *arg, const struct smtp_question *question);
	/*
	 * BURL (RFC 4468): read what url names. Answers smtp_session_burl_data as often as it likes, then
	 * smtp_session_burl_done. NULL: BURL is not offered.
	 */
	void (*burl_open)(void *arg, struct smtp_mail *mail, struct span url);
};

struct smtp_session;

enum smtp_want {
	SMTP_WANT_LINE, /* smtp_session_line or smtp_session_line_bad */
	SMTP_WANT_DATA, /* smtp_session_data */
	SMTP_WANT_ANSWER, /* the host's: leave the input alone */
	SMTP_WANT_TLS, /* write the output, then do the handshake, then smtp_session_tls_done */
	SMTP_WANT_CLOSE, /* write the output, then close */
};

/* now_s: wall-clock seconds, for the greeting's sake none. NULL where memory is out. */
struct smtp_session *smtp_session_create(const struct smtp_settings *settings, const struct smtp_peer *peer,
                                         const struct smtp_host *host, void *host_arg, struct buf *out);
/* Ends what is under way (mail_end, auth_cancel) and frees. NULL is fine; returns NULL. */
struct smtp_session *smtp_session_free(struct smtp_session *s);

/* The 220 greeting. */
void smtp_session_greet(struct smtp_session *s);
enum smtp_want smtp_session_wants(const struct smtp_session *s);
/* Bytes that a BURL named, in CRLF form; failed NULL: those were all, else why they cannot be had. */
void smtp_session_burl_data(struct smtp_session *s, struct span bytes);
void smtp_session_burl_done(struct smtp_session *s, const struct smtp_status *failed);
/* A line without its CRLF. */
void smtp_session_line(struct smtp_session *s, struct span line);
/* A line that line_take refused: -POD_E_LIMIT or -POD_E_SYNTAX. */
void smtp_session_line_bad(struct smtp_session *s, int r);
/* Bytes of a body. Returns how many of them it took; now_s: wall-clock seconds, for the Received field. */
size_t smtp_session_data(struct smtp_session *s, struct span bytes);
/* The clock, to be set before lines are fed: the time in Received and Date fields. */
void smtp_session_set_time(struct smtp_session *s, int64_t now_s);
/* The handshake is done; words for the Received field ("TLSv1.3 TLS_AES_256_GCM_SHA384"). Before the greeting too. */
void smtp_session_tls_done(struct smtp_session *s, const char *described);
/* Says 421 and wants to be closed. why: "4.4.2" and words. */
void smtp_session_abort(struct smtp_session *s, const char *enhanced, const char *why);
/* What the peer is called, once it is known; name outlives the session. */
void smtp_session_set_peer_name(struct smtp_session *s, const char *name);
/* Milliseconds the output should be held back, because the peer makes many errors. Reading it clears it. */
unsigned int smtp_session_take_delay(struct smtp_session *s);
/* Whether nothing is under way: such a session may be shut down without loss. */
bool smtp_session_is_idle(const struct smtp_session *s);
/* Gives memory back that an idle session does not need. */
void smtp_session_shrink(struct smtp_session *s);
/* For logs and limits; "" while nobody is authenticated. */
const char *smtp_session_user(const struct smtp_session *s);
const char *smtp_session_helo(const struct smtp_session *s);
bool smtp_session_is_tls(const struct smtp_session *s);
/* "ESMTPSA" and its kin (RFC 3848), into buf, which it returns; and the SASL mechanism, "" while nobody is
 * authenticated. */
const char *smtp_session_protocol(const struct smtp_session *s, char *buf, size_t size);
const char *smtp_session_auth_type(const struct smtp_session *s);

/* ---- answers ---- */

/*
 * NULL: go on. Else the reply that refuses what was asked; 421 closes the connection, code 0 closes it
 * without a word. A connection that is refused is left nothing but QUIT (RFC 5321 3.1).
 */
void smtp_session_filter_done(struct smtp_session *s, const struct smtp_status *refusal);
/* status->code 2xx: accepted. */
void smtp_session_rcpt_done(struct smtp_session *s, const struct smtp_status *status);
/*
 * One status for all (n 1), or one for each accepted recipient in order (LMTP). 2xx promises durability. One
 * for all with code 421 closes the connection, with code 0 it does so without a word.
 */
void smtp_session_mail_done(struct smtp_session *s, const struct smtp_status *statuses, size_t n);
void smtp_session_auth_challenge(struct smtp_session *s, struct span challenge);
/*
 * r: 0 and who it is; -POD_E_AUTH; -POD_E_BUSY: not now, because of failures before, with words for the reply instead of
 * the user; another code where it could not be found out.
 */
void smtp_session_auth_done(struct smtp_session *s, int r, const char *user);

/* ---- parts that stand alone ---- */

/*
 * Filters change an envelope: path without < >, params as behind it. -POD_E_SYNTAX with words; -POD_E_NOMEM.
 * A recipient is made but not added: the host looks it up, and appends it to mail->rcpts, where there is
 * room.
 */
int smtp_mail_set_sender(struct smtp_mail *m, struct span path, struct span params, struct err *err);
int smtp_mail_add_rcpt(struct smtp_mail *m, struct span path, struct span params, struct smtp_rcpt **ret_rcpt,
                       struct err *err);
/* Returns how many were taken off. */
size_t smtp_mail_delete_rcpt(struct smtp_mail *m, struct span path);

/* The reply for an error code while a message is delivered. */
struct smtp_status smtp_status_of(int code);
/*
 * The reply for what failed on our side (a spool file, the queue): 4xx whatever the code, for the message was
 * good; but LIMIT is 552, the message being too large.
 */
struct smtp_status smtp_status_of_local(int code);
/* The reply for the outcome of directory_resolve; 250 for 0. */
struct smtp_status smtp_status_of_rcpt(int code);

/*
 * Takes a body's bytes as they come after DATA (RFC 5321 4.5.2) or BDAT (RFC 3030) and hands on runs of it,
 * pointing into the input, dots unstuffed. Only CRLF "." CRLF ends DATA; a CR or LF that stands alone never
 * ends a line, so that no one can hide a second message in a first (SMTP smuggling); it is counted, or made
 * into CRLF where mend is set.
 */
struct smtp_unstuff {
	enum { UNSTUFF_LINE_START, UNSTUFF_DOT, UNSTUFF_DOT_CR, UNSTUFF_TEXT, UNSTUFF_CR, UNSTUFF_END } state;
	bool raw; /* BDAT: dots are dots, and nothing ends it but its size */
	bool mend;
	bool bare; /* a CR or LF stood alone */
};

typedef int smtp_unstuff_fn(void *arg, struct span run);
/*
 * Returns the bytes taken: all, or up to and with the final CRLF; state is then UNSTUFF_END. What fn returns
 * other than 0 goes to *ret_r (the first such); the input is taken nevertheless.
 */
size_t smtp_unstuff(struct smtp_unstuff *u, struct span in, smtp_unstuff_fn *fn, void *arg, int *ret_r);
/* BDAT LAST: a CR at the very end stands alone. */
void smtp_unstuff_last(struct smtp_unstuff *u, smtp_unstuff_fn *fn, void *arg, int *ret_r);

#endif
