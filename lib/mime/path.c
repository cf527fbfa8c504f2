/* The envelope's addresses: RFC 5321 4.1.2 and 4.1.3, with the UTF-8 of RFC 6531 3.3. */
#include "mime/address.h"

#include <arpa/inet.h>

#include "mime/utf8.h"

/* RFC 5321 4.5.3.1; the path's 256 count the < and > that are not here any more. */
#define LOCAL_MAX     64
#define DOMAIN_MAX    255
#define PATH_MAX_BARE 254
#define LABEL_MAX     63

static bool is_atext(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* Length of the UTF-8 character at the start of s where such are allowed and it is beyond ASCII, else 0. */
static size_t utf8_non_ascii(struct span s, bool utf8)
{
	return utf8 && s.len && s.p[0] >= 0x80 ? utf8_char_len(s) : 0;
}

/* Dot-string = Atom *("." Atom). Takes it off *s, false where none is there. */
static bool take_dot_string(struct span *s, bool utf8, struct span *ret_local)
{
	size_t i = 0;
	bool after_dot = true;

	while (i < s->len) {
		size_t n = is_atext(s->p[i]) ? 1 : utf8_non_ascii(span_skip(*s, i), utf8);

		if (n == 0 && (s->p[i] != '.' || after_dot))
			break;
		after_dot = n == 0;
		i += n ? n : 1;
	}
	*ret_local = span_head(*s, i);
	*s = span_skip(*s, i);
	return i > 0 && !after_dot;
}

/*
 * Quoted-string = DQUOTE *QcontentSMTP DQUOTE; qtextSMTP = %d32-33 / %d35-91 / %d93-126;
 * quoted-pairSMTP = "\" %d32-126
 */
static int take_quoted(struct arena *a, struct span *s, bool utf8, struct span *ret_local)
{
	uint8_t *to = arena_alloc(a, s->len);
	size_t n = 0, i = 1;

	if (!to)
		return -POD_E_NOMEM;
	while (i < s->len && s->p[i] != '"') {
		size_t wide = utf8_non_ascii(span_skip(*s, i), utf8);

		if (s->p[i] == '\\' && i + 1 < s->len) {
			i++;
			wide = 0;
		}
		if (!wide && (s->p[i] < ' ' || s->p[i] > '~'))
			return -POD_E_SYNTAX;
		do
			to[n++] = s->p[i++];
		while (wide && --wide);
	}
	if (i >= s->len)
		return -POD_E_SYNTAX;
	*ret_local = span_make(to, n);
	*s = span_skip(*s, i + 1);
	return 0;
}

/* sub-domain = Let-dig [Ldh-str]; U-label of RFC 6531 where utf8. */
static bool is_label(struct span label, bool utf8)
{
	if (label.len == 0 || label.len > LABEL_MAX || label.p[0] == '-' || label.p[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len;) {
		uint8_t c = label.p[i];
		size_t n = ascii_is_alpha(c) || ascii_is_digit(c) || c == '-'
		                   ? 1
		                   : utf8_non_ascii(span_skip(label, i), utf8);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

/*
 * address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]"; no other tag was ever
 * registered.
 */
static bool is_literal(struct span s)
{
	struct span tag = SPAN_LIT("IPv6:"), inner;
	char text[INET6_ADDRSTRLEN];
	uint8_t addr[16];
	bool v6;

	if (s.len < 2 || s.p[0] != '[' || s.p[s.len - 1] != ']')
		return false;
	inner = span_make(s.p + 1, s.len - 2);
	v6 = span_starts_nocase(inner, tag);
	if (v6)
		inner = span_skip(inner, tag.len);
	if (inner.len == 0 || inner.len >= sizeof(text) || span_find_byte(inner, '\0') != SIZE_MAX)
		return false;
	memcpy(text, inner.p, inner.len);
	text[inner.len] = '\0';
	return inet_pton(v6 ? AF_INET6 : AF_INET, text, addr) == 1;
}

static bool is_domain(struct span s, bool utf8)
{
	if (s.len && s.p[0] == '[')
		return is_literal(s);
	do {
		if (!is_label(span_split(s, '.', &s), utf8))
			return false;
	} while (s.p);
	return true;
}

/*
 * A-d-l ":" of an old source route, "@one,@two:": accepted and ignored (RFC 5321 4.1.1.3, appendix C).
 * False where it starts with "@" and is none.
 */
static bool skip_route(struct span *s, bool utf8)
{
	while (s->len && s->p[0] == '@') {
		size_t end = 1;

		while (end < s->len && s->p[end] != ',' && s->p[end] != ':')
			end++;
		if (end == s->len || !is_domain(span_make(s->p + 1, end - 1), utf8))
			return false;
		if (s->p[end] == ',' && (end + 1 == s->len || s->p[end + 1] != '@'))
			return false;
		*s = span_skip(*s, end + 1);
	}
	return true;
}

static int check_limits(const struct address *adr, struct err *err)
{
	if (adr->local.len > LOCAL_MAX)
		return err_set(err, POD_E_LIMIT, "local part is longer than %d octets", LOCAL_MAX);
	if (adr->domain.len > DOMAIN_MAX)
		return err_set(err, POD_E_LIMIT, "domain is longer than %d octets", DOMAIN_MAX);
	return 0;
}

static int parse_local(struct arena *a, struct span *s, bool utf8, struct span *ret_local, struct err *err)
{
	int r;

	if (s->len == 0 || s->p[0] != '"') {
		if (take_dot_string(s, utf8, ret_local))
			return 0;
		return err_set(err, POD_E_SYNTAX, "local part of the address is malformed");
	}
	r = take_quoted(a, s, utf8, ret_local);
	return r == 0 ? 0 : err_set(err, -r, "quoted local part of the address is malformed");
}

int address_parse_path(struct arena *a, struct span path, bool utf8, struct address *ret_address,
                       struct err *err)
{
	struct address adr = { SPAN_NONE, SPAN_NONE };
	int r;

	if (path.len == 0) {
		*ret_address = adr;
		return 0;
	}
	if (path.len > PATH_MAX_BARE)
		return err_set(err, POD_E_LIMIT, "path is longer than %d octets", PATH_MAX_BARE + 2);
	if (!skip_route(&path, utf8))
		return err_set(err, POD_E_SYNTAX, "source route is malformed");
	r = parse_local(a, &path, utf8, &adr.local, err);
	if (r < 0)
		return r;
	if (path.len == 0 && !span_eq_nocase(adr.local, SPAN_LIT("postmaster")))
		return err_set(err, POD_E_SYNTAX, "address has no domain");
	if (path.len && (path.p[0] != '@' || !is_domain(span_skip(path, 1), utf8)))
		return err_set(err, POD_E_SYNTAX, "domain of the address is malformed");
	adr.domain = span_skip(path, 1);
	r = check_limits(&adr, err);
	if (r < 0)
		return r;
	adr.local = arena_dup(a, adr.local);
	adr.domain = arena_dup(a, adr.domain);
	if (!adr.local.p || !adr.domain.p)
		return err_set(err, POD_E_NOMEM, "out of memory");
	*ret_address = adr;
	return 0;
}

static bool is_dot_string(struct span s)
{
	struct span rest = s, local;

	return take_dot_string(&rest, true, &local) && rest.len == 0;
}

static size_t put_quoted(uint8_t *to, struct span local)
{
	size_t n = 0;

	to[n++] = '"';
	for (size_t i = 0; i < local.len; i++) {
		if (local.p[i] == '"' || local.p[i] == '\\')
			to[n++] = '\\';
		to[n++] = local.p[i];
	}
	to[n++] = '"';
	return n;
}

struct span address_format(struct arena *a, const struct address *address)
{
	uint8_t *to = arena_alloc(a, 2 * address->local.len + address->domain.len + 4);
	size_t n = 0;

	if (!to)
		return SPAN_NONE;
	if (address->local.len == 0 && address->domain.len == 0)
		return span_make(to, 0);
	if (is_dot_string(address->local)) {
		memcpy(to, address->local.p, address->local.len);
		n = address->local.len;
	} else {
		n = put_quoted(to, address->local);
	}
	if (address->domain.len) {
		to[n++] = '@';
		memcpy(to + n, address->domain.p, address->domain.len);
		n += address->domain.len;
	}
	return span_make(to, n);
}

struct span address_key(struct arena *a, const struct address *address)
{
	size_t n = address->local.len + (address->domain.len ? 1 + address->domain.len : 0);
	uint8_t *to = arena_alloc(a, n);

	if (!to)
		return SPAN_NONE;
	for (size_t i = 0; i < address->local.len; i++)
		to[i] = ascii_lower(address->local.p[i]);
	if (address->domain.len)
		to[address->local.len] = '@';
	for (size_t i = 0; i < address->domain.len; i++)
		to[address->local.len + 1 + i] = ascii_lower(address->domain.p[i]);
	return span_make(to, n);
}
