#include "podctl/podd/snapshots.h"
#include "podctl/podd/stack.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#define POLL_EVERY_S   1
#define STEP_LIMIT_MS  40000
#define SERVE_LIMIT_MS 120000
#define RECORD_ARENA   (1u << 20)

/* ---- carrying out ---- */

static void fence(struct stack_site *site)
{
	char child[CHILD_NAME_SIZE];
	const struct child *c;

	log_event(NULL, LOGL_WARNING, "replica.fenced", F_STR("volume", site->stack->name),
	          F_STR("site", site->name));
	(void) stack_site_child(site, child, sizeof(child));
	children_end(site->stack->podd->children, child, SUPERVISE_KILL);
	c = children_find(site->stack->podd->children, child);
	if (!c || c->state == CHILD_STOPPED) /* else its end tells */
		stack_on_fenced(&site->stack->core, site->index, clock_mono_ms());
}

static void unfence(struct stack_site *site)
{
	char child[CHILD_NAME_SIZE];

	children_start(site->stack->podd->children, stack_site_child(site, child, sizeof(child)));
}

static void carry_out(struct stack *s, const struct stack_action *a)
{
	struct stack_site *site = &s->sites[a->replica];

	switch (a->act) {
	case STACK_PROMOTE: stack_site_promote(site, a->token, a->forced); return;
	case STACK_DEMOTE: stack_site_demote(site); return;
	case STACK_FENCE: fence(site); return;
	case STACK_UNFENCE: unfence(site); return;
	case STACK_MOUNT: stack_mount(s, a->replica); return;
	case STACK_UNMOUNT: stack_unmount(s, a->forced); return;
	case STACK_MAKE: stack_make_store(s); return;
	case STACK_STORE_START: stack_store_start(s); return;
	case STACK_STORE_STOP: stack_store_stop(s, a->forced); return;
	case STACK_WRITE: stack_order_write(s, a->replica, a->token, a->forced); return;
	case STACK_BEGAN: stack_order_began_alone(s, a->replica); return;
	case STACK_DONE: stack_order_done(s, a->r, a->text); return;
	}
}

static void arm_timer(struct stack *s)
{
	uint64_t deadline = stack_deadline(&s->core), now = clock_mono_ms(), wait;
	struct timeval tv;

	if (deadline == UINT64_MAX) {
		(void) event_del(s->timer);
		return;
	}
	wait = deadline > now ? deadline - now : 0;
	tv = (struct timeval){ .tv_sec = (time_t) (wait / 1000),
		               .tv_usec = (suseconds_t) (wait % 1000) * 1000 };
	(void) event_add(s->timer, &tv);
}

/* What an action causes at once comes back here while it is carried out: the loop that runs already takes it.
 */
void stack_go_on(struct stack *s)
{
	struct stack_action a;

	if (s->draining)
		return;
	s->draining = true;
	while (stack_next(&s->core, &a))
		carry_out(s, &a);
	s->draining = false;
	arm_timer(s);
}

static void stack_on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct stack *s = arg;

	stack_on_time(&s->core, clock_mono_ms());
	stack_go_on(s);
}

static void stack_on_poll(evutil_socket_t fd, short events, void *arg)
{
	struct stack *s = arg;

	for (size_t i = 0; i < s->core.n; i++)
		stack_site_poll(&s->sites[i]);
	stack_make_look(s);
	stack_order_look(s);
	volume_snapshots_look(s);
}

/* ---- processes ---- */

/* "vol01" of "attach:vol01" and of "replicator:vol01@site1"; *ret_site where that names one. */
static struct stack *stack_of_child(const struct podd *p, const char *child, const char *prefix,
                                    const char **ret_site)
{
	struct stack *s;
	size_t len = strlen(prefix);

	if (strncmp(child, prefix, len) != 0)
		return NULL;
	LIST_FOREACH(s, &p->stacks, link)
	{
		const char *rest = child + len + strlen(s->name);

		if (strncmp(child + len, s->name, strlen(s->name)) != 0 || (*rest != '\0' && *rest != '@'))
			continue;
		*ret_site = *rest ? rest + 1 : NULL;
		return s;
	}
	return NULL;
}

void stacks_on_child_ready(struct podd *p, const struct child *child)
{
	const char *site;
	struct stack *s;

	if ((s = stack_of_child(p, child->name, "attach:", &site)))
		stack_on_mounted(s);
	else if ((s = stack_of_child(p, child->name, "stored:", &site)))
		stack_on_store(&s->core, true, clock_mono_ms());
	else if ((s = stack_of_child(p, child->name, "replicator:", &site)) && site &&
	         stack_site_find(s, site) != SIZE_MAX)
		replica_link_hurry(s->sites[stack_site_find(s, site)].link);
	if (s)
		stack_go_on(s);
}

/* A replica that ended well has everything on its disk: what its stage held in memory is not needed any more.
 */
static void replicator_ended(struct stack *s, size_t index, const struct child *child, int status)
{
	if (s->podd->stopping && status == 0)
		(void) unlink(s->sites[index].files.stage);
	if (child->state == CHILD_STOPPED)
		stack_on_fenced(&s->core, index, clock_mono_ms());
}

