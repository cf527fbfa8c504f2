/* AUTH (RFC 4954) as a client: to smart hosts only. */
#include "base/cleanup.h"
#include "smtp/internal.h"
#include "smtp/sasl.h"
#include "sasl/sasl.h"

#define ARENA_MAX (64u << 10)
#define INITIAL_MAX \
	400 /* with the command in a line of 512 (RFC 4954 4); a longer one waits for the challenge */

static void say_base64(struct smtp_client *c, struct span bytes)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_MAX);
	struct span text = a ? base64_encode(a, bytes) : SPAN_NONE;

	if (bytes.len && !text.p) {
		client_fail(c, SMTP_FAULT_MEMORY, NULL, "out of memory");
		return;
	}
	buf_add(c->out, text);
}

void client_auth_start(struct smtp_client *c)
{
	const struct smtp_client_settings *s = c->settings;
	struct err err = { 0 };
	const char *mechanism;
	struct span first;
	int r = smtp_sasl_start(s->server, s->login, s->password, c->caps.auth, c->secure, &c->sasl,
	                        &mechanism, &err);

	if (r < 0) {
		client_fail(c, SMTP_FAULT_AUTH, NULL, err_text(&err));
		return;
	}
	first = smtp_sasl_first(c->sasl);
	buf_printf(c->out, "AUTH %s", mechanism);
	if (first.p && first.len <= INITIAL_MAX * 3 / 4) {
		buf_add_str(c->out, first.len ? " " : " =");
		say_base64(c, first);
	}
	buf_add_str(c->out, "\r\n");
	client_ask(c, CMD_AUTH, 0);
}

/* A first message that did not fit into the command answers the empty challenge. */
static int answer_of(struct smtp_client *c, struct span challenge, struct span *ret_answer, struct err *err)
{
	struct span first = smtp_sasl_first(c->sasl);

	if (challenge.len == 0 && first.len > INITIAL_MAX * 3 / 4) {
		*ret_answer = first;
		return 0;
	}
	return smtp_sasl_step(c->sasl, challenge, ret_answer, err);
}

static void on_challenge(struct smtp_client *c, struct span text)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_MAX);
	struct span challenge, answer = SPAN_NONE;
	struct err err = { 0 };
	int r = a ? base64_decode(a, span_trim(text), &challenge) : -POD_E_NOMEM;

	if (r == 0)
		r = answer_of(c, challenge, &answer, &err);
	if (r < 0) {
		client_fail(c, SMTP_FAULT_AUTH, NULL, err_text(&err));
		return;
	}
	say_base64(c, answer);
	buf_add_str(c->out, "\r\n");
	client_ask(c, CMD_AUTH, 0);
}

void client_on_auth(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply)
{
	struct err err = { 0 };
	struct span rest;

	if (reply->code == 334) {
		on_challenge(c, reply->text);
		return;
	}
	if (reply->code / 100 != 2) {
		client_fail(c, SMTP_FAULT_AUTH, reply, NULL);
		return;
	}
	/* A mechanism whose last words travel with the success (RFC 4954 4) is content only now. */
	if (!smtp_sasl_is_done(c->sasl) && smtp_sasl_step(c->sasl, SPAN_NONE, &rest, &err) < 0) {
		client_fail(c, SMTP_FAULT_AUTH, NULL,
		            "the server says that we are logged in, and did not prove who it is");
		return;
	}
	c->sasl = smtp_sasl_free(c->sasl);
	c->want = SMTP_CLIENT_READY;
}
