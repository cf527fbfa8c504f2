#include "store/service/service_internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/service/body_in.h"

#define SLOW_THREADS 2
#define STATS_EVERY_S 10
#define NUMBER_MAX 127

static const struct method_row rows[NUMBER_MAX + 1] = {
	/* method                  run                       place      session  cancel */
	[STORE_DELIVER] = { STORE_DELIVER, method_deliver, BY_BODY, false, NULL },
	[STORE_CHECK] = { STORE_CHECK, method_check, ON_READER, false, NULL },
	[STORE_AUTH] = { STORE_AUTH, method_auth, ON_LOOP, false, method_auth_cancel },
	[STORE_SESSION_OPEN] = { STORE_SESSION_OPEN, method_session_open, ON_LOOP, false, NULL },
	[STORE_SESSION_CLOSE] = { STORE_SESSION_CLOSE, method_session_close, ON_LOOP, true, NULL },
	[STORE_MAILBOX_LIST] = { STORE_MAILBOX_LIST, method_mailbox_list, ON_READER, true, NULL },
	[STORE_MAILBOX_GET] = { STORE_MAILBOX_GET, method_mailbox_get, ON_READER, true, NULL },
	[STORE_MAILBOX_CREATE] = { STORE_MAILBOX_CREATE, method_mailbox_create, ON_LOOP, true, NULL },
	[STORE_MAILBOX_DELETE] = { STORE_MAILBOX_DELETE, method_mailbox_delete, ON_LOOP, true, NULL },
	[STORE_MAILBOX_RENAME] = { STORE_MAILBOX_RENAME, method_mailbox_rename, ON_LOOP, true, NULL },
	[STORE_MAILBOX_SUBSCRIBE] = { STORE_MAILBOX_SUBSCRIBE, method_mailbox_subscribe, ON_LOOP, true, NULL },
	[STORE_MAILBOX_OPEN] = { STORE_MAILBOX_OPEN, method_mailbox_open, ON_READER, true, NULL },
	[STORE_FETCH] = { STORE_FETCH, method_fetch, ON_READER, true, NULL },
	[STORE_BODY_OPEN] = { STORE_BODY_OPEN, method_body_open, ON_READER, true, NULL },
	[STORE_CHANGES] = { STORE_CHANGES, method_changes, ON_READER, true, NULL },
	[STORE_WATCH] = { STORE_WATCH, method_watch, ON_LOOP, true, method_watch_cancel },
	[STORE_STORE_FLAGS] = { STORE_STORE_FLAGS, method_store_flags, ON_LOOP, true, NULL },
	[STORE_APPEND] = { STORE_APPEND, method_append, BY_BODY, true, NULL },
	[STORE_COPY] = { STORE_COPY, method_copy, ON_LOOP, true, NULL },
	[STORE_EXPUNGE] = { STORE_EXPUNGE, method_expunge, ON_LOOP, true, NULL },
	[STORE_QUOTA_GET] = { STORE_QUOTA_GET, method_quota_get, ON_READER, true, NULL },
	[STORE_LESSONS] = { STORE_LESSONS, method_lessons, ON_READER, false, NULL },
	[STORE_LESSON_BODY] = { STORE_LESSON_BODY, method_lesson_body, ON_READER, false, NULL },
	[STORE_LESSONS_DONE] = { STORE_LESSONS_DONE, method_lessons_done, ON_LOOP, false, NULL },
	[STORE_URL_SIGN] = { STORE_URL_SIGN, method_url_sign, ON_LOOP, true, NULL },
	[STORE_URL_RESET] = { STORE_URL_RESET, method_url_reset, ON_LOOP, true, NULL },
	[STORE_URL_OPEN] = { STORE_URL_OPEN, method_url_open, ON_READER, false, NULL },
	[STORE_STATE_GET] = { STORE_STATE_GET, method_state_get, ON_READER, true, NULL },
	[STORE_STATE_PUT] = { STORE_STATE_PUT, method_state_put, ON_LOOP, true, NULL },
	[STORE_STATE_LIST] = { STORE_STATE_LIST, method_state_list, ON_READER, true, NULL },
	[STORE_STATE_DELETE] = { STORE_STATE_DELETE, method_state_delete, ON_LOOP, true, NULL },
	[STORE_USER_ADD] = { STORE_USER_ADD, method_user_add, ON_SLOW, false, NULL },
	[STORE_USER_SET] = { STORE_USER_SET, method_user_set, ON_SLOW, false, NULL },
	[STORE_USER_GET] = { STORE_USER_GET, method_user_get, ON_READER, false, NULL },
	[STORE_USER_REMOVE] = { STORE_USER_REMOVE, method_user_remove, ON_LOOP, false, NULL },
	[STORE_USER_LIST] = { STORE_USER_LIST, method_user_list, ON_READER, false, NULL },
	[STORE_VOLUME_STATUS] = { STORE_VOLUME_STATUS, method_volume_status, ON_READER, false, NULL },
	[STORE_FSCK] = { STORE_FSCK, method_fsck, ON_SLOW, false, NULL },
	[STORE_RESTORE] = { STORE_RESTORE, method_restore, ON_RESTORER, false, NULL },
	[STORE_USER_RESTORE] = { STORE_USER_RESTORE, method_user_restore, ON_RESTORER, false, NULL },
	[STORE_SOURCE_USERS] = { STORE_SOURCE_USERS, method_source_users, ON_RESTORER, false, NULL },
};

