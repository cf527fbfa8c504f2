#include "store/restore/restore.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "store/service/service_internal.h"

#define ITEMS_MAX    500 /* in one frame */
#define PROBLEMS_MAX 100
#define FRAME_MEMORY (16u << 20)
#define TEXT_MAX     512 /* of a subject: no listing shows more */

struct restore_task {
	struct task *task;
	struct arena *a; /* of the frame */
	Podstore__RestoreItem *items[ITEMS_MAX];
	char *problems[PROBLEMS_MAX];
	size_t items_n, problems_n;
	const struct restore_report *report;
};

static void fill(const struct restore_task *rt, const struct restore_report *r, Podstore__RestoreReport *ret)
{
	podstore__restore_report__init(ret);
	ret->mailboxes = r->mailboxes;
	ret->examined = r->examined;
	ret->found = r->found;
	ret->present = r->present;
	ret->restored = r->restored;
	ret->failed = r->failed;
	ret->bytes = r->bytes;
	ret->items = (Podstore__RestoreItem **) (uintptr_t) rt->items;
	ret->n_items = rt->items_n;
	ret->problems = (char **) (uintptr_t) rt->problems;
	ret->n_problems = rt->problems_n;
}

/* It blocks the restorer's thread, and an admin's client reads. */
static void send_report(struct restore_task *rt)
{
	Podstore__RestoreReport m;

	if (store_request_wait_window(rt->task->rq) == 0) {
		fill(rt, rt->report, &m);
		store_request_more(rt->task->rq, &m.base, SPAN_NONE, -1);
	}
	rt->items_n = rt->problems_n = 0;
	arena_reset(rt->a);
}

static bool put_bytes(struct arena *a, struct span s, ProtobufCBinaryData *ret)
{
	const struct span copy = arena_dup(a, span_head(s, TEXT_MAX));

	ret->data = (uint8_t *) (uintptr_t) copy.p;
	ret->len = copy.p ? copy.len : 0;
	return copy.p || !s.len;
}

static Podstore__RestoreItem *item_message(struct arena *a, const struct restore_item *from)
{
	Podstore__RestoreItem *m = arena_new(a, Podstore__RestoreItem);

	if (!m)
		return NULL;
	podstore__restore_item__init(m);
	m->mailbox = arena_str(a, span_of(from->mailbox));
	m->into = arena_str(a, span_of(from->into));
	m->uid = from->uid;
	m->new_uid = from->new_uid;
	m->internal_date = from->internal_date;
	m->size = from->size;
	m->state = (Podstore__RestoreState) from->state;
	return m->mailbox && m->into && put_bytes(a, span_make(from->guid.b, ID_SIZE), &m->guid) &&
	                       put_bytes(a, from->message_id, &m->message_id) &&
	                       put_bytes(a, from->subject, &m->subject) && put_bytes(a, from->from, &m->from)
	               ? m
	               : NULL;
}

static void on_item(void *arg, const struct restore_item *item)
{
	struct restore_task *rt = arg;
	Podstore__RestoreItem *m;

	if (rt->items_n == ITEMS_MAX)
		send_report(rt);
	m = item_message(rt->a, item);
	if (m) /* it is in the counts all the same */
		rt->items[rt->items_n++] = m;
}

static void on_problem(void *arg, const char *text)
{
	struct restore_task *rt = arg;
	char *copy;

	if (rt->problems_n == PROBLEMS_MAX)
		send_report(rt);
	copy = arena_str(rt->a, span_of(text));
	if (copy)
		rt->problems[rt->problems_n++] = copy;
}

static bool on_progress(void *arg, const struct restore_report *so_far)
{
	struct restore_task *rt = arg;

	send_report(rt);
	return !store_request_cancelled(rt->task->rq);
}

static int read_wish(struct task *t, const Podstore__Restore *m, struct restore_wish *ret)
{
	*ret = (struct restore_wish){
		.user_id = span_of(m->user_id),
		.mailbox = span_of(m->mailbox),
		.into = span_of(m->into),
		.message_id = m->message_id,
		.subject = m->subject,
		.from = m->from,
		.since = m->since,
		.before = m->before,
		.list = m->list,
		.items = m->items,
		.force = m->force,
		.over_quota = m->ignore_quota,
	};
	if (!m->source || m->source->path[0] != '/')
		return err_set(&t->err, POD_E_SYNTAX, "a source is the absolute path of a folder");
	ret->source = (struct source_options){ m->source->path, m->source->exact, span_of(m->source->user_id),
		                               m->source->address };
	return convert_ranges_in(t->a, m->uids, m->n_uids, &ret->uids);
}

