/*
 * Replication of one volume, as seen by whoever serves it: which role this replica has, who its peers are,
 * what a flush waits for. Behind it: the stream between replicas (docs/replication-link.md), catching up,
 * resync and verify.
 *
 *   plugin ──▶ replication_write_begin, disk_write, replication_write_end    a write
 *
 *   plugin ──▶ replication_flush                                             a flush, or what follows a FUA
 *
 *   disk ──▶ on_progress ──▶ replication_wake                                bytes to ship
 *
 *   podd ──▶ control socket ──▶ promote, demote, peer_set, struck ...        orders and answers
 *
 *   on_event ──▶ control socket ──▶ podd                                     what happened, what is asked
 *
 * A replica begins as secondary whatever it was. A primary dials each of its peers, again and again with a
 * back-off; a secondary listens. Both ends show a certificate that the pod's CA signed, over TLS 1.3, whose
 * name is the one that is configured for them (peer_config.identity), and a primary is listened to only when
 * its fencing token is not older than the highest one that this replica has ever seen.
 *
 * Threads. Any thread may call anything but create and free; what blocks says so. Each peer has a thread of
 * its own, each connection of a primary to us has one, and a keeper delivers events and watches the time.
 * Nothing on the way of a write or a flush allocates.
 */
#ifndef REPLICATOR_LINK_LINK_H
#define REPLICATOR_LINK_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "replicator/core/replication.h"
#include "replicator/core/superblock.h"
#include "replicator/disk/disk.h"

struct replication;

#define REPLICATION_TEXT_SIZE     256
#define REPLICATION_ADDRESS_SIZE  128
#define REPLICATION_IDENTITY_SIZE 64
/* The certificate's name of a site where nothing else is said: this, then the site's name. */
#define REPLICATION_IDENTITY_PREFIX "podmail-replica-"

/* ---- events ---- */

enum replication_event_type {
	/* The peer does not answer: flushes wait until replication_struck(peer, serial). Repeated every 5 s,
	 * with the same serial, until then. */
	REPLICATION_STRIKE,
	/* The peer has everything, and flushes wait for it from now on: it may count as in sync as soon as
	 * the directory has it. Answered by replication_joined(peer, serial). Repeated likewise. */
	REPLICATION_JOIN,
	REPLICATION_PEER_STATE,  /* state; text: why, where it is not well */
	REPLICATION_ROLE,        /* role, token; text: "fenced by token 7" where nobody here ordered it */
	REPLICATION_RESYNC_DONE, /* bytes: what was compared, sent_bytes: what of it had to travel */
	REPLICATION_VERIFY_DONE, /* bytes, differing_bytes, repaired_bytes, first_offset; text where it was
	                            cut short */
	REPLICATION_BROKEN,      /* text: why nothing can be written here any more */
};

struct replication_event {
	enum replication_event_type type;
	char peer[PEER_NAME_SIZE]; /* "" where it is about us */
	uint64_t serial;
	enum peer_state state;
	enum replica_role role;
	uint64_t token;
	uint64_t bytes, sent_bytes, differing_bytes, repaired_bytes, first_offset;
	char text[REPLICATION_TEXT_SIZE];
};

/* On the keeper's thread, one at a time, no lock held: may call any function here but free, should not take
 * long. */
typedef void replication_event_fn(void *arg, const struct replication_event *e);

/* ---- life ---- */

struct replication_options {
	struct disk *disk; /* borrowed; its on_progress has to call replication_wake */
	const char *site;  /* our own name among the replicas */
	/* Our identity and the CA that signs all of them; NULL, all three: no peers, no listening. */
	const char *cert_file, *key_file, *ca_file;
	const char *listen; /* HOST:PORT (port 0: any, see replication_port), [V6]:PORT; NULL: nobody can
	                       reach us */
	replication_event_fn *on_event; /* may be NULL */
	void *arg;
	const struct log *log; /* may be NULL; else outlives it */
	/* Limits; 0: the default. A peer that lags more than either goes into ahead mode. */
	uint64_t lag_limit_bytes; /* half of the log */
	uint32_t lag_limit_ms;    /* 60 s */
	uint32_t dead_ms; /* a link on which nothing comes for so long is dead: 5 s; pings go at a third */
	uint64_t resync_bytes_per_s; /* resync and verify together: no limit */
	uint32_t flush_wait_max_ms;  /* a strike that nobody answers: the flush fails after it with
	                                UNAVAILABLE: 0, never */
};

