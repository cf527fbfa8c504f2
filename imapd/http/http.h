/*
 * The HTTPS listener of the gateway. It shows the MTA-STS policy of hosted domains (RFC 8461 3.3) where that is
 * configured. In this version it serves no phones: it says so, in words, where a phone or Outlook looks (ActiveSync,
 * autodiscover), and shows a short page to a browser.
 */
#ifndef POD_IMAPD_HTTP_HTTP_H
#define POD_IMAPD_HTTP_HTTP_H

#include <event2/event.h>
#include <event2/http.h>

#include "conf/conf.h"
#include "directory/directory.h"
#include "net/tls.h"

struct http;

struct http_options {
	struct event_base *base;
	struct tls_context *tls;
	const struct conf *conf;     /* stays */
	struct directory *directory; /* stays */
};

/* Serves a listening socket, which it then owns, also on failure. */
int http_create(const struct http_options *o, int fd, struct http **ret_http, struct err *err);
/* For connections from now on. */
void http_set_tls(struct http *h, struct tls_context *tls);
/* Ends its connections. NULL is fine; returns NULL. */
struct http *http_free(struct http *h);

#endif
