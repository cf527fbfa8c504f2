/* What stored does to a volume that nobody serves: make it, rebuild its index, check it. Each returns an exit status. */
#ifndef POD_STORE_OFFLINE_H
#define POD_STORE_OFFLINE_H

#include "store/options.h"

int offline_create(const char *path, const char *name);
int offline_rebuild(const char *path, const struct store_options *o);
int offline_fsck(const char *path, const struct store_options *o);

#endif
