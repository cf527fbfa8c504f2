/*
 * Requests over https to servers we do not know, on an event loop (libcurl): certificates are checked with
 * the CAs of the web, redirects are not followed, answers are bounded. Addresses come from our own resolver.
 * All on base's thread.
 */
#ifndef POD_MTA_TLSPOLICY_HTTPS_H
#define POD_MTA_TLSPOLICY_HTTPS_H

#include <event2/event.h>

#include "base/err.h"
#include "base/span.h"
#include "net/listener.h"

struct https;
struct https_request;

struct https_ask {
	const char *host;
	uint16_t port;
	const char *path; /* "/.well-known/mta-sts.txt" */
	const struct net_addr *addrs;
	size_t addrs_n;
	/* POST where there is a body; it must stay until the answer. GET where its pointer is NULL. */
	struct span body;
	const char *body_type; /* "application/tlsrpt+gzip" */
	size_t answer_max;     /* bytes; a longer one is -POD_E_LIMIT */
	unsigned int timeout_ms;
};

struct https_answer {
	/*
	 * 0: there is a status; -POD_E_AUTH: the certificate is not good; -POD_E_LIMIT; -POD_E_TIMEOUT;
	 * -POD_E_UNAVAILABLE: anything else
	 */
	int r;
	unsigned int status; /* 200 */
	const char *type;    /* "text/plain; charset=utf-8"; "" where none was said */
	struct span body;
	const char *why; /* r is not 0: in words */
};

/* answer is valid during the call. */
typedef void https_fn(void *arg, const struct https_answer *answer);

/* ca_file: NULL for the system's CAs. */
int https_create(struct event_base *base, const char *ca_file, struct https **ret_https, struct err *err);
/* No callback follows. NULL is fine; returns NULL. */
struct https *https_free(struct https *h);
/* Calls back from the loop, never from inside; *ret_request is good until then. -POD_E_NOMEM. */
int https_send(struct https *h, const struct https_ask *ask, https_fn *fn, void *arg,
               struct https_request **ret_request, struct err *err);
/* No callback follows. NULL is fine; returns NULL. */
struct https_request *https_cancel(struct https_request *r);

#endif
