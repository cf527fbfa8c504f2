#include "podctl/podd/children.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "podctl/podd/process.h"

#define EXIT_NOT_STARTED 127

/* The process of one entry of the supervisor's table; at a fixed address, since callbacks hold it. */
struct runner {
	struct children *all;
	size_t child;
	char **argv, *user;
	uint64_t capabilities;
	bool outlives_us;
	struct process *process; /* NULL while it does not run */
};

struct children {
	struct children_options o;
	struct supervisor core;
	struct runner *runners[SUPERVISE_CHILDREN_MAX];
	struct event *timer;
};

static void carry_out(struct children *c);

static const char *name_of(const struct runner *r)
{
	return r->all->core.children[r->child].name;
}

/* ---- what processes tell ---- */

static void runner_on_ready(void *arg)
{
	struct runner *r = arg;
	const struct child *child = &r->all->core.children[r->child];
	uint64_t now = clock_mono_ms();

	log_event(NULL, LOGL_INFO, "child.ready", F_STR("child", child->name), F_INT("child_pid", child->pid),
	          F_UINT("took_ms", now - child->started_ms));
	supervise_on_ready(&r->all->core, r->child, now);
	if (r->all->o.on_ready)
		r->all->o.on_ready(r->all->o.arg, child);
	carry_out(r->all);
}

static void log_end(const struct runner *r, pid_t pid, int status)
{
	bool asked = r->all->core.children[r->child].state == CHILD_STOPPING;
	enum log_level level = asked ? LOGL_INFO : LOGL_ERROR;

	if (WIFSIGNALED(status))
		log_event(NULL, level, "child.killed", F_STR("child", name_of(r)), F_INT("child_pid", pid),
		          F_STR("signal", sigabbrev_np(WTERMSIG(status)) ?: "?"));
	else
		log_event(NULL, level, "child.exited", F_STR("child", name_of(r)), F_INT("child_pid", pid),
		          F_INT("status", WEXITSTATUS(status)));
}

static void runner_on_exit(void *arg, pid_t pid, int status)
{
	struct runner *r = arg;

	r->process = NULL;
	log_end(r, pid, status);
	supervise_on_exit(&r->all->core, pid, status, clock_mono_ms());
	carry_out(r->all);
	if (r->all->o.on_end)
		r->all->o.on_end(r->all->o.arg, &r->all->core.children[r->child], status);
}

static const struct process_ops runner_ops = {
	.on_ready = runner_on_ready,
	.on_exit = runner_on_exit,
};

/* ---- what the supervisor wants ---- */

static void spawn(struct children *c, size_t child)
{
	struct runner *r = c->runners[child];
	const struct process_spec spec = { (const char *const *) r->argv, r->user, r->capabilities,
		                           r->outlives_us };
	struct err err = { 0 };
	uint64_t now = clock_mono_ms();

	if (process_start(c->o.base, &spec, c->o.log, &runner_ops, r, &r->process, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "child.not_started", F_STR("child", name_of(r)), F_ERR(&err));
		supervise_on_spawn_failed(&c->core, child, now);
		if (c->o.on_end) /* one on call is down again, and whoever called it has to know */
			c->o.on_end(c->o.arg, &c->core.children[child], W_EXITCODE(EXIT_NOT_STARTED, 0));
		return;
	}
	log_event(NULL, LOGL_INFO, "child.started", F_STR("child", name_of(r)),
	          F_INT("child_pid", process_pid(r->process)));
	supervise_on_spawned(&c->core, child, process_pid(r->process), now);
}

static void send_signal(struct children *c, size_t child, int signal)
{
	struct runner *r = c->runners[child];
	struct err err = { 0 };

	/* Where it fails the process has just ended, and its end is on its way to us. */
	if (r->process && process_signal(r->process, signal, &err) < 0)
		log_event(NULL, LOGL_NOTICE, "child.not_signalled", F_STR("child", name_of(r)), F_ERR(&err));
	if (signal == SIGKILL)
		log_event(NULL, LOGL_WARNING, "child.ended_by_force", F_STR("child", name_of(r)));
}

static void arm_timer(struct children *c)
{
	uint64_t deadline = supervise_deadline(&c->core), now = clock_mono_ms(), wait;
	struct timeval tv;

	if (deadline == UINT64_MAX) {
		(void) event_del(c->timer);
		return;
	}
	wait = deadline > now ? deadline - now : 0;
	tv = (struct timeval){ .tv_sec = (time_t) (wait / 1000),
		               .tv_usec = (suseconds_t) (wait % 1000) * 1000 };
	(void) event_add(c->timer, &tv);
}

static void carry_out(struct children *c)
{
	struct supervise_action a;

	while (supervise_next(&c->core, &a)) {
		switch (a.act) {
		case SUPERVISE_SPAWN: spawn(c, a.child); break;
		case SUPERVISE_SIGNAL: send_signal(c, a.child, a.signal); break;
		case SUPERVISE_ALL_STOPPED: c->o.on_all_stopped(c->o.arg); break;
		}
	}
	arm_timer(c);
}

static void children_on_time(evutil_socket_t fd, short events, void *arg)
{
	struct children *c = arg;

	supervise_on_time(&c->core, clock_mono_ms());
	carry_out(c);
}

