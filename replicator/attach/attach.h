/*
 * How a host attaches a volume: the NBD export of the replica that runs on this host becomes a block device
 * with a mounted file system, for as long as this process lives.
 *
 * Two ways, chosen by what the machine has:
 *   kernel   the kernel's nbd client, configured over generic netlink with a dead-connection timeout
 *   fuse     a FUSE file served by this process through libnbd, and a loop device with direct I/O on it
 *
 * A server that goes away (a replicator that is restarted, however it ended) is a pause: requests wait, and
 * are sent again on the next connection. The file system above sees an error only when
 * attach_options.dead_timeout_ms ends the wait, or when the volume is detached without its server.
 *
 * The contract with the server, without which sending again would be wrong:
 *   - A write that it acknowledged is there for whoever reads from the next server process, flushed or not:
 * it lies in memory that outlives the process. (What the page cache does for a file, the stage does for a
 * replica.)
 *   - It executes nothing for a connection that has ended, once it accepts the next one; a request that was
 * sent twice has then been executed twice, in order, or once.
 *   - A refusal that is meant to last (no longer primary, say) is EPERM, EIO or ENOSPC and goes to the file
 * system; ESHUTDOWN, and a connection that ends, mean "wait for the next server".
 *
 * Threads: attach_start, attach_run and attach_stop belong to one thread, the process's main thread. A thread
 * of the device's own serves requests; it neither takes locks that the main thread holds nor waits for it,
 * because the main thread may be inside mount(2) or umount(2), which wait for the device.
 *
 * Memory: all is locked (mlockall), buffers are made at the start, and the process is marked
 * PR_SET_IO_FLUSHER, so that making memory free never waits for the volume that this process serves.
 */
#ifndef POD_REPLICATOR_ATTACH_ATTACH_H
#define POD_REPLICATOR_ATTACH_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum attach_method { ATTACH_AUTO, ATTACH_KERNEL, ATTACH_FUSE };

struct attach_options {
	const char *socket;      /* the NBD server's unix socket */
	const char *export_name; /* "vol01", or "vol01@snapshot" */
	const char *mount_dir;   /* NULL: a device only */
	const char *grown_file;  /* told how each growth went: see attach_run. NULL: nobody asks */
	const char *make_fs;     /* "ext4", "xfs": made where the volume is blank. NULL: it must have one. */
	enum attach_method method;
	bool read_only;             /* a snapshot: nothing is written, a journal is not replayed */
	uint64_t dead_timeout_ms;   /* without a server for this long, requests fail; 0: they wait for ever */
	uint64_t detach_timeout_ms; /* how long a detach waits for whoever holds it up */
};

struct attach;

/*
 * Connects, makes the device, and mounts it. What an earlier process left mounted there is unmounted first.
 * -POD_E_UNAVAILABLE, -POD_E_TIMEOUT: no server. -POD_E_NOTFOUND: it has no such export. -POD_E_UNSUPPORTED:
 * this machine has no way to attach. -POD_E_EXISTS: make_fs, and the volume holds something that is no file
 * system. -POD_E_CORRUPT: no file system that we know. *ret is owned by the caller and ended with
 * attach_stop.
 */
int attach_start(const struct attach_options *o, struct attach **ret, struct err *err);

/* "/dev/nbd0"; "kernel"; "ext4", or "" without a mount. Valid until attach_stop. */
const char *attach_device(const struct attach *a);
const char *attach_method_name(const struct attach *a);
const char *attach_fs_type(const struct attach *a);

/*
 * Waits until signal_fd (a signalfd) says SIGTERM or SIGINT: 0; or until the device has failed for good:
 * -POD_E_IO. SIGHUP: the export may have grown, so the device and the file system grow too; a failure of that
 * is logged, and changes nothing. How it went then stands in grown_file, written anew: the bytes that the device has and its
 * file system takes up, or "error " and the reason; a line.
 */
int attach_run(struct attach *a, int signal_fd, struct err *err);

/*
 * Unmounts and detaches, in bounded time: a file system that is in use, and a server that does not answer,
 * are given detach_timeout_ms each; then the mount is taken out of sight and the device fails. Frees a. 0:
 * all that was written has reached the server. -POD_E_BUSY, -POD_E_IO: that is not known.
 */
int attach_stop(struct attach *a, struct err *err);

#endif
