/*
 * The safety net: what asynchronous replication alone cannot give. A message that a volume with a standby behind it has
 * acknowledged is kept here too, until the standby has it. When a standby was promoted that may lack messages (the
 * volume's fencing token grew), what is kept is delivered again; the store knows a message by its GUID and takes it once.
 *
 * QUEUE_DIR/safety/VOLUME/<acknowledged, ms>.<token>.<size>.<GUID>: magic, length of the envelope, envelope (a packed
 * queue.Submission), message. Whoever keeps a message does not wait for its flush: it outlives every process at once. The
 * queue's process flushes what is new once a second (safetynet_flush), so that a loss of this host's power together with
 * that of the volume's primary site, at the same moment, costs at most what was kept in the second before.
 *
 * What a standby has is said by podd (safe_mark.h there): RUN_DIR/safe-VOLUME holds "<ms> <token>": all that was
 * acknowledged under that token before that moment of the wall clock is on the standbys' disks.
 *
 * Threads: none of its own; any process of the mta, on files alone. Names that are no file of ours are passed over.
 */
#ifndef POD_MTA_SAFETYNET_H
#define POD_MTA_SAFETYNET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"
#include "base/span.h"
#include "directory/directory.h"

/*
 * Which primary is about to be asked, and whether what it takes has to be kept. The net is wanted where a standby is behind
 * when the volume is asked, and where one is when it has answered: a standby may be struck while the answer waits for it,
 * and then it is the primary alone that has the message. podd enters a strike before the primary acknowledges without that
 * standby, so the directory says so in time.
 */
struct safetynet_watch {
	uint64_t token; /* the volume's, when it was asked; 0: not in the directory, nothing is kept */
	bool behind;    /* one was behind then */
};
/* Before a volume is given anything. Scratch comes from a. */
struct safetynet_watch safetynet_watch(struct directory *dir, struct arena *a, const char *volume);
/* When it has taken it: whether that is to be kept, under the token of the watch. */
bool safetynet_wants(const struct safetynet_watch *w, struct directory *dir, struct arena *a, const char *volume);

/* Makes a volume's folder where it is missing, and keeps a message of it: body from fd's start, or, fd being -1, bytes. */
struct safetynet_message {
	const char *volume;
	struct guid id;
	uint64_t token; /* the volume's, when it was asked: not newer than the primary that acknowledged */
	int64_t acked_ms; /* wall clock, when it answered */
	struct span envelope;
	int fd;
	struct span bytes;
	uint64_t size;
};

int safetynet_keep(const char *queue_dir, const struct safetynet_message *m, struct err *err);

/* ---- for the queue's process ---- */

struct safetynet_entry {
	int64_t acked_ms;
	uint64_t token, size;
	struct guid id;
};

struct safetynet_entries {
	struct safetynet_entry *items; /* the oldest first */
	size_t n;
	uint64_t bytes;
};

/* Names of the volumes that ever had something kept. Both: -POD_E_NOTFOUND where there is nothing, results in a. */
int safetynet_volumes(const char *queue_dir, struct arena *a, const char ***ret_names, size_t *ret_n, struct err *err);
/* At most `most`; what is left over is there the next time. */
int safetynet_list(const char *queue_dir, const char *volume, size_t most, struct arena *a,
                   struct safetynet_entries *ret, struct err *err);
/* Its envelope, in a, and a descriptor of the message alone. -POD_E_CORRUPT: it is no use to anybody. */
int safetynet_open(const char *queue_dir, const char *volume, const struct safetynet_entry *e, struct arena *a,
                   struct span *ret_envelope, int *ret_fd, struct err *err);
/* Makes all durable that was kept before the call; takes as long as the disk does. Nothing kept yet: 0. */
int safetynet_flush(const char *queue_dir, struct err *err);
/* Removes what somebody who died was writing: drafts that are older than so many seconds. */
void safetynet_clean(const char *queue_dir, const char *volume, int64_t older_s);
void safetynet_forget(const char *queue_dir, const char *volume, const struct safetynet_entry *e);

/* What podd says of a volume; false where it says nothing. */
struct safetynet_mark {
	int64_t safe_ms;
	uint64_t token;
};
bool safetynet_mark_read(const char *run_dir, const char *volume, struct safetynet_mark *ret_mark);

/* What is to be done about an entry. Pure. */
enum safetynet_fate { SAFETYNET_STAYS, SAFETYNET_GOES, SAFETYNET_AGAIN };
/* token: the volume's now. */
enum safetynet_fate safetynet_judge(const struct safetynet_entry *e, const struct safetynet_mark *mark, uint64_t token);

#endif
