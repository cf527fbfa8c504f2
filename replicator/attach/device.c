#include "replicator/attach/device.h"

#include <errno.h>
#include <libnbd.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "replicator/attach/export.h"

/* In the order in which they are tried. */
static const struct {
	enum attach_method wanted;
	const struct device_method *method;
} methods[] = {
	{ ATTACH_KERNEL, &device_method_kernel },
	{ ATTACH_FUSE, &device_method_fuse },
};

int device_open(const struct attach_options *o, struct device **ret, struct err *err)
{
	int r = err_set(err, POD_E_UNSUPPORTED, "no way to attach a volume");

	for (size_t i = 0; i < ARRAY_SIZE(methods) && r == -POD_E_UNSUPPORTED; i++) {
		if (o->method != ATTACH_AUTO && o->method != methods[i].wanted)
			continue;
		r = methods[i].method->open(o, ret, err);
		if (r == -POD_E_UNSUPPORTED)
			log_event(NULL, LOGL_INFO, "attach.method_not_here",
			          F_STR("method", methods[i].method->name), F_ERR(err));
	}
	return r;
}

int device_grow(struct device *d, struct err *err)
{
	struct export_info info;
	struct nbd_handle *h = NULL;
	int r = export_connect(d->options, DEVICE_CONNECT_MS, &h, &info, err);

	if (r < 0)
		return r;
	nbd_close(h);
	if (info.size_bytes < d->size_bytes)
		return err_set(err, POD_E_CORRUPT, "the export shrank from %llu to %llu bytes",
		               (unsigned long long) d->size_bytes, (unsigned long long) info.size_bytes);
	if (info.size_bytes == d->size_bytes)
		return 0;
	r = d->method->grow(d, info.size_bytes, err);
	if (r < 0)
		return r;
	d->size_bytes = info.size_bytes;
	return 1;
}

int device_init(struct device *d, const struct device_method *m, const struct attach_options *o,
                struct err *err)
{
	*d = (struct device){ .method = m, .options = o };
	d->failed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return d->failed_fd < 0 ? err_errno(err, errno, "eventfd") : 0;
}

void device_done(struct device *d)
{
	closep(&d->failed_fd);
	d->failed_fd = -1;
}

void device_set_failed(struct device *d)
{
	uint64_t one = 1;
	ssize_t n;

	if (atomic_exchange(&d->failed, true))
		return;
	n = write(d->failed_fd, &one, sizeof(one)); /* cannot fail: it is the only one */
	(void) n;
}
