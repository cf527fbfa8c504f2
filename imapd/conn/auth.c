#include "imapd/conn/conn.h"

#include <stdlib.h>

#include "imapd/score.h"
#include "sasl/sasl.h"

#define AUTH_ARENA_LIMIT (64u << 10)

/* One exchange (RFC 4422), passed between client and store: nothing is checked here. */
struct imap_auth {
	struct imap_conn *conn;
	struct store_client *client;
	struct store_call *call;
	struct arena *a;
	char *address;       /* for the log */
	char *counted;       /* the name failures are counted under: the same however a client writes it */
	struct event failed; /* an end that the store has no part in comes from the loop, too */
	int code;
};

struct imap_auth *imap_auth_free(struct imap_auth *auth)
{
	if (!auth)
		return NULL;
	if (auth->call)
		store_call_cancel(auth->call);
	(void) event_del(&auth->failed);
	free(auth->address);
	free(auth->counted);
	(void) arena_free(auth->a);
	free(auth);
	return NULL;
}

void imap_auth_cancel(void *conn)
{
	struct imap_conn *c = conn;

	c->auth = imap_auth_free(c->auth);
	imap_conn_forget_user(c);
}

static struct score score(const struct imap_conn *c)
{
	return (struct score){ c->worker->o->tally, &c->worker->conf->guard, &c->log };
}

static struct login_try try_of(const struct imap_auth *auth)
{
	return (struct login_try){ span_of(auth->counted), span_of(auth->conn->network) };
}

/* Fills counted. -POD_E_CANCELLED where this try is for later, because of those before: here, or at another
 * front end. */
static int may_try(struct imap_auth *auth, const char *name)
{
	struct score sc = score(auth->conn);
	struct login_try try;
	uint32_t wait_ms;

	auth->counted = strdup(name);
	if (!auth->counted)
		return -POD_E_NOMEM;
	score_name(auth->counted);
	try = try_of(auth);
	if (score_may_try(&sc, &try, &wait_ms) == 0)
		return 0;
	free(auth->counted); /* it says nothing about the password */
	auth->counted = NULL;
	return -POD_E_CANCELLED;
}

static void keep_score(const struct imap_conn *c, int code)
{
	const struct imap_auth *auth = c->auth;
	struct score sc = score(c);
	struct login_try try = auth && auth->counted ? try_of(auth) : (struct login_try){ 0 };

	score_keep(&sc, auth && auth->counted ? &try : NULL, auth && auth->address ? auth->address : "",
	           code);
}

/* The last word; also of an exchange the store never heard of. */
static void finish(struct imap_conn *c, int code, bool has_challenge, struct span challenge)
{
	keep_score(c, code);
	imap_session_on_auth(c->session, code, has_challenge, challenge);
	c->auth = imap_auth_free(c->auth);
	imap_conn_pump(c);
}

static struct span span_of_bytes(ProtobufCBinaryData b)
{
	return span_make(b.data, b.len);
}

static void on_auth_reply(void *arg, const struct store_reply *reply)
{
	struct imap_auth *auth = arg;
	struct imap_conn *c = auth->conn;
	const Podstore__AuthReply *answer = (const Podstore__AuthReply *) reply->message;
	int r = reply->code;

	if (reply->final)
		auth->call = NULL;
	if (!reply->final) {
		imap_session_on_auth(c->session, -POD_E_BUSY, true, span_of_bytes(answer->challenge));
		imap_conn_pump(c);
		return;
	}
	if (r == 0)
		r = imap_conn_authenticated(c, auth->client, answer->user_id,
		                            span_of_bytes(answer->session_token));
	finish(c, r, r == 0 && answer->has_challenge, r == 0 ? span_of_bytes(answer->challenge) : SPAN_NONE);
}

static ProtobufCBinaryData bytes_in(struct arena *a, struct span s)
{
	/* A copy, since the schema's bytes are not const. */
	return (ProtobufCBinaryData){ .len = s.len, .data = (uint8_t *) arena_str(a, s) };
}

static void add_bindings(struct imap_auth *auth, Podstore__AuthStart *request)
{
	SSL *ssl = stream_ssl(auth->conn->stream);
	uint8_t exporter[32], end_point[64];
	size_t len = 0;

	if (!ssl)
		return;
	request->tls = true;
	if (tls_binding_exporter(ssl, exporter) == 0)
		request->binding_exporter = bytes_in(auth->a, span_make(exporter, sizeof(exporter)));
	if (tls_binding_end_point(ssl, end_point, &len) == 0)
		request->binding_end_point = bytes_in(auth->a, span_make(end_point, len));
}

