/*
 * IMAP URLs of messages (RFC 5092), with the authorisation of RFC 4467:
 *
 *   imap://user@host/mailbox;UIDVALIDITY=1/;UID=2;EXPIRE=...;URLAUTH=submit+user:internal:TOKEN
 *
 * Pure. Of a URL with a part of a message (SECTION, PARTIAL) nothing is made here: it is -POD_E_UNSUPPORTED.
 */
#ifndef POD_MIME_IMAP_URL_H
#define POD_MIME_IMAP_URL_H

#include "base/arena.h"
#include "base/err.h"

#define IMAP_URL_MAX       2000
#define IMAP_URL_MECHANISM "INTERNAL"

enum imap_url_access {
	IMAP_URL_SUBMIT,    /* "submit+" and a user: to send it, in his name */
	IMAP_URL_USER,      /* "user+" and a user */
	IMAP_URL_AUTHUSER,  /* whoever has logged in */
	IMAP_URL_ANONYMOUS, /* everybody */
};

struct imap_url {
	const char *user, *host; /* as they are meant: decoded */
	uint16_t port;           /* 143 where none is said */
	const char *mailbox;     /* decoded: UTF-8 */
	uint32_t uidvalidity;    /* 0: not said */
	uint32_t uid;
	int64_t expires_s; /* 0: never */
	enum imap_url_access access;
	const char *access_user; /* of SUBMIT and USER, decoded; "" */
	struct span rump;        /* what is signed: all before ":internal:" (RFC 4467 3) */
	struct span token;       /* decoded; empty in a URL that is yet to be signed */
};

/* Reads a URL with URLAUTH, signed or to be signed. The result lives in a, and points into text.
 * -POD_E_SYNTAX, _UNSUPPORTED, _NOMEM. */
int imap_url_parse(struct span text, struct arena *a, struct imap_url *ret_url);

#endif
