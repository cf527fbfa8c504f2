/*
 * The file system on a volume's device: what it is, made where there is none, mounted, grown, unmounted. ext4
 * and xfs. Calls wait for the device as long as it takes.
 */
#ifndef POD_REPLICATOR_ATTACH_FILESYSTEM_H
#define POD_REPLICATOR_ATTACH_FILESYSTEM_H

#include <stdbool.h>

#include "base/err.h"

struct filesystem_type;

/* By name, for options; NULL: none that we know. */
const struct filesystem_type *filesystem_type_by_name(const char *name);
const char *filesystem_type_name(const struct filesystem_type *t);

/*
 * *ret is NULL where the device is blank: no signature of anything, and nothing but zeroes at its beginning.
 * -POD_E_EXISTS: it is not blank, and holds nothing that we mount; the text says what.
 */
int filesystem_detect(const char *node, const struct filesystem_type **ret, struct err *err);
int filesystem_make(const struct filesystem_type *t, const char *node, struct err *err);
/* read_only: the journal is not replayed, nothing is written, and a second one with the same identity may be
 * mounted. */
int filesystem_mount(const struct filesystem_type *t, const char *node, const char *dir, bool read_only,
                     struct err *err);
/* The device has grown. */
int filesystem_grow(const struct filesystem_type *t, const char *node, const char *dir, struct err *err);

/* Nothing is written until the thaw; what was written has reached the device. -POD_E_UNSUPPORTED: not here.
 */
int filesystem_freeze(const char *dir, struct err *err);
void filesystem_thaw(const char *dir);

/*
 * Something that we mounted on dir, or not: dir is the root of a mount of a block device. Its device may be
 * dead: nothing here asks the file system itself.
 */
bool filesystem_is_mounted(const char *dir);
/*
 * Unmounts; one that is in use is waited for. After limit_ms it is taken out of sight with its users in it,
 * and -POD_E_BUSY says so.
 */
int filesystem_unmount(const char *dir, unsigned int limit_ms, struct err *err);

#endif
