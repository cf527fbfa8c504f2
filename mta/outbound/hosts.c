#include "mta/outbound/hosts.h"

#include <stdio.h>
#include <stdlib.h>

struct hosts_lookup {
	struct dns_lookup *dns;
	char *us;
	hosts_fn *fn;
	void *arg;
};

/*
 * RFC 5321 5.1: where we are among them, those of our preference and behind it are no way on. The answer is
 * sorted, but equals are mixed.
 */
static size_t before_us(const struct dns_answer *a, const char *us)
{
	size_t end = a->n;

	for (size_t i = 0; i < a->n; i++)
		if (span_eq_nocase(span_of(a->mx[i].host), span_of(us)))
			for (end = i; end > 0 && a->mx[end - 1].preference == a->mx[i].preference;)
				end--;
	return end;
}

static void from_mx(struct hosts *h, const struct dns_answer *a, const char *us)
{
	size_t end = before_us(a, us);

	if (a->n == 1 && strcmp(a->mx[0].host, ".") == 0) {
		h->outcome = HOSTS_NONE;
		h->why = "the domain says that it takes no mail (null MX)";
		return;
	}
	if (end == 0) {
		h->outcome = HOSTS_LOOP;
		h->why = "we are the best mail exchanger of the domain, and do not know it";
		return;
	}
	h->outcome = HOSTS_FOUND;
	for (size_t i = 0; i < end && h->n < HOSTS_MAX; i++)
		if (strcmp(a->mx[i].host, ".") != 0)
			h->names[h->n++] = a->mx[i].host;
}

static void fill(struct hosts *h, const struct dns_answer *a, const char *us)
{
	h->secure = a->secure;
	h->canonical = a->canonical && *a->canonical ? a->canonical : a->name;
	h->why = "";
	switch (a->outcome) {
	case DNS_FOUND: from_mx(h, a, us); break;
	case DNS_NODATA:
		h->outcome = HOSTS_FOUND;
		h->implicit = true;
		h->names[h->n++] = a->name;
		break;
	case DNS_NXDOMAIN:
		h->outcome = HOSTS_NO_DOMAIN;
		h->why = "there is no such domain";
		break;
	default:
		h->outcome = HOSTS_TEMPORARY;
		h->why = a->why;
		break;
	}
}

static void lookup_free(struct hosts_lookup *l)
{
	free(l->us);
	free(l);
}

static void on_answer(void *arg, const struct dns_answer *answer)
{
	struct hosts_lookup *l = arg;
	struct hosts h = { 0 };
	hosts_fn *fn = l->fn;
	void *fn_arg = l->arg;

	fill(&h, answer, l->us);
	lookup_free(l);
	fn(fn_arg, &h);
}

int hosts_find(struct dns *dns, const char *domain, const char *us, hosts_fn *fn, void *arg,
               struct hosts_lookup **ret_lookup, struct err *err)
{
	struct hosts_lookup *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return err_set(err, POD_E_NOMEM, "no memory for a lookup");
	*l = (struct hosts_lookup){ .us = strdup(us), .fn = fn, .arg = arg };
	r = !l->us ? err_set(err, POD_E_NOMEM, "no memory for a lookup")
	           : dns_lookup(dns, DNS_MX, domain, 0, on_answer, l, &l->dns, err);
	if (r < 0) {
		lookup_free(l);
		return r;
	}
	*ret_lookup = l;
	return 0;
}

struct hosts_lookup *hosts_cancel(struct hosts_lookup *l)
{
	if (!l)
		return NULL;
	(void) dns_lookup_cancel(l->dns);
	lookup_free(l);
	return NULL;
}