static int first_volume(void *arg, const char *name, const ProtobufCMessage *record)
{
	struct imap_auth *auth = arg;

	auth->client = store_pool_get(auth->conn->worker->stores, name, NULL);
	return 1;
}

/*
 * Whose volume it is. Somebody unknown (or suspended) goes to some volume under a name that no user has: the
 * store plays the exchange with him to its bad end, so that he can not be told from a wrong password.
 */
static const char *find_user(struct imap_auth *auth, struct span address, const char **ret_name)
{
	struct imapd_worker *w = auth->conn->worker;
	struct directory_user user;
	int r = directory_user_find(w->directory, auth->a, address, &user, NULL);

	*ret_name = r == 0 ? user.address : auth->address ? auth->address : "";
	if (r == 0) {
		auth->client = store_pool_get(w->stores, user.volume, NULL);
		return user.user_id;
	}
	(void) directory_each(w->directory, DIRECTORY_VOLUME, SPAN_NONE, first_volume, auth, NULL);
	return "!unknown";
}

static int start(struct imap_auth *auth, enum sasl_mechanism mechanism, struct span message)
{
	Podstore__AuthStart request = PODSTORE__AUTH_START__INIT;
	struct imap_conn *c = auth->conn;
	struct span address, binding;
	const char *counted;
	union {
		const char *from;
		char *to;
	} name, user_id, peer;
	int r = sasl_first_user(auth->a, mechanism, message, &address, &binding);

	if (r < 0)
		return r;
	auth->address = strndup((const char *) address.p, address.len);
	user_id.from = find_user(auth, address, &counted);
	if (!auth->client)
		return -POD_E_UNAVAILABLE;
	r = may_try(auth, counted);
	if (r < 0)
		return r;
	name.from = sasl_mechanisms[mechanism].name;
	peer.from = c->peer;
	request.mechanism = name.to;
	request.user_id = user_id.to;
	request.address = auth->address;
	request.has_initial = true;
	request.initial = bytes_in(auth->a, message);
	request.service = arena_str(auth->a, SPAN_LIT("imap"));
	request.peer = peer.to;
	add_bindings(auth, &request);
	if (!request.address || !request.initial.data || !request.service)
		return -POD_E_NOMEM;
	auth->call =
		store_call(auth->client, STORE_AUTH, &request.base, SPAN_NONE, -1,
	                   (unsigned int) c->worker->conf->imapd.preauth_timeout_ms, on_auth_reply, auth);
	return auth->call ? 0 : -POD_E_NOMEM;
}

static void on_failed(evutil_socket_t fd, short what, void *arg)
{
	struct imap_auth *auth = arg;

	finish(auth->conn, auth->code, false, SPAN_NONE);
}

/* imap_session_on_auth may not come from inside the session's own call. */
static void fail_soon(struct imap_auth *auth, int code)
{
	if (auth->call)
		store_call_cancel(auth->call);
	auth->call = NULL;
	auth->code = code;
	event_active(&auth->failed, EV_TIMEOUT, 0);
}

void imap_auth_start(void *conn, enum sasl_mechanism mechanism, struct span message)
{
	struct imap_conn *c = conn;
	struct imap_auth *auth = calloc(1, sizeof(*auth));
	int r = -POD_E_NOMEM;

	if (!auth) {
		imap_conn_close(c);
		return;
	}
	c->auth = auth;
	auth->conn = c;
	(void) event_assign(&auth->failed, c->worker->base, -1, 0, on_failed, auth);
	auth->a = arena_create(AUTH_ARENA_LIMIT);
	if (auth->a)
		r = start(auth, mechanism, message);
	if (r < 0)
		fail_soon(auth, r);
}

void imap_auth_step(void *conn, struct span response)
{
	struct imap_conn *c = conn;
	Podstore__AuthStep request = PODSTORE__AUTH_STEP__INIT;
	int r = -POD_E_UNAVAILABLE;

	if (c->auth->call) {
		request.response = bytes_in(c->auth->a, response);
		r = request.response.data ? store_call_more(c->auth->call, &request.base) : -POD_E_NOMEM;
	}
	if (r < 0)
		fail_soon(c->auth, r);
}
