#include "store/auth/auth_internal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"

#define EXCHANGE_ARENA_MAX (256u << 10)
#define SALT_SIZE 16
#define PLUS "-PLUS"

/* ---- libsasl2's questions ---- */

/*
 * A user who does not exist gets a salt of his own that stays the same, and keys nobody knows: the exchange
 * looks as any other, and ends as with a wrong password.
 */
static int decoy_account(struct auth_exchange *x)
{
	const struct auth *au = x->auth;
	uint8_t salt[32], keys[2][32];

	random_bytes(keys, sizeof(keys));
	if (!HMAC(EVP_sha256(), au->decoy, sizeof(au->decoy), x->start.user_id.p, x->start.user_id.len, salt, NULL))
		return -POD_E_NOMEM;
	x->account = (struct auth_account){ .crypt_hash = au->decoy_hash };
	/* The keys are not derived from anything: that would take time which a known user's do not. */
	return scram_format(x->a, span_make(salt, SALT_SIZE), AUTH_SCRAM_ITERATIONS, keys[0], keys[1], &x->account.scram);
}

void exchange_look_up(struct auth_exchange *x)
{
	const struct auth_options *o = &x->auth->o;
	int r;

	if (x->looked_up)
		return;
	x->looked_up = true;
	r = o->find(o->arg, x->a, x->start.user_id, &x->account, NULL);
	x->known = r == 0 && *x->account.crypt_hash && *x->account.scram;
	if (r == -POD_E_NOTFOUND || (r == 0 && !x->known))
		r = decoy_account(x);
	x->find_error = r;
}

bool exchange_is_blocked(struct auth_exchange *x)
{
	x->blocked = penalty_blocks(x->auth->penalties, x->start.user_id, x->start.peer, clock_mono_ms());
	return x->blocked;
}

bool exchange_check_password(struct auth_exchange *x, struct span password)
{
	struct auth *au = x->auth;
	uint64_t now = clock_mono_ms();

	exchange_look_up(x);
	if (x->find_error < 0)
		return false;
	if (x->known &&
	    remember_has(au->remember, x->start.user_id, x->account.credential_version, password, now)) {
		if (au->o.on_remembered)
			au->o.on_remembered(au->o.arg);
		return true;
	}
	if (exchange_is_blocked(x) || !auth_password_check(x->account.crypt_hash, password) || !x->known)
		return false;
	remember_add(au->remember, x->start.user_id, x->account.credential_version, password, now);
	return true;
}

/* ---- steps ---- */

static void step_failed(struct auth_exchange *x, int sasl_code, struct auth_result *ret)
{
	struct auth *au = x->auth;

	ret->state = AUTH_BAD;
	if (x->find_error < 0) {
		ret->code = -x->find_error;
		ret->text = "the account cannot be read";
		return;
	}
	ret->code = POD_E_AUTH;
	ret->text = x->blocked ? "too many wrong passwords" : "wrong user or password";
	if (sasl_code == SASL_BADPROT)
		ret->text = "malformed authentication exchange";
	ret->delay_ms = penalty_add(au->penalties, x->start.user_id, x->start.peer, clock_mono_ms());
}

static void step_good(struct auth_exchange *x, struct auth_result *ret)
{
	exchange_look_up(x);
	/* By now libsasl2 is content; that the account was there is checked once more, by us. */
	if (!x->known) {
		step_failed(x, SASL_NOUSER, ret);
		return;
	}
	penalty_clear(x->auth->penalties, x->start.user_id, x->start.peer);
	ret->state = AUTH_GOOD;
	ret->credential_version = x->account.credential_version;
}

/*
 * libsasl2 holds one binding per connection, and the client chooses which: by the gs2 header of its first
 * message, "p=NAME,...". Without one, the newer is held, so that a client's "y" (it saw no -PLUS) is refused.
 */
static void choose_binding(struct auth_exchange *x, struct span first)
{
	static const struct span end_point = { (const uint8_t *) "p=tls-server-end-point,", 23 };
	bool older = first.len >= end_point.len && memcmp(first.p, end_point.p, end_point.len) == 0;
	struct span data = older ? x->start.binding_end_point : x->start.binding_exporter;

	if (!data.len)
		return;
	x->binding = (sasl_channel_binding_t){
		.name = older ? "tls-server-end-point" : "tls-exporter",
		.len = data.len,
		.data = data.p,
	};
	(void) sasl_setprop(x->conn, SASL_CHANNEL_BINDING, &x->binding);
}

