#include "podctl/podd/supervise.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const state_names[] = {
	[CHILD_STOPPED] = "stopped", [CHILD_BACKOFF] = "backoff",   [CHILD_STARTING] = "starting",
	[CHILD_READY] = "ready",     [CHILD_STOPPING] = "stopping",
};

const char *child_state_name(enum child_state state)
{
	return state_names[state];
}

int supervisor_init(struct supervisor *s, const struct supervise_times *times, struct err *err)
{
	/* All memory now: carrying on after a child's death must not depend on more of it. */
	*s = (struct supervisor){ .times = *times, .actions_cap = 4 * SUPERVISE_CHILDREN_MAX };
	s->children = calloc(SUPERVISE_CHILDREN_MAX, sizeof(*s->children));
	s->actions = calloc(s->actions_cap, sizeof(*s->actions));
	if (s->children && s->actions)
		return 0;
	supervisor_done(s);
	return err_set(err, POD_E_NOMEM, "table of children");
}

void supervisor_done(struct supervisor *s)
{
	free(s->children);
	free(s->actions);
	*s = (struct supervisor){ 0 };
}

int supervise_add(struct supervisor *s, const char *name, enum child_rank rank, enum child_care care,
                  size_t *ret_child, struct err *err)
{
	struct child *c;

	if (supervise_find(s, name) != SIZE_MAX)
		return err_set(err, POD_E_EXISTS, "%s is supervised already", name);
	if (s->n == SUPERVISE_CHILDREN_MAX || strlen(name) >= CHILD_NAME_SIZE)
		return err_set(err, POD_E_LIMIT, "%s: a host runs at most %d processes", name,
		               SUPERVISE_CHILDREN_MAX);
	c = &s->children[s->n];
	*c = (struct child){ .rank = rank, .care = care };
	(void) snprintf(c->name, sizeof(c->name), "%s", name);
	*ret_child = s->n++;
	return 0;
}

size_t supervise_find(const struct supervisor *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->children[i].name, name) == 0)
			return i;
	return SIZE_MAX;
}

static void set_state(struct child *c, enum child_state state, uint64_t now)
{
	c->state = state;
	c->since_ms = now;
	c->deadline_ms = 0;
}

static void act(struct supervisor *s, enum supervise_act what, size_t child, int signal)
{
	/* The room carries actions out after each event, and an event makes at most two for each child. */
	assert(s->actions_n < s->actions_cap);
	s->actions[(s->actions_head + s->actions_n++) % s->actions_cap] = (struct supervise_action){
		.act = what,
		.child = child,
		.signal = signal,
	};
}

bool supervise_next(struct supervisor *s, struct supervise_action *ret_action)
{
	if (s->actions_n == 0)
		return false;
	*ret_action = s->actions[s->actions_head];
	s->actions_head = (s->actions_head + 1) % s->actions_cap;
	s->actions_n--;
	return true;
}

/* ---- starting, and starting again ---- */

static void spawn(struct supervisor *s, size_t child, uint64_t now)
{
	set_state(&s->children[child], CHILD_STARTING, now);
	s->children[child].reload_due = false; /* it reads the new configuration anyway */
	act(s, SUPERVISE_SPAWN, child, 0);
}

void supervise_start(struct supervisor *s, size_t child, uint64_t now)
{
	struct child *c = &s->children[child];

	if (s->stopping || c->state != CHILD_STOPPED)
		return;
	c->wanted = true;
	if (now >= c->not_before_ms) {
		spawn(s, child, now);
		return;
	}
	set_state(c, CHILD_BACKOFF, now);
	c->deadline_ms = c->not_before_ms;
}

void supervise_forgive(struct supervisor *s, size_t child)
{
	s->children[child].deaths = 0;
	s->children[child].not_before_ms = 0;
}

void supervise_on_spawned(struct supervisor *s, size_t child, pid_t pid, uint64_t now)
{
	struct child *c = &s->children[child];

	c->pid = pid;
	c->started_ms = now;
}

/* The first death is answered at once, each that follows soon after a start twice as late as the one before.
 */
static uint64_t backoff_delay(const struct supervise_times *t, unsigned int deaths)
{
	uint64_t delay = t->backoff_first_ms;

	if (deaths <= 1)
		return 0;
	for (unsigned int i = 2; i < deaths && delay < t->backoff_max_ms; i++)
		delay *= 2;
	return delay < t->backoff_max_ms ? delay : t->backoff_max_ms;
}

static void restart_later(struct supervisor *s, size_t child, uint64_t lived_ms, uint64_t now)
{
	struct child *c = &s->children[child];

	c->deaths = lived_ms >= s->times.stable_ms ? 1 : c->deaths + 1;
	c->restarts++;
	if (c->care == CHILD_ON_CALL) {
		set_state(c, CHILD_STOPPED, now);
		c->wanted = false;
		c->not_before_ms = now + backoff_delay(&s->times, c->deaths);
		return;
	}
	set_state(c, CHILD_BACKOFF, now);
	c->deadline_ms = now + backoff_delay(&s->times, c->deaths);
	if (c->deadline_ms == now)
		spawn(s, child, now);
}

