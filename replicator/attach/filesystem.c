#include "replicator/attach/filesystem.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "replicator/attach/apart.h"
#include "replicator/attach/run_program.h"

/* A volume in use is looked at again after this long. */
#define BUSY_LOOK_MS 100
/* What has to be zero at the beginning of a blank volume. */
#define BLANK_SIZE (1u << 20)

#define MAKE_WORDS 12

struct filesystem_type {
	const char *name;
	const char *make[MAKE_WORDS];  /* the device's node follows */
	const char *data_rw, *data_ro; /* of mount(2) */
	const char *grow[3];           /* what follows: the node, or the folder */
	bool grow_by_dir;
};

/*
 * All is written when it is made: a mount that still zeroes tables in the background would keep the link to
 * the other site busy for as long. No discard of what is blank anyway, and no blocks kept for root, who
 * writes no mail.
 */
static const struct filesystem_type types[] = {
	{ .name = "ext4",
	  .make = { "mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0" },
	  .data_rw = "",
	  .data_ro = "noload",
	  .grow = { "resize2fs" } },
	{ .name = "xfs",
	  .make = { "mkfs.xfs", "-q", "-K" },
	  .data_rw = "",
	  .data_ro = "norecovery,nouuid",
	  .grow = { "xfs_growfs" },
	  .grow_by_dir = true },
};

const struct filesystem_type *filesystem_type_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

const char *filesystem_type_name(const struct filesystem_type *t)
{
	return t->name;
}

/* ---- what is on the device ------------------------------------------------------------------------ */

static void free_probep(blkid_probe *p)
{
	if (*p)
		blkid_free_probe(*p);
}

static int check_blank(const char *node, struct err *err)
{
	_cleanup_(closep) int fd = open(node, O_RDONLY | O_CLOEXEC);
	_cleanup_(freep) char *data = malloc(BLANK_SIZE);
	ssize_t n;

	if (!data)
		return err_set(err, POD_E_NOMEM, "no memory to look at %s", node);
	n = fd < 0 ? -1 : pread(fd, data, BLANK_SIZE, 0);
	if (n <= 0)
		return err_errno(err, n == 0 ? EIO : errno, "%s", node);
	if (data[0] != 0 || memcmp(data, data + 1, (size_t) n - 1) != 0)
		return err_set(err, POD_E_EXISTS, "%s is not blank, and what it holds is no file system",
		               node);
	return 0;
}

int filesystem_detect(const char *node, const struct filesystem_type **ret, struct err *err)
{
	_cleanup_(free_probep) blkid_probe probe = blkid_new_probe_from_filename(node);
	const struct filesystem_type *t;
	const char *name = NULL;
	int r;

	if (!probe)
		return err_errno(err, errno, "%s", node);
	(void) blkid_probe_enable_superblocks(probe, 1);
	(void) blkid_probe_enable_partitions(probe, 1);
	r = blkid_do_safeprobe(probe);
	if (r == -1)
		return err_errno(err, EIO, "%s", node);
	if (r == 1) { /* nothing */
		r = check_blank(node, err);
		if (r == 0)
			*ret = NULL;
		return r;
	}
	if (r != 0 || blkid_probe_lookup_value(probe, "TYPE", &name, NULL) < 0)
		return err_set(err, POD_E_EXISTS, "%s holds something that is not one file system", node);
	t = filesystem_type_by_name(name);
	if (!t)
		return err_set(err, POD_E_EXISTS, "%s holds \"%s\", not ext4 or xfs", node, name);
	*ret = t;
	return 0;
}

int filesystem_make(const struct filesystem_type *t, const char *node, struct err *err)
{
	const char *argv[MAKE_WORDS + 2] = { NULL };
	size_t n = 0;

	while (n < MAKE_WORDS && t->make[n]) {
		argv[n] = t->make[n];
		n++;
	}
	argv[n] = node;
	return run_program(argv, err);
}

/* ---- mounted -------------------------------------------------------------------------------------- */

struct mounting {
	const char *node, *dir, *type, *data;
	unsigned long flags;
};

static int mount_it(const void *arg)
{
	const struct mounting *m = arg;

	return mount(m->node, m->dir, m->type, m->flags, m->data) < 0 ? errno : 0;
}

int filesystem_mount(const struct filesystem_type *t, const char *node, const char *dir, bool read_only,
                     struct err *err)
{
	struct mounting m = {
		.node = node,
		.dir = dir,
		.type = t->name,
		.data = read_only ? t->data_ro : t->data_rw,
		.flags = MS_NOATIME | MS_NODEV | MS_NOSUID | MS_NOEXEC | (read_only ? MS_RDONLY : 0),
	};
	int e = run_apart(mount_it, &m);

	if (e != 0)
		return err_errno(err, e < 0 ? errno : e, "mount of %s (%s) at %s", node, t->name, dir);
	return 0;
}

int filesystem_grow(const struct filesystem_type *t, const char *node, const char *dir, struct err *err)
{
	const char *argv[] = { t->grow[0], t->grow_by_dir ? dir : node, NULL };

	return run_program(argv, err);
}

int filesystem_freeze(const char *dir, struct err *err)
{
	_cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, FIFREEZE, 0) < 0)
		return err_errno(err, errno, "freeze of %s", dir);
	return 0;
}

void filesystem_thaw(const char *dir)
{
	_cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Where it fails it was thawed by somebody else. */
	if (fd >= 0)
		(void) ioctl(fd, FITHAW, 0);
}

/* statx answers this from what the kernel has in memory. */
static int attributes(const char *dir, struct statx *ret)
{
	return statx(AT_FDCWD, dir, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, ret);
}

bool filesystem_is_mounted(const char *dir)
{
	struct statx x;

	/* The root of a dead ext4 can answer EIO. */
	if (attributes(dir, &x) < 0)
		return errno == EIO || errno == EUCLEAN;
	return (x.stx_attributes & STATX_ATTR_MOUNT_ROOT) && x.stx_dev_major != 0;
}

static int write_back(const void *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && syncfs(fd) == 0 ? 0 : errno;
}

static int unmount_it(const void *dir)
{
	return umount2(dir, UMOUNT_NOFOLLOW) < 0 ? errno : 0;
}

int filesystem_unmount(const char *dir, unsigned int limit_ms, struct err *err)
{
	uint64_t deadline = clock_mono_ms() + limit_ms;
	int e;

	while ((e = run_apart(unmount_it, dir)) != 0) {
		if (e != EBUSY)
			return err_errno(err, e < 0 ? errno : e, "umount of %s", dir);
		if (clock_mono_ms() >= deadline) {
			(void) run_apart(write_back, dir);
			(void) umount2(dir, MNT_DETACH | UMOUNT_NOFOLLOW);
			return err_set(err, POD_E_BUSY, "%s was still in use after %u ms", dir, limit_ms);
		}
		(void) poll(NULL, 0, BUSY_LOOK_MS);
	}
	return 0;
}
