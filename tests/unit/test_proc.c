#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "proc/proc.h"

#define LIMIT_MS 20000

/* Waits for cond with short naps: what is waited for happens in other processes. */
#define WAIT_UNTIL(cond)                                                                                     \
	do {                                                                                                 \
		uint64_t limit_ = clock_mono_ms() + LIMIT_MS;                                                \
		while (!(cond)) {                                                                            \
			assert_true(clock_mono_ms() < limit_);                                               \
			(void) poll(NULL, 0, 5);                                                             \
		}                                                                                            \
	} while (0)

/* Runs fn in a child; returns its wait status. */
static int in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int drop_to_nobody(void)
{
	uid_t r, e, s;
	int sig = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || privilege_drop("nobody", NULL) != 0)
		return 1;
	if (getresuid(&r, &e, &s) < 0 || r != privilege_uid_of("nobody") || e != r || s != r || getegid() == 0)
		return 2;
	if (setuid(0) == 0 || seteuid(0) == 0 || open("/proc/1/environ", O_RDONLY) >= 0)
		return 3;
	if (prctl(PR_GET_PDEATHSIG, &sig) < 0 || sig != SIGTERM)
		return 4;
	if (privilege_drop("nobody", NULL) != 0 || privilege_drop("daemon", NULL) != -POD_E_DENIED)
		return 5;
	return 0;
}

/* It may still lock memory, also in the program that it becomes, and nothing else that root may. */
static int drop_keeping_one(void)
{
	if (privilege_drop_keeping("nobody", UINT64_C(1) << CAP_IPC_LOCK, NULL) != 0)
		return 1;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_IPC_LOCK, 0, 0) != 1)
		return 2;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_DAC_OVERRIDE, 0, 0) != 0)
		return 3;
	if (setuid(0) == 0 || seteuid(0) == 0 || open("/proc/1/environ", O_RDONLY) >= 0)
		return 4;
	return privilege_drop_keeping("nobody", 0, NULL) == 0 ? 0 : 5;
}

static void a_capability_can_be_kept_and_no_other(void **state)
{
	if (geteuid() != 0 || prctl(PR_CAPBSET_READ, CAP_IPC_LOCK, 0, 0, 0) != 1)
		skip();
	assert_int_equal(in_child(drop_keeping_one), 0);
}

static void privileges_go_for_good(void **state)
{
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(drop_to_nobody), 0);
}

static void a_missing_user_is_an_error_that_says_how_to_make_one(void **state)
{
	struct err err = { 0 };

	assert_int_equal(privilege_drop("no-such-user-here", &err), -POD_E_NOTFOUND);
	assert_non_null(strstr(err.text, "useradd"));
	assert_int_equal(privilege_drop("root", &err), -POD_E_DENIED);
	assert_int_equal(privilege_drop("", &err), 0);
	assert_int_equal(privilege_uid_of("root"), 0);
	assert_true(privilege_uid_of("no-such-user-here") == (uid_t) -1);
}

static int harden(void)
{
	struct rlimit core, files;

	if (privilege_harden(NULL) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 1;
	if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_cur != 1 || core.rlim_max != 1)
		return 2;
	return getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur != files.rlim_max;
}

static void a_hardened_process_gains_nothing_and_dumps_nothing(void **state)
{
	assert_int_equal(in_child(harden), 0);
}

/* What a sandboxed parser does all day: reads, allocates, writes. */
static int parse_in_sandbox(void)
{
	int in[2], out[2];
	char buf[16];

	if (pipe(in) < 0 || pipe(out) < 0 || write(in[1], "input", 5) != 5 || sandbox_parser(NULL) != 0)
		return 1;
	if (read(in[0], buf, sizeof(buf)) != 5 || write(out[1], buf, 5) != 5)
		return 2;
	for (size_t size = 16; size < 64u << 20; size *= 4) {
		char *p = malloc(size);

		if (!p)
			return 3;
		memset(p, 1, size);
		p = realloc(p, size * 2);
		free(p);
	}
	return 0;
}

static int open_in_sandbox(void)
{
	return sandbox_parser(NULL) == 0 && open("/dev/null", O_RDONLY) >= 0;
}

