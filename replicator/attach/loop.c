#include "replicator/attach/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"

/* Another process may take the free one that we were told of: then ask again. */
#define ATTEMPTS 64

static int open_free(int control, bool read_only, char *node, size_t node_size, int *ret_fd, struct err *err)
{
	int index = ioctl(control, LOOP_CTL_GET_FREE);
	int fd;

	if (index < 0)
		return err_errno(err, errno, "a free loop device");
	(void) snprintf(node, node_size, "/dev/loop%d", index);
	fd = open(node, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "%s", node);
	*ret_fd = fd;
	return 0;
}

static int check_direct(int fd, const char *node, struct err *err)
{
	struct loop_info64 info;

	if (ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
		return err_errno(err, errno, "%s", node);
	if (info.lo_flags & LO_FLAGS_DIRECT_IO)
		return 0;
	(void) ioctl(fd, LOOP_CLR_FD);
	return err_set(err, POD_E_UNSUPPORTED, "%s: no direct I/O on this file", node);
}

int loop_attach(int backing_fd, const char *name, unsigned int block_size, bool read_only, char *node,
                size_t node_size, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_config config = {
		.fd = (uint32_t) backing_fd,
		.block_size = block_size,
		.info.lo_flags =
			LO_FLAGS_DIRECT_IO | LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0),
	};

	if (control < 0)
		return err_set(err, POD_E_UNSUPPORTED, "/dev/loop-control: %s", strerror(errno));
	(void) snprintf((char *) config.info.lo_file_name, sizeof(config.info.lo_file_name), "%s", name);
	for (int i = 0; i < ATTEMPTS; i++) {
		_cleanup_(closep) int fd = -1;
		int r = open_free(control, read_only, node, node_size, &fd, err);

		if (r < 0)
			return r;
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
			r = check_direct(fd, node, err);
			if (r == 0)
				*ret_fd = take_fd(&fd);
			return r;
		}
		if (errno != EBUSY)
			return err_errno(err, errno, "LOOP_CONFIGURE of %s", node);
	}
	return err_set(err, POD_E_BUSY, "every free loop device was taken by others");
}

int loop_grow(int fd, struct err *err)
{
	return ioctl(fd, LOOP_SET_CAPACITY) < 0 ? err_errno(err, errno, "the loop device's new size") : 0;
}
