/*
 * What a replica must know of itself when it starts: one 4 KiB block kept twice, with a sequence number and a
 * checksum, written to the two places in turn, so that a torn write costs the newest state only. Pure: bytes
 * in and out.
 *
 * Little-endian:
 *   0 "PLSUPER1"   8 u32 version   12 u32 zero   16 u64 sequence   24 volume_id (16)   40 replica_id (16)
 *   56 u64 stage_id   64 u64 size_bytes   72 u64 log_bytes   80 u32 role   84 u32 flags (1: resync_under_way)
 *   88 u64 token   96 u64 tail_lsn   104 u64 tail_epoch   112 u32 tail_previous_crc   116 u32 zero
 *   120 u64 consistent_from_lsn   128 generations: 16 of { u64 id, u64 end }
 *   384 peers: 4 of { name (64, padded with NULs), u64 needs_lsn, u64 base_lsn, u32 flags (1: in_bitmap), u32 zero }
 *   736 u64 log_first_lsn   744 u64 group_from_lsn   752 u64 group_to_lsn
 *   760 u64 own_token   768 u64 torn_to_lsn   776 u64 number of torn
 *   784 torn: 64 of { u64 offset, u64 length }   1808 zeros   4088 u64 XXH3-64 of bytes 0..4087
 * Magic and checksum stay where they are in later versions.
 */
#ifndef REPLICATOR_CORE_SUPERBLOCK_H
#define REPLICATOR_CORE_SUPERBLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SUPERBLOCK_SIZE    4096u
#define SUPERBLOCK_VERSION 2u /* 1 had no torn, and no aligned records in the log */
#define TORN_MAX           64
#define GENERATIONS_MAX    16
#define LOG_BYTES_MIN      (UINT64_C(16) << 20)
#define LOG_BYTES_MAX      (UINT64_C(1) << 40)
#define LOG_BYTES_UNIT     (UINT64_C(1) << 20)
#define PEERS_MAX          4
#define PEER_NAME_SIZE     64
#define BASE_NONE          UINT64_MAX

enum replica_role { ROLE_SECONDARY, ROLE_PRIMARY };

/*
 * A generation is a time during which one history was written: it begins when a replica becomes primary after
 * another was, or when one starts and cannot be sure that its log has all that a peer may have been sent. The
 * list says where each earlier one ended: the LSN up to which its history is part of ours.
 */
#define GENERATION_RECOVERED (UINT64_C(1) << 63)
struct generation {
	/* Random, never 0. With GENERATION_RECOVERED it was begun by recovery and not by a promotion: what a crash had left
	 * in the image became a part of the history (disk/place.c), and nobody was told that it was written. */
	uint64_t id;
	uint64_t end; /* LSN up to which it counts; of the current one: 0 */
};

/* What is remembered of each other replica. */
struct peer_record {
	char name[PEER_NAME_SIZE]; /* its site: "" for an unused place */
	uint64_t needs_lsn;        /* the log is kept from here on for it; 0: it is served from its bitmap */
	bool in_bitmap;            /* its bitmap counts */
	/* in_bitmap: it lacks nothing but what is marked, the log from needs_lsn on (where that is not 0), and what it
	 * lacked at base_lsn: the marks begin there. 0: everything was marked. BASE_NONE: chunks that went over were
	 * cleared, so the marks count only for a peer that is in the middle of a resync from us. */
	uint64_t base_lsn;
};

/* A run of the image that is overwritten with what is not committed yet. */
struct torn {
	uint64_t offset, length;
};

struct superblock {
	uint64_t sequence;
	uint8_t volume_id[16];
	uint8_t replica_id[16]; /* of this folder, random: its stage is not taken for another replica's */
	uint64_t stage_id; /* of the stage in use, random; 0: closed in order, the log has all there is */
	uint64_t size_bytes, log_bytes;
	enum replica_role role;
	uint64_t token;                                 /* highest fencing token seen */
	uint64_t own_token; /* the last one under which it was primary itself; 0: never */
	struct generation generations[GENERATIONS_MAX]; /* the current one first */
	/* Where recovery starts: everything before is in the image, on stable storage. */
	uint64_t tail_lsn, tail_epoch;
	uint32_t tail_previous_crc;
	uint64_t log_first_lsn; /* the log reaches back to here, for peers: at most tail_lsn */
	/* Epochs in here were written to the log with one flush for all: a crash may leave a later one whole and an
	 * earlier one not. Outside of it that is damage. Both 0: none. */
	uint64_t group_from_lsn, group_to_lsn;
	/* Not a state that the primary ever had until the log is applied up to here: a resync is under way.
	 * 0: consistent. */
	uint64_t consistent_from_lsn;
	bool resync_under_way; /* consistent_from_lsn is not known yet */
	/* Where the log's last commit is before this LSN, no record says what the image holds in these runs. On a primary
	 * that becomes an epoch of its own before anything else does. */
	uint64_t torn_to_lsn;
	struct torn torn[TORN_MAX];
	size_t n_torn;
	struct peer_record peers[PEERS_MAX];
};

void superblock_encode(const struct superblock *s, uint8_t block[SUPERBLOCK_SIZE]);
/* 0; -POD_E_CORRUPT; -POD_E_VERSION: of a newer podmail, whose format is named in err. */
int superblock_decode(const uint8_t block[SUPERBLOCK_SIZE], struct superblock *ret, struct err *err);
/*
 * The newer of the two that is whole; *ret_slot: which. -POD_E_CORRUPT: neither is. -POD_E_VERSION: one is of
 * a newer podmail; the other is older than it and must not be used.
 */
int superblock_choose(const uint8_t *slot0, const uint8_t *slot1, struct superblock *ret, int *ret_slot,
                      struct err *err);

#endif
