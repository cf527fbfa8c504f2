#include "store/service/rows.h"
#include "store/service/service_internal.h"

/*
 * A long FETCH goes out in frames. Where the peer does not keep up the walk ends, its read snapshot with it, and
 * goes on behind the last uid when there is room: no thread and no snapshot waits for a slow client.
 */
struct fetching {
	struct uid_ranges left;
	struct rows rows;
	struct task *task;
	int failed;
	bool full; /* ended for want of room */
};

/* What is left after uid. */
static void skip_done(struct uid_ranges *r, uint32_t uid)
{
	while (r->n && r->r[0].last <= uid) {
		r->r++;
		r->n--;
	}
	if (r->n && r->r[0].first <= uid)
		r->r[0].first = uid + 1;
}

static int on_row(void *arg, const struct volume_row *row)
{
	struct fetching *f = arg;
	int r = rows_add(&f->rows, row);

	if (r > 0) {
		store_request_more(f->task->rq, &f->rows.out.base, SPAN_NONE, -1);
		skip_done(&f->left, f->rows.last_uid);
		r = rows_clear(&f->rows);
		f->full = r == 0 && !task_has_room(f->task);
	}
	f->failed = r;
	return r < 0 || f->full || store_request_cancelled(f->task->rq);
}

static struct fetching *begin(struct task *t, const Podstore__Fetch *m, int *ret)
{
	struct fetching *f = arena_new(t->a, struct fetching);

	*ret = f ? convert_ranges_in(t->a, m->uids, m->n_uids, &f->left) : -POD_E_NOMEM;
	if (*ret == 0)
		*ret = rows_init(&f->rows, m->columns);
	if (*ret < 0)
		return NULL;
	f->task = t;
	t->state = f;
	return f;
}

/* The rest rides in the final frame, with which t and f are gone. */
static void finish(struct task *t, struct fetching *f, int r)
{
	struct rows rows = { 0 };

	if (f)
		rows = f->rows;
	if (r < 0)
		task_fail(t, r);
	else
		task_reply(t, &rows.out.base);
	rows_done(&rows);
}

void method_fetch(struct task *t)
{
	const Podstore__Fetch *m = (const Podstore__Fetch *) t->message;
	int r = 0;
	struct fetching *f = t->state ? t->state : begin(t, m, &r);

	if (f && store_request_cancelled(t->rq))
		r = -POD_E_CANCELLED;
	if (r == 0) {
		f->full = false;
		r = volume_fetch(t->svc->vol, t->user_id, m->mailbox, &f->left, m->columns, m->changed_since, on_row, f,
		                 &t->err);
		if (f->failed < 0)
			r = f->failed;
		else if (store_request_cancelled(t->rq))
			r = -POD_E_CANCELLED;
	}
	if (r >= 0 && f->full) {
		task_park(t);
		return;
	}
	finish(t, f, r);
}
