#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "imapd/account/internal.h"
#include "imapd/score.h"
#include "sasl/sasl.h"

#define ARENA_LIMIT (64u << 10)
#define CHECK_MS    5000 /* so long a password that was right is taken to be right still */
#define LABELS_MAX  8    /* of a host name, that are left out to find a domain */

/* One login under way. */
struct trying {
	struct accounts *as;
	struct arena *a;
	const struct account_login *login;
	const char *address; /* as far as it is known; canonical for a user that there is */
	const char *user_id; /* NULL: there is none */
	struct store_client *client;
	struct err *err;
};

/* ---- who it is ---- */

static bool domain_is_ours(struct trying *t, struct span domain)
{
	return domain.len && directory_domain_find(t->as->o.directory, domain, NULL) == 0;
}

/* Of a user who says none: the host's name, or what is behind its first labels ("mail.example.org"), else the
 * pod's. */
static const char *domain_of_host(struct trying *t)
{
	struct span rest = span_of(t->login->host);

	for (int i = 0; i < LABELS_MAX && rest.len; i++) {
		if (domain_is_ours(t, rest))
			return arena_str(t->a, rest);
		(void) span_split(rest, '.', &rest);
	}
	return t->as->o.conf->pod.domain;
}

/* "ann@example.org", "ann", "EXAMPLE.ORG\ann", "anything\ann@example.org" (MS-ASHTTP 2.2.1.1.2.1:
 * domain\user). */
static const char *address_of(struct trying *t)
{
	struct span user = t->login->user, domain = SPAN_NONE;
	size_t at = span_find_byte(user, '\\');

	if (at != SIZE_MAX) {
		domain = span_head(user, at);
		user = span_skip(user, at + 1);
	}
	if (span_find_byte(user, '@') != SIZE_MAX)
		return arena_str(t->a, user);
	if (domain_is_ours(t, domain))
		return arena_printf(t->a, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(user), SPAN_ARG(domain));
	return arena_printf(t->a, SPAN_FMT "@%s", SPAN_ARG(user), domain_of_host(t));
}

static int first_volume(void *arg, const char *name, const ProtobufCMessage *record)
{
	struct trying *t = arg;

	t->client = store_pool_get(t->as->o.stores, name, NULL);
	return 1;
}

/*
 * Somebody unknown (or suspended) goes to some volume under a name that no user has: the store takes the time
 * that a wrong password takes.
 */
static int find_user(struct trying *t)
{
	struct directory_user user;

	t->address = address_of(t);
	if (!t->address)
		return err_set(t->err, POD_E_NOMEM, "a user's name");
	if (directory_user_find(t->as->o.directory, t->a, span_of(t->address), &user, NULL) == 0) {
		t->address = user.address;
		t->user_id = user.user_id;
		t->client = store_pool_get(t->as->o.stores, user.volume, NULL);
	} else {
		(void) directory_each(t->as->o.directory, DIRECTORY_VOLUME, SPAN_NONE, first_volume, t, NULL);
	}
	return t->client ? 0 : err_set(t->err, POD_E_UNAVAILABLE, "no volume for %s", t->address);
}

/* ---- how often he may try ---- */

static struct score score(const struct trying *t)
{
	return (struct score){ t->as->o.tally, &t->as->o.conf->guard, t->login->log };
}

/* network: NET_ADDR_TEXT_SIZE bytes. */
static int counted_as(struct trying *t, char *network, struct login_try *ret)
{
	const struct net_addr *peer = t->login->peer;
	char *user = arena_str(t->a, span_of(t->address));

	if (!user)
		return err_set(t->err, POD_E_NOMEM, "a login");
	*network = '\0';
	if (peer && !(t->as->o.exempt && net_set_has(t->as->o.exempt, peer)))
		(void) net_addr_network(peer, 32, 64, network, NET_ADDR_TEXT_SIZE);
	score_name(user);
	*ret = (struct login_try){ span_of(user), span_of(network) };
	return 0;
}

