/* What the files of lib/dns share. */
#ifndef POD_DNS_INTERNAL_H
#define POD_DNS_INTERNAL_H

#include "base/arena.h"
#include "dns/dns.h"

/* The number of a type in queries (RFC 1035 3.2.2); DNS_ADDR has none. */
int dns_type_number(enum dns_type type);

/*
 * Reads a reply in wire format (RFC 1035 4.1) to a question for a type, of which it believes nothing. Memory
 * is a's. answer->name and type are set before; fills outcome, canonical, ttl_s and the records.
 *   -POD_E_SYNTAX  it is no such reply
 *   -POD_E_LIMIT   more than a may hold
 */
int dns_reply_parse(struct span packet, struct arena *a, struct dns_answer *answer);

/* Puts the answer of one more family behind or before what is there, as DNS_ADDR says. */
int dns_answer_merge(struct dns_answer *into, const struct dns_answer *half, struct arena *a);

/* By preference, equals mixed. */
void dns_mx_sort(struct dns_mx *mx, size_t n);

#endif
