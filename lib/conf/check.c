#include <arpa/inet.h>
#include <stdio.h>

#include "conf/item.h"

#define NAME_MAX_LEN   64
#define DOMAIN_MAX_LEN 253 /* RFC 1035 2.3.4 as text */
#define LABEL_MAX_LEN  63
#define UNIX_PATH_MAX  108 /* of struct sockaddr_un, with its NUL */

static bool is_name_byte(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_' || c == '.';
}

/* Names become file names and keys. */
int conf_check_name(struct span value, struct err *err)
{
	bool good = value.len > 0 && value.len <= NAME_MAX_LEN && value.p[0] != '.' && value.p[0] != '-';

	for (size_t i = 0; good && i < value.len; i++)
		good = is_name_byte(value.p[i]);
	if (!good)
		return err_set(err, POD_E_SYNTAX,
		               "a name of up to %d letters, digits, \".\", \"-\" and \"_\" is expected",
		               NAME_MAX_LEN);
	return 0;
}

int conf_check_user(struct span value, struct err *err)
{
	return value.len == 0 ? 0 : conf_check_name(value, err);
}

static bool is_label(struct span s)
{
	bool good = s.len > 0 && s.len <= LABEL_MAX_LEN && s.p[0] != '-' && s.p[s.len - 1] != '-';

	for (size_t i = 0; good && i < s.len; i++)
		good = ascii_is_alpha(s.p[i]) || ascii_is_digit(s.p[i]) || s.p[i] == '-';
	return good;
}

/* RFC 1123 2.1; international names in their "xn--" form, as they stand in the DNS. */
int conf_check_domain(struct span value, struct err *err)
{
	struct span rest = value;
	bool good = value.len > 0 && value.len <= DOMAIN_MAX_LEN;

	while (good && rest.p)
		good = is_label(span_split(rest, '.', &rest));
	return good ? 0 : err_set(err, POD_E_SYNTAX, "a domain name such as example.org is expected");
}

int conf_check_domain_or_empty(struct span value, struct err *err)
{
	return value.len == 0 ? 0 : conf_check_domain(value, err);
}

/* local@domain, the local part without quotes. */
int conf_check_address_or_empty(struct span value, struct err *err)
{
	struct span domain, local = span_split(value, '@', &domain);

	for (size_t i = 0; i < local.len; i++)
		if (local.p[i] <= ' ' || local.p[i] >= 0x7f || strchr("()<>[]:;,\\\"", local.p[i]))
			return err_set(err, POD_E_SYNTAX, "an address such as postmaster@example.org is expected");
	if (value.len == 0 || (local.len && domain.p && conf_check_domain(domain, NULL) == 0))
		return 0;
	return err_set(err, POD_E_SYNTAX, "an address such as postmaster@example.org is expected");
}

/* The family of an address in text; 0 where it is none. */
static int address_family(struct span s)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr any;

	if (s.len >= sizeof(text) || snprintf(text, sizeof(text), SPAN_FMT, SPAN_ARG(s)) < 0)
		return 0;
	if (inet_pton(AF_INET, text, &any) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, text, &any) == 1 ? AF_INET6 : 0;
}

int conf_check_host(struct span value, struct err *err)
{
	if (span_eq(value, SPAN_LIT("*")) || address_family(value))
		return 0;
	return err_set(err, POD_E_SYNTAX, "an IPv4 or IPv6 address, or \"*\" for all, is expected");
}

static bool is_listen_host(struct span host)
{
	if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
		return address_family(span_make(host.p + 1, host.len - 2)) == AF_INET6;
	return span_eq(host, SPAN_LIT("*")) || address_family(host) == AF_INET;
}

/* host:port, the port behind the last colon; "" for the default and "none" for no listener. */
int conf_check_listen(struct span value, struct err *err)
{
	size_t colon = value.len;
	uint32_t port = 0;

	if (value.len == 0 || span_eq(value, SPAN_LIT("none")))
		return 0;
	while (colon > 0 && value.p[colon - 1] != ':')
		colon--;
	if (colon > 0 && span_to_u32(span_skip(value, colon), &port) == 0 && port > 0 && port <= 65535 &&
	    is_listen_host(span_head(value, colon - 1)))
		return 0;
	return err_set(err, POD_E_SYNTAX,
	               "an address such as 127.0.0.1:25, [::1]:25 or *:25, or \"none\", is expected");
}

