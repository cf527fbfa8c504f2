/* What the directory of a new pod begins with. */
#ifndef PODCTL_PODD_BOOTSTRAP_H
#define PODCTL_PODD_BOOTSTRAP_H

#include "conf/conf.h"
#include "directory/directory.h"

/* Enters the site, the pod and this host, as the configuration names them, where they are missing. */
int directory_bootstrap(struct directory *dir, const struct conf *conf, struct err *err);

#endif
