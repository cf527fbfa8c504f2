#include "mta/smtp/internal.h"

#include <stdlib.h>

#include "base/cleanup.h"

#define SIZE_DIGITS_MAX 20 /* RFC 1870 section 4 */
#define ENVID_MAX 100 /* RFC 3461 4.4 */
#define ORCPT_MAX 500 /* RFC 3461 4.2 */
#define AUTH_MAX 500

int smtp_path_split(struct span argument, struct span keyword, struct span *ret_path, struct span *ret_params)
{
	bool quoted = false;
	struct span s;

	if (!span_starts_nocase(argument, keyword))
		return -POD_E_SYNTAX;
	s = span_skip(argument, keyword.len);
	while (s.len && *s.p == ' ')
		s = span_skip(s, 1);
	if (!s.len || *s.p != '<')
		return -POD_E_SYNTAX;
	s = span_skip(s, 1);
	/* A quoted local part may hold a ">". */
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"')
			quoted = !quoted;
		else if (s.p[i] == '\\' && quoted)
			i++;
		else if (s.p[i] == '>' && !quoted) {
			*ret_path = span_head(s, i);
			*ret_params = span_skip(s, i + 1);
			return ret_params->len && *ret_params->p != ' ' ? -POD_E_SYNTAX : 0;
		}
	}
	return -POD_E_SYNTAX;
}

/* xtext = *( xchar / hexchar ); xchar = "!" to "~" without "+" and "="; hexchar = "+" 2(0-9 A-F) */
bool smtp_is_xtext(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];

		if (c < '!' || c > '~' || c == '=')
			return false;
		if (c != '+')
			continue;
		for (int k = 1; k <= 2; k++)
			if (i + k >= s.len || !strchr("0123456789ABCDEF", s.p[i + k]))
				return false;
		i += 2;
	}
	return true;
}

static int param_size(struct span v, struct smtp_params *p)
{
	return v.len <= SIZE_DIGITS_MAX ? span_to_u64(v, &p->size) : -POD_E_SYNTAX;
}

static int param_body(struct span v, struct smtp_params *p)
{
	if (span_eq_nocase(v, SPAN_LIT("BINARYMIME")))
		return -POD_E_UNSUPPORTED;
	if (span_eq_nocase(v, SPAN_LIT("7BIT")))
		p->body = SMTP_BODY_7BIT;
	else if (span_eq_nocase(v, SPAN_LIT("8BITMIME")))
		p->body = SMTP_BODY_8BITMIME;
	else
		return -POD_E_SYNTAX;
	return 0;
}

static int param_utf8(struct span v, struct smtp_params *p)
{
	p->utf8 = true;
	return v.p ? -POD_E_SYNTAX : 0; /* RFC 6531 3.4: it takes no value */
}

static int param_ret(struct span v, struct smtp_params *p)
{
	if (span_eq_nocase(v, SPAN_LIT("FULL")))
		p->ret = SMTP_RET_FULL;
	else if (span_eq_nocase(v, SPAN_LIT("HDRS")))
		p->ret = SMTP_RET_HDRS;
	else
		return -POD_E_SYNTAX;
	return 0;
}

static int param_envid(struct span v, struct smtp_params *p)
{
	p->envid = v;
	return v.len && v.len <= ENVID_MAX && smtp_is_xtext(v) ? 0 : -POD_E_SYNTAX;
}

int smtp_xtext_decode(struct span xtext, char *buf, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < xtext.len; i++, n++) {
		char hex[3] = { 0 };

		if (n + 1 >= size)
			return -POD_E_LIMIT;
		buf[n] = (char) xtext.p[i];
		if (xtext.p[i] != '+')
			continue;
		memcpy(hex, xtext.p + i + 1, 2); /* smtp_is_xtext has seen them */
		buf[n] = (char) strtoul(hex, NULL, 16);
		i += 2;
	}
	buf[n] = '\0';
	return 0;
}

/* RFC 4954 section 5: who first submitted it. Believed of a peer that vouches for our users, else only
 * checked. */
static int param_auth(struct span v, struct smtp_params *p)
{
	if (!span_eq(v, SPAN_LIT("<>")))
		p->login = v;
	return v.len && v.len <= AUTH_MAX && (span_eq(v, SPAN_LIT("<>")) || smtp_is_xtext(v)) ? 0
	                                                                                      : -POD_E_SYNTAX;
}

/* transid = "<" 32HEXDIG ">" here (RFC 1845 section 4 leaves it to the client): the id of the delivery. */
static int param_transid(struct span v, struct smtp_params *p)
{
	if (v.len < 2 || v.p[0] != '<' || v.p[v.len - 1] != '>')
		return -POD_E_SYNTAX;
	return guid_parse(span_make(v.p + 1, v.len - 2), &p->transaction);
}

