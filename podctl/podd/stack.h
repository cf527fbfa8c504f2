/*
 * The room around volume_stack.h: one for each replicated volume that has a replica on this host. It carries
 * the core's actions out with real processes, control sockets and entries in the directory, and tells it what
 * happened.
 *
 *   replicator:VOLUME@SITE   one for each site of this host (stack_site.c)
 *   attach:VOLUME            the mount of the primary's export (stack_parts.c)
 *   stored:VOLUME            the store on it, made first where the volume is new (stack_make.c)
 *
 * Orders (stack_order.c) run as the volume's operation, of which there is one at a time. One thread.
 */
#ifndef PODCTL_PODD_STACK_H
#define PODCTL_PODD_STACK_H

#include <jansson.h>
#include <sys/queue.h>

#include "podctl/podd/podd.h"
#include "podctl/podd/replica_files.h"
#include "podctl/podd/replica_link.h"
#include "podctl/podd/safe_mark.h"
#include "podctl/podd/volume_record.h"
#include "podctl/podd/volume_stack.h"

#define STACK_SITE_NAME_SIZE 64

struct stack;

struct stack_site {
	struct stack *stack;
	size_t index; /* in the core, and among the replicas of the record */
	char name[STACK_SITE_NAME_SIZE];
	struct replica_files files;
	struct replica_link *link;
	json_t *status;     /* the last that it gave; NULL: none yet */
	uint64_t status_ms; /* when (clock_mono_ms) */
	unsigned int asking; /* questions for it that are not answered */
	int64_t asked_ms; /* when the oldest of them was asked (wall clock), at the latest */
	json_t *as_primary; /* the last that it gave as primary: what its peers lacked. Its next process knows less. */
	json_t *verified; /* how the last comparison with the primary went; NULL: none, or it is under way */
};

enum operation_state { OPERATION_NONE, OPERATION_RUNNING, OPERATION_DONE, OPERATION_FAILED };

/* A switchover, failover or failback: the one under way, or the last. */
struct operation {
	const char *kind; /* "switchover"; a literal */
	char from[STACK_SITE_NAME_SIZE], to[STACK_SITE_NAME_SIZE];
	enum operation_state state;
	uint64_t id, started_ms, ended_ms; /* clock_mono_ms */
	int64_t started_wall_s;
	bool waits; /* a failback that waits for the site to have everything */
	int r;
	char text[160];
};

/* A new volume whose store is there, and whose standbys may not have it yet. */
struct stack_making {
	bool waits;
	uint64_t lsn;      /* what they have to have; 0: its primary was asked */
	uint64_t until_ms; /* clock_mono_ms: then it is served without */
};

struct stack {
	struct podd *podd;
	char name[64];
	struct volume_stack core;
	struct stack_site sites[STACK_REPLICAS_MAX];
	struct operation operation;
	struct stack_making making;
	struct safe_mark safe;
	struct event *timer, *poll;
	bool draining;        /* actions are being carried out */
	bool taking, looking; /* a snapshot is under way; old ones are looked through (snapshots.h) */
	uint64_t looked_ms;
	char refused[160]; /* what was last refused, so that it is logged once */
	LIST_ENTRY(stack) link;
};

/* For each replicated volume of the directory: at start. And for one that was just entered there. */
int stack_open(struct podd *p, const char *volume, struct err *err);
struct stack *stack_find(const struct podd *p, const char *volume);
void stacks_stop(struct podd *p);
void stacks_free(struct podd *p);

/* What became of processes; others than those of a stack are ignored. */
void stacks_on_child_ready(struct podd *p, const struct child *child);
void stacks_on_child_end(struct podd *p, const struct child *child, int status);
/* Every replicated volume is served. */
bool stacks_all_serve(const struct podd *p);

/* Carries out what the core wants; after every event that was told to it. */
void stack_go_on(struct stack *s);

size_t stack_site_find(const struct stack *s, const char *site); /* SIZE_MAX: none */
static inline struct stack_site *stack_primary(struct stack *s)
{
	return &s->sites[s->core.primary];
}

/* ---- stack_site.c ---- */

int stack_site_open(struct stack *s, size_t index, const Directory__Volume *v, struct err *err);
void stack_site_close(struct stack_site *site);
/* Its process, "replicator:vol01@site1", in buf. */
const char *stack_site_child(const struct stack_site *site, char *buf, size_t size);
/* Starts its process; before that, makes the replica where there is none and there may be none. */
int stack_site_start(struct stack_site *site, const Directory__Volume *v, struct err *err);
/* Tells it its peers as the directory has them now. */
void stack_site_tell_peers(struct stack_site *site);
/*
 * A peer that no flush waits for (async) is waited for while the volume moves to it: only so does it have
 * everything at the handing over. False: its mode is another. And back to its own mode, where the move comes
 * to nothing.
 */
bool stack_site_wait_for_peer(struct stack_site *site, size_t peer);
void stack_site_release_peer(struct stack_site *site, size_t peer);
void stack_site_promote(struct stack_site *site, uint64_t token, bool forced);
void stack_site_demote(struct stack_site *site);
/* Asks for a status, which goes to the core. */
void stack_site_poll(struct stack_site *site);
/* What a status of the primary says of a peer, or NULL. And what its last one does. */
const json_t *stack_status_peer(const json_t *status, const char *peer);
const json_t *stack_site_peer(const struct stack_site *site, const char *peer);

/* ---- stack_parts.c ---- */

int stack_parts_add(struct stack *s, struct err *err);
void stack_mount(struct stack *s, size_t replica);
void stack_unmount(struct stack *s, bool forced);
void stack_store_start(struct stack *s);
void stack_store_stop(struct stack *s, bool forced);
/* Where the mount's process tells how growing went (volattach(8)); in path. */
const char *stack_grown_file(const struct stack *s, char path[PATH_MAX]);
/* The mount's folder: the volume's path. */
void stack_on_mounted(struct stack *s);
void stack_on_unmounted(struct stack *s);

/* ---- stack_make.c ---- */

/* An empty store on the mounted file system; tells the core when it is there, and the standbys have it. */
void stack_make_store(struct stack *s);
/* Whether they have: after each status of the primary. */
void stack_make_look(struct stack *s);

/* ---- stack_order.c ---- */

/* What would be lost if `to` took over now. */
struct stack_loss {
	bool none, known;
	uint64_t bytes, ms, epochs;
};
void stack_loss(const struct stack *s, size_t to, struct stack_loss *ret);

#define STACK_LOSS_ANY UINT64_MAX
/*
 * Begin the operation; how it goes and ends is in s->operation. -POD_E_* as stack_switchover and
 * stack_failover say; of a failover also -POD_E_LIMIT: more than max_loss_bytes would be lost, or nobody
 * knows how much.
 */
int stack_order_switchover(struct stack *s, size_t to, struct err *err);
int stack_order_failover(struct stack *s, size_t to, uint64_t max_loss_bytes, struct err *err);
int stack_order_failback(struct stack *s, struct err *err);
/* The core's answers, and its own failover. */
void stack_order_began_alone(struct stack *s, size_t to);
void stack_order_done(struct stack *s, int r, const char *text);
/* Enters the new primary in the directory. */
void stack_order_write(struct stack *s, size_t to, uint64_t token, bool strike_old);
/* A failback that waits: whether the time has come. */
void stack_order_look(struct stack *s);
/* What it is at, for who watches; in buf. */
const char *stack_order_step(const struct stack *s, char *buf, size_t size);

#endif
