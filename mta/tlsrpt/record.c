#include "mta/tlsrpt/record.h"

#include "base/cleanup.h"

#define ADDRESS_MAX 320 /* RFC 5321 4.5.3.1: local part, "@", domain */

/* tlsrpt-version = %s"v=TLSRPTv1", then a field-delim = *WSP ";" *WSP */
static bool is_record(struct span s)
{
	static const struct span version = SPAN_LIT("v=TLSRPTv1");

	if (s.len < version.len || !span_eq(span_head(s, version.len), version))
		return false;
	s = span_trim(span_skip(s, version.len));
	return s.len > 0 && s.p[0] == ';';
}

/* RFC 3986 2.1. What comes of it is printable, or it is refused. */
static int percent_decode(struct span s, struct arena *a, char **ret_text)
{
	char *out = arena_alloc(a, s.len + 1);
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
		if (c <= ' ' || c >= 0x7f || c == '<' || c == '>')
			return -POD_E_SYNTAX;
		out[n++] = (char) c;
	}
	*ret_text = out;
	return 0;
}

/* mailto:LOCAL@DOMAIN; header fields behind a "?" are none of ours to set (RFC 8460 3). */
static int read_mail(struct span s, struct arena *a, struct tlsrpt_rua *rua)
{
	struct span rest, domain;
	char *to;
	int r = percent_decode(span_split(s, '?', &rest), a, &to);

	if (r < 0)
		return r;
	if (strlen(to) > ADDRESS_MAX || span_split(span_of(to), '@', &domain).len == 0 || domain.len == 0 ||
	    span_find_byte(domain, '@') != SIZE_MAX)
		return -POD_E_SYNTAX;
	rua->mail = true;
	rua->to = to;
	return 0;
}

static bool is_host(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
			return false;
	return s.len > 0 && s.len <= 253;
}

/* HOST[:PORT][/PATH], nothing else of RFC 3986: no user, no address in brackets. */
static int read_https(struct span s, struct arena *a, struct tlsrpt_rua *rua)
{
	size_t slash = span_find_byte(s, '/');
	struct span path = slash == SIZE_MAX ? SPAN_LIT("/") : span_skip(s, slash);
	struct span port, host = span_split(span_head(s, slash), ':', &port);
	uint32_t number = 443;

	if (!is_host(host) || (port.p && (span_to_u32(port, &number) < 0 || number == 0 || number > 65535)))
		return -POD_E_SYNTAX;
	for (size_t i = 0; i < path.len; i++)
		if (path.p[i] <= ' ' || path.p[i] >= 0x7f || path.p[i] == '#')
			return -POD_E_SYNTAX;
	rua->mail = false;
	rua->host = arena_str(a, host);
	rua->port = (uint16_t) number;
	rua->path = arena_str(a, path);
	return rua->host && rua->path ? 0 : -POD_E_NOMEM;
}

static const struct {
	struct span scheme;
	int (*read)(struct span s, struct arena *a, struct tlsrpt_rua *rua);
} schemes[] = {
	{ SPAN_LIT("mailto:"), read_mail },
	{ SPAN_LIT("https://"), read_https },
};

static int read_uri(struct span uri, struct arena *a, struct tlsrpt_rua *rua)
{
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		int r;

		if (!span_starts_nocase(uri, schemes[i].scheme))
			continue;
		r = schemes[i].read(span_skip(uri, schemes[i].scheme.len), a, rua);
		if (r < 0)
			return r;
		rua->uri = arena_str(a, uri);
		return rua->uri ? 0 : -POD_E_NOMEM;
	}
	return -POD_E_SYNTAX;
}

static int read_uris(struct span list, struct arena *a, struct tlsrpt_rua *rua, size_t *n)
{
	while (list.p && *n < TLSRPT_RUA_MAX) {
		int r = read_uri(span_trim(span_split(list, ',', &list)), a, &rua[*n]);

		if (r == -POD_E_NOMEM)
			return r;
		if (r == 0)
			(*n)++;
	}
	return 0;
}

int tlsrpt_record_parse(const struct span *txt, size_t n, struct arena *a,
                        struct tlsrpt_rua ret_rua[TLSRPT_RUA_MAX], size_t *ret_n)
{
	const struct span *one = NULL;
	struct span rest;
	size_t found = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_record(txt[i]))
			continue;
		if (one)
			return -POD_E_NOTFOUND;
		one = &txt[i];
	}
	if (!one)
		return -POD_E_NOTFOUND;
	rest = *one;
	while (r == 0 && rest.p) {
		struct span value, name = span_trim(span_split(span_split(rest, ';', &rest), '=', &value));

		if (span_eq(name, SPAN_LIT("rua")))
			r = read_uris(span_trim(value), a, ret_rua, &found);
	}
	if (r < 0 || found == 0)
		return r < 0 ? r : -POD_E_SYNTAX;
	*ret_n = found;
	return 0;
}
