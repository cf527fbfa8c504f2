/*
 * AUTH: an exchange steps on a pool's thread, as hashing takes long, and everything else about it is the
 * loop's: between two steps it waits for the client, after a wrong password for a timer.
 */
#include "base/clock.h"
#include "base/log.h"
#include "store/service/service_internal.h"

enum login_state { LOGIN_STEPPING, LOGIN_WAITING, LOGIN_DELAYED };

struct login {
	enum login_state state;
	struct task *task;
	struct auth_exchange *exchange;
	struct span message;
	bool has_message;
	struct auth_result result;
	struct event *timer;
};

static const Podstore__AuthStart *start_of(const struct login *l)
{
	return (const Podstore__AuthStart *) l->task->message;
}

static void log_login(const struct login *l, enum log_level level, const char *event, const char *why)
{
	const Podstore__AuthStart *m = start_of(l);

	log_event(NULL, level, event, F_STR("user", m->user_id), F_STR("address", m->address),
	          F_STR("mechanism", m->mechanism), F_STR("service", m->service), F_STR("peer", m->peer),
	          F_STR("result", why));
}

static void login_end(struct login *l)
{
	if (l->timer)
		event_free(l->timer);
	l->timer = NULL;
	l->exchange = auth_exchange_free(l->exchange);
}

static void login_fail(struct login *l, int code, const char *text)
{
	struct task *t = l->task;

	(void) err_set(&t->err, (enum pod_error) code, "%s", text);
	login_end(l);
	task_fail(t, -code);
}

static void on_delay_over(evutil_socket_t fd, short what, void *arg)
{
	struct login *l = arg;

	login_fail(l, l->result.code, l->result.text);
}

static void login_bad(struct login *l)
{
	unsigned int ms = l->result.delay_ms;
	struct timeval tv = { ms / 1000, (suseconds_t) (ms % 1000) * 1000 };

	metric_add(STORE_METRIC_LOGINS_FAILED, 1);
	log_login(l, LOGL_NOTICE, "login.failed", l->result.text);
	l->timer = ms ? evtimer_new(l->task->svc->o.base, on_delay_over, l) : NULL;
	if (l->timer && evtimer_add(l->timer, &tv) == 0)
		l->state = LOGIN_DELAYED;
	else
		on_delay_over(-1, 0, l);
}

static void login_good(struct login *l)
{
	Podstore__AuthReply reply = PODSTORE__AUTH_REPLY__INIT;
	struct task *t = l->task;
	struct auth_exchange *exchange = l->exchange;
	struct span token = auth_token_make(t->svc->auth, t->a, span_of(start_of(l)->user_id),
	                                    l->result.credential_version, clock_wall_s());

	if (!token.p) {
		login_fail(l, POD_E_NOMEM, "out of memory");
		return;
	}
	metric_add(STORE_METRIC_LOGINS, 1);
	log_login(l, LOGL_INFO, "login.ok", "ok");
	volume_note_login(t->svc->vol, span_of(start_of(l)->user_id));
	reply.user_id = start_of(l)->user_id;
	reply.session_token = (ProtobufCBinaryData){ token.len, (uint8_t *) (uintptr_t) token.p };
	reply.challenge = (ProtobufCBinaryData){ l->result.challenge.len, (uint8_t *) (uintptr_t) l->result.challenge.p };
	reply.has_challenge = l->result.has_challenge;
	task_reply(t, &reply.base); /* l is gone with its request */
	(void) auth_exchange_free(exchange);
}

static void login_challenge(struct login *l)
{
	Podstore__AuthReply reply = PODSTORE__AUTH_REPLY__INIT;

	l->state = LOGIN_WAITING;
	reply.challenge = (ProtobufCBinaryData){ l->result.challenge.len, (uint8_t *) (uintptr_t) l->result.challenge.p };
	reply.has_challenge = true;
	store_request_more(l->task->rq, &reply.base, SPAN_NONE, -1);
}

/* On the loop, after a step. */
static void on_stepped(struct note *note)
{
	struct login *l = task_of_note(note)->state;

	if (store_request_cancelled(l->task->rq)) {
		login_fail(l, POD_E_CANCELLED, "cancelled");
		return;
	}
	switch (l->result.state) {
	case AUTH_CHALLENGE: login_challenge(l); break;
	case AUTH_GOOD: login_good(l); break;
	case AUTH_BAD: login_bad(l); break;
	}
}

/* On a pool's thread. */
static void step(struct job *job)
{
	struct task *t = task_of_job(job);
	struct login *l = t->state;

	auth_exchange_step(l->exchange, l->message, l->has_message, &l->result);
	t->note.run = on_stepped;
	post_send(t->svc->post, &t->note);
}

static struct span bytes_in(ProtobufCBinaryData b)
{
	return span_make(b.data ? b.data : (const uint8_t *) "", b.len);
}

void method_auth(struct task *t)
{
	const Podstore__AuthStart *m = (const Podstore__AuthStart *) t->message;
	const struct auth_start start = {
		.mechanism = span_of(m->mechanism),
		.user_id = span_of(m->user_id),
		.address = span_of(m->address),
		.service = span_of(m->service),
		.peer = span_of(m->peer),
		.binding_exporter = bytes_in(m->binding_exporter),
		.binding_end_point = bytes_in(m->binding_end_point),
	};
	struct login *l = arena_new(t->a, struct login);
	int r = l ? auth_exchange_create(t->svc->auth, &start, &l->exchange, &t->err) : -POD_E_NOMEM;

	if (r < 0) {
		task_fail(t, r);
		return;
	}
	l->task = t;
	l->message = bytes_in(m->initial);
	l->has_message = m->has_initial;
	l->state = LOGIN_STEPPING;
	t->state = l;
	task_run_on(t, t->svc->slow, step);
}

void method_auth_more(struct task *t, const Podstore__AuthStep *m)
{
	struct login *l = t->state;

	/* A front end that speaks out of turn, or after its exchange failed, is not waited for. */
	if (!l || l->state != LOGIN_WAITING)
		return;
	l->message = bytes_in(m->response);
	l->has_message = true;
	l->state = LOGIN_STEPPING;
	task_run_on(t, t->svc->slow, step);
}

void method_auth_cancel(struct task *t)
{
	struct login *l = t->state;

	/* While a step runs its end will notice. */
	if (l->state != LOGIN_STEPPING)
		login_fail(l, POD_E_CANCELLED, "cancelled");
}
