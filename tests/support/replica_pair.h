/*
 * Two replicas of a volume in one process, each with its disk in a temporary folder, and between them TLS
 * over loopback through a relay that can cut, hold and spoil what passes. Certificates are made once for all
 * tests.
 */
#ifndef POD_TESTS_REPLICA_PAIR_H
#define POD_TESTS_REPLICA_PAIR_H

#include <pthread.h>
#include <stdatomic.h>

#include "replicator/link/link.h"

#define PAIR_VOLUME (UINT64_C(16) << 20)

struct replica {
	int number; /* 1 or 2; its site is "site1" or "site2" */
	char folder[80], stage[80], site[16];
	struct disk *disk;
	struct replication *r;
	pthread_mutex_t progress_lock;
	struct replication *for_progress; /* under it: the disk's threads call */
	uint16_t port;
	/* Events, counted; the last of each kind, under lock. */
	pthread_mutex_t lock;
	unsigned int events[REPLICATION_BROKEN + 1];
	struct replication_event last[REPLICATION_BROKEN + 1];
	atomic_bool answers; /* strikes and joins are answered at once, as podd would */
	atomic_uint log_flushes; /* of its disk, since it was made */
};

/* What the relay does with the next bytes from the primary. */
enum relay_mode { RELAY_PASS, RELAY_HOLD, RELAY_CUT, RELAY_SPOIL };

struct relay {
	int fd, stop_fd;
	uint16_t port;
	atomic_uint to_port;
	atomic_int mode;
	atomic_ullong cut_after; /* bytes to pass before the connection is cut; UINT64_MAX: not */
	atomic_uint connections, spoiled;
	atomic_uint bytes_per_ms; /* from the primary to the secondary; 0: as fast as it goes */
	atomic_ullong forth;      /* bytes from the primary to the secondary */
	pthread_t thread;
};

struct pair {
	struct replica a, b; /* a dials through the relay, b (when it is primary) directly */
	struct relay relay;
	uint64_t seed;
	uint32_t dead_ms;
	uint64_t lag_limit_bytes, resync_bytes_per_s; /* of replicas that are started from then on */
	uint32_t flush_wait_max_ms;
	enum link_compress compress;
};

int pair_keys_make(void **state); /* cmocka group set-up and tear-down: the certificates */
int pair_keys_remove(void **state);

/* *state is a pair: both disks new, a is primary under token 1, b its peer (async, not in sync), no relay
 * mode. */
int pair_setup(void **state);
int pair_teardown(void **state);

void replica_start(struct pair *p, struct replica *x);
void replica_stop(struct replica *x);
/* Makes the other one x's peer. */
void replica_peer(struct pair *p, struct replica *x, enum peer_mode mode, uint32_t wait_ms, bool in_sync);
unsigned int replica_events(struct replica *x, enum replication_event_type type);
struct replication_event replica_last(struct replica *x, enum replication_event_type type);
struct replication_peer_status replica_peer_status(struct replica *x);

uint64_t pair_below(struct pair *p, uint64_t limit);
/* So many random writes of 4 to 64 KiB on x, a flush now and then. */
void pair_write(struct pair *p, struct replica *x, int n);
void pair_write_at(struct replica *x, uint64_t offset, uint8_t fill, size_t size);
void pair_flush(struct replica *x);
/* Fails the test where the volumes are not the same, block for block. */
void pair_same(struct pair *p);
bool pair_is_same(struct pair *p);
/* Flips a bit of the image of x at that offset, behind its back. */
void replica_flip(struct replica *x, uint64_t offset);

/* Polls until cond holds; fails the test after 60 s. */
#define PAIR_UNTIL(cond)                                                  \
	do {                                                              \
		uint64_t pair_limit = clock_mono_ms() + 60000;            \
		while (!(cond)) {                                         \
			if (clock_mono_ms() > pair_limit)                 \
				fail_msg("waited in vain for %s", #cond); \
			(void) usleep(1000);                              \
		}                                                         \
	} while (0)

#endif
