/* What is known of a session and a message, and the macros by which milters learn it. Pure. */
#ifndef POD_MTA_MILTER_MACROS_H
#define POD_MTA_MILTER_MACROS_H

#include "mta/milter/negotiate.h"

enum milter_family { MILTER_FAMILY_UNKNOWN, MILTER_FAMILY_UNIX, MILTER_FAMILY_INET, MILTER_FAMILY_INET6 };

/*
 * Every text may be NULL or "": such a macro is not sent. Kept up to date by whoever runs the session, who
 * owns the texts.
 */
struct milter_facts {
	/* the connection */
	enum milter_family family;
	uint16_t port;           /* the client's */
	const char *hostname;    /* j: ours */
	const char *version;     /* v */
	const char *host; /* of SMFIC_CONNECT: the client's confirmed name, or "[192.0.2.1]" */
	const char *client_name; /* the same, or "unknown" */
	const char *address;     /* the client's, or the path of a unix socket */
	const char *client_addr; /* the same, with "IPv6:" in front where it is one */
	const char *client_ptr; /* what its address is called, confirmed or not; or "unknown" */
	const char *client_resolve; /* "OK", "FAIL", "FORGED", "TEMP" */
	const char *client_port;
	const char *client; /* _: "name [address]" */
	const char *daemon_name, *daemon_addr, *daemon_port;
	const char *if_name, *if_addr;
	const char *helo;     /* s */
	const char *protocol; /* r: "ESMTP" */
	const char *tls_version, *cipher, *cipher_bits, *cert_subject, *cert_issuer;
	const char *auth_type, *auth_authen, *auth_author;
	/* the message */
	const char *trace; /* i */
	const char *date;  /* b */
	const char *mail_addr, *mail_host, *mail_mailer;
	const char *rcpt_addr, *rcpt_host, *rcpt_mailer;
	const char *n_rcpts, *n_bad_rcpts;
	const char *msg_id;
};

/* Adds the packet with the macros of a stage; nothing where none of them has a value. */
void milter_macros_add(struct buf *out, enum milter_stage stage, const struct milter_terms *terms,
                       const struct milter_facts *facts);

#endif
