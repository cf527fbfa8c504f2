/*
 * Inside replicator/link: what its rooms share.
 *
 *   replication.c  life, peers, orders      role.c    promote, demote, fence      gate.c    writes and
 * flushes keeper.c       events, time             status.c primary side:   dial.c (a peer's thread)  decide.c
 * (how to start)  ship.c (the log)  resync.c  verify.c secondary side: listen.c  follow.c (a primary's
 * connection)  receive.c (log, chunks)  rewind.c; answer.c: flushes that read a peer's answers themselves
 *
 * Locks, in this order: peer.reading, replication.lock (roles, the core, peers' orders), a wire's lock (its
 * out buffer and what ship.c knows), the disk's own. Nothing waits for a disk or a socket under
 * replication.lock.
 */
#ifndef REPLICATOR_LINK_LINK_INTERNAL_H
#define REPLICATOR_LINK_LINK_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "replicator/core/generation.h"
#include "replicator/link/bell.h"
#include "replicator/link/link.h"
#include "replicator/link/wire.h"

#define CONNECT_MS     5000
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 2000
#define REFUSED_MS     2000   /* a peer that cannot follow is asked again so often */
#define ANSWER_MS      120000 /* a secondary may have much to apply before it answers a START */
#define RANGES_MAX     8
#define SESSIONS_MAX   4
#define LONE_FLUSHES   8 /* so many in a row after one write each: the next one is expected to be so, too */
#define ANSWER_AWAY_MS 100

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
	uint32_t next;                    /* block to be sent */
	uint8_t moving[RANGE_BLOCKS / 8]; /* verify: written since, not to be judged */
	uint64_t unconfirmed;             /* verify: bytes of repairs */
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
	atomic_ullong began_ms, compared_bytes, sent_bytes, differing_bytes;
	uint64_t dirty_at_start;
	uint64_t allowed_ms, allowed_bytes; /* rate: what may be compared since then */
};

/* Its thread's own. */
struct pace {
	uint64_t from_ms, from_lsn;     /* since then it has been busy, and had that; 0: it is not */
	uint64_t bytes_per_s;           /* as seen last; 0: never */
	uint64_t ahead_ms, hold_ms;     /* when it was left behind last, and for how long at least */
	uint64_t window_ms, window_lsn; /* how fast the log grows is judged since */
};

struct peer {
	struct replication *r;
	size_t place;
	bool used;                 /* replication.lock; the rest too, where nothing else is said */
	struct peer_config config; /* the name is fixed while its thread runs */
	struct net_addr addr;
	bool has_addr, paused, stop, reconnect;
	bool has_thread;
	pthread_t thread;
	struct bell wake, stop_waiting; /* there is something to do; leave what you wait for */
	atomic_bool waited_for;         /* flushes wait for it, so they ship themselves */
	atomic_ullong shipped;          /* ship.next while ship.on, else UINT64_MAX */
	struct wire *wire;
	struct ship ship;
	struct compare compare;
	atomic_ullong resync_sent_total;

	/* Orders of the core and of operators, for its thread. */
	bool go_ahead, start_resync, resync_all, verify, verify_repair, redial;
	bool verifying;
	/* For the keeper. */
	bool tell_strike, tell_join, tell_state, tell_done;
	uint64_t ask_serial;
	struct replication_event done; /* a resync or a verify */
	uint64_t durable_epoch;
	bool connected, in_session;
	uint64_t reconnects, resyncs; /* begun */
	unsigned int version;         /* of the protocol, that both speak; 0: not met yet */
	char last_error[REPLICATION_TEXT_SIZE];

	/* Its thread's own. */
	struct hello hello; /* the peer's, of this connection */
	struct pace pace;
	bool readable;       /* something may have come */
	bool may_lag;        /* what the disk was told last */
	uint64_t asked_seen; /* replication.asked_lsn, when it last looked */
	bool resyncing;      /* a resync into it has begun, and not ended */
	uint64_t needs_lsn;  /* what the disk was told last */
	uint64_t told_sent, told_staged, sent_seen, durable_lsn;
	uint64_t pinged_ms, kept_ms, not_before_ms;
	uint32_t backoff_ms;

	/*
	 * Who has this is its thread as far as its own and the socket are concerned: the thread while it
	 * serves, but for its waiting; meanwhile a flush may read (answer.c).
	 */
	pthread_mutex_t reading;
	bool serving; /* it may be read from */
	int failed;   /* what a flush has read was wrong: why is below, for the thread */
	struct err failure;
	atomic_bool away; /* its thread waits, and not for the socket */
};

/* ---- secondary side ---- */

/* A range of which chunks are to come, or a repair that was written. */
struct incoming {
	uint64_t offset, length;
	uint32_t missing; /* blocks; 0: written, to be flushed and confirmed */
	bool check;       /* of a verify */
};

