/*
 * What a replicated volume is made of on this host, and what is to be done next: the core of its room
 * (stacks.c), without processes, sockets or clock. Events go in with the time they happened at, actions come
 * out. All on one thread.
 *
 *   replicas   one for each site: a replicator that talks to us, one of them promoted
 *   mount      of the primary's export
 *   store      on the mount
 *
 * In peace it works towards one state: the primary that the directory names is promoted under the volume's
 * token, mounted, and served. A replicator that dies is promoted again when it is back; mount and store stay,
 * they only wait. An order changes which replica is the primary:
 *
 *   switchover  store stopped, unmounted, demoted (the others have everything then), entered in the directory
 * under the next token, promoted there, mounted, served. What fails before the entry leaves all as it was.
 *   failover    the primary is fenced: its process is killed and does not start again before the directory
 * has the new primary and its token. Store and mount are killed too; then as above.
 *
 * A failover begins by itself where the primary has been dead for a time and a replica that is in sync talks.
 * Whether one that is not in sync may be promoted is for the giver of the order to decide.
 */
#ifndef PODCTL_PODD_VOLUME_STACK_H
#define PODCTL_PODD_VOLUME_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define STACK_REPLICAS_MAX 4

enum stack_act {
	STACK_PROMOTE, /* replica, under token; forced where it is not consistent up to its end */
	STACK_DEMOTE,  /* replica */
	STACK_FENCE,   /* replica: kill its process and keep it down; answer with stack_on_fenced */
	STACK_UNFENCE, /* replica: its process may run again, it starts as secondary */
	STACK_MOUNT,   /* the export of replica */
	STACK_UNMOUNT, /* forced: at once, its device is dead */
	STACK_MAKE,    /* an empty store on the new file system */
	STACK_STORE_START,
	STACK_STORE_STOP, /* forced: at once */
	STACK_WRITE, /* directory: replica becomes primary under token; forced: the old one is no longer in
	                sync */
	STACK_BEGAN, /* a failover that nobody ordered */
	STACK_DONE,  /* the order: r and text say how it ended */
};

struct stack_action {
	enum stack_act act;
	size_t replica;
	uint64_t token;
	bool forced;
	int r;
	char text[128];
};

enum stack_part { PART_DOWN, PART_STARTING, PART_UP, PART_ENDING };

struct stack_replica {
	bool talks;      /* its control socket answers */
	bool primary;    /* the role it has */
	bool asked;      /* to change it: its answer is awaited */
	bool in_sync;    /* says the directory */
	bool consistent; /* not in the middle of a resync */
	bool broken;     /* its disk takes no writes any more */
	bool fenced;
	uint64_t since_ms; /* talks has been as it is */
	uint64_t retry_ms; /* after a refusal: not asked again before */
};

enum stack_order { ORDER_NONE, ORDER_SWITCHOVER, ORDER_FAILOVER };
enum stack_step { STEP_STORE, STEP_UNMOUNT, STEP_DEMOTE, STEP_FENCE, STEP_WRITE, STEP_SERVE };
struct stack_limits {
	uint64_t failover_after_ms; /* 0: only by order */
	uint64_t step_ms;           /* each step of an order up to the entry in the directory */
	uint64_t serve_ms;          /* from there until the store answers */
};

#define STACK_ACTIONS_MAX 32

struct volume_stack {
	struct stack_limits limits;
	struct stack_replica replicas[STACK_REPLICAS_MAX];
	size_t n, primary, mounted; /* mounted: which, while mount is not PART_DOWN */
	uint64_t token;
	bool made; /* the file system holds a store */
	bool making;
	bool stopped;
	enum stack_part mount, store;

	enum stack_order order;
	enum stack_step step;
	size_t to;
	bool force, step_began, automatic;
	uint64_t deadline_ms; /* of the step; 0: none */

	struct stack_action actions[STACK_ACTIONS_MAX];
	size_t actions_head, actions_n;
};

/* A volume of n replicas as the directory has it. */
void stack_init(struct volume_stack *s, const struct stack_limits *limits, size_t n, size_t primary,
                uint64_t token, bool made, uint64_t now);
/* What the directory says of a replica. */
void stack_set_in_sync(struct volume_stack *s, size_t replica, bool in_sync, uint64_t now);

/* Events. */
void stack_on_talks(struct volume_stack *s, size_t replica, bool primary, bool consistent, uint64_t now);
void stack_on_gone(struct volume_stack *s, size_t replica, uint64_t now);
/* What its status said since: no answer to anything asked. */
void stack_on_state(struct volume_stack *s, size_t replica, bool primary, bool consistent, bool broken,
                    uint64_t now);
void stack_on_promoted(struct volume_stack *s, size_t replica, int r, const char *text, uint64_t now);
void stack_on_demoted(struct volume_stack *s, size_t replica, int r, const char *text, uint64_t now);
void stack_on_fenced(struct volume_stack *s, size_t replica, uint64_t now);
void stack_on_mount(struct volume_stack *s, bool up, uint64_t now); /* ready, or its process has ended */
void stack_on_store(struct volume_stack *s, bool up, uint64_t now);
void stack_on_made(struct volume_stack *s, int r,
                   uint64_t now); /* where it failed it is tried again in a while */
void stack_on_written(struct volume_stack *s, int r, const char *text, uint64_t now);
void stack_on_time(struct volume_stack *s, uint64_t now);
/* The pod stops: nothing is started or ordered any more. */
void stack_stop(struct volume_stack *s, uint64_t now);

/*
 * Orders. 0: it begins, STACK_DONE ends it. -POD_E_BUSY: another is under way; -POD_E_UNAVAILABLE: the
 * replica, or for a switchover the primary, cannot do it now; -POD_E_EXISTS: it is the primary; -POD_E_STALE
 * (switchover only): the replica is not in sync. err says which.
 */
int stack_switchover(struct volume_stack *s, size_t to, uint64_t now, struct err *err);
int stack_failover(struct volume_stack *s, size_t to, bool force, uint64_t now, struct err *err);

bool stack_next(struct volume_stack *s, struct stack_action *ret_action);
/* When stack_on_time wants to be called, or UINT64_MAX. */
uint64_t stack_deadline(const struct volume_stack *s);
/* What the order is at, for who watches: "stopping the store". */
const char *stack_step_text(const struct volume_stack *s);
/* Promoted, mounted and served where the directory says. */
bool stack_serves(const struct volume_stack *s);

#endif
