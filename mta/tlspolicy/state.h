/* What the mta remembers of other servers' TLS, in the folder outbound.dir: one environment for all its
 * processes. */
#ifndef POD_MTA_TLSPOLICY_STATE_H
#define POD_MTA_TLSPOLICY_STATE_H

#include "conf/conf.h"
#include "kv/kv.h"

/* Makes what is not there. After fork, once per process; for kv_close. */
int tls_state_open(const struct conf *conf, struct kv **ret_kv, struct err *err);

#endif
