/*
 * The parent of a front end. It has no event loop (libevent's epoll descriptor would be shared by fork):
 * the signals it lives by are blocked and waited for, so that none is lost and no handler runs.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "proc/proc.h"

#define STEADY_MS      10000 /* one that lived this long did not die of its start */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 10000

struct worker {
	const struct worker_kind *kind;
	unsigned int index;
	pid_t pid; /* 0 while it does not run */
	uint64_t started_ms, due_ms;
	unsigned int deaths; /* in a row, each soon after its start */
};

struct crew {
	struct worker *workers;
	size_t n;
	sigset_t signals, old_mask;
};

static size_t count_workers(const struct worker_kind *kinds, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += kinds[i].count;
	return sum;
}

static int crew_init(struct crew *c, const struct worker_kind *kinds, size_t n, struct err *err)
{
	size_t at = 0;

	(void) sigemptyset(&c->signals);
	(void) sigemptyset(&c->old_mask);
	c->n = count_workers(kinds, n);
	c->workers = calloc(c->n ? c->n : 1, sizeof(*c->workers));
	if (!c->workers)
		return err_set(err, POD_E_NOMEM, "workers");
	for (size_t k = 0; k < n; k++)
		for (unsigned int i = 0; i < kinds[k].count; i++)
			c->workers[at++] = (struct worker){.kind = &kinds[k], .index = i};
	(void) sigaddset(&c->signals, SIGCHLD);
	(void) sigaddset(&c->signals, SIGTERM);
	(void) sigaddset(&c->signals, SIGINT);
	(void) sigaddset(&c->signals, SIGHUP);
	(void) signal(SIGCHLD, SIG_DFL); /* where it is ignored, waitpid finds nothing */
	if (sigprocmask(SIG_BLOCK, &c->signals, &c->old_mask) < 0)
		return err_errno(err, errno, "sigprocmask");
	return 0;
}

/* In the child. Ctrl-C reaches the whole terminal group, a reload may come before a handler is there. */
static void __attribute__((noreturn)) worker_main(const struct crew *c, const struct worker *w, pid_t parent)
{
	char name[16];

	proc_die_with_parent(parent);
	(void) signal(SIGINT, SIG_IGN);
	(void) signal(SIGHUP, SIG_IGN);
	(void) snprintf(name, sizeof(name), "%s/%s", program_invocation_short_name, w->kind->name);
	(void) prctl(PR_SET_NAME, name);
	(void) sigprocmask(SIG_SETMASK, &c->old_mask, NULL);
	_exit(w->kind->run(w->kind->arg, w->index));
}

static int worker_start(const struct crew *c, struct worker *w, struct err *err)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return err_errno(err, errno, "fork of worker %s", w->kind->name);
	if (pid == 0)
		worker_main(c, w, parent);
	w->pid = pid;
	w->started_ms = clock_mono_ms();
	log_event(NULL, LOGL_DEBUG, "worker.started", F_STR("worker", w->kind->name),
	          F_UINT("index", w->index), F_INT("pid", pid));
	return 0;
}

static uint64_t backoff_ms(unsigned int deaths)
{
	unsigned int doublings = deaths < 8 ? deaths : 8;
	uint64_t ms;

	if (deaths == 0)
		return 0;
	ms = (uint64_t) BACKOFF_MIN_MS << (doublings - 1);
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

/* Sets when it is to be started again. */
static uint64_t worker_schedule(struct worker *w)
{
	uint64_t now = clock_mono_ms(), wait;

	if (now - w->started_ms >= STEADY_MS)
		w->deaths = 0;
	wait = backoff_ms(w->deaths++);
	w->pid = 0;
	w->due_ms = now + wait;
	return wait;
}

static void worker_died(struct worker *w, int status)
{
	pid_t pid = w->pid;
	uint64_t wait = worker_schedule(w);
	bool killed = WIFSIGNALED(status);

	log_event(NULL, LOGL_WARNING, "worker.died", F_STR("worker", w->kind->name),
	          F_UINT("index", w->index), F_INT("pid", pid),
	          F_STR("by", killed ? strsignal(WTERMSIG(status)) : "exit"),
	          F_INT("status", killed ? WTERMSIG(status) : WEXITSTATUS(status)),
	          F_UINT("restart_in_ms", wait));
}

/* Only our own are waited for: the program may have other children. */
static size_t reap(struct crew *c, bool stopping)
{
	size_t alive = 0;

	for (size_t i = 0; i < c->n; i++) {
		struct worker *w = &c->workers[i];
		int status = 0;

		if (w->pid && waitpid(w->pid, &status, WNOHANG) == w->pid) {
			if (stopping)
				w->pid = 0;
			else
				worker_died(w, status);
		}
		alive += w->pid != 0;
	}
	return alive;
}

static void kill_all(struct crew *c, int sig)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->workers[i].pid)
			(void) kill(c->workers[i].pid, sig); /* one that is gone already is reaped next */
}

