#include "podctl/podd/restores.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "podctl/podd/restores_internal.h"

#define UNDER_WAY_MAX 16 /* at a time; a volume's store does one after the other */
#define KEPT_MAX      32
#define ARENA_MAX     (1u << 20)

TAILQ_HEAD(restore_jobs, restore_job);

struct restores {
	struct podd *podd;
	struct restore_jobs jobs; /* the newest first */
	size_t n;
	unsigned int last_id;
};

struct podd *restore_job_podd(const struct restore_job *job)
{
	return job->restores->podd;
}

int restores_create(struct podd *p, struct restores **ret_restores, struct err *err)
{
	struct restores *rs = calloc(1, sizeof(*rs));

	if (!rs)
		return err_set(err, POD_E_NOMEM, "restores");
	rs->podd = p;
	TAILQ_INIT(&rs->jobs);
	*ret_restores = rs;
	return 0;
}

static void job_free(struct restore_job *job)
{
	TAILQ_REMOVE(&job->restores->jobs, job, link);
	job->restores->n--;
	json_decref(job->items);
	json_decref(job->problems);
	(void) arena_free(job->arena);
	free(job);
}

struct restores *restores_free(struct restores *rs)
{
	if (!rs)
		return NULL;
	while (!TAILQ_EMPTY(&rs->jobs))
		job_free(TAILQ_FIRST(&rs->jobs));
	free(rs);
	return NULL;
}

static bool is_under_way(const struct restore_job *job)
{
	return job->step != RESTORE_DONE;
}

/* The oldest that have ended are forgotten. */
static void forget_old(struct restores *rs)
{
	struct restore_job *job, *before;

	for (job = TAILQ_LAST(&rs->jobs, restore_jobs); job && rs->n > KEPT_MAX; job = before) {
		before = TAILQ_PREV(job, restore_jobs, link);
		if (!is_under_way(job))
			job_free(job);
	}
}

/* ---- the steps ---- */

static void job_end(struct restore_job *job)
{
	if (job->mount)
		mounts_give_back(job->mount);
	job->mount = NULL;
	job->step = RESTORE_DONE;
	job->ended = clock_wall_s();
	log_event(NULL, LOGL_NOTICE, "restore.ended", F_UINT("id", job->id), F_STR("who", job->rq.address),
	          F_UINT("restored", job->restored), F_UINT("present", job->present),
	          F_UINT("failed", job->failed),
	          F_STR("outcome", job->err.code ? err_text(&job->err) : "done"));
	if (job->parent) {
		restore_volume_on_user(job);
		job_free(job);
	}
}

static void job_fail(struct restore_job *job, int r, const char *text)
{
	(void) err_set(&job->err, (enum pod_error) abs(r), "%s", *text ? text : err_code_text(r));
	job_end(job);
}

static void job_on_mail(struct restore_job *job, int r, const char *text)
{
	struct err err = { 0 };

	if (r == 0 && job->moves) {
		r = restore_account_move(job, &err);
		text = err_text(&err);
	}
	if (r < 0)
		job_fail(job, r, text);
	else
		job_end(job);
}

static void job_on_report(void *arg, const struct store_reply *reply)
{
	struct restore_job *job = arg;

	if (reply->code == 0)
		restore_job_take_report(job, (const Podstore__RestoreReport *) reply->message);
	if (!reply->final)
		return;
	job->call = NULL;
	job_on_mail(job, reply->code, reply->text);
}

/* Strings of the request that are not given are "" in the protocol. */
static char *given(const char *text)
{
	return (char *) (uintptr_t) (text ? text : "");
}

