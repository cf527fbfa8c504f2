/* Signatures of a message that came in. */
#include <string.h>

#include "base/cleanup.h"
#include "mta/podfilter/auth/dkim/dkim_internal.h"
#include "mta/podfilter/auth/tags.h"

struct dkim_verifier {
	struct arena *a;
	const struct lookup *lookup;
	DKIM *dkim;
	DKIM_STAT status; /* of the header, then of what followed */
};

static const char *const result_names[] = {
	[DKIM_RESULT_NONE] = "none",           [DKIM_RESULT_PASS] = "pass",
	[DKIM_RESULT_FAIL] = "fail",           [DKIM_RESULT_POLICY] = "policy",
	[DKIM_RESULT_NEUTRAL] = "neutral",     [DKIM_RESULT_TEMPERROR] = "temperror",
	[DKIM_RESULT_PERMERROR] = "permerror",
};

const char *dkim_result_name(enum dkim_result result)
{
	return result_names[result];
}

DKIM_CBSTAT dkim_verifier_find_key(DKIM *dkim, DKIM_SIGINFO *sig, u_char *buf, size_t size)
{
	struct dkim_verifier *v = dkim_get_user_context(dkim);
	const char *name = arena_printf(v->a, "%s._domainkey.%s", (const char *) dkim_sig_getselector(sig),
	                                (const char *) dkim_sig_getdomain(sig));
	struct dns_answer answer;

	if (!name)
		return DKIM_CBSTAT_ERROR;
	answer = lookup_ask(v->lookup, DNS_TXT, name, v->a);
	if (lookup_failed(&answer))
		return DKIM_CBSTAT_TRYAGAIN;
	if (answer.n == 0)
		return DKIM_CBSTAT_NOTFOUND;
	/* longer than any key that we take, or half of what was published */
	if (answer.txt[0].len >= size || memchr(answer.txt[0].p, 0, answer.txt[0].len))
		return DKIM_CBSTAT_NOTFOUND;
	memcpy(buf, answer.txt[0].p, answer.txt[0].len);
	buf[answer.txt[0].len] = '\0';
	return DKIM_CBSTAT_CONTINUE;
}

/* Each signature is a lookup and a computation of the sender's choosing: only so many of them. */
DKIM_CBSTAT dkim_verifier_prescreen(DKIM *dkim, DKIM_SIGINFO **sigs, int n)
{
	for (int i = DKIM_SIGNATURES_MAX; i < n; i++)
		dkim_sig_ignore(sigs[i]);
	return DKIM_CBSTAT_CONTINUE;
}

int dkim_verifier_create(const struct dkim_library *library, struct arena *a, const struct fields *fields,
                         const struct lookup *lookup, struct dkim_verifier **ret_v, struct err *err)
{
	struct dkim_verifier *v = arena_new(a, struct dkim_verifier);

	if (!v)
		return err_set(err, POD_E_NOMEM, "DKIM");
	*v = (struct dkim_verifier){ .a = a, .lookup = lookup };
	v->dkim = dkim_verify(library->lib, (const unsigned char *) "podmail", NULL, &v->status);
	if (!v->dkim)
		return err_set(err, POD_E_NOMEM, "libopendkim: %s", dkim_getresultstr(v->status));
	(void) dkim_set_user_context(v->dkim, v);
	v->status = dkim_feed_header(v->dkim, a, fields);
	if (v->status == DKIM_STAT_OK)
		v->status = dkim_eoh(v->dkim);
	*ret_v = v;
	return 0;
}

void dkim_verifier_body(struct dkim_verifier *v, struct span bytes)
{
	/* it does not write to it */
	if (v->status == DKIM_STAT_OK)
		v->status = dkim_body(v->dkim, (u_char *) (uintptr_t) bytes.p, bytes.len);
}

static enum dkim_result result_of_error(int error)
{
	switch (error) {
	case DKIM_SIGERROR_BADSIG:
	case DKIM_SIGERROR_EXPIRED:
	case DKIM_SIGERROR_TOOLARGE_L: return DKIM_RESULT_FAIL;
	case DKIM_SIGERROR_KEYTOOSMALL:
	case DKIM_SIGERROR_FUTURE: return DKIM_RESULT_POLICY;
	case DKIM_SIGERROR_KEYFAIL: return DKIM_RESULT_TEMPERROR;
	case DKIM_SIGERROR_NOKEY:
	case DKIM_SIGERROR_DNSSYNTAX:
	case DKIM_SIGERROR_MULTIREPLY:
	case DKIM_SIGERROR_SUBDOMAIN:
	case DKIM_SIGERROR_KEYVERSION:
	case DKIM_SIGERROR_KEYUNKNOWNHASH:
	case DKIM_SIGERROR_KEYHASHMISMATCH:
	case DKIM_SIGERROR_NOTEMAILKEY:
	case DKIM_SIGERROR_KEYTYPEMISSING:
	case DKIM_SIGERROR_KEYTYPEUNKNOWN:
	case DKIM_SIGERROR_KEYREVOKED:
	case DKIM_SIGERROR_KEYDECODE: return DKIM_RESULT_PERMERROR;
	default: return DKIM_RESULT_NEUTRAL; /* the signature itself is malformed */
	}
}

