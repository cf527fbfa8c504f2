/* What a resolver is told before its first question. */
#ifndef POD_DNS_SETUP_H
#define POD_DNS_SETUP_H

#include <unbound.h>

#include "base/err.h"
#include "conf/dns.h"

/* Errors as those of dns_create. */
int dns_setup(struct ub_ctx *ub, const struct dns_conf *conf, struct err *err);

#endif
