/* ActiveSync as a service of a worker: a route of its HTTPS server. On the event loop's thread. */
#ifndef POD_IMAPD_EAS_SERVICE_H
#define POD_IMAPD_EAS_SERVICE_H

#include "imapd/eas/eas.h"

#define EAS_PATH "/Microsoft-Server-ActiveSync"

struct eas_service;

int eas_service_create(const struct eas_parts *parts, struct eas_service **ret_service, struct err *err);
/* Answers who waits; nobody waits any more from here on. */
void eas_service_drain(struct eas_service *s);
/* When no request is under way. NULL is fine; returns NULL. */
struct eas_service *eas_service_free(struct eas_service *s);

/* For struct http_route; arg is the service. */
void eas_serve(void *arg, struct http_exchange *x);

#endif
