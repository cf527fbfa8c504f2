/* What a process tells, and hears of, the one that started it. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/span.h"
#include "proc/proc.h"

#define READY_VARIABLE "PODMAIL_READY_FD"

void proc_notify_ready(void)
{
	static const char word[] = "ready\n";
	const char *text = getenv(READY_VARIABLE);
	uint32_t fd;
	ssize_t n;

	if (!text || span_to_u32(span_of(text), &fd) < 0 || fd > INT32_MAX)
		return;
	/* Where this fails the starter has gone or sees the end of the pipe without the word: both are its
	 * matter. */
	n = write((int) fd, word, sizeof(word) - 1);
	(void) n;
	(void) close((int) fd);
	(void) unsetenv(READY_VARIABLE);
}

void proc_die_with_parent(pid_t parent)
{
	/* It can only fail for a signal that does not exist. */
	(void) prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		(void) raise(SIGTERM);
}
