/* STATE_GET, STATE_PUT, STATE_LIST, STATE_DELETE: what front ends keep with a user's account
 * (store/index/states.h). */
#include "store/service/service_internal.h"

#define NAMES_MAX 256
#define REPLY_MAX ((size_t) 12 << 20) /* of values: what fits into a frame */

/* A gateway's is his session's; an admin says whose. */
static void whose(struct task *t, const char *user_id)
{
	if (store_request_role(t->rq) == STORE_ROLE_ADMIN)
		t->user_id = span_of(user_id);
}

static Podstore__StateEntry *convert(struct arena *a, const struct volume_state *s)
{
	Podstore__StateEntry *e = arena_new(a, Podstore__StateEntry);

	if (!e)
		return NULL;
	podstore__state_entry__init(e);
	e->name = arena_str(a, s->name);
	e->version = s->version;
	e->changed = s->changed;
	e->size = s->size;
	e->value = (ProtobufCBinaryData){ s->value.len, (uint8_t *) (uintptr_t) s->value.p };
	return e->name ? e : NULL;
}

/* ---- reading ---- */

/* One whose file is lost is as one that is not there: its owner starts anew. */
static int read_all(struct task *t, const Podstore__StateGet *m, Podstore__StateEntry **entries,
                    size_t *ret_n)
{
	size_t n = 0, bytes = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n_names; i++) {
		struct volume_state s;

		r = volume_state_get(t->svc->vol, t->a, t->user_id, span_of(m->names[i]), &s, &t->err);
		if (r == -POD_E_NOTFOUND || r == -POD_E_CORRUPT) {
			r = 0;
			continue;
		}
		if (r < 0)
			return r;
		bytes += s.value.len;
		if (bytes > REPLY_MAX)
			return err_set(&t->err, POD_E_LIMIT,
			               "these states have more than %zu bytes: ask for fewer", REPLY_MAX);
		entries[n] = convert(t->a, &s);
		r = entries[n++] ? 0 : -POD_E_NOMEM;
	}
	*ret_n = n;
	return r;
}

void method_state_get(struct task *t)
{
	const Podstore__StateGet *m = (const Podstore__StateGet *) t->message;
	Podstore__StateGetReply reply = PODSTORE__STATE_GET_REPLY__INIT;
	int r;

	whose(t, m->user_id);
	if (m->n_names > NAMES_MAX)
		r = err_set(&t->err, POD_E_LIMIT, "at most %d states at a time", NAMES_MAX);
	else
		reply.entries = arena_array(t->a, m->n_names ? m->n_names : 1, sizeof(*reply.entries)),
		r = reply.entries ? 0 : -POD_E_NOMEM;
	if (r == 0)
		r = read_all(t, m, reply.entries, &reply.n_entries);
	if (r < 0)
		task_fail(t, r);
	else
		task_reply(t, &reply.base);
}

void method_state_list(struct task *t)
{
	const Podstore__StateList *m = (const Podstore__StateList *) t->message;
	Podstore__StateListReply reply = PODSTORE__STATE_LIST_REPLY__INIT;
	struct volume_state *items = NULL;
	size_t n = 0;
	int r;

	whose(t, m->user_id);
	r = volume_state_list(t->svc->vol, t->a, t->user_id, span_of(m->prefix), &items, &n, &t->err);
	if (r == 0) {
		reply.entries = arena_array(t->a, n ? n : 1, sizeof(*reply.entries));
		r = reply.entries ? 0 : -POD_E_NOMEM;
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		reply.entries[i] = convert(t->a, &items[i]);
		r = reply.entries[i] ? 0 : -POD_E_NOMEM;
	}
	reply.n_entries = n;
	if (r < 0)
		task_fail(t, r);
	else
		task_reply(t, &reply.base);
}

/* ---- changing ---- */

static void put_done(struct change *c)
{
	struct task *t = c->owner;
	Podstore__StatePutReply reply = PODSTORE__STATE_PUT_REPLY__INIT;

	if (change_failed(c))
		return;
	reply.versions =
		arena_array(t->a, c->u.state.puts_n ? c->u.state.puts_n : 1, sizeof(*reply.versions));
	if (!reply.versions) {
		task_fail(t, -POD_E_NOMEM);
		return;
	}
	for (size_t i = 0; i < c->u.state.puts_n; i++)
		reply.versions[i] = c->u.state.puts[i].version;
	reply.n_versions = c->u.state.puts_n;
	task_reply(t, &reply.base);
}

static struct state_put *read_puts(struct arena *a, const Podstore__StatePut *m)
{
	struct state_put *puts = arena_array(a, m->n_changes ? m->n_changes : 1, sizeof(*puts));

	for (size_t i = 0; puts && i < m->n_changes; i++) {
		const Podstore__StateChange *from = m->changes[i];

		puts[i] = (struct state_put){ .name = span_of(from->name),
			                      .value = span_make(from->value.data, from->value.len),
			                      .remove = from->remove,
			                      .expects = from->expects,
			                      .expected = from->version };
	}
	return puts;
}

void method_state_put(struct task *t)
{
	const Podstore__StatePut *m = (const Podstore__StatePut *) t->message;
	struct change *c;

	whose(t, m->user_id);
	if (m->n_changes > NAMES_MAX) {
		task_fail(t, err_set(&t->err, POD_E_LIMIT, "at most %d states at a time", NAMES_MAX));
		return;
	}
	c = task_change(t, CHANGE_STATE_PUT, put_done);
	if (!c)
		return;
	c->u.state.puts = read_puts(t->a, m);
	c->u.state.puts_n = m->n_changes;
	c->u.state.by_admin = store_request_role(t->rq) == STORE_ROLE_ADMIN;
	if (c->u.state.puts)
		volume_submit(t->svc->vol, c);
	else
		task_fail(t, -POD_E_NOMEM);
}

static void delete_done(struct change *c)
{
	Podstore__StateDeleteReply reply = PODSTORE__STATE_DELETE_REPLY__INIT;

	if (change_failed(c))
		return;
	reply.removed = (uint32_t) c->u.state.removed;
	task_reply(c->owner, &reply.base);
}

void method_state_delete(struct task *t)
{
	const Podstore__StateDelete *m = (const Podstore__StateDelete *) t->message;
	struct change *c;

	whose(t, m->user_id);
	c = task_change(t, CHANGE_STATE_DELETE, delete_done);
	if (!c)
		return;
	c->u.state.prefix = span_of(m->prefix);
	c->u.state.by_admin = store_request_role(t->rq) == STORE_ROLE_ADMIN;
	volume_submit(t->svc->vol, c);
}
