#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "dns/internal.h"

#define NAME_TEXT_MAX  253 /* RFC 1035 2.3.4: 255 octets, of which the last label and the lengths take two */
#define LABEL_TEXT_MAX 63

static bool is_label_byte(uint8_t c)
{
	return c > ' ' && c < 0x7f && c != '\\';
}

static bool is_label(struct span s)
{
	if (s.len == 0 || s.len > LABEL_TEXT_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_label_byte(s.p[i]))
			return false;
	return true;
}

bool dns_name_is_valid(const char *name)
{
	struct span rest = span_of(name);

	if (span_eq(rest, SPAN_LIT(".")))
		return true;
	if (rest.len > 1 && rest.p[rest.len - 1] == '.')
		rest.len--;
	if (rest.len == 0 || rest.len > NAME_TEXT_MAX)
		return false;
	while (rest.p)
		if (!is_label(span_split(rest, '.', &rest)))
			return false;
	return true;
}

static void reverse_v4(const uint8_t *a, const char *suffix, struct buf *out)
{
	buf_printf(out, "%u.%u.%u.%u.%s", a[3], a[2], a[1], a[0], suffix ? suffix : "in-addr.arpa");
}

static void reverse_v6(const uint8_t *a, const char *suffix, struct buf *out)
{
	for (size_t i = 16; i-- > 0;)
		buf_printf(out, "%x.%x.", a[i] & 0xf, a[i] >> 4);
	buf_add_str(out, suffix ? suffix : "ip6.arpa");
}

int dns_reverse_name(const struct net_addr *addr, const char *suffix, char *buf, size_t size)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	const struct sockaddr_in6 *in6 = (const void *) &addr->ss;

	if (addr->ss.ss_family == AF_INET)
		reverse_v4(
			(const uint8_t *) &((const struct sockaddr_in *) (const void *) &addr->ss)->sin_addr,
			suffix, &out);
	else if (addr->ss.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		reverse_v4(in6->sin6_addr.s6_addr + 12, suffix, &out);
	else if (addr->ss.ss_family == AF_INET6)
		reverse_v6(in6->sin6_addr.s6_addr, suffix, &out);
	else
		return -POD_E_UNSUPPORTED;
	if (out.failed || out.len >= size)
		return out.failed ? -POD_E_NOMEM : -POD_E_LIMIT;
	memcpy(buf, buf_str(&out), out.len + 1);
	return 0;
}
