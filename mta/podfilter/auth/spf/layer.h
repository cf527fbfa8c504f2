/* libspf2's end of a check's DNS. Internal to this folder. */
#ifndef PODFILTER_AUTH_SPF_LAYER_H
#define PODFILTER_AUTH_SPF_LAYER_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <spf2/spf.h>
#include <spf2/spf_dns.h>

#include "mta/podfilter/auth/spf/spf.h"

/* A server of libspf2 that asks through the layer, which outlives it. NULL where memory is out. */
SPF_dns_server_t *spf_layer_dns(struct spf_layer *layer);

#endif