/*
 * Reads keys and certificates, listens, starts threads. -POD_E_CONFIG: TLS files or address; -POD_E_BUSY: the
 * address is taken.
 */
int replication_create(const struct replication_options *o, struct replication **ret_r, struct err *err);
/* Ends all threads and connections; who waits in a flush fails with -POD_E_CANCELLED (end those threads
 * first). */
struct replication *replication_free(struct replication *r);
/* The port we listen on; 0: none. */
uint16_t replication_port(const struct replication *r);
/* The disk's cursors moved, or it has broken. Any thread, never waits. The caller sees to it that none is
 * under way when replication_free begins. */
void replication_wake(struct replication *r);

/* ---- peers ---- */

/* How what a peer is sent is made smaller, where it has that too; else by what both have. */
enum link_compress { LINK_COMPRESS_NONE, LINK_COMPRESS_LZ4, LINK_COMPRESS_ZSTD };

struct peer_config {
	char name[PEER_NAME_SIZE];                /* its site */
	char address[REPLICATION_ADDRESS_SIZE];   /* HOST:PORT; "": it is never dialled, may only dial us */
	char identity[REPLICATION_IDENTITY_SIZE]; /* its certificate's name; "": "podmail-replica-" and its
	                                             site */
	enum peer_mode mode;
	uint32_t wait_ms; /* how long a flush waits for it before it asks to strike it; 0: 5 s */
	bool in_sync;     /* the directory counts it as in sync */
	enum link_compress compress; /* for slow links: frames of 8 KiB on, where they shrink by an eighth */
};

/*
 * Adds a peer or changes one (a changed address or identity closes its connection). in_sync counts for a new
 * peer, and for a known one while we are secondary; on a primary membership changes by struck and joined
 * alone. -POD_E_LIMIT: PEERS_MAX; -POD_E_CONFIG: no TLS files, or the address is none; -POD_E_SYNTAX: the
 * name.
 */
int replication_peer_set(struct replication *r, const struct peer_config *c, struct err *err);
/* Forgets it and what it lacks (it starts over with a comparison of the whole volume). -POD_E_BUSY: we are
 * primary and it counts as in sync: strike it first, by making it async. Waits for its thread. */
int replication_peer_remove(struct replication *r, const char *peer, struct err *err);
/* The directory has it. A serial that is not the one asked for last is ignored: -POD_E_STALE. */
int replication_struck(struct replication *r, const char *peer, uint64_t serial, struct err *err);
int replication_joined(struct replication *r, const char *peer, uint64_t serial, struct err *err);
/* Sends it nothing until resume; one in sync is struck first, when a flush has waited for it. */
int replication_pause(struct replication *r, const char *peer, struct err *err);
int replication_resume(struct replication *r, const char *peer, struct err *err);
/* It is known to be there (again): connected to now, not when the wait after the last attempt is over. */
int replication_dial(struct replication *r, const char *peer, struct err *err);
/*
 * Compares the whole volume with the peer's and sends what differs; the peer keeps a snapshot of itself
 * meanwhile. Is also the operator's word for a split brain: our history counts, the peer keeps its own as an
 * orphan snapshot.
 */
int replication_resync(struct replication *r, const char *peer, struct err *err);
/*
 * Starts a comparison of the whole volume, at one LSN on both sides, block for block. The result is an event.
 * -POD_E_BUSY: one is under way, or the peer is not following.
 */
#define REPLICATION_VERIFY_REPAIR 1u /* overwrite the peer's differing blocks with ours */
int replication_verify(struct replication *r, const char *peer, unsigned int flags, struct err *err);

/* ---- roles ---- */

