#include "mta/queue/journal.h"

#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/err.h"

#define ROOM_FIRST (1u << 20)
#define ROOM_MOST  (32u << 20) /* a burst of some thousand messages */

struct reading {
	queue_journal_fn *fn;
	void *arg;
};

static int read_entries(void *arg, uint64_t segment, struct span entries, struct err *err)
{
	const struct reading *reading = arg;
	struct queue_journal_entry e;
	int r;

	while ((r = queue_journal_entry_next(&entries, &e)) == 1) {
		r = reading->fn(reading->arg, segment, &e, err);
		if (r)
			return r;
	}
	return r < 0 ? err_set(err, POD_E_CORRUPT, "the queue's journal has an entry that cannot be read")
	             : 0;
}

int queue_journal_open(const char *queue_dir, uint64_t settled, queue_journal_fn *fn, void *arg,
                       struct wal **ret_journal, struct err *err)
{
	_cleanup_(closep) int dir = open(queue_dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	const struct wal_options o = { .dir = dir,
		                       .folder = QUEUE_JOURNAL_FOLDER,
		                       .name = "the queue's journal",
		                       .files = WAL_FILES_MAX,
		                       .room_first = ROOM_FIRST,
		                       .room_most = ROOM_MOST };
	struct reading reading = { fn, arg };

	if (dir < 0)
		return err_errno(err, errno, "opening %s", queue_dir);
	return wal_open(&o, settled, read_entries, &reading, ret_journal, err);
}