static int ask_for_mail(struct restore_job *job, struct err *err)
{
	const struct restore_request *rq = &job->rq;
	Podstore__Restore m = PODSTORE__RESTORE__INIT;
	Podstore__RestoreSource from = PODSTORE__RESTORE_SOURCE__INIT;
	Podstore__UidRange **uids = arena_array(job->arena, rq->uids_n + 1, sizeof(*uids));
	struct store_client *store = store_pool_get(job->restores->podd->stores, job->volume, err);

	if (!store || !uids)
		return store ? err_set(err, POD_E_NOMEM, "restore") : -err->code;
	for (size_t i = 0; i < rq->uids_n; i++)
		uids[i] = (Podstore__UidRange *) (uintptr_t) &rq->uids[i];
	from.path = given(job->path);
	from.exact = job->exact;
	from.user_id = job->new_user ? given(NULL) : given(job->user_id);
	from.address = given(rq->address);
	m.source = &from;
	m.user_id = given(job->user_id);
	m.mailbox = given(rq->mailbox);
	m.into = given(rq->into);
	m.uids = uids;
	m.n_uids = rq->uids_n;
	m.message_id = given(rq->message_id);
	m.subject = given(rq->subject);
	m.from = given(rq->sender);
	m.since = rq->since;
	m.before = rq->before;
	m.list = rq->list;
	m.items = rq->what == RESTORE_MESSAGE || rq->list;
	m.force = rq->force;
	m.ignore_quota = rq->ignore_quota;
	job->call = store_call(store, STORE_RESTORE, &m.base, SPAN_NONE, -1, 0, job_on_report, job);
	return job->call ? 0 : err_set(err, POD_E_NOMEM, "restore");
}

static void job_mail(struct restore_job *job)
{
	struct err err = { 0 };
	int r;

	job->step = RESTORE_MAIL;
	r = job->cancelled ? err_set(&err, POD_E_CANCELLED, "cancelled") : ask_for_mail(job, &err);
	if (r < 0)
		job_fail(job, r, err_text(&err));
}

static void job_on_account(struct restore_job *job, int r, const char *text)
{
	if (r < 0)
		job_fail(job, r, text);
	else
		job_mail(job);
}

static void job_on_volume(struct restore_job *job, int r, const char *text)
{
	if (r < 0)
		job_fail(job, r, text);
	else
		job_end(job);
}

static void job_on_source(struct restore_job *job)
{
	if (job->rq.what == RESTORE_VOLUME && !job->cancelled) {
		job->step = RESTORE_MAIL;
		restore_volume_begin(job, job_on_volume);
		return;
	}
	if ((!job->new_user && !job->moves) || job->cancelled) {
		job_mail(job);
		return;
	}
	job->step = RESTORE_ACCOUNT;
	restore_account_begin(job, job_on_account);
}

static void job_on_mounted(void *arg, int r, struct mount *m, const char *text)
{
	struct restore_job *job = arg;

	if (r < 0) {
		job_fail(job, r, text);
		return;
	}
	job->mount = m;
	job->path = mount_path(m);
	job->exact = true;
	job_on_source(job);
}

static void job_source(struct restore_job *job)
{
	const struct mount_place place = { job->from_volume, job->rq.snapshot, job->rq.site };

	if (job->rq.snapshot) {
		mounts_take(job->restores->podd->mounts, &place, job_on_mounted, job);
		return;
	}
	job->path = job->rq.folder;
	job_on_source(job);
}

/* ---- beginning ---- */

static bool is_busy(const struct restores *rs, const char *address)
{
	const struct restore_job *job;

	TAILQ_FOREACH(job, &rs->jobs, link)
	if (is_under_way(job) && strcmp(job->rq.address, address) == 0)
		return true;
	return users_busy(rs->podd, address);
}

static size_t count_under_way(const struct restores *rs)
{
	const struct restore_job *job;
	size_t n = 0;

	TAILQ_FOREACH(job, &rs->jobs, link)
	n += is_under_way(job);
	return n;
}

static int copy_text(struct arena *a, const char **text)
{
	if (*text)
		*text = arena_str(a, span_of(*text));
	return *text ? 0 : -POD_E_NOMEM;
}

static int copy_request(struct restore_job *job)
{
	struct restore_request *rq = &job->rq;
	const char **const texts[] = { &rq->address,    &rq->folder,  &rq->snapshot, &rq->site,
		                       &rq->volume,     &rq->as,      &rq->mailbox,  &rq->into,
		                       &rq->message_id, &rq->subject, &rq->sender };
	Podstore__UidRange *uids = arena_array(job->arena, rq->uids_n + 1, sizeof(*uids));

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (*texts[i] && copy_text(job->arena, texts[i]) < 0)
			return -POD_E_NOMEM;
	if (!uids)
		return -POD_E_NOMEM;
	if (rq->uids_n)
		memcpy(uids, rq->uids, rq->uids_n * sizeof(*uids));
	rq->uids = uids;
	return 0;
}

