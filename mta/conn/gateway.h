/* The pod's own way in: a unix socket on which programs of the pod submit for users whom they know. */
#ifndef POD_MTA_GATEWAY_H
#define POD_MTA_GATEWAY_H

#include "base/err.h"
#include "conf/conf.h"

/* The socket that lib/submit connects to, bound and listening; the group's, for imapd. */
int smtp_gateway_listen(const struct conf *conf, int *ret_fd, struct err *err);
/* Whether the process at the other end is one of the pod's: imapd, the mta itself, root. Others are logged.
 */
bool smtp_gateway_may_enter(const struct conf *conf, int fd);

#endif
