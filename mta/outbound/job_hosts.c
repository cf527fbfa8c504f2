/* From a destination to addresses: a literal, a smart host, or the MX of its domain; and what their TLS has
 * to show. */
#include <netinet/in.h>
#include <stdio.h>

#include "base/clock.h"
#include "mta/outbound/job.h"
#include "mta/outbound/known_as.h"
#include "mta/outbound/mail_name.h"

static void out_of_memory(struct job *j)
{
	job_note_ours(j, OUTBOUND__TROUBLE__LOCAL, 451, "4.3.0", "out of memory");
	job_finish(j);
}

static uint16_t port_of(const struct job *j)
{
	return j->route && j->route->port ? j->route->port : (uint16_t) j->o->conf->outbound.port;
}

void job_hosts_cancel(struct job *j)
{
	j->hosts_lookup = hosts_cancel(j->hosts_lookup);
	j->address_lookup = dns_lookup_cancel(j->address_lookup);
	j->domain_wait = tlspolicy_cancel(j->domain_wait);
	j->host_wait = tlspolicy_cancel(j->host_wait);
}

/* ---- addresses ---- */

static bool is_wanted(const struct job *j, const struct net_addr *a)
{
	const struct outbound_conf *c = &j->o->conf->outbound;

	return a->ss.ss_family == AF_INET6 ? c->ipv6 : a->ss.ss_family == AF_INET && c->ipv4;
}

static void add_address(struct job *j, const struct net_addr *from)
{
	struct net_addr *a;

	if (j->n_addresses == JOB_ADDRESSES_MAX || !is_wanted(j, from))
		return;
	a = &j->addresses[j->n_addresses++];
	*a = *from;
	if (a->ss.ss_family == AF_INET6)
		((struct sockaddr_in6 *) (void *) &a->ss)->sin6_port = htons(port_of(j));
	else
		((struct sockaddr_in *) (void *) &a->ss)->sin_port = htons(port_of(j));
}

/* One of each family in turn (RFC 8305 4): where one leads nowhere, the next to be tried is of the other. */
static void add_addresses(struct job *j, const struct dns_answer *answer)
{
	size_t v6 = 0, v4 = 0, n = answer->n;

	while (v6 < n || v4 < n) {
		while (v6 < n && answer->addr[v6].ss.ss_family != AF_INET6)
			v6++;
		if (v6 < n)
			add_address(j, &answer->addr[v6++]);
		while (v4 < n && answer->addr[v4].ss.ss_family == AF_INET6)
			v4++;
		if (v4 < n)
			add_address(j, &answer->addr[v4++]);
	}
}

static void no_address(struct job *j, const struct dns_answer *answer)
{
	const char *host = j->place.host;
	bool known = answer->outcome == DNS_NODATA || answer->outcome == DNS_NXDOMAIN ||
	             answer->outcome == DNS_FOUND;
	char text[400];

	if (known) {
		(void) snprintf(text, sizeof(text),
		                j->implicit ? "%s has neither MX nor addresses"
		                            : "the mail exchanger %s has no address that we reach",
		                host);
		job_note_ours(j, OUTBOUND__TROUBLE__NONE, 550, j->implicit ? "5.1.2" : "5.4.4", text);
	} else {
		(void) snprintf(text, sizeof(text), "the address of %s is not to be had: %s", host,
		                answer->why);
		job_note_ours(j, OUTBOUND__TROUBLE__LOOKUP, 451, "4.4.3", text);
	}
	job_next_place(j);
}

/* ---- what is demanded of TLS ---- */

static bool may_be_used(struct job *j, const struct tls_demand *d)
{
	struct tls_session session = { .result = d->fault, .reason = d->why };

	if (d->use == TLS_USE_HOST)
		return true;
	if (d->fault != TLS_RESULT_SUCCESS)
		tlspolicy_report(j->o->policy, d, &session);
	if (d->use == TLS_USE_OTHER)
		job_note_ours(j, OUTBOUND__TROUBLE__TLS, 451, "4.7.5", d->why);
	else
		job_note_ours(j, OUTBOUND__TROUBLE__TLS, 550, "5.7.30", d->why);
	return false;
}

