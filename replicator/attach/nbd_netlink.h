/*
 * The kernel's nbd client, configured over generic netlink (linux/nbd-netlink.h). A device that was connected
 * this way outlives its socket: without one it waits, for at most the dead-connection timeout, and a
 * reconfiguration gives it the next. Needs CAP_SYS_ADMIN. One thread at a time.
 */
#ifndef POD_REPLICATOR_ATTACH_NBD_NETLINK_H
#define POD_REPLICATOR_ATTACH_NBD_NETLINK_H

#include <stdint.h>

#include "base/err.h"
#include "replicator/attach/export.h"

struct nbd_netlink;

/* -POD_E_UNSUPPORTED: this kernel has no nbd (its module was asked for), or not in this network namespace. */
int nbd_netlink_open(struct nbd_netlink **ret, struct err *err);
struct nbd_netlink *nbd_netlink_free(struct nbd_netlink *nl);

/*
 * Connects a free device to the export that `socket` has been negotiated for; the kernel holds the socket
 * from now on, the caller keeps his descriptor. The device ends when its last user closes it. *ret_index: 3
 * for /dev/nbd3.
 */
int nbd_netlink_connect(struct nbd_netlink *nl, int socket, const struct export_info *info,
                        uint64_t dead_timeout_s, uint32_t *ret_index, struct err *err);
/* Gives a device whose socket is dead the next. -POD_E_NOSPACE: the kernel has not seen yet that it is dead.
 */
int nbd_netlink_reconnect(struct nbd_netlink *nl, uint32_t index, int socket, const struct export_info *info,
                          uint64_t dead_timeout_s, struct err *err);
/* Ends the device at once; what waits fails. */
int nbd_netlink_disconnect(struct nbd_netlink *nl, uint32_t index, struct err *err);

#endif
