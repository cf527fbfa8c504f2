#include "mime/imap_url.h"

#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"

#define TOKEN_HEX_MAX 128

/* What is left of the URL, and where what is read goes. */
struct reading {
	struct arena *arena;
	struct span rest;
	struct imap_url url;
};

/* pct-encoded = "%" HEXDIG HEXDIG (RFC 3986 2.1); no NUL, no control characters. */
static int decode(struct reading *r, struct span s, const char **ret)
{
	char *out = arena_alloc(r->arena, s.len + 1);
	size_t n = 0;

	if (!out)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < s.len; i++) {
		int c = s.p[i];

		if (c == '%') {
			c = i + 2 < s.len ? ascii_hex_pair(s.p + i + 1) : -1;
			if (c < 0)
				return -POD_E_SYNTAX;
			i += 2;
		}
		if (c < ' ' || c == 0x7f)
			return -POD_E_SYNTAX;
		out[n++] = (char) c;
	}
	*ret = out;
	return 0;
}

static bool take(struct reading *r, struct span word)
{
	if (!span_starts_nocase(r->rest, word))
		return false;
	r->rest = span_skip(r->rest, word.len);
	return true;
}

/* Up to the first of two bytes, or the end. */
static struct span take_until(struct reading *r, uint8_t a, uint8_t b)
{
	size_t i = 0;
	struct span taken;

	while (i < r->rest.len && r->rest.p[i] != a && r->rest.p[i] != b)
		i++;
	taken = span_head(r->rest, i);
	r->rest = span_skip(r->rest, i);
	return taken;
}

/* iserver = [iuserinfo "@"] host [":" port]; iuserinfo = enc-user [";AUTH=" mechanism] */
static int read_server(struct reading *r)
{
	struct span rest, server = take_until(r, '/', '/'), port, user = span_split(server, '@', &rest);
	uint32_t number = 143;
	int e;

	if (!rest.p || span_find_byte(rest, '@') != SIZE_MAX)
		return -POD_E_SYNTAX;
	user = span_split(user, ';', &port);
	rest = span_split(rest, ':', &port);
	if (port.p && (span_to_u32(port, &number) < 0 || number == 0 || number > 65535))
		return -POD_E_SYNTAX;
	r->url.port = (uint16_t) number;
	e = decode(r, user, &r->url.user) ?: decode(r, rest, &r->url.host);
	return e < 0 ? e : user.len && rest.len ? 0 : -POD_E_SYNTAX;
}

/* nz-number */
static int read_number(struct reading *r, uint32_t *ret)
{
	struct span digits = take_until(r, '/', ';');

	return span_to_u32(digits, ret) < 0 || *ret == 0 || digits.p[0] == '0' ? -POD_E_SYNTAX : 0;
}

/* imailbox-ref = enc-mailbox [";UIDVALIDITY=" nz-number]; iuid = "/" ";UID=" nz-number */
static int read_message(struct reading *r)
{
	struct span name;
	size_t end;
	int e;

	if (!take(r, SPAN_LIT("/")))
		return -POD_E_SYNTAX;
	end = span_find_nocase(r->rest, SPAN_LIT("/;UID="));
	if (end == SIZE_MAX)
		return -POD_E_SYNTAX;
	name = span_head(r->rest, end);
	r->rest = span_skip(r->rest, span_find_byte(name, ';') == SIZE_MAX ? end : span_find_byte(name, ';'));
	name = span_split(name, ';', &(struct span){ 0 });
	e = name.len ? decode(r, name, &r->url.mailbox) : -POD_E_SYNTAX;
	if (e == 0 && take(r, SPAN_LIT(";UIDVALIDITY=")))
		e = read_number(r, &r->url.uidvalidity);
	if (e == 0)
		e = take(r, SPAN_LIT("/;UID=")) ? read_number(r, &r->url.uid) : -POD_E_SYNTAX;
	return e;
}

