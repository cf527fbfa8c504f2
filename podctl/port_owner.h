/* Who listens on a port of this machine, for an error message that helps. */
#ifndef PODCTL_PORT_OWNER_H
#define PODCTL_PORT_OWNER_H

#include <stddef.h>

#include "base/err.h"
#include "conf/conf.h"

/* -POD_E_BUSY where one of the pod's ports is taken, -POD_E_DENIED where it may not be opened; err says
 * which. */
int ports_check(const struct conf *conf, struct err *err);
/* "dovecot (pid 123)", or "" where it is not known: somebody else's process, and we are not root. */
void port_owner(unsigned int port, char *buf, size_t size);

#endif
