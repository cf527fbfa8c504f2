/*
 * One process started by podd: its standard error comes back as lines, its readiness ("ready\n" on the
 * descriptor named in $PODMAIL_READY_FD) and its end as events. It gets SIGTERM when podd dies, most often.
 * One thread.
 */
#ifndef PODCTL_PODD_PROCESS_H
#define PODCTL_PODD_PROCESS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "podctl/podd/lines.h"
#include "podctl/podd/logbook.h"

struct process;

struct process_ops {
	lines_fn *on_line;           /* each line that was logged, while it runs; may be NULL */
	void (*on_ready)(void *arg); /* may be NULL */
	/*
	 * Ended, reaped, and its process group with it; status as of waitpid. What it wrote has been logged.
	 * Frees the process.
	 */
	void (*on_exit)(void *arg, pid_t pid, int status);
};

struct process_spec {
	const char *const *argv; /* argv[0] is the program's path; ends with NULL */
	const char *user; /* that it becomes before it runs (proc/proc.h); NULL or "": stays the caller */
	uint64_t capabilities; /* that it keeps as that user, a set (capabilities(7)) */
	bool outlives_us;      /* no SIGTERM when podd dies: what a mounted file system stands on */
};

/* The log must outlive the loop. */
int process_start(struct event_base *base, const struct process_spec *spec, struct logbook *log,
                  const struct process_ops *ops, void *arg, struct process **ret_process, struct err *err);
pid_t process_pid(const struct process *p);
/* By its descriptor, so that no other process can be meant whatever becomes of its number. */
int process_signal(struct process *p, int signal, struct err *err);
/* Logs what it has written so far and is not read yet. */
void process_read_lines(struct process *p);
/* Forgets it without ending it (podd itself is about to exit). NULL is fine; returns NULL. */
struct process *process_free(struct process *p);

#endif
