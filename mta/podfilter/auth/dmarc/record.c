/* A domain's record, through libopendmarc. */
#include "mta/podfilter/auth/dmarc/dmarc.h"

#include <stdio.h>
#include <string.h>

#include <opendmarc/dmarc.h>

#include "mta/podfilter/auth/tags.h"

static const struct span version = SPAN_LIT("v=DMARC1");

/* dmarc-record = dmarc-version dmarc-sep ...; spaces round "=" are allowed (6.4). */
static bool is_dmarc(struct arena *a, struct span text)
{
	struct span first = tags_squeeze(a, span_split(text, ';', &text));

	return span_eq(first, version);
}

const char *dmarc_record_text(struct arena *a, const struct dns_answer *answer)
{
	struct span found = SPAN_NONE;

	for (size_t i = 0; i < answer->n; i++) {
		if (!is_dmarc(a, answer->txt[i]) || memchr(answer->txt[i].p, 0, answer->txt[i].len))
			continue;
		if (found.p)
			return NULL;
		found = answer->txt[i];
	}
	return found.p ? arena_str(a, found) : NULL;
}

static enum disposition disposition_of(int p)
{
	switch (p) {
	case DMARC_RECORD_P_REJECT: return DISPOSITION_REJECT;
	case DMARC_RECORD_P_QUARANTINE: return DISPOSITION_QUARANTINE;
	default: return DISPOSITION_NONE;
	}
}

/* A tag as it was written, which the library takes apart. */
static const char *tag_text(struct arena *a, const char *text, const char *name)
{
	struct tag_list tags;
	const char *value = "";

	if (tags_parse(a, span_of(text), &tags, NULL) == 0)
		value = arena_str(a, tags_get(&tags, name));
	return value ? value : "";
}

static void read_policy(DMARC_POLICY_T *policy, struct dmarc_record *record)
{
	int p = 0, sp = 0, adkim = 0, aspf = 0, pct = 100;

	(void) opendmarc_policy_fetch_p(policy, &p);
	(void) opendmarc_policy_fetch_sp(policy, &sp);
	(void) opendmarc_policy_fetch_adkim(policy, &adkim);
	(void) opendmarc_policy_fetch_aspf(policy, &aspf);
	(void) opendmarc_policy_fetch_pct(policy, &pct);
	record->p = disposition_of(p);
	record->has_sp = sp != DMARC_RECORD_P_UNSPECIFIED;
	record->sp = record->has_sp ? disposition_of(sp) : record->p;
	record->strict_dkim = adkim == DMARC_RECORD_A_STRICT;
	record->strict_spf = aspf == DMARC_RECORD_A_STRICT;
	record->pct = pct < 0 || pct > 100 ? 100 : (unsigned int) pct;
}

static int parse(const char *domain, const char *text, struct dmarc_record *record, struct err *err)
{
	static u_char nobody[] = "0.0.0.0";
	DMARC_POLICY_T *policy = opendmarc_policy_connect_init(nobody, DMARC_POLICY_IP_TYPE_IPV4);
	int status;

	if (!policy)
		return err_set(err, POD_E_NOMEM, "libopendmarc");
	/* it copies both */
	status = opendmarc_policy_parse_dmarc(policy, (u_char *) (uintptr_t) domain,
	                                      (u_char *) (uintptr_t) text);
	if (status == DMARC_PARSE_OKAY)
		read_policy(policy, record);
	(void) opendmarc_policy_connect_shutdown(policy);
	return status == DMARC_PARSE_OKAY ? 0
	                                  : err_set(err, POD_E_SYNTAX, "the DMARC record of %.128s: %s",
	                                            domain, opendmarc_policy_status_to_str(status));
}

int dmarc_record_parse(struct arena *a, const char *domain, const char *text, struct dmarc_record *ret_record,
                       struct err *err)
{
	struct dmarc_record record = { .domain = domain, .pct = 100 };
	int r = strlen(text) < 4096
	                ? parse(domain, text, &record, err)
	                : err_set(err, POD_E_SYNTAX, "the DMARC record of %.128s is too long", domain);

	record.rua = tag_text(a, text, "rua");
	record.fo = *tag_text(a, text, "fo") ? tag_text(a, text, "fo") : "0";
	/* 6.6.3: a record with a policy that cannot be read and an address for reports asks for nothing but
	 * those */
	if (r == -POD_E_SYNTAX && *record.rua) {
		record.p = record.sp = DISPOSITION_NONE;
		record.pct = 100;
		r = 0;
	}
	if (r == 0)
		*ret_record = record;
	return r;
}
