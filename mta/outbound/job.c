#include <stdlib.h>

#include "base/cleanup.h"
#include "mta/outbound/internal.h"

struct job {
	struct outbound *o;
	Outbound__Job *record;
	int body_fd;
	struct event due;
	job_done_fn *fn;
	void *arg;
};

static void job_free(struct job *j)
{
	(void) event_del(&j->due);
	outbound__job__free_unpacked(j->record, NULL);
	closep(&j->body_fd);
	j->o->jobs--;
	free(j);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	struct job *j = arg;
	Outbound__Feedback feedback = OUTBOUND__FEEDBACK__INIT;
	Outbound__Outcome outcome = OUTBOUND__OUTCOME__INIT;
	Outbound__Result result = OUTBOUND__RESULT__INIT;
	_cleanup_(freep) Outbound__Outcome **outcomes =
		calloc(j->record->n_targets, sizeof(Outbound__Outcome *));

	outcome.code = 451;
	outcome.enhanced = (char[]){ "4.3.5" };
	outcome.text = (char[]){ "mail to other servers is not sent yet" };
	feedback.trouble = OUTBOUND__TROUBLE__LOCAL;
	for (size_t i = 0; outcomes && i < j->record->n_targets; i++)
		outcomes[i] = &outcome;
	result.outcomes = outcomes;
	result.n_outcomes = outcomes ? j->record->n_targets : 0;
	result.feedback = &feedback;
	j->fn(j->arg, &result);
	job_free(j);
}

struct job *job_start(struct outbound *o, Outbound__Job *record, int body_fd, job_done_fn *fn, void *arg)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j) {
		outbound__job__free_unpacked(record, NULL);
		closep(&body_fd);
		return NULL;
	}
	*j = (struct job){ .o = o, .record = record, .body_fd = body_fd, .fn = fn, .arg = arg };
	o->jobs++;
	(void) evtimer_assign(&j->due, o->base, on_due, j);
	event_active(&j->due, EV_TIMEOUT, 0);
	return j;
}

void job_cancel(struct job *j)
{
	job_free(j);
}
