#include "net/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

/* The struct sockaddr_* that lives in the storage; they may alias (sockaddr_storage is made for it). */
static const struct sockaddr_in *as_in(const struct net_addr *a)
{
	return (const struct sockaddr_in *) &a->ss;
}

static const struct sockaddr_in6 *as_in6(const struct net_addr *a)
{
	return (const struct sockaddr_in6 *) &a->ss;
}

static const struct sockaddr_un *as_un(const struct net_addr *a)
{
	return (const struct sockaddr_un *) &a->ss;
}

static int parse_unix(struct span path, struct net_addr *ret_addr, struct err *err)
{
	struct net_addr addr = {0};
	struct sockaddr_un *un = (struct sockaddr_un *) &addr.ss;

	if (path.len == 0 || path.len >= sizeof(un->sun_path) || span_find_byte(path, '\0') != SIZE_MAX)
		return err_set(err, POD_E_SYNTAX, "a unix socket's path has 1 to %zu bytes",
		               sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path.p, path.len);
	addr.len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + path.len + 1);
	*ret_addr = addr;
	return 0;
}

/* host: "127.0.0.1", "::1" (brackets off) or "*", which is every address of both families. */
static int parse_inet(struct span host, uint16_t port, struct net_addr *ret_addr)
{
	struct net_addr addr = {0};
	struct sockaddr_in *in = (struct sockaddr_in *) &addr.ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &addr.ss;
	char text[INET6_ADDRSTRLEN];

	if (host.len >= sizeof(text))
		return -POD_E_SYNTAX;
	memcpy(text, host.p, host.len);
	text[host.len] = '\0';
	if (span_eq(host, SPAN_LIT("*"))) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		addr.len = sizeof(*in6);
	} else if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		addr.len = sizeof(*in);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		addr.len = sizeof(*in6);
	} else {
		return -POD_E_SYNTAX;
	}
	*ret_addr = addr;
	return 0;
}

static size_t last_byte(struct span s, uint8_t c)
{
	const uint8_t *at = s.len ? memrchr(s.p, c, s.len) : NULL;

	return at ? (size_t) (at - s.p) : SIZE_MAX;
}

int net_addr_parse(struct span text, struct net_addr *ret_addr, struct err *err)
{
	size_t colon = last_byte(text, ':');
	struct span host = span_head(text, colon);
	uint32_t port = UINT32_MAX;

	if (span_starts_nocase(text, SPAN_LIT("unix:")))
		return parse_unix(span_skip(text, strlen("unix:")), ret_addr, err);
	if (host.len >= 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
		host = span_head(span_skip(host, 1), host.len - 2);
	else if (span_find_byte(host, ':') != SIZE_MAX)
		host = SPAN_NONE; /* without brackets nobody knows where the port begins */
	if (colon == SIZE_MAX || host.len == 0 || span_to_u32(span_skip(text, colon + 1), &port) < 0 ||
	    port > UINT16_MAX || parse_inet(host, (uint16_t) port, ret_addr) < 0)
		return err_set(err, POD_E_SYNTAX,
		               "\"" SPAN_FMT "\" is not ADDRESS:PORT, [IPV6]:PORT, *:PORT or unix:/PATH",
		               SPAN_ARG(span_head(text, 100)));
	return 0;
}

/* A unix address as the kernel returns it: an unnamed one has no path, and the NUL may be missing. */
static struct span unix_path(const struct net_addr *addr)
{
	size_t head = offsetof(struct sockaddr_un, sun_path);
	size_t room = addr->len > head ? addr->len - head : 0;

	return span_make(as_un(addr)->sun_path, strnlen(as_un(addr)->sun_path, room));
}

char *net_addr_host(const struct net_addr *addr, char *buf, size_t size)
{
	buf[0] = '\0';
	switch (addr->ss.ss_family) {
	case AF_INET: (void) inet_ntop(AF_INET, &as_in(addr)->sin_addr, buf, (socklen_t) size); break;
	case AF_INET6: (void) inet_ntop(AF_INET6, &as_in6(addr)->sin6_addr, buf, (socklen_t) size); break;
	case AF_UNIX: (void) snprintf(buf, size, "unix:" SPAN_FMT, SPAN_ARG(unix_path(addr))); break;
	default: (void) snprintf(buf, size, "unknown"); break;
	}
	return buf;
}

uint16_t net_addr_port(const struct net_addr *addr)
{
	switch (addr->ss.ss_family) {
	case AF_INET: return ntohs(as_in(addr)->sin_port);
	case AF_INET6: return ntohs(as_in6(addr)->sin6_port);
	default: return 0;
	}
}

char *net_addr_format(const struct net_addr *addr, char *buf, size_t size)
{
	char host[NET_ADDR_TEXT_SIZE];

	(void) net_addr_host(addr, host, sizeof(host));
	switch (addr->ss.ss_family) {
	case AF_INET: (void) snprintf(buf, size, "%s:%u", host, net_addr_port(addr)); break;
	case AF_INET6: (void) snprintf(buf, size, "[%s]:%u", host, net_addr_port(addr)); break;
	default: (void) snprintf(buf, size, "%s", host); break;
	}
	return buf;
}

void net_addr_unmap(struct net_addr *addr)
{
	const struct sockaddr_in6 six = *as_in6(addr);
	struct sockaddr_in *four = (struct sockaddr_in *) &addr->ss;

	if (addr->ss.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
		return;
	*addr = (struct net_addr){ .len = sizeof(*four) };
	four->sin_family = AF_INET;
	four->sin_port = six.sin6_port;
	memcpy(&four->sin_addr, six.sin6_addr.s6_addr + 12, 4);
}

bool net_addr_is_loopback(const struct net_addr *addr)
{
	const struct in6_addr *six = &as_in6(addr)->sin6_addr;

	switch (addr->ss.ss_family) {
	case AF_UNIX: return true;
	case AF_INET: return ntohl(as_in(addr)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(six) ||
		       (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == IN_LOOPBACKNET);
	default: return false;
	}
}
