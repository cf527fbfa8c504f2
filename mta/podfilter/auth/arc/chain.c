/* The fields of a chain, sorted by instance (RFC 8617 4.2 and 5.2). */
#include <stdarg.h>
#include <stdio.h>

#include "mta/podfilter/auth/arc/arc.h"

__attribute__((format(printf, 2, 3))) static void breaks(struct arc_chain *c, const char *fmt, ...)
{
	va_list ap;

	if (c->broken)
		return;
	c->broken = true;
	va_start(ap, fmt);
	(void) vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
}

/* instance = [CFWS] %s"i" [CFWS] "=" [CFWS] 1*2DIGIT [CFWS] ";", 1 to 50. 0: it is none. */
static unsigned int instance_of(struct span value)
{
	uint32_t n;

	if (value.len < 1 || value.len > 2 || span_to_u32(value, &n) < 0 || n > ARC_SETS_MAX)
		return 0;
	return n;
}

static unsigned int aar_read(struct arc_chain *c, const struct field *f)
{
	struct span results, value, first = span_split(f->value, ';', &results);
	struct span name = span_trim(span_split(first, '=', &value));
	unsigned int i = span_eq(name, SPAN_LIT("i")) ? instance_of(span_trim(value)) : 0;

	if (i == 0 || !results.p) {
		breaks(c, "an ARC-Authentication-Results without instance");
		return 0;
	}
	if (c->sets[i - 1].aar)
		breaks(c, "ARC-Authentication-Results i=%u comes twice", i);
	c->sets[i - 1].aar = f;
	c->sets[i - 1].results = span_trim(results);
	return i;
}

static const char *const ams_required[] = { "i", "a", "b", "bh", "d", "h", "s", NULL };
static const char *const seal_required[] = { "i", "a", "b", "cv", "d", "s", NULL };

static bool tags_complete(struct arc_chain *c, const char *what, const struct tag_list *tags,
                          const char *const *required)
{
	for (; *required; required++)
		if (tags_get(tags, *required).len == 0) {
			breaks(c, "an %s without %s=", what, *required);
			return false;
		}
	return true;
}

/* The tag list of an ARC-Message-Signature or ARC-Seal; its instance, or 0. */
static unsigned int signature_read(struct arc_chain *c, struct arena *a, const struct field *f,
                                   const char *what, const char *const *required, struct tag_list *ret_tags)
{
	struct err err = { 0 };
	unsigned int i;

	if (tags_parse(a, f->value, ret_tags, &err) < 0) {
		breaks(c, "%s: %.80s", what, err_text(&err));
		return 0;
	}
	if (!tags_complete(c, what, ret_tags, required))
		return 0;
	i = instance_of(tags_get(ret_tags, "i"));
	if (i == 0)
		breaks(c, "an %s with an instance that is none", what);
	return i;
}

static unsigned int ams_read(struct arc_chain *c, struct arena *a, const struct field *f)
{
	struct tag_list tags = { 0 };
	unsigned int i = signature_read(c, a, f, "ARC-Message-Signature", ams_required, &tags);

	if (i == 0)
		return 0;
	if (c->sets[i - 1].ams)
		breaks(c, "ARC-Message-Signature i=%u comes twice", i);
	if (tags_list_has(tags_get(&tags, "h"), SPAN_LIT("arc-seal")))
		breaks(c, "ARC-Message-Signature i=%u signs a seal", i); /* RFC 8617 4.1.2 */
	c->sets[i - 1].ams = f;
	c->sets[i - 1].ams_tags = tags;
	return i;
}

static unsigned int seal_read(struct arc_chain *c, struct arena *a, const struct field *f)
{
	struct tag_list tags = { 0 };
	unsigned int i = signature_read(c, a, f, "ARC-Seal", seal_required, &tags);
	struct span h;

	if (i == 0)
		return 0;
	if (c->sets[i - 1].seal)
		breaks(c, "ARC-Seal i=%u comes twice", i);
	if (tags_find(&tags, "h", &h))
		breaks(c, "ARC-Seal i=%u has h=", i); /* RFC 8617 4.1.3 */
	c->sets[i - 1].seal = f;
	c->sets[i - 1].seal_tags = tags;
	return i;
}

static unsigned int field_read(struct arc_chain *c, struct arena *a, const struct field *f)
{
	if (span_eq_nocase(f->name, SPAN_LIT("ARC-Seal")))
		return seal_read(c, a, f);
	if (span_eq_nocase(f->name, SPAN_LIT("ARC-Message-Signature")))
		return ams_read(c, a, f);
	if (span_eq_nocase(f->name, SPAN_LIT("ARC-Authentication-Results")))
		return aar_read(c, f);
	return 0;
}

/* cv= says of each seal how the chain below it was found: none for the first, pass for all others. */
static void check_sets(struct arc_chain *c)
{
	for (unsigned int i = 1; i <= c->highest; i++) {
		const struct arc_set *set = &c->sets[i - 1];
		struct span cv = set->seal ? tags_get(&set->seal_tags, "cv") : SPAN_NONE;

		if (!set->aar || !set->ams || !set->seal) {
			breaks(c, "the ARC set i=%u is not whole", i);
			return;
		}
		c->n = i;
		if (i == c->highest && span_eq_nocase(cv, SPAN_LIT("fail"))) {
			c->failed_before = true;
			breaks(c, "the chain had failed already at i=%u", i);
		} else if (!span_eq_nocase(cv, i == 1 ? SPAN_LIT("none") : SPAN_LIT("pass"))) {
			breaks(c, "ARC-Seal i=%u has a wrong cv=", i);
		}
	}
}

int arc_chain_read(struct arena *a, const struct fields *fields, struct arc_chain **ret_chain,
                   struct err *err)
{
	struct arc_chain *c = arena_new(a, struct arc_chain);
	size_t seen = 0;

	if (!c)
		return err_set(err, POD_E_NOMEM, "ARC");
	for (size_t n = 0; n < fields->n; n++) {
		const struct field *f = &fields->items[n];
		unsigned int i;

		if (!span_starts_nocase(f->name, SPAN_LIT("ARC-")))
			continue;
		if (++seen > 3 * ARC_SETS_MAX) {
			breaks(c, "more than %d ARC fields", 3 * ARC_SETS_MAX);
			break;
		}
		i = field_read(c, a, f);
		if (i > c->highest)
			c->highest = i;
	}
	check_sets(c);
	*ret_chain = c;
	return 0;
}
