/*
 * What a primary owes its peers and they to it: which flush may be acknowledged, who is to be struck from the
 * list of those in sync or may join it, when a peer lags too far to be sent the log. Pure: events in, actions
 * out, time is an argument; no I/O, no memory of its own, no threads (its owner holds a lock).
 *
 * A peer is either waited for or not. Waited for are those that the directory counts as in sync, those about
 * to be (from before they are asked to join, so that nothing is acknowledged in between that they lack), and
 * those that are to be struck (until the directory has it).
 *
 *              close behind          has all that was ever acknowledged          joined
 *        OUT ─────────────▶ CATCHING ─────────────▶ JOINING (asked) ─────────────────▶ IN
 *         ▲                    │                        │                              │
 *         │◀── down, too slow ─┘                        └────────── too slow ──────────┤
 *         └───────────────────────── struck ──────────────────── STRIKING (asked) ◀────┘
 */
#ifndef REPLICATOR_CORE_REPLICATION_H
#define REPLICATOR_CORE_REPLICATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replicator/core/superblock.h"

enum peer_mode { PEER_ASYNC, PEER_SEMI_SYNC, PEER_SYNC };

enum peer_state {
	PEER_DOWN,        /* no connection */
	PEER_FOLLOWING,   /* is sent the log */
	PEER_AHEAD,       /* is not: it lags too far, what it lacks is marked */
	PEER_RESYNC,      /* is sent what was marked, and the log beside it */
	PEER_PAUSED,      /* by order */
	PEER_SPLIT_BRAIN, /* both have written: waits for an order */
	PEER_REFUSED,     /* of another volume, another version, or it knows a newer primary */
};

enum peer_membership { PEER_OUT, PEER_CATCHING, PEER_JOINING, PEER_IN, PEER_STRIKING };

struct repl_peer_config {
	enum peer_mode mode;
	uint32_t wait_ms;
	bool in_sync; /* counts when the peer is new, or we are not primary */
};

struct repl_limits {
	uint64_t lag_bytes;
	uint32_t lag_ms;
	uint32_t ahead_min_ms; /* ahead mode lasts at least so long: a resync has its price */
	uint32_t repeat_ms;    /* a question that nobody answers is asked again */
};

/* When flushes were asked for: the end of the log then. Newer ones finely, older ones coarsely. */
#define REPL_MARKS 256
struct repl_mark {
	uint64_t lsn, time_ms; /* time of the first flush in it, LSN of the last */
};

struct repl_peer {
	bool used;
	struct repl_peer_config config;
	enum peer_state state;
	enum peer_membership membership;
	uint64_t sent, received;     /* LSNs */
	uint64_t accepted, durable;  /* ends of epochs that are whole there, and on its disk */
	uint64_t credit;             /* may be sent up to here */
	uint64_t serial;             /* of the question asked last */
	uint64_t asked_ms, since_ms; /* when it was asked; when the state began */
	uint64_t confirmed; /* acknowledged with it: what a member must still have when it comes back */
	bool unfit;         /* it came back without: it has to be struck */
	bool resync_asked;
	uint64_t resync_at_ms; /* not before */
	bool settling;         /* comes from far behind: the limits count once it has been within them */
};

struct repl {
	bool primary;
	struct repl_limits limits;
	uint64_t staged, durable; /* here */
	uint64_t flush_lsn;       /* highest one that somebody waited for */
	uint64_t acknowledged;    /* everything before may be, or has been */
	uint64_t serial;
	struct repl_peer peers[PEERS_MAX];
	struct repl_mark marks[REPL_MARKS];
	size_t n_marks;
};

enum repl_event_type {
	REPL_TICK,          /* nothing but time */
	REPL_PRIMARY,       /* we are primary from now on; lsn: end of the log, all of it durable */
	REPL_SECONDARY,     /* no more: nobody is owed anything */
	REPL_STAGED,        /* lsn: end of the log */
	REPL_LOCAL_DURABLE, /* lsn */
	REPL_FLUSH,         /* lsn: somebody waits for it */
	REPL_PEER_SET,      /* config */
	REPL_PEER_REMOVE,
	REPL_PEER_DOWN,     /* state: DOWN, PAUSED, SPLIT_BRAIN or REFUSED */
	REPL_PEER_FOLLOWS,  /* lsn: all before is durable there */
	REPL_PEER_RESYNCS,  /* lsn: its new log begins here */
	REPL_PEER_RESYNCED, /* it is consistent, at its durable LSN */
	REPL_PEER_OVERRUN,  /* the log no longer has what it needs */
	REPL_PEER_NOT_YET, /* a resync that was asked for could not end before the log runs over: ask again */
	REPL_PEER_SENT,    /* lsn; so for the next four */
	REPL_PEER_RECEIVED,
	REPL_PEER_ACCEPTED,
	REPL_PEER_DURABLE,
	REPL_PEER_CREDIT,
	REPL_STRUCK, /* serial */
	REPL_JOINED, /* serial */
};

struct repl_event {
	enum repl_event_type type;
	size_t peer; /* its place; REPL_PEER_ events, STRUCK, JOINED */
	uint64_t now_ms;
	uint64_t lsn, serial;
	enum peer_state state;
	struct repl_peer_config config;
};

enum repl_action_type {
	REPL_RELEASE,      /* lsn: flushes up to here may be acknowledged */
	REPL_ASK_STRIKE,   /* peer, serial */
	REPL_ASK_JOIN,     /* peer, serial */
	REPL_GO_AHEAD,     /* peer, lsn: what the log holds from there on has to be marked; send it nothing */
	REPL_START_RESYNC, /* peer: it has caught up with what it was sent */
	REPL_STATE,        /* peer: its state or membership changed */
};

struct repl_action {
	enum repl_action_type type;
	size_t peer;
	uint64_t lsn, serial;
};

#define REPL_ACTIONS_MAX (1 + 3 * PEERS_MAX)
struct repl_actions {
	size_t n;
	struct repl_action a[REPL_ACTIONS_MAX];
};

void repl_init(struct repl *r, const struct repl_limits *limits);
/* One event; *ret_actions: what has to be done now, in order. */
void repl_step(struct repl *r, const struct repl_event *e, struct repl_actions *ret_actions);
/* When to send the next REPL_TICK at the latest; UINT64_MAX: not for the time being. */
uint64_t repl_deadline(const struct repl *r, uint64_t now_ms);

bool repl_waits_for(const struct repl *r, size_t peer);
/* How far the log may be sent to it now: 0 where not at all. */
uint64_t repl_send_limit(const struct repl *r, size_t peer);
/* Of what is durable there behind what is staged here; 0 where it has all. ms: age of the oldest flush it
 * lacks. */
uint64_t repl_lag_bytes(const struct repl *r, size_t peer);
uint64_t repl_lag_ms(const struct repl *r, size_t peer, uint64_t now_ms);

#endif
