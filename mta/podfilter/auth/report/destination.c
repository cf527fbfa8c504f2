/* Who is to get a report (RFC 7489 6.2, 6.3 and 7.1). */
#include <string.h>

#include "mta/podfilter/auth/report/report.h"

/* "!10m": a size that the receiver takes at most, with k, m, g, t (6.4: obsolete, and still published). */
static uint64_t size_of(struct span text)
{
	static const char units[] = "kmgt";
	const char *unit = text.len ? strchr(units, ascii_lower(text.p[text.len - 1])) : NULL;
	uint64_t n;

	if (span_to_u64(unit && *unit ? span_head(text, text.len - 1) : text, &n) < 0 || n > UINT32_MAX)
		return 0;
	return unit && *unit ? n << (10 * (unit - units + 1)) : n;
}

static bool is_address(struct span s)
{
	struct span domain, local = span_split(s, '@', &domain);

	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("<>()[],;:\"\\%", s.p[i]))
			return false;
	return local.len > 0 && domain.len > 0 && span_find_byte(domain, '@') == SIZE_MAX;
}

size_t report_destinations(struct arena *a, const char *rua,
                           struct report_destination ret[REPORT_DESTINATIONS_MAX])
{
	static const struct span scheme = SPAN_LIT("mailto:");
	struct span rest = span_of(rua);
	size_t n = 0;

	while (rest.len && n < REPORT_DESTINATIONS_MAX) {
		struct span size, uri = span_split(span_trim(span_split(rest, ',', &rest)), '!', &size);

		if (!span_starts_nocase(uri, scheme) || !is_address(span_skip(uri, scheme.len)))
			continue;
		ret[n].address = arena_str(a, span_skip(uri, scheme.len));
		ret[n].size_max = size_of(size);
		if (ret[n].address)
			n++;
	}
	return n;
}

int report_destination_check(const struct dmarc *d, const struct lookup *l, struct arena *a,
                             const char *domain, const char *address, struct err *err)
{
	const char *to = strrchr(address, '@') + 1;
	const char *name = arena_printf(a, "%s._report._dmarc.%s", domain, to);
	struct dns_answer answer;

	if (strcmp(dmarc_org_domain(d, domain), dmarc_org_domain(d, to)) == 0)
		return 0;
	if (!name)
		return err_set(err, POD_E_NOMEM, "reports");
	answer = lookup_ask(l, DNS_TXT, name, a);
	if (lookup_failed(&answer))
		return err_set(err, POD_E_UNAVAILABLE, "%.128s: the DNS does not answer", name);
	if (!dmarc_record_text(a, &answer))
		return err_set(err, POD_E_DENIED, "%.64s does not want reports about %.64s", to, domain);
	return 0;
}
