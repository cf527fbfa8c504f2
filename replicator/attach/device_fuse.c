/* Where the kernel has no nbd: a FUSE file (fuse_file.h), and a loop device with direct I/O on it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "replicator/attach/device.h"
#include "replicator/attach/export.h"
#include "replicator/attach/fuse_file.h"
#include "replicator/attach/loop.h"

#define GROW_WAIT_MS 10000u
/* The kernel lets go of a file a moment after the last close of the loop device. */
#define CLOSE_WAIT_MS 2000u

struct device_fuse {
	struct device base;
	struct fuse_file *file;
	int loop_fd;
};

static void on_failed(void *arg)
{
	device_set_failed((struct device *) arg);
}

static void fuse_close(struct device *d)
{
	struct device_fuse *df = (struct device_fuse *) d;

	closep(&df->loop_fd);
	if (df->file)
		fuse_file_close(df->file, d->failed ? 0 : CLOSE_WAIT_MS);
	device_done(d);
	free(df);
}

static int open_file(struct device_fuse *df, int *ret_fd, struct err *err)
{
	const struct attach_options *o = df->base.options;
	struct fuse_file_events events = { .failed = on_failed, .arg = df };
	struct nbd_handle *nbd = NULL;
	struct export_info info;
	int r = export_connect(o, DEVICE_CONNECT_MS, &nbd, &info, err);

	if (r < 0)
		return r;
	df->base.size_bytes = info.size_bytes;
	return fuse_file_open(o, nbd, info.size_bytes, events, &df->file, ret_fd, err);
}

/* The last close of a loop device writes what is cached of it: see fuse_file_open for why its descriptor is
 * high. */
static int open_loop(struct device_fuse *df, int file_fd, struct err *err)
{
	const struct attach_options *o = df->base.options;
	_cleanup_(closep) int fd = -1;
	char name[64];
	int r;

	(void) snprintf(name, sizeof(name), "podmail:%s", o->export_name);
	r = loop_attach(file_fd, name, EXPORT_BLOCK_SIZE, o->read_only, df->base.node, sizeof(df->base.node),
	                &fd, err);
	if (r < 0)
		return r;
	df->loop_fd = fcntl(fd, F_DUPFD_CLOEXEC, fuse_file_device_fd(df->file) + 1);
	return df->loop_fd < 0 ? err_errno(err, errno, "%s", df->base.node) : 0;
}

static int fuse_open(const struct attach_options *o, struct device **ret, struct err *err)
{
	struct device_fuse *df = calloc(1, sizeof(*df));
	_cleanup_(closep) int file_fd = -1;
	int r;

	if (!df)
		return err_set(err, POD_E_NOMEM, "no memory for a device");
	df->loop_fd = -1;
	r = device_init(&df->base, &device_method_fuse, o, err);
	if (r == 0)
		r = open_file(df, &file_fd, err);
	if (r == 0)
		r = open_loop(df, file_fd, err);
	if (r < 0) {
		closep(&file_fd); /* before the one who answers the close is gone */
		file_fd = -1;
		fuse_close(&df->base);
		return r;
	}
	*ret = &df->base;
	return 0;
}

static int fuse_grow(struct device *d, uint64_t new_size, struct err *err)
{
	struct device_fuse *df = (struct device_fuse *) d;
	int r = fuse_file_grow(df->file, new_size, GROW_WAIT_MS, err);

	return r < 0 ? r : loop_grow(df->loop_fd, err);
}

static void fuse_give_up_after(struct device *d, uint64_t limit_ms)
{
	fuse_file_give_up_after(((struct device_fuse *) d)->file, limit_ms);
}

const struct device_method device_method_fuse = {
	.name = "fuse",
	.open = fuse_open,
	.grow = fuse_grow,
	.give_up_after = fuse_give_up_after,
	.close = fuse_close,
};
