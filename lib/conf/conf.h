/*
 * podmail.conf. Each option is one row of a table (section_NAME.c) that gives its type, default, bounds and
 * help; from the rows come what is accepted, `podctl config check|show` and podmail.conf(5). A program loads
 * the file once and passes the const result down; nothing here is global.
 *
 * The file is UCL (braces, semicolons or line ends, "#" comments, JSON too) without what could run something
 * or read another file: macros (.include), variables and here documents are refused.
 *
 * Threads: a struct conf is never changed once loaded, and may be shared.
 */
#ifndef POD_CONF_CONF_H
#define POD_CONF_CONF_H

#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "conf/auth.h"
#include "conf/dns.h"
#include "conf/filter.h"
#include "conf/guard.h"
#include "conf/imapd.h"
#include "conf/log.h"
#include "conf/mta.h"
#include "conf/outbound.h"
#include "conf/pod.h"
#include "conf/podd.h"
#include "conf/replication.h"
#include "conf/stored.h"
#include "conf/submission.h"
#include "conf/tls.h"

/*
 * In every section: strings are never NULL ("" where empty); a path is absolute, relative ones being taken
 * from pod.dir, and NULL where it is empty; durations are in milliseconds and end in _ms; sizes are in bytes;
 * worker counts are never 0.
 */
struct conf {
	const char *file; /* absolute */
	struct pod_conf pod;
	struct tls_conf tls;
	struct log_conf log;
	struct mta_conf mta;
	struct imapd_conf imapd;
	struct stored_conf stored;
	struct podd_conf podd;
	struct replication_conf replication;
	struct outbound_conf outbound;
	struct filter_conf filter;
	struct dns_conf dns;
	struct submission_conf submission;
	struct guard_conf guard;
	struct auth_conf auth;
};

/* What is wrong with a file, in line order. */
struct conf_problem {
	unsigned int line; /* 0: the file as a whole */
	const char *text;  /* "unknown option max_mesage_size in mta; did you mean max_message_size?" */
};

struct conf_problems {
	struct conf_problem *items;
	size_t n;
};

/*
 * Reads and checks the file. On success *ret_conf is the caller's, for conf_free.
 *   -POD_E_CONFIG  there are problems: err has the first as "FILE:LINE: text" and how many follow; all of
 *                  them are in *ret_problems (which may be NULL), in a
 *   -POD_E_NOTFOUND, -POD_E_DENIED, -POD_E_IO  the file cannot be read
 */
int conf_load(const char *path, struct arena *a, struct conf_problems *ret_problems,
              const struct conf **ret_conf, struct err *err);
/* The same for a text; path (absolute) says where it would be: for errors and for the default of pod.dir. */
int conf_load_text(struct span text, const char *path, struct arena *a, struct conf_problems *ret_problems,
                   const struct conf **ret_conf, struct err *err);
/* NULL is fine; returns NULL. */
const struct conf *conf_free(const struct conf *conf);

static inline void conf_freep(const struct conf **conf)
{
	(void) conf_free(*conf);
}

/* ---- what programs have to agree on ---- */

enum conf_listener {
	CONF_LISTEN_SMTP,
	CONF_LISTEN_LMTP,
	CONF_LISTEN_SUBMISSION,
	CONF_LISTEN_SUBMISSIONS,
	CONF_LISTEN_IMAP,
	CONF_LISTEN_IMAPS,
	CONF_LISTEN_HTTPS,
	CONF_LISTEN_ADMIN,
	CONF_LISTEN_METRICS,
	CONF_LISTENERS
};

struct conf_endpoint {
	const char *name;    /* "smtp" */
	const char *address; /* as net_addr_parse takes it: "127.0.0.1:2525", "[::1]:25", "*:25" */
	const char *host;    /* "127.0.0.1", "::1", "*" */
	unsigned int port;
};

/* Where a service listens: its own option, else pod.listen_address with pod.base_port + the well-known port.
 * NULL: off. */
const struct conf_endpoint *conf_listen(const struct conf *conf, enum conf_listener which);
/* The service's name, "smtp". */
const char *conf_listener_name(enum conf_listener which);

/*
 * The policy of MTA-STS (RFC 8461 3.2) that imapd shows for every hosted domain; false: none is shown. And its id for
 * the record of 3.1: another text has another one. Returns ret_id.
 */
bool conf_sts_policy(const struct conf *conf, struct buf *out);
#define CONF_STS_ID_SIZE 17
char *conf_sts_id(struct span policy, char ret_id[CONF_STS_ID_SIZE]);

/* ---- for people ---- */

/* The whole effective configuration; it can be loaded again. Defaults are comments. */
void conf_print(const struct conf *conf, struct buf *out);
/* { "mta": { "max_recipients": { "value": 1000, "default": true }, ... }, ... } */
int conf_print_json(const struct conf *conf, struct buf *out, struct err *err);
/* The OPTIONS part of podmail.conf(5), in man's macros, from the tables. */
void conf_print_man(FILE *f);

#endif
