/* An answer of the DNS copied into an arena. */
#include "mta/podfilter/resolver.h"

struct copy {
	struct arena *a;
	struct dns_answer *to;
	bool full;
};

static const char *copy_str(struct copy *c, const char *s)
{
	char *out = arena_str(c->a, span_of(s ? s : ""));

	c->full |= !out;
	return out;
}

static struct span copy_span(struct copy *c, struct span s)
{
	struct span out = arena_dup(c->a, s);

	c->full |= s.len && !out.p;
	return out;
}

static const void *copy_array(struct copy *c, const void *from, size_t n, size_t size)
{
	void *out = from ? arena_array(c->a, n, size) : NULL;

	c->full |= from && !out;
	if (out)
		memcpy(out, from, n * size);
	return out;
}

static void copy_records(struct copy *c, const struct dns_answer *from)
{
	struct dns_mx *mx = (struct dns_mx *) (uintptr_t) copy_array(c, from->mx, from->n, sizeof(*mx));
	struct dns_tlsa *tlsa =
		(struct dns_tlsa *) (uintptr_t) copy_array(c, from->tlsa, from->n, sizeof(*tlsa));
	struct span *txt = (struct span *) (uintptr_t) copy_array(c, from->txt, from->n, sizeof(*txt));
	const char **names = (const char **) (uintptr_t) copy_array(c, from->names, from->n, sizeof(*names));

	for (size_t i = 0; i < from->n; i++) {
		if (mx)
			mx[i].host = copy_str(c, mx[i].host);
		if (tlsa)
			tlsa[i].data = copy_span(c, tlsa[i].data);
		if (txt)
			txt[i] = copy_span(c, txt[i]);
		if (names)
			names[i] = copy_str(c, names[i]);
	}
	c->to->mx = mx;
	c->to->tlsa = tlsa;
	c->to->txt = txt;
	c->to->names = names;
	c->to->addr = copy_array(c, from->addr, from->n, sizeof(*from->addr));
}

static void take(void *arg, const struct dns_answer *from)
{
	struct copy *c = arg;

	*c->to = *from;
	c->to->name = copy_str(c, from->name);
	c->to->canonical = copy_str(c, from->canonical);
	c->to->why = copy_str(c, from->why);
	copy_records(c, from);
	if (c->full)
		*c->to = (struct dns_answer){ .type = from->type,
			                      .outcome = DNS_TEMPORARY,
			                      .name = "",
			                      .canonical = "",
			                      .why = "out of memory" };
}

void resolver_lookup(void *resolver, enum dns_type type, const char *name, struct arena *a,
                     struct dns_answer *ret_answer)
{
	struct copy c = { .a = a, .to = ret_answer };
	const struct resolver_query q = { .type = type, .name = name, .take = take, .arg = &c };

	resolver_ask(resolver, &q, 1, 0);
}
