/*
 * Requests over HTTP/1.1 and HTTP/2 to servers, known or not (libcurl): many at a time on an event loop, or
 * one that blocks its thread. What holds for every one of them:
 *  - Only http: and https:. Redirects are never followed: an answer 3xx is an answer.
 *  - https: TLS 1.2 or later, and a certificate that is good for the host of the URL.
 *  - No proxy, nor one of the environment; no cookies, no credentials but those among the fields.
 *  - An answer's body is bounded, and the whole takes timeout_ms at most.
 * A caller with a resolver of its own gives the addresses; without, the system's resolver is asked.
 */
#ifndef POD_HTTP_HTTP_H
#define POD_HTTP_HTTP_H

#include <event2/event.h>

#include "base/err.h"
#include "base/span.h"
#include "net/listener.h"

struct http_client;
struct http_request;

/* What becomes of a body longer than answer_max. */
enum http_overlong {
	HTTP_OVERLONG_FAILS, /* -POD_E_LIMIT, and the connection is ended */
	HTTP_OVERLONG_CUT    /* its beginning is the body: words for a log */
};

/* All but body is copied by whoever takes it. */
struct http_ask {
	const char *url;         /* "https://mta-sts.example.org:443/.well-known/mta-sts.txt" */
	const char *method;      /* NULL: GET, or POST where there is a body */
	const char *unix_socket; /* a path: connected to instead of the URL's host; or NULL */
	const struct net_addr
		*addrs; /* of the URL's host, in the order to be tried; none: they are looked up */
	size_t addrs_n;
	struct span body;      /* none where its pointer is NULL; must stay until the answer */
	const char *body_type; /* "application/json"; needed with a body */
	const char *fields[4]; /* further fields of the request, "Password: x"; up to the first NULL */
	const char *ca_file;   /* for https: NULL for the system's CAs */
	size_t answer_max;     /* bytes */
	enum http_overlong overlong;
	unsigned int timeout_ms; /* 0: as long as it takes */
};

struct http_answer {
	/*
	 * 0: there is a status. -POD_E_AUTH: the certificate is not good; -POD_E_LIMIT: the body is too long;
	 * -POD_E_TIMEOUT; -POD_E_DENIED: the unix socket is not for us; -POD_E_UNAVAILABLE: nobody can be
	 * reached there; -POD_E_IO: it broke on the way; -POD_E_SYNTAX: the URL; -POD_E_NOMEM.
	 */
	int r;
	unsigned int status; /* 200 */
	const char *type;    /* "text/plain; charset=utf-8"; "" where none was said */
	struct span body;
	const char *why; /* r is not 0: in words; else "" */
};

/* answer is valid during the call. */
typedef void http_fn(void *arg, const struct http_answer *answer);

/* ---- on an event loop: all on base's thread ---- */

int http_client_create(struct event_base *base, struct http_client **ret_client, struct err *err);
/* No callback follows. NULL is fine; returns NULL. Not from inside a callback. */
struct http_client *http_client_free(struct http_client *c);
/*
 * Calls back from the loop, never from inside; *ret_request is good until then. -POD_E_SYNTAX: the URL;
 * -POD_E_NOMEM.
 */
int http_send(struct http_client *c, const struct http_ask *ask, http_fn *fn, void *arg,
              struct http_request **ret_request, struct err *err);
/* No callback follows. NULL is fine; returns NULL. */
struct http_request *http_cancel(struct http_request *r);

/* ---- for a thread that may wait: any thread, without a client ---- */

/* Calls fn once, before it returns. */
void http_call(const struct http_ask *ask, http_fn *fn, void *arg);

#endif
