#include "mta/podfilter/dns_lists.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static bool ipv4_of(const struct net_addr *addr, uint32_t *ret_host_order)
{
	if (!addr->len || addr->ss.ss_family != AF_INET)
		return false;
	*ret_host_order = ntohl(((const struct sockaddr_in *) (const void *) &addr->ss)->sin_addr.s_addr);
	return true;
}

bool dns_list_is_refusal(const struct net_addr *answer)
{
	uint32_t a;

	return ipv4_of(answer, &a) && (a & 0xffffff00) == 0x7fffff00;
}

bool dns_list_counts(const struct filter_dns_list *list, const struct net_addr *answer)
{
	uint32_t a;
	uint8_t last;

	if (!ipv4_of(answer, &a) || dns_list_is_refusal(answer) || (a & list->mask) != list->addr)
		return false;
	last = (uint8_t) a;
	return last >= list->first && last <= list->last && (!list->bits || (last & list->bits));
}
