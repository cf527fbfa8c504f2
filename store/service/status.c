/* QUOTA_GET and VOLUME_STATUS: numbers. */
#include "store/service/service_internal.h"

#include <errno.h>
#include <sys/statvfs.h>

void method_quota_get(struct task *t)
{
	Podstore__QuotaReply reply = PODSTORE__QUOTA_REPLY__INIT;
	struct volume_user u;
	int r;

	volume_refresh(t->svc->vol, t->user_id);
	r = volume_user_get(t->svc->vol, t->a, t->user_id, &u, &t->err);
	if (r < 0) {
		task_fail(t, r);
		return;
	}
	reply.used_bytes = u.used_bytes;
	reply.limit_bytes = u.quota_bytes;
	reply.messages = u.messages;
	task_reply(t, &reply.base);
}

static int disk_space(struct task *t, Podstore__VolumeStatus *reply)
{
	struct statvfs st;

	if (statvfs(t->svc->o.volume_path, &st) < 0)
		return err_errno(&t->err, errno, "statvfs %s", t->svc->o.volume_path);
	reply->disk_total_bytes = (uint64_t) st.f_blocks * st.f_frsize;
	reply->disk_free_bytes = (uint64_t) st.f_bavail * st.f_frsize;
	return 0;
}

void method_volume_status(struct task *t)
{
	Podstore__VolumeStatus reply = PODSTORE__VOLUME_STATUS__INIT;
	const struct service_options *o = &t->svc->o;
	const char *broken = volume_broken(t->svc->vol);
	struct volume_counts c;
	int r;

	volume_refresh(t->svc->vol, SPAN_NONE);
	r = volume_count(t->svc->vol, &c, &t->err);
	if (r == 0)
		r = disk_space(t, &reply);
	if (r == 0) {
		reply.state = broken ? arena_printf(t->a, "read-only: %s", broken) : unconst("active");
		r = reply.state ? 0 : -POD_E_NOMEM;
	}
	if (r < 0) {
		task_fail(t, r);
		return;
	}
	reply.name = unconst(o->volume_name);
	reply.id = unconst(volume_id(t->svc->vol));
	reply.path = unconst(o->volume_path);
	reply.users = c.users;
	reply.users_max = o->users_max;
	reply.messages = c.messages;
	reply.size_bytes = c.bytes;
	reply.commits = c.commits;
	reply.token = o->token;
	reply.pending_renames = (uint32_t) c.pending;
	task_reply(t, &reply.base);
}
