#include "podctl/podd/volume_stack.h"

#include <assert.h>
#include <stdio.h>

#define RETRY_MS 500

static const char *const step_texts[] = {
	[STEP_STORE] = "stopping the store",
	[STEP_UNMOUNT] = "unmounting",
	[STEP_DEMOTE] = "waiting until the other site has everything",
	[STEP_FENCE] = "fencing the primary",
	[STEP_WRITE] = "entering the new primary in the directory",
};

const char *stack_step_text(const struct volume_stack *s)
{
	const struct stack_replica *p = &s->replicas[s->primary];

	if (s->step != STEP_SERVE)
		return step_texts[s->step];
	if (!p->talks || !p->primary)
		return "promoting";
	return s->mount != PART_UP || s->mounted != s->primary ? "mounting" : "starting the store";
}

/* ---- actions ---- */

static struct stack_action *act(struct volume_stack *s, enum stack_act what, size_t replica, bool forced)
{
	/* The room carries them out after each event, which makes a handful at most. */
	struct stack_action *a;

	assert(s->actions_n < STACK_ACTIONS_MAX);
	a = &s->actions[(s->actions_head + s->actions_n++) % STACK_ACTIONS_MAX];
	*a = (struct stack_action){ .act = what, .replica = replica, .token = s->token, .forced = forced };
	return a;
}

bool stack_next(struct volume_stack *s, struct stack_action *ret_action)
{
	if (s->actions_n == 0)
		return false;
	*ret_action = s->actions[s->actions_head];
	s->actions_head = (s->actions_head + 1) % STACK_ACTIONS_MAX;
	s->actions_n--;
	return true;
}

/* ---- parts ---- */

static void store_stop(struct volume_stack *s, bool at_once)
{
	if (s->store == PART_DOWN || (s->store == PART_ENDING && !at_once))
		return;
	s->store = PART_ENDING;
	(void) act(s, STACK_STORE_STOP, s->primary, at_once);
}

static void unmount(struct volume_stack *s, bool at_once)
{
	if (s->mount == PART_DOWN || (s->mount == PART_ENDING && !at_once))
		return;
	s->mount = PART_ENDING;
	(void) act(s, STACK_UNMOUNT, s->mounted, at_once);
}

/* ---- peace ---- */

static bool usable(const struct stack_replica *r)
{
	return r->talks && !r->broken;
}

static void mind_roles(struct volume_stack *s, uint64_t now)
{
	for (size_t i = 0; i < s->n; i++) {
		struct stack_replica *r = &s->replicas[i];

		if (!r->talks || r->asked || r->fenced || now < r->retry_ms ||
		    r->primary == (i == s->primary))
			continue;
		r->asked = true;
		(void) act(s, i == s->primary ? STACK_PROMOTE : STACK_DEMOTE, i, i == s->primary && s->force);
	}
}

/* A store whose mount is gone has nothing to write to: there is no use in asking it. */
static void mind_mount(struct volume_stack *s)
{
	const struct stack_replica *p = &s->replicas[s->primary];

	if (s->mount == PART_DOWN) {
		store_stop(s, true);
		if (s->store != PART_DOWN || !p->talks || !p->primary)
			return;
		s->mount = PART_STARTING;
		s->mounted = s->primary;
		(void) act(s, STACK_MOUNT, s->primary, false);
	} else if (s->mounted != s->primary) {
		store_stop(s, false);
		if (s->store == PART_DOWN)
			unmount(s, false);
	}
}

static void mind_store(struct volume_stack *s, uint64_t now)
{
	if (s->mount != PART_UP || s->mounted != s->primary)
		return;
	if (!s->made) {
		if (s->making || now < s->replicas[s->primary].retry_ms)
			return;
		s->making = true;
		(void) act(s, STACK_MAKE, s->primary, false);
	} else if (s->store == PART_DOWN) {
		s->store = PART_STARTING;
		(void) act(s, STACK_STORE_START, s->primary, false);
	}
}

static void mind(struct volume_stack *s, uint64_t now)
{
	mind_roles(s, now);
	mind_mount(s);
	mind_store(s, now);
}

/* ---- failover by itself ---- */

