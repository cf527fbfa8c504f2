/* Whether this host can have replicated volumes. */
#ifndef PODCTL_PODD_REPLICATION_ABLE_H
#define PODCTL_PODD_REPLICATION_ABLE_H

#include "podctl/podd/podd.h"

/* 0; -POD_E_UNSUPPORTED, -POD_E_DENIED: not, err says why in words that fit behind "not replicated: ". */
int replication_able(const struct podd *p, struct err *err);

#endif
