/*
 * How a daemon runs: a small parent that binds, forks identical workers and restarts them; privileges that
 * go before any byte from outside is read; readiness told to whoever started us.
 */
#ifndef POD_PROC_PROC_H
#define POD_PROC_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Becomes user (and its group and supplementary groups) for good; a parent-death signal stays set. Not root:
 * does nothing and says so with 0, where the caller is that user already or user is ""; -POD_E_DENIED where
 * it is somebody else, or root. -POD_E_NOTFOUND: no such user; the text says how to make one.
 */
int privilege_drop(const char *user, struct err *err);
/*
 * The same, keeping those of a set of capabilities (1 << CAP_IPC_LOCK, ...; capabilities(7)) that we have; they outlive
 * an exec. Where no user changes they stay as they are.
 */
int privilege_drop_keeping(const char *user, uint64_t capabilities, struct err *err);
/*
 * No new privileges (PR_SET_NO_NEW_PRIVS), no core file with secrets in it, RLIMIT_NOFILE as high as allowed.
 * The process stays dumpable, so that its own user can read its memory figures in /proc.
 */
int privilege_harden(struct err *err);
uid_t privilege_uid_of(const char *user); /* (uid_t) -1 where there is none */

/*
 * For a process that turns hostile bytes into data: after this it may read, write, and exit on descriptors
 * it has, allocate memory, and nothing else (seccomp; a forbidden call kills it).
 */
int sandbox_parser(struct err *err);

/*
 * Tells the starter that every listener answers: "ready\n" on the descriptor named in $PODMAIL_READY_FD,
 * which is then closed. Call it before forking workers, or they hold the pipe open. Without the variable
 * it does nothing.
 */
void proc_notify_ready(void);
/*
 * Ends with the parent: PR_SET_PDEATHSIG to SIGTERM, and the race with a parent already gone closed. The
 * kernel means the thread that forked: fork from one that lives as long as the process.
 */
void proc_die_with_parent(pid_t parent);

struct worker_kind {
	const char *name; /* "smtp", "queue": in logs and in the process title */
	unsigned int count;
	/* Runs in the child, after fork, until it should end. Returns the exit status. index: 0..count-1. */
	int (*run)(void *arg, unsigned int index);
	void *arg;
};

/*
 * Forks the workers and watches them until SIGTERM or SIGINT, then ends them (SIGTERM, after drain_ms
 * SIGKILL) and returns 0. One that dies is started anew: at once the first time, with back-off up to 10 s
 * where it keeps dying. SIGHUP is passed on to every worker, after on_reload (may be NULL) ran in the parent.
 * A worker starts with the signal mask that workers_run was called with, ignores SIGHUP until it installs a
 * handler, ignores SIGINT (Ctrl-C: the parent sends SIGTERM), dies with the parent, and is seen in ps as
 * "PROGRAM/NAME". Call from the main thread, before any event_base or thread is made. Logs deaths and
 * restarts.
 */
int workers_run(const struct worker_kind *kinds, size_t n, unsigned int drain_ms, void (*on_reload)(void *),
                void *arg, struct err *err);

#endif