static void on_demand(void *job, const struct tls_demand *demand)
{
	struct job *j = job;
	struct tls_demand *mine = demand ? arena_new(j->arena, struct tls_demand) : NULL;
	unsigned int flags = (j->record->require_tls ? TLS_MESSAGE_REQUIRE : 0) |
	                     (j->record->tls_optional ? TLS_MESSAGE_OPTIONAL : 0);

	j->host_wait = NULL;
	if (!mine) {
		out_of_memory(j);
		return;
	}
	tls_demand_for_message(demand, flags, mine);
	j->demand = mine;
	if (!may_be_used(j, mine)) {
		j->n_addresses = 0;
		job_next_place(j);
	} else if (!job_reuse_key(j, j->place.host, mine)) {
		job_next_place(j);
	}
}

static void ask_policy(struct job *j, const struct tls_host *host)
{
	struct err err = { 0 };

	if (tlspolicy_host(j->o->policy, &j->tls_domain, host, j->arena, on_demand, j, &j->host_wait, &err) <
	    0) {
		job_note_ours(j, OUTBOUND__TROUBLE__LOCAL, 451, "4.3.0", err_text(&err));
		job_finish(j);
	}
}

static void on_addresses(void *job, const struct dns_answer *answer)
{
	struct job *j = job;
	struct tls_host host = { .name = j->place.host,
		                 .mx_secure = j->mx_secure,
		                 .addr_secure = answer->secure,
		                 .configured = j->route != NULL,
		                 .port = port_of(j) };

	j->address_lookup = NULL;
	if (answer->outcome == DNS_FOUND)
		add_addresses(j, answer);
	if (j->n_addresses == 0) {
		no_address(j, answer);
		return;
	}
	host.canonical = answer->canonical && *answer->canonical ? answer->canonical : host.name;
	ask_policy(j, &host);
}

/* Brackets off: how a literal is known to TLS. */
static void use_literal(struct job *j, struct span text)
{
	struct net_addr addr;
	char host[NET_ADDR_TEXT_SIZE];
	struct tls_host h = { .literal = true, .configured = j->route != NULL, .port = port_of(j) };

	if (mail_name_literal(text, port_of(j), &addr) < 0) {
		job_note_ours(j, OUTBOUND__TROUBLE__NONE, 550, "5.1.2", "the destination is no address");
		job_finish(j);
		return;
	}
	add_address(j, &addr);
	if (j->n_addresses == 0)
		job_note_ours(j, OUTBOUND__TROUBLE__NONE, 550, "5.4.4",
		              "we do not send over this version of IP");
	h.name = h.canonical = arena_str(j->arena, span_of(net_addr_host(&addr, host, sizeof(host))));
	if (!h.name)
		out_of_memory(j);
	else
		ask_policy(j, &h);
}

static void use_host(struct job *j, const char *name)
{
	struct err err = { 0 };
	int r;

	j->n_addresses = 0;
	j->demand = NULL;
	j->place = (struct job_place){ .host = name };
	if (mail_name_is_literal(span_of(name))) {
		use_literal(j, span_of(name));
		return;
	}
	r = dns_lookup(j->o->dns, DNS_ADDR, name, 0, on_addresses, j, &j->address_lookup, &err);
	if (r < 0) {
		bool ours = r == -POD_E_NOMEM;

		job_note_ours(j, ours ? OUTBOUND__TROUBLE__LOCAL : OUTBOUND__TROUBLE__NONE, ours ? 451 : 550,
		              ours ? "4.3.0" : "5.4.4", err_text(&err));
		job_next_place(j);
	}
}

/* ---- one after the other ---- */

/* True: it did not answer lately, and is asked when nobody else is left. */
static bool put_off(struct job *j, const struct net_addr *addr)
{
	if (j->n_put_off == JOB_PUT_OFF_MAX || !memory_is_silent(j->o->memory, addr, clock_mono_ms()))
		return false;
	j->put_off[j->n_put_off++] = (struct job_place){ j->place.host, *addr, j->demand };
	return true;
}

/* True: it is on its way to one of the host's addresses. */
static bool try_addresses(struct job *j)
{
	const struct job_place place = { .host = j->place.host, .demand = j->demand };
	struct net_addr ready[JOB_ADDRESSES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < j->n_addresses; i++)
		if (!put_off(j, &j->addresses[i]))
			ready[n++] = j->addresses[i];
	j->n_addresses = 0;
	if (n)
		job_connect(j, &place, ready, n);
	return n > 0;
}

