/* The index of a new or rebuilt volume. */
#ifndef POD_STORE_INDEX_VOLUME_CREATE_H
#define POD_STORE_INDEX_VOLUME_CREATE_H

#include "store/index/schema.h"

/* Opens an index in dir (made where missing) with all tables, and writes first counters. flags: KV_NOSYNC or 0. */
int index_create(const char *dir, unsigned int flags, const struct counters *first, struct kv **ret_kv,
                 struct tables *ret_tables, struct err *err);

#endif
