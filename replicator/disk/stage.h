/*
 * The stage: the newest part of the log in a file on tmpfs, a ring of the log's own bytes. It outlives the
 * process, so a record is safe from a kill as soon as it is copied here and the head has moved behind it.
 *
 * The file is one header page, then the ring: byte LSN at 4096 + LSN % size. The ring is mapped twice in a
 * row, so that any run of bytes up to its size is one pointer. The header names the replica that it belongs
 * to and the stage_id that the superblock must have too; its head is written last for each record (a plain
 * atomic store: after the death of a process, not of the machine, memory is as the process left it).
 *
 * Threads: none of its own; the disk's lock guards head, and says which bytes may be read or written by whom.
 */
#ifndef REPLICATOR_DISK_STAGE_H
#define REPLICATOR_DISK_STAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define STAGE_BYTES_MIN (UINT64_C(8) << 20)
#define STAGE_BYTES_MAX (UINT64_C(4) << 30)

struct stage_header;

struct stage {
	int fd;
	struct stage_header *header;
	uint8_t *ring;
	uint64_t size, mask;
	bool locked; /* in memory */
};

struct stage_identity {
	const uint8_t *replica_id; /* 16 bytes */
	uint64_t stage_id;
};

/*
 * Opens the file for the replica, makes it where it is missing. *ret_whole: it is the one that the superblock
 * knows (id->stage_id, not 0), with its own size, whatever size_bytes says. Else it is empty with size_bytes,
 * and belongs to nobody until stage_begin. -POD_E_BUSY: in use; -POD_E_DENIED: it is another replica's.
 */
int stage_open(struct stage *s, const char *path, uint64_t size_bytes, const struct stage_identity *id,
               bool *ret_whole, struct err *err);
void stage_close(struct stage *s); /* of an empty struct with fd -1: fine */

/* From now on it is that replica's, and begins at head. */
void stage_begin(struct stage *s, const struct stage_identity *id, uint64_t head);
uint64_t stage_head(const struct stage *s);
void stage_set_head(struct stage *s, uint64_t head);

static inline uint8_t *stage_at(const struct stage *s, uint64_t lsn)
{
	return s->ring + (lsn & s->mask);
}

#endif
