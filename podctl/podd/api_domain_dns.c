/* The records that a hosted domain's DNS should have: what they say follows from the configuration and the
 * certificate. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "net/tls_check.h"
#include "podctl/podd/api.h"

struct records {
	const struct conf *conf;
	const char *domain;
	json_t *list;
};

/* name: without its last dot; value: as in a zone file (RFC 1035 5.1). */
static void add(struct records *r, const char *name, const char *type, const char *value, const char *why)
{
	(void) json_array_append_new(r->list, json_pack("{s:s, s:s, s:s, s:s}", "name", name, "type", type,
	                                                "value", value, "why", why));
}

__attribute__((format(printf, 5, 6))) static void add_under(struct records *r, const char *prefix,
                                                            const char *type, const char *why,
                                                            const char *fmt, ...)
{
	_cleanup_buf_ struct buf name = BUF_INIT, value = BUF_INIT;
	va_list ap;

	buf_printf(&name, "%s%s", prefix, r->domain);
	va_start(ap, fmt);
	buf_vprintf(&value, fmt, ap);
	va_end(ap);
	add(r, buf_str(&name), type, buf_str(&value), why);
}

static void add_sts(struct records *r)
{
	_cleanup_buf_ struct buf policy = BUF_INIT;
	char id[CONF_STS_ID_SIZE];

	if (!conf_sts_policy(r->conf, &policy))
		return;
	add_under(r, "_mta-sts.", "TXT", "MTA-STS (RFC 8461): there is a policy, of this version",
	          "\"v=STSv1; id=%s;\"", conf_sts_id(buf_span(&policy), id));
	add_under(r, "mta-sts.", "CNAME",
	          "where imapd shows the policy over https; it needs a certificate of this name", "%s.",
	          r->conf->mta.hostname);
}

/* What clients look for that know an address only (RFC 6186, RFC 8314; MS-OXDISCO 3.1.5.1). */
static void add_services(struct records *r)
{
	static const struct {
		enum conf_listener listener;
		const char *prefix, *why;
	} services[] = {
		{ CONF_LISTEN_IMAPS, "_imaps._tcp.", "where IMAP is, over TLS (RFC 8314)" },
		{ CONF_LISTEN_IMAP, "_imap._tcp.", "where IMAP is, with STARTTLS (RFC 6186)" },
		{ CONF_LISTEN_SUBMISSIONS, "_submissions._tcp.",
		  "where mail is submitted, over TLS (RFC 8314)" },
		{ CONF_LISTEN_SUBMISSION, "_submission._tcp.",
		  "where mail is submitted, with STARTTLS (RFC 6186)" },
		{ CONF_LISTEN_HTTPS, "_autodiscover._tcp.",
		  "where Outlook and phones ask for their settings" },
	};
	const char *host = r->conf->imapd.client_host;

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		const struct conf_endpoint *at = conf_listen(r->conf, services[i].listener);

		if (at)
			add_under(r, services[i].prefix, "SRV", services[i].why, "0 1 %u %s.", at->port,
			          host);
	}
	add_under(r, "autodiscover.", "CNAME",
	          "the same for those that ask no SRV record; it needs a certificate of this name", "%s.",
	          host);
	add_under(r, "autoconfig.", "CNAME",
	          "where Thunderbird and its kin ask; it needs a certificate of this name", "%s.", host);
}

/* Of the server, not of the domain: once is enough for all of them. */
static int add_tlsa(struct records *r, struct err *err)
{
	_cleanup_buf_ struct buf name = BUF_INIT, value = BUF_INIT;
	uint8_t digest[32];
	int e = tls_dane_digest(r->conf->tls.cert, digest, err);

	if (e < 0)
		return e;
	buf_printf(&name, "_25._tcp.%s", r->conf->mta.hostname);
	buf_add_str(&value, "3 1 1 ");
	for (size_t i = 0; i < sizeof(digest); i++)
		buf_printf(&value, "%02x", digest[i]);
	add(r, buf_str(&name), "TLSA", buf_str(&value),
	    "DANE (RFC 7672): the key of tls.cert; only in a zone signed with DNSSEC, and changed before the "
	    "key is");
	return 0;
}

void api_domain_dns(struct api_call *call)
{
	struct records r = { .conf = call->podd->conf, .domain = call->params[0] };
	struct err err = { 0 };
	int e = directory_domain_find(call->podd->dir, span_of(r.domain), &err);

	if (e < 0) {
		(void) err_set(&err, (enum pod_error) - e, "there is no domain %s", r.domain);
		api_fail(call, &err);
		return;
	}
	r.list = json_array();
	add_under(&r, "", "MX", "where mail for the domain comes in", "10 %s.", r.conf->mta.hostname);
	add_under(&r, "", "TXT", "SPF (RFC 7208): mail of the domain comes from its MX and from nowhere else",
	          "\"v=spf1 mx -all\"");
	add_under(&r, "_dmarc.", "TXT",
	          "DMARC (RFC 7489): what to do with mail that is not the domain's; begin with p=none",
	          "\"v=DMARC1; p=quarantine; rua=mailto:postmaster@%s\"", r.domain);
	add_sts(&r);
	add_under(&r, "_smtp._tls.", "TXT",
	          "TLS-RPT (RFC 8460): where others report how TLS with our servers went",
	          "\"v=TLSRPTv1; rua=mailto:postmaster@%s\"", r.domain);
	add_services(&r);
	if (add_tlsa(&r, &err) < 0) {
		json_decref(r.list);
		api_fail(call, &err);
		return;
	}
	api_reply(call, 200, json_pack("{s:s, s:o}", "domain", r.domain, "records", r.list));
}
