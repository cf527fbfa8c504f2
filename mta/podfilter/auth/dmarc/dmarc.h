/*
 * DMARC (RFC 7489): does who signed or sent a message have the domain that its From names, and what does that
 * domain want done where not. Records are read and the policy is chosen by libopendmarc, organizational
 * domains come from the public suffix list by libpsl.
 *
 * A struct dmarc is made once and shared by all threads.
 */
#ifndef PODFILTER_AUTH_DMARC_H
#define PODFILTER_AUTH_DMARC_H

#include "mta/podfilter/auth/dkim/dkim.h"
#include "mta/podfilter/auth/fields.h"
#include "mta/podfilter/auth/lookup.h"
#include "mta/podfilter/auth/spf/spf.h"

struct dmarc;

/* The suffix list: a file, or "" for the one of the system (the package publicsuffix). */
int dmarc_create(const char *suffix_file, struct dmarc **ret_dmarc, struct err *err);
struct dmarc *dmarc_free(struct dmarc *d);

enum dmarc_result { DMARC_NONE, DMARC_PASS, DMARC_FAIL, DMARC_TEMPERROR, DMARC_PERMERROR };
enum disposition { DISPOSITION_NONE, DISPOSITION_QUARANTINE, DISPOSITION_REJECT };

const char *dmarc_result_name(enum dmarc_result result);    /* "pass" */
const char *disposition_name(enum disposition disposition); /* "quarantine" */

/* What a domain has published. */
struct dmarc_record {
	const char *domain; /* where it was found: that of From, or its organizational domain */
	enum disposition p, sp;
	bool has_sp, strict_dkim, strict_spf;
	unsigned int pct;
	const char *rua; /* as written, "" where there is none */
	const char *fo;  /* "0" where there is none */
};

struct dmarc_answer {
	enum dmarc_result result;
	const char *from_domain; /* lower case, "" where From has none or several */
	bool has_record;
	struct dmarc_record record;
	bool dkim_aligned, spf_aligned; /* and passed */
	enum disposition wanted;        /* fail: p or sp of the record */
	enum disposition asked;         /* the same after pct (6.6.4) */
	const char *why;                /* temperror, permerror: in words; else "" */
};

/*
 * The one domain that From names, lower case and in xn-- form, in a. -POD_E_SYNTAX: no From, several, or one
 * without exactly one domain (RFC 7489 6.6.1); words in err.
 */
int dmarc_from_domain(struct arena *a, const struct fields *fields, const char **ret_domain, struct err *err);

/* Evaluates. chance: 0 to 99, at random, for pct. Fails only with -POD_E_NOMEM. */
int dmarc_check(const struct dmarc *d, const struct lookup *l, struct arena *a, const struct fields *fields,
                const struct spf_answer *spf, const struct dkim_verdict *dkim, unsigned int chance,
                struct dmarc_answer *ret_answer, struct err *err);

/* The domain that somebody registered: "example.co.uk" of "mail.example.co.uk"; the domain itself where it is
 * a suffix. */
const char *dmarc_org_domain(const struct dmarc *d, const char *domain);
/* Whether the identifiers belong together (RFC 7489 3.1). */
bool dmarc_is_aligned(const struct dmarc *d, const char *from_domain, const char *domain, bool strict);
/* The one record of v=DMARC1 among TXT records; NULL where there is none or several (6.6.3). In a. */
const char *dmarc_record_text(struct arena *a, const struct dns_answer *answer);
/* Reads a record. -POD_E_SYNTAX: it is none (words in err). */
int dmarc_record_parse(struct arena *a, const char *domain, const char *text, struct dmarc_record *ret_record,
                       struct err *err);

#endif
