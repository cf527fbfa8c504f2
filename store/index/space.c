#include "store/index/space.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/index/volume_internal.h"
#include "store/maildir/layout.h"

#define DATA_FILE LAYOUT_INDEX "/data.mdb"
#define ROOM_BYTES (8u << 20) /* allocated ahead */
#define ROOM_LEAST (4u << 20) /* allocated anew below this: the room that deletions have on a full disk */
#define MAP_LEAST (32u << 20) /* of the map's address space, the same for the limit of the index itself */

/* What a file system without fallocate answers: there the promise is only as good as the disk is empty. */
static bool cannot_allocate(int e)
{
	return e == EOPNOTSUPP || e == ENOSYS;
}

static bool allocate(struct volume *vol, uint64_t used)
{
	_cleanup_(closep) int fd = openat(vol->dir, DATA_FILE, O_WRONLY | O_CLOEXEC);
	uint64_t want = used + ROOM_BYTES;

	if (fd < 0)
		return false;
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t) want) < 0 && !cannot_allocate(errno))
		return false;
	vol->index_room = want;
	return true;
}

bool space_is_short(struct volume *vol)
{
	struct stat st;
	uint64_t used;

	if (fstatat(vol->dir, DATA_FILE, &st, 0) < 0)
		return true;
	used = (uint64_t) st.st_size + ahead_index_room(vol);
	if (vol->o.map_bytes && used + MAP_LEAST > vol->o.map_bytes)
		return true;
	return used + ROOM_LEAST > vol->index_room && !allocate(vol, used);
}
