#include "mta/outbound/look.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "mta/outbound/hosts.h"
#include "mta/outbound/known_as.h"
#include "mta/outbound/mail_name.h"

#define ARENA_MAX (8u << 20)

struct look {
	struct outbound *o;
	struct arena *arena;
	struct event due; /* the first step is taken from the loop */
	look_fn *fn;
	void *arg;
	const char *domain; /* ASCII, lower case; or the literal */
	bool routed; /* by outbound.routes, which a reload may replace meanwhile: what is needed of it is kept
	              */
	enum tls_wish wish;
	uint16_t port;
	struct tls_domain tls_domain;
	const char *names[HOSTS_MAX];
	size_t n, at;
	bool mx_secure;
	struct tlspolicy_wait *policy_wait;
	struct hosts_lookup *hosts_lookup;
	struct dns_lookup *address_lookup;
	json_t *answer, *host; /* host: the one that is looked at, borrowed */
};

static void finish(struct look *l)
{
	json_t *answer = l->answer;
	look_fn *fn = l->fn;
	void *arg = l->arg;

	l->answer = NULL;
	(void) look_cancel(l);
	fn(arg, answer);
}

static void set_text(json_t *object, const char *key, const char *text)
{
	(void) json_object_set_new(object, key, json_string(text));
}

static void fail(struct look *l, const char *why)
{
	set_text(l->answer, "error", why);
	finish(l);
}

/* ---- one host after the other ---- */

static void next_host(struct look *l);

static void pass_over(struct look *l, const char *why)
{
	(void) json_object_set_new(l->host, "use", json_false());
	set_text(l->host, "why", why);
	next_host(l);
}

static void look_on_demand(void *arg, const struct tls_demand *d)
{
	struct look *l = arg;

	l->policy_wait = NULL;
	if (!d) {
		fail(l, "out of memory");
		return;
	}
	set_text(l->host, "tls", tls_level_name(d->level));
	set_text(l->host, "policy", tls_source_name(d->source));
	if (d->use != TLS_USE_HOST) {
		pass_over(l, d->why);
		return;
	}
	(void) json_object_set_new(l->host, "use", json_true());
	next_host(l);
}

static void ask_policy(struct look *l, const struct tls_host *host)
{
	struct err err = { 0 };

	if (tlspolicy_host(l->o->policy, &l->tls_domain, host, l->arena, look_on_demand, l, &l->policy_wait,
	                   &err) < 0)
		pass_over(l, err_text(&err));
}

static void add_address(struct look *l, const struct net_addr *addr)
{
	const struct outbound_conf *c = &l->o->conf->outbound;
	char text[NET_ADDR_TEXT_SIZE];

	if (addr->ss.ss_family == AF_INET6 ? c->ipv6 : c->ipv4)
		(void) json_array_append_new(json_object_get(l->host, "addresses"),
		                             json_string(net_addr_host(addr, text, sizeof(text))));
}

static void look_on_addresses(void *arg, const struct dns_answer *answer)
{
	struct look *l = arg;
	const char *name = json_string_value(json_object_get(l->host, "host"));
	const struct tls_host host = { .name = name,
		                       .canonical = answer->canonical && *answer->canonical
		                                            ? answer->canonical
		                                            : name,
		                       .mx_secure = l->mx_secure,
		                       .addr_secure = answer->secure,
		                       .configured = l->routed,
		                       .port = l->port };

	l->address_lookup = NULL;
	for (size_t i = 0; answer->outcome == DNS_FOUND && i < answer->n; i++)
		add_address(l, &answer->addr[i]);
	if (json_array_size(json_object_get(l->host, "addresses")))
		ask_policy(l, &host);
	else
		pass_over(l, answer->why[0] ? answer->why : "it has no address that we reach");
}

static void look_at_literal(struct look *l, const char *name)
{
	struct tls_host host = { .literal = true, .configured = l->routed, .port = l->port };
	struct net_addr addr;

	host.name = host.canonical = known_as(l->arena, name);
	if (mail_name_literal(span_of(name), l->port, &addr) < 0 || !host.name) {
		pass_over(l, "that is no address");
		return;
	}
	add_address(l, &addr);
	ask_policy(l, &host);
}

static void next_host(struct look *l)
{
	const char *name = l->at < l->n ? l->names[l->at++] : NULL;
	struct err err = { 0 };

	if (!name) {
		finish(l);
		return;
	}
	l->host = json_pack("{s:s, s:i, s:[]}", "host", name, "port", l->port, "addresses");
	if (!l->host || json_array_append_new(json_object_get(l->answer, "hosts"), l->host) < 0)
		fail(l, "out of memory");
	else if (mail_name_is_literal(span_of(name)))
		look_at_literal(l, name);
	else if (dns_lookup(l->o->dns, DNS_ADDR, name, 0, look_on_addresses, l, &l->address_lookup, &err) < 0)
		pass_over(l, err_text(&err));
}