/* A replica that may take over without an operator's word; n where there is none. */
static size_t heir(const struct volume_stack *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct stack_replica *r = &s->replicas[i];

		if (i != s->primary && usable(r) && r->in_sync && r->consistent)
			return i;
	}
	return s->n;
}

/* When the primary will have been dead long enough for that; UINT64_MAX: it is well, or there is nobody else.
 */
static uint64_t failover_due(const struct volume_stack *s)
{
	const struct stack_replica *p = &s->replicas[s->primary];

	if (s->limits.failover_after_ms == 0 || s->order || s->stopped || !s->made || usable(p) ||
	    heir(s) == s->n)
		return UINT64_MAX;
	return p->since_ms + s->limits.failover_after_ms;
}

/* ---- orders ---- */

static void unfence_all(struct volume_stack *s, uint64_t now)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!s->replicas[i].fenced)
			continue;
		s->replicas[i].fenced = false;
		s->replicas[i].asked = false;
		s->replicas[i].since_ms = now;
		(void) act(s, STACK_UNFENCE, i, false);
	}
}

static void order_end(struct volume_stack *s, int r, const char *text, uint64_t now)
{
	struct stack_action *a = act(s, STACK_DONE, s->to, false);

	a->r = r;
	(void) snprintf(a->text, sizeof(a->text), "%s", text);
	s->order = ORDER_NONE;
	s->deadline_ms = 0;
	if (s->primary != s->to) /* force was meant for that one */
		s->force = false;
	unfence_all(s, now);
}

static void step_to(struct volume_stack *s, enum stack_step step, uint64_t now)
{
	s->step = step;
	s->step_began = false;
	s->deadline_ms = now + (step == STEP_SERVE ? s->limits.serve_ms : s->limits.step_ms);
}

static bool step_first(struct volume_stack *s)
{
	bool first = !s->step_began;

	s->step_began = true;
	return first;
}

/* One look at the order; true: the step is done and the next is to be looked at at once. */
static bool order_step(struct volume_stack *s, uint64_t now)
{
	struct stack_replica *p = &s->replicas[s->primary];

	switch (s->step) {
	case STEP_STORE:
		store_stop(s, false);
		if (s->store == PART_DOWN)
			step_to(s, STEP_UNMOUNT, now);
		return s->step != STEP_STORE;
	case STEP_UNMOUNT:
		unmount(s, false);
		if (s->mount == PART_DOWN)
			step_to(s, STEP_DEMOTE, now);
		return s->step != STEP_UNMOUNT;
	case STEP_DEMOTE:
		if (step_first(s)) {
			p->asked = true;
			(void) act(s, STACK_DEMOTE, s->primary, false);
		}
		return false; /* stack_on_demoted goes on */
	case STEP_FENCE:
		if (step_first(s)) {
			p->fenced = true;
			p->asked = true; /* until it is down */
			(void) act(s, STACK_FENCE, s->primary, true);
			store_stop(s, true);
			unmount(s, true);
		}
		if (p->asked || s->store != PART_DOWN || s->mount != PART_DOWN)
			return false;
		step_to(s, STEP_WRITE, now);
		return true;
	case STEP_WRITE:
		if (step_first(s))
			act(s, STACK_WRITE, s->to, s->order == ORDER_FAILOVER)->token = s->token + 1;
		return false; /* stack_on_written goes on */
	case STEP_SERVE:
		mind(s, now);
		if (stack_serves(s))
			order_end(s, 0, "", now);
		return false;
	}
	return false;
}

static void settle(struct volume_stack *s, uint64_t now)
{
	if (s->stopped)
		return;
	if (now >= failover_due(s)) {
		(void) act(s, STACK_BEGAN, heir(s), false);
		if (stack_failover(s, heir(s), false, now, NULL) == 0)
			s->automatic = true;
		return; /* which has settled */
	}
	while (s->order && order_step(s, now))
		;
	if (!s->order)
		mind(s, now);
}

static int order_check(const struct volume_stack *s, size_t to, struct err *err)
{
	if (s->stopped)
		return err_set(err, POD_E_UNAVAILABLE, "the pod is stopping");
	if (s->order)
		return err_set(err, POD_E_BUSY, "a switchover or failover of this volume is under way");
	if (!s->made)
		return err_set(err, POD_E_BUSY, "the volume is still being made");
	if (to == s->primary)
		return err_set(err, POD_E_EXISTS, "it is the primary already");
	if (!usable(&s->replicas[to]))
		return err_set(err, POD_E_UNAVAILABLE,
		               "the replica there does not answer, or its disk is broken");
	return 0;
}

