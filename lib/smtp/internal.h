/* What the files of lib/smtp share. */
#ifndef POD_SMTP_INTERNAL_H
#define POD_SMTP_INTERNAL_H

#include "smtp/client.h"

#define SMTP_WORDS_MAX 500

struct smtp_sasl;

enum command {
	CMD_GREETING, /* not ours: the server speaks first */
	CMD_EHLO,
	CMD_HELO,
	CMD_STARTTLS,
	CMD_AUTH,
	CMD_MAIL,
	CMD_RCPT,
	CMD_DATA,
	CMD_BODY, /* the final dot, or BDAT LAST */
	CMD_RSET,
	CMD_QUIT,
	COMMANDS
};

/* What of a transaction is to be said next. */
enum mail_step { STEP_RSET, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_SAID };

/* A command whose reply is to come; in order. */
struct expected {
	enum command command;
	size_t rcpt;
};

struct smtp_client {
	const struct smtp_client_settings *settings;
	struct buf *out;
	struct arena *arena; /* the fault's words */
	enum smtp_client_want want;
	enum smtp_client_fault fault;
	struct smtp_client_rcpt fault_words;
	struct smtp_reply_reader reader;
	struct smtp_capabilities caps;
	bool secure, saw_starttls;
	bool must_reset; /* MAIL was accepted in a transaction that came to nothing */
	uint32_t rcpts_max;
	struct smtp_sasl *sasl;
	/* what the server owes us: a ring of what was asked */
	struct expected *expected;
	size_t first, n_expected, cap_expected;
	/* the transaction; NULL: none */
	struct smtp_client_mail *mail;
	enum mail_step step;
	size_t next_rcpt, accepted;
	bool answered;  /* to anything of it */
	bool refused;   /* MAIL was */
	bool chunked;   /* BDAT, not DATA */
	bool body_sent; /* whole: what is lost now may have arrived */
};

/* ---- client.c ---- */

/* Expects a reply to what was just written. */
void client_ask(struct smtp_client *c, enum command command, size_t rcpt);
void client_fail(struct smtp_client *c, enum smtp_client_fault fault, const struct smtp_reply *reply,
                 const char *why);
/* Fills a verdict's words from a reply, or with ours. */
void client_words_of_reply(struct smtp_client_rcpt *to, struct arena *a, const struct smtp_reply *reply);
void client_words_of_ours(struct smtp_client_rcpt *to, uint16_t code, const char *enhanced, const char *text);

/* ---- hello.c: up to READY ---- */

void client_on_greeting(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply);
void client_on_ehlo(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply);
void client_on_helo(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply);
void client_on_starttls(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply);
void client_say_ehlo(struct smtp_client *c);

/* ---- auth.c ---- */

void client_auth_start(struct smtp_client *c);
void client_on_auth(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply);

/* ---- mail.c ---- */

void client_on_mail(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply);
void client_on_rcpt(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply);
void client_on_data(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply);
void client_on_body(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply);
void client_on_rset(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply);
/* Says what may be said next, or ends the transaction. */
void client_mail_advance(struct smtp_client *c);
/* The connection is over in the middle of it: those without a verdict get one. */
void client_mail_abort(struct smtp_client *c, const struct smtp_reply *reply, const char *why);

/* ---- params.c: what stands behind MAIL and RCPT ---- */

void client_put_mail(struct smtp_client *c, const struct smtp_client_mail *m);
void client_put_rcpt(struct smtp_client *c, const struct smtp_client_rcpt *r);
/* What the server does not offer and the message cannot do without: false and the words for every recipient.
 */
bool client_can_carry(const struct smtp_client *c, const struct smtp_client_mail *m,
                      struct smtp_client_rcpt *ret_words);

#endif
