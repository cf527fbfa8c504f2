#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "proc/proc.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER_CALLS \
	SCMP_SYS(sigaltstack), SCMP_SYS(gettid), SCMP_SYS(sched_yield), /* their own, before _exit */
#else
#define SANITIZER_CALLS
#endif

/* What a parser may do whatever the arguments. */
static const int allowed[] = {
	SCMP_SYS(read),      SCMP_SYS(pread64),         SCMP_SYS(readv),        SCMP_SYS(write),
	SCMP_SYS(writev),    SCMP_SYS(lseek),           SCMP_SYS(close),        SCMP_SYS(brk),
	SCMP_SYS(munmap),    SCMP_SYS(mremap),          SCMP_SYS(madvise),      SCMP_SYS(futex),
	SCMP_SYS(getrandom), SCMP_SYS(clock_gettime),   SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group),
	SCMP_SYS(exit),      SCMP_SYS(restart_syscall), SANITIZER_CALLS};

/* Memory for malloc: of no file, and never to be executed. */
static int allow_memory(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
	                         SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
	                         SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));

	return r < 0 ? r
	             : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
	                                SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

int sandbox_parser(struct err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(allowed); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (r == 0)
		r = allow_memory(ctx);
	if (r == 0)
		r = seccomp_load(ctx); /* sets no_new_privs, too */
	if (ctx)
		seccomp_release(ctx);
	return r < 0 ? err_errno(err, -r, "seccomp sandbox") : 0;
}