/* RFC 4632 3.1 and RFC 4291 2.3: an address, or address/prefix-length. */
int conf_check_network(struct span value, struct err *err)
{
	struct span prefix, address = span_split(value, '/', &prefix);
	int family = address_family(address);
	uint32_t bits = 0;

	if (family &&
	    (!prefix.p || (span_to_u32(prefix, &bits) == 0 && bits <= (family == AF_INET ? 32u : 128u))))
		return 0;
	return err_set(err, POD_E_SYNTAX, "networks such as 10.0.0.0/8 or 2001:db8::/32 are expected");
}

/* ---- the resolver ---- */

static bool is_port(struct span s)
{
	uint32_t port = 0;

	return span_to_u32(s, &port) == 0 && port > 0 && port <= 65535;
}

/* An address, an IPv6 one also in brackets, and a port or none behind it. */
static bool is_server(struct span s)
{
	struct span port = SPAN_NONE;
	size_t close = span_find_byte(s, ']');

	if (address_family(s))
		return true;
	if (s.len == 0)
		return false;
	if (s.p[0] == '[' && close != SIZE_MAX) {
		if (address_family(span_make(s.p + 1, close - 1)) != AF_INET6)
			return false;
		port = span_skip(s, close + 1);
		return port.len == 0 || (port.p[0] == ':' && is_port(span_skip(port, 1)));
	}
	return address_family(span_split(s, ':', &port)) == AF_INET && is_port(port);
}

int conf_check_dns_server(struct span value, struct err *err)
{
	if (is_server(value))
		return 0;
	return err_set(err, POD_E_SYNTAX,
	               "an address such as 192.0.2.1, 192.0.2.1:5353 or [2001:db8::1]:53 is expected");
}

/* A domain, "." too, and labels such as _tcp. */
int conf_check_dns_name(struct span value, struct err *err)
{
	struct span rest = value;
	bool good = value.len > 0 && value.len <= DOMAIN_MAX_LEN;

	if (span_eq(value, SPAN_LIT(".")))
		return 0;
	while (good && rest.p) {
		struct span label = span_split(rest, '.', &rest);

		good = is_label(label.len > 1 && label.p[0] == '_' ? span_skip(label, 1) : label);
	}
	return good ? 0
	            : err_set(err, POD_E_SYNTAX, "a zone such as example.org or 10.in-addr.arpa is expected");
}

int conf_check_dns_stub(struct span value, struct err *err)
{
	struct span server, zone = span_split(value, '=', &server);

	if (conf_check_dns_name(span_trim(zone), NULL) == 0 && is_server(span_trim(server)))
		return 0;
	return err_set(err, POD_E_SYNTAX, "ZONE=ADDRESS such as corp.example=10.0.0.53 is expected");
}

/* ---- outbound ---- */

int conf_check_tls_domain(struct span value, struct err *err)
{
	static const char *const words[] = { "none", "may", "encrypt", "verify" };
	struct span word, domain = span_trim(span_split(value, '=', &word));
	bool good = false;

	if (domain.len > 1 && domain.p[0] == '.')
		domain = span_skip(domain, 1);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		good |= span_eq(span_trim(word), span_of(words[i]));
	if (good && conf_check_domain(domain, NULL) == 0)
		return 0;
	return err_set(
		err, POD_E_SYNTAX,
		"DOMAIN=WORD such as partner.example=verify is expected, with none, may, encrypt or verify");
}

/* ---- milters ---- */

/* PORT@ADDRESS; "localhost" is the loopback address of the family. */
static bool is_inet_socket(struct span s, int family)
{
	struct span host, port = span_split(s, '@', &host);

	return is_port(port) && (span_eq(host, SPAN_LIT("localhost")) || address_family(host) == family);
}

/* As milters write it themselves, without what would need a resolver: smfi_setconn of libmilter. */
int conf_check_milter_socket(struct span value, struct err *err)
{
	struct span rest, kind = span_split(value, ':', &rest);

	if ((span_eq(kind, SPAN_LIT("unix")) || span_eq(kind, SPAN_LIT("local"))) && rest.len > 1 &&
	    rest.p[0] == '/' && rest.len < UNIX_PATH_MAX)
		return 0;
	if (span_eq(kind, SPAN_LIT("inet")) && is_inet_socket(rest, AF_INET))
		return 0;
	if (span_eq(kind, SPAN_LIT("inet6")) && is_inet_socket(rest, AF_INET6))
		return 0;
	return err_set(err, POD_E_SYNTAX,
	               "a socket such as inet:11332@127.0.0.1, inet6:11332@::1 or unix:/run/filter.sock is "
	               "expected");
}
