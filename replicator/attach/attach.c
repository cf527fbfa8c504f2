#include "replicator/attach/attach.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "replicator/attach/device.h"
#include "replicator/attach/filesystem.h"

/* Enough for one that an earlier process left behind: nobody is meant to use it. */
#define LEFTOVER_WAIT_MS 2000u

struct attach {
	const struct attach_options *options;
	struct device *device;
	const struct filesystem_type *type; /* NULL: not mounted */
};

/* ---- start ------------------------------------------------------------------------------------------- */

static void clear_leftover(const char *dir)
{
	struct err err = { 0 };
	int r;

	if (!filesystem_is_mounted(dir))
		return;
	r = filesystem_unmount(dir, LEFTOVER_WAIT_MS, &err);
	log_event(NULL, LOGL_NOTICE, "attach.leftover_unmounted", F_STR("dir", dir),
	          F_STR("how", r == 0 ? "cleanly" : err.text));
}

static int find_or_make(struct attach *a, const struct filesystem_type **ret, struct err *err)
{
	const struct attach_options *o = a->options;
	const struct filesystem_type *t = NULL;
	int r = filesystem_detect(a->device->node, &t, err);

	if (r == 0 && !t) {
		if (!o->make_fs || o->read_only)
			return err_set(err, POD_E_CORRUPT, "the volume has no file system");
		t = filesystem_type_by_name(o->make_fs);
		r = t ? filesystem_make(t, a->device->node, err)
		      : err_set(err, POD_E_UNSUPPORTED, "file system \"%s\": ext4 or xfs", o->make_fs);
	}
	if (r == 0)
		*ret = t;
	return r;
}

static int mount_it(struct attach *a, struct err *err)
{
	const struct attach_options *o = a->options;
	const struct filesystem_type *t = NULL;
	int r = find_or_make(a, &t, err);

	if (r == 0)
		r = filesystem_mount(t, a->device->node, o->mount_dir, o->read_only, err);
	if (r == 0)
		a->type = t;
	return r;
}

int attach_start(const struct attach_options *o, struct attach **ret, struct err *err)
{
	struct attach *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_set(err, POD_E_NOMEM, "no memory");
	a->options = o;
	if (o->mount_dir)
		clear_leftover(o->mount_dir);
	r = device_open(o, &a->device, err);
	if (r == 0 && o->mount_dir)
		r = mount_it(a, err);
	if (r < 0) {
		(void) attach_stop(a, NULL);
		return r;
	}
	*ret = a;
	return 0;
}

const char *attach_device(const struct attach *a)
{
	return a->device->node;
}

const char *attach_method_name(const struct attach *a)
{
	return a->device->method->name;
}

const char *attach_fs_type(const struct attach *a)
{
	return a->type ? filesystem_type_name(a->type) : "";
}

/* ---- run --------------------------------------------------------------------------------------------- */

/*
 * The device takes a new connection for its new size. What is in flight then may be sent twice while the
 * server lives, which is only right where nothing is written: so the file system is frozen.
 */
static int grow_device(struct attach *a, struct err *err)
{
	const char *dir = a->type && !a->options->read_only ? a->options->mount_dir : NULL;
	int r = dir ? filesystem_freeze(dir, err) : 0;

	if (r < 0)
		return r;
	r = device_grow(a->device, err);
	if (dir)
		filesystem_thaw(dir);
	return r;
}

/* Also where the device has its size already: an earlier process may have ended between the two. */
static int grow_both(struct attach *a, struct err *err)
{
	int r = grow_device(a, err);

	if (r < 0 || !a->type || a->options->read_only)
		return r;
	return filesystem_grow(a->type, a->device->node, a->options->mount_dir, err);
}

/* Whoever finds the file finds it whole. */
static void tell_grown(const struct attach *a, int r, const struct err *err)
{
	const char *path = a->options->grown_file;
	_cleanup_(freep) char *draft = NULL;
	FILE *f;

	if (!path || asprintf(&draft, "%s.new", path) < 0)
		return;
	f = fopen(draft, "we");
	if (!f)
		return;
	if (r < 0)
		(void) fprintf(f, "error %s\n", err_text(err));
	else
		(void) fprintf(f, "%llu\n", (unsigned long long) a->device->size_bytes);
	if (fclose(f) == 0)
		(void) rename(draft, path);
}

static void grow(struct attach *a)
{
	struct err err = { 0 };
	int r = grow_both(a, &err);

	if (r < 0)
		log_event(NULL, LOGL_ERROR, "attach.grow_failed", F_STR("device", a->device->node),
		          F_ERR(&err));
	else
		log_event(NULL, LOGL_NOTICE, "attach.grown", F_STR("device", a->device->node),
		          F_UINT("bytes", a->device->size_bytes));
	tell_grown(a, r, &err);
}

/* 1: to be ended; 0: go on. */
static int on_signal(struct attach *a, int signal_fd, struct err *err)
{
	struct signalfd_siginfo s;

	if (read(signal_fd, &s, sizeof(s)) != (ssize_t) sizeof(s))
		return err_errno(err, errno, "signalfd");
	if (s.ssi_signo != SIGHUP)
		return 1;
	grow(a);
	return 0;
}

int attach_run(struct attach *a, int signal_fd, struct err *err)
{
	struct pollfd fds[] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = a->device->failed_fd, .events = POLLIN },
	};
	int r = 0;

	while (r == 0) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
			if (errno != EINTR)
				return err_errno(err, errno, "poll");
			continue;
		}
		if (fds[1].revents)
			return err_set(err, POD_E_IO, "%s has failed", a->device->node);
		r = on_signal(a, signal_fd, err);
	}
	return r < 0 ? r : 0;
}

/* ---- stop --------------------------------------------------------------------------------------------- */

int attach_stop(struct attach *a, struct err *err)
{
	unsigned int limit_ms = (unsigned int) a->options->detach_timeout_ms;
	int r = 0;

	if (a->device && a->type) {
		/* umount(2) waits for the device, and so for as long as the device is patient. */
		a->device->method->give_up_after(a->device, limit_ms ? limit_ms : 1);
		r = filesystem_unmount(a->options->mount_dir, a->device->failed ? 0 : limit_ms, err);
	}
	if (a->device) {
		if (r == 0 && a->device->failed)
			r = err_set(err, POD_E_IO, "%s had failed before it was detached", a->device->node);
		a->device->method->close(a->device);
	}
	free(a);
	return r;
}
