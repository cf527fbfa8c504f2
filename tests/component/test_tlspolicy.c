/* TLS policies of destinations in a DNS and on an https server of our own: DANE and MTA-STS, right, wrong and
 * broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "mta/tlspolicy/state.h"
#include "mta/tlspolicy/sts_store.h"
#include "mta/tlspolicy/tlspolicy.h"
#include "tests/support/dns_tree.h"
#include "tests/support/stream_end.h"

#define POLICY "version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: 86400\r\n"

/* The CA's certificate and the server's; %1$s: the digest of the server's key, %2$s: of the CA's certificate.
 */
static const char zones[] = "[dane.test] signed\n"
			    "@ MX 10 mx\n"
			    "mx A 127.0.0.1\n"
			    "_25._tcp.mx TLSA 3 1 1 %1$s\n"
			    "ta A 127.0.0.1\n"
			    "_25._tcp.ta TLSA 2 0 1 %2$s\n"
			    "alias CNAME mx\n"
			    "own A 127.0.0.1\n"
			    "out CNAME mx.plain.test.\n"
			    "_25._tcp.out TLSA 3 1 1 %1$s\n"
			    "wrong A 127.0.0.1\n"
			    "_25._tcp.wrong TLSA 3 1 1 %2$s\n"
			    "unusable A 127.0.0.1\n"
			    "_25._tcp.unusable TLSA 1 1 1 %1$s\n"
			    "none A 127.0.0.1\n"
			    "broken A 127.0.0.1\n"
			    "_25._tcp.broken CNAME _25._tcp.mx.forged.test.\n"
			    "[plain.test] unsigned\n"
			    "mx A 127.0.0.1\n"
			    "_25._tcp.mx TLSA 3 1 1 %1$s\n"
			    "[forged.test] bogus\n"
			    "_25._tcp.mx TLSA 3 1 1 %1$s\n"
			    "[sts.test] unsigned\n"
			    "_mta-sts.good TXT \"v=STSv1; id=1;\"\n"
			    "mta-sts.good A 127.0.0.1\n"
			    "_mta-sts.testing TXT \"v=STSv1; id=1;\"\n"
			    "mta-sts.testing A 127.0.0.1\n"
			    "_mta-sts.gone TXT \"v=STSv1; id=1;\"\n"
			    "mta-sts.gone A 127.0.0.1\n"
			    "_mta-sts.moved TXT \"v=STSv1; id=1;\"\n"
			    "mta-sts.moved A 127.0.0.1\n"
			    "_mta-sts.html TXT \"v=STSv1; id=1;\"\n"
			    "mta-sts.html A 127.0.0.1\n"
			    "_mta-sts.broken TXT \"v=STSv1; id=1;\"\n"
			    "mta-sts.broken A 127.0.0.1\n"
			    "_mta-sts.othercert TXT \"v=STSv1; id=1;\"\n"
			    "mta-sts.othercert A 127.0.0.1\n"
			    "_mta-sts.dark TXT \"v=STSv1; id=1;\"\n"
			    "mta-sts.dark A 127.0.0.66\n"
			    "_mta-sts.nohost TXT \"v=STSv1; id=1;\"\n"
			    "_mta-sts.badid TXT \"v=STSv1; id=?;\"\n"
			    "_mta-sts.twice TXT \"v=STSv1; id=1;\"\n"
			    "_mta-sts.twice TXT \"v=STSv1; id=2;\"\n";

struct world {
	char dir[64];
	struct dns_tree tree;
	pid_t https;
	int https_in;
	struct conf conf;
	struct event_base *base;
	struct dns *dns;
	struct tlspolicy *policy;
	struct arena *arena;
	struct tls_context *server;
};

static const char *at(struct world *w, const char *name)
{
	return arena_printf(w->arena, "%s/%s", w->dir, name);
}

/* ---- certificates ---- */

static X509 *certificate(struct world *w, const char *name)
{
	FILE *f = fopen(at(w, name), "r");
	X509 *cert = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

	assert_non_null(cert);
	assert_int_equal(fclose(f), 0);
	return cert;
}

static void digest_text(const uint8_t *bytes, int len, char *text)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];

	assert_true(len > 0);
	(void) SHA256(bytes, (size_t) len, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void) sprintf(text + 2 * i, "%02x", digest[i]);
}

static void key_digest(struct world *w, const char *name, char text[65])
{
	X509 *cert = certificate(w, name);
	unsigned char *der = NULL;

	digest_text(der, i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der), text);
	OPENSSL_free(der);
	X509_free(cert);
}