/*
 * Becomes primary under token, which has to be higher than any seen here; the same one again is fine where it
 * was ours. Begins a new generation. A partly received epoch is dropped, so the volume is as at the primary's
 * last flush that came here. Blocks (superblock writes; with force: the image is set back). -POD_E_STALE: the
 * token. -POD_E_UNAVAILABLE: a resync into this replica has not ended, so it is not a state that the primary
 * was ever in; with force it falls back to the snapshot that was taken before the resync (-POD_E_NOTFOUND: it
 * is gone). -POD_E_IO: broken.
 */
int replication_promote(struct replication *r, uint64_t token, bool force, struct err *err);
/*
 * Refuses writes, waits for those under way, commits, waits at most wait_ms until every connected peer that
 * counts as in sync has all of it durable, becomes secondary. -POD_E_STALE: token is older than ours (0: not
 * looked at). -POD_E_TIMEOUT: a peer lacks something: it is primary again.
 */
int replication_demote(struct replication *r, uint64_t token, uint32_t wait_ms, struct err *err);
/*
 * Under a lease: from deadline_ms (clock_mono_ms) on writes and flushes are refused, until a later one is
 * given; 0: no lease, no limit. Survives no promotion: a promoted replica has no limit until one is given.
 */
void replication_lease(struct replication *r, uint64_t deadline_ms);

/* ---- the gate of writes ---- */

/*
 * Around each change of the volume (write, zero, trim, snapshot, resize). -POD_E_STALE: not primary, or the
 * lease is over, err says which and since when; no end then. Costs two atomic operations.
 */
int replication_write_begin(struct replication *r, struct err *err);
/* -POD_E_STALE: we lost the right to write meanwhile: do not acknowledge. */
int replication_write_end(struct replication *r, struct err *err);
/*
 * Commits, makes durable here, waits for what the peers' modes ask for. What was written before is safe when
 * it returns 0. Blocks; sends what is to be sent itself. -POD_E_STALE as above; -POD_E_IO: the disk;
 * -POD_E_UNAVAILABLE: see flush_wait_max_ms; -POD_E_CANCELLED: we are being freed.
 */
int replication_flush(struct replication *r, struct err *err);

/* ---- status ---- */

struct replication_peer_status {
	char name[PEER_NAME_SIZE];
	char address[REPLICATION_ADDRESS_SIZE];
	enum peer_state state;
	enum peer_mode mode;
	bool in_sync, connected, paused;
	enum link_compress compress; /* as it is asked for */
	uint64_t sent_lsn, received_lsn, durable_lsn;
	uint64_t lag_bytes, lag_ms, lag_epochs; /* of what is durable there behind what is staged here */
	uint64_t dirty_bytes;                   /* marked: may be lacking */
	uint64_t resync_eta_ms;                 /* 0: none under way */
	uint64_t verified_bytes;                /* of the verify under way */
	bool verifying;
	uint64_t bytes_sent, bytes_received; /* payload and frames, since the start */
	uint64_t bytes_raw;                  /* what bytes_sent would be, had all gone as it is */
	uint64_t resync_bytes_sent;
	uint64_t reconnects;
	uint64_t link_version; /* of the protocol, with who was met last; 0: nobody */
	uint64_t resyncs; /* begun since the start; many: it is slower than what is written here */
	char last_error[REPLICATION_TEXT_SIZE]; /* "": none since it was last well */
};

struct replication_status {
	enum replica_role role;
	uint64_t token;
	uint64_t generation; /* the current one's id */
	uint64_t size_bytes;
	struct disk_cursors cursors;
	bool consistent; /* may be promoted without force */
	/* Where the state ends that it would begin with if it were promoted, with force where it takes that. 0: it has
	 * none, because it was never written to or is in the middle of its first resync. */
	uint64_t promotable_lsn;
	bool lease_over;
	char primary[PEER_NAME_SIZE]; /* whose stream comes here; "" */
	uint64_t primary_seen_ms;     /* how long ago it last said something */
	char broken[REPLICATION_TEXT_SIZE];
	size_t n_peers;
	struct replication_peer_status peers[PEERS_MAX];
};

void replication_status(struct replication *r, struct replication_status *ret);

#endif