static int connect_in_sandbox(void)
{
	return sandbox_parser(NULL) == 0 && socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static int fork_in_sandbox(void)
{
	return sandbox_parser(NULL) == 0 && fork() >= 0;
}

static int kill_in_sandbox(void)
{
	return sandbox_parser(NULL) == 0 && kill(getppid(), 0) == 0;
}

static int map_code_in_sandbox(void)
{
	return sandbox_parser(NULL) == 0 &&
	       mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static int map_file_in_sandbox(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	return sandbox_parser(NULL) == 0 && mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED;
}

static void a_sandboxed_parser_can_read_write_and_allocate(void **state)
{
	assert_int_equal(in_child(parse_in_sandbox), 0);
}

static void anything_else_kills_it(void **state)
{
	int (*const forbidden[])(void) = { open_in_sandbox, connect_in_sandbox,  fork_in_sandbox,
		                           kill_in_sandbox, map_code_in_sandbox, map_file_in_sandbox };

	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++) {
		int status = in_child(forbidden[i]);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
}

static void readiness_is_one_word_and_the_end_of_the_pipe(void **state)
{
	int fds[2];
	char text[16], got[16] = "";

	assert_int_equal(pipe(fds), 0);
	(void) snprintf(text, sizeof(text), "%d", fds[1]);
	assert_int_equal(setenv("PODMAIL_READY_FD", text, 1), 0);
	proc_notify_ready();
	assert_int_equal(read(fds[0], got, sizeof(got)), 6);
	assert_string_equal(got, "ready\n");
	assert_int_equal(read(fds[0], got, sizeof(got)), 0);
	assert_null(getenv("PODMAIL_READY_FD"));
	proc_notify_ready(); /* nobody asked: nothing happens */
	(void) close(fds[0]);
}

static void a_child_ends_with_its_parent(void **state)
{
	int life[2], armed[2];
	char c;
	pid_t middle;

	assert_int_equal(pipe(life), 0);
	assert_int_equal(pipe(armed), 0);
	middle = fork();
	if (middle == 0) {
		pid_t me = getpid();

		if (fork() == 0) {
			proc_die_with_parent(me);
			(void) !write(armed[1], "x", 1);
			for (;;)
				(void) pause();
		}
		(void) !read(armed[0], &c, 1);
		_exit(0);
	}
	(void) close(life[1]);
	assert_int_equal(read(life[0], &c, 1), 0); /* the grandchild held the other end */
	assert_int_equal(waitpid(middle, NULL, 0), middle);
	(void) close(life[0]);
	(void) close(armed[0]);
	(void) close(armed[1]);
}

static int die_for_a_wrong_parent(void)
{
	proc_die_with_parent(1 + getppid());
	return 0;
}

static void a_child_whose_parent_is_gone_already_ends_at_once(void **state)
{
	int status = in_child(die_for_a_wrong_parent);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* What the workers under test leave for the test to see, in shared memory. */
struct board {
	atomic_int pid[4], starts[4], hups, reloads, drained;
	int behaviour; /* of run_worker */
};

enum { LIVES, EXITS_AT_ONCE, IGNORES_TERM };

static struct board *board;
static atomic_int *hups; /* for the signal handler */

static struct board *board_make(int behaviour)
{
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(board, MAP_FAILED);
	board->behaviour = behaviour;
	hups = &board->hups;
	return board;
}

static void on_signal(int sig)
{
	if (sig == SIGHUP)
		atomic_fetch_add(hups, 1);
}

static int run_worker(void *arg, unsigned int index)
{
	struct board *b = arg;
	sigset_t term, mask;

	/* The mask must be as it was before workers_run: waiting for SIGTERM below depends on it. */
	if (sigprocmask(SIG_SETMASK, NULL, &mask) < 0 || sigismember(&mask, SIGTERM) || sigismember(&mask, SIGCHLD))
		return 9;
	atomic_fetch_add(&b->starts[index], 1);
	if (b->behaviour == EXITS_AT_ONCE)
		return 3;
	(void) signal(SIGHUP, on_signal);
	(void) sigemptyset(&term);
	(void) sigaddset(&term, SIGTERM);
	(void) sigprocmask(SIG_BLOCK, &term, NULL);
	atomic_store(&b->pid[index], getpid());
	while (b->behaviour == IGNORES_TERM || sigwaitinfo(&term, NULL) != SIGTERM)
		if (b->behaviour == IGNORES_TERM)
			(void) pause();
	atomic_fetch_add(&b->drained, 1);
	return 0;
}

static void on_reload(void *arg)
{
	struct board *b = arg;

	atomic_fetch_add(&b->reloads, 1);
}

/* A parent with count workers, in a process of its own. */
static pid_t start_parent(struct board *b, unsigned int count, unsigned int drain_ms)
{
	pid_t pid = fork();

	if (pid == 0) {
		const struct worker_kind kinds[] = { { "first", 1, run_worker, b }, { "none", 0, run_worker, b } };
		struct worker_kind one = kinds[0];

		one.count = count;
		log_setup("test", open("/dev/null", O_WRONLY), LOG_FORMAT_TEXT, LOGL_DEBUG);
		_exit(workers_run((const struct worker_kind[]){ one, kinds[1] }, 2, drain_ms, on_reload, b, NULL) ? 1 : 0);
	}
	return pid;
}

static void stop_parent(pid_t parent)
{
	int status = -1;

	assert_int_equal(kill(parent, SIGTERM), 0);
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_int_equal(status, 0);
}

static void a_killed_worker_is_replaced_and_the_others_stay(void **state)
{
	struct board *b = board_make(LIVES);
	pid_t parent = start_parent(b, 3, 5000), first, second;

	WAIT_UNTIL(b->pid[0] && b->pid[1] && b->pid[2]);
	first = b->pid[1];
	second = b->pid[2];
	for (int round = 0; round < 3; round++) { /* at once, then with the first steps of the back-off */
		pid_t victim = b->pid[1];

		assert_int_equal(kill(victim, SIGKILL), 0);
		WAIT_UNTIL(b->pid[1] != victim);
	}
	assert_int_not_equal(b->pid[1], first);
	assert_int_equal(b->pid[2], second);
	assert_int_equal(b->starts[0], 1);
	assert_int_equal(b->starts[1], 4);
	stop_parent(parent);
	assert_int_equal(b->drained, 3);
	assert_int_equal(kill(b->pid[1], 0), -1);
	assert_int_equal(errno, ESRCH);
	(void) munmap(b, sizeof(*b));
}

static void a_worker_that_keeps_dying_is_started_ever_more_seldom(void **state)
{
	struct board *b = board_make(EXITS_AT_ONCE);
	pid_t parent = start_parent(b, 1, 1000);
	uint64_t start = clock_mono_ms();

	WAIT_UNTIL(b->starts[0] >= 4);
	/* 1st and 2nd at once, then after 100 and 200 ms. */
	assert_true(clock_mono_ms() - start >= 250);
	stop_parent(parent);
	assert_true(b->starts[0] <= 12);
	(void) munmap(b, sizeof(*b));
}

static void a_reload_runs_in_the_parent_and_reaches_every_worker(void **state)
{
	struct board *b = board_make(LIVES);
	pid_t parent = start_parent(b, 2, 5000);

	WAIT_UNTIL(b->pid[0] && b->pid[1]);
	assert_int_equal(kill(parent, SIGHUP), 0);
	WAIT_UNTIL(b->hups == 2);
	assert_int_equal(b->reloads, 1);
	assert_int_equal(b->starts[0] + b->starts[1], 2);
	stop_parent(parent);
	(void) munmap(b, sizeof(*b));
}

static void a_worker_that_does_not_drain_is_killed(void **state)
{
	struct board *b = board_make(IGNORES_TERM);
	pid_t parent = start_parent(b, 1, 200);

	WAIT_UNTIL(b->pid[0]);
	stop_parent(parent);
	assert_int_equal(b->drained, 0);
	assert_int_equal(kill(b->pid[0], 0), -1);
	(void) munmap(b, sizeof(*b));
}

static void workers_end_when_their_parent_is_killed(void **state)
{
	struct board *b = board_make(LIVES);
	pid_t parent = start_parent(b, 2, 5000);

	WAIT_UNTIL(b->pid[0] && b->pid[1]);
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	WAIT_UNTIL(b->drained == 2);
	(void) munmap(b, sizeof(*b));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(privileges_go_for_good),
		cmocka_unit_test(a_capability_can_be_kept_and_no_other),
		cmocka_unit_test(a_missing_user_is_an_error_that_says_how_to_make_one),
		cmocka_unit_test(a_hardened_process_gains_nothing_and_dumps_nothing),
		cmocka_unit_test(a_sandboxed_parser_can_read_write_and_allocate),
		cmocka_unit_test(anything_else_kills_it),
		cmocka_unit_test(readiness_is_one_word_and_the_end_of_the_pipe),
		cmocka_unit_test(a_child_ends_with_its_parent),
		cmocka_unit_test(a_child_whose_parent_is_gone_already_ends_at_once),
		cmocka_unit_test(a_killed_worker_is_replaced_and_the_others_stay),
		cmocka_unit_test(a_worker_that_keeps_dying_is_started_ever_more_seldom),
		cmocka_unit_test(a_reload_runs_in_the_parent_and_reaches_every_worker),
		cmocka_unit_test(a_worker_that_does_not_drain_is_killed),
		cmocka_unit_test(workers_end_when_their_parent_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