void supervise_on_ready(struct supervisor *s, size_t child, uint64_t now)
{
	struct child *c = &s->children[child];

	if (c->state != CHILD_STARTING || c->pid == 0)
		return;
	set_state(c, CHILD_READY, now);
	if (c->reload_due)
		act(s, SUPERVISE_SIGNAL, child, SIGHUP);
	c->reload_due = false;
}

/* ---- stopping ---- */

static bool rank_stopped(const struct supervisor *s, enum child_rank rank)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->children[i].rank == rank && s->children[i].state != CHILD_STOPPED)
			return false;
	return true;
}

static void stop_child(struct supervisor *s, size_t child, uint64_t now)
{
	struct child *c = &s->children[child];

	if (c->pid == 0) {
		set_state(c, CHILD_STOPPED, now);
		return;
	}
	set_state(c, CHILD_STOPPING, now);
	c->deadline_ms = now + s->times.drain_ms;
	act(s, SUPERVISE_SIGNAL, child, SIGTERM);
}

void supervise_end(struct supervisor *s, size_t child, enum supervise_ending how, uint64_t now)
{
	struct child *c = &s->children[child];

	if (s->stopping) /* it comes in its turn */
		return;
	c->wanted = false;
	if (c->state != CHILD_STOPPING)
		stop_child(s, child, now);
	if (how == SUPERVISE_ASK || c->pid == 0 || c->deadline_ms == 0)
		return;
	c->deadline_ms = 0;
	act(s, SUPERVISE_SIGNAL, child, SIGKILL);
}

/* Goes on to the next rank while the current one is down. */
static void stop_ranks(struct supervisor *s, uint64_t now)
{
	while (s->stop_rank < CHILD_RANKS && rank_stopped(s, s->stop_rank)) {
		s->stop_rank++;
		for (size_t i = 0; i < s->n && s->stop_rank < CHILD_RANKS; i++)
			if (s->children[i].rank == s->stop_rank)
				stop_child(s, i, now);
	}
	if (s->stop_rank == CHILD_RANKS)
		act(s, SUPERVISE_ALL_STOPPED, 0, 0);
}

void supervise_stop(struct supervisor *s, uint64_t now)
{
	if (s->stopping)
		return;
	s->stopping = true;
	s->stop_rank = (enum child_rank) 0;
	for (size_t i = 0; i < s->n; i++) {
		if (s->children[i].rank == s->stop_rank)
			stop_child(s, i, now);
		else if (s->children[i].state == CHILD_BACKOFF) /* not to be started any more */
			set_state(&s->children[i], CHILD_STOPPED, now);
	}
	stop_ranks(s, now);
}

/* ---- ends and time ---- */

static void child_ended(struct supervisor *s, size_t child, uint64_t lived_ms, uint64_t now)
{
	struct child *c = &s->children[child];

	if (!s->stopping && c->state != CHILD_STOPPING) {
		restart_later(s, child, lived_ms, now);
		return;
	}
	set_state(c, CHILD_STOPPED, now);
	if (s->stopping)
		stop_ranks(s, now);
}

void supervise_on_spawn_failed(struct supervisor *s, size_t child, uint64_t now)
{
	struct child *c = &s->children[child];

	c->pid = 0;
	if (c->deaths ==
	    0) /* what fork() refuses it will refuse again at once: wait from the first time on */
		c->deaths = 1;
	child_ended(s, child, 0, now);
}

void supervise_on_exit(struct supervisor *s, pid_t pid, int status, uint64_t now)
{
	for (size_t i = 0; i < s->n; i++) {
		struct child *c = &s->children[i];

		if (c->pid != pid)
			continue;
		c->pid = 0;
		if (c->state != CHILD_STOPPING)
			c->last_status = status;
		child_ended(s, i, now - c->started_ms, now);
		return;
	}
}

void supervise_on_time(struct supervisor *s, uint64_t now)
{
	for (size_t i = 0; i < s->n; i++) {
		struct child *c = &s->children[i];

		if (c->deadline_ms == 0 || now < c->deadline_ms)
			continue;
		c->deadline_ms = 0;
		if (c->state == CHILD_BACKOFF)
			spawn(s, i, now);
		else if (c->state == CHILD_STOPPING)
			act(s, SUPERVISE_SIGNAL, i, SIGKILL);
	}
}

uint64_t supervise_deadline(const struct supervisor *s)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < s->n; i++)
		if (s->children[i].deadline_ms != 0 && s->children[i].deadline_ms < first)
			first = s->children[i].deadline_ms;
	return first;
}

void supervise_reload(struct supervisor *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->children[i].rank > CHILD_STORE)
			continue;
		if (s->children[i].state == CHILD_READY)
			act(s, SUPERVISE_SIGNAL, i, SIGHUP);
		else if (s->children[i].state == CHILD_STARTING)
			s->children[i].reload_due = true;
	}
}

bool supervise_all_ready(const struct supervisor *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->children[i].wanted && s->children[i].state != CHILD_READY)
			return false;
	return true;
}
