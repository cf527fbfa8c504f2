/* podfilter among a listener's milters: behind those of the configuration, unless filter.enabled is no. */
#ifndef POD_MTA_OWN_FILTER_H
#define POD_MTA_OWN_FILTER_H

#include "base/arena.h"
#include "conf/conf.h"

/* What it is called in logs and metrics. */
#define OWN_FILTER_NAME "podfilter"

/* The list with it, in a. -POD_E_NOMEM. */
int own_filter_add(struct arena *a, const struct conf *conf, const struct conf_records *milters,
                   struct conf_records *ret_all);

#endif
