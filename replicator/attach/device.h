/*
 * A block device on an export. Each method (device_kernel.c, device_fuse.c) fills a struct device_method;
 * attach.c uses devices through this only.
 *
 * All calls come from the main thread. A device that has failed for good makes `failed` readable; its owner
 * then unmounts and closes.
 */
#ifndef POD_REPLICATOR_ATTACH_DEVICE_H
#define POD_REPLICATOR_ATTACH_DEVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "replicator/attach/attach.h"

struct device;

struct device_method {
	const char *name;
	/* -POD_E_UNSUPPORTED: not on this machine. */
	int (*open)(const struct attach_options *o, struct device **ret, struct err *err);
	/* The export is as large as new_size now: the device becomes so. No write is under way. */
	int (*grow)(struct device *d, uint64_t new_size, struct err *err);
	/* From now on a server that does not answer for limit_ms makes every request fail. Returns at once.
	 */
	void (*give_up_after)(struct device *d, uint64_t limit_ms);
	/* Ends the device and frees d. What still waits fails. */
	void (*close)(struct device *d);
};

struct device {
	const struct device_method *method;
	const struct attach_options *options;
	char node[32];       /* "/dev/loop3" */
	uint64_t size_bytes; /* the main thread's */
	_Atomic bool failed; /* requests were answered with errors because there was no server */
	int failed_fd;       /* eventfd, readable once that is so */
};

extern const struct device_method device_method_kernel, device_method_fuse;

/* By o->method; ATTACH_AUTO takes the first that this machine has. The options must outlive the device. */
int device_open(const struct attach_options *o, struct device **ret, struct err *err);
/* If the export has grown, the device grows: 1. 0: it has not. */
int device_grow(struct device *d, struct err *err);

/* For methods: the part that all have. _set_failed is thread-safe and may be called again. */
int device_init(struct device *d, const struct device_method *m, const struct attach_options *o,
                struct err *err);
void device_done(struct device *d);
void device_set_failed(struct device *d);

/* How long a connection attempt may take: short, because the thread that makes it does nothing else
 * meanwhile. */
#define DEVICE_CONNECT_MS 2000u
/* And how long to wait for the next after one that failed. */
#define DEVICE_RETRY_MS 50u

#endif
