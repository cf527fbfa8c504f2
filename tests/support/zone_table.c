#include "tests/support/zone_table.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROWS_MAX 64 /* answers to one question, and rows of a parsed table */

struct net_addr zone_addr(const char *text)
{
	struct net_addr addr = { .len = sizeof(struct sockaddr_in) };

	addr.ss.ss_family = AF_INET;
	if (inet_pton(AF_INET, text, &((struct sockaddr_in *) &addr.ss)->sin_addr) == 1)
		return addr;
	addr = (struct net_addr){ .len = sizeof(struct sockaddr_in6) };
	addr.ss.ss_family = AF_INET6;
	(void) inet_pton(AF_INET6, text, &((struct sockaddr_in6 *) &addr.ss)->sin6_addr);
	return addr;
}

static void add(struct dns_answer *ret, struct arena *a, const char *value)
{
	size_t i = ret->n++;
	char *end;

	switch (ret->type) {
	case DNS_A:
	case DNS_AAAA: ((struct net_addr *) (uintptr_t) ret->addr)[i] = zone_addr(value); break;
	case DNS_MX:
		((struct dns_mx *) (uintptr_t) ret->mx)[i].preference = (uint16_t) strtoul(value, &end, 10);
		((struct dns_mx *) (uintptr_t) ret->mx)[i].host = end + 1;
		break;
	case DNS_TXT: ((struct span *) (uintptr_t) ret->txt)[i] = span_of(value); break;
	default: ((const char **) (uintptr_t) ret->names)[i] = value; break;
	}
}

static void table_ask(void *ctx, enum dns_type type, const char *name, struct arena *a,
                      struct dns_answer *ret)
{
	struct zone_table *t = ctx;
	bool there = false;

	t->asked++;
	*ret = (struct dns_answer){
		.type = type, .outcome = DNS_NXDOMAIN, .name = name, .canonical = name, .why = "", .ttl_s = 60
	};
	ret->addr = arena_array(a, ROWS_MAX, sizeof(*ret->addr));
	ret->mx = arena_array(a, ROWS_MAX, sizeof(*ret->mx));
	ret->txt = arena_array(a, ROWS_MAX, sizeof(*ret->txt));
	ret->names = arena_array(a, ROWS_MAX, sizeof(*ret->names));
	for (size_t i = 0; i < t->n && ret->n < ROWS_MAX; i++) {
		if (strcasecmp(t->rows[i].name, name) != 0)
			continue;
		there = true;
		if (t->rows[i].type != type)
			continue;
		if (!t->rows[i].value) {
			ret->outcome = DNS_TEMPORARY;
			ret->why = "nobody answers";
			return;
		}
		add(ret, a, t->rows[i].value);
	}
	ret->outcome = ret->n ? DNS_FOUND : there ? DNS_NODATA : DNS_NXDOMAIN;
}

struct lookup zone_table_lookup(struct zone_table *table)
{
	return (struct lookup){ .ask = table_ask, .ctx = table };
}

static enum dns_type type_of(struct span name)
{
	for (int i = 0; i < DNS_TYPES; i++)
		if (span_eq_nocase(name, span_of(dns_type_name((enum dns_type) i))))
			return (enum dns_type) i;
	return DNS_TXT;
}

struct zone_table zone_table_parse(struct arena *a, const char *text)
{
	struct zone_row *rows = arena_array(a, ROWS_MAX, sizeof(*rows));
	struct zone_table t = { .rows = rows };
	struct span rest = span_of(text);

	while (rest.len && t.n < ROWS_MAX) {
		struct span value, line = span_split(rest, '\n', &rest);
		struct span name = span_split(line, '\t', &value), type = span_split(value, '\t', &value);

		if (value.p)
			rows[t.n++] = (struct zone_row){ .name = arena_str(a, name),
				                         .type = type_of(type),
				                         .value = arena_str(a, value) };
	}
	return t;
}
