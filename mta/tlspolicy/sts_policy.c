#include "mta/tlspolicy/sts_policy.h"

#include <strings.h>

#include "base/cleanup.h"

static const char *const mode_names[] = {
	[STS_NONE] = "none", [STS_TESTING] = "testing", [STS_ENFORCE] = "enforce"
};

const char *sts_mode_name(enum sts_mode mode)
{
	return mode_names[mode];
}

static bool is_wsp(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
	while (s.len && is_wsp(s.p[0]))
		s = span_skip(s, 1);
	while (s.len && is_wsp(s.p[s.len - 1]))
		s.len--;
	return s;
}

/* ---- the record ---- */

/* sts-version = %s"v=STSv1" ; what is behind it is sts-field-delim */
static bool is_record(struct span s)
{
	static const struct span version = SPAN_LIT("v=STSv1");

	if (s.len < version.len || !span_eq(span_head(s, version.len), version))
		return false;
	s = trim(span_skip(s, version.len));
	return s.len == 0 || s.p[0] == ';';
}

/* sts-id = %s"id=" 1*32(ALPHA / DIGIT) */
static bool is_id(struct span s)
{
	if (s.len == 0 || s.len > STS_ID_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]))
			return false;
	return true;
}

static int record_id(struct span rest, char ret_id[STS_ID_MAX + 1])
{
	bool found = false;

	while (rest.p) {
		struct span value, name = trim(span_split(trim(span_split(rest, ';', &rest)), '=', &value));

		if (!span_eq(name, SPAN_LIT("id")))
			continue;
		value = trim(value);
		if (found || !is_id(value))
			return -POD_E_SYNTAX;
		memcpy(ret_id, value.p, value.len);
		ret_id[value.len] = '\0';
		found = true;
	}
	return found ? 0 : -POD_E_SYNTAX;
}

int sts_record_id(const struct span *txt, size_t n, char ret_id[STS_ID_MAX + 1])
{
	const struct span *one = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!is_record(txt[i]))
			continue;
		if (one)
			return -POD_E_NOTFOUND;
		one = &txt[i];
	}
	return one ? record_id(*one, ret_id) : -POD_E_NOTFOUND;
}

/* ---- the policy ---- */

enum { SEEN_VERSION = 1, SEEN_MODE = 2, SEEN_MAX_AGE = 4, SEEN_MX = 8 };

struct reading {
	struct arena *arena;
	struct sts_policy policy;
	const char **mx;
	unsigned int seen;
};

static int read_version(struct reading *r, struct span value)
{
	(void) r;
	return span_eq(value, SPAN_LIT("STSv1")) ? 0 : -POD_E_SYNTAX;
}

static int read_mode(struct reading *r, struct span value)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(mode_names); i++)
		if (span_eq(value, span_of(mode_names[i]))) {
			r->policy.mode = i;
			return 0;
		}
	return -POD_E_SYNTAX;
}

static int read_max_age(struct reading *r, struct span value)
{
	uint64_t seconds;

	if (value.len > 10 || span_to_u64(value, &seconds) < 0)
		return -POD_E_SYNTAX;
	r->policy.max_age_s = seconds > STS_MAX_AGE_MAX ? STS_MAX_AGE_MAX : (uint32_t) seconds;
	return 0;
}

static bool is_mx_byte(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_';
}

/* sts-policy-mx-value = ["*."] Domain */
static int read_mx(struct reading *r, struct span value)
{
	bool wild = value.len > 2 && value.p[0] == '*' && value.p[1] == '.';
	char *kept;

	if (value.len == 0 || value.len > 255 || value.p[wild ? 2 : 0] == '.')
		return -POD_E_SYNTAX;
	for (size_t i = wild ? 2 : 0; i < value.len; i++)
		if (!is_mx_byte(value.p[i]))
			return -POD_E_SYNTAX;
	if (r->policy.mx_n == STS_MX_MAX)
		return -POD_E_LIMIT;
	kept = arena_str(r->arena, value);
	if (!kept)
		return -POD_E_LIMIT;
	for (char *c = kept; *c; c++)
		*c = (char) ascii_lower((uint8_t) *c);
	r->mx[r->policy.mx_n++] = kept;
	return 0;
}

static const struct {
	const char *name;
	unsigned int seen;
	bool repeats;
	int (*read)(struct reading *r, struct span value);
} fields[] = {
	{ "version", SEEN_VERSION, false, read_version },
	{ "mode", SEEN_MODE, false, read_mode },
	{ "max_age", SEEN_MAX_AGE, false, read_max_age },
	{ "mx", SEEN_MX, true, read_mx },
};

/* Of fields that stand there twice the first counts, mx apart; unknown ones are for other versions of us. */
static int read_line(struct reading *r, struct span line, struct err *err)
{
	struct span value, name = trim(span_split(line, ':', &value));

	if (name.len == 0 && !value.p)
		return 0;
	if (!value.p)
		return err_set(err, POD_E_SYNTAX, "a line of the policy has no colon");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		int e;

		if (!span_eq(name, span_of(fields[i].name)) ||
		    (r->seen & fields[i].seen && !fields[i].repeats))
			continue;
		e = fields[i].read(r, trim(value));
		if (e < 0)
			return err_set(err, (enum pod_error) - e, "the policy's %s is %s", fields[i].name,
			               e == -POD_E_LIMIT ? "there too often" : "malformed");
		r->seen |= fields[i].seen;
	}
	return 0;
}

static int check_whole(const struct reading *r, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!(r->seen & fields[i].seen) && (fields[i].seen != SEEN_MX || r->policy.mode != STS_NONE))
			return err_set(err, POD_E_SYNTAX, "the policy has no %s", fields[i].name);
	return 0;
}

int sts_policy_parse(struct span text, struct arena *a, struct sts_policy *ret_policy, struct err *err)
{
	struct reading r = { .arena = a, .mx = arena_array(a, STS_MX_MAX, sizeof(*r.mx)) };
	struct span rest = text;
	int e = r.mx ? 0 : err_set(err, POD_E_LIMIT, "the policy is too large");

	if (text.len > STS_POLICY_MAX)
		return err_set(err, POD_E_LIMIT, "the policy has more than %d bytes", STS_POLICY_MAX);
	while (e == 0 && rest.p) {
		struct span line = span_split(rest, '\n', &rest);

		if (line.len && line.p[line.len - 1] == '\r')
			line.len--;
		e = read_line(&r, line, err);
	}
	if (e == 0)
		e = check_whole(&r, err);
	if (e < 0)
		return e;
	r.policy.mx = r.mx;
	*ret_policy = r.policy;
	return 0;
}

static bool pattern_fits(const char *pattern, const char *host)
{
	const char *dot;

	if (pattern[0] != '*')
		return strcasecmp(pattern, host) == 0;
	dot = strchr(host, '.');
	return dot && dot > host && strcasecmp(pattern + 1, dot) == 0;
}

bool sts_policy_has_mx(const struct sts_policy *p, const char *host)
{
	for (size_t i = 0; i < p->mx_n; i++)
		if (pattern_fits(p->mx[i], host))
			return true;
	return false;
}
