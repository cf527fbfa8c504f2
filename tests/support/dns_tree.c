#include "tests/support/dns_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void tree_exec(const struct dns_tree *t, int in, int out)
{
	const char *python = getenv("PYTHON");

	(void) dup2(in, 0);
	(void) dup2(out, 1);
	(void) execlp(python ? python : "python3", "python3", "tests/support/dns_tree.py", t->file,
	              (char *) NULL);
	_exit(127);
}

static void read_answer(struct dns_tree *t, int out)
{
	char line[8192];
	FILE *f = fdopen(out, "r");

	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_int_equal(sscanf(line, "%u %255s %4095s", &t->port, t->anchor, t->stubs), 3);
	assert_int_equal(fclose(f), 0);
}

void dns_tree_start(struct dns_tree *t, const char *zones)
{
	size_t len = strlen(zones);
	int in[2], out[2], fd;

	(void) snprintf(t->file, sizeof(t->file), "/tmp/podmail-zones-XXXXXX");
	fd = mkstemp(t->file);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, zones, len), len);
	assert_int_equal(close(fd), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	t->in = in[1];
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (t->pid == 0)
		tree_exec(t, in[0], out[1]);
	assert_int_equal(close(in[0]), 0);
	assert_int_equal(close(out[1]), 0);
	read_answer(t, out[0]);
}

void dns_tree_stop(struct dns_tree *t)
{
	int status;

	assert_int_equal(close(t->in), 0);
	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	assert_int_equal(unlink(t->file), 0);
}

struct dns_conf dns_tree_conf(const struct dns_tree *t)
{
	return (struct dns_conf){ .servers = "",
		                  .stubs = t->stubs,
		                  .unsigned_zones = "",
		                  .trust_anchor = t->anchor,
		                  .cache_size = 1u << 20,
		                  .timeout_ms = 20000 };
}
