/* A message of our own into the mta's queue. */
#include <stdio.h>
#include <stdlib.h>

#include "base/id.h"
#include "mta/podfilter/control/control_internal.h"
#include "mta/queue/own_mail.h"

#define SUBMIT_MS 30000

struct submitting {
	struct event_base *base;
	int code;
	char text[200];
};

static void submitting_on_queued(void *arg, int code, const char *text)
{
	struct submitting *s = arg;

	s->code = abs(code);
	(void) snprintf(s->text, sizeof(s->text), "%s", text ? text : "");
	(void) event_base_loopbreak(s->base);
}

/* Waits for the queue's word on a loop of its own. */
static int hand_over(const struct conf *conf, const Queue__Submission *submission, int fd, struct err *err)
{
	struct submitting s = { .base = event_base_new(), .code = POD_E_NOMEM };
	struct queue_client *client = NULL;
	char path[256];
	int r = s.base ? queue_client_create(s.base, queue_submit_path(conf, path, sizeof(path)), SUBMIT_MS,
	                                     &client, err)
	               : err_set(err, POD_E_NOMEM, "report");

	if (r == 0) {
		if (queue_submit(client, submission, fd, submitting_on_queued, &s))
			(void) event_base_dispatch(s.base);
		if (s.code)
			r = err_set(err, (enum pod_error) s.code, "%s", s.text);
	}
	(void) queue_client_free(client);
	if (s.base)
		event_base_free(s.base);
	return r;
}

int control_send(struct control *c, struct arena *a, const struct conf *conf, struct span message,
                 const char *to, struct err *err)
{
	char trace[TRACE_ID_SIZE];
	struct own_mail mail;
	int r;

	trace_id_new(trace);
	r = own_mail_make(c->o.directory, a, trace, to, message, OWN_MAIL_SIGNED, &mail, err);
	if (r < 0)
		return r;
	r = hand_over(conf, &mail.submission, mail.fd, err);
	own_mail_done(&mail);
	return r;
}
