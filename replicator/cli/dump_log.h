/*
 * Reading a replica's files without serving it: what its superblocks say, and the records of its log from the
 * tail on. Read-only and without locks: of a replica that is being served it shows what was on the disk at
 * that moment.
 */
#ifndef REPLICATOR_CLI_DUMP_LOG_H
#define REPLICATOR_CLI_DUMP_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "replicator/core/record.h"
#include "replicator/core/superblock.h"

struct dump_log {
	int fd;
	uint64_t ring_bytes, volume_size;
	uint64_t lsn; /* the next record stands here */
	uint32_t previous_crc;
	bool placed; /* the last record's payload is in the image, and not here */
	uint8_t payload[RECORD_PAYLOAD_MAX];
};

/* *ret_slot: which of the two it is. */
int dump_superblock(const char *folder, struct superblock *ret, int *ret_slot, struct err *err);
/* Opens the log of a replica whose superblock is s. */
int dump_log_open(const char *folder, const struct superblock *s, struct dump_log *l, struct err *err);
void dump_log_close(struct dump_log *l);
/* 0 and the next record, its payload in l->payload; -POD_E_NOTFOUND: the log ends here; -POD_E_CORRUPT,
 * -POD_E_IO. */
int dump_log_next(struct dump_log *l, struct record *ret, struct err *err);

#endif
