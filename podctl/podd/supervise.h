/*
 * Which children run, which wait, and what is to be done next: the core of podd, without processes, clock or
 * sockets. Events go in with the time they happened at, actions come out for the room around it (children.c)
 * to carry out. All on one thread.
 *
 *             start            spawned             ready
 *   STOPPED ---------> (SPAWN) --------> STARTING --------> READY
 *      ^                  ^                 | exit            | exit
 *      |                  | time is up      v                 v
 *      |                BACKOFF <-----------+-----------------+   (of one ON_CALL: STOPPED)
 *      +--- exit --- STOPPING <--- stop, end --- (any)
 */
#ifndef PODCTL_PODD_SUPERVISE_H
#define PODCTL_PODD_SUPERVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum child_state {
	CHILD_STOPPED,  /* not running and not wanted */
	CHILD_BACKOFF,  /* died; waits for its turn to be started again */
	CHILD_STARTING, /* runs, has not said that it is ready */
	CHILD_READY,
	CHILD_STOPPING, /* asked to end */
};
const char *child_state_name(enum child_state state);

/*
 * The order in which they stop: front ends before the filter and the stores that they talk to, these before what holds
 * their file system's mount, and that before the device under it.
 */
enum child_rank { CHILD_FRONT, CHILD_FILTER, CHILD_STORE, CHILD_MOUNT, CHILD_DEVICE, CHILD_RANKS };

/* What follows when a child ends that nobody asked to. */
enum child_care {
	CHILD_KEPT,   /* it is started again */
	CHILD_ON_CALL /* it is STOPPED, and whoever starts it again waits out the back-off */
};

#define CHILD_NAME_SIZE        144
#define SUPERVISE_CHILDREN_MAX 256

struct child {
	char name[CHILD_NAME_SIZE]; /* "mta", "stored:vol01" */
	enum child_rank rank;
	enum child_care care;
	enum child_state state;
	bool wanted;            /* it is to run: it counts in supervise_all_ready */
	pid_t pid;              /* 0 while it does not run */
	uint64_t since_ms;      /* when the state began */
	uint64_t started_ms;    /* when the process was started */
	uint64_t deadline_ms;   /* BACKOFF: start then; STOPPING: SIGKILL then (0: was sent) */
	uint64_t not_before_ms; /* ON_CALL: a start waits until then */
	unsigned int deaths;    /* in a row, each soon after the start before */
	unsigned int restarts;  /* since podd started */
	int last_status;        /* as of waitpid, of the last unasked end */
	bool reload_due;        /* SIGHUP when it gets ready: earlier it may have no handler yet */
};

enum supervise_act {
	SUPERVISE_SPAWN, /* start the process; answer with supervise_on_spawned or _on_spawn_failed */
	SUPERVISE_SIGNAL,
	SUPERVISE_ALL_STOPPED, /* after supervise_stop: nothing runs any more. Once. */
};

struct supervise_action {
	enum supervise_act act;
	size_t child;
	int signal;
};

struct supervise_times {
	uint64_t drain_ms;  /* from SIGTERM to SIGKILL, for each rank */
	uint64_t stable_ms; /* a process that lived so long is restarted at once when it dies */
	uint64_t backoff_first_ms, backoff_max_ms; /* doubling from the second death in a row on */
};

struct supervisor {
	struct supervise_times times;
	struct child *children;
	size_t n;
	bool stopping;
	enum child_rank stop_rank;
	/* Actions not yet carried out: a child has at most two at once (a spawn or signal, and a reload). */
	struct supervise_action *actions;
	size_t actions_head, actions_n, actions_cap;
};

int supervisor_init(struct supervisor *s, const struct supervise_times *times, struct err *err);
void supervisor_done(struct supervisor *s);

/* A new child, STOPPED. -POD_E_LIMIT over SUPERVISE_CHILDREN_MAX, -POD_E_EXISTS, -POD_E_NOMEM. */
int supervise_add(struct supervisor *s, const char *name, enum child_rank rank, enum child_care care,
                  size_t *ret_child, struct err *err);
/* Index of a child by name, or SIZE_MAX. */
size_t supervise_find(const struct supervisor *s, const char *name);

/* Events. They ignore what makes no sense in the child's state (an answer that came late). */
void supervise_start(struct supervisor *s, size_t child, uint64_t now);
/* Ends one: STOPPED once it is gone, until it is started again. With SIGKILL: at once. */
enum supervise_ending { SUPERVISE_ASK, SUPERVISE_KILL };
void supervise_end(struct supervisor *s, size_t child, enum supervise_ending how, uint64_t now);
/* It is about to do something else than what it died of: what is left of its back-off counts no more. */
void supervise_forgive(struct supervisor *s, size_t child);
void supervise_on_spawned(struct supervisor *s, size_t child, pid_t pid, uint64_t now);
void supervise_on_spawn_failed(struct supervisor *s, size_t child, uint64_t now);
void supervise_on_ready(struct supervisor *s, size_t child, uint64_t now);
void supervise_on_exit(struct supervisor *s, pid_t pid, int status, uint64_t now);
void supervise_on_time(struct supervisor *s, uint64_t now);
/* Passes SIGHUP on to all front ends and stores that run; devices and mounts read no configuration. */
void supervise_reload(struct supervisor *s);
/* Ends all, rank by rank. */
void supervise_stop(struct supervisor *s, uint64_t now);

/* Takes the next action to carry out; false where there is none. */
bool supervise_next(struct supervisor *s, struct supervise_action *ret_action);
/* When supervise_on_time wants to be called, or UINT64_MAX. */
uint64_t supervise_deadline(const struct supervisor *s);
/* Whether every child that is wanted is READY. */
bool supervise_all_ready(const struct supervisor *s);

#endif
