/* LESSONS, LESSON_BODY and LESSONS_DONE: what users' moves into Junk and out of it say, for the filter. */
#include "store/service/body_open.h"
#include "store/service/service_internal.h"

#define LESSONS_AT_ONCE 100

static Podstore__Lesson *convert(struct arena *a, const struct volume_lesson *l)
{
	Podstore__Lesson *out = arena_new(a, Podstore__Lesson);

	if (!out)
		return NULL;
	podstore__lesson__init(out);
	out->number = l->number;
	out->spam = l->spam;
	out->at = l->at_s;
	out->user_id = arena_str(a, l->user_id);
	return out->user_id ? out : NULL;
}

void method_lessons(struct task *t)
{
	Podstore__LessonsReply reply = PODSTORE__LESSONS_REPLY__INIT;
	struct volume_lesson *lessons = arena_array(t->a, LESSONS_AT_ONCE, sizeof(*lessons));
	size_t n = 0;
	int r;

	reply.lessons = arena_array(t->a, LESSONS_AT_ONCE, sizeof(*reply.lessons));
	r = lessons && reply.lessons
	            ? volume_lessons(t->svc->vol, t->a, 0, lessons, LESSONS_AT_ONCE, &n, &t->err)
	            : -POD_E_NOMEM;
	for (size_t i = 0; r == 0 && i < n; i++) {
		reply.lessons[i] = convert(t->a, &lessons[i]);
		r = reply.lessons[i] ? 0 : -POD_E_NOMEM;
	}
	reply.n_lessons = n;
	if (r < 0)
		task_fail(t, r);
	else
		task_reply(t, &reply.base);
}

/* Only messages that there is a lesson about: the filter reads no others. */
static int open_lesson(struct task *t, int *ret_fd, uint64_t *ret_size, struct span *ret_parts)
{
	const Podstore__LessonBody *m = (const Podstore__LessonBody *) t->message;
	struct volume_lesson l;
	size_t n = 0;
	int r = volume_lessons(t->svc->vol, t->a, m->number, &l, 1, &n, &t->err);

	if (r == 0 && (n == 0 || l.number != m->number || !l.user_id.len))
		r = err_set(&t->err, POD_E_NOTFOUND, "no such lesson");
	return r < 0 ? r
	             : volume_body_open(t->svc->vol, t->a, l.user_id, l.mailbox, l.uid, ret_fd, ret_size,
	                                ret_parts, &t->err);
}

void method_lesson_body(struct task *t)
{
	body_open_answer(t, open_lesson);
}

static void on_done(struct change *c)
{
	static const Podstore__Empty empty = PODSTORE__EMPTY__INIT;

	if (!change_failed(c))
		task_reply(c->owner, &empty.base);
}

void method_lessons_done(struct task *t)
{
	const Podstore__LessonsDone *m = (const Podstore__LessonsDone *) t->message;
	struct change *c = task_change(t, CHANGE_LESSONS_DONE, on_done);

	if (!c)
		return;
	c->u.lessons.done = m->number;
	volume_submit(t->svc->vol, c);
}