/* ---- what the store says ---- */

static char *mutable(struct arena *a, const char *text)
{
	return arena_str(a, span_of(text));
}

/* PLAIN (RFC 4616): no authorization identity, then who and the password. */
static ProtobufCBinaryData plain_message(struct trying *t)
{
	struct span user = span_of(t->address), password = t->login->password;
	uint8_t *p = arena_alloc(t->a, user.len + password.len + 2);

	if (p) {
		memcpy(p + 1, user.p, user.len);
		if (password.len)
			memcpy(p + user.len + 2, password.p, password.len);
	}
	return (ProtobufCBinaryData){ p ? user.len + password.len + 2 : 0, p };
}

static int authenticate(struct trying *t, const Podstore__AuthReply **ret_reply)
{
	Podstore__AuthStart request = PODSTORE__AUTH_START__INIT;
	const ProtobufCMessage *message = NULL;
	int r;

	request.mechanism = mutable(t->a, sasl_mechanisms[SASL_PLAIN].name);
	request.user_id = mutable(t->a, t->user_id ? t->user_id : "!unknown");
	request.address = mutable(t->a, t->address);
	request.service = mutable(t->a, "http");
	request.peer = mutable(t->a, t->login->peer_text);
	request.has_initial = true;
	request.initial = plain_message(t);
	request.tls = true;
	if (!request.mechanism || !request.user_id || !request.address || !request.service || !request.peer ||
	    !request.initial.data)
		return err_set(t->err, POD_E_NOMEM, "a login");
	r = store_ask(t->as, t->client, t->a, STORE_AUTH, &request.base,
	              (unsigned int) t->as->o.conf->imapd.preauth_timeout_ms, &message, t->err);
	if (r == -POD_E_NOTFOUND || r == -POD_E_DENIED)
		r = err_set(t->err, POD_E_AUTH, "authentication failed");
	if (r == 0)
		*ret_reply = (const Podstore__AuthReply *) message;
	return r;
}

/* ---- whether a password that was right still is ---- */

static void on_closed(void *arg, const struct store_reply *reply)
{
	/* Nobody waits for it. */
}

static void close_session(struct account *ac, uint32_t session)
{
	Podstore__SessionClose request = PODSTORE__SESSION_CLOSE__INIT;

	request.session = session;
	(void) store_call(ac->client, STORE_SESSION_CLOSE, &request.base, SPAN_NONE, -1,
	                  (unsigned int) ac->owner->o.conf->imapd.store_timeout_ms, on_closed, NULL);
}

static void take_token(struct account *ac, ProtobufCBinaryData token)
{
	buf_clear(&ac->token);
	buf_add(&ac->token, span_make(token.data, token.len));
	ac->checked_ms = clock_mono_ms();
}

/* The token says with which password it was made: the store refuses it when that was changed. */
static int check_again(struct trying *t, struct account *ac)
{
	Podstore__SessionOpen request = PODSTORE__SESSION_OPEN__INIT;
	const ProtobufCMessage *message = NULL;
	const Podstore__SessionOpenReply *opened;
	struct span token = arena_dup(t->a, buf_span(&ac->token));
	int r;

	request.session_token = (ProtobufCBinaryData){ token.len, (uint8_t *) (uintptr_t) token.p };
	r = store_ask(t->as, ac->client, t->a, STORE_SESSION_OPEN, &request.base,
	              (unsigned int) t->as->o.conf->imapd.store_timeout_ms, &message, t->err);
	if (r < 0)
		return r;
	opened = (const Podstore__SessionOpenReply *) message;
	close_session(ac, opened->session);
	take_token(ac, opened->session_token);
	return 0;
}

