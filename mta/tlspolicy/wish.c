#include "mta/tlspolicy/wish.h"

#include "base/cleanup.h"

/* The words of lib/conf's check, in the order of the enum. */
static const char *const words[TLS_WISHES] = { "none", "may", "encrypt", "verify" };

static bool fits(struct span pattern, struct span domain)
{
	if (pattern.len == 0 || pattern.p[0] != '.')
		return span_eq_nocase(pattern, domain);
	return domain.len > pattern.len &&
	       span_eq_nocase(span_skip(domain, domain.len - pattern.len), pattern);
}

static enum tls_wish word_of(struct span word, enum tls_wish otherwise)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (span_eq(word, span_of(words[i])))
			return (enum tls_wish) i;
	return otherwise;
}

enum tls_wish tls_wish_of(const struct outbound_conf *conf, const char *domain)
{
	struct span rest = span_of(conf->tls_domains), name = span_of(domain);
	enum tls_wish wish = conf->tls;
	size_t best = 0; /* bytes of the pattern; the domain itself is longer than all it is under */

	while (rest.p) {
		struct span word,
			pattern = span_trim(span_split(span_trim(span_split(rest, ',', &rest)), '=', &word));

		if (pattern.len > best && fits(pattern, name)) {
			best = pattern.len;
			wish = word_of(span_trim(word), wish);
		}
	}
	return wish;
}