/* "NEVER", or a list of the others (RFC 3461 4.1). */
static int param_notify(struct span v, struct smtp_params *p)
{
	static const struct {
		const char *word;
		unsigned int flag;
	} words[] = { { "NEVER", SMTP_NOTIFY_NEVER },
		      { "SUCCESS", SMTP_NOTIFY_SUCCESS },
		      { "FAILURE", SMTP_NOTIFY_FAILURE },
		      { "DELAY", SMTP_NOTIFY_DELAY } };

	do {
		struct span word = span_split(v, ',', &v);
		unsigned int flag = 0;

		for (size_t i = 0; i < ARRAY_SIZE(words); i++)
			if (span_eq_nocase(word, span_of(words[i].word)))
				flag = words[i].flag;
		if (!flag)
			return -POD_E_SYNTAX;
		p->notify |= flag;
	} while (v.p);
	return (p->notify & SMTP_NOTIFY_NEVER) && p->notify != SMTP_NOTIFY_NEVER ? -POD_E_SYNTAX : 0;
}

/* original-recipient-address = addr-type ";" xtext. With SMTPUTF8 the utf-8 type has its own form (RFC 6533 3). */
static int param_orcpt(struct span v, struct smtp_params *p)
{
	struct span xtext, type = span_split(v, ';', &xtext);

	p->orcpt = v;
	if (!type.len || !xtext.len || v.len > ORCPT_MAX || !smtp_is_xtext(type))
		return -POD_E_SYNTAX;
	for (size_t i = 0; i < xtext.len; i++)
		if (xtext.p[i] <= ' ' || xtext.p[i] == 0x7f)
			return -POD_E_SYNTAX;
	return span_eq_nocase(type, SPAN_LIT("utf-8")) || smtp_is_xtext(xtext) ? 0 : -POD_E_SYNTAX;
}

static const struct param {
	const char *keyword;
	unsigned int of;
	int (*take)(struct span value, struct smtp_params *p);
} params[] = {
	{ "SIZE",     PARAMS_OF_MAIL, param_size },
	{ "BODY",     PARAMS_OF_MAIL, param_body },
	{ "SMTPUTF8", PARAMS_OF_MAIL, param_utf8 },
	{ "RET",      PARAMS_OF_MAIL, param_ret },
	{ "ENVID",    PARAMS_OF_MAIL, param_envid },
	{ "AUTH",     PARAMS_OF_MAIL, param_auth },
	{ "BY",       PARAMS_OF_MAIL, smtp_param_by },
	{ "MT-PRIORITY", PARAMS_OF_MAIL, smtp_param_priority },
	{ "REQUIRETLS", PARAMS_OF_MAIL, smtp_param_requiretls },
	{ "HOLDFOR",  PARAMS_OF_MAIL | PARAMS_OF_SUBMISSION, smtp_param_holdfor },
	{ "HOLDUNTIL", PARAMS_OF_MAIL | PARAMS_OF_SUBMISSION, smtp_param_holduntil },
	{ "TRANSID",  PARAMS_OF_MAIL | PARAMS_OF_GATEWAY, param_transid },
	{ "NOTIFY",   PARAMS_OF_RCPT, param_notify },
	{ "ORCPT",    PARAMS_OF_RCPT, param_orcpt },
};

static int find(struct span keyword, unsigned int of)
{
	for (size_t i = 0; i < ARRAY_SIZE(params); i++)
		if ((params[i].of & of) == params[i].of && span_eq_nocase(keyword, span_of(params[i].keyword)))
			return (int) i;
	return -1;
}

/* esmtp-param = esmtp-keyword ["=" esmtp-value], each at most once */
static int take_one(struct span param, unsigned int of, unsigned int *seen, struct smtp_params *p,
                    struct smtp_status *ret_status)
{
	struct span value, keyword = span_split(param, '=', &value);
	int i = find(keyword, of), r;

	if (i < 0) {
		*ret_status = (struct smtp_status){ 555, "5.5.4", "Parameter not recognised" };
		return -POD_E_UNSUPPORTED;
	}
	r = *seen & (1u << i) ? -POD_E_SYNTAX : params[i].take(value, p);
	*seen |= 1u << i;
	if (r == -POD_E_UNSUPPORTED)
		*ret_status = (struct smtp_status){ 504, "5.5.4", "BINARYMIME is not offered" };
	else if (r < 0)
		*ret_status = (struct smtp_status){ 501, "5.5.4", "Malformed parameter" };
	return r;
}

int smtp_params_parse(struct span text, unsigned int of, struct smtp_params *ret_params,
                      struct smtp_status *ret_status)
{
	struct smtp_params p = { 0 };
	unsigned int seen = 0;

	for (struct span rest = span_trim(text); rest.len;) {
		struct span param = span_split(rest, ' ', &rest);
		int r = param.len ? take_one(param, of, &seen, &p, ret_status) : 0;

		if (r < 0)
			return r;
	}
	*ret_params = p;
	return 0;
}
