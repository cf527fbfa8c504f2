/* AUTH, relayed to the volume of the user who wants in. The answer for a user who is not there is the volume's too. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "mta/conn/internal.h"
#include "mta/service/metrics.h"

#define ARENA_MAX (64u << 10)

static char *unconst(const char *s)
{
	union {
		const char *c;
		char *m;
	} u = { .c = s };

	return u.m;
}

static ProtobufCBinaryData binary(struct span s)
{
	union {
		const uint8_t *c;
		uint8_t *m;
	} u = { .c = s.p };

	return (ProtobufCBinaryData){ s.len, u.m };
}

static struct login_rules rules(const struct smtp_conn *c)
{
	const struct guard_conf *g = &c->w->conf->guard;

	return (struct login_rules){ g->login_failures, (uint32_t) g->login_delay_max_ms };
}

static struct login_try try_of(const struct smtp_conn *c, const char *user)
{
	return (struct login_try){ span_of(user), span_of(c->ticket.counted ? c->network : "") };
}

static void keep_score(const struct smtp_conn *c, int r, const char *user)
{
	struct login_rules lr = rules(c);
	struct login_try try = try_of(c, user);

	if (r == 0)
		login_succeeded(c->w->tally, &try, clock_wall_ms());
	else if (r == -POD_E_AUTH || r == -POD_E_NOTFOUND || r == -POD_E_DENIED)
		login_failed(c->w->tally, &lr, &try, clock_wall_ms());
}

/* Whether this try is for later, because of those before. Then the exchange is over. */
static bool put_off(struct smtp_conn *c, const char *user)
{
	struct login_rules lr = rules(c);
	struct login_try try = try_of(c, user);
	uint32_t wait_ms;
	char words[100];

	if (login_may_try(c->w->tally, &lr, &try, clock_wall_ms(), &wait_ms) == 0)
		return false;
	metric_add(M_AUTH_DELAYED, 1);
	log_event(&c->log, LOGL_NOTICE, "auth.delayed", F_STR("user", user), F_UINT("wait_ms", wait_ms));
	(void) snprintf(words, sizeof(words), "Too many failed logins, try again in %u seconds", wait_ms / 1000 + 1);
	smtp_session_auth_done(c->session, -POD_E_BUSY, words);
	smtp_conn_pump(c);
	return true;
}

/* The last word on this exchange. */
static void auth_end(struct smtp_conn *c, int r, const char *text)
{
	static const struct {
		enum mta_metric metric;
		const char *event;
	} outcomes[] = { { M_AUTH_OK, "auth.ok" }, { M_AUTH_FAILED, "auth.failed" }, { M_AUTH_ERROR, "auth.error" } };
	bool failed = r == -POD_E_AUTH || r == -POD_E_NOTFOUND || r == -POD_E_DENIED;
	size_t which = r == 0 ? 0 : failed ? 1 : 2;
	char *user = c->auth_user;

	c->auth_call = NULL;
	c->auth_user = NULL;
	c->auth_finished = false;
	metric_add(outcomes[which].metric, 1);
	log_event(&c->log, which ? LOGL_NOTICE : LOGL_INFO, outcomes[which].event, F_STR("user", user), F_STR("text", text));
	keep_score(c, r, user);
	smtp_session_auth_done(c->session, r == -POD_E_BUSY ? -POD_E_UNAVAILABLE : r, user);
	free(user);
	smtp_conn_pump(c);
}

static void on_auth_reply(void *arg, const struct store_reply *reply)
{
	struct smtp_conn *c = arg;
	const Podstore__AuthReply *m = (const Podstore__AuthReply *) reply->message;

	if (reply->final)
		c->auth_call = NULL;
	if (reply->code < 0) {
		auth_end(c, reply->code, reply->text);
		return;
	}
	if (reply->final && !m->has_challenge) {
		auth_end(c, 0, "");
		return;
	}
	/* A last message of the server is a challenge in SMTP, answered with nothing (RFC 4954 section 4). */
	c->auth_finished = reply->final;
	smtp_session_auth_challenge(c->session, span_make(m->challenge.data, m->challenge.len));
	smtp_conn_pump(c);
}

static int first_volume(void *arg, const char *name, const ProtobufCMessage *record)
{
	char **ret = arg;

	*ret = strdup(name);
	return 1;
}

/*
 * Who it is and where. A name that is not there goes to some volume as a user that it does not have, so that
 * neither words nor time tell it from a wrong password.
 */
