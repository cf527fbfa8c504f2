/*
 * The sending side of SMTP (RFC 5321) as a machine that knows no sockets, clocks or files. The server's bytes
 * go in, commands come out in a buf, and after each call smtp_client_wants() says what is to be done next:
 *
 *   READ    write what is in out, wait for bytes, feed them to smtp_client_input
 *   TLS     write what is in out, shake hands, then smtp_client_tls_done
 *   BODY    write what is in out, then the message as smtp_client_body says, then smtp_client_body_sent;
 * bytes that come in meanwhile are fed as ever READY   a transaction may begin (smtp_client_mail), or the
 * connection is ended (smtp_client_quit) CLOSE   it is over: smtp_client_fault says why
 *
 * Spoken where offered: PIPELINING, CHUNKING, SIZE, 8BITMIME, SMTPUTF8, DSN, STARTTLS, AUTH, LIMITS (RFC
 * 9422), REQUIRETLS (RFC 8689), MT-PRIORITY (RFC 6710), DELIVERBY (RFC 2852). A 421 may come at any time, and
 * a server may close at any time.
 *
 * A client belongs to one thread and to one connection.
 */
#ifndef POD_SMTP_H
#define POD_SMTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "smtp/capabilities.h"
#include "smtp/reply.h"

enum smtp_client_tls {
	SMTP_CLIENT_TLS_NEVER, /* STARTTLS is not asked for */
	SMTP_CLIENT_TLS_MAY,   /* where offered; a server that offers it and then refuses it is spoken to in
	                          clear */
	SMTP_CLIENT_TLS_MUST,  /* or nothing */
};

/* The strings outlive the client. */
struct smtp_client_settings {
	const char *hostname; /* for EHLO */
	enum smtp_client_tls tls;
	const char *server; /* its name: for SASL */
	const char *login,
		*password; /* NULL: no AUTH; else AUTH or nothing, and never in clear by PLAIN or LOGIN */
	uint64_t pipelined_body_max; /* bytes of a message that goes out with its MAIL in one go, under
	                                CHUNKING */
};

enum smtp_client_want {
	SMTP_CLIENT_READ,
	SMTP_CLIENT_TLS,
	SMTP_CLIENT_BODY,
	SMTP_CLIENT_READY,
	SMTP_CLIENT_CLOSE,
};

enum smtp_client_fault {
	SMTP_FAULT_NONE,        /* we said QUIT */
	SMTP_FAULT_LOST,        /* the connection broke, or the server closed it */
	SMTP_FAULT_CLOSING,     /* 421 */
	SMTP_FAULT_GREETING,    /* refused in the greeting */
	SMTP_FAULT_HELLO,       /* refused at EHLO and HELO */
	SMTP_FAULT_LOOP,        /* it greets with our own name */
	SMTP_FAULT_PROTOCOL,    /* what came is not SMTP, or not an answer to anything */
	SMTP_FAULT_TLS_MISSING, /* MUST, and not offered */
	SMTP_FAULT_TLS_REFUSED, /* MUST, offered and refused */
	SMTP_FAULT_AUTH,        /* login refused, or no mechanism in common */
	SMTP_FAULT_MEMORY,
	SMTP_FAULTS
};

enum smtp_client_verdict {
	SMTP_VERDICT_WAITING,  /* not asked in this transaction: there was no room; asked in the next */
	SMTP_VERDICT_ACCEPTED, /* RCPT was; while the transaction is under way */
	SMTP_VERDICT_TAKEN,    /* the server has the message and answers for it */
	SMTP_VERDICT_LATER,
	SMTP_VERDICT_LOST, /* LATER, for the connection ended before the message was whole: may be tried
	                      elsewhere at once */
	SMTP_VERDICT_REFUSED,
};

struct smtp_client_rcpt {
	struct span address;
	struct span orcpt;   /* as received; empty: not said */
	unsigned int notify; /* SMTP_NOTIFY_* bits of mta/smtp/smtp.h; 0: not said */
	/* results, the text in the mail's arena */
	enum smtp_client_verdict verdict;
	bool ours; /* the words are ours, not the server's */
	uint16_t code;
	char enhanced[SMTP_ENHANCED_SIZE];
	const char *text;
};