/* date-time of RFC 3339: "2026-11-26T12:00:00Z", with a fraction or an offset */
static int read_time(struct span s, int64_t *ret)
{
	char text[64];
	struct tm tm = { 0 };
	const char *end;
	int hours, minutes;
	char sign;
	time_t t;

	if (s.len >= sizeof(text))
		return -POD_E_SYNTAX;
	(void) snprintf(text, sizeof(text), SPAN_FMT, SPAN_ARG(s));
	end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!end)
		return -POD_E_SYNTAX;
	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	t = timegm(&tm);
	if ((*end == '+' || *end == '-') && strlen(end) == 6 &&
	    sscanf(end, "%c%2d:%2d", &sign, &hours, &minutes) == 3)
		t -= (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	else if (strcmp(end, "Z") != 0 && strcmp(end, "z") != 0)
		return -POD_E_SYNTAX;
	*ret = t;
	return t > 0 ? 0 : -POD_E_SYNTAX;
}

static const struct {
	struct span word;
	enum imap_url_access access;
	bool user;
} accesses[] = {
	{ SPAN_LIT("submit+"), IMAP_URL_SUBMIT, true },
	{ SPAN_LIT("user+"), IMAP_URL_USER, true },
	{ SPAN_LIT("authuser"), IMAP_URL_AUTHUSER, false },
	{ SPAN_LIT("anonymous"), IMAP_URL_ANONYMOUS, false },
};

static int read_access(struct reading *r, struct span s)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		if (!span_starts_nocase(s, accesses[i].word))
			continue;
		s = span_skip(s, accesses[i].word.len);
		r->url.access = accesses[i].access;
		r->url.access_user = "";
		if (accesses[i].user != (s.len > 0))
			return -POD_E_SYNTAX;
		return s.len ? decode(r, s, &r->url.access_user) : 0;
	}
	return -POD_E_SYNTAX;
}

/* enc-urlauth = 32*HEXDIG (RFC 4467 9) */
static int read_token(struct reading *r, struct span hex)
{
	uint8_t *out = arena_alloc(r->arena, hex.len / 2 + 1);

	if (!out)
		return -POD_E_NOMEM;
	if (hex.len < 32 || hex.len > TOKEN_HEX_MAX || hex.len % 2)
		return -POD_E_SYNTAX;
	for (size_t i = 0; i < hex.len; i += 2) {
		int byte = ascii_hex_pair(hex.p + i);

		if (byte < 0)
			return -POD_E_SYNTAX;
		out[i / 2] = (uint8_t) byte;
	}
	r->url.token = span_make(out, hex.len / 2);
	return 0;
}

/* iurlauth = [";EXPIRE=" date-time] ";URLAUTH=" access [":" uauth-mechanism ":" enc-urlauth] */
static int read_auth(struct reading *r, struct span whole)
{
	struct span rest, access;
	int e = 0;

	if (take(r, SPAN_LIT(";EXPIRE=")))
		e = read_time(take_until(r, ';', ';'), &r->url.expires_s);
	if (e < 0 || !take(r, SPAN_LIT(";URLAUTH=")))
		return e < 0 ? e : -POD_E_SYNTAX;
	access = span_split(r->rest, ':', &rest);
	e = read_access(r, access);
	r->url.rump = span_head(whole, (size_t) (access.p - whole.p) + access.len);
	if (e < 0 || !rest.p)
		return e;
	if (!span_eq_nocase(span_split(rest, ':', &rest), SPAN_LIT(IMAP_URL_MECHANISM)))
		return -POD_E_UNSUPPORTED;
	return read_token(r, rest);
}

int imap_url_parse(struct span text, struct arena *a, struct imap_url *ret_url)
{
	struct reading r = { .arena = a, .rest = text };
	int e;

	if (text.len > IMAP_URL_MAX || !take(&r, SPAN_LIT("imap://")))
		return -POD_E_SYNTAX;
	e = read_server(&r) ?: read_message(&r);
	if (e == 0 && (span_starts_nocase(r.rest, SPAN_LIT("/;SECTION=")) ||
	               span_starts_nocase(r.rest, SPAN_LIT("/;PARTIAL="))))
		return -POD_E_UNSUPPORTED;
	e = e ?: read_auth(&r, text);
	if (e == 0)
		*ret_url = r.url;
	return e;
}
