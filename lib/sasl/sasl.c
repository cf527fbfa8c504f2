#include "sasl/sasl.h"

/* More than any address (RFC 5321 4.5.3.1: 64 + 1 + 255), so that a longer name cannot be a user. */
#define USER_MAX 320

const struct sasl_mechanism_info sasl_mechanisms[SASL_MECHANISMS] = {
	[SASL_PLAIN] = {"PLAIN", SASL_CLEARTEXT},
	[SASL_LOGIN] = {"LOGIN", SASL_CLEARTEXT | SASL_SERVER_FIRST},
	[SASL_SCRAM_SHA_256] = {"SCRAM-SHA-256", 0},
	[SASL_SCRAM_SHA_256_PLUS] = {"SCRAM-SHA-256-PLUS", SASL_CHANNEL_BINDING},
};

int sasl_mechanism_parse(struct span name, enum sasl_mechanism *ret_mechanism)
{
	for (int m = 0; m < SASL_MECHANISMS; m++) {
		if (span_eq_nocase(name, span_of(sasl_mechanisms[m].name))) {
			*ret_mechanism = (enum sasl_mechanism) m;
			return 0;
		}
	}
	return -POD_E_UNSUPPORTED;
}

/* A name that may be looked up: not empty, not endless, no control characters. */
static bool is_user(struct span s)
{
	if (s.len == 0 || s.len > USER_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static int user_check(struct arena *a, struct span authzid, struct span user, struct span *ret_user)
{
	struct span copy;

	if (!is_user(user))
		return -POD_E_SYNTAX;
	if (authzid.len && !span_eq(authzid, user))
		return -POD_E_DENIED;
	copy = arena_dup(a, user);
	if (!copy.p)
		return -POD_E_NOMEM;
	*ret_user = copy;
	return 0;
}

/* RFC 4616 2: message = [authzid] UTF8NUL authcid UTF8NUL passwd */
static int plain_user(struct arena *a, struct span message, struct span *ret_user)
{
	struct span rest, passwd, authzid = span_split(message, '\0', &rest), authcid;

	if (!rest.p)
		return -POD_E_SYNTAX;
	authcid = span_split(rest, '\0', &passwd);
	if (passwd.len == 0 || span_find_byte(passwd, '\0') != SIZE_MAX)
		return -POD_E_SYNTAX;
	return user_check(a, authzid, authcid, ret_user);
}

/*
 * RFC 5802 7: saslname = 1*(value-safe-char / "=2C" / "=3D"); the comma that ends it is already off.
 * Any other "=" is an error (5.1).
 */
static int saslname_decode(struct arena *a, struct span s, struct span *ret_name)
{
	uint8_t *out = arena_alloc(a, s.len + 1);
	size_t n = 0;

	if (!out)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < s.len; i++) {
		struct span escape = span_head(span_skip(s, i), 3);

		if (s.p[i] != '=') {
			out[n++] = s.p[i];
			continue;
		}
		if (span_eq(escape, SPAN_LIT("=2C")))
			out[n++] = ',';
		else if (span_eq(escape, SPAN_LIT("=3D")))
			out[n++] = '=';
		else
			return -POD_E_SYNTAX;
		i += 2;
	}
	*ret_name = span_make(out, n);
	return 0;
}

/*
 * RFC 5802 7: gs2-cbind-flag = ("p=" cb-name) / "n" / "y". Only the -PLUS mechanism may bind, and it must;
 * whether "y" betrays a stripped -PLUS is for the store to say, which knows what was offered.
 */
static int scram_binding(enum sasl_mechanism m, struct span flag, struct span *ret_binding)
{
	bool plus = m == SASL_SCRAM_SHA_256_PLUS;

	if (!plus) {
		*ret_binding = SPAN_NONE;
		return span_eq(flag, SPAN_LIT("n")) || span_eq(flag, SPAN_LIT("y")) ? 0 : -POD_E_SYNTAX;
	}
	if (flag.len <= 2 || !span_eq(span_head(flag, 2), SPAN_LIT("p=")))
		return -POD_E_SYNTAX;
	flag = span_skip(flag, 2);
	for (size_t i = 0; i < flag.len; i++)
		if (!ascii_is_alpha(flag.p[i]) && !ascii_is_digit(flag.p[i]) && flag.p[i] != '.' &&
		    flag.p[i] != '-')
			return -POD_E_SYNTAX;
	*ret_binding = flag;
	return 0;
}

/* An attribute "x=value" with the letter wanted; its value. */
static int attribute(struct span s, char letter, struct span *ret_value)
{
	if (s.len < 2 || s.p[0] != (uint8_t) letter || s.p[1] != '=')
		return -POD_E_SYNTAX;
	*ret_value = span_skip(s, 2);
	return 0;
}

/*
 * RFC 5802 7: client-first-message = gs2-cbind-flag "," [ authzid ] "," [reserved-mext ","]
 *             username "," nonce ["," extensions]
 * A reserved-mext ("m=") is an extension that we do not know and must refuse: it is not a username.
 */
static int scram_user(struct arena *a, enum sasl_mechanism m, struct span message, struct span *ret_user,
                      struct span *ret_binding)
{
	struct span rest, flag = span_split(message, ',', &rest);
	struct span authzid = span_split(rest, ',', &rest);
	struct span name = span_split(rest, ',', &rest);
	struct span nonce = span_split(rest, ',', &rest), zid = SPAN_NONE, user, binding;
	int r = scram_binding(m, flag, &binding);

	if (r == 0 && authzid.len)
		r = attribute(authzid, 'a', &zid);
	if (r == 0)
		r = attribute(name, 'n', &user);
	if (r == 0)
		r = attribute(nonce, 'r', &nonce);
	if (r == 0 && nonce.len == 0)
		r = -POD_E_SYNTAX;
	if (r == 0)
		r = saslname_decode(a, user, &user);
	if (r == 0 && zid.len)
		r = saslname_decode(a, zid, &zid);
	if (r == 0 && binding.len)
		binding = arena_dup(a, binding);
	if (r == 0)
		r = user_check(a, zid, user, ret_user);
	if (r == 0)
		*ret_binding = binding;
	return r;
}

int sasl_first_user(struct arena *a, enum sasl_mechanism m, struct span message, struct span *ret_user,
                    struct span *ret_binding)
{
	int r = -POD_E_UNSUPPORTED;

	switch (m) {
	case SASL_PLAIN: r = plain_user(a, message, ret_user); break;
	case SASL_LOGIN: r = user_check(a, SPAN_NONE, message, ret_user); break;
	case SASL_SCRAM_SHA_256:
	case SASL_SCRAM_SHA_256_PLUS: return scram_user(a, m, message, ret_user, ret_binding);
	case SASL_MECHANISMS: break;
	}
	if (r == 0)
		*ret_binding = SPAN_NONE;
	return r;
}
