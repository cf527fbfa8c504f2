/*
 * The HTTPS listener of the gateway. In this version it serves no phones: it says so, in words, where a phone
 * or Outlook looks (ActiveSync, autodiscover), and shows a short page to a browser.
 */
#ifndef POD_IMAPD_HTTP_HTTP_H
#define POD_IMAPD_HTTP_HTTP_H

#include <event2/event.h>
#include <event2/http.h>

#include "net/tls.h"

struct http;

/* Serves a listening socket, which it then owns, also on failure. */
int http_create(struct event_base *base, int fd, struct tls_context *tls, struct http **ret_http,
                struct err *err);
/* For connections from now on. */
void http_set_tls(struct http *h, struct tls_context *tls);
/* Ends its connections. NULL is fine; returns NULL. */
struct http *http_free(struct http *h);

#endif
