/* A message of our own into the mta's queue, from nobody, so that nothing comes back (RFC 5321 4.5.5). */
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "mime/mime.h"
#include "mta/podfilter/control/control_internal.h"
#include "mta/queue/queue.h"

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

/* An address of another domain is itself, one of ours is found as any recipient is. */
static int resolve(struct control *c, struct arena *a, const char *to, struct directory_targets *ret,
                   struct err *err)
{
	struct directory_target *remote;
	int r = c->o.directory ? directory_resolve(c->o.directory, a, span_of(to), ret, err)
	                       : -POD_E_UNSUPPORTED;

	if (r != -POD_E_UNSUPPORTED)
		return r;
	remote = arena_new(a, struct directory_target);
	if (!remote)
		return err_set(err, POD_E_NOMEM, "report");
	remote->kind = TARGET_REMOTE;
	remote->address = to;
	*ret = (struct directory_targets){ remote, 1 };
	return 0;
}

static Queue__Recipient *recipient(struct arena *a, const struct directory_target *t, const char *original)
{
	Queue__Recipient *r = arena_new(a, Queue__Recipient);

	if (!r)
		return NULL;
	queue__recipient__init(r);
	r->state = t->kind == TARGET_MAILBOX ? QUEUE__STATE__WAITING : QUEUE__STATE__OUTBOUND;
	r->address = arena_str(a, span_of(t->address));
	r->original = arena_str(a, span_of(original));
	return r->address && r->original ? r : NULL;
}

static int fill_item(struct arena *a, const struct directory_targets *targets, const char *to, size_t size,
                     Queue__Item *item)
{
	struct guid id = guid_new();

	queue__item__init(item);
	item->id.data = arena_alloc(a, ID_SIZE);
	item->trace = arena_alloc(a, TRACE_ID_SIZE);
	item->recipients = arena_array(a, targets->n + 1, sizeof(*item->recipients));
	if (!item->id.data || !item->trace || !item->recipients)
		return -POD_E_NOMEM;
	memcpy(item->id.data, id.b, ID_SIZE);
	item->id.len = ID_SIZE;
	trace_id_new(item->trace);
	item->size = size;
	item->arrived_s = clock_wall_s();
	for (size_t i = 0; i < targets->n; i++) {
		item->recipients[i] = recipient(a, &targets->items[i], to);
		if (!item->recipients[i])
			return -POD_E_NOMEM;
		item->n_recipients++;
	}
	return 0;
}

static int body_file(struct span body, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int fd = memfd_create("report", MFD_CLOEXEC);

	while (fd >= 0 && body.len) {
		ssize_t n = write(fd, body.p, body.len);

		if (n <= 0)
			return err_set(err, POD_E_NOMEM, "report");
		body = span_skip(body, (size_t) n);
	}
	if (fd < 0)
		return err_set(err, POD_E_NOMEM, "report");
	*ret_fd = take_fd(&fd);
	return 0;
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
	Queue__Submission submission = QUEUE__SUBMISSION__INIT;
	Queue__Summary summary = QUEUE__SUMMARY__INIT;
	_cleanup_(closep) int fd = -1;
	struct directory_targets targets = { 0 };
	struct mime_summary parsed;
	Queue__Item item;
	int r = resolve(c, a, to, &targets, err);

	if (r == 0 && targets.n == 0)
		r = err_set(err, POD_E_NOTFOUND, "%.128s: nobody has this address", to);
	if (r == 0)
		r = body_file(message, &fd, err);
	if (r == 0 &&
	    (mime_summarize(a, message, &parsed) < 0 || fill_item(a, &targets, to, message.len, &item) < 0))
		r = err_set(err, POD_E_NOMEM, "report");
	if (r < 0)
		return r;
	queue_summary_set(&summary, &parsed);
	submission.item = &item;
	submission.summary = &summary;
	return hand_over(conf, &submission, fd, err);
}
