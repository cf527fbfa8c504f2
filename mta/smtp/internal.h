/* What the files of mta/smtp share; nobody else includes it. */
#ifndef POD_MTA_SMTP_INTERNAL_H
#define POD_MTA_SMTP_INTERNAL_H

#include "mta/smtp/smtp.h"

/* ---- commands: one row each in command.c, one cmd_NAME.c each ---- */

enum smtp_state {
	SMTP_STATE_NEW, /* no EHLO yet */
	SMTP_STATE_READY,
	SMTP_STATE_MAIL, /* MAIL accepted */
	SMTP_STATE_RCPT, /* and at least one RCPT */
	SMTP_STATE_BDAT, /* and at least one chunk */
};
#define IN(state) (1u << SMTP_STATE_##state)
#define IN_ANY 0xffu

#define CMD_SMTP_ONLY 1u
#define CMD_LMTP_ONLY 2u
#define CMD_NEEDS_AUTH 4u /* where the service demands it (RFC 6409 4.3) */
#define CMD_NO_ARGUMENT 8u

struct smtp_command {
	const char *verb;
	void (*run)(struct smtp_session *s, struct span argument);
	unsigned int legal_in;
	unsigned int flags;
	size_t line_max; /* with the CRLF */
};

const struct smtp_command *smtp_command_find(struct span verb);

void cmd_auth(struct smtp_session *s, struct span argument);
void cmd_bdat(struct smtp_session *s, struct span argument);
void cmd_burl(struct smtp_session *s, struct span argument);
void cmd_data(struct smtp_session *s, struct span argument);
void cmd_ehlo(struct smtp_session *s, struct span argument);
void cmd_expn(struct smtp_session *s, struct span argument);
void cmd_helo(struct smtp_session *s, struct span argument);
void cmd_help(struct smtp_session *s, struct span argument);
void cmd_mail(struct smtp_session *s, struct span argument);
void cmd_noop(struct smtp_session *s, struct span argument);
void cmd_quit(struct smtp_session *s, struct span argument);
void cmd_rcpt(struct smtp_session *s, struct span argument);
void cmd_rset(struct smtp_session *s, struct span argument);
void cmd_starttls(struct smtp_session *s, struct span argument);
void cmd_vrfy(struct smtp_session *s, struct span argument);

/* ---- the session ---- */

/* What a header turned out to hold while it streamed by. */
struct smtp_header_scan {
	enum { SCAN_NAME, SCAN_SKIP, SCAN_DONE } state;
	uint8_t name[16]; /* the field name as far as it matters */
	size_t len;
	unsigned int received;
	bool has_date, has_message_id;
};

/* Looks at header bytes. Returns the offset at which the empty line begins, SIZE_MAX where it is not in them. */
size_t smtp_header_scan(struct smtp_header_scan *h, struct span bytes);

struct smtp_session {
	const struct smtp_settings *set;
	const struct smtp_host *host;
	void *host_arg;
	struct smtp_peer peer;
	struct buf *out;
	int64_t now_s;

	enum smtp_state state;
	enum { INPUT_LINES, INPUT_DATA, INPUT_BDAT, INPUT_AUTH } input;
	bool waiting; /* for the host */
	bool starting_tls;
	bool closing;
	bool refused;          /* the connection: QUIT is all that is left */
	enum smtp_stage stage; /* what filters are asked about */

	bool esmtp; /* EHLO or LHLO, not HELO */
	char helo[256];
	char tls[96]; /* "" while plain */
	char user[321]; /* authenticated; "" */
	unsigned int errors;
	unsigned int mails; /* MAIL commands so far */
	unsigned int delay_ms;

	enum sasl_mechanism mechanism;
	enum { AUTH_NONE, AUTH_FIRST, AUTH_STEPS } auth; /* whose turn: AUTH_FIRST awaits the client's first message */

	struct arena *arena; /* the message's */
	struct arena *scratch; /* a command's */
	struct smtp_mail mail;
	struct smtp_rcpt *rcpt; /* being checked */
	struct smtp_status said; /* the reply to MAIL or RCPT, where filters have nothing against it */

	/* the body */
	struct smtp_unstuff unstuff;
	struct smtp_header_scan scan;
	struct buf header; /* of a submitted message, until it is complete */
	uint64_t header_size;
	struct smtp_status header_refused; /* why, where code is not 0 */
	uint64_t body_size;
	uint64_t chunk_left; /* of the BDAT chunk */
	bool chunk_last;
	bool burl_waits; /* a BURL, for the filters */
	struct span burl_url;
	bool chunk_ends_mail;             /* refused by a filter */
	bool bdat_waits;                  /* filters are asked about the first chunk */
	struct smtp_status chunk_refused; /* a chunk that is swallowed: the reply for it */
	size_t replies; /* LMTP owes: one for each recipient that RCPT accepted, whatever filters make of them
	                 */
	int body_r; /* first error of body_add */
};

static inline bool smtp_is_lmtp(const struct smtp_session *s)
{
	return s->set->service == SMTP_SERVICE_LMTP;
}

/* One reply line: "250 2.1.0 words". enhanced may be "". Counts an error where code is 4xx or 5xx. */
void smtp_reply(struct smtp_session *s, int code, const char *enhanced, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));
void smtp_reply_status(struct smtp_session *s, const struct smtp_status *status);