/* ---- the door ---- */

int children_create(const struct children_options *o, struct children **ret_children, struct err *err)
{
	struct children *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(err, POD_E_NOMEM, "table of children");
	c->o = *o;
	r = supervisor_init(&c->core, &o->times, err);
	c->timer = evtimer_new(o->base, children_on_time, c);
	if (r == 0 && !c->timer)
		r = err_set(err, POD_E_NOMEM, "table of children");
	if (r < 0) {
		(void) children_free(c);
		return r;
	}
	*ret_children = c;
	return 0;
}

static char **argv_free(char **argv)
{
	for (char **a = argv; a && *a; a++)
		free(*a);
	free(argv);
	return NULL;
}

static char **argv_copy(const char *const *argv)
{
	char **copy;
	size_t n = 0;

	while (argv[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(argv[i]);
		if (!copy[i])
			return argv_free(copy);
	}
	return copy;
}

static struct runner *runner_free(struct runner *r)
{
	if (!r)
		return NULL;
	(void) process_free(r->process);
	(void) argv_free(r->argv);
	free(r->user);
	free(r);
	return NULL;
}

static struct runner *runner_create(struct children *c, const struct process_spec *spec)
{
	struct runner *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->all = c;
	r->capabilities = spec->capabilities;
	r->outlives_us = spec->outlives_us;
	r->argv = argv_copy(spec->argv);
	r->user = strdup(spec->user ? spec->user : "");
	return r->argv && r->user ? r : runner_free(r);
}

struct children *children_free(struct children *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < SUPERVISE_CHILDREN_MAX; i++)
		(void) runner_free(c->runners[i]);
	if (c->timer)
		event_free(c->timer);
	supervisor_done(&c->core);
	free(c);
	return NULL;
}

int children_add(struct children *c, const char *name, const struct child_spec *spec, struct err *err)
{
	struct runner *runner = runner_create(c, &spec->process);
	int r;

	if (!runner)
		return err_set(err, POD_E_NOMEM, "starting %s", name);
	r = supervise_add(&c->core, name, spec->rank, spec->care, &runner->child, err);
	if (r < 0) {
		(void) runner_free(runner);
		return r;
	}
	c->runners[runner->child] = runner;
	return 0;
}

int children_run(struct children *c, const char *name, const struct child_spec *spec, struct err *err)
{
	int r = children_add(c, name, spec, err);

	if (r == 0)
		children_start(c, name);
	return r;
}

static struct runner *runner_of(const struct children *c, const char *name)
{
	size_t child = supervise_find(&c->core, name);

	return child == SIZE_MAX ? NULL : c->runners[child];
}

bool children_has(const struct children *c, const char *name)
{
	return runner_of(c, name) != NULL;
}

static bool argv_same(char *const *a, char *const *b)
{
	for (; *a && *b && strcmp(*a, *b) == 0; a++, b++)
		;
	return !*a && !*b;
}

int children_set_argv(struct children *c, const char *name, const char *const *argv, struct err *err)
{
	struct runner *r = runner_of(c, name);
	char **copy = r ? argv_copy(argv) : NULL;

	if (r && !copy)
		return err_set(err, POD_E_NOMEM, "starting %s", name);
	if (r) {
		if (!argv_same(r->argv, copy))
			supervise_forgive(&c->core, r->child);
		(void) argv_free(r->argv);
		r->argv = copy;
	}
	return 0;
}

void children_read_lines(struct children *c)
{
	for (size_t i = 0; i < SUPERVISE_CHILDREN_MAX; i++)
		if (c->runners[i] && c->runners[i]->process)
			process_read_lines(c->runners[i]->process);
}

void children_start(struct children *c, const char *name)
{
	struct runner *r = runner_of(c, name);

	if (!r)
		return;
	supervise_start(&c->core, r->child, clock_mono_ms());
	carry_out(c);
}

void children_end(struct children *c, const char *name, enum supervise_ending how)
{
	struct runner *r = runner_of(c, name);

	if (!r)
		return;
	supervise_end(&c->core, r->child, how, clock_mono_ms());
	carry_out(c);
}

void children_is_ready(struct children *c, const char *name)
{
	struct runner *r = runner_of(c, name);

	if (r && c->core.children[r->child].state == CHILD_STARTING && r->process)
		runner_on_ready(r);
}

int children_signal(struct children *c, const char *name, int signal, struct err *err)
{
	struct runner *r = runner_of(c, name);

	if (!r || !r->process)
		return err_set(err, POD_E_UNAVAILABLE, "%s does not run", name);
	return process_signal(r->process, signal, err);
}

void children_reload(struct children *c, const struct supervise_times *times)
{
	c->core.times = *times;
	supervise_reload(&c->core);
	carry_out(c);
}

void children_stop(struct children *c)
{
	supervise_stop(&c->core, clock_mono_ms());
	carry_out(c);
}

const struct child *children_get(const struct children *c, size_t i)
{
	return i < c->core.n ? &c->core.children[i] : NULL;
}

const struct child *children_find(const struct children *c, const char *name)
{
	return children_get(c, supervise_find(&c->core, name));
}

bool children_all_ready(const struct children *c)
{
	return supervise_all_ready(&c->core);
}
