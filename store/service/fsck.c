#include "store/service/service_internal.h"

#define PROBLEMS_MAX 100 /* in one frame */

struct checking {
	struct task *task;
	struct arena *a; /* of the frame */
	char *problems[PROBLEMS_MAX];
	size_t n;
};

static void fill(const struct checking *c, const struct fsck_report *so_far, Podstore__FsckReport *ret)
{
	podstore__fsck_report__init(ret);
	ret->users = so_far->users;
	ret->messages = so_far->messages;
	ret->repaired = so_far->repaired;
	ret->problems = (char **) (uintptr_t) c->problems;
	ret->n_problems = c->n;
}

static void send_report(struct checking *c, const struct fsck_report *so_far)
{
	Podstore__FsckReport m;

	fill(c, so_far, &m);
	store_request_more(c->task->rq, &m.base, SPAN_NONE, -1);
	c->n = 0;
	arena_reset(c->a);
}

/* A problem that does not fit any more is in the count, and found again by the next run. */
static void on_problem(void *arg, const char *text)
{
	struct checking *c = arg;
	char *copy = c->n < PROBLEMS_MAX ? arena_str(c->a, span_of(text)) : NULL;

	if (copy)
		c->problems[c->n++] = copy;
}

static void on_progress(void *arg, const struct fsck_report *so_far)
{
	/* It blocks its own thread of the slow ones only, and an admin's client reads. */
	struct checking *c = arg;

	if (store_request_wait_window(c->task->rq) == 0)
		send_report(c, so_far);
}

void method_fsck(struct task *t)
{
	const Podstore__Fsck *m = (const Podstore__Fsck *) t->message;
	struct checking c = { .task = t, .a = arena_create(4u << 20) };
	struct fsck_report report = { .problem = on_problem, .progress = on_progress, .arg = &c };
	Podstore__FsckReport reply;
	int r = c.a ? volume_fsck(t->svc->vol, span_of(m->user_id), m->repair, &report, &t->err) : -POD_E_NOMEM;

	if (r < 0) {
		task_fail(t, r);
	} else {
		fill(&c, &report, &reply);
		reply.done = true;
		task_reply(t, &reply.base);
	}
	(void) arena_free(c.a);
}
