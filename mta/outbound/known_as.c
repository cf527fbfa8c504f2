#include "mta/outbound/known_as.h"

#include "mta/outbound/mail_name.h"

const char *known_as(struct arena *a, const char *name)
{
	struct net_addr addr;
	char host[NET_ADDR_TEXT_SIZE];

	if (!mail_name_is_literal(span_of(name)))
		return name;
	if (mail_name_literal(span_of(name), 0, &addr) < 0)
		return name;
	return arena_str(a, span_of(net_addr_host(&addr, host, sizeof(host))));
}

enum tls_wish known_as_wish(const struct route *r)
{
	static const enum tls_wish wishes[] = { [ROUTE_TLS_MAY] = TLS_WISH_MAY,
		                                [ROUTE_TLS_REQUIRED] = TLS_WISH_ENCRYPT,
		                                [ROUTE_TLS_VERIFY] = TLS_WISH_VERIFY,
		                                [ROUTE_TLS_NONE] = TLS_WISH_NONE };

	return wishes[r->tls];
}