/* filter.c: asks filters; smtp_session_filter_done goes on with what follows. */
void smtp_filter_ask(struct smtp_session *s, enum smtp_stage stage, struct span text, struct span params);
/* What follows at each stage, in the file of its command. refusal NULL: go on. */
typedef void smtp_filtered_fn(struct smtp_session *s, const struct smtp_status *refusal);
smtp_filtered_fn smtp_connect_filtered, smtp_helo_filtered, smtp_mail_filtered, smtp_rcpt_filtered,
	smtp_data_filtered, smtp_unknown_filtered;
/* cmd_bdat.c: the same where the first chunk brought it up. */
smtp_filtered_fn smtp_bdat_filtered;

/* Forgets the message under way; back to READY (or NEW, before a greeting). */
void smtp_mail_reset(struct smtp_session *s);

/* body.c: from the first byte after DATA or BDAT to the verdict. */
int smtp_body_begin(struct smtp_session *s);
void smtp_body_end(struct smtp_session *s);
size_t smtp_body_data(struct smtp_session *s, struct span bytes);
size_t smtp_body_chunk(struct smtp_session *s, struct span bytes);

/* cmd_burl.c */
bool smtp_offers_burl(const struct smtp_session *s);
void smtp_burl_filtered(struct smtp_session *s, const struct smtp_status *refusal);

/* cmd_auth.c: a line while AUTH is under way. */
void smtp_auth_line(struct smtp_session *s, struct span line);

/* cmd_ehlo.c: takes over the argument of EHLO, HELO or LHLO; false after a 501. */
bool smtp_take_helo(struct smtp_session *s, struct span argument);
/* Whether mechanisms that show the password to who listens are allowed now. */
bool smtp_may_send_password(const struct smtp_session *s);

/* trace.c: Return-Path and Received (RFC 5321 4.4); SPAN_NONE where memory is out. In the mail's arena. */
struct span smtp_trace_fields(const struct smtp_session *s);
/* Date and Message-ID where a submitted message lacks them (RFC 6409 8.2, 8.3); may be empty. */
struct span smtp_missing_fields(const struct smtp_session *s);

/* tidy.c: whether this session's messages have their header tidied; its bytes as they come, and its end. */
bool smtp_tidies(const struct smtp_session *s);
/* 0, -POD_E_LIMIT, -POD_E_NOMEM. */
int smtp_tidy_take(struct smtp_session *s, struct span run);
/* Hands the header on to the host. -POD_E_DENIED: *ret_refusal is the reply to the message. */
int smtp_tidy_end(struct smtp_session *s, struct smtp_status *ret_refusal);

/* cmd_rcpt.c: a recipient, with room for it in the list, where it is not yet. -POD_E_SYNTAX, LIMIT, NOMEM. */
struct smtp_params;
int smtp_rcpt_make(struct smtp_mail *m, struct span path, const struct smtp_params *p,
                   struct smtp_rcpt **ret_rcpt, struct err *err);

/* params.c: "<path> [SP esmtp-param ...]" taken apart. */
struct smtp_params {
	uint64_t size;
	enum smtp_body body;
	enum smtp_ret ret;
	struct span envid, orcpt;
	unsigned int notify;
	bool utf8;
	uint32_t hold_for_s; /* 0: not said */
	int64_t hold_until_s; /* 0: not said */
	enum smtp_by by;
	int32_t by_s; /* from now */
	bool by_trace;
	bool has_priority;
	int priority;
	bool require_tls;
	struct span login; /* AUTH=, xtext still on; empty: not said, or "<>" */
	struct guid transaction;
};
#define PARAMS_OF_MAIL 1u
#define PARAMS_OF_RCPT 2u
#define PARAMS_OF_SUBMISSION 4u /* and those of MAIL that only submission offers */
#define PARAMS_OF_GATEWAY    8u /* and those of MAIL for a peer whose word is taken for who submits */

/*
 * Splits "FROM:<path> params" (keyword "FROM:", any case, blanks before "<" forgiven) at the ">" that ends the
 * path. *ret_path is what stands between the brackets. -POD_E_SYNTAX.
 */
int smtp_path_split(struct span argument, struct span keyword, struct span *ret_path, struct span *ret_params);
/* Fills *ret_params; on failure the reply is in *ret_status (501, 504 or 555). of: PARAMS_OF_*. */
int smtp_params_parse(struct span text, unsigned int of, struct smtp_params *ret_params,
                      struct smtp_status *ret_status);

/* terms.c: parameters that say when, how urgently and how safely a message is to go on. */
int smtp_param_holdfor(struct span value, struct smtp_params *p);
int smtp_param_holduntil(struct span value, struct smtp_params *p);
int smtp_param_by(struct span value, struct smtp_params *p);
int smtp_param_priority(struct span value, struct smtp_params *p);
int smtp_param_requiretls(struct span value, struct smtp_params *p);
/* EHLO lines for them. */
void smtp_terms_offer(struct smtp_session *s);
/*
 * Moves them into the mail, as far as policy goes. 0: *ret_status is the reply to MAIL, which says so where a
 * priority was altered; -POD_E_DENIED: the refusal.
 */
int smtp_terms_apply(struct smtp_session *s, const struct smtp_params *p, struct smtp_status *ret_status);

/* xtext of RFC 3461 section 4; printable only. */
bool smtp_is_xtext(struct span s);
/* Takes the xtext off; -POD_E_LIMIT where it does not fit in buf with its NUL. */
int smtp_xtext_decode(struct span xtext, char *buf, size_t size);

#endif
