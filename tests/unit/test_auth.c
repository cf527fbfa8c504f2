#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sasl/sasl.h>
#include <sasl/saslutil.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/auth/auth.h"
#include "store/auth/penalty.h"
#include "store/auth/remember.h"

/* One user, "alice", whose address and password follow; everybody else is missing. */
#define ADDRESS "alice@example.test"
#define PASSWORD "correct horse"

struct fixture {
	struct arena *a;
	struct auth *auth;
	struct auth_account account;
	int found, remembered, fails;
};

static struct fixture fx; /* hashing takes a while, so it is done once for the group */

static int find(void *arg, struct arena *a, struct span user_id, struct auth_account *ret, struct err *err)
{
	fx.found++;
	if (fx.fails)
		return err_set(err, POD_E_IO, "broken");
	if (!span_eq(user_id, SPAN_LIT("alice")))
		return -POD_E_NOTFOUND;
	*ret = fx.account;
	return 0;
}

static void on_remembered(void *arg)
{
	fx.remembered++;
}

static void account_set(const char *password, uint64_t version)
{
	struct auth_credentials c;

	assert_int_equal(auth_password_set(fx.a, span_of(password), &c, NULL), 0);
	fx.account = (struct auth_account){ c.crypt_hash, c.scram, version };
}

static int group_setup(void **state)
{
	struct auth_options o = {
		.find = find,
		.secret = SPAN_LIT("0123456789abcdef0123456789abcdef"),
		.remember_ms = 60000,
		.on_remembered = on_remembered,
	};
	struct err err;

	fx.a = arena_create(1 << 20);
	assert_non_null(fx.a);
	account_set(PASSWORD, 1);
	if (auth_create(&o, &fx.auth, &err) < 0)
		fail_msg("%s", err_text(&err));
	return 0;
}

static int group_teardown(void **state)
{
	fx.auth = auth_free(fx.auth);
	fx.a = arena_free(fx.a);
	return 0;
}

static struct auth_exchange *begin(const char *mechanism, const char *user_id, const char *peer)
{
	struct auth_start s = {
		.mechanism = span_of(mechanism),
		.user_id = span_of(user_id),
		.address = SPAN_LIT(ADDRESS),
		.service = SPAN_LIT("imap"),
		.peer = span_of(peer),
		.binding_exporter = SPAN_LIT("exporter-bytes-of-this-connection"),
		.binding_end_point = SPAN_LIT("end-point-bytes"),
	};
	struct auth_exchange *x;

	assert_int_equal(auth_exchange_create(fx.auth, &s, &x, NULL), 0);
	return x;
}

static void plain_once(const char *user_id, const char *peer, struct span message, struct auth_result *ret)
{
	struct auth_exchange *x = begin("PLAIN", user_id, peer);

	auth_exchange_step(x, message, true, ret);
	(void) auth_exchange_free(x);
}

static void plain_takes_the_right_password_and_no_other(void **state)
{
	static const struct {
		struct span message;
		const char *user_id;
		enum auth_state state;
	} cases[] = {
		{ SPAN_LIT("\0" ADDRESS "\0" PASSWORD), "alice", AUTH_GOOD },
		{ SPAN_LIT(ADDRESS "\0" ADDRESS "\0" PASSWORD), "alice", AUTH_GOOD },
		{ SPAN_LIT("\0" ADDRESS "\0correct hors"), "alice", AUTH_BAD },
		{ SPAN_LIT("\0" ADDRESS "\0" PASSWORD "\0"), "alice", AUTH_BAD },
		{ SPAN_LIT("\0" ADDRESS "\0"), "alice", AUTH_BAD },
		{ SPAN_LIT("\0" ADDRESS), "alice", AUTH_BAD },
		{ SPAN_LIT(""), "alice", AUTH_BAD },
		{ SPAN_LIT("bob@example.test\0" ADDRESS "\0" PASSWORD), "alice", AUTH_BAD },
		{ SPAN_LIT("\0bob@example.test\0" PASSWORD), "alice", AUTH_BAD }, /* not whom the front end asked about */
		{ SPAN_LIT("\0" ADDRESS "\0" PASSWORD), "nobody", AUTH_BAD },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct auth_result r;
		char peer[16];

		(void) snprintf(peer, sizeof(peer), "10.0.0.%zu", i);
		plain_once(cases[i].user_id, peer, cases[i].message, &r);
		if (r.state != cases[i].state)
			fail_msg("case %zu: state %d, %s", i, r.state, r.text);
		if (r.state == AUTH_BAD) {
			assert_int_equal(r.code, POD_E_AUTH);
			assert_int_equal(r.delay_ms, PENALTY_FIRST_MS);
		} else {
			assert_int_equal(r.credential_version, 1);
		}
	}
}