static void certificate_digest(struct world *w, const char *name, char text[65])
{
	X509 *cert = certificate(w, name);
	unsigned char *der = NULL;

	digest_text(der, i2d_X509(cert, &der), text);
	OPENSSL_free(der);
	X509_free(cert);
}

/* ---- the https server ---- */

static void put(struct world *w, const char *host, const char *head, const char *text)
{
	FILE *f = fopen(at(w, host), "w");

	assert_non_null(f);
	assert_true(fprintf(f, "%s\n%s", head, text) > 0);
	assert_int_equal(fclose(f), 0);
}

static void put_policy(struct world *w, const char *domain, const char *mode, const char *mx)
{
	char text[300];

	(void) snprintf(text, sizeof(text), POLICY, mode, mx);
	put(w, arena_printf(w->arena, "mta-sts.%s", domain), "200 text/plain", text);
}

static unsigned int https_start(struct world *w)
{
	const char *python = getenv("PYTHON");
	int in[2], out[2];
	unsigned int port;
	FILE *f;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	w->https = fork();
	assert_true(w->https >= 0);
	if (w->https == 0) {
		(void) dup2(in[0], 0);
		(void) dup2(out[1], 1);
		(void) execlp(python ? python : "python3", "python3", "tests/support/sts_server.py", w->dir,
		              (char *) NULL);
		_exit(127);
	}
	assert_int_equal(close(in[0]), 0);
	assert_int_equal(close(out[1]), 0);
	w->https_in = in[1];
	f = fdopen(out[0], "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u", &port), 1);
	assert_int_equal(fclose(f), 0);
	return port;
}

/* ---- the world ---- */

static void open_policy(struct world *w)
{
	const struct tlspolicy_options o = { .base = w->base, .conf = &w->conf, .dns = w->dns };
	struct err err = { 0 };

	if (tlspolicy_create(&o, &w->policy, &err) < 0)
		fail_msg("%s", err.text);
}

static void make_certificates(struct world *w)
{
	static const char *const names[] = {
		"mx.dane.test",          "mta-sts.good.sts.test", "mta-sts.testing.sts.test",
		"mta-sts.gone.sts.test", "mta-sts.html.sts.test", "mta-sts.broken.sts.test",
		"mta-sts.moved.sts.test"
	};
	struct tls_server_options o;

	assert_int_equal(tls_make_self_signed(w->dir, names, ARRAY_SIZE(names), NULL), 0);
	/* RFC 7671 5.2.1: with DANE-TA the server sends the CA's certificate, too. */
	assert_int_equal(system(arena_printf(w->arena, "cat '%s' '%s' >'%s'", at(w, "server.pem"),
	                                     at(w, "ca.pem"), at(w, "chain.pem"))),
	                 0);
	o = (struct tls_server_options){ .cert_file = at(w, "chain.pem"), .key_file = at(w, "server.key") };
	assert_int_equal(tls_server_create(&o, &w->server, NULL), 0);
}

static int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char ee[65], ta[65], text[sizeof(zones) + 1024];

	assert_non_null(w);
	(void) snprintf(w->dir, sizeof(w->dir), "/tmp/podmail-tlspolicy-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->arena = arena_create(4u << 20);
	make_certificates(w);
	key_digest(w, "server.pem", ee);
	certificate_digest(w, "ca.pem", ta);
	(void) snprintf(text, sizeof(text), zones, ee, ta);
	dns_tree_start(&w->tree, text);
	w->conf.dns = dns_tree_conf(&w->tree);
	w->conf.outbound = (struct outbound_conf){ .dir = at(w, "outbound"),
		                                   .tls = TLS_WISH_MAY,
		                                   .tls_domains = "off.test=none",
		                                   .ca = at(w, "ca.pem"),
		                                   .sts_port = https_start(w) };
	w->base = event_base_new();
	assert_non_null(w->base);
	assert_int_equal(dns_create(w->base, &w->conf.dns, &w->dns, NULL), 0);
	open_policy(w);
	*state = w;
	return 0;
}

static int world_teardown(void **state)
{
	struct world *w = *state;
	char command[100];
	int status;

	(void) tlspolicy_free(w->policy);
	(void) dns_free(w->dns);
	(void) tls_unref(w->server);
	event_base_free(w->base);
	assert_int_equal(close(w->https_in), 0);
	assert_int_equal(waitpid(w->https, &status, 0), w->https);
	dns_tree_stop(&w->tree);
	(void) snprintf(command, sizeof(command), "rm -r '%s'", w->dir);
	(void) arena_free(w->arena);
	free(w);
	return system(command);
}

