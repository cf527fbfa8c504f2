/* The TCP ports that replicas of this host listen on. */
#ifndef PODCTL_PODD_REPLICA_PORTS_H
#define PODCTL_PODD_REPLICA_PORTS_H

#include "podctl/podd/podd.h"

/*
 * The first n ports from replication.first_port on that no replica in the directory has and nobody listens on
 * now. -POD_E_LIMIT: there are not so many.
 */
int replica_ports_find(const struct podd *p, size_t n, unsigned int *ret_ports, struct err *err);

#endif
