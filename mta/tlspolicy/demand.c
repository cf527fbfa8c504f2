#include "mta/tlspolicy/demand.h"

#include <strings.h>

#include "base/buf.h"
#include "base/cleanup.h"

static const char *const result_names[TLS_RESULTS] = {
	[TLS_RESULT_SUCCESS] = "success",
	[TLS_RESULT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
	[TLS_RESULT_CERTIFICATE_HOST_MISMATCH] = "certificate-host-mismatch",
	[TLS_RESULT_CERTIFICATE_EXPIRED] = "certificate-expired",
	[TLS_RESULT_CERTIFICATE_NOT_TRUSTED] = "certificate-not-trusted",
	[TLS_RESULT_VALIDATION_FAILURE] = "validation-failure",
	[TLS_RESULT_TLSA_INVALID] = "tlsa-invalid",
	[TLS_RESULT_DNSSEC_INVALID] = "dnssec-invalid",
	[TLS_RESULT_STS_POLICY_FETCH_ERROR] = "sts-policy-fetch-error",
	[TLS_RESULT_STS_POLICY_INVALID] = "sts-policy-invalid",
	[TLS_RESULT_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
};
static const char *const level_names[TLS_LEVELS] = { "never", "may", "encrypt", "verify", "dane" };
static const char *const source_names[TLS_SOURCES] = { "no-policy-found", "sts", "tlsa" };

const char *tls_result_name(enum tls_result r)
{
	return result_names[r];
}

const char *tls_level_name(enum tls_level l)
{
	return level_names[l];
}

const char *tls_source_name(enum tls_source s)
{
	return source_names[s];
}

static const enum tls_level wished[TLS_WISHES] = {
	[TLS_WISH_NONE] = TLS_LEVEL_NEVER,
	[TLS_WISH_MAY] = TLS_LEVEL_MAY,
	[TLS_WISH_ENCRYPT] = TLS_LEVEL_ENCRYPT,
	[TLS_WISH_VERIFY] = TLS_LEVEL_VERIFY,
};

/* ---- what goes into the arena ---- */

struct making {
	struct arena *arena;
	struct tls_demand d;
	bool nomem;
};

static const char *keep(struct making *m, const char *s)
{
	const char *kept = arena_str(m->arena, span_of(s));

	m->nomem |= !kept;
	return kept ? kept : "";
}

static void *room(struct making *m, size_t n, size_t size)
{
	void *p = arena_array(m->arena, n ? n : 1, size);

	m->nomem |= !p;
	return p;
}

/* Names of which the certificate must have one, each once. */
static void set_names(struct making *m, const char *const *names, size_t n)
{
	const char **kept = room(m, n, sizeof(*kept));
	size_t used = 0;

	for (size_t i = 0; kept && i < n; i++) {
		bool again = false;

		for (size_t j = 0; j < used; j++)
			again |= strcasecmp(kept[j], names[i]) == 0;
		if (!again)
			kept[used++] = keep(m, names[i]);
	}
	m->d.check.names = kept;
	m->d.check.names_n = used;
}

static const char *record_text(struct making *m, const struct tls_dane_record *r)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	buf_printf(&text, "%u %u %u ", r->usage, r->selector, r->matching);
	for (size_t i = 0; i < r->data.len; i++)
		buf_printf(&text, "%02x", r->data.p[i]);
	m->nomem |= text.failed;
	return keep(m, buf_str(&text));
}

/* ---- the policy as reports have it ---- */

static void set_tlsa_words(struct making *m, const struct tls_tlsa *tlsa)
{
	const char **strings = room(m, tlsa->n, sizeof(*strings));

	m->d.source = TLS_SOURCE_DANE;
	for (size_t i = 0; strings && i < tlsa->n; i++)
		strings[i] = record_text(m, &tlsa->records[i]);
	m->d.strings = strings;
	m->d.strings_n = strings ? tlsa->n : 0;
}

#define POLICY_LINES_MAX (STS_MX_MAX + 20)

static void set_sts_words(struct making *m, const struct tls_domain *d)
{
	const char **strings = room(m, POLICY_LINES_MAX, sizeof(*strings));
	const char **patterns = room(m, d->sts->mx_n, sizeof(*patterns));
	struct span rest = span_of(d->sts_text ? d->sts_text : "");
	size_t n = 0;

	m->d.source = TLS_SOURCE_STS;
	while (strings && rest.p && n < POLICY_LINES_MAX) {
		struct span line = span_trim(span_split(rest, '\n', &rest));

		if (line.len) {
			strings[n] = arena_str(m->arena, line);
			m->nomem |= !strings[n++];
		}
	}
	for (size_t i = 0; patterns && i < d->sts->mx_n; i++)
		patterns[i] = keep(m, d->sts->mx[i]);
	m->d.strings = strings;
	m->d.strings_n = n;
	m->d.patterns = patterns;
	m->d.patterns_n = patterns ? d->sts->mx_n : 0;
}

/* ---- what each of them asks for ---- */

static void raise(struct making *m, enum tls_level least)
{
	if (m->d.level < least)
		m->d.level = least;
}

static void refuse(struct making *m, enum tls_result fault, const char *why)
{
	m->d.use = TLS_USE_OTHER;
	m->d.fault = fault;
	m->d.why = keep(m, why);
}

static void set_dane(struct making *m, const struct tls_domain *d, const struct tls_host *h,
                     const struct tls_tlsa *tlsa, size_t usable)
{
	/* RFC 7672 3.2.2: the first is the base domain, which goes into SNI, too (8.1). */
	const char *const names[] = { tlsa->base, h->name, d->name };
	struct tls_dane_record *records = room(m, usable, sizeof(*records));
	size_t n = 0;

	for (size_t i = 0; records && i < tlsa->n; i++) {
		if (!tls_dane_is_usable(&tlsa->records[i]))
			continue;
		records[n] = tlsa->records[i];
		records[n].data = arena_dup(m->arena, tlsa->records[i].data);
		m->nomem |= !records[n++].data.p;
	}
	m->d.level = TLS_LEVEL_DANE;
	m->d.check.kind = TLS_CHECK_DANE;
	m->d.check.records = records;
	m->d.check.records_n = n;
	m->d.check.sni = keep(m, tlsa->base);
	set_names(m, names, ARRAY_SIZE(names));
}

/*
 * RFC 7672 2.2: with records of which none can be used there is TLS without authentication, and what else
 * asks for more still does. Returns whether DANE has the say.
 */
static bool ask_dane(struct making *m, const struct tls_domain *d, const struct tls_host *h,
                     const struct tls_tlsa *tlsa)
{
	size_t usable = 0;

	if (tlsa->state == TLSA_NONE)
		return false;
	set_tlsa_words(m, tlsa);
	if (tlsa->state == TLSA_FAILED) {
		refuse(m, TLS_RESULT_DNSSEC_INVALID, tlsa->why);
		return true;
	}
	for (size_t i = 0; i < tlsa->n; i++)
		usable += tls_dane_is_usable(&tlsa->records[i]);
	if (usable == 0) {
		raise(m, TLS_LEVEL_ENCRYPT);
		m->d.fault = TLS_RESULT_TLSA_INVALID;
		return false;
	}
	set_dane(m, d, h, tlsa, usable);
	return true;
}

/* RFC 8461 4.1, 5. In testing mode nothing is refused. */
static void ask_sts(struct making *m, const struct tls_domain *d, const struct tls_host *h)
{
	bool fits;

	if (!d->sts || d->sts->mode == STS_NONE)
		return;
	fits = sts_policy_has_mx(d->sts, h->name);
	if (m->d.source == TLS_SOURCE_NONE)
		set_sts_words(m, d);
	m->d.authentic |= fits;
	if (d->sts->mode == STS_TESTING) {
		m->d.testing = true;
		if (!fits)
			m->d.fault = TLS_RESULT_VALIDATION_FAILURE;
	} else if (fits) {
		raise(m, TLS_LEVEL_VERIFY);
	} else {
		refuse(m, TLS_RESULT_VALIDATION_FAILURE, "the MTA-STS policy does not name this MX");
	}
}

/* Names of a check by CAs. Who wishes to verify may mean the domain's own name, where the MX is not proven.
 */
static void set_pki_check(struct making *m, const struct tls_domain *d, const struct tls_host *h)
{
	const char *const names[] = { h->name, d->name };
	bool domain_too = d->wish == TLS_WISH_VERIFY && !(d->sts && d->sts->mode != STS_NONE) && !h->literal;

	m->d.check.kind = TLS_CHECK_NAMES;
	m->d.check.watch = m->d.level < TLS_LEVEL_VERIFY;
	m->d.check.sni = h->literal ? NULL : keep(m, h->name);
	set_names(m, names, domain_too ? 2 : 1);
}

int tls_demand_decide(const struct tls_domain *d, const struct tls_host *h, const struct tls_tlsa *tlsa,
                      struct arena *a, struct tls_demand *ret_demand, struct err *err)
{
	struct making m = { .arena = a,
		            .d = { .level = wished[d->wish], .configured = wished[d->wish], .why = "" } };

	m.d.domain = keep(&m, d->name);
	m.d.host = keep(&m, h->name);
	m.d.authentic = h->mx_secure || h->configured || h->literal;
	if (m.d.level != TLS_LEVEL_NEVER && !ask_dane(&m, d, h, tlsa))
		ask_sts(&m, d, h);
	if (m.d.source == TLS_SOURCE_NONE && d->sts_fault != TLS_RESULT_SUCCESS) {
		m.d.source = TLS_SOURCE_STS;
		m.d.fault = d->sts_fault;
	}
	if (m.d.level != TLS_LEVEL_DANE)
		set_pki_check(&m, d, h);
	if (m.nomem)
		return err_set(err, POD_E_NOMEM, "deciding on TLS to %s", h->name);
	*ret_demand = m.d;
	return 0;
}

/* ---- a message ---- */

/*
 * RFC 8689 4.2.1: the certificate must be checked, and the name it is checked for must be known to be the
 * destination's. A TLSA that cannot be had stays a reason to wait.
 */
static void require(struct tls_demand *d)
{
	if (d->level == TLS_LEVEL_NEVER || !d->authentic) {
		d->use = TLS_USE_NONE;
		d->why = d->level == TLS_LEVEL_NEVER
		                 ? "REQUIRETLS, and TLS is turned off for this destination"
		                 : "REQUIRETLS, and neither DNSSEC nor MTA-STS proves this MX";
		return;
	}
	if (d->level < TLS_LEVEL_VERIFY) {
		d->level = TLS_LEVEL_VERIFY;
		d->check.watch = false;
	}
}

/* RFC 8689 5: what the recipient's domain publishes does not count; what our own configuration says does. */
static void relax(struct tls_demand *d)
{
	if (d->source == TLS_SOURCE_NONE || d->level == TLS_LEVEL_NEVER)
		return;
	d->use = TLS_USE_HOST;
	d->why = "";
	d->level = d->configured;
	d->check.watch = d->level < TLS_LEVEL_VERIFY;
}

void tls_demand_for_message(const struct tls_demand *host, unsigned int message,
                            struct tls_demand *ret_demand)
{
	struct tls_demand d = *host;

	if (message & TLS_MESSAGE_REQUIRE)
		require(&d);
	else if (message & TLS_MESSAGE_OPTIONAL)
		relax(&d);
	*ret_demand = d;
}

/* ---- a session ---- */

bool tls_demand_is_met(const struct tls_demand *d, bool tls, enum tls_verdict verdict)
{
	if (d->level <= TLS_LEVEL_MAY)
		return true;
	return tls && (d->level == TLS_LEVEL_ENCRYPT || verdict == TLS_VERDICT_GOOD);
}

enum tls_result tls_result_of(const struct tls_demand *d, bool offered, bool tls, enum tls_verdict verdict)
{
	static const enum tls_result by_verdict[TLS_VERDICTS] = {
		[TLS_VERDICT_GOOD] = TLS_RESULT_SUCCESS,
		[TLS_VERDICT_HOST_MISMATCH] = TLS_RESULT_CERTIFICATE_HOST_MISMATCH,
		[TLS_VERDICT_EXPIRED] = TLS_RESULT_CERTIFICATE_EXPIRED,
		[TLS_VERDICT_UNTRUSTED] = TLS_RESULT_CERTIFICATE_NOT_TRUSTED,
		[TLS_VERDICT_NO_MATCH] = TLS_RESULT_TLSA_INVALID,
		[TLS_VERDICT_OTHER] = TLS_RESULT_VALIDATION_FAILURE,
	};
	bool checked = d->level >= TLS_LEVEL_VERIFY || d->testing;

	if (d->fault != TLS_RESULT_SUCCESS)
		return d->fault;
	if (!offered)
		return TLS_RESULT_STARTTLS_NOT_SUPPORTED;
	if (!tls && verdict == TLS_VERDICT_GOOD)
		return TLS_RESULT_VALIDATION_FAILURE;
	return !tls || checked ? by_verdict[verdict] : TLS_RESULT_SUCCESS;
}
