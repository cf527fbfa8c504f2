/* A message as a row of a report, and a policy, as JSON. */
#include <jansson.h>

#include "mta/podfilter/auth/report/report.h"

/* jansson takes UTF-8 alone, and a name of the DNS may be anything: such a row says nothing there. */
static json_t *text(const char *s)
{
	json_t *json = json_string(s);

	return json ? json : json_string("");
}

static const char *domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return at ? at + 1 : "";
}

static json_t *dkim_json(const struct dkim_verdict *dkim)
{
	json_t *array = json_array();

	for (size_t i = 0; i < dkim->n; i++) {
		const struct dkim_signature *s = &dkim->signatures[i];

		if (*s->domain)
			(void) json_array_append_new(
				array, json_pack("{s:o, s:o, s:s}", "domain", text(s->domain), "selector",
			                         text(s->selector), "result", dkim_result_name(s->result)));
	}
	return array;
}

char *report_row(const struct auth_results *r, bool vouched_for)
{
	json_t *row = json_pack(
		"{s:o, s:s, s:b, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:s, s:s}", "ip", text(r->client),
		"disposition", disposition_name(r->applied), "dkim", (int) r->dmarc.dkim_aligned, "spf",
		(int) r->dmarc.spf_aligned, "vouched_for", (int) vouched_for, "spared",
		(int) (r->dmarc.result == DMARC_FAIL && r->applied != r->dmarc.wanted), "header_from",
		text(r->dmarc.from_domain), "envelope_from", text(domain_of(r->sender)), "auth_dkim",
		dkim_json(&r->dkim), "spf_domain", text(r->spf.domain), "spf_scope",
		r->spf.identity == SPF_HELO ? "helo" : "mfrom", "spf_result", spf_result_name(r->spf.result));
	char *out = row ? json_dumps(row, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	json_decref(row);
	return out;
}

char *report_policy(const struct dmarc_answer *dmarc)
{
	const struct dmarc_record *p = &dmarc->record;
	json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:i, s:o, s:o}", "p", disposition_name(p->p), "sp",
	                         disposition_name(p->sp), "adkim", p->strict_dkim ? "s" : "r", "aspf",
	                         p->strict_spf ? "s" : "r", "pct", (int) p->pct, "fo", text(p->fo), "rua",
	                         text(p->rua));
	char *out = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	json_decref(json);
	return out;
}
