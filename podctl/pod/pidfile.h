/*
 * Who runs the pod: run/podd.pid holds the process id and the start time of podd, so that a number that the
 * kernel gave to another process since is never taken for it. podd holds a lock on the file while it lives.
 */
#ifndef PODCTL_POD_PIDFILE_H
#define PODCTL_POD_PIDFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define PIDFILE_NAME "podd.pid" /* in run_dir */

/* A process for sure: its id and when it started (clock ticks since boot, field 22 of /proc/PID/stat). */
struct process_mark {
	pid_t pid;
	uint64_t start;
};

/* -POD_E_NOTFOUND where no such process runs. */
int process_mark_of(pid_t pid, struct process_mark *ret_mark, struct err *err);
/* Whether that very process is there (a zombie is not). */
bool process_mark_alive(const struct process_mark *mark);
/* SIGTERM, SIGKILL ... to exactly that process: 0, -POD_E_NOTFOUND where it is gone. */
int process_mark_signal(const struct process_mark *mark, int signal, struct err *err);
/* Waits for its end: 0, -POD_E_TIMEOUT. */
int process_mark_wait(const struct process_mark *mark, unsigned int timeout_ms, struct err *err);

/* Takes the lock and writes this process's mark. -POD_E_BUSY where another podd has it. Keep *ret_fd open. */
int pidfile_acquire(const char *path, int *ret_fd, struct err *err);
/* The running podd: -POD_E_NOTFOUND where none runs (no file, or a stale one). */
int pidfile_read(const char *path, struct process_mark *ret_mark, struct err *err);

#endif