/* ---- asking ---- */

struct got {
	int calls;
	struct tls_domain domain;
	struct tls_demand demand;
};

static void got_domain(void *arg, const struct tls_domain *domain)
{
	struct got *g = arg;

	g->calls++;
	g->domain = *domain;
}

static void got_demand(void *arg, const struct tls_demand *demand)
{
	struct got *g = arg;

	assert_non_null(demand);
	g->calls++;
	g->demand = *demand;
}

static struct tls_domain ask_domain(struct world *w, const char *name)
{
	struct got g = { 0 };
	struct tlspolicy_wait *wait;

	assert_int_equal(tlspolicy_domain(w->policy, name, false, w->arena, got_domain, &g, &wait, NULL), 0);
	assert_int_equal(g.calls, 0);
	LOOP_UNTIL(w->base, g.calls);
	return g.domain;
}

static struct tls_demand ask_host(struct world *w, const struct tls_domain *domain,
                                  const struct tls_host *host)
{
	struct got g = { 0 };
	struct tlspolicy_wait *wait;

	assert_int_equal(tlspolicy_host(w->policy, domain, host, w->arena, got_demand, &g, &wait, NULL), 0);
	assert_int_equal(g.calls, 0);
	LOOP_UNTIL(w->base, g.calls);
	return g.demand;
}

/* How a handshake with our server ends that is asked for as the demand says. */
static enum tls_verdict shake_hands(struct world *w, const struct tls_demand *d, bool *ret_tls)
{
	struct stream_end_rec server = { 0 }, client = { 0 };
	enum tls_verdict verdict;
	int fds[2];

	tcp_pair(fds);
	stream_end_open(&server, w->base, fds[0], w->server);
	stream_end_open(&client, w->base, fds[1], NULL);
	assert_int_equal(stream_start_tls_check(client.s, tlspolicy_tls(w->policy), &d->check, NULL), 0);
	LOOP_UNTIL(w->base, client.tls + client.ends);
	*ret_tls = client.tls;
	verdict = stream_tls_verdict(client.s);
	stream_end_close(&client);
	LOOP_UNTIL(w->base, server.ends);
	stream_end_close(&server);
	return verdict;
}

static void dane_is_found_and_checked(void **state)
{
	static const struct {
		const char *what, *host, *canonical;
		bool mx_secure, addr_secure, configured;
		enum tls_use use;
		enum tls_level level;
		bool tls; /* the handshake is completed */
		enum tls_verdict verdict;
	} cases[] = {
		{ "the server's key", "mx.dane.test", NULL, true, true, false, TLS_USE_HOST, TLS_LEVEL_DANE,
		  true, TLS_VERDICT_GOOD },
		{ "its CA, and the name is in the certificate", "mx.dane.test", "ta.dane.test", true, true,
		  false, TLS_USE_HOST, TLS_LEVEL_DANE, true, TLS_VERDICT_GOOD },
		{ "its CA, and the name is not", "ta.dane.test", NULL, true, true, false, TLS_USE_HOST,
		  TLS_LEVEL_DANE, false, TLS_VERDICT_HOST_MISMATCH },
		{ "another key", "wrong.dane.test", NULL, true, true, false, TLS_USE_HOST, TLS_LEVEL_DANE,
		  false, TLS_VERDICT_NO_MATCH },
		{ "an alias: under the name it leads to", "alias.dane.test", "mx.dane.test", true, true,
		  false, TLS_USE_HOST, TLS_LEVEL_DANE, true, TLS_VERDICT_GOOD },
		{ "an alias out of the signed world: under its own", "out.dane.test", "mx.plain.test", true,
		  false, false, TLS_USE_HOST, TLS_LEVEL_DANE, true, TLS_VERDICT_GOOD },
		{ "records that nobody can use", "unusable.dane.test", NULL, true, true, false, TLS_USE_HOST,
		  TLS_LEVEL_ENCRYPT, true, TLS_VERDICT_HOST_MISMATCH },
		{ "no records", "none.dane.test", NULL, true, true, false, TLS_USE_HOST, TLS_LEVEL_MAY, true,
		  TLS_VERDICT_HOST_MISMATCH },
		{ "records that are forged", "broken.dane.test", NULL, true, true, false, TLS_USE_OTHER,
		  TLS_LEVEL_MAY, false, TLS_VERDICT_OTHER },
		{ "an MX that is not proven", "mx.dane.test", NULL, false, true, false, TLS_USE_HOST,
		  TLS_LEVEL_MAY, true, TLS_VERDICT_GOOD },
		{ "a smart host needs no MX", "mx.dane.test", NULL, false, true, true, TLS_USE_HOST,
		  TLS_LEVEL_DANE, true, TLS_VERDICT_GOOD },
		{ "addresses that are not proven", "mx.plain.test", NULL, true, false, false, TLS_USE_HOST,
		  TLS_LEVEL_MAY, true, TLS_VERDICT_HOST_MISMATCH },
		{ "records that are not proven", "mx.plain.test", NULL, true, true, false, TLS_USE_HOST,
		  TLS_LEVEL_MAY, true, TLS_VERDICT_HOST_MISMATCH },
	};
	struct world *w = *state;
	struct tls_domain domain = ask_domain(w, "dane.test");

	assert_null(domain.sts);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct tls_host host = { .name = cases[i].host,
			                       .canonical = cases[i].canonical ? cases[i].canonical
			                                                       : cases[i].host,
			                       .mx_secure = cases[i].mx_secure,
			                       .addr_secure = cases[i].addr_secure,
			                       .configured = cases[i].configured,
			                       .port = 25 };
		struct tls_demand d = ask_host(w, &domain, &host);
		bool tls;

		print_message("# %s: %s, %s\n", cases[i].what, tls_level_name(d.level), d.why);
		assert_int_equal(d.use, cases[i].use);
		assert_int_equal(d.level, cases[i].level);
		if (d.use == TLS_USE_HOST) {
			assert_int_equal(shake_hands(w, &d, &tls), cases[i].verdict);
			assert_int_equal(tls, cases[i].tls);
		}
	}
}