void auth_exchange_step(struct auth_exchange *x, struct span message, bool has_message, struct auth_result *ret)
{
	const char *out = NULL, *in = has_message ? (message.p ? (const char *) message.p : "") : NULL;
	unsigned int out_len = 0;
	int r;

	*ret = (struct auth_result){ .text = "" };
	if (!x->started) {
		char mechanism[32];

		choose_binding(x, has_message ? message : SPAN_NONE);
		(void) snprintf(mechanism, sizeof(mechanism), SPAN_FMT, SPAN_ARG(x->start.mechanism));
		r = sasl_server_start(x->conn, mechanism, in, (unsigned int) message.len, &out, &out_len);
		x->started = true;
	} else {
		r = sasl_server_step(x->conn, in, (unsigned int) message.len, &out, &out_len);
	}
	if (r == SASL_OK || r == SASL_CONTINUE) {
		ret->challenge = span_make(out, out_len);
		ret->has_challenge = out != NULL;
	}
	if (r == SASL_OK)
		step_good(x, ret);
	else if (r == SASL_CONTINUE)
		ret->state = AUTH_CHALLENGE;
	else
		step_failed(x, r, ret);
}

/* ---- life ---- */

static bool mechanism_known(struct span m)
{
	static const char *const names[] = { "PLAIN", "LOGIN", "SCRAM-SHA-256", ("SCRAM-SHA-256" PLUS) };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_eq_nocase(m, span_of(names[i])))
			return true;
	return false;
}

static bool copy_start(struct auth_exchange *x, const struct auth_start *s)
{
	struct span *to[] = { &x->start.mechanism, &x->start.user_id, &x->start.address, &x->start.service,
		              &x->start.peer, &x->start.binding_exporter, &x->start.binding_end_point };
	const struct span *from[] = { &s->mechanism, &s->user_id, &s->address, &s->service, &s->peer,
		                      &s->binding_exporter, &s->binding_end_point };

	for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		*to[i] = arena_dup(x->a, *from[i]);
		if (!to[i]->p)
			return false;
	}
	return true;
}

int auth_exchange_create(struct auth *au, const struct auth_start *start, struct auth_exchange **ret_x, struct err *err)
{
	struct arena *a = arena_create(EXCHANGE_ARENA_MAX);
	struct auth_exchange *x = a ? arena_new(a, struct auth_exchange) : NULL;
	const char *service;

	if (!x) {
		(void) arena_free(a);
		return err_set(err, POD_E_NOMEM, "no memory for an authentication exchange");
	}
	x->auth = au;
	x->a = a;
	service = arena_str(a, start->service);
	if (!service || !copy_start(x, start)) {
		(void) auth_exchange_free(x);
		return err_set(err, POD_E_LIMIT, "authentication exchange is too large");
	}
	sasl_exchange_callbacks(x);
	if (!mechanism_known(start->mechanism) ||
	    sasl_server_new(*service ? service : "imap", "localhost", NULL, NULL, NULL, x->callbacks, SASL_SUCCESS_DATA,
	                    &x->conn) !=
	            SASL_OK) {
		(void) auth_exchange_free(x);
		return err_set(err, POD_E_UNSUPPORTED, "authentication mechanism is not supported");
	}
	*ret_x = x;
	return 0;
}

struct auth_exchange *auth_exchange_free(struct auth_exchange *x)
{
	if (x) {
		if (x->conn)
			sasl_dispose(&x->conn);
		(void) arena_free(x->a);
	}
	return NULL;
}

/* ---- the whole ---- */

static int derive_secret(struct auth *au, struct span secret, struct err *err)
{
	static const unsigned char label[] = "podmail session tokens";

	if (!secret.len || !HMAC(EVP_sha256(), secret.p, (int) secret.len, label, sizeof(label) - 1, au->secret, NULL))
		return err_set(err, POD_E_INTERNAL, "no secret for session tokens");
	random_bytes(au->decoy, sizeof(au->decoy));
	return 0;
}

static int make_decoy_hash(struct auth *au, struct err *err)
{
	struct arena *a = arena_create(EXCHANGE_ARENA_MAX);
	struct auth_credentials c;
	int r = a ? auth_password_set(a, SPAN_LIT("no such user"), &c, err) : err_set(err, POD_E_NOMEM, "no memory");

	if (r == 0 && !(au->decoy_hash = strdup(c.crypt_hash)))
		r = err_set(err, POD_E_NOMEM, "no memory");
	(void) arena_free(a);
	return r;
}

int auth_create(const struct auth_options *o, struct auth **ret_auth, struct err *err)
{
	struct auth *au = calloc(1, sizeof(*au));
	int r;

	if (!au)
		return err_set(err, POD_E_NOMEM, "no memory for authentication");
	au->o = *o;
	au->o.secret = SPAN_NONE;
	au->remember = remember_create(o->remember_ms);
	au->penalties = penalties_create();
	r = au->remember && au->penalties ? derive_secret(au, o->secret, err)
	                                  : err_set(err, POD_E_NOMEM, "no memory for authentication");
	if (r == 0)
		r = make_decoy_hash(au, err);
	if (r == 0)
		r = sasl_setup(err);
	if (r < 0) {
		(void) auth_free(au);
		return r;
	}
	*ret_auth = au;
	return 0;
}

struct auth *auth_free(struct auth *au)
{
	if (!au)
		return NULL;
	sasl_teardown();
	(void) remember_free(au->remember);
	(void) penalties_free(au->penalties);
	free(au->decoy_hash);
	OPENSSL_cleanse(au, sizeof(*au));
	free(au);
	return NULL;
}
