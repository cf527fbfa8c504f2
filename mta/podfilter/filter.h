/*
 * podfilter, the pod's own milter, on libmilter. What a check sees of a connection and of a message, and what
 * it may say about them; a check is a row of the table in checks.c. Everything but callbacks.c is free of
 * libmilter, so that a test drives checks with structs of its own.
 *
 * Threads: libmilter calls back on a pool of threads (Debian builds it so). The callbacks of one connection
 * come one after the other, but not on one thread: nothing of a session or message may hang on a thread (no
 * thread-local state, no open read transaction) from one call to the next. What belongs to the process
 * (struct filter) is used by all threads at once and guards itself. An idle connection holds no thread, so a
 * check may wait, with a time limit, for a DNS server or a scanner: it keeps nobody's message but its own.
 *
 * If podfilter dies nothing is lost: it keeps no message beyond the callback of its end. podd starts it
 * again, and what the mta does until then is said in its own configuration.
 */
#ifndef POD_FILTER_FILTER_H
#define POD_FILTER_FILTER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/span.h"
#include "conf/conf.h"
#include "mta/spool/spool.h"
#include "net/listener.h"

#define FILTER_CHECKS_MAX  24
#define FILTER_SOCKET_NAME "podfilter.sock" /* in run_dir */

/* The configuration and what checks made of it. Sessions keep the one they began with: a reload makes
 * another. */
struct settings {
	const struct conf *conf;
	struct net_set *trusted;
	struct weights *weights;
	void *of_check[FILTER_CHECKS_MAX]; /* by the check's place in the table */
	unsigned int refs;                 /* guarded by the filter's lock */
};

/* The process. */
struct filter;

/* On which side of the border the sender stands. */
enum direction {
	DIRECTION_IN,     /* a stranger */
	DIRECTION_OUT,    /* submission: the mta lets nobody send there who has not logged in */
	DIRECTION_TRUSTED /* an address of filter.trusted, or LMTP */
};

/* What a check answers to a step of the protocol. With the last two it has called session_reply, or a default
 * is sent. */
enum answer { ANSWER_GO_ON, ANSWER_REJECT, ANSWER_TEMPFAIL };

/* A connection to the mta, whose strings are in its arena. */
struct session {
	struct filter *filter;
	struct settings *settings;
	struct arena *arena; /* for what lives as long as the connection; small */
	struct log log;
	enum direction direction;
	struct net_addr client;  /* len 0: a unix socket, or unknown */
	const char *client_text; /* "192.0.2.1", "" where there is none; never NULL */
	const char *client_name; /* of its PTR record as the mta found it, "" where there is none */
	char helo[256];          /* "" before the first; cut where it is longer */
	const char *mta_name; /* macro j: the mta's own name, the authserv-id of RFC 8601; "" where unknown */
	char reply_code[4], reply_status[12], reply_text[400]; /* of session_reply; code "": none */
	enum answer of_mail; /* the sender of the message under way is refused: which its recipients are told */
	struct message *message;                               /* NULL between messages */
	void *of_check[FILTER_CHECKS_MAX];
};

struct recipient {
	const char *address; /* as in RCPT, without < > */
	struct recipient *next;
};

struct header {
	struct span name, value; /* value as in the message behind the colon, folded with CRLF */
	struct header *next;
};

/* What authentication of the sender came to (RFC 8601 2.7). */
enum auth_result {
	AUTH_NOT_DONE,
	AUTH_NONE,
	AUTH_PASS,
	AUTH_FAIL,
	AUTH_SOFTFAIL,
	AUTH_NEUTRAL,
	AUTH_TEMPERROR,
	AUTH_PERMERROR
};

struct authentication {
	enum auth_result spf, dkim, dmarc, arc;
	/* Lower case, NULL where it did not pass: of the envelope's sender or HELO; d= of the signature that
	 * fits From best. */
	const char *spf_domain, *dkim_domain;
	const char *from_domain; /* of the From field; NULL where there is none or several */
};

/* Something that a check noticed, in favour of the message (negative) or against it. */
struct finding {
	const char *symbol; /* "DNSBL", capitals, digits and "_": a literal */
	const char *text;   /* what exactly, or NULL */
	int weight;         /* in hundredths of a point */
	struct finding *next;
};

enum edit_kind { EDIT_INSERT, EDIT_ADD, EDIT_CHANGE /* value NULL: delete */ };

struct edit {
	enum edit_kind kind;
	const char *name, *value;
	unsigned int index; /* INSERT: the place from the top; CHANGE: the nth of that name, from 1 */
	struct edit *next;
};

/* What becomes of the message, the worse the further down. */
enum verdict { VERDICT_CLEAN, VERDICT_JUNK, VERDICT_QUARANTINE, VERDICT_TEMPFAIL, VERDICT_REJECT };