static struct restore_job *job_create(struct restores *rs, const struct restore_request *rq)
{
	struct restore_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	*job = (struct restore_job){ .restores = rs,
		                     .rq = *rq,
		                     .arena = arena_create(ARENA_MAX),
		                     .items = json_array(),
		                     .problems = json_array(),
		                     .started = clock_wall_s() };
	TAILQ_INSERT_HEAD(&rs->jobs, job, link);
	rs->n++;
	if (job->arena && job->items && job->problems && copy_request(job) == 0)
		return job;
	job_free(job);
	return NULL;
}

static int job_begin(struct restore_job *job, struct err *err)
{
	int r = restore_job_find_place(job, err);

	if (r < 0) {
		job_free(job);
		return r;
	}
	log_event(NULL, LOGL_NOTICE, "restore.began", F_UINT("id", job->id), F_STR("who", job->rq.address),
	          F_STR("source", job->rq.folder ? job->rq.folder : job->rq.snapshot));
	job_source(job);
	return 0;
}

int restores_begin(struct restores *rs, const struct restore_request *rq, unsigned int *ret_id,
                   struct err *err)
{
	struct restore_request named = *rq;
	struct restore_job *job;
	unsigned int id = rs->last_id + 1;
	int r;

	if (rq->what == RESTORE_VOLUME)
		named.address = rq->volume;
	if (is_busy(rs, named.address))
		return err_set(err, POD_E_BUSY, "%.128s is being changed or restored", named.address);
	if (count_under_way(rs) >= UNDER_WAY_MAX)
		return err_set(err, POD_E_LIMIT, "%d restores are under way", UNDER_WAY_MAX);
	job = job_create(rs, &named);
	if (!job)
		return err_set(err, POD_E_NOMEM, "restore");
	job->id = id;
	r = job_begin(job, err);
	if (r < 0)
		return r;
	rs->last_id = id;
	forget_old(rs);
	*ret_id = id;
	return 0;
}

int restore_job_begin_user(struct restore_job *parent, const struct restore_request *rq,
                           struct restore_job **ret, struct err *err)
{
	struct restores *rs = parent->restores;
	struct restore_job *job;

	if (is_busy(rs, rq->address))
		return err_set(err, POD_E_BUSY, "the user is being changed or restored");
	job = job_create(rs, rq);
	if (!job)
		return err_set(err, POD_E_NOMEM, "restore");
	job->id = parent->id;
	job->parent = parent;
	*ret = job;
	return job_begin(job, err);
}

/* ---- asked about ---- */

static struct restore_job *job_find(const struct restores *rs, unsigned int id)
{
	struct restore_job *job;

	TAILQ_FOREACH(job, &rs->jobs, link)
	if (job->id == id && !job->parent)
		return job;
	return NULL;
}

/*
 * The store hears of it after the messages at hand; nobody waits for what it says then. An account that is
 * being made is made to its end.
 */
void restore_job_cancel(struct restore_job *job)
{
	job->cancelled = true;
	if (job->step != RESTORE_MAIL)
		return;
	if (job->work) {
		restore_volume_cancel(job);
		return;
	}
	if (job->call)
		store_call_cancel(job->call);
	job->call = NULL;
	job_fail(job, -POD_E_CANCELLED, "cancelled; what was restored until then stays");
}

int restores_cancel(struct restores *rs, unsigned int id, struct err *err)
{
	struct restore_job *job = job_find(rs, id);

	if (!job)
		return err_set(err, POD_E_NOTFOUND, "there is no restore %u", id);
	if (is_under_way(job))
		restore_job_cancel(job);
	return 0;
}

json_t *restores_json(const struct restores *rs, unsigned int id)
{
	const struct restore_job *job = job_find(rs, id);

	return job ? restore_job_json(job, true) : NULL;
}

json_t *restores_json_all(const struct restores *rs)
{
	json_t *list = json_array();
	const struct restore_job *job;

	TAILQ_FOREACH(job, &rs->jobs, link)
	if (!job->parent && json_array_append_new(list, restore_job_json(job, false)) < 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}
