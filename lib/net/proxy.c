/* The PROXY protocol's header (specification 2.1 and 2.2, HAProxy, 2020/03/05). */
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#define V1_MAX  107 /* 2.1: the longest header, CRLF included */
#define V2_HEAD 16

static const uint8_t v2_signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                         0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static void set_in(struct net_addr *a, const void *addr, uint16_t port_be)
{
	struct sockaddr_in *in = (struct sockaddr_in *) &a->ss;

	*a = (struct net_addr){.len = sizeof(*in)};
	in->sin_family = AF_INET;
	in->sin_port = port_be;
	memcpy(&in->sin_addr, addr, sizeof(in->sin_addr));
}

static void set_in6(struct net_addr *a, const void *addr, uint16_t port_be)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &a->ss;

	*a = (struct net_addr){.len = sizeof(*in6)};
	in6->sin6_family = AF_INET6;
	in6->sin6_port = port_be;
	memcpy(&in6->sin6_addr, addr, sizeof(in6->sin6_addr));
}

static int v1_address(int family, struct span host, struct span port, struct net_addr *ret_addr)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t addr[16];
	uint32_t n;

	if (host.len == 0 || host.len >= sizeof(text) || span_to_u32(port, &n) < 0 || n > UINT16_MAX)
		return -POD_E_SYNTAX;
	memcpy(text, host.p, host.len);
	text[host.len] = '\0';
	if (inet_pton(family, text, addr) != 1)
		return -POD_E_SYNTAX;
	(family == AF_INET ? set_in : set_in6)(ret_addr, addr, htons((uint16_t) n));
	return 0;
}

/* "TCP4 SRC DST SPORT DPORT", the words behind "PROXY "; exactly one space between them. */
static int v1_words(struct span line, struct net_addr *ret_peer, struct net_addr *ret_local)
{
	struct span rest, proto = span_split(line, ' ', &rest);
	struct span src = span_split(rest, ' ', &rest), dst = span_split(rest, ' ', &rest);
	struct span sport = span_split(rest, ' ', &rest), dport = rest;
	struct net_addr peer, local;
	int family;

	if (span_eq(proto, SPAN_LIT("UNKNOWN")))
		return 0; /* 2.1: whatever follows on the line is ignored */
	if (span_eq(proto, SPAN_LIT("TCP4")))
		family = AF_INET;
	else if (span_eq(proto, SPAN_LIT("TCP6")))
		family = AF_INET6;
	else
		return -POD_E_SYNTAX;
	if (v1_address(family, src, sport, &peer) < 0 || v1_address(family, dst, dport, &local) < 0)
		return -POD_E_SYNTAX;
	*ret_peer = peer;
	*ret_local = local;
	return 0;
}

static int v1_parse(struct span in, struct net_addr *ret_peer, struct net_addr *ret_local)
{
	size_t end = span_find(span_head(in, V1_MAX), SPAN_LIT("\r\n"));
	int r;

	if (end == SIZE_MAX)
		return in.len < V1_MAX ? 0 : -POD_E_SYNTAX;
	r = v1_words(span_skip(span_head(in, end), strlen("PROXY ")), ret_peer, ret_local);
	return r < 0 ? r : (int) end + 2;
}

/*
 * 2.2: signature, version and command, family and protocol, length, addresses, TLVs (which we skip).
 * LOCAL is the proxy's own health check. What a stream server cannot have (UDP) or could be used to seem
 * local (unix addresses) is refused.
 */
static int v2_parse(struct span in, struct net_addr *ret_peer, struct net_addr *ret_local)
{
	size_t len;

	if (in.len < V2_HEAD)
		return 0;
	len = (size_t) (in.p[14] << 8 | in.p[15]);
	if (in.p[12] != 0x20 && in.p[12] != 0x21)
		return -POD_E_SYNTAX;
	if (V2_HEAD + len > PROXY_HEADER_MAX)
		return -POD_E_SYNTAX;
	if (in.len < V2_HEAD + len)
		return 0;
	if (in.p[12] == 0x21) {
		const uint8_t *a = in.p + V2_HEAD;
		uint16_t ports[2];

		if (in.p[13] == 0x11 && len >= 12) {
			memcpy(ports, a + 8, 4);
			set_in(ret_peer, a, ports[0]);
			set_in(ret_local, a + 4, ports[1]);
		} else if (in.p[13] == 0x21 && len >= 36) {
			memcpy(ports, a + 32, 4);
			set_in6(ret_peer, a, ports[0]);
			set_in6(ret_local, a + 16, ports[1]);
		} else if (in.p[13] != 0x00) {
			return -POD_E_SYNTAX;
		}
	}
	return (int) (V2_HEAD + len);
}

/* Whether in may be the beginning of what is wanted: equal as far as both go. */
static bool may_begin(struct span in, struct span wanted)
{
	return span_eq(span_head(in, wanted.len), span_head(wanted, in.len));
}

int proxy_header_parse(struct span in, struct net_addr *ret_peer, struct net_addr *ret_local)
{
	struct span v1 = SPAN_LIT("PROXY "), v2 = span_make(v2_signature, sizeof(v2_signature));

	if (may_begin(in, v1))
		return in.len < v1.len ? 0 : v1_parse(in, ret_peer, ret_local);
	if (may_begin(in, v2))
		return in.len < v2.len ? 0 : v2_parse(in, ret_peer, ret_local);
	return -POD_E_SYNTAX;
}

/* Bytes are looked at first, and taken only up to the header's end; while it is incomplete all of them are header. */
int proxy_header_read(struct proxy_header *h, int fd, struct net_addr *ret_peer, struct net_addr *ret_local)
{
	ssize_t n = recv(fd, h->bytes + h->have, sizeof(h->bytes) - h->have, MSG_PEEK);
	size_t take;
	int len;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -POD_E_IO;
	if (n == 0)
		return -POD_E_SYNTAX;
	len = proxy_header_parse(span_make(h->bytes, h->have + (size_t) n), ret_peer, ret_local);
	if (len < 0)
		return len;
	take = len > 0 ? (size_t) len - h->have : (size_t) n;
	if (recv(fd, h->bytes + h->have, take, 0) != (ssize_t) take)
		return -POD_E_IO;
	h->have += take;
	return len;
}
