#include "mta/outbound/mail_name.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <netinet/in.h>

#include "base/cleanup.h"

bool mail_name_is_ascii(struct span s)
{
	uint8_t any = 0;

	for (size_t i = 0; i < s.len; i++)
		any |= s.p[i];
	return any < 0x80;
}

static void idn2_freep(char **s)
{
	idn2_free(*s);
}

int mail_name_ascii(struct arena *a, struct span domain, const char **ret_ascii)
{
	_cleanup_(idn2_freep) char *ascii = NULL;
	const char *text = arena_str(a, domain), *kept;

	if (!text)
		return -POD_E_NOMEM;
	if (mail_name_is_ascii(domain)) {
		char *lower = arena_str(a, domain);

		for (char *p = lower; p && *p; p++)
			*p = (char) ascii_lower((uint8_t) *p);
		*ret_ascii = lower;
		return lower ? 0 : -POD_E_NOMEM;
	}
	if (idn2_to_ascii_8z(text, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) != IDN2_OK)
		return -POD_E_SYNTAX;
	kept = arena_str(a, span_of(ascii));
	if (!kept)
		return -POD_E_NOMEM;
	*ret_ascii = kept;
	return 0;
}

bool mail_name_is_literal(struct span domain)
{
	return domain.len > 2 && domain.p[0] == '[' && domain.p[domain.len - 1] == ']';
}

int mail_name_literal(struct span text, uint16_t port, struct net_addr *ret_addr)
{
	struct span v6 = SPAN_LIT("IPv6:"), inside;
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	char host[INET6_ADDRSTRLEN];

	if (!mail_name_is_literal(text))
		return -POD_E_SYNTAX;
	inside = span_make(text.p + 1, text.len - 2);
	if (span_starts_nocase(inside, v6))
		inside = span_skip(inside, v6.len);
	if (inside.len >= sizeof(host))
		return -POD_E_SYNTAX;
	(void) snprintf(host, sizeof(host), SPAN_FMT, SPAN_ARG(inside));
	*ret_addr = (struct net_addr){ 0 };
	if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
		memcpy(&ret_addr->ss, &in, sizeof(in));
		ret_addr->len = sizeof(in);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
		return -POD_E_SYNTAX;
	memcpy(&ret_addr->ss, &in6, sizeof(in6));
	ret_addr->len = sizeof(in6);
	return 0;
}
