/*
 * A replica in a process of its own, which may die at any time: the parent orders, the child does. What both
 * have to know is in shared memory.
 */
#ifndef POD_TESTS_CUT_REPLICA_H
#define POD_TESTS_CUT_REPLICA_H

#include <sys/types.h>

#include "replicator/core/replication.h"
#include "replicator/core/step.h"
#include "replicator/snapshot/snapshot.h"
#include "tests/fault/cut_history.h"
#include "tests/fault/volatile_disk.h"

#define CUT_SNAPSHOTS 8u

enum cut_order {
	CUT_DUMP,    /* what it holds, into shared->found */
	CUT_SERVE,   /* replication begins */
	CUT_PEER,    /* the other one is its peer */
	CUT_PROMOTE, /* with shared->token */
	CUT_SAME,    /* waits until the peer has everything */
	CUT_LOAD,    /* writes and flushes from now on; answers at once */
	CUT_LIMIT
};

struct cut_side {
	/* It dies at the steps_left-th step of this kind; 0: it does not. */
	_Atomic long steps_left;
	enum disk_step last_step;
	bool died_at_step;
	uint64_t placed; /* long writes that went straight to its image */
	_Atomic uint16_t port;
	uint64_t found[CUT_BLOCKS];
	uint64_t durable_lsn;
	bool consistent; /* no resync into it is under way */
	struct snapshot_info snapshots[CUT_SNAPSHOTS];
	uint64_t hashes[CUT_SNAPSHOTS];
	size_t n_snapshots;
	char text[256]; /* why an order failed */
};

struct cut_shared {
	struct cut_history history;
	uint64_t serial; /* of the round's first change */
	uint64_t token, seed;
	enum peer_mode mode;
	/* What podd would have in the directory: the standby counts as in sync. */
	_Atomic bool in_sync;
	_Atomic uint64_t reported_lsn; /* durable there, as the primary said last */
	uint16_t relay_port;           /* where the primary dials */
	int primary;
	struct cut_side sides[2];
};

struct cut_replica {
	int number; /* 0 or 1 */
	char folder[96], stage[96];
	struct volatile_disk *disk;
	struct cut_shared *shared;
	pid_t pid;           /* 0: none */
	int orders, answers; /* pipes */
};

/* The link: a process that passes bytes on to a port, until it is killed. */
pid_t cut_relay_start(uint16_t to_port, uint16_t *ret_port);
void cut_relay_kill(pid_t pid);

/* Certificates for both, in a folder of the test. */
void cut_keys_make(const char *folder);
void cut_replica_make(struct cut_replica *r, int number, const char *folder, struct cut_shared *shared);
void cut_replica_end(struct cut_replica *r);

/* Starts the process, which opens the disk. 0, or why not in sides[].text. */
int cut_replica_start(struct cut_replica *r);
/* 0; -1: it failed, see text, or the process is dead. Waits a minute at most. */
int cut_replica_order(struct cut_replica *r, enum cut_order order);
bool cut_replica_is_dead(struct cut_replica *r); /* and is waited for */
void cut_replica_kill(struct cut_replica *r);    /* kill -9: memory and files stay */
/* The power goes: kills it, loses its stage and a part of what it had not flushed. */
size_t cut_replica_power_off(struct cut_replica *r, enum volatile_loss loss);

#endif
