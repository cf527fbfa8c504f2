#include "base/clock.h"
#include "base/log.h"
#include "store/service/service_internal.h"

/* Never the one before, so that tokens made for an older password are void. */
static uint64_t version_new(void)
{
	uint64_t v;

	random_bytes(&v, sizeof(v));
	return (v >> 2) + 1; /* positive in JSON */
}

static int set_credentials(struct task *t, const char *password, struct volume_user *u)
{
	struct auth_credentials c;
	int r = auth_password_set(t->a, span_of(password), &c, &t->err);

	if (r < 0)
		return r;
	u->crypt_hash = c.crypt_hash;
	u->scram = c.scram;
	u->credential_version = version_new();
	return 0;
}

static int user_read(struct task *t, const char *user_id, Podstore__User **ret)
{
	struct volume_user u;
	int r = volume_user_get(t->svc->vol, t->a, span_of(user_id), &u, &t->err);

	if (r == 0) {
		*ret = convert_user(t->a, &u);
		r = *ret ? 0 : -POD_E_NOMEM;
	}
	return r;
}

void reply_user(struct task *t, const char *user_id)
{
	Podstore__User *u = NULL;
	int r = user_read(t, user_id, &u);

	if (r < 0)
		task_fail(t, r);
	else
		task_reply(t, &u->base);
}

/* On the writer's thread: one read of what it has just written, which is nothing beside the commit. */
static void changed(struct change *c)
{
	if (!change_failed(c)) {
		struct task *t = c->owner;

		log_event(NULL, LOGL_NOTICE, c->kind == CHANGE_USER_ADD ? "user.added" : "user.changed",
		          F_SPAN("user", c->user_id));
		reply_user(t, c->u.user_op.user.user_id);
	}
}

void method_user_add(struct task *t)
{
	const Podstore__UserAdd *m = (const Podstore__UserAdd *) t->message;
	struct change *c = task_change(t, CHANGE_USER_ADD, changed);
	struct volume_user *u;
	int r;

	if (!c)
		return;
	u = &c->u.user_op.user;
	r = set_credentials(t, m->password, u);
	if (r < 0) {
		task_fail(t, r);
		return;
	}
	c->user_id = span_of(m->user_id);
	u->user_id = m->user_id;
	u->address = m->address;
	u->display_name = m->display_name;
	u->quota_bytes = m->default_quota ? t->svc->o.quota_default : m->quota_bytes;
	u->created = clock_wall_s();
	c->u.user_op.set_address = c->u.user_op.set_display_name = true;
	c->u.user_op.set_quota = c->u.user_op.set_credentials = true;
	volume_submit(t->svc->vol, c);
}

void method_user_set(struct task *t)
{
	const Podstore__UserSet *m = (const Podstore__UserSet *) t->message;
	struct change *c = task_change(t, CHANGE_USER_SET, changed);
	struct volume_user *u;
	int r;

	if (!c)
		return;
	u = &c->u.user_op.user;
	r = m->set_password ? set_credentials(t, m->password, u) : 0;
	if (r < 0) {
		task_fail(t, r);
		return;
	}
	c->user_id = span_of(m->user_id);
	u->user_id = m->user_id;
	u->address = m->address;
	u->display_name = m->display_name;
	u->quota_bytes = m->quota_bytes;
	c->u.user_op.set_address = m->set_address;
	c->u.user_op.set_display_name = m->set_display_name;
	c->u.user_op.set_quota = m->set_quota;
	c->u.user_op.set_credentials = m->set_password;
	volume_submit(t->svc->vol, c);
}

void method_user_get(struct task *t)
{
	const char *user_id = ((const Podstore__UserGet *) t->message)->user_id;

	volume_refresh(t->svc->vol, span_of(user_id));
	reply_user(t, user_id);
}

static void removed(struct change *c)
{
	Podstore__Empty empty = PODSTORE__EMPTY__INIT;

	if (change_failed(c))
		return;
	log_event(NULL, LOGL_NOTICE, "user.removed", F_SPAN("user", c->user_id));
	task_reply(c->owner, &empty.base);
}

void method_user_remove(struct task *t)
{
	const Podstore__UserRemove *m = (const Podstore__UserRemove *) t->message;
	struct change *c = task_change(t, CHANGE_USER_REMOVE, removed);

	if (!c)
		return;
	c->user_id = span_of(m->user_id);
	volume_submit(t->svc->vol, c);
}

/* ---- listing ---- */

struct listing {
	struct task *task;
	Podstore__User **users;
	size_t n, cap;
};

/* What u points to lives during the call, so its strings are copied. */
static int list_user(void *arg, const struct volume_user *u)
{
	struct listing *l = arg;
	struct arena *a = l->task->a;
	struct volume_user copy = *u;

	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		Podstore__User **users = arena_grow(a, l->users, l->n, cap, sizeof(*users));

		if (!users)
			return -POD_E_NOMEM;
		l->users = users;
		l->cap = cap;
	}
	copy.user_id = arena_str(a, span_of(u->user_id));
	copy.address = arena_str(a, span_of(u->address));
	copy.display_name = arena_str(a, span_of(u->display_name));
	l->users[l->n] = convert_user(a, &copy);
	return l->users[l->n] && copy.user_id && copy.address && copy.display_name ? (void) l->n++, 0 : -POD_E_NOMEM;
}

void method_user_list(struct task *t)
{
	Podstore__UserListReply reply = PODSTORE__USER_LIST_REPLY__INIT;
	struct listing l = { .task = t };
	int r = volume_user_each(t->svc->vol, list_user, &l, &t->err);

	if (r < 0) {
		task_fail(t, r);
		return;
	}
	reply.users = l.users;
	reply.n_users = l.n;
	task_reply(t, &reply.base);
}