static int run(struct restore_task *rt, struct restore_report *report)
{
	const Podstore__Restore *m = (const Podstore__Restore *) rt->task->message;
	struct restore_wish w;
	int r = rt->a ? read_wish(rt->task, m, &w) : -POD_E_NOMEM;

	if (r < 0)
		return r;
	if (!m->list)
		log_event(NULL, LOGL_NOTICE, "restore.started", F_STR("user", m->user_id),
		          F_STR("source", m->source->path), F_STR("mailbox", m->mailbox),
		          F_STR("into", m->into));
	r = volume_restore(rt->task->svc->vol, &w, report, &rt->task->err);
	metric_add(STORE_METRIC_RESTORED, (int64_t) report->restored);
	if (!m->list)
		log_event(NULL, LOGL_NOTICE, "restore.ended", F_STR("user", m->user_id),
		          F_UINT("restored", report->restored), F_UINT("present", report->present),
		          F_UINT("failed", report->failed),
		          F_STR("outcome", r < 0 ? err_text(&rt->task->err) : "done"));
	return r;
}

void method_restore(struct task *t)
{
	struct restore_task rt = { .task = t, .a = arena_create(FRAME_MEMORY) };
	struct restore_report report = {
		.item = on_item, .problem = on_problem, .progress = on_progress, .arg = &rt
	};
	Podstore__RestoreReport reply;
	int r;

	rt.report = &report;
	r = run(&rt, &report);
	if (r < 0) {
		if (rt.a)
			send_report(&rt); /* what was done until then */
		task_fail(t, r);
	} else {
		fill(&rt, &report, &reply);
		reply.done = true;
		task_reply(t, &reply.base);
	}
	(void) arena_free(rt.a);
}

void method_user_restore(struct task *t)
{
	const Podstore__UserRestore *m = (const Podstore__UserRestore *) t->message;
	const Podstore__RestoreSource *from = m->source;
	struct source_options o;
	int r;

	if (!from || from->path[0] != '/') {
		(void) err_set(&t->err, POD_E_SYNTAX, "a source is the absolute path of a folder");
		task_fail(t, -POD_E_SYNTAX);
		return;
	}
	o = (struct source_options){ from->path, from->exact, span_of(from->user_id), from->address };
	r = volume_restore_account(t->svc->vol, &o, span_of(m->user_id), *m->address ? m->address : NULL,
	                           &t->err);
	if (r < 0) {
		task_fail(t, r);
		return;
	}
	log_event(NULL, LOGL_NOTICE, "user.restored", F_STR("user", m->user_id), F_STR("source", from->path));
	reply_user(t, m->user_id);
}

/* ---- who is there ---- */

struct user_list {
	struct arena *a;
	Podstore__User **items;
	size_t n, cap;
};

static int list_add(void *arg, const char *user_id, const struct account *acc)
{
	struct user_list *l = arg;
	Podstore__User *u = arena_new(l->a, Podstore__User);

	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;

		l->items = arena_grow(l->a, l->items, l->n, cap, sizeof(*l->items));
		l->cap = cap;
	}
	if (!u || !l->items)
		return -POD_E_NOMEM;
	podstore__user__init(u);
	u->user_id = arena_str(l->a, span_of(user_id));
	u->address = arena_str(l->a, span_of(acc->address));
	u->display_name = arena_str(l->a, span_of(acc->display_name));
	l->items[l->n++] = u;
	return u->user_id && u->address && u->display_name ? 0 : -POD_E_NOMEM;
}

void method_source_users(struct task *t)
{
	const Podstore__SourceUsers *m = (const Podstore__SourceUsers *) t->message;
	Podstore__UserListReply reply = PODSTORE__USER_LIST_REPLY__INIT;
	struct user_list l = { .a = t->a };
	int r;

	if (!m->source || m->source->path[0] != '/')
		r = err_set(&t->err, POD_E_SYNTAX, "a source is the absolute path of a folder");
	else
		r = source_users(m->source->path, list_add, &l, &t->err);
	if (r < 0) {
		task_fail(t, r);
		return;
	}
	reply.users = l.items;
	reply.n_users = l.n;
	task_reply(t, &reply.base);
}
