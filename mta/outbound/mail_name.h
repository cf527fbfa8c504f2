/* Domains of addresses as the DNS and the wire need them. Pure, but for libidn2's tables. */
#ifndef POD_MTA_OUTBOUND_MAIL_NAME_H
#define POD_MTA_OUTBOUND_MAIL_NAME_H

#include "base/arena.h"
#include "base/err.h"
#include "net/listener.h"

/* The xn-- form of a domain, lower case (RFC 5890); in a. -POD_E_SYNTAX: it has none. */
int mail_name_ascii(struct arena *a, struct span domain, const char **ret_ascii);
/*
 * The address of an address literal, "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 4.1.3), at a port.
 * -POD_E_SYNTAX: it is none.
 */
int mail_name_literal(struct span text, uint16_t port, struct net_addr *ret_addr);
bool mail_name_is_literal(struct span domain);
bool mail_name_is_ascii(struct span s);

#endif