void stacks_on_child_end(struct podd *p, const struct child *child, int status)
{
	const char *site;
	struct stack *s;

	if ((s = stack_of_child(p, child->name, "attach:", &site)))
		stack_on_unmounted(s);
	else if ((s = stack_of_child(p, child->name, "stored:", &site)) && child->state == CHILD_STOPPED)
		stack_on_store(&s->core, false, clock_mono_ms());
	else if ((s = stack_of_child(p, child->name, "replicator:", &site)) && site &&
	         stack_site_find(s, site) != SIZE_MAX)
		replicator_ended(s, stack_site_find(s, site), child, status);
	if (s)
		stack_go_on(s);
}

/* ---- opening ---- */

static struct stack *stack_free(struct stack *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->core.n; i++)
		stack_site_close(&s->sites[i]);
	if (s->timer)
		event_free(s->timer);
	if (s->poll)
		event_free(s->poll);
	free(s);
	return NULL;
}

static int check_record(const struct podd *p, const char *volume, const Directory__Volume *v, struct err *err)
{
	if (v->n_replicas > STACK_REPLICAS_MAX)
		return err_set(err, POD_E_LIMIT, "volume %s: more than %d replicas", volume,
		               STACK_REPLICAS_MAX);
	for (size_t i = 0; i < v->n_replicas; i++)
		if (!replica_is_here(p->conf, v->replicas[i]))
			return err_set(err, POD_E_UNSUPPORTED,
			               "volume %s: its replica at %s is on another host, %s", volume,
			               v->replicas[i]->site, v->replicas[i]->host);
	return 0;
}

static int events_start(struct stack *s, struct err *err)
{
	static const struct timeval every = { .tv_sec = POLL_EVERY_S };

	s->timer = evtimer_new(s->podd->base, stack_on_timer, s);
	s->poll = event_new(s->podd->base, -1, EV_PERSIST, stack_on_poll, s);
	if (!s->timer || !s->poll || event_add(s->poll, &every) < 0)
		return err_set(err, POD_E_NOMEM, "volume %s", s->name);
	return 0;
}

static int open_all(struct stack *s, const Directory__Volume *v, struct err *err)
{
	uint64_t now = clock_mono_ms();
	const struct stack_limits limits = {
		.failover_after_ms = s->podd->conf->replication.failover_after_ms,
		.step_ms = STEP_LIMIT_MS,
		.serve_ms = SERVE_LIMIT_MS,
	};
	int r = check_record(s->podd, s->name, v, err);

	if (r < 0)
		return r;
	stack_init(&s->core, &limits, v->n_replicas, volume_record_site(v, v->primary_site), v->token,
	           strcmp(v->state, VOLUME_STATE_MAKING) != 0, now);
	r = events_start(s, err);
	for (size_t i = 0; r == 0 && i < v->n_replicas; i++) {
		stack_set_in_sync(&s->core, i, v->replicas[i]->in_sync, now);
		r = stack_site_open(s, i, v, err);
	}
	if (r == 0)
		r = stack_parts_add(s, err);
	return r;
}

int stack_open(struct podd *p, const char *volume, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(RECORD_ARENA);
	struct stack *s = a ? calloc(1, sizeof(*s)) : NULL;
	const Directory__Volume *v;
	int r = s ? volume_record_get(p, a, volume, &v, err) : err_set(err, POD_E_NOMEM, "volume %s", volume);

	if (r == 0) {
		s->podd = p;
		(void) snprintf(s->name, sizeof(s->name), "%s", volume);
		r = open_all(s, v, err);
	}
	if (r < 0) {
		(void) stack_free(s);
		return r;
	}
	LIST_INSERT_HEAD(&p->stacks, s, link);
	for (size_t i = 0; r == 0 && i < s->core.n; i++)
		r = stack_site_start(&s->sites[i], v, err);
	stack_go_on(s);
	return r;
}

struct stack *stack_find(const struct podd *p, const char *volume)
{
	struct stack *s;

	LIST_FOREACH(s, &p->stacks, link)
	if (strcmp(s->name, volume) == 0)
		return s;
	return NULL;
}

size_t stack_site_find(const struct stack *s, const char *site)
{
	for (size_t i = 0; i < s->core.n; i++)
		if (strcmp(s->sites[i].name, site) == 0)
			return i;
	return SIZE_MAX;
}

void stacks_stop(struct podd *p)
{
	struct stack *s;

	LIST_FOREACH(s, &p->stacks, link)
	{
		stack_stop(&s->core, clock_mono_ms());
		stack_go_on(s);
	}
}

void stacks_free(struct podd *p)
{
	struct stack *s;

	while ((s = LIST_FIRST(&p->stacks))) {
		LIST_REMOVE(s, link);
		(void) stack_free(s);
	}
}

bool stacks_all_serve(const struct podd *p)
{
	const struct stack *s;

	LIST_FOREACH(s, &p->stacks, link)
	if (!stack_serves(&s->core))
		return false;
	return true;
}
