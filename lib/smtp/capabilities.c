#include "smtp/capabilities.h"

#include "base/cleanup.h"

/* Reads what stands behind a keyword. */
typedef void params_fn(struct smtp_capabilities *caps, struct span params);

static void read_size(struct smtp_capabilities *caps, struct span params)
{
	(void) span_to_u64(span_trim(params), &caps->size_max);
}

static void read_by(struct smtp_capabilities *caps, struct span params)
{
	(void) span_to_u64(span_trim(params), &caps->by_min_s);
}

/* Names of mechanisms: what else stands there could end up in a command. */
static bool is_mechanism(struct span name)
{
	bool good = name.len > 0 && name.len <= 20;

	for (size_t i = 0; good && i < name.len; i++)
		good = ascii_is_alpha(name.p[i]) || ascii_is_digit(name.p[i]) || name.p[i] == '-' ||
		       name.p[i] == '_';
	return good;
}

static void read_auth(struct smtp_capabilities *caps, struct span params)
{
	size_t len = strlen(caps->auth);

	while (params.p) {
		struct span name = span_split(params, ' ', &params);

		if (!is_mechanism(name) || len + name.len + 2 > sizeof(caps->auth))
			continue;
		if (len)
			caps->auth[len++] = ' ';
		memcpy(caps->auth + len, name.p, name.len);
		len += name.len;
		caps->auth[len] = '\0';
	}
}

/* limits-params: NAME=VALUE separated by spaces; names that nobody knows are passed over. */
static void read_limits(struct smtp_capabilities *caps, struct span params)
{
	const struct {
		struct span name;
		uint32_t *to;
	} limits[] = { { SPAN_LIT("MAILMAX"), &caps->mails_max }, { SPAN_LIT("RCPTMAX"), &caps->rcpts_max } };

	while (params.p) {
		struct span value, name = span_split(span_split(params, ' ', &params), '=', &value);

		for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
			if (span_eq_nocase(name, limits[i].name))
				(void) span_to_u32(value, limits[i].to);
	}
}

static const struct {
	struct span keyword;
	unsigned int flag;
	params_fn *read; /* may be NULL */
} keywords[] = {
	{ SPAN_LIT("PIPELINING"), SMTP_CAP_PIPELINING, NULL },
	{ SPAN_LIT("CHUNKING"), SMTP_CAP_CHUNKING, NULL },
	{ SPAN_LIT("8BITMIME"), SMTP_CAP_8BITMIME, NULL },
	{ SPAN_LIT("SMTPUTF8"), SMTP_CAP_SMTPUTF8, NULL },
	{ SPAN_LIT("DSN"), SMTP_CAP_DSN, NULL },
	{ SPAN_LIT("STARTTLS"), SMTP_CAP_STARTTLS, NULL },
	{ SPAN_LIT("ENHANCEDSTATUSCODES"), SMTP_CAP_ENHANCED_CODES, NULL },
	{ SPAN_LIT("SIZE"), SMTP_CAP_SIZE, read_size },
	{ SPAN_LIT("REQUIRETLS"), SMTP_CAP_REQUIRETLS, NULL },
	{ SPAN_LIT("MT-PRIORITY"), SMTP_CAP_MT_PRIORITY, NULL },
	{ SPAN_LIT("DELIVERBY"), SMTP_CAP_DELIVERBY, read_by },
	{ SPAN_LIT("AUTH"), SMTP_CAP_AUTH, read_auth },
	{ SPAN_LIT("LIMITS"), SMTP_CAP_LIMITS, read_limits },
};

/* "AUTH=PLAIN LOGIN" is how it was written before RFC 2554, and some servers still do. */
static struct span cut_keyword(struct span line, struct span *ret_params)
{
	struct span old = SPAN_LIT("AUTH=");

	if (span_starts_nocase(line, old)) {
		*ret_params = span_skip(line, old.len);
		return span_head(line, old.len - 1);
	}
	return span_split(line, ' ', ret_params);
}

void smtp_capabilities_parse(struct span text, struct smtp_capabilities *ret_caps)
{
	struct span rest;

	*ret_caps = (struct smtp_capabilities){ 0 };
	(void) span_split(text, '\n', &rest);
	while (rest.p) {
		struct span params, line = span_trim(span_split(rest, '\n', &rest)),
				    word = cut_keyword(line, &params);

		for (size_t i = 0; i < ARRAY_SIZE(keywords); i++) {
			if (!span_eq_nocase(word, keywords[i].keyword))
				continue;
			ret_caps->flags |= keywords[i].flag;
			if (keywords[i].read)
				keywords[i].read(ret_caps, params);
		}
	}
}
