/*
 * One file, in a file system that is mounted nowhere, whose bytes are an NBD export. Its root is a regular
 * file, so that there is no name to look up; whoever has the descriptor of the mount can open it, nobody else
 * sees it.
 *
 * One thread of its own serves it: it waits for the kernel's requests and for the server's answers. The other
 * calls come from one other thread.
 */
#ifndef POD_REPLICATOR_ATTACH_FUSE_FILE_H
#define POD_REPLICATOR_ATTACH_FUSE_FILE_H

#include <stdint.h>

#include "base/err.h"
#include "replicator/attach/attach.h"

struct fuse_file;
struct nbd_handle;

struct fuse_file_events {
	/* From the serving thread, once or more: requests are answered with errors, for want of a server. */
	void (*failed)(void *arg);
	void *arg;
};

/*
 * Takes nbd (as export_connect makes it) in every case. -POD_E_UNSUPPORTED: no FUSE on this machine.
 * *ret_fd is the file, open for direct I/O; it belongs to the caller, who must not keep it: a process that
 * dies with a file open that it serves itself waits for itself. The same holds for what is built on the file,
 * where its last close does I/O; that goes well if its descriptor is higher than fuse_file_device_fd(),
 * because a dying process closes its descriptors in that order.
 */
int fuse_file_open(const struct attach_options *o, struct nbd_handle *nbd, uint64_t size_bytes,
                   struct fuse_file_events events, struct fuse_file **ret, int *ret_fd, struct err *err);
int fuse_file_device_fd(const struct fuse_file *f);
void fuse_file_give_up_after(struct fuse_file *f, uint64_t limit_ms);
/* The export is larger: returns when the file is, too. -POD_E_TIMEOUT: not within limit_ms. */
int fuse_file_grow(struct fuse_file *f, uint64_t new_size, uint64_t limit_ms, struct err *err);
/*
 * Waits for limit_ms until the kernel has let go of the file, its users having closed it; then ends, and what
 * is still asked of the file fails.
 */
void fuse_file_close(struct fuse_file *f, uint64_t limit_ms);

#endif