/* ---- answers ---- */

void task_reply_blob(struct task *t, const ProtobufCMessage *reply, struct span blob, int fd)
{
	store_request_reply(t->rq, reply, blob, fd);
}

void task_reply(struct task *t, const ProtobufCMessage *reply)
{
	store_request_reply(t->rq, reply, SPAN_NONE, -1);
}

void task_fail(struct task *t, int r)
{
	int code = r < 0 ? -r : r;

	metric_add(STORE_METRIC_REQUESTS_FAILED, 1);
	store_request_fail(t->rq, code, t->err.code == code && *t->err.text ? t->err.text : err_code_text(code));
}

struct change *task_change(struct task *t, enum change_kind kind, void (*done)(struct change *c))
{
	struct change *c = arena_new(t->a, struct change);

	if (!c) {
		task_fail(t, -POD_E_NOMEM);
		return NULL;
	}
	c->kind = kind;
	c->a = t->a;
	c->done = done;
	c->owner = t;
	c->user_id = t->user_id;
	return c;
}

bool change_failed(struct change *c)
{
	struct task *t = c->owner;

	if (c->code == 0) {
		metric_add(STORE_METRIC_CHANGES, 1);
		return false;
	}
	t->err = c->err;
	task_fail(t, c->code);
	return true;
}

/* ---- where a task runs ---- */

static void run_row(struct job *job)
{
	struct task *t = task_of_job(job);

	t->row->run(t);
}

void task_run_on(struct task *t, struct threads *threads, void (*fn)(struct job *job))
{
	t->job.run = fn;
	threads_run(threads, &t->job);
}

static enum task_place place_of(const struct task *t)
{
	if (t->row->place != BY_BODY)
		return t->row->place;
	return body_in_is_held(t) ? ON_LOOP : ON_READER;
}

static void task_start(struct task *t)
{
	switch (place_of(t)) {
	case BY_BODY:
	case ON_LOOP: t->row->run(t); break;
	case ON_READER: task_run_on(t, t->svc->readers, run_row); break;
	case ON_SLOW: task_run_on(t, t->svc->slow, run_row); break;
	case ON_RESTORER: task_run_on(t, t->svc->restorer, run_row); break;
	}
}

bool task_has_room(struct task *t)
{
	return !store_request_window_is_full(t->rq);
}

/* Meanwhile the window may have opened, or the peer gone: then the handler runs at once. */
static void on_parked(struct note *note)
{
	struct task *t = task_of_note(note);

	if (store_request_cancelled(t->rq) || store_request_has_room(t->rq))
		task_start(t);
	else
		t->parked = true;
}

void task_park(struct task *t)
{
	t->note.run = on_parked;
	post_send(t->svc->post, &t->note);
}