/* ---- the destination ---- */

static void look_on_hosts(void *arg, const struct hosts *h)
{
	struct look *l = arg;

	l->hosts_lookup = NULL;
	if (h->outcome != HOSTS_FOUND) {
		fail(l, *h->why ? h->why : "the lookup failed");
		return;
	}
	set_text(l->answer, "by", h->implicit ? "address" : "mx");
	l->mx_secure = h->secure;
	(void) json_object_set_new(l->answer, "dnssec", json_boolean(h->secure));
	for (size_t i = 0; i < h->n; i++) {
		l->names[l->n] = arena_str(l->arena, span_of(h->names[i]));
		l->n += l->names[l->n] != NULL;
	}
	next_host(l);
}

static void look_on_domain(void *arg, const struct tls_domain *domain)
{
	struct look *l = arg;
	struct err err = { 0 };

	l->policy_wait = NULL;
	if (!domain) {
		fail(l, "out of memory");
		return;
	}
	l->tls_domain = *domain;
	if (l->routed)
		l->tls_domain.wish = l->wish;
	if (domain->sts)
		set_text(l->answer, "sts", sts_mode_name(domain->sts->mode));
	if (l->n)
		next_host(l);
	else if (hosts_find(l->o->dns, l->domain, l->o->conf->mta.hostname, look_on_hosts, l,
	                    &l->hosts_lookup, &err) < 0)
		fail(l, err_text(&err));
}

/* Where the way begins: a route's host, the address of a literal; NULL: the DNS has to be asked. */
static const char *fixed_host(struct look *l)
{
	static const char *const tls[] = { [ROUTE_TLS_MAY] = "may",
		                           [ROUTE_TLS_REQUIRED] = "required",
		                           [ROUTE_TLS_VERIFY] = "verify",
		                           [ROUTE_TLS_NONE] = "none" };
	const struct route *r = routes_find(l->o->routes, span_of(l->domain));

	l->port = r && r->port ? r->port : (uint16_t) l->o->conf->outbound.port;
	if (r) {
		l->routed = true;
		l->wish = known_as_wish(r);
		set_text(l->answer, "by", "route");
		(void) json_object_set_new(l->answer, "route",
		                           json_pack("{s:s, s:s, s:i, s:s, s:b}", "destination",
		                                     r->destination, "host", r->host, "port", l->port, "tls",
		                                     tls[r->tls], "login", r->login != NULL));
		return arena_str(l->arena, span_of(r->host));
	}
	if (!mail_name_is_literal(span_of(l->domain)))
		return NULL;
	set_text(l->answer, "by", "literal");
	return l->domain;
}

static void look_on_due(evutil_socket_t fd, short what, void *arg)
{
	struct look *l = arg;
	const char *domain = l->domain, *fixed, *name;
	struct err err = { 0 };

	if (!mail_name_is_literal(span_of(domain)) &&
	    mail_name_ascii(l->arena, span_of(domain), &l->domain) < 0) {
		fail(l, "the destination is no domain");
		return;
	}
	fixed = fixed_host(l);
	if (fixed)
		l->names[l->n++] = fixed;
	name = known_as(l->arena, fixed ? fixed : l->domain);
	if (!name || tlspolicy_domain(l->o->policy, name, fixed && mail_name_is_literal(span_of(fixed)),
	                              l->arena, look_on_domain, l, &l->policy_wait, &err) < 0)
		fail(l, name ? err_text(&err) : "out of memory");
}

struct look *look_start(struct outbound *o, const char *domain, look_fn *fn, void *arg)
{
	struct look *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	*l = (struct look){ .o = o, .arena = arena_create(ARENA_MAX), .fn = fn, .arg = arg };
	(void) evtimer_assign(&l->due, o->base, look_on_due, l);
	l->domain = l->arena ? arena_str(l->arena, span_of(domain)) : NULL;
	l->answer = json_pack("{s:s, s:[]}", "domain", domain, "hosts");
	if (!l->domain || !l->answer)
		return look_cancel(l);
	event_active(&l->due, EV_TIMEOUT, 0);
	return l;
}

struct look *look_cancel(struct look *l)
{
	if (!l)
		return NULL;
	(void) event_del(&l->due);
	(void) tlspolicy_cancel(l->policy_wait);
	(void) hosts_cancel(l->hosts_lookup);
	(void) dns_lookup_cancel(l->address_lookup);
	json_decref(l->answer);
	(void) arena_free(l->arena);
	free(l);
	return NULL;
}