static void try_put_off(struct job *j)
{
	const struct job_place *place = &j->put_off[j->put_off_at++];

	j->n_addresses = 0;
	job_connect(j, place, &place->addr, 1);
}

void job_next_place(struct job *j)
{
	if (j->tries >= j->o->conf->outbound.hosts_max)
		job_finish(j);
	else if (j->demand && try_addresses(j))
		return;
	else if (j->host_at < j->n_hosts)
		use_host(j, j->hosts[j->host_at++]);
	else if (j->put_off_at < j->n_put_off)
		try_put_off(j);
	else
		job_finish(j);
}

/* ---- the destination ---- */

static void both_known(struct job *j)
{
	if (j->hosts_known && j->domain_known)
		job_next_place(j);
}

static void no_hosts(struct job *j, const struct hosts *h)
{
	static const struct {
		Outbound__Trouble trouble;
		unsigned int code;
		const char *enhanced;
	} said[] = {
		[HOSTS_NONE] = { OUTBOUND__TROUBLE__NONE, 556, "5.1.10" }, /* RFC 7505 4.2 */
		[HOSTS_NO_DOMAIN] = { OUTBOUND__TROUBLE__NONE, 550, "5.1.2" },
		[HOSTS_LOOP] = { OUTBOUND__TROUBLE__NONE, 554, "5.4.6" },
		[HOSTS_TEMPORARY] = { OUTBOUND__TROUBLE__LOOKUP, 451, "4.4.3" },
	};
	char text[400];

	(void) snprintf(text, sizeof(text), "%s: %s", j->domain, *h->why ? h->why : "the lookup failed");
	job_note_ours(j, said[h->outcome].trouble, said[h->outcome].code, said[h->outcome].enhanced, text);
	job_finish(j);
}

static void on_hosts(void *job, const struct hosts *h)
{
	struct job *j = job;

	j->hosts_lookup = NULL;
	if (h->outcome != HOSTS_FOUND) {
		no_hosts(j, h);
		return;
	}
	j->mx_secure = h->secure;
	j->implicit = h->implicit;
	for (size_t i = 0; i < h->n; i++) {
		j->hosts[i] = arena_str(j->arena, span_of(h->names[i]));
		if (!j->hosts[i]) {
			out_of_memory(j);
			return;
		}
	}
	j->n_hosts = h->n;
	j->hosts_known = true;
	both_known(j);
}

static void on_domain(void *job, const struct tls_domain *domain)
{
	struct job *j = job;

	j->domain_wait = NULL;
	if (!domain) {
		out_of_memory(j);
		return;
	}
	j->tls_domain = *domain;
	if (j->route)
		j->tls_domain.wish = known_as_wish(j->route);
	j->domain_known = true;
	both_known(j);
}

void job_look_up(struct job *j)
{
	const char *fixed = j->route                                   ? j->route->host
	                    : mail_name_is_literal(span_of(j->domain)) ? j->domain
	                                                               : NULL;
	const char *name = known_as(j->arena, fixed ? fixed : j->domain);
	bool literal = fixed && mail_name_is_literal(span_of(fixed));
	struct err err = { 0 };
	int r;

	j->looked_up = true;
	if (fixed) {
		j->hosts[j->n_hosts++] = fixed;
		j->hosts_known = true;
	}
	r = !name ? -POD_E_NOMEM
	          : tlspolicy_domain(j->o->policy, name, literal, j->arena, on_domain, j, &j->domain_wait,
	                             &err);
	if (r == 0 && !fixed)
		r = hosts_find(j->o->dns, j->domain, j->o->conf->mta.hostname, on_hosts, j, &j->hosts_lookup,
		               &err);
	if (r == -POD_E_SYNTAX) {
		job_note_ours(j, OUTBOUND__TROUBLE__NONE, 550, "5.1.2", "the destination is no domain");
		job_finish(j);
	} else if (r < 0) {
		job_note_ours(j, OUTBOUND__TROUBLE__LOCAL, 451, "4.3.0", err_text(&err));
		job_finish(j);
	}
}