static void task_unpark(struct task *t)
{
	if (t->parked) {
		t->parked = false;
		task_start(t);
	}
}

/* ---- what the server tells ---- */

/* The session's number is the first field of all messages that name one. */
static uint32_t session_number(const ProtobufCMessage *m)
{
	return *(const uint32_t *) (const void *) ((const char *) m + m->descriptor->fields[0].offset);
}

/* An admin has no sessions: where he may ask too, the message names the user. */
static bool needs_session(const struct method_row *row, const struct store_request *rq)
{
	return row->session && store_request_role(rq) != STORE_ROLE_ADMIN;
}

/* Copied: the session may be closed while the task is on another thread. */
static bool find_session(struct task *t)
{
	const struct sessions *sessions = store_peer_data(store_request_peer(t->rq));

	t->user_id = arena_dup(t->a, session_user(sessions, session_number(t->message)));
	return t->user_id.len > 0;
}

static void on_request(void *arg, struct store_request *rq)
{
	struct service *svc = arg;
	enum store_method method = store_request_method(rq);
	const struct method_row *row = method <= NUMBER_MAX ? &rows[method] : NULL;
	struct task *t = arena_new(store_request_arena(rq), struct task);

	metric_add(STORE_METRIC_REQUESTS, 1);
	if (!t || !row || !row->run) {
		store_request_fail(rq, t ? POD_E_UNSUPPORTED : POD_E_NOMEM, NULL);
		return;
	}
	t->svc = svc;
	t->rq = rq;
	t->row = row;
	t->a = store_request_arena(rq);
	t->message = store_request_message(rq);
	t->started_us = clock_mono_us();
	store_request_set_data(rq, t);
	if (needs_session(row, rq) && !find_session(t)) {
		(void) err_set(&t->err, POD_E_AUTH, "there is no such session on this connection");
		task_fail(t, -POD_E_AUTH);
		return;
	}
	task_start(t);
}

static void on_more(void *arg, struct store_request *rq, const ProtobufCMessage *message)
{
	method_auth_more(store_request_data(rq), (const Podstore__AuthStep *) message);
}

static void on_cancel(void *arg, struct store_request *rq)
{
	struct task *t = store_request_data(rq);

	if (t->row->cancel)
		t->row->cancel(t);
	else
		task_unpark(t);
}

static void on_room(void *arg, struct store_request *rq)
{
	struct task *t = store_request_data(rq);

	if (store_request_method(rq) == STORE_WATCH)
		watcher_on_room(t->state);
	else
		task_unpark(t);
}

static void on_peer(void *arg, struct store_peer *peer)
{
	store_peer_set_data(peer, sessions_create());
	metric_add(STORE_METRIC_CONNECTIONS, 1);
}

static void on_peer_gone(void *arg, struct store_peer *peer)
{
	struct sessions *s = store_peer_data(peer);

	metric_add(STORE_METRIC_CONNECTIONS, -1);
	if (s)
		metric_add(STORE_METRIC_SESSIONS, -(int64_t) sessions_count(s));
	store_peer_set_data(peer, sessions_free(s));
}

void service_on_changed(void *service, const struct volume_event *events, size_t n)
{
	struct service *svc = service;

	watches_on_changed(svc->watches, events, n);
}

bool service_is_watched(void *service, const char *user_id)
{
	struct service *svc = service;

	return watches_may_have(svc->watches, span_of(user_id));
}

/* ---- life ---- */

static void on_stats(evutil_socket_t fd, short what, void *arg)
{
	struct service *svc = arg;
	struct volume_counts c;

	if (volume_count(svc->vol, &c, NULL) < 0)
		return; /* the numbers stay what they were */
	metric_set(STORE_METRIC_COMMITS, (int64_t) c.commits);
	metric_set(STORE_METRIC_MESSAGES, (int64_t) c.messages);
	metric_set(STORE_METRIC_USERS, c.users);
	metric_set(STORE_METRIC_BYTES, (int64_t) c.bytes);
}

