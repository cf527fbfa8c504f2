/* The folders of a pod and whose they are; made at every start, so that a wiped run/ or a new option is no
 * trouble. */
#ifndef PODCTL_PODD_FOLDERS_H
#define PODCTL_PODD_FOLDERS_H

#include "base/err.h"
#include "conf/conf.h"

/* Makes what is missing, sets owners and modes. */
int folders_make(const struct conf *conf, struct err *err);
/* A private CA and a certificate where tls.cert is to be in DIR/tls and is not there yet. */
int certificate_make(const struct conf *conf, struct err *err);

#endif
