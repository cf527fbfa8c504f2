#include "tests/support/full_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"

static int shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int shell(const char *fmt, ...)
{
	_cleanup_buf_ struct buf command = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&command, fmt, ap);
	va_end(ap);
	return system(buf_str(&command));
}

void full_disk_make(struct full_disk *d, unsigned int mib)
{
	*d = (struct full_disk){ .folder = "/var/tmp/podmail-full-XXXXXX" };
	if (geteuid() == 0 && mkdtemp(d->folder)) {
		(void) snprintf(d->mounted, sizeof(d->mounted), "%s/mounted", d->folder);
		d->is_mounted = shell("truncate -s %uM %s/image && mkdir %s && mkfs.ext4 -q -m 0 %s/image "
		                      "2>/dev/null && "
		                      "mount -o loop %s/image %s 2>/dev/null",
		                      mib, d->folder, d->mounted, d->folder, d->folder, d->mounted) == 0;
	}
	if (d->is_mounted)
		return;
	full_disk_remove(d);
	print_message("passed over: no root, or no loop device to mount\n");
	skip();
}

void full_disk_fill(const struct full_disk *d)
{
	(void) shell("dd if=/dev/zero of=%s/filler bs=1M status=none 2>/dev/null; sync %s", d->mounted, d->mounted);
}

void full_disk_unfill(const struct full_disk *d)
{
	(void) shell("rm %s/filler", d->mounted);
}

void full_disk_remove(struct full_disk *d)
{
	/* Nothing that was closed may hold it up. */
	if (d->is_mounted && shell("umount %s", d->mounted) != 0)
		fail_msg("%s can not be unmounted", d->mounted);
	if (*d->folder)
		(void) shell("rm -rf %s", d->folder);
	*d = (struct full_disk){ 0 };
}
