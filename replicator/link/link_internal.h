/*
 * Inside replicator/link: what its rooms share.
 *
 *   replication.c  life, peers, orders      role.c    promote, demote, fence      gate.c    writes and flushes
 *   keeper.c       events, time             status.c
 *   primary side:   dial.c (a peer's thread)  decide.c (how to start)  ship.c (the log)  resync.c  verify.c
 *   secondary side: listen.c  follow.c (a primary's connection)  receive.c (log, chunks)  rewind.c
 *
 * Locks, in this order: replication.lock (roles, the core, peers' orders), a wire's lock (its out buffer and what ship.c
 * knows), the disk's own. Nothing waits for a disk or a socket under replication.lock.
 */
#ifndef REPLICATOR_LINK_LINK_INTERNAL_H
#define REPLICATOR_LINK_LINK_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "replicator/core/generation.h"
#include "replicator/link/link.h"
#include "replicator/link/wire.h"

#define CONNECT_MS     5000
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 2000
#define REFUSED_MS     2000 /* a peer that cannot follow is asked again so often */
#define ANSWER_MS      120000 /* a secondary may have much to apply before it answers a START */
#define RANGES_MAX     8
#define SESSIONS_MAX   4

#define RESYNC_SNAPSHOT "resync-" /* and the LSN up to which its history is one with the primary's */
#define ORPHAN_SNAPSHOT "orphan-" /* and the LSN of its end */

/* ---- primary side ---- */

/* What may be sent of the log: under the wire's lock. */
struct ship {
	bool on, overrun;
	bool reply;      /* ask for receipts at once */
	uint64_t next;   /* LSN */
	uint64_t credit; /* up to here */
};

/* A part of the volume that is compared with the peer's: owner's thread only. */
enum range_state { RANGE_FREE, RANGE_ASKED, RANGE_SENDING, RANGE_SENT };
struct range {
	enum range_state state;
	uint64_t offset, length;
	uint8_t differs[RANGE_BLOCKS / 8];
	uint32_t next; /* block to be sent */
	uint64_t lsn;  /* verify: both were at this LSN */
};

enum compare_kind { COMPARE_NONE, COMPARE_RESYNC, COMPARE_VERIFY };

/* A resync or a verify under way: owner's thread, but for the atomics, which status reads. */
struct compare {
	enum compare_kind kind;
	bool repair;
	uint64_t offset; /* all before has been asked for */
	struct range ranges[RANGES_MAX];
	uint64_t end_lsn; /* resync: RESYNC_END said so; 0: not yet */
	uint64_t repaired_bytes, first_offset;
	uint64_t began_ms;
	atomic_ullong compared_bytes, sent_bytes, differing_bytes;
	uint64_t dirty_at_start;
	uint64_t allowed_ms, allowed_bytes; /* rate: what may be compared since then */
};

struct peer {
	struct replication *r;
	size_t place;
	bool used; /* replication.lock; the rest too, where nothing else is said */
	struct peer_config config; /* name and identity are fixed while its thread runs */
	struct net_addr addr;
	bool has_addr, paused, stop, reconnect;
	bool has_thread;
	pthread_t thread;
	int wake_fd; /* an eventfd */
	atomic_bool woken;
	atomic_bool waited_for; /* flushes wait for it, so they ship themselves */
	struct wire *wire;
	struct ship ship;
	struct compare compare;
	uint64_t resync_sent_total; /* atomic by lock */

	/* Orders of the core and of operators, for its thread. */
	bool go_ahead, start_resync, resync_all, verify, verify_repair;
	bool verifying;
	/* For the keeper. */
	bool tell_strike, tell_join, tell_state, tell_resync, tell_verify;
	uint64_t ask_serial;
	struct replication_event done; /* of tell_resync, tell_verify */
	bool connected;
	uint64_t reconnects;
	char last_error[REPLICATION_TEXT_SIZE];

	/* Its thread's own. */
	struct hello hello; /* the peer's, of this connection */
	bool override;      /* the operator's word: our history counts */
	uint64_t needs_lsn; /* what the disk was told last */
	uint64_t told_sent, told_staged;
	uint64_t pinged_ms, refused_until_ms;
	uint32_t backoff_ms;
};

/* ---- secondary side ---- */

struct incoming {
	uint64_t offset, length; /* a range with chunks to come, or 0 */
	uint32_t missing;        /* blocks */
	bool check;              /* a repair of a verify */
	bool written;            /* all there: to be flushed and confirmed */
};

