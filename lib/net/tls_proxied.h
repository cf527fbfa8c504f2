/*
 * TLS behind a load balancer: a PROXY header in clear before the handshake, for servers whose library accepts
 * connections by itself and gives the socket straight to TLS (others use listener_create). One thread at a
 * time for each SSL.
 */
#ifndef POD_NET_TLS_PROXIED_H
#define POD_NET_TLS_PROXIED_H

#include "net/listener.h"
#include "net/tls.h"

/*
 * Called once when the header is read, while TLS reads: whom the proxy speaks for, NULL where it speaks for
 * itself (LOCAL, UNKNOWN); or r is -POD_E_* and the connection is about to fail.
 */
typedef void tls_proxied_fn(void *arg, int r, const struct net_addr *peer);

/*
 * To be called before the SSL object has its socket: where that turns out to come from an address in from
 * (which stays), the connection has to begin with a PROXY header v1 or v2. Others are served as they come.
 * -POD_E_NOMEM.
 */
int tls_expect_proxy(SSL *ssl, const struct net_set *from, tls_proxied_fn *fn, void *arg);

#endif