static void order_begin(struct volume_stack *s, enum stack_order order, size_t to, bool force, uint64_t now)
{
	s->order = order;
	s->to = to;
	s->force = force;
	s->automatic = false;
	step_to(s, order == ORDER_SWITCHOVER ? STEP_STORE : STEP_FENCE, now);
	settle(s, now);
}

int stack_switchover(struct volume_stack *s, size_t to, uint64_t now, struct err *err)
{
	const struct stack_replica *p = &s->replicas[s->primary];
	int r = order_check(s, to, err);

	if (r < 0)
		return r;
	if (!usable(p) || !p->primary)
		return err_set(err, POD_E_UNAVAILABLE,
		               "the primary does not answer; a failover goes without it");
	if (!s->replicas[to].in_sync || !s->replicas[to].consistent)
		return err_set(err, POD_E_STALE, "the replica there does not have everything yet");
	order_begin(s, ORDER_SWITCHOVER, to, false, now);
	return 0;
}

int stack_failover(struct volume_stack *s, size_t to, bool force, uint64_t now, struct err *err)
{
	int r = order_check(s, to, err);

	if (r == 0)
		order_begin(s, ORDER_FAILOVER, to, force, now);
	return r;
}

/* ---- events ---- */

void stack_init(struct volume_stack *s, const struct stack_limits *limits, size_t n, size_t primary,
                uint64_t token, bool made, uint64_t now)
{
	assert(n <= STACK_REPLICAS_MAX && primary < n);
	*s = (struct volume_stack){
		.limits = *limits, .n = n, .primary = primary, .token = token, .made = made
	};
	for (size_t i = 0; i < n; i++)
		s->replicas[i].since_ms = now;
}

void stack_set_in_sync(struct volume_stack *s, size_t replica, bool in_sync, uint64_t now)
{
	s->replicas[replica].in_sync = in_sync;
	settle(s, now);
}

static void set_talks(struct stack_replica *r, bool talks, uint64_t now)
{
	if (r->talks != talks)
		r->since_ms = now;
	r->talks = talks;
	if (!talks)
		r->primary = false;
}

void stack_on_talks(struct volume_stack *s, size_t replica, bool primary, bool consistent, uint64_t now)
{
	struct stack_replica *r = &s->replicas[replica];

	if (r->fenced) /* the one that is being killed */
		return;
	set_talks(r, true, now);
	r->primary = primary;
	r->consistent = consistent;
	r->broken = false;
	r->asked = false;
	r->retry_ms = 0;
	settle(s, now);
}

void stack_on_gone(struct volume_stack *s, size_t replica, uint64_t now)
{
	struct stack_replica *r = &s->replicas[replica];

	set_talks(r, false, now);
	if (!r->fenced)
		r->asked = false;
	if (s->order == ORDER_SWITCHOVER && s->step < STEP_WRITE &&
	    (replica == s->primary || replica == s->to))
		order_end(s, -POD_E_UNAVAILABLE,
		          "a replica went away meanwhile; the primary stays where it was", now);
	settle(s, now);
}

void stack_on_state(struct volume_stack *s, size_t replica, bool primary, bool consistent, bool broken,
                    uint64_t now)
{
	struct stack_replica *r = &s->replicas[replica];

	if (!r->talks)
		return;
	if (r->broken != broken)
		r->since_ms = now;
	r->broken = broken;
	r->consistent = consistent;
	if (!r->asked)
		r->primary = primary;
	settle(s, now);
}

void stack_on_promoted(struct volume_stack *s, size_t replica, int r, const char *text, uint64_t now)
{
	struct stack_replica *replica_ = &s->replicas[replica];

	replica_->asked = false;
	replica_->primary = r == 0 && replica_->talks;
	if (r == 0 && replica == s->primary)
		s->force = false;
	if (r < 0) {
		replica_->retry_ms = now + RETRY_MS;
		if (s->order && s->step == STEP_SERVE && replica == s->to && replica_->talks)
			order_end(s, r, text, now);
	}
	settle(s, now);
}

