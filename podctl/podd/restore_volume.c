/*
 * All of a volume: who was there is asked of the source, and each is restored as podctl restore user does it,
 * one after the other. Mail that came since stays. With another volume to go to, users move there: first the
 * account, under the id they have, then the mail, and only then does the directory say so.
 */
#include <stdlib.h>
#include <string.h>

#include "mime/address.h"
#include "podctl/podd/restores_internal.h"

struct volume_work {
	struct restore_job *job;
	void (*done)(struct restore_job *job, int r, const char *text);
	const char **addresses;
	size_t n, next;
	struct restore_job *user_job; /* under way */
	struct event *turn;           /* the next user's: not from within the end of the one before */
	bool cancelled;
};

static void work_end(struct volume_work *w, int r, const char *text)
{
	struct restore_job *job = w->job;

	if (w->turn)
		event_free(w->turn);
	job->work = NULL;
	w->done(job, r, text);
}

static void next_soon(struct volume_work *w)
{
	static const struct timeval at_once = { 0 };

	(void) event_add(w->turn, &at_once);
}

static void note_problem(struct restore_job *job, const char *who, const char *text)
{
	if (json_array_size(job->problems) >= RESTORE_PROBLEMS_MAX ||
	    json_array_append_new(job->problems, json_sprintf("%s: %s", who, text)) < 0)
		job->incomplete = true;
}

/* ---- one user ---- */

/* What a user's restore told is the volume's too. */
void restore_volume_on_user(struct restore_job *u)
{
	struct restore_job *job = u->parent;
	struct volume_work *w = job->work;
	json_t *line;
	size_t i;

	job->mailboxes += u->mailboxes;
	job->examined += u->examined;
	job->found += u->found;
	job->present += u->present;
	job->restored += u->restored;
	job->failed += u->failed;
	job->bytes += u->bytes;
	json_array_foreach(u->problems, i, line) note_problem(job, u->rq.address, json_string_value(line));
	if (u->err.code) {
		note_problem(job, u->rq.address, err_text(&u->err));
		job->failed++;
	}
	w->user_job = NULL;
	next_soon(w);
}

static void restore_next(struct volume_work *w)
{
	struct restore_job *job = w->job;
	const char *address = w->addresses[w->next++];
	const struct restore_request rq = { .what = RESTORE_USER,
		                            .address = address,
		                            .folder = job->rq.folder,
		                            .snapshot = job->rq.snapshot,
		                            .site = job->rq.site,
		                            .volume = job->rq.volume,
		                            .as = job->rq.as,
		                            .ignore_quota = job->rq.ignore_quota };
	struct err err = { 0 };

	if (restore_job_begin_user(job, &rq, &w->user_job, &err) == 0)
		return; /* its end goes on */
	w->user_job = NULL;
	note_problem(job, address, err_text(&err));
	job->failed++;
	next_soon(w);
}

static void on_turn(evutil_socket_t fd, short events, void *arg)
{
	struct volume_work *w = arg;

	if (w->cancelled)
		work_end(w, -POD_E_CANCELLED, "cancelled; what was restored until then stays");
	else if (restore_job_podd(w->job)->stopping)
		work_end(w, -POD_E_CANCELLED, "the pod is stopping");
	else if (w->next == w->n)
		work_end(w, 0, "");
	else
		restore_next(w);
}

/* ---- who was there ---- */

/* As the directory writes it: what the source says is only text. NULL where it is no address. */
static const char *canonical(struct arena *a, const char *text)
{
	struct address parsed;
	struct span key;

	if (address_parse_path(a, span_of(text), true, &parsed, NULL) < 0 || parsed.domain.len == 0)
		return NULL;
	key = address_key(a, &parsed);
	return key.p ? arena_str(a, key) : NULL;
}

static void take_users(struct volume_work *w, const Podstore__UserListReply *reply)
{
	struct restore_job *job = w->job;

	w->addresses = arena_array(job->arena, reply->n_users + 1, sizeof(*w->addresses));
	for (size_t i = 0; w->addresses && i < reply->n_users; i++) {
		const char *address = canonical(job->arena, reply->users[i]->address);

		if (address)
			w->addresses[w->n++] = address;
		else
			note_problem(job, reply->users[i]->user_id, "its account has no address");
	}
}

static void on_users(void *arg, const struct store_reply *reply)
{
	struct volume_work *w = arg;

	if (!reply->final)
		return;
	w->job->call = NULL;
	if (reply->code < 0) {
		work_end(w, reply->code, reply->text);
		return;
	}
	take_users(w, (const Podstore__UserListReply *) reply->message);
	if (w->addresses)
		next_soon(w);
	else
		work_end(w, -POD_E_NOMEM, "out of memory");
}

/* The store that takes the users in is asked: the other one may be why this is done. */
static int ask_for_users(struct volume_work *w, struct err *err)
{
	Podstore__SourceUsers m = PODSTORE__SOURCE_USERS__INIT;
	Podstore__RestoreSource from = PODSTORE__RESTORE_SOURCE__INIT;
	struct restore_job *job = w->job;
	struct store_client *store = store_pool_get(restore_job_podd(job)->stores, job->volume, err);

	if (!store)
		return -err->code;
	w->turn = evtimer_new(restore_job_podd(job)->base, on_turn, w);
	from.path = (char *) (uintptr_t) job->path;
	m.source = &from;
	if (w->turn)
		job->call = store_call(store, STORE_SOURCE_USERS, &m.base, SPAN_NONE, -1, 0, on_users, w);
	return job->call ? 0 : err_set(err, POD_E_NOMEM, "restore");
}

void restore_volume_begin(struct restore_job *job,
                          void (*done)(struct restore_job *job, int r, const char *text))
{
	struct volume_work *w = arena_new(job->arena, struct volume_work);
	struct err err = { 0 };

	if (!w) {
		done(job, -POD_E_NOMEM, "out of memory");
		return;
	}
	*w = (struct volume_work){ .job = job, .done = done };
	job->work = w;
	if (ask_for_users(w, &err) < 0)
		work_end(w, -err.code, err_text(&err));
}

void restore_volume_cancel(struct restore_job *job)
{
	struct volume_work *w = job->work;

	w->cancelled = true;
	if (w->user_job)
		restore_job_cancel(w->user_job); /* its end comes to us, and ends the rest */
	else
		next_soon(w);
}
