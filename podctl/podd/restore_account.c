/*
 * A user who was removed, made again out of a source: as users are added (users.h), with the store's
 * USER_RESTORE in the middle. His folder gets a new name: the old one may still be on its way out.
 */
#include "base/log.h"
#include "podctl/podd/restores_internal.h"

struct account_work {
	struct restore_job *job;
	void (*done)(struct restore_job *job, int r, const char *text);
};

static Directory__User record(const struct restore_job *job, const char *state, const char *display_name)
{
	Directory__User u = DIRECTORY__USER__INIT;

	u.volume = (char *) (uintptr_t) job->volume;
	u.user_id = (char *) (uintptr_t) job->user_id;
	u.state = (char *) (uintptr_t) state;
	u.display_name = (char *) (uintptr_t) display_name;
	return u;
}

/* What is left half made is the cleaner's. */
static void end(struct account_work *w, int r, const char *text)
{
	struct restore_job *job = w->job;

	LIST_REMOVE(&job->op, link);
	if (r < 0 && !job->moves)
		users_clean_soon(restore_job_podd(job));
	w->done(job, r, text);
}

static void on_reply(void *arg, const struct store_reply *reply)
{
	struct account_work *w = arg;
	struct restore_job *job = w->job;
	struct err err = { 0 };
	Directory__User u;
	int r;

	if (!reply->final)
		return;
	job->call = NULL;
	if (job->moves) { /* it was made before, where the restore is done again */
		end(w, reply->code == -POD_E_EXISTS ? 0 : reply->code, reply->text);
		return;
	}
	if (reply->code < 0) {
		end(w, reply->code, *reply->text ? reply->text : err_code_text(reply->code));
		return;
	}
	u = record(job, USER_STATE_ACTIVE, ((const Podstore__User *) reply->message)->display_name);
	r = directory_replace(restore_job_podd(job)->dir, DIRECTORY_USER, span_of(job->rq.address), &u.base,
	                      &err);
	if (r == 0)
		log_event(NULL, LOGL_NOTICE, "user.restored", F_STR("user", job->rq.address),
		          F_STR("volume", job->volume));
	end(w, r, r < 0 ? err_text(&err) : "");
}

static int ask_store(struct account_work *w, struct err *err)
{
	Podstore__UserRestore m = PODSTORE__USER_RESTORE__INIT;
	Podstore__RestoreSource from = PODSTORE__RESTORE_SOURCE__INIT;
	struct restore_job *job = w->job;
	struct store_client *store = store_pool_get(restore_job_podd(job)->stores, job->volume, err);

	if (!store)
		return -err->code;
	from.path = (char *) (uintptr_t) job->path;
	from.exact = job->exact;
	from.user_id = (char *) (uintptr_t) (job->moves ? job->user_id : "");
	from.address = m.address = (char *) (uintptr_t) job->rq.address;
	m.source = &from;
	m.user_id = (char *) (uintptr_t) job->user_id;
	job->call = store_call(store, STORE_USER_RESTORE, &m.base, SPAN_NONE, -1, 0, on_reply, w);
	return job->call ? 0 : err_set(err, POD_E_NOMEM, "user");
}

static void begin(struct account_work *w)
{
	struct restore_job *job = w->job;
	struct err err = { 0 };
	int r;

	job->op.address = job->rq.address;
	LIST_INSERT_HEAD(&restore_job_podd(job)->user_ops, &job->op, link);
	r = ask_store(w, &err);
	if (r < 0)
		end(w, r, err_text(&err));
}

void restore_account_begin(struct restore_job *job,
                           void (*done)(struct restore_job *job, int r, const char *text))
{
	struct account_work *w = arena_new(job->arena, struct account_work);
	Directory__User u = record(job, USER_STATE_PENDING, "");
	struct podd *p = restore_job_podd(job);
	struct err err = { 0 };
	int r;

	if (!w) {
		done(job, -POD_E_NOMEM, "out of memory");
		return;
	}
	*w = (struct account_work){ job, done };
	if (job->moves) {
		begin(w);
		return;
	}
	r = directory_create(p->dir, DIRECTORY_USER, span_of(job->rq.address), &u.base, &err);
	if (r < 0) {
		done(job, r, err_text(&err));
		return;
	}
	begin(w);
}

int restore_account_move(struct restore_job *job, struct err *err)
{
	struct podd *p = restore_job_podd(job);
	const ProtobufCMessage *found;
	Directory__User moved;
	int r = directory_get(p->dir, job->arena, DIRECTORY_USER, span_of(job->rq.address), &found, err);

	if (r < 0)
		return r;
	moved = *(const Directory__User *) found;
	moved.volume = (char *) (uintptr_t) job->volume;
	r = directory_replace(p->dir, DIRECTORY_USER, span_of(job->rq.address), &moved.base, err);
	if (r == 0)
		log_event(NULL, LOGL_NOTICE, "user.moved", F_STR("user", job->rq.address),
		          F_STR("volume", job->volume));
	return r;
}