struct session {
	struct replication *r;
	bool used, done, stop; /* replication.lock */
	pthread_t thread;
	int fd; /* accepted, until the wire has it */
	int stop_fd;
	struct wire *wire;
	/* Its thread's own. */
	struct hello hello;
	struct start start;
	bool started;             /* a RESTART may come */
	bool following;           /* the log may come */
	bool reply;               /* of the log that has just come, receipt is waited for */
	bool more;                /* more is to follow it at once */
	bool quiet;               /* nothing has come for a moment */
	bool just_heard;          /* something has come since it waited last */
	uint64_t consistent_from; /* 0: consistent */
	uint64_t told_received, told_durable, told_credit;
	struct incoming incoming[RANGES_MAX * 2];
	size_t n_incoming;
};

/* ---- all ---- */

struct replication {
	struct disk *disk;
	uint64_t log_bytes; /* of the disk's log */
	uint64_t ahead_bytes_max; /* writers go no further ahead of a peer that flushes wait for */
	char site[PEER_NAME_SIZE];
	struct replication_options o;
	struct tls_context *server, *client;
	int listen_fd;
	struct bell stop;
	uint16_t port;

	pthread_mutex_t lock;
	pthread_cond_t changed;  /* role, sessions, writers */
	pthread_cond_t released; /* acknowledged, or role: who paces himself, or hands over */
	struct bell keeper_wake;
	bool stopping, changing_role, handing_over;
	uint64_t keeper_until_ms;   /* so long it sleeps, unless its bell rings; 0: it is awake */
	uint64_t acknowledged_then; /* when we were last primary, at its end */
	atomic_uint term;           /* grows with each change of role */
	enum replica_role role;
	uint64_t token;
	struct repl core;
	uint64_t stepped_ms; /* its time */
	struct peer peers[PEERS_MAX];
	struct session sessions[SESSIONS_MAX];
	struct session *current; /* whose primary we follow */
	char primary[PEER_NAME_SIZE];
	/* A secondary's log has let go of so much that the primary may be sent credit: rung when the disk's
	 * tail is there. UINT64_MAX: nobody waits for it. */
	struct bell room;
	atomic_ullong room_at;
	bool tell_role, told_broken;
	char role_text[REPLICATION_TEXT_SIZE];
	pthread_t keeper, acceptor;
	bool has_keeper, has_acceptor;

	/* The gate (gate.c). */
	atomic_bool open, fenced;
	atomic_uint writers;
	atomic_ullong lease_ms;
	atomic_ullong waited_floor; /* durable at all that flushes wait for; UINT64_MAX: nobody */
	unsigned int pacing;        /* writers that wait for those, or in pace_writers */
	atomic_ullong lagging_at;   /* from this end of the log on writers wait a moment; UINT64_MAX: never */
	uint32_t lagging_wait_ms;   /* so long at most; under the lock */
	atomic_uint unflushed;      /* writes since the last flush */
	atomic_uint lone;           /* flushes in a row that came after one write each */
	atomic_uint flush_waiters;  /* flushes, and writers, that wait for what somebody else reads */
	atomic_ullong answers_read; /* flushes so far that read all they waited for themselves */

	/* What flushes wait for: a copy of what is said above, under a lock that nobody holds for long, because all of
	 * them wake at once. Taken after `lock`. */
	pthread_mutex_t flush_lock;
	pthread_cond_t flush_over;
	struct flush_state {
		uint64_t acknowledged;
		unsigned int term;
		bool ended; /* the disk broke, or we are being freed */
	} flushes;
	atomic_ullong asked_lsn;   /* the core knows that a flush waits for all before */
	atomic_ullong durable_lsn; /* and that this is durable here */
};

/* keeper.c */
void *keeper_main(void *arg);

/* replication.c: one event to the core; its actions are taken at once. Under the lock. */
void step(struct replication *r, const struct repl_event *e);
void step_lsn(struct replication *r, enum repl_event_type type, size_t peer, uint64_t lsn);
/* The same by who has just looked at the clock. */
void step_at(struct replication *r, uint64_t now_ms, enum repl_event_type type, size_t peer, uint64_t lsn);
/* Tells flushes how far they may be answered, where that is new. Under the lock. */
void flushes_tell(struct replication *r, bool ended);
/* The log is durable here up to lsn. Takes the lock where that is new. */
void note_local_durable(struct replication *r, uint64_t lsn);
void peer_wake(struct peer *p);
void peer_interrupt(struct peer *p);
/* Waits until no peer's thread has a connection: as secondary. */
void peers_leave(struct replication *r);
/* Remembers what went wrong, and the state that the core keeps. Takes the lock. */
void peer_trouble(struct peer *p, enum peer_state state, const struct err *err);

/* role.c */
/* Stops being primary at once, because token is newer. Takes the lock. */
void role_fence(struct replication *r, uint64_t token, const char *who);
/* Ends all connections of primaries to us and waits for it. Under the lock, which is let go meanwhile;
 * except: spared. */
void sessions_end(struct replication *r, const struct session *except);

