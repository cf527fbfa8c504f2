#include "podctl/podd/job.h"

#include <stdio.h>
#include <stdlib.h>

#include "podctl/podd/process.h"

struct job {
	struct process *process;
	job_done_fn *done;
	void *arg;
	char said[512];
};

static void job_on_line(void *arg, struct span line)
{
	struct job *j = arg;

	(void) snprintf(j->said, sizeof(j->said), SPAN_FMT, SPAN_ARG(span_head(line, sizeof(j->said) - 1)));
}

static void job_on_exit(void *arg, pid_t pid, int status)
{
	struct job *j = arg;

	j->done(j->arg, status, j->said);
	free(j);
}

int job_start(struct event_base *base, const struct process_spec *spec, struct logbook *log,
              job_done_fn *done, void *arg, struct err *err)
{
	static const struct process_ops ops = { .on_line = job_on_line, .on_exit = job_on_exit };
	struct job *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return err_set(err, POD_E_NOMEM, "running %s", spec->argv[0]);
	*j = (struct job){ .done = done, .arg = arg };
	r = process_start(base, spec, log, &ops, j, &j->process, err);
	if (r < 0)
		free(j);
	return r;
}
