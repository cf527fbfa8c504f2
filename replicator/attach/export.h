/* The NBD server's end: a connection with a negotiated export, ready for requests. libnbd does the protocol.
 */
#ifndef POD_REPLICATOR_ATTACH_EXPORT_H
#define POD_REPLICATOR_ATTACH_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "replicator/attach/attach.h"

struct nbd_handle;

struct export_info {
	uint64_t size_bytes;
	bool read_only, can_flush, can_fua, can_trim, can_zero, rotational, multi_conn;
};

/* The unit of everything that is sent: what file systems and the replicator work in. */
#define EXPORT_BLOCK_SIZE 4096u
/* The largest read or write that every server has to take. */
#define EXPORT_REQUEST_MAX (128u << 10)

/*
 * Connects within limit_ms. *ret belongs to the caller, nbd_close ends it. Errors as attach_start says, and
 * -POD_E_UNSUPPORTED for an export that cannot be used in units of EXPORT_BLOCK_SIZE, -POD_E_DENIED for one
 * that cannot be written although o->read_only is not set.
 */
int export_connect(const struct attach_options *o, unsigned int limit_ms, struct nbd_handle **ret,
                   struct export_info *ret_info, struct err *err);

#endif