/* What of a transaction was refused. */
enum smtp_client_at { SMTP_AT_NOTHING, SMTP_AT_MAIL, SMTP_AT_RCPT, SMTP_AT_MESSAGE };

enum smtp_client_ret { SMTP_CLIENT_RET_UNSAID, SMTP_CLIENT_RET_FULL, SMTP_CLIENT_RET_HDRS };

/* A transaction. Everything outlives it. */
struct smtp_client_mail {
	struct arena *arena; /* for the results' words: a few hundred bytes for each recipient */
	struct span sender;  /* empty: the null path */
	uint64_t size;       /* of the message as it is, not dot-stuffed */
	bool eight_bit;      /* it has bytes over 127 */
	bool utf8;           /* an address or a header field needs SMTPUTF8 */
	bool require_tls;
	struct span envid;
	enum smtp_client_ret ret;
	char by_mode; /* 'R', 'N' or 0 */
	bool by_trace;
	int64_t by_s;      /* seconds left */
	int priority;      /* 0: not said */
	struct span login; /* who submitted it, for a server that takes our word (RFC 4954 section 5); empty:
	                      not said */
	struct span transid; /* the transaction's name there, by which a repeated one is known (RFC 1845);
	                        empty: none */
	bool all_or_none;    /* where one recipient is refused, nobody gets it; the others are told so
	                        (SMTP_VERDICT_LOST) */
	struct smtp_client_rcpt *rcpts;
	size_t n_rcpts;
	enum smtp_client_at refused_at; /* a result: where the first refusal came, for good or for now */
};

/* How a body is to be written. */
struct smtp_client_body {
	bool chunked; /* as it is (BDAT was sent); else dot-stuffed with the final dot behind it */
};

/* What the time that passes now is counted against (RFC 5321 4.5.3.2). */
enum smtp_client_stage {
	SMTP_STAGE_GREETING,
	SMTP_STAGE_COMMAND,
	SMTP_STAGE_DATA,     /* the 354 */
	SMTP_STAGE_BODY,     /* between two blocks */
	SMTP_STAGE_BODY_END, /* the final answer */
	SMTP_STAGES
};

struct smtp_client;

/* Waits for the greeting. out: the caller's, emptied by him when written. NULL where memory is out. */
struct smtp_client *smtp_client_create(const struct smtp_client_settings *settings, struct buf *out);
struct smtp_client *smtp_client_free(struct smtp_client *c); /* NULL is fine; returns NULL */

enum smtp_client_want smtp_client_wants(const struct smtp_client *c);
void smtp_client_input(struct smtp_client *c, struct span bytes);
/* The connection is over; why in words, in our own. */
void smtp_client_lost(struct smtp_client *c, const char *why);
/* The handshake is done, and the server is whom it should be. */
void smtp_client_tls_done(struct smtp_client *c);
struct smtp_client_body smtp_client_body(const struct smtp_client *c);
void smtp_client_body_sent(struct smtp_client *c);
/*
 * Begins a transaction, in READY. It is over when READY or CLOSE is wanted again (at once, where the server
 * cannot carry the message): then each recipient has a verdict, WAITING those for whom there was no room in
 * this transaction.
 */
void smtp_client_mail(struct smtp_client *c, struct smtp_client_mail *mail);
void smtp_client_quit(struct smtp_client *c);

enum smtp_client_stage smtp_client_stage(const struct smtp_client *c);
enum smtp_client_fault smtp_client_fault(const struct smtp_client *c);
/* The words that go with a fault: code 0 where they are ours. Good until the client is freed. */
const struct smtp_client_rcpt *smtp_client_fault_words(const struct smtp_client *c);
const struct smtp_capabilities *smtp_client_capabilities(const struct smtp_client *c);
bool smtp_client_is_secure(const struct smtp_client *c); /* TLS is up */
/* Whether a reply has begun and not ended: one that never does is no sign of life. */
bool smtp_client_is_mid_reply(const struct smtp_client *c);
/* Whether it offers SMTP_CAP_*; once it is READY. */
bool smtp_client_offers(const struct smtp_client *c, unsigned int cap);
bool smtp_client_saw_starttls(const struct smtp_client *c); /* it was offered, at any time */
/* Recipients it was seen to take in one transaction, where it refused more; 0: not known. LIMITS counts in.
 */
uint32_t smtp_client_rcpts_max(const struct smtp_client *c);

#endif