static void a_repeated_good_password_is_not_hashed_again(void **state)
{
	struct auth_result r;
	uint64_t start, hashed;

	account_set(PASSWORD, 2);
	fx.remembered = 0;
	start = clock_mono_us();
	plain_once("alice", "10.1.0.1", SPAN_LIT("\0" ADDRESS "\0" PASSWORD), &r);
	hashed = clock_mono_us() - start;
	assert_int_equal(r.state, AUTH_GOOD);
	assert_int_equal(fx.remembered, 0);
	start = clock_mono_us();
	plain_once("alice", "10.1.0.2", SPAN_LIT("\0" ADDRESS "\0" PASSWORD), &r);
	assert_int_equal(r.state, AUTH_GOOD);
	assert_int_equal(fx.remembered, 1);
	print_message("hashed in %llu us, remembered in %llu us\n", (unsigned long long) hashed,
	              (unsigned long long) (clock_mono_us() - start));
	account_set("another", 3);
	plain_once("alice", "10.1.0.3", SPAN_LIT("\0" ADDRESS "\0" PASSWORD), &r);
	assert_int_equal(r.state, AUTH_BAD);
	account_set(PASSWORD, 4);
}

static void login_asks_for_name_and_password(void **state)
{
	struct auth_exchange *x = begin("LOGIN", "alice", "10.2.0.1");
	struct auth_result r;

	auth_exchange_step(x, SPAN_NONE, false, &r);
	assert_int_equal(r.state, AUTH_CHALLENGE);
	assert_true(span_eq(r.challenge, SPAN_LIT("Username:")));
	auth_exchange_step(x, SPAN_LIT(ADDRESS), true, &r);
	assert_int_equal(r.state, AUTH_CHALLENGE);
	assert_true(span_eq(r.challenge, SPAN_LIT("Password:")));
	auth_exchange_step(x, SPAN_LIT(PASSWORD), true, &r);
	assert_int_equal(r.state, AUTH_GOOD);
	(void) auth_exchange_free(x);
}

static void an_account_that_cannot_be_read_is_not_a_wrong_password(void **state)
{
	struct auth_result r;

	fx.fails = 1;
	plain_once("alice", "10.3.0.1", SPAN_LIT("\0" ADDRESS "\0" PASSWORD), &r);
	fx.fails = 0;
	assert_int_equal(r.state, AUTH_BAD);
	assert_int_equal(r.code, POD_E_IO);
	assert_int_equal(r.delay_ms, 0);
}

static void unknown_mechanisms_are_refused(void **state)
{
	static const char *const names[] = { "CRAM-MD5", "DIGEST-MD5", "ANONYMOUS", "SCRAM-SHA-1", "", "PLAINX" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct auth_start s = { .mechanism = span_of(names[i]), .user_id = SPAN_LIT("alice"),
			                .address = SPAN_LIT(ADDRESS), .service = SPAN_LIT("imap"), .peer = SPAN_LIT("x") };
		struct auth_exchange *x;

		assert_int_equal(auth_exchange_create(fx.auth, &s, &x, NULL), -POD_E_UNSUPPORTED);
	}
}

/* ---- SCRAM against libsasl2's client side ---- */

struct client {
	const char *user, *password;
	sasl_callback_t callbacks[5];
	sasl_conn_t *conn;
	sasl_channel_binding_t binding;
	union {
		sasl_secret_t s;
		char room[128];
	} secret;
};

static int client_name(void *context, int id, const char **result, unsigned int *len)
{
	struct client *c = context;

	*result = c->user;
	if (len)
		*len = (unsigned int) strlen(*result);
	return SASL_OK;
}

