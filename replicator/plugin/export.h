/*
 * What an NBD client has open: the volume, where this replica is primary, or one of its snapshots, read-only.
 * One for each connection, made when it opens; requests of a connection come on many threads at once.
 *
 * Offsets and lengths are multiples of RECORD_BLOCK within the size (nbdkit checks the range, its blocksize
 * filter makes blocks of what is smaller). Requests return 0, or -1 with nbdkit's error set and the reason in
 * the log.
 */
#ifndef REPLICATOR_PLUGIN_EXPORT_H
#define REPLICATOR_PLUGIN_EXPORT_H

#include <stdint.h>

#include "replicator/plugin/replica.h"
#include "replicator/snapshot/snapshot.h"

#define REQUEST_BYTES_MAX \
	(32u << 20) /* what portable clients send at most (NBD protocol, "Block size constraints") */

struct nbdkit_extents;

struct export
{
	const struct export_kind *kind;
	struct replica *replica;
	uint64_t size, term;
	char snapshot[SNAPSHOT_NAME_SIZE];
};

/* What one kind of export can do; what it cannot is NULL. */
struct export_kind {
	bool writable;
	int (*read)(struct export *e, void *bytes, size_t size, uint64_t offset, struct err *err);
	int (*write)(struct export *e, const void *bytes, size_t size, uint64_t offset, struct err *err);
	/* flags: of disk_zero. */
	int (*zero)(struct export *e, uint64_t length, uint64_t offset, unsigned int flags, struct err *err);
	int (*flush)(struct export *e, struct err *err);
	int (*extents)(struct export *e, uint64_t length, uint64_t offset, struct nbdkit_extents *ret,
	               struct err *err);
	void (*close)(struct export *e);
};

/*
 * name: "VOLUME", "VOLUME@SNAPSHOT", or "" for the volume. -POD_E_NOTFOUND: no such export; -POD_E_STALE:
 * this replica is not primary.
 */
int export_open(struct replica *r, const char *name, struct export **ret_e, struct err *err);
struct export *export_close(struct export *e);

/* The errno of the NBD protocol that a client is told for -POD_E_*. */
int export_errno(int code);

/* The kinds: each fills in what is its own. */
int export_volume_open(struct export *e, struct err *err);
int export_snapshot_open(struct export *e, struct err *err);

#endif
