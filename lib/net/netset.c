/* Sets of networks. IPv4 is kept in its mapped form (::ffff:a.b.c.d), so that there is one comparison. */
#include "net/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#define SET_MAX 1024

struct net {
	uint8_t addr[16];
	unsigned int bits; /* of the 128 */
};

struct net_set {
	size_t n;
	struct net nets[];
};

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static int parse_address(struct span text, uint8_t addr[16], unsigned int *ret_width)
{
	char s[INET6_ADDRSTRLEN];

	if (text.len == 0 || text.len >= sizeof(s))
		return -POD_E_SYNTAX;
	memcpy(s, text.p, text.len);
	s[text.len] = '\0';
	if (inet_pton(AF_INET6, s, addr) == 1) {
		*ret_width = 128;
		return 0;
	}
	memcpy(addr, mapped_prefix, sizeof(mapped_prefix));
	*ret_width = 32;
	return inet_pton(AF_INET, s, addr + 12) == 1 ? 0 : -POD_E_SYNTAX;
}

static bool same_network(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

/* address ["/" bits]; bits set behind the network's width are more likely a slip than meant. */
static int parse_net(struct span text, struct net *ret_net, struct err *err)
{
	struct span bits_text, addr_text = span_split(text, '/', &bits_text);
	struct net net;
	uint8_t host_bits[16] = {0};
	unsigned int width;
	uint32_t bits = 0;

	if (parse_address(addr_text, net.addr, &width) < 0 ||
	    (bits_text.p && (span_to_u32(bits_text, &bits) < 0 || bits > width)))
		return err_set(err, POD_E_SYNTAX,
		               "\"" SPAN_FMT "\" is not a network (like 10.0.0.0/8 or ::1)",
		               SPAN_ARG(span_head(text, 100)));
	net.bits = 128 - width + (bits_text.p ? bits : width);
	memcpy(host_bits, net.addr, sizeof(host_bits));
	for (unsigned int b = net.bits; b < 128; b++)
		host_bits[b / 8] &= (uint8_t) ~(0x80u >> b % 8);
	if (memcmp(host_bits, net.addr, sizeof(host_bits)) != 0)
		return err_set(err, POD_E_SYNTAX, "\"" SPAN_FMT "\" has bits set behind /%u", SPAN_ARG(text),
		               bits);
	*ret_net = net;
	return 0;
}

static struct span next_item(struct span *rest)
{
	return span_trim(span_split(*rest, ',', rest));
}

int net_set_parse(struct span text, struct net_set **ret_set, struct err *err)
{
	size_t n = 1;
	struct net_set *set;

	for (size_t i = 0; i < text.len; i++)
		n += text.p[i] == ',';
	if (n > SET_MAX)
		return err_set(err, POD_E_LIMIT, "more than %d networks", SET_MAX);
	set = calloc(1, sizeof(*set) + n * sizeof(struct net));
	if (!set)
		return err_set(err, POD_E_NOMEM, "set of networks");
	for (struct span rest = text; rest.p;) {
		struct span item = next_item(&rest);
		int r = item.len ? parse_net(item, &set->nets[set->n], err) : 0;

		if (r < 0) {
			free(set);
			return r;
		}
		set->n += item.len > 0;
	}
	*ret_set = set;
	return 0;
}

bool net_set_has(const struct net_set *set, const struct net_addr *addr)
{
	uint8_t a[16];

	if (addr->ss.ss_family == AF_INET6) {
		memcpy(a, &((const struct sockaddr_in6 *) &addr->ss)->sin6_addr, 16);
	} else if (addr->ss.ss_family == AF_INET) {
		memcpy(a, mapped_prefix, sizeof(mapped_prefix));
		memcpy(a + 12, &((const struct sockaddr_in *) &addr->ss)->sin_addr, 4);
	} else {
		return false;
	}
	for (size_t i = 0; i < set->n; i++)
		if (same_network(a, set->nets[i].addr, set->nets[i].bits))
			return true;
	return false;
}

struct net_set *net_set_free(struct net_set *set)
{
	free(set);
	return NULL;
}