static void policies_are_fetched_and_their_faults_told(void **state)
{
	static const struct {
		const char *domain;
		bool found;
		enum sts_mode mode;
		enum tls_result fault;
	} cases[] = {
		{ "good.sts.test", true, STS_ENFORCE, TLS_RESULT_SUCCESS },
		{ "testing.sts.test", true, STS_TESTING, TLS_RESULT_SUCCESS },
		{ "none.sts.test", false, 0, TLS_RESULT_SUCCESS },
		{ "gone.sts.test", false, 0, TLS_RESULT_STS_POLICY_FETCH_ERROR },
		{ "moved.sts.test", false, 0, TLS_RESULT_STS_POLICY_FETCH_ERROR },
		{ "html.sts.test", false, 0, TLS_RESULT_STS_POLICY_INVALID },
		{ "broken.sts.test", false, 0, TLS_RESULT_STS_POLICY_INVALID },
		{ "othercert.sts.test", false, 0, TLS_RESULT_STS_WEBPKI_INVALID },
		{ "dark.sts.test", false, 0, TLS_RESULT_STS_POLICY_FETCH_ERROR },
		{ "nohost.sts.test", false, 0, TLS_RESULT_STS_POLICY_FETCH_ERROR },
		{ "badid.sts.test", false, 0, TLS_RESULT_STS_POLICY_INVALID },
		{ "twice.sts.test", false, 0, TLS_RESULT_SUCCESS },
		{ "forged.test", false, 0, TLS_RESULT_SUCCESS },
		{ "off.test", false, 0, TLS_RESULT_SUCCESS },
	};
	struct world *w = *state;

	put_policy(w, "good.sts.test", "enforce", "mx.good.sts.test");
	put_policy(w, "testing.sts.test", "testing", "mx.testing.sts.test");
	put_policy(w, "othercert.sts.test", "enforce", "mx.othercert.sts.test");
	put(w, "mta-sts.html.sts.test", "200 text/html", "version: STSv1\nmode: none\nmax_age: 9\n");
	put(w, "mta-sts.broken.sts.test", "200 text/plain", "version: STSv1\nmode: enforce\nmax_age: 9\n");
	put(w, "mta-sts.moved.sts.test", "302 text/plain", "");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tls_domain d = ask_domain(w, cases[i].domain);

		print_message("# %s: %s, %s\n", cases[i].domain, tls_result_name(d.sts_fault), d.sts_why);
		assert_int_equal(d.sts != NULL, cases[i].found);
		if (d.sts)
			assert_int_equal(d.sts->mode, cases[i].mode);
		assert_int_equal(d.sts_fault, cases[i].fault);
		assert_int_equal(d.sts_why[0] != '\0', d.sts_fault != TLS_RESULT_SUCCESS);
	}
}

