#include "replicator/plugin/ending.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#define PATIENCE_S 1 /* for clients to hang up */
#define FLUSH_S    2 /* for the disk; what is not on it by then is in the stage, as after a kill */

static const int signals[] = { SIGTERM, SIGINT };

/* Signals are the process's. */
static struct {
	struct sigaction before[ARRAY_SIZE(signals)]; /* nbdkit's */
	sem_t asked, over;
	atomic_bool stopped;
	pthread_t thread;
	bool runs;
} ending;

static void on_signal(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		const struct sigaction *before = &ending.before[i];

		if (signals[i] != number)
			continue;
		if (before->sa_flags & SA_SIGINFO)
			before->sa_sigaction(number, info, context);
		else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
			before->sa_handler(number);
	}
	(void) sem_post(&ending.asked);
	errno = saved;
}

static bool over_in_time(void)
{
	struct timespec until;

	(void) clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_S;
	while (sem_clockwait(&ending.over, CLOCK_MONOTONIC, &until) < 0)
		if (errno != EINTR)
			return false;
	return true;
}

/* Whoever has an answer has it for good: the gate is closed first. A disk that hangs does not keep us. */
static void end_now(struct replica *r)
{
	struct err err = { 0 };
	uint64_t lsn = 0;
	int result;

	(void) signal(SIGALRM, SIG_DFL);
	(void) alarm(FLUSH_S);
	replication_lease(r->link, clock_mono_ms());
	result = disk_commit(r->disk, &lsn, &err);
	if (result == 0)
		result = disk_wait_durable(r->disk, lsn, &err);
	if (result < 0)
		log_event(NULL, LOGL_ERROR, "replicator.not_flushed", F_STR("volume", r->settings->name),
		          F_ERR(&err));
	log_event(NULL, LOGL_NOTICE, "replicator.stopped", F_STR("volume", r->settings->name),
	          F_STR("how", "with clients that stayed"));
	_exit(result < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void *ending_main(void *arg)
{
	while (sem_wait(&ending.asked) < 0)
		if (errno != EINTR)
			return NULL;
	if (!atomic_load(&ending.stopped) && !over_in_time())
		end_now(arg);
	return NULL;
}

static void take_signals(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct sigaction own = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };

		(void) sigaction(signals[i], NULL, &ending.before[i]);
		if (!(ending.before[i].sa_flags & SA_SIGINFO) && ending.before[i].sa_handler == SIG_IGN)
			continue;
		(void) sigaction(signals[i], &own, NULL);
	}
}

int ending_start(struct replica *r, struct err *err)
{
	int e;

	(void) sem_init(&ending.asked, 0, 0);
	(void) sem_init(&ending.over, 0, 0);
	e = pthread_create(&ending.thread, NULL, ending_main, r);
	if (e != 0)
		return err_errno(err, e, "thread for the end");
	ending.runs = true;
	take_signals();
	return 0;
}

void ending_stop(void)
{
	if (!ending.runs)
		return;
	atomic_store(&ending.stopped, true);
	(void) sem_post(&ending.asked);
	(void) sem_post(&ending.over);
	(void) pthread_join(ending.thread, NULL);
	ending.runs = false;
}
