/* Whether a service really answers: its greeting over a connection as a client makes it, TLS and all. */
#ifndef PODCTL_PROBE_H
#define PODCTL_PROBE_H

#include "conf/conf.h"
#include "net/tls.h"

/* Host to connect to for an endpoint: that of a wildcard is the loopback address. */
const char *probe_host(const struct conf_endpoint *endpoint);
/* Waits at most timeout_ms. tls: for the services that begin with it; trusts the pod's CA. */
int probe_service(const struct conf *conf, enum conf_listener which, struct tls_context *tls,
                  unsigned int timeout_ms, struct err *err);

#endif