static int client_secret(sasl_conn_t *conn, void *context, int id, sasl_secret_t **ret)
{
	struct client *c = context;

	c->secret.s.len = strlen(c->password);
	memcpy(c->secret.s.data, c->password, c->secret.s.len + 1);
	*ret = &c->secret.s;
	return SASL_OK;
}

static void client_begin(struct client *c, const char *password, const char *binding, const char *data)
{
	*c = (struct client){ .user = ADDRESS, .password = password };
	c->callbacks[0] = (sasl_callback_t){ SASL_CB_AUTHNAME, (int (*)(void)) (void (*)(void)) client_name, c };
	c->callbacks[1] = (sasl_callback_t){ SASL_CB_USER, (int (*)(void)) (void (*)(void)) client_name, c };
	c->callbacks[2] = (sasl_callback_t){ SASL_CB_PASS, (int (*)(void)) (void (*)(void)) client_secret, c };
	c->callbacks[3] = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
	assert_int_equal(sasl_client_init(NULL), SASL_OK);
	assert_int_equal(sasl_client_new("imap", "localhost", NULL, NULL, c->callbacks, 0, &c->conn), SASL_OK);
	if (binding) {
		c->binding = (sasl_channel_binding_t){ binding, 1, strlen(data), (const unsigned char *) data };
		assert_int_equal(sasl_setprop(c->conn, SASL_CHANNEL_BINDING, &c->binding), SASL_OK);
	}
}

/* Runs an exchange to its end; the client must be content too where the server is. */
static void scram(const char *mechanism, const char *user_id, const char *peer, struct client *c, struct auth_result *r)
{
	struct auth_exchange *x = begin(mechanism, user_id, peer);
	const char *out = NULL, *chosen;
	unsigned int len = 0;
	int cr = sasl_client_start(c->conn, mechanism, NULL, &out, &len, &chosen);

	assert_int_equal(cr, SASL_CONTINUE);
	for (int i = 0; i < 5; i++) {
		auth_exchange_step(x, span_make(out, len), true, r);
		if (r->state == AUTH_BAD)
			break;
		if (r->has_challenge && cr == SASL_CONTINUE)
			cr = sasl_client_step(c->conn, (const char *) r->challenge.p, (unsigned int) r->challenge.len, NULL, &out,
			                      &len);
		if (r->state == AUTH_GOOD) {
			assert_int_equal(cr, SASL_OK); /* it has verified the server's signature */
			break;
		}
		assert_true(cr == SASL_OK || cr == SASL_CONTINUE);
	}
	(void) auth_exchange_free(x);
	sasl_dispose(&c->conn);
}

static void scram_works_with_a_client_of_libsasl2(void **state)
{
	static const struct {
		const char *mechanism, *user_id, *password, *binding, *data;
		enum auth_state state;
	} cases[] = {
		{ "SCRAM-SHA-256", "alice", PASSWORD, NULL, NULL, AUTH_GOOD },
		{ "SCRAM-SHA-256", "alice", "wrong", NULL, NULL, AUTH_BAD },
		{ "SCRAM-SHA-256", "nobody", PASSWORD, NULL, NULL, AUTH_BAD },
		{ "SCRAM-SHA-256-PLUS", "alice", PASSWORD, "tls-exporter", "exporter-bytes-of-this-connection", AUTH_GOOD },
		{ "SCRAM-SHA-256-PLUS", "alice", PASSWORD, "tls-server-end-point", "end-point-bytes", AUTH_GOOD },
		{ "SCRAM-SHA-256-PLUS", "alice", PASSWORD, "tls-exporter", "of another connection", AUTH_BAD },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct client c;
		struct auth_result r;
		char peer[16];

		(void) snprintf(peer, sizeof(peer), "10.4.0.%zu", i);
		client_begin(&c, cases[i].password, cases[i].binding, cases[i].data);
		scram(cases[i].mechanism, cases[i].user_id, peer, &c, &r);
		if (r.state != cases[i].state)
			fail_msg("case %zu: state %d, %s", i, r.state, r.text);
	}
}

