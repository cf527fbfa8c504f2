/*
 * Authentication-Results (RFC 8601): ours written, and those that claim to be ours recognised. Pure; memory
 * is the arena's.
 */
#ifndef PODFILTER_AUTH_RESULTS_H
#define PODFILTER_AUTH_RESULTS_H

#include "mta/podfilter/auth/arc/arc.h"
#include "mta/podfilter/auth/dkim/dkim.h"
#include "mta/podfilter/auth/dmarc/dmarc.h"
#include "mta/podfilter/auth/spf/spf.h"

/* What was found out about one message. */
struct auth_results {
	const char *authserv_id; /* ours */
	const char *sender;      /* of the envelope, "" for the null path */
	const char *helo;
	const char *client; /* its address as text */
	struct spf_answer spf, helo_spf;
	struct dkim_verdict dkim;
	struct dmarc_answer dmarc;
	enum disposition applied; /* what became of dmarc.asked */
	struct arc_verdict arc;
};

/*
 * The value behind "Authentication-Results: ", folded with CRLF and tabs; also what
 * ARC-Authentication-Results has behind its instance. SPAN_NONE where memory is out.
 */
struct span results_format(struct arena *a, const struct auth_results *r);

/* The authserv-id of a field's value ([CFWS] value [ [CFWS] version ]); empty where there is none. In a. */
struct span results_authserv_id(struct arena *a, struct span value);

/* Whether results (behind the authserv-id or with it) have this method with this result: "dmarc", "pass". */
bool results_say(struct span results, struct span method, struct span result);

/* A value of RFC 8601 2.2 (pvalue): as it is, quoted where it has to be, without what no field may hold. */
void results_add_value(struct buf *out, const char *text);
/* " (text)", a comment; nothing where it is empty. */
void results_add_comment(struct buf *out, const char *text);

#endif