/* 0: he is who he says; 1: the store has to be asked for his password. */
static int known_already(struct trying *t, const struct proof *p, struct account **ret_account)
{
	struct account *ac = t->user_id ? account_find(t->as, t->user_id) : NULL;
	int r = 0;

	if (!ac || !proof_known(ac, p))
		return 1;
	(void) account_ref(ac);
	if (clock_mono_ms() - ac->checked_ms >= CHECK_MS)
		r = check_again(t, ac);
	if (r == 0 && !ac->refused) {
		*ret_account = ac;
		return 0;
	}
	if (r == -POD_E_UNAVAILABLE || r == -POD_E_TIMEOUT) {
		(void) account_unref(ac);
		return r;
	}
	account_refuse(ac);
	(void) account_unref(ac);
	return 1;
}

/* ---- all of it ---- */

/* One with a reference that others use already. NULL: there is none whose token the store still takes. */
static struct account *join(struct trying *t, const char *user_id)
{
	struct account *ac = account_find(t->as, user_id);

	if (!ac)
		return NULL;
	(void) account_ref(ac);
	/* It may be of a time before the password was changed, and those who know the old one must not come
	 * in with it. */
	if (check_again(t, ac) == 0 && !ac->refused)
		return ac;
	account_refuse(ac);
	return account_unref(ac);
}

static int take_account(struct trying *t, const Podstore__AuthReply *reply, const struct proof *p,
                        struct account **ret_account)
{
	struct account *ac = join(t, reply->user_id);
	struct span token = span_make(reply->session_token.data, reply->session_token.len);

	if (!ac)
		ac = account_create(t->as, t->client, reply->user_id, t->address, token);
	if (!ac)
		return err_set(t->err, POD_E_NOMEM, "an account");
	proof_remember(ac, p);
	*ret_account = ac;
	return 0;
}

/* Where the store is asked. */
static int ask(struct trying *t, const Podstore__AuthReply **ret_reply)
{
	char network[NET_ADDR_TEXT_SIZE];
	struct score sc = score(t);
	struct login_try try;
	uint32_t wait_ms;
	int r = counted_as(t, network, &try);

	if (r < 0)
		return r;
	if (score_may_try(&sc, &try, &wait_ms) < 0)
		return err_set(t->err, POD_E_BUSY, "too many failed logins; wait %u s", wait_ms / 1000 + 1);
	r = authenticate(t, ret_reply);
	score_keep(&sc, &try, t->address, r);
	return r;
}

static int ask_store(struct trying *t, const struct proof *p, struct account **ret_account)
{
	const Podstore__AuthReply *reply = NULL;
	int r = ask(t, &reply);

	return r < 0 ? r : take_account(t, reply, p, ret_account);
}

/* What somebody else was told who asked for the same. */
static int take_theirs(struct trying *t, const struct proof *p, int result, struct account **ret_account)
{
	int r = result == 0 ? known_already(t, p, ret_account) : result;

	if (r > 0)
		return err_set(t->err, POD_E_UNAVAILABLE, "%s: the account is gone again", t->address);
	return r < 0 ? err_set(t->err, (enum pod_error) - r, "%s: %s", t->address, err_code_text(r)) : 0;
}

static int try(struct trying *t, struct account **ret_account)
{
	struct question q;
	struct proof p;
	int r = find_user(t), theirs;

	if (r < 0)
		return r;
	p = proof_make(t->as, t->user_id ? t->user_id : "", t->login->password);
	r = known_already(t, &p, ret_account);
	if (r <= 0)
		return r;
	if (t->user_id && question_join(t->as, &p, &theirs)) /* guesses at names are counted one by one */
		return take_theirs(t, &p, theirs, ret_account);
	question_begin(t->as, &q, &p);
	r = ask_store(t, &p, ret_account);
	question_end(&q, r);
	return r;
}

int account_login(struct accounts *as, const struct account_login *login, struct account **ret_account,
                  struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_LIMIT);
	struct trying t = { .as = as, .a = a, .login = login, .err = err };

	return a ? try(&t, ret_account) : err_set(err, POD_E_NOMEM, "a login");
}
