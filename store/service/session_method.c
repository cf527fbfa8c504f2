/* SESSION_OPEN and SESSION_CLOSE: a token, given out by an authentication, becomes a session on a connection. */
#include "base/clock.h"
#include "base/log.h"
#include "store/service/service_internal.h"

static int open_user(struct task *t, struct span token, struct volume_user *ret)
{
	struct span user_id;
	uint64_t version;
	int r = auth_token_check(t->svc->auth, t->a, token, clock_wall_s(), &user_id, &version);

	if (r < 0)
		return err_set(&t->err, POD_E_AUTH, "the session token is not valid, or expired");
	r = volume_user_get(t->svc->vol, t->a, user_id, ret, &t->err);
	if (r == -POD_E_NOTFOUND || (r == 0 && ret->credential_version != version))
		return err_set(&t->err, POD_E_AUTH, "the password was changed since");
	return r;
}

void method_session_open(struct task *t)
{
	const Podstore__SessionOpen *m = (const Podstore__SessionOpen *) t->message;
	Podstore__SessionOpenReply reply = PODSTORE__SESSION_OPEN_REPLY__INIT;
	struct sessions *sessions = store_peer_data(store_request_peer(t->rq));
	struct volume_user u;
	struct span token = SPAN_NONE;
	int r = sessions ? open_user(t, span_make(m->session_token.data, m->session_token.len), &u) : -POD_E_NOMEM;

	if (r == 0) {
		token = auth_token_make(t->svc->auth, t->a, span_of(u.user_id), u.credential_version, clock_wall_s());
		reply.session = token.p ? session_open(sessions, span_of(u.user_id)) : 0;
		r = reply.session ? 0 : -POD_E_LIMIT;
	}
	if (r < 0) {
		task_fail(t, r);
		return;
	}
	metric_add(STORE_METRIC_SESSIONS, 1);
	reply.user_id = unconst(u.user_id);
	reply.address = unconst(u.address);
	reply.session_token = (ProtobufCBinaryData){ token.len, (uint8_t *) (uintptr_t) token.p };
	task_reply(t, &reply.base);
}

void method_session_close(struct task *t)
{
	const Podstore__SessionClose *m = (const Podstore__SessionClose *) t->message;
	Podstore__Empty empty = PODSTORE__EMPTY__INIT;

	if (session_close(store_peer_data(store_request_peer(t->rq)), m->session))
		metric_add(STORE_METRIC_SESSIONS, -1);
	task_reply(t, &empty.base);
}