/* Starts what is due. Returns the milliseconds until the next is, UINT64_MAX where none waits. */
static uint64_t start_due(struct crew *c)
{
	uint64_t now = clock_mono_ms(), next = UINT64_MAX;

	for (size_t i = 0; i < c->n; i++) {
		struct worker *w = &c->workers[i];
		struct err err = {0};

		if (w->pid == 0 && w->due_ms <= now && worker_start(c, w, &err) < 0) {
			w->started_ms = now;
			(void) worker_schedule(w);
			w->due_ms =
				now + (w->due_ms - now < BACKOFF_MIN_MS ? BACKOFF_MIN_MS : w->due_ms - now);
			log_event(NULL, LOGL_ERROR, "worker.not_started", F_ERR(&err));
		}
		if (w->pid == 0 && w->due_ms - now < next)
			next = w->due_ms - now;
	}
	return next;
}

/* The next signal, or 0 after ms milliseconds. */
static int wait_signal(const struct crew *c, uint64_t ms)
{
	const struct timespec limit = {.tv_sec = (time_t) (ms / 1000),
	                               .tv_nsec = (long) (ms % 1000) * 1000000};
	int sig = sigtimedwait(&c->signals, NULL, ms == UINT64_MAX ? NULL : &limit);

	return sig < 0 ? 0 : sig;
}

static void watch(struct crew *c, void (*on_reload)(void *), void *arg)
{
	for (;;) {
		int sig = wait_signal(c, start_due(c));

		switch (sig) {
		case SIGTERM:
		case SIGINT: return;
		case SIGHUP:
			if (on_reload)
				on_reload(arg);
			kill_all(c, SIGHUP);
			break;
		case SIGCHLD: (void) reap(c, false); break;
		default: break; /* time to start one */
		}
	}
}

static void stop(struct crew *c, unsigned int drain_ms)
{
	uint64_t deadline = clock_mono_ms() + drain_ms, now;

	kill_all(c, SIGTERM);
	while (reap(c, true) > 0 && (now = clock_mono_ms()) < deadline)
		(void) wait_signal(c, deadline - now);
	for (size_t i = 0; i < c->n; i++) {
		struct worker *w = &c->workers[i];

		if (w->pid == 0)
			continue;
		log_event(NULL, LOGL_WARNING, "worker.killed", F_STR("worker", w->kind->name),
		          F_INT("pid", w->pid), F_UINT("after_ms", drain_ms));
		(void) kill(w->pid, SIGKILL);
		while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
}

/* A second SIGTERM that came while stopping must not kill us as soon as it is let through. */
static void restore_signals(struct crew *c)
{
	while (wait_signal(c, 0))
		;
	(void) sigprocmask(SIG_SETMASK, &c->old_mask, NULL);
}

int workers_run(const struct worker_kind *kinds, size_t n, unsigned int drain_ms, void (*on_reload)(void *),
                void *arg, struct err *err)
{
	struct crew c = {0};
	int r = crew_init(&c, kinds, n, err);

	for (size_t i = 0; r == 0 && i < c.n; i++)
		r = worker_start(&c, &c.workers[i], err);
	if (r == 0)
		watch(&c, on_reload, arg);
	if (c.workers) {
		stop(&c, drain_ms);
		restore_signals(&c);
	}
	free(c.workers);
	return r;
}
