/* Where mail comes from and goes to: the user, who may be gone, and the volumes. */
#include <string.h>

#include "podctl/podd/restores_internal.h"

struct only_volume {
	struct arena *a;
	const char *name;
	size_t n;
};

static int count_volume(void *arg, const char *name, const ProtobufCMessage *record)
{
	struct only_volume *v = arg;

	v->name = v->n++ ? NULL : arena_str(v->a, span_of(name));
	return 0;
}

static int check_volume(struct restore_job *job, const char *volume, struct err *err)
{
	const ProtobufCMessage *record;
	int r = directory_get(restore_job_podd(job)->dir, job->arena, DIRECTORY_VOLUME, span_of(volume),
	                      &record, err);

	return r == -POD_E_NOTFOUND ? err_set(err, POD_E_NOTFOUND, "there is no volume %.64s", volume) : r;
}

/* Where a user who is gone is made again: the volume that held the mail, or the pod's only one. */
static int choose_volume(struct restore_job *job, struct err *err)
{
	struct only_volume only = { .a = job->arena };
	int r;

	if (job->rq.list || job->rq.what != RESTORE_USER)
		return err_set(err, POD_E_NOTFOUND,
		               "there is no user %.128s; podctl restore user brings back one who was removed",
		               job->rq.address);
	job->new_user = true;
	job->user_id = users_make_id(job->arena, job->rq.address);
	if (!job->user_id)
		return err_set(err, POD_E_NOMEM, "restore");
	job->from_volume = job->rq.volume;
	if (!job->from_volume) {
		r = directory_each(restore_job_podd(job)->dir, DIRECTORY_VOLUME, SPAN_NONE, count_volume,
		                   &only, err);
		if (r == 0 && only.n != 1)
			r = err_set(err, POD_E_SYNTAX,
			            "%.128s is not there any more: say which volume held the mail",
			            job->rq.address);
		if (r < 0)
			return r;
		job->from_volume = only.name;
	}
	job->volume = job->rq.as ? job->rq.as : job->from_volume;
	return check_volume(job, job->volume, err);
}

/*
 * Where the user is. For all of a volume's users: only those who are on it, or, where they move and this is
 * done again, on the new one already.
 */
static int find_place(struct restore_job *job, const Directory__User *user, struct err *err)
{
	bool on_it;

	job->user_id = user->user_id;
	job->volume = user->volume;
	job->from_volume = job->rq.volume ? job->rq.volume : user->volume;
	if (!job->parent)
		return check_volume(job, job->from_volume, err);
	on_it = strcmp(user->volume, job->from_volume) == 0;
	if (!on_it && !(job->rq.as && strcmp(user->volume, job->rq.as) == 0))
		return err_set(err, POD_E_EXISTS, "the user is on volume %s now, and left as it is",
		               user->volume);
	if (on_it && job->rq.as) {
		job->moves = true;
		job->volume = job->rq.as;
	}
	return 0;
}

static int find_user(struct restore_job *job, struct err *err)
{
	const ProtobufCMessage *record;
	const Directory__User *user;
	int r = directory_get(restore_job_podd(job)->dir, job->arena, DIRECTORY_USER,
	                      span_of(job->rq.address), &record, err);

	if (r == -POD_E_NOTFOUND)
		return choose_volume(job, err);
	if (r < 0)
		return r;
	user = (const Directory__User *) record;
	if (strcmp(user->state, USER_STATE_PENDING) == 0)
		return err_set(err, POD_E_BUSY, "%.128s is being removed", job->rq.address);
	return find_place(job, user, err);
}

/* What is restored: a volume, for which its name stands in for an address (which has an @), or a user's mail.
 */
int restore_job_find_place(struct restore_job *job, struct err *err)
{
	int r;

	if (job->rq.what != RESTORE_VOLUME)
		return find_user(job, err);
	job->from_volume = job->rq.volume;
	job->volume = job->rq.as ? job->rq.as : job->rq.volume;
	r = check_volume(job, job->from_volume, err);
	return r == 0 ? check_volume(job, job->volume, err) : r;
}
