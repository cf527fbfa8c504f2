/*
 * What a snapshot is, as its .json file says it: {"version": 1, "serial": .., "lsn": .., "epoch": ..,
 * "time_ms": .., "size_bytes": .., "held": false, "kind": "copies" or "reflink"}. Pure; allocates (jansson).
 */
#ifndef REPLICATOR_SNAPSHOT_SNAPSHOT_INFO_H
#define REPLICATOR_SNAPSHOT_SNAPSHOT_INFO_H

#include "base/span.h"
#include "replicator/snapshot/snapshot.h"

#define SNAPSHOT_JSON_MAX 1024u

/* serial: the order in which they were cut here, which LSNs do not give after a rewind. */
int snapshot_info_format(const struct snapshot_info *info, uint64_t serial, char text[SNAPSHOT_JSON_MAX],
                         struct err *err);
/* All but the name and copied_bytes. -POD_E_CORRUPT; -POD_E_VERSION: of a newer podmail. */
int snapshot_info_parse(struct span text, struct snapshot_info *ret_info, uint64_t *ret_serial,
                        struct err *err);

#endif