/* The log is kept for the peer from now on, or marks are, where that was not so already. */
int keep_log_for(struct replication *r, const char *peer, struct err *err);

/* restore.c: sets the image back to the snapshot that was taken before the resync; *ret_branch: up to where
 * the history is one with the source's. */
int restore_before_resync(struct replication *r, uint64_t *ret_branch, struct err *err);

void resync_snapshot_drop(struct replication *r);
/* The LSN of the state that it holds; false: there is none. */
bool resync_snapshot_find(struct replication *r, uint64_t *ret_lsn);

/* hello.c */
void hello_make(struct replication *r, struct hello *ret);
int hello_put_error(struct wire *w, int code, const char *text); /* under the wire's lock */
int hello_take_error(const struct frame *f, struct err *err);    /* what it says; never 0 */

/* dial.c */
void *peer_main(void *arg);
bool peer_stopped(struct peer *p); /* or no more primary, or paused */
/* decide.c: hellos, then FOLLOW, RESYNC or REWIND; ends with the peer ready to be sent the log. */
int peer_greet(struct peer *p, struct err *err);
/* all: compares everything, whatever is marked. */
int peer_resync(struct peer *p, bool all, struct err *err);
int peer_on_frame(struct peer *p, const struct frame *f, struct err *err);
/* The disk may let go of the log before lsn. */
int peer_has(struct peer *p, uint64_t lsn, struct err *err);
/* answer.c */
/*
 * Reads what the one peer that flushes wait for has to say, in the place of its thread, until it has lsn: for
 * a moment only, and only where nobody else reads. began_ms: when the flush came. Whether all before lsn may
 * be answered now.
 */
bool answer_read(struct replication *r, uint64_t lsn, uint64_t began_ms);
/* Somebody is about to wait for what threads of peers read, and has ended that. */
void answer_expect(struct replication *r);
void answer_expect_end(struct replication *r);
/* The thread: whether it may leave the socket alone for a moment, ANSWER_AWAY_MS at most; and it is back. */
bool answer_may_leave(struct peer *p);
void answer_is_back(struct peer *p);
/* ship.c: under the wire's lock. */
int ship_log(struct peer *p, bool *ret_more, struct err *err); /* one turn; *ret_more: there may be more to send */
void ship_now(struct peer *p);                /* any thread; leaves to the peer's what it cannot do at once */
void ship_from(struct peer *p, uint64_t lsn); /* takes the wire's lock */
void ship_stop(struct peer *p);               /* so does this */
/* pace.c: how fast a peer takes what it is sent, and writers beside one that is slower than they are */
void pace_note(struct peer *p, bool busy); /* its thread, after it has sent; busy: there was more to send */
void pace_ahead(struct peer *p);           /* from here on the log grows without it */
/* Whether a resync would end before the log runs over, as things are. */
bool pace_can_finish(struct peer *p);
void pace_note_lagging(struct replication *r); /* under the lock */
void pace_writers(struct replication *r);      /* waits a moment where a peer is about to be left behind */
/* compare.c */
void compare_begin(struct peer *p, enum compare_kind kind, bool repair);
int compare_pump(struct peer *p, bool *ret_busy, struct err *err);
int compare_on_differs(struct peer *p, const struct frame *f, struct err *err);
int compare_on_durable(struct peer *p, const struct frame *f, struct err *err);
int compare_on_log_durable(struct peer *p, uint64_t lsn, struct err *err);
void compare_abort(struct peer *p, const char *why);

/* listen.c */
int listen_open(struct replication *r, struct err *err);
void listen_close(struct replication *r);
void *acceptor_main(void *arg);
/* follow.c */
void *session_main(void *arg);
bool session_stopped(struct session *s);
/* Queues an answer; waits for room. */
int session_put(struct session *s, enum frame_type type, uint8_t flags, const void *payload, size_t size,
                struct err *err);
int session_put_2u64(struct session *s, enum frame_type type, uint8_t flags, uint64_t a, uint64_t b,
                     struct err *err);
/* receive.c */
int receive_log(struct session *s, const struct frame *f, struct err *err);
int receive_resync_end(struct session *s, const struct frame *f, struct err *err);
/* What came is made durable and confirmed; idle: nothing more has come yet. */
int receive_settle(struct session *s, bool idle, struct err *err);
/* From which tail of the log on there is credit to be given that has not been; UINT64_MAX: none at all. */
uint64_t receive_room_at(const struct session *s);
/* Something has come of which the primary has not heard yet. */
bool receive_owes_report(const struct session *s);
/* receive_chunks.c */
int receive_hashes(struct session *s, const struct frame *f, struct err *err);
int receive_chunk(struct session *s, const struct frame *f, struct err *err);
int receive_confirm(struct session *s, bool idle, struct err *err);
/* rewind.c: START and RESTART */
int start_follow_here(struct session *s, struct err *err);
int start_resync_here(struct session *s, struct err *err);
int restart_here(struct session *s, const struct frame *f, struct err *err);

#endif
