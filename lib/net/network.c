/* The network an address belongs to, as a name to count it by. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "net/listener.h"

/* Clears all bits of p behind the first `bits`. */
static void mask(uint8_t *p, size_t len, unsigned int bits)
{
	for (size_t i = 0; i < len; i++) {
		unsigned int keep = bits > 8 * i ? bits - 8 * (unsigned int) i : 0;

		if (keep < 8)
			p[i] &= (uint8_t) (0xff00 >> keep);
	}
}

/* The address's bytes: 4, 16 (an IPv4 one mapped into IPv6 has 4), or 0. */
static size_t bytes_of(const struct net_addr *addr, uint8_t b[16])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *) &addr->ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) &addr->ss;

	if (addr->ss.ss_family == AF_INET) {
		memcpy(b, &in->sin_addr, 4);
		return 4;
	}
	if (addr->ss.ss_family != AF_INET6)
		return 0;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		memcpy(b, &in6->sin6_addr.s6_addr[12], 4);
		return 4;
	}
	memcpy(b, in6->sin6_addr.s6_addr, 16);
	return 16;
}

char *net_addr_network(const struct net_addr *addr, unsigned int bits4, unsigned int bits6, char *buf, size_t size)
{
	char text[INET6_ADDRSTRLEN] = "";
	uint8_t b[16];
	size_t len = bytes_of(addr, b);
	unsigned int bits = len == 4 ? bits4 : bits6;

	mask(b, len, bits);
	if (len)
		(void) inet_ntop(len == 4 ? AF_INET : AF_INET6, b, text, sizeof(text));
	(void) snprintf(buf, size, len ? "%s/%u" : "local", text, bits);
	return buf;
}
