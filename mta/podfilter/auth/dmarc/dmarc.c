#include "mta/podfilter/auth/dmarc/dmarc.h"

#include <libpsl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct dmarc {
	psl_ctx_t *suffixes;
};

static const char *const result_names[] = {
	[DMARC_NONE] = "none",           [DMARC_PASS] = "pass",           [DMARC_FAIL] = "fail",
	[DMARC_TEMPERROR] = "temperror", [DMARC_PERMERROR] = "permerror",
};

static const char *const disposition_names[] = {
	[DISPOSITION_NONE] = "none", [DISPOSITION_QUARANTINE] = "quarantine", [DISPOSITION_REJECT] = "reject"
};

const char *dmarc_result_name(enum dmarc_result result)
{
	return result_names[result];
}

const char *disposition_name(enum disposition disposition)
{
	return disposition_names[disposition];
}

int dmarc_create(const char *suffix_file, struct dmarc **ret_dmarc, struct err *err)
{
	struct dmarc *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(err, POD_E_NOMEM, "DMARC");
	d->suffixes = *suffix_file ? psl_load_file(suffix_file) : psl_latest(NULL);
	if (!d->suffixes) {
		free(d);
		return err_set(err, POD_E_CONFIG, "%s: no list of public suffixes",
		               *suffix_file ? suffix_file : "the package publicsuffix");
	}
	*ret_dmarc = d;
	return 0;
}

struct dmarc *dmarc_free(struct dmarc *d)
{
	if (d)
		psl_free(d->suffixes);
	free(d);
	return NULL;
}

const char *dmarc_org_domain(const struct dmarc *d, const char *domain)
{
	const char *org = psl_registrable_domain(d->suffixes, domain);

	return org ? org : domain;
}

bool dmarc_is_aligned(const struct dmarc *d, const char *from_domain, const char *domain, bool strict)
{
	if (!strict) {
		from_domain = dmarc_org_domain(d, from_domain);
		domain = dmarc_org_domain(d, domain);
	}
	return strcasecmp(from_domain, domain) == 0;
}

enum { FOUND, NOT_FOUND, FAILED };

static int look_up(const struct lookup *l, struct arena *a, const char *domain, struct dmarc_answer *answer)
{
	const char *name = arena_printf(a, "_dmarc.%s", domain), *text;
	struct dns_answer dns;
	struct err err = { 0 };

	if (!name)
		return -POD_E_NOMEM;
	dns = lookup_ask(l, DNS_TXT, name, a);
	if (lookup_failed(&dns)) {
		answer->result = DMARC_TEMPERROR;
		answer->why = *dns.why ? dns.why : "the DNS does not answer";
		return FAILED;
	}
	text = dmarc_record_text(a, &dns);
	if (!text)
		return NOT_FOUND;
	if (dmarc_record_parse(a, domain, text, &answer->record, &err) == 0) {
		answer->has_record = true;
		return FOUND;
	}
	answer->result = DMARC_PERMERROR;
	answer->why = arena_str(a, span_of(err_text(&err)));
	return answer->why ? FAILED : -POD_E_NOMEM;
}

/* RFC 7489 6.6.3: that of the domain in From, or else of its organizational domain. */
static int find_record(const struct dmarc *d, const struct lookup *l, struct arena *a,
                       struct dmarc_answer *answer)
{
	const char *from = answer->from_domain, *org = dmarc_org_domain(d, from);
	int r = look_up(l, a, from, answer);

	if (r == NOT_FOUND && strcmp(org, from) != 0)
		r = look_up(l, a, org, answer);
	return r;
}

static void align(const struct dmarc *d, const struct spf_answer *spf, const struct dkim_verdict *dkim,
                  struct dmarc_answer *answer)
{
	const struct dmarc_record *record = &answer->record;

	for (size_t i = 0; i < dkim->n; i++)
		if (dkim->signatures[i].result == DKIM_RESULT_PASS &&
		    dmarc_is_aligned(d, answer->from_domain, dkim->signatures[i].domain, record->strict_dkim))
			answer->dkim_aligned = true;
	answer->spf_aligned = spf->result == SPF_PASS &&
	                      dmarc_is_aligned(d, answer->from_domain, spf->domain, record->strict_spf);
}

/* A DNS failure may hide the pass that would have saved the message (6.6.2). */
static bool might_have_passed(const struct spf_answer *spf, const struct dkim_verdict *dkim)
{
	for (size_t i = 0; i < dkim->n; i++)
		if (dkim->signatures[i].result == DKIM_RESULT_TEMPERROR)
			return true;
	return spf->result == SPF_TEMPERROR;
}

static enum disposition weaker(enum disposition d)
{
	return d == DISPOSITION_REJECT ? DISPOSITION_QUARANTINE : DISPOSITION_NONE;
}

static void judge(const struct spf_answer *spf, const struct dkim_verdict *dkim, unsigned int chance,
                  struct dmarc_answer *answer)
{
	const struct dmarc_record *record = &answer->record;

	if (answer->dkim_aligned || answer->spf_aligned) {
		answer->result = DMARC_PASS;
		return;
	}
	if (might_have_passed(spf, dkim)) {
		answer->result = DMARC_TEMPERROR;
		answer->why = "SPF or DKIM could not be checked now";
		return;
	}
	answer->result = DMARC_FAIL;
	answer->wanted = strcmp(record->domain, answer->from_domain) == 0 ? record->p : record->sp;
	answer->asked = chance < record->pct ? answer->wanted : weaker(answer->wanted);
}

int dmarc_check(const struct dmarc *d, const struct lookup *l, struct arena *a, const struct fields *fields,
                const struct spf_answer *spf, const struct dkim_verdict *dkim, unsigned int chance,
                struct dmarc_answer *ret_answer, struct err *err)
{
	struct dmarc_answer answer = { .result = DMARC_NONE, .from_domain = "", .why = "" };
	struct err why = { 0 };
	int r = dmarc_from_domain(a, fields, &answer.from_domain, &why);

	if (r == -POD_E_NOMEM)
		return err_set(err, POD_E_NOMEM, "DMARC");
	if (r < 0) {
		answer.result = DMARC_PERMERROR;
		answer.why = arena_str(a, span_of(err_text(&why)));
	} else {
		r = find_record(d, l, a, &answer);
	}
	if (r == -POD_E_NOMEM || !answer.why)
		return err_set(err, POD_E_NOMEM, "DMARC");
	if (r == FOUND) {
		align(d, spf, dkim, &answer);
		judge(spf, dkim, chance, &answer);
	}
	*ret_answer = answer;
	return 0;
}