static int find_account(void *arg, struct arena *a, struct span user_id, struct auth_account *ret, struct err *err)
{
	struct service *svc = arg;
	struct volume_user u;
	int r = volume_user_get(svc->vol, a, user_id, &u, err);

	if (r == 0)
		*ret = (struct auth_account){ u.crypt_hash, u.scram, u.credential_version };
	return r;
}

static void on_remembered(void *arg)
{
	metric_add(STORE_METRIC_LOGINS_REMEMBERED, 1);
}

int service_create(const struct service_options *o, struct service **ret_svc, struct err *err)
{
	struct service *svc = calloc(1, sizeof(*svc));
	int r;

	if (!svc)
		return err_set(err, POD_E_NOMEM, "no memory for the service");
	svc->o = *o;
	r = post_create(o->base, &svc->post, err);
	if (r == 0 && !(svc->watches = watches_create(svc->post)))
		r = err_set(err, POD_E_NOMEM, "no memory for the service");
	if (r < 0) {
		(void) service_free(svc);
		return r;
	}
	*ret_svc = svc;
	return 0;
}

static int create_server(struct service *svc, struct err *err)
{
	struct store_server_options so = {
		.base = svc->o.base,
		.volume = svc->o.volume_name,
		.volume_id = volume_id(svc->vol),
		.token = svc->o.token,
		.uid_mta = svc->o.uid_mta,
		.uid_gateway = svc->o.uid_gateway,
		.uid_filter = svc->o.uid_filter,
		.uid_admin = svc->o.uid_admin,
		.name_mta = svc->o.name_mta,
		.name_gateway = svc->o.name_gateway,
		.name_admin = svc->o.name_admin,
		.name_filter = svc->o.name_filter,
		.spool_dir = svc->o.volume_path,
		.on_request = on_request,
		.on_more = on_more,
		.on_cancel = on_cancel,
		.on_room = on_room,
		.on_peer = on_peer,
		.on_peer_gone = on_peer_gone,
		.arg = svc,
	};

	return store_server_create(&so, &svc->server, err);
}

int service_start(struct service *svc, struct volume *vol, struct err *err)
{
	struct auth_options ao = {
		.find = find_account,
		.arg = svc,
		.secret = volume_secret(vol),
		.remember_ms = svc->o.auth_remember_ms,
		.on_remembered = on_remembered,
	};
	struct timeval every = { STATS_EVERY_S, 0 };
	int r;

	svc->vol = vol;
	r = auth_create(&ao, &svc->auth, err);
	if (r == 0)
		r = threads_create("reader", svc->o.readers, &svc->readers, err);
	if (r == 0)
		r = threads_create("slow", SLOW_THREADS, &svc->slow, err);
	if (r == 0)
		r = threads_create("restorer", 1, &svc->restorer, err);
	if (r == 0)
		r = create_server(svc, err);
	if (r < 0)
		return r;
	svc->stats_event = event_new(svc->o.base, -1, EV_PERSIST, on_stats, svc);
	if (!svc->stats_event || event_add(svc->stats_event, &every) < 0)
		return err_set(err, POD_E_NOMEM, "no memory for a timer");
	on_stats(-1, 0, svc);
	return 0;
}

int service_listen(struct service *svc, int fd, struct tls_context *tls, struct err *err)
{
	return store_server_listen(svc->server, fd, tls, err);
}

void service_stop(struct service *svc)
{
	if (svc->server)
		store_server_stop(svc->server);
	if (svc->stats_event)
		event_free(svc->stats_event);
	svc->stats_event = NULL;
	/* Twice: what a note puts on a pool has to end before the pools do. */
	post_deliver(svc->post);
	svc->restorer = threads_free(svc->restorer);
	svc->slow = threads_free(svc->slow);
	post_deliver(svc->post);
	svc->readers = threads_free(svc->readers);
	post_deliver(svc->post);
}

struct service *service_free(struct service *svc)
{
	if (!svc)
		return NULL;
	if (svc->post)
		post_deliver(svc->post);
	(void) store_server_free(svc->server);
	(void) watches_free(svc->watches);
	(void) post_free(svc->post);
	(void) auth_free(svc->auth);
	free(svc);
	return NULL;
}
