#include "mta/tlspolicy/tlsa.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/cleanup.h"

struct tlsa_lookup {
	struct dns *dns;
	struct dns_lookup *lookup;
	char name[DNS_NAME_SIZE], canonical[DNS_NAME_SIZE];
	const char *bases[2]; /* to be tried in this order; NULL behind the last */
	unsigned int at;
	uint16_t port;
	tlsa_fn *fn;
	void *arg;
};

static bool is_alias(const struct tls_host *h)
{
	return strcasecmp(h->name, h->canonical) != 0;
}

bool tlsa_may_be(const struct tls_host *h)
{
	return (h->mx_secure || h->configured) && !h->literal && (h->addr_secure || is_alias(h));
}

static void finish(struct tlsa_lookup *l, const struct tls_tlsa *tlsa)
{
	l->fn(l->arg, tlsa);
	free(l);
}

static void finish_with(struct tlsa_lookup *l, const struct dns_answer *answer)
{
	_cleanup_(freep) struct tls_dane_record *records = calloc(answer->n, sizeof(*records));
	struct tls_tlsa tlsa = {
		.state = TLSA_FOUND, .base = l->bases[l->at], .records = records, .n = answer->n
	};

	if (!records)
		tlsa = (struct tls_tlsa){ .state = TLSA_FAILED, .why = "out of memory" };
	for (size_t i = 0; records && i < answer->n; i++)
		records[i] = (struct tls_dane_record){ answer->tlsa[i].usage, answer->tlsa[i].selector,
			                               answer->tlsa[i].matching, answer->tlsa[i].data };
	finish(l, &tlsa);
}

static void fail(struct tlsa_lookup *l, const char *why)
{
	char text[DNS_NAME_SIZE + 300];
	const struct tls_tlsa tlsa = { .state = TLSA_FAILED, .why = text };

	(void) snprintf(text, sizeof(text), "the TLSA records of %s cannot be had: %.200s", l->name, why);
	finish(l, &tlsa);
}

static void ask(struct tlsa_lookup *l);

/* RFC 7672 2.2: insecure records are none; a failure is not an absence. */
static void on_records(void *arg, const struct dns_answer *answer)
{
	struct tlsa_lookup *l = arg;

	l->lookup = NULL;
	if (answer->outcome == DNS_TEMPORARY || answer->outcome == DNS_BOGUS) {
		fail(l, answer->why);
	} else if (answer->outcome == DNS_FOUND && answer->secure) {
		finish_with(l, answer);
	} else {
		l->at++;
		ask(l);
	}
}

static void ask(struct tlsa_lookup *l)
{
	static const struct tls_tlsa none = { .state = TLSA_NONE };
	char name[DNS_NAME_SIZE + 16];

	if (l->at == ARRAY_SIZE(l->bases) || !l->bases[l->at]) {
		finish(l, &none);
		return;
	}
	(void) snprintf(name, sizeof(name), "_%u._tcp.%s", l->port, l->bases[l->at]);
	if (!dns_name_is_valid(name)) { /* too long a name for records to be under it */
		l->at++;
		ask(l);
	} else if (dns_lookup(l->dns, DNS_TLSA, name, 0, on_records, l, &l->lookup, NULL) < 0) {
		fail(l, "out of memory");
	}
}

/* RFC 7672 2.2.2: an alias out of the signed part of the world; its own name may still have records. */
static void on_alias(void *arg, const struct dns_answer *answer)
{
	struct tlsa_lookup *l = arg;

	l->lookup = NULL;
	if (answer->outcome == DNS_TEMPORARY || answer->outcome == DNS_BOGUS) {
		fail(l, answer->why);
		return;
	}
	if (answer->outcome == DNS_FOUND && answer->secure)
		l->bases[0] = l->name;
	ask(l);
}

/* RFC 7672 2.2.3: where a secure alias led first, then its own name. */
static int begin(struct tlsa_lookup *l, const struct tls_host *h, struct err *err)
{
	char name[DNS_NAME_SIZE + 16];

	if (!h->addr_secure)
		return dns_lookup(l->dns, DNS_CNAME, l->name, 0, on_alias, l, &l->lookup, err);
	l->bases[0] = is_alias(h) ? l->canonical : l->name;
	l->bases[1] = is_alias(h) ? l->name : NULL;
	(void) snprintf(name, sizeof(name), "_%u._tcp.%s", l->port, l->bases[0]);
	return dns_lookup(l->dns, DNS_TLSA, name, 0, on_records, l, &l->lookup, err);
}

int tlsa_find(struct dns *dns, const struct tls_host *host, tlsa_fn *fn, void *arg,
              struct tlsa_lookup **ret_lookup, struct err *err)
{
	struct tlsa_lookup *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return err_set(err, POD_E_NOMEM, "TLSA records of %s", host->name);
	l->dns = dns;
	l->port = host->port;
	l->fn = fn;
	l->arg = arg;
	(void) snprintf(l->name, sizeof(l->name), "%s", host->name);
	(void) snprintf(l->canonical, sizeof(l->canonical), "%s", host->canonical);
	r = begin(l, host, err);
	if (r < 0) {
		free(l);
		return r;
	}
	*ret_lookup = l;
	return 0;
}

struct tlsa_lookup *tlsa_cancel(struct tlsa_lookup *l)
{
	if (l) {
		(void) dns_lookup_cancel(l->lookup);
		free(l);
	}
	return NULL;
}