struct session {
	struct replication *r;
	bool used, done; /* replication.lock */
	pthread_t thread;
	int fd; /* accepted, until the wire has it */
	int wake_fd;
	bool stop; /* replication.lock */
	struct wire *wire;
	/* Its thread's own. */
	struct hello hello;
	bool adopted, following, restarting;
	struct start start;
	uint64_t told_received, told_durable, told_credit;
	bool reply;
	struct incoming incoming[RANGES_MAX];
	size_t n_written;
};

/* ---- all ---- */

struct replication {
	struct disk *disk;
	char site[PEER_NAME_SIZE];
	struct replication_options o;
	struct tls_context *server, *client;
	int listen_fd, stop_fd;
	uint16_t port;
	uint64_t size_limit;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* acknowledged, role, sessions, events */
	pthread_cond_t keeper_wake;
	bool stopping, changing_role;
	enum replica_role role;
	uint64_t token;
	struct repl core;
	struct peer peers[PEERS_MAX];
	struct session sessions[SESSIONS_MAX];
	struct session *current; /* whose primary we follow */
	char primary[PEER_NAME_SIZE];
	bool tell_role, told_broken;
	char role_text[REPLICATION_TEXT_SIZE];
	pthread_t keeper, acceptor;
	bool has_keeper, has_acceptor;

	/* The gate (gate.c). */
	atomic_bool open;
	atomic_uint writers;
	atomic_uint shipping; /* flushes that are about to ship what they committed */
	atomic_ullong lease_ms;
};

/* keeper.c */
void *keeper_main(void *arg);

/* replication.c: one event to the core; its actions are taken at once. Under the lock. */
void step(struct replication *r, const struct repl_event *e);
void step_lsn(struct replication *r, enum repl_event_type type, size_t peer, uint64_t lsn);
void peer_wake(struct peer *p);
/* Remembers what went wrong, and the state that the core keeps. Takes the lock. */
void peer_trouble(struct peer *p, enum peer_state state, const struct err *err);

/* role.c */
/* Stops being primary at once, because token is newer. Takes the lock. */
void role_fence(struct replication *r, uint64_t token, const char *who);
/* Ends all connections of primaries to us and waits for it. Under the lock, which is let go meanwhile; except: spared. */
void sessions_end(struct replication *r, const struct session *except);

/* restore.c: sets the image back to the snapshot that was taken before the resync; *ret_branch: up to where the history
 * is one with the source's. */
int restore_before_resync(struct replication *r, uint64_t *ret_branch, struct err *err);
/* The resync snapshot, if there is one. */
bool resync_snapshot_find(struct replication *r, char name[PEER_NAME_SIZE], uint64_t *ret_branch);

/* hello.c */
void hello_make(struct replication *r, struct hello *ret);

/* dial.c */
void *peer_main(void *arg);
bool peer_stopped(struct peer *p); /* or no more primary, or paused */
/* decide.c: hellos, then FOLLOW, RESYNC or REWIND; ends with the peer ready to be sent the log. */
int peer_greet(struct peer *p, struct err *err);
int peer_start_resync(struct peer *p, struct err *err);
/* ship.c: under the wire's lock. */
int ship_log(struct peer *p, struct err *err);
void ship_now(struct peer *p); /* any thread; leaves to the peer's what it cannot do at once */
void ship_stop(struct peer *p); /* takes the wire's lock */
/* compare.c */
void compare_begin(struct peer *p, enum compare_kind kind, bool repair);
int compare_pump(struct peer *p, bool *ret_busy, struct err *err);
int compare_on_differs(struct peer *p, const struct frame *f, struct err *err);
int compare_on_durable(struct peer *p, const struct frame *f, struct err *err);
int compare_on_log_durable(struct peer *p, uint64_t lsn, struct err *err);
void compare_abort(struct peer *p, const char *why);

/* listen.c */
int listen_open(struct replication *r, struct err *err);
void *acceptor_main(void *arg);
/* follow.c */
void *session_main(void *arg);
bool session_stopped(struct session *s);
/* receive.c */
int receive_log(struct session *s, const struct frame *f, struct err *err);
int receive_hashes(struct session *s, const struct frame *f, struct err *err);
int receive_chunk(struct session *s, const struct frame *f, struct err *err);
int receive_resync_end(struct session *s, const struct frame *f, struct err *err);
int receive_settle(struct session *s, bool idle, struct err *err);
/* rewind.c */
int rewind_start(struct session *s, struct err *err);
int rewind_restart(struct session *s, const struct frame *f, struct err *err);
int follow_adopt(struct session *s, bool resync, struct err *err);

#endif