/*
 * Whether the signature leaves bytes at the end of the body to anybody who wants to add some. The library
 * counts what it was given of the body, so white space that a canonical form drops counts as left open: of l=
 * nothing is lost by that.
 */
static bool leaves_body_open(DKIM *dkim, DKIM_SIGINFO *sig)
{
	ssize_t message, canonical, covered;

	return dkim_sig_getcanonlen(dkim, sig, &message, &canonical, &covered) == DKIM_STAT_OK &&
	       covered >= 0 && covered < message;
}

/* What a signature that holds is worth here. */
static void judge_good(struct dkim_verifier *v, DKIM_SIGINFO *sig, struct dkim_signature *s)
{
	enum key_type type;

	s->result = DKIM_RESULT_POLICY;
	if (key_algorithm_parse(span_of(s->algorithm), &type) < 0)
		s->why = "rsa-sha1 is not accepted"; /* RFC 8301 3.1 */
	else if (leaves_body_open(v->dkim, sig))
		s->why = "l= leaves the end of the body unsigned";
	else
		s->result = DKIM_RESULT_PASS;
}

static bool is_temporary(DKIM_STAT status)
{
	return status == DKIM_STAT_KEYFAIL || status == DKIM_STAT_CBTRYAGAIN;
}

static void judge(struct dkim_verifier *v, DKIM_SIGINFO *sig, DKIM_STAT status, struct dkim_signature *s)
{
	unsigned int flags = dkim_sig_getflags(sig);
	int error = dkim_sig_geterror(sig);
	const char *text;

	s->testing = flags & DKIM_SIGFLAG_TESTKEY;
	if ((flags & DKIM_SIGFLAG_PASSED) && dkim_sig_getbh(sig) == DKIM_SIGBH_MATCH) {
		judge_good(v, sig, s);
		return;
	}
	if (dkim_sig_getbh(sig) == DKIM_SIGBH_MISMATCH) {
		s->result = DKIM_RESULT_FAIL;
		s->why = "the body was changed";
		return;
	}
	s->result = error == DKIM_SIGERROR_UNKNOWN || error == DKIM_SIGERROR_OK
	                    ? (is_temporary(status) ? DKIM_RESULT_TEMPERROR : DKIM_RESULT_FAIL)
	                    : result_of_error(error);
	text = dkim_sig_geterrorstr(error);
	s->why = text ? text : dkim_error_text(v->dkim, status);
}

static const char *copy(struct arena *a, const void *text)
{
	return text ? arena_str(a, span_of(text)) : "";
}

static int describe(struct dkim_verifier *v, DKIM_SIGINFO *sig, struct dkim_signature *s)
{
	static u_char tag_b[] = "b", tag_i[] = "i", tag_a[] = "a";
	struct span b = tags_squeeze(v->a, span_of((const char *) dkim_sig_gettagvalue(sig, false, tag_b)));

	s->domain = copy(v->a, dkim_sig_getdomain(sig));
	s->selector = copy(v->a, dkim_sig_getselector(sig));
	s->identity = copy(v->a, dkim_sig_gettagvalue(sig, false, tag_i));
	s->algorithm = copy(v->a, dkim_sig_gettagvalue(sig, false, tag_a));
	if (b.len)
		memcpy(s->b, b.p, b.len < sizeof(s->b) - 1 ? b.len : sizeof(s->b) - 1);
	return s->domain && s->selector && s->identity && s->algorithm ? 0 : -POD_E_NOMEM;
}

static int look_at(struct dkim_verifier *v, DKIM_SIGINFO *sig, struct dkim_signature *s)
{
	DKIM_STAT status = DKIM_STAT_OK;

	*s = (struct dkim_signature){ .why = "" };
	if (describe(v, sig, s) < 0)
		return -POD_E_NOMEM;
	if (!(dkim_sig_getflags(sig) & DKIM_SIGFLAG_PROCESSED))
		status = dkim_sig_process(v->dkim, sig);
	judge(v, sig, status, s);
	return 0;
}

int dkim_verifier_end(struct dkim_verifier *v, struct dkim_verdict *ret_verdict, struct err *err)
{
	DKIM_SIGINFO **sigs = NULL;
	bool testing;
	int n = 0;

	ret_verdict->n = 0;
	if (v->status == DKIM_STAT_OK)
		(void) dkim_eom(v->dkim,
		                &testing); /* its status is that of one signature; each says its own */
	if (dkim_getsiglist(v->dkim, &sigs, &n) != DKIM_STAT_OK)
		return 0;
	for (int i = 0; i < n && i < DKIM_SIGNATURES_MAX; i++) {
		if (look_at(v, sigs[i], &ret_verdict->signatures[i]) < 0)
			return err_set(err, POD_E_NOMEM, "DKIM");
		ret_verdict->n++;
	}
	return 0;
}

struct dkim_verifier *dkim_verifier_free(struct dkim_verifier *v)
{
	if (v)
		(void) dkim_free(v->dkim);
	return NULL;
}