void stack_on_demoted(struct volume_stack *s, size_t replica, int r, const char *text, uint64_t now)
{
	struct stack_replica *replica_ = &s->replicas[replica];
	bool ours = s->order == ORDER_SWITCHOVER && s->step == STEP_DEMOTE && replica == s->primary;

	if (replica_->fenced)
		return;
	replica_->asked = false;
	if (r == 0)
		replica_->primary = false;
	else
		replica_->retry_ms = now + RETRY_MS;
	if (ours && r == 0 && !s->replicas[s->to].in_sync) /* struck while the primary waited for it */
		order_end(s, -POD_E_STALE,
		          "the other site fell behind meanwhile; the primary stays where it was", now);
	else if (ours && r == 0)
		step_to(s, STEP_WRITE, now);
	else if (ours)
		order_end(s, r, text, now);
	settle(s, now);
}

void stack_on_fenced(struct volume_stack *s, size_t replica, uint64_t now)
{
	struct stack_replica *r = &s->replicas[replica];

	if (!r->fenced)
		return;
	set_talks(r, false, now);
	r->asked = false;
	settle(s, now);
}

void stack_on_mount(struct volume_stack *s, bool up, uint64_t now)
{
	if (!up)
		s->mount = PART_DOWN;
	else if (s->mount == PART_STARTING)
		s->mount = PART_UP;
	settle(s, now);
}

void stack_on_store(struct volume_stack *s, bool up, uint64_t now)
{
	if (!up)
		s->store = PART_DOWN;
	else if (s->store == PART_STARTING)
		s->store = PART_UP;
	settle(s, now);
}

void stack_on_made(struct volume_stack *s, int r, uint64_t now)
{
	s->making = false;
	s->made = r == 0;
	if (r < 0)
		s->replicas[s->primary].retry_ms = now + RETRY_MS;
	settle(s, now);
}

void stack_on_written(struct volume_stack *s, int r, const char *text, uint64_t now)
{
	if (!s->order || s->step != STEP_WRITE)
		return;
	if (r < 0) {
		order_end(s, r, text, now);
	} else {
		for (size_t i = 0; i < s->n; i++) { /* as the directory has it now */
			s->replicas[i].in_sync =
				i == s->to || (s->order == ORDER_SWITCHOVER && s->replicas[i].in_sync);
			s->replicas[i].retry_ms = 0;
		}
		s->primary = s->to;
		s->token++;
		unfence_all(s, now);
		step_to(s, STEP_SERVE, now);
	}
	settle(s, now);
}

void stack_on_time(struct volume_stack *s, uint64_t now)
{
	char text[128];

	for (size_t i = 0; i < s->n; i++)
		if (now >= s->replicas[i].retry_ms)
			s->replicas[i].retry_ms = 0;
	if (s->order && s->deadline_ms && now >= s->deadline_ms) {
		(void) snprintf(text, sizeof(text), "%s took too long; %s", stack_step_text(s),
		                s->step == STEP_SERVE ? "it goes on, and the log says what is in its way"
		                                      : "the primary stays where it was");
		order_end(s, -POD_E_TIMEOUT, text, now);
	}
	settle(s, now);
}

void stack_stop(struct volume_stack *s, uint64_t now)
{
	s->stopped = true;
	if (s->order)
		order_end(s, -POD_E_CANCELLED, "the pod is stopping", now);
}

uint64_t stack_deadline(const struct volume_stack *s)
{
	uint64_t first = failover_due(s);

	if (s->stopped)
		return UINT64_MAX;
	if (s->order && s->deadline_ms && s->deadline_ms < first)
		first = s->deadline_ms;
	for (size_t i = 0; i < s->n; i++) {
		const struct stack_replica *r = &s->replicas[i];

		if (r->talks && !r->asked && r->retry_ms && r->retry_ms < first)
			first = r->retry_ms;
	}
	return first;
}

bool stack_serves(const struct volume_stack *s)
{
	const struct stack_replica *p = &s->replicas[s->primary];

	return p->talks && p->primary && s->mount == PART_UP && s->mounted == s->primary &&
	       s->store == PART_UP;
}