static int find_user(struct worker *w, struct arena *a, struct span name, struct directory_user *ret, struct err *err)
{
	char *address, *any = NULL;
	int r;

	if (span_find_byte(name, '@') == SIZE_MAX)
		address = arena_printf(a, SPAN_FMT "@%s", SPAN_ARG(name), w->conf->pod.domain);
	else
		address = arena_str(a, name);
	if (!address)
		return err_set(err, POD_E_NOMEM, "no memory to authenticate");
	r = directory_user_find(w->dir, a, span_of(address), ret, err);
	if (r != -POD_E_NOTFOUND && r != -POD_E_DENIED)
		return r;
	(void) directory_each(w->dir, DIRECTORY_VOLUME, SPAN_NONE, first_volume, &any, err);
	if (!any)
		return err_set(err, POD_E_AUTH, "no such user");
	*ret = (struct directory_user){ .address = address, .user_id = "", .volume = arena_str(a, span_of(any)) };
	free(any);
	return ret->volume ? 0 : err_set(err, POD_E_NOMEM, "no memory to authenticate");
}

static void fill_bindings(const struct smtp_conn *c, Podstore__AuthStart *start, uint8_t exporter[32], uint8_t end_point[64])
{
	SSL *ssl = stream_ssl(c->stream);
	size_t len;

	start->tls = ssl != NULL;
	if (!ssl)
		return;
	if (tls_binding_exporter(ssl, exporter) == 0)
		start->binding_exporter = binary(span_make(exporter, 32));
	if (tls_binding_end_point(ssl, end_point, &len) == 0)
		start->binding_end_point = binary(span_make(end_point, len));
}

static int start(struct smtp_conn *c, struct arena *a, enum sasl_mechanism m, const struct directory_user *who,
                 struct span user, struct span message, struct err *err)
{
	Podstore__AuthStart req;
	uint8_t exporter[32], end_point[64];
	struct store_client *client = store_pool_get(c->w->pool, who->volume, err);

	podstore__auth_start__init(&req);
	req.mechanism = unconst(sasl_mechanisms[m].name);
	req.user_id = unconst(who->user_id);
	req.address = arena_str(a, user); /* libsasl2 compares it with what it finds in the message */
	req.initial = binary(message);
	if (!client || !req.address)
		return err_set(err, client ? POD_E_NOMEM : POD_E_UNAVAILABLE, "volume %s cannot be asked", who->volume);
	req.has_initial = true;
	req.service = unconst("smtp");
	req.peer = c->address;
	fill_bindings(c, &req, exporter, end_point);
	c->auth_call = store_call(client, STORE_AUTH, &req.base, SPAN_NONE, -1,
	                          (unsigned int) c->w->conf->mta.store_timeout_ms, on_auth_reply, c);
	return c->auth_call ? 0 : err_set(err, POD_E_NOMEM, "no memory to authenticate");
}

/* The name failures are counted under: the same however a client writes it. */
static char *counted_name(const char *address)
{
	char *name = strdup(address);

	for (char *p = name; p && *p; p++)
		*p = (char) ascii_lower((uint8_t) *p);
	return name;
}

void smtp_conn_auth_start(void *arg, enum sasl_mechanism m, struct span user, struct span message)
{
	struct smtp_conn *c = arg;
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_MAX);
	struct directory_user who;
	struct err err = { 0 };
	int r = a ? find_user(c->w, a, user, &who, &err) : -POD_E_NOMEM;

	c->auth_user = r == 0 ? counted_name(who.address) : strdup("");
	if (r == 0 && !c->auth_user)
		r = err_set(&err, POD_E_NOMEM, "no memory to authenticate");
	if (r == 0 && put_off(c, c->auth_user)) {
		free(c->auth_user);
		c->auth_user = NULL;
		return;
	}
	if (r == 0)
		r = start(c, a, m, &who, user, message, &err);
	if (r < 0)
		auth_end(c, r, err_text(&err));
}

void smtp_conn_auth_step(void *arg, struct span response)
{
	struct smtp_conn *c = arg;
	Podstore__AuthStep step;

	if (c->auth_finished) {
		auth_end(c, response.len ? -POD_E_AUTH : 0, "");
		return;
	}
	podstore__auth_step__init(&step);
	step.response = binary(response);
	if (!c->auth_call || store_call_more(c->auth_call, &step.base) < 0) {
		if (c->auth_call)
			store_call_cancel(c->auth_call);
		auth_end(c, -POD_E_UNAVAILABLE, "the volume was lost");
	}
}

void smtp_conn_auth_cancel(void *arg)
{
	struct smtp_conn *c = arg;

	if (c->auth_call)
		store_call_cancel(c->auth_call);
	c->auth_call = NULL;
	c->auth_finished = false;
	free(c->auth_user);
	c->auth_user = NULL;
}