/* A message from MAIL to its end, whose strings are in its arena. */
struct message {
	struct session *session;
	struct arena *arena;
	struct log log;     /* with the field trace */
	const char *trace;  /* macro i; "" where the mta gives none */
	const char *sender; /* without < >, "" for <> */
	const char *login;  /* macro {auth_authen}; NULL: not authenticated */
	struct recipient *recipients, **recipients_end;
	unsigned int recipients_n;
	struct header *headers, **headers_end;
	unsigned int headers_n;
	bool headers_cut;    /* there are more than were kept */
	bool headers_over;   /* the body has begun */
	struct spool *spool; /* the whole message as it came, with CRLF */
	int failed;          /* -POD_E_*: the spool did not take all of it; it is refused for now */
	void *milter;        /* libmilter's context, for message_progress; NULL in tests */
	struct authentication auth;
	struct finding *findings, **findings_end;
	int score; /* in hundredths */
	enum verdict verdict;
	bool verdict_is_forced;   /* by message_force, rather than by the score */
	const char *verdict_text; /* of the check that forced it, or NULL */
	struct edit *edits, **edits_end;
	void *of_check[FILTER_CHECKS_MAX];
};

/*
 * A check. Any hook may be NULL. Hooks of a session come in the order of the protocol, and those of one step
 * in the order of the table until one does not GO_ON. of_check[] of settings, session and message at the
 * check's own place (check_self) is the check's to use; what it puts there it frees in the matching _done.
 */
struct check {
	const char *name;
	unsigned int directions; /* 1 << DIRECTION_*: which sessions it is asked about */
	/* Makes its part of the settings; where it fails the settings are not taken. */
	int (*configure)(const struct conf *conf, void **ret_of_check, struct err *err);
	void (*configure_done)(void *of_check);

	enum answer (*connect)(struct session *s);
	enum answer (*mail)(struct message *m);
	enum answer (*rcpt)(struct message *m, const struct recipient *r);
	/* A recipient that the mta itself refused, as far as it tells (macro {rcpt_mailer} "error"). */
	/* A command that the mta does not know. */
	void (*unknown)(struct session *s);
	void (*rcpt_refused)(struct message *m, struct span address);
	void (*header)(struct message *m, const struct header *h);
	void (*headers_end)(struct message *m);
	void (*body)(struct message *m, struct span bytes);
	/* The end of the message: makes findings and forces verdicts. May wait. */
	void (*judge)(struct message *m);
	/* After the verdict: edits of headers, in the order of the table. Not of messages that are refused.
	 */
	void (*edit)(struct message *m);
	/* What became of the message, for those that learn from it. */
	void (*learn)(struct message *m);
	void (*message_done)(struct message *m);
	void (*session_done)(struct session *s);
};

#define CHECK_IN  (1u << DIRECTION_IN)
#define CHECK_OUT (1u << DIRECTION_OUT)
#define CHECK_ALL (CHECK_IN | CHECK_OUT | (1u << DIRECTION_TRUSTED))

/* All of them (checks.c), NULL behind the last. */
extern const struct check *const filter_checks[];
/* A check's place in the table. */
size_t check_self(const struct check *c);

/* ---- what checks call ---- */

/* The words of a refusal: code "550", status "5.7.1" (RFC 3463), one line of text. Copied. */
void session_reply(struct session *s, const char *code, const char *status, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* weight: unless filter.weights has one for the symbol. text may be NULL; is copied. */
void message_find(struct message *m, const char *symbol, int weight, const char *text);
/* Part of a weight: from -1 to 1. */
void message_find_part(struct message *m, const char *symbol, int weight, double part, const char *text);
/* At least this verdict, whatever the score. text goes into reply and log; copied. */
void message_force(struct message *m, enum verdict verdict, const char *text);
/* Headers of the message as it goes on; all are applied after the last check's edit. Copied. */
void message_insert_header(struct message *m, unsigned int index, const char *name, const char *value);
void message_add_header(struct message *m, const char *name, const char *value);
/* Removes the nth of that name (from 1). */
void message_delete_header(struct message *m, const char *name, unsigned int nth);
/* Tells the mta that a judgement takes long (RFC-less: SMFIR_PROGRESS); between waits of seconds. */
void message_progress(struct message *m);

/* What belongs to the process: the DNS (resolver.h), and what is remembered (memory.h). */
struct resolver *filter_resolver(const struct session *s);
struct memory *filter_memory(const struct session *s);

const char *verdict_name(enum verdict v);
/* What an option of that kind asks for. */
enum verdict verdict_of_action(enum filter_action action);

#endif
