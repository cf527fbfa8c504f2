#include "mta/podfilter/auth_message.h"

#include <string.h>

#include "base/id.h"
#include "mime/header.h"
#include "mta/podfilter/checks.h"
#include "mta/podfilter/filter_internal.h"

struct auth_message *auth_message_of(struct message *m)
{
	const char *id = m->session->settings->conf->auth.authserv_id;
	size_t self = check_self(&check_auth);
	struct auth_message *am = m->of_check[self];

	if (am)
		return am;
	m->of_check[self] = am = arena_new(m->arena, struct auth_message);
	if (am)
		am->results = (struct auth_results){ .authserv_id = *id ? id : m->session->mta_name,
			                             .sender = m->sender,
			                             .helo = m->session->helo,
			                             .client = m->session->client_text,
			                             .spf = { .domain = "", .why = "" },
			                             .helo_spf = { .domain = "", .why = "" } };
	return am;
}

struct mailauth *auth_message_process(const struct message *m)
{
	return m->session->filter->mailauth;
}

struct lookup auth_message_lookup(const struct message *m)
{
	return (struct lookup){ .ask = resolver_lookup, .ctx = filter_resolver(m->session) };
}

int auth_message_read(struct message *m, struct fields *ret_fields, struct span *ret_body, struct err *err)
{
	struct fields fields = { 0 };
	struct span bytes;
	int r = spool_bytes(m->spool, &bytes, err);

	for (const struct header *h = m->headers; r == 0 && h; h = h->next)
		r = fields_add(&fields, m->arena, h->name, h->value, err);
	if (r < 0)
		return r;
	*ret_fields = fields;
	*ret_body = span_skip(bytes, mime_header_of(bytes).len);
	return 0;
}

int auth_message_check(struct message *m, struct auth_message *am, struct err *err)
{
	struct lookup l = auth_message_lookup(m);
	unsigned char chance;
	int r = auth_message_read(m, &am->fields, &am->body, err);

	if (r < 0)
		return r;
	do
		random_bytes(&chance, sizeof(chance));
	while (chance >= 200); /* so that each of a hundred is as likely */
	return mailauth_check_message(auth_message_process(m), &l, m->arena, &am->fields, am->body,
	                              chance % 100, &am->results, err);
}

/* ---- what others see ---- */

static enum auth_result of_spf(enum spf_result r)
{
	static const enum auth_result results[] = {
		[SPF_NONE] = AUTH_NONE,           [SPF_NEUTRAL] = AUTH_NEUTRAL,
		[SPF_PASS] = AUTH_PASS,           [SPF_FAIL] = AUTH_FAIL,
		[SPF_SOFTFAIL] = AUTH_SOFTFAIL,   [SPF_TEMPERROR] = AUTH_TEMPERROR,
		[SPF_PERMERROR] = AUTH_PERMERROR,
	};

	return results[r];
}

static enum auth_result of_dkim(const struct auth_results *r, const char *signed_by)
{
	static const enum auth_result results[] = {
		[DKIM_RESULT_NONE] = AUTH_NONE,           [DKIM_RESULT_PASS] = AUTH_PASS,
		[DKIM_RESULT_FAIL] = AUTH_FAIL,           [DKIM_RESULT_POLICY] = AUTH_FAIL,
		[DKIM_RESULT_NEUTRAL] = AUTH_NEUTRAL,     [DKIM_RESULT_TEMPERROR] = AUTH_TEMPERROR,
		[DKIM_RESULT_PERMERROR] = AUTH_PERMERROR,
	};

	return signed_by ? AUTH_PASS : r->dkim.n ? results[r->dkim.signatures[0].result] : AUTH_NONE;
}

static enum auth_result of_dmarc(enum dmarc_result r)
{
	static const enum auth_result results[] = {
		[DMARC_NONE] = AUTH_NONE,           [DMARC_PASS] = AUTH_PASS,
		[DMARC_FAIL] = AUTH_FAIL,           [DMARC_TEMPERROR] = AUTH_TEMPERROR,
		[DMARC_PERMERROR] = AUTH_PERMERROR,
	};

	return results[r];
}

static enum auth_result of_arc(enum arc_result r)
{
	static const enum auth_result results[] = { [ARC_NONE] = AUTH_NONE,
		                                    [ARC_PASS] = AUTH_PASS,
		                                    [ARC_FAIL] = AUTH_FAIL,
		                                    [ARC_TEMPERROR] = AUTH_TEMPERROR };

	return results[r];
}

static const char *lower_case(struct arena *a, const char *text)
{
	char *copy = text && *text ? arena_str(a, span_of(text)) : NULL;

	for (char *p = copy; p && *p; p++)
		*p = (char) ascii_lower((uint8_t) *p);
	return copy;
}

void auth_message_tell_spf(struct message *m, const struct auth_results *r)
{
	m->auth.spf = of_spf(r->spf.result);
	if (r->spf.result == SPF_PASS)
		m->auth.spf_domain = lower_case(m->arena, r->spf.domain);
	else if (r->helo_spf.result == SPF_PASS)
		m->auth.spf_domain = lower_case(m->arena, r->helo_spf.domain);
}

void auth_message_tell(struct message *m, const struct auth_results *r)
{
	const char *by = mailauth_signed_by(auth_message_process(m), r);

	m->auth.dkim = of_dkim(r, by);
	m->auth.dmarc = of_dmarc(r->dmarc.result);
	m->auth.arc = of_arc(r->arc.result);
	m->auth.dkim_domain = lower_case(m->arena, by);
	m->auth.from_domain = *r->dmarc.from_domain ? r->dmarc.from_domain : NULL;
}

void auth_message_log(const struct message *m, const struct auth_message *am)
{
	const struct auth_results *r = &am->results;

	log_event(&m->log, LOGL_INFO, "auth.results", F_STR("from", r->dmarc.from_domain),
	          F_STR("spf", spf_result_name(r->spf.result)), F_STR("spf_domain", r->spf.domain),
	          F_STR("dkim", r->dkim.n ? dkim_result_name(r->dkim.signatures[0].result) : "none"),
	          F_STR("dkim_domain", m->auth.dkim_domain ? m->auth.dkim_domain : ""),
	          F_STR("dmarc", dmarc_result_name(r->dmarc.result)),
	          F_STR("disposition", disposition_name(r->applied)),
	          F_STR("arc", arc_result_name(r->arc.result)),
	          F_STR("vouched_for", am->vouched_for ? "yes" : "no"));
}