/* RFC 8461 3.3: the policy that was fetched holds while its server is gone, after a restart, too. */
static void a_policy_that_was_fetched_holds(void **state)
{
	struct world *w = *state;
	struct tls_domain d = ask_domain(w, "good.sts.test");

	assert_non_null(d.sts);
	put(w, "mta-sts.good.sts.test", "500 text/plain", "");
	w->policy = tlspolicy_free(w->policy);
	open_policy(w);
	d = ask_domain(w, "good.sts.test");
	assert_non_null(d.sts);
	assert_int_equal(d.sts->mode, STS_ENFORCE);
	assert_string_equal(d.sts->mx[0], "mx.good.sts.test");
}

/* Another version is announced than the one on disk, fetched so long ago. */
static struct tls_domain ask_with_old(struct world *w, uint64_t age_s)
{
	static const struct span text =
		SPAN_LIT("version: STSv1\nmode: enforce\nmx: old.test\nmax_age: 86400\n");
	struct sts_store store;
	struct kv *kv;

	w->policy = tlspolicy_free(w->policy);
	assert_int_equal(tls_state_open(&w->conf, &kv, NULL), 0);
	assert_int_equal(sts_store_open(kv, &store, NULL), 0);
	assert_int_equal(
		sts_store_put(&store, "gone.sts.test", "0", text, (uint64_t) clock_wall_s() - age_s, NULL),
		0);
	(void) kv_close(kv);
	open_policy(w);
	return ask_domain(w, "gone.sts.test");
}

static void an_old_policy_holds_while_the_new_one_cannot_be_had(void **state)
{
	struct world *w = *state;
	struct tls_domain d = ask_with_old(w, 86000);

	assert_non_null(d.sts);
	assert_string_equal(d.sts->mx[0], "old.test");
	assert_int_equal(d.sts_fault, TLS_RESULT_STS_POLICY_FETCH_ERROR);
	d = ask_with_old(w, 86401);
	assert_null(d.sts);
	assert_int_equal(d.sts_fault, TLS_RESULT_STS_POLICY_FETCH_ERROR);
}

static void many_who_ask_at_once_get_one_answer_each(void **state)
{
	enum { N = 20 };
	struct world *w = *state;
	struct got g[N] = { { 0 } };
	struct tlspolicy_wait *wait[N];

	put_policy(w, "testing.sts.test", "testing", "mx.testing.sts.test");
	for (size_t i = 0; i < N; i++)
		assert_int_equal(tlspolicy_domain(w->policy, "testing.sts.test", false, w->arena, got_domain,
		                                  &g[i], &wait[i], NULL),
		                 0);
	for (size_t i = 0; i < N; i += 2)
		wait[i] = tlspolicy_cancel(wait[i]);
	for (size_t i = 0; i < N; i++) {
		if (i % 2)
			LOOP_UNTIL(w->base, g[i].calls);
		assert_int_equal(g[i].calls, i % 2);
		assert_true(i % 2 == 0 || g[i].domain.sts);
	}
}

static void what_is_under_way_ends_with_the_policy(void **state)
{
	struct world *w = *state;
	const struct tls_domain domain = { .name = "dane.test", .wish = TLS_WISH_MAY, .sts_why = "" };
	const struct tls_host host = { .name = "mx.dane.test",
		                       .canonical = "mx.dane.test",
		                       .mx_secure = true,
		                       .addr_secure = true,
		                       .port = 25 };
	struct got g = { 0 };
	struct tlspolicy_wait *wait;

	assert_int_equal(
		tlspolicy_domain(w->policy, "gone.sts.test", false, w->arena, got_domain, &g, &wait, NULL),
		0);
	assert_int_equal(tlspolicy_host(w->policy, &domain, &host, w->arena, got_demand, &g, &wait, NULL), 0);
	assert_int_equal(
		tlspolicy_domain(w->policy, "192.0.2.1", true, w->arena, got_domain, &g, &wait, NULL), 0);
	w->policy = tlspolicy_free(w->policy);
	open_policy(w);
	assert_int_equal(g.calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dane_is_found_and_checked),
		cmocka_unit_test(policies_are_fetched_and_their_faults_told),
		cmocka_unit_test(a_policy_that_was_fetched_holds),
		cmocka_unit_test(an_old_policy_holds_while_the_new_one_cannot_be_had),
		cmocka_unit_test(many_who_ask_at_once_get_one_answer_each),
		cmocka_unit_test(what_is_under_way_ends_with_the_policy),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