/* RFC 7677 3: user "user", password "pencil", salt W22ZaJ0SNY7soEsUEjb6gQ==, 4096 iterations. */
static void scram_keys_are_those_of_the_rfcs_example(void **state)
{
	static const uint8_t salt[] = { 0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e,
		                        0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81 };
	const char *keys;

	assert_int_equal(auth_scram_keys(fx.a, SPAN_LIT("pencil"), span_make(salt, sizeof(salt)), 4096, &keys), 0);
	assert_string_equal(keys, "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
	                          "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
}

/* ---- passwords, tokens, memory, penalties ---- */

static void passwords_that_cannot_be_typed_are_refused(void **state)
{
	char large[AUTH_PASSWORD_MAX + 1];
	struct auth_credentials c;

	memset(large, 'x', sizeof(large));
	assert_int_equal(auth_password_set(fx.a, SPAN_LIT(""), &c, NULL), -POD_E_SYNTAX);
	assert_int_equal(auth_password_set(fx.a, SPAN_LIT("a\0b"), &c, NULL), -POD_E_SYNTAX);
	assert_int_equal(auth_password_set(fx.a, SPAN_LIT("a\nb"), &c, NULL), -POD_E_SYNTAX);
	assert_int_equal(auth_password_set(fx.a, span_make(large, sizeof(large)), &c, NULL), -POD_E_SYNTAX);
	assert_int_equal(auth_password_set(fx.a, SPAN_LIT("sch\xc3\xb6n"), &c, NULL), 0);
	assert_true(auth_password_check(c.crypt_hash, SPAN_LIT("sch\xc3\xb6n")));
	assert_false(auth_password_check(c.crypt_hash, SPAN_LIT("schon")));
	assert_false(auth_password_check("not a hash", SPAN_LIT("schon")));
	assert_false(auth_password_check("", SPAN_LIT("")));
}

static void tokens_name_their_user_until_they_expire_or_are_touched(void **state)
{
	struct span t = auth_token_make(fx.auth, fx.a, SPAN_LIT("alice"), 77, 1000), user;
	uint64_t version;
	uint8_t changed[256];

	assert_non_null(t.p);
	assert_int_equal(auth_token_check(fx.auth, fx.a, t, 1000 + AUTH_TOKEN_LIFE_S - 1, &user, &version), 0);
	assert_true(span_eq(user, SPAN_LIT("alice")));
	assert_int_equal(version, 77);
	assert_int_equal(auth_token_check(fx.auth, fx.a, t, 1000 + AUTH_TOKEN_LIFE_S, &user, &version), -POD_E_AUTH);
	for (size_t i = 0; i < t.len; i++) {
		memcpy(changed, t.p, t.len);
		changed[i] ^= 1;
		assert_int_equal(auth_token_check(fx.auth, fx.a, span_make(changed, t.len), 1000, &user, &version),
		                 -POD_E_AUTH);
	}
	for (size_t i = 0; i < t.len; i++)
		assert_int_equal(auth_token_check(fx.auth, fx.a, span_head(t, i), 1000, &user, &version), -POD_E_AUTH);
}

static void the_memory_forgets_after_its_time_and_keeps_to_its_size(void **state)
{
	struct remember *m = remember_create(1000);
	char user[16];

	remember_add(m, SPAN_LIT("u"), 1, SPAN_LIT("p"), 5000);
	assert_true(remember_has(m, SPAN_LIT("u"), 1, SPAN_LIT("p"), 5999));
	assert_false(remember_has(m, SPAN_LIT("u"), 1, SPAN_LIT("p"), 6000));
	assert_false(remember_has(m, SPAN_LIT("u"), 2, SPAN_LIT("p"), 5001));
	assert_false(remember_has(m, SPAN_LIT("up"), 1, SPAN_LIT(""), 5001));
	for (int i = 0; i < 20000; i++) {
		(void) snprintf(user, sizeof(user), "%d", i);
		remember_add(m, span_of(user), 1, SPAN_LIT("p"), 5000 + (uint64_t) i / 100);
	}
	assert_true(remember_has(m, span_of(user), 1, SPAN_LIT("p"), 5300));
	(void) remember_free(m);
	m = remember_create(0);
	remember_add(m, SPAN_LIT("u"), 1, SPAN_LIT("p"), 1);
	assert_false(remember_has(m, SPAN_LIT("u"), 1, SPAN_LIT("p"), 1));
	(void) remember_free(m);
}

static void wrong_passwords_cost_more_each_time_and_are_blocked_at_last(void **state)
{
	struct penalties *p = penalties_create();
	uint64_t now = 1000000;

	assert_int_equal(penalty_add(p, SPAN_LIT("u"), SPAN_LIT("a"), now), PENALTY_FIRST_MS);
	assert_int_equal(penalty_add(p, SPAN_LIT("u"), SPAN_LIT("a"), now), PENALTY_FIRST_MS * 2);
	for (int i = 2; i < PENALTY_BLOCK_AFTER; i++) {
		assert_false(penalty_blocks(p, SPAN_LIT("u"), SPAN_LIT("a"), now));
		assert_in_range(penalty_add(p, SPAN_LIT("u"), SPAN_LIT("a"), now), PENALTY_FIRST_MS, PENALTY_MAX_MS);
	}
	assert_true(penalty_blocks(p, SPAN_LIT("u"), SPAN_LIT("a"), now));
	assert_false(penalty_blocks(p, SPAN_LIT("u"), SPAN_LIT("b"), now)); /* another address of the same user */
	assert_false(penalty_blocks(p, SPAN_LIT("u"), SPAN_LIT("a"), now + PENALTY_MAX_MS));
	assert_int_equal(penalty_add(p, SPAN_LIT("u"), SPAN_LIT("a"), now + PENALTY_FORGET_MS), PENALTY_FIRST_MS);
	penalty_clear(p, SPAN_LIT("u"), SPAN_LIT("a"));
	assert_int_equal(penalty_add(p, SPAN_LIT("u"), SPAN_LIT("a"), now + PENALTY_FORGET_MS), PENALTY_FIRST_MS);
	(void) penalties_free(p);
}

static void a_blocked_peer_is_let_in_with_a_remembered_password_only(void **state)
{
	struct auth_result r;
	struct client c;

	account_set(PASSWORD, 50);
	for (int i = 0; i < PENALTY_BLOCK_AFTER; i++)
		plain_once("alice", "10.9.0.1", SPAN_LIT("\0" ADDRESS "\0wrong"), &r);
	plain_once("alice", "10.9.0.1", SPAN_LIT("\0" ADDRESS "\0" PASSWORD), &r);
	assert_int_equal(r.state, AUTH_BAD);
	assert_string_equal(r.text, "too many wrong passwords");
	client_begin(&c, PASSWORD, NULL, NULL);
	scram("SCRAM-SHA-256", "alice", "10.9.0.1", &c, &r);
	assert_int_equal(r.state, AUTH_BAD);
	assert_string_equal(r.text, "too many wrong passwords");
	plain_once("alice", "10.9.0.2", SPAN_LIT("\0" ADDRESS "\0" PASSWORD), &r);
	assert_int_equal(r.state, AUTH_GOOD);
	plain_once("alice", "10.9.0.1", SPAN_LIT("\0" ADDRESS "\0" PASSWORD), &r);
	assert_int_equal(r.state, AUTH_GOOD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_takes_the_right_password_and_no_other),
		cmocka_unit_test(a_repeated_good_password_is_not_hashed_again),
		cmocka_unit_test(login_asks_for_name_and_password),
		cmocka_unit_test(an_account_that_cannot_be_read_is_not_a_wrong_password),
		cmocka_unit_test(unknown_mechanisms_are_refused),
		cmocka_unit_test(scram_works_with_a_client_of_libsasl2),
		cmocka_unit_test(scram_keys_are_those_of_the_rfcs_example),
		cmocka_unit_test(passwords_that_cannot_be_typed_are_refused),
		cmocka_unit_test(tokens_name_their_user_until_they_expire_or_are_touched),
		cmocka_unit_test(the_memory_forgets_after_its_time_and_keeps_to_its_size),
		cmocka_unit_test(wrong_passwords_cost_more_each_time_and_are_blocked_at_last),
		cmocka_unit_test(a_blocked_peer_is_let_in_with_a_remembered_password_only),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
