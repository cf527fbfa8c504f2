#include "mta/podfilter/auth/spf/spf.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "mta/podfilter/auth/spf/layer.h"

static const char *const result_names[] = {
	[SPF_NONE] = "none",           [SPF_NEUTRAL] = "neutral",   [SPF_PASS] = "pass",
	[SPF_FAIL] = "fail",           [SPF_SOFTFAIL] = "softfail", [SPF_TEMPERROR] = "temperror",
	[SPF_PERMERROR] = "permerror",
};

const char *spf_result_name(enum spf_result result)
{
	return result_names[result];
}

const char *spf_identity_name(enum spf_identity identity)
{
	return identity == SPF_HELO ? "helo" : "mailfrom";
}

/* Without a result there is no record that can be used; why not is among the messages. */
static enum spf_result result_of_messages(SPF_response_t *rp)
{
	for (int i = 0; i < SPF_response_messages(rp); i++)
		if (SPF_error_code(SPF_response_message(rp, i)) == SPF_E_DNS_ERROR)
			return SPF_TEMPERROR;
	return SPF_PERMERROR;
}

static enum spf_result result_of(SPF_response_t *rp)
{
	switch (SPF_response_result(rp)) {
	case SPF_RESULT_NEUTRAL: return SPF_NEUTRAL;
	case SPF_RESULT_PASS: return SPF_PASS;
	case SPF_RESULT_FAIL: return SPF_FAIL;
	case SPF_RESULT_SOFTFAIL: return SPF_SOFTFAIL;
	case SPF_RESULT_TEMPERROR: return SPF_TEMPERROR;
	case SPF_RESULT_PERMERROR: return SPF_PERMERROR;
	case SPF_RESULT_NONE: return SPF_NONE;
	case SPF_RESULT_INVALID: break;
	}
	return result_of_messages(rp);
}

static bool set_client(SPF_request_t *rq, const struct net_addr *client)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *) &client->ss;
	struct in_addr four;

	if (client->ss.ss_family == AF_INET)
		return SPF_request_set_ipv4(rq, ((const struct sockaddr_in *) &client->ss)->sin_addr) ==
		       SPF_E_SUCCESS;
	if (client->ss.ss_family != AF_INET6)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
		memcpy(&four, six->sin6_addr.s6_addr + 12, sizeof(four));
		return SPF_request_set_ipv4(rq, four) == SPF_E_SUCCESS;
	}
	return SPF_request_set_ipv6(rq, six->sin6_addr) == SPF_E_SUCCESS;
}

/* RFC 7208 4.3: a name without a dot, an address literal or a wrong label has no policy. */
static bool domain_is_checkable(const char *domain)
{
	const char *dot = strchr(domain, '.');

	return *domain != '[' && strlen(domain) < 254 && dot && dot[1] && dns_name_is_valid(domain);
}

/* The sender as libspf2 takes it: with a local part and a domain (4.3). */
static const char *sender_of(struct arena *a, const struct spf_question *q, enum spf_identity identity,
                             const char **ret_domain)
{
	const char *at = strrchr(q->sender, '@');

	*ret_domain = identity == SPF_HELO ? q->helo : at ? at + 1 : "";
	if (identity == SPF_HELO || at == q->sender)
		return arena_printf(a, "postmaster@%s", *ret_domain);
	return q->sender;
}

static const char *first_error(SPF_response_t *rp)
{
	for (int i = 0; i < SPF_response_messages(rp); i++)
		if (SPF_error_errorp(SPF_response_message(rp, i)))
			return SPF_error_message(SPF_response_message(rp, i));
	return SPF_strerror(SPF_response_errcode(rp));
}

static void read_response(struct spf_layer *layer, SPF_response_t *rp, struct spf_answer *answer)
{
	answer->result = result_of(rp);
	if (layer->malformed) {
		answer->result = SPF_PERMERROR;
		answer->why = "a malformed record";
	} else if (layer->over_limit) {
		answer->result = SPF_PERMERROR;
		answer->why = "too many void lookups";
	} else if (layer->too_late) {
		answer->result = SPF_TEMPERROR;
		answer->why = "it took too long";
	} else if (answer->result == SPF_TEMPERROR || answer->result == SPF_PERMERROR) {
		answer->why = arena_str(layer->a, span_of(first_error(rp)));
	}
}

static int ask(struct spf_layer *layer, SPF_server_t *server, const struct spf_question *q,
               const char *sender, struct spf_answer *answer, struct err *err)
{
	SPF_request_t *rq = SPF_request_new(server);
	SPF_response_t *rp = NULL;
	int r = 0;

	if (!rq || !set_client(rq, &q->client) || SPF_request_set_helo_dom(rq, q->helo) != SPF_E_SUCCESS ||
	    SPF_request_set_env_from(rq, sender) != 0) {
		r = err_set(err, POD_E_NOMEM, "SPF");
	} else {
		(void) SPF_request_query_mailfrom(rq, &rp); /* the error is in the response */
		if (rp)
			read_response(layer, rp, answer);
		else
			r = err_set(err, POD_E_NOMEM, "SPF");
	}
	if (rp)
		SPF_response_free(rp);
	if (rq)
		SPF_request_free(rq);
	return r == 0 && !answer->why ? err_set(err, POD_E_NOMEM, "SPF") : r;
}

int spf_check(const struct lookup *l, struct arena *a, const struct spf_question *q,
              enum spf_identity identity, struct spf_answer *ret_answer, struct err *err)
{
	struct spf_layer layer = { .lookup = l, .a = a, .deadline_ms = clock_mono_ms() + q->timeout_ms };
	struct spf_answer answer = { .identity = *q->sender ? identity : SPF_HELO, .domain = "", .why = "" };
	const char *domain, *sender = sender_of(a, q, answer.identity, &domain);
	SPF_dns_server_t *dns;
	SPF_server_t *server;
	int r = 0;

	if (!sender)
		return err_set(err, POD_E_NOMEM, "SPF");
	if (!net_addr_is_loopback(&q->client) && domain_is_checkable(domain)) {
		answer.domain = arena_str(a, span_of(domain));
		dns = spf_layer_dns(&layer);
		server = dns ? SPF_server_new_dns(dns, 0) : NULL;
		if (!server || !answer.domain) {
			r = err_set(err, POD_E_NOMEM, "SPF");
		} else {
			r = ask(&layer, server, q, sender, &answer, err);
		}
		if (server)
			SPF_server_free(server);
		if (dns)
			dns->destroy(dns);
	}
	if (r == 0)
		*ret_answer = answer;
	return r;
}
