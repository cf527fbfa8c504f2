#include "mta/tlspolicy/tlspolicy.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "mta/tlspolicy/sessions.h"
#include "mta/tlspolicy/state.h"
#include "mta/tlspolicy/sts.h"
#include "mta/tlspolicy/tlsa.h"
#include "mta/tlspolicy/wish.h"

#define WRITE_S 5 /* how old counts get in memory */

struct tlspolicy {
	struct event_base *base;
	const struct conf *conf;
	struct dns *dns;
	struct kv *kv;
	struct http_client *http;
	struct sts *sts;
	struct tls_sessions *sessions;
	struct tls_context *tls;
	struct event *writer;
	LIST_HEAD(, tlspolicy_wait) waits;
};

/* What somebody waits for: a domain's policy, or a host's. */
struct tlspolicy_wait {
	LIST_ENTRY(tlspolicy_wait) entry;
	struct tlspolicy *policy;
	struct event *soon; /* where there is nothing to ask for */
	struct arena *arena;
	/* a domain */
	struct sts_wait *sts;
	struct tls_domain domain;
	tlspolicy_domain_fn *on_domain;
	/* a host */
	struct tlsa_lookup *tlsa;
	const struct tls_domain *of;
	struct tls_host host;
	tlspolicy_host_fn *on_host;
	void *arg;
};

/* ---- waits ---- */

static struct tlspolicy_wait *wait_new(struct tlspolicy *p, struct arena *a, void *arg)
{
	struct tlspolicy_wait *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->policy = p;
	w->arena = a;
	w->arg = arg;
	LIST_INSERT_HEAD(&p->waits, w, entry);
	return w;
}

struct tlspolicy_wait *tlspolicy_cancel(struct tlspolicy_wait *w)
{
	if (!w)
		return NULL;
	LIST_REMOVE(w, entry);
	if (w->sts)
		(void) sts_cancel(w->sts);
	if (w->tlsa)
		(void) tlsa_cancel(w->tlsa);
	if (w->soon)
		event_free(w->soon);
	free(w);
	return NULL;
}

static int call_soon(struct tlspolicy_wait *w, event_callback_fn fn, struct err *err)
{
	static const struct timeval now = { 0 };

	w->soon = evtimer_new(w->policy->base, fn, w);
	return w->soon && evtimer_add(w->soon, &now) == 0 ? 0 : err_set(err, POD_E_NOMEM, "TLS policy");
}

/* ---- domains ---- */

static void domain_finish(struct tlspolicy_wait *w)
{
	tlspolicy_domain_fn *fn = w->on_domain;
	struct tls_domain domain = w->domain;
	void *arg = w->arg;

	(void) tlspolicy_cancel(w);
	fn(arg, &domain);
}

static const struct sts_policy *keep_policy(struct arena *a, const char *text)
{
	struct sts_policy *kept = text ? arena_new(a, struct sts_policy) : NULL;

	/* It could be read before. */
	return kept && sts_policy_parse(span_of(text), a, kept, NULL) == 0 ? kept : NULL;
}

/* A policy for which there is no memory is not none: the destination is treated as one whose policy is
 * unknown. */
static void domain_on_sts(void *arg, const struct sts_finding *f)
{
	struct tlspolicy_wait *w = arg;

	w->sts = NULL;
	w->domain.sts_fault = f->fault;
	w->domain.sts_why = arena_str(w->arena, span_of(f->why));
	if (f->policy) {
		w->domain.sts_text = arena_str(w->arena, span_of(f->text));
		w->domain.sts = keep_policy(w->arena, w->domain.sts_text);
		if (!w->domain.sts)
			w->domain.wish = TLS_WISH_VERIFY;
	}
	if (!w->domain.sts_why)
		w->domain.sts_why = "";
	domain_finish(w);
}

static void domain_on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void) fd;
	(void) what;
	domain_finish(arg);
}

int tlspolicy_domain(struct tlspolicy *p, const char *domain, bool literal, struct arena *a,
                     tlspolicy_domain_fn *fn, void *arg, struct tlspolicy_wait **ret_wait, struct err *err)
{
	struct tlspolicy_wait *w = wait_new(p, a, arg);
	int r;

	if (!w)
		return err_set(err, POD_E_NOMEM, "TLS policy of %s", domain);
	w->on_domain = fn;
	w->domain = (struct tls_domain){ .name = arena_str(a, span_of(domain)),
		                         .wish = tls_wish_of(&p->conf->outbound, domain),
		                         .sts_why = "" };
	if (!w->domain.name)
		r = err_set(err, POD_E_NOMEM, "TLS policy of %s", domain);
	else if (literal || w->domain.wish == TLS_WISH_NONE)
		r = call_soon(w, domain_on_soon, err);
	else
		r = sts_find(p->sts, domain, domain_on_sts, w, &w->sts, err);
	if (r < 0) {
		(void) tlspolicy_cancel(w);
		return r;
	}
	*ret_wait = w;
	return 0;
}

/* ---- hosts ---- */

static void host_on_tlsa(void *arg, const struct tls_tlsa *tlsa)
{
	struct tlspolicy_wait *w = arg;
	tlspolicy_host_fn *fn = w->on_host;
	void *fn_arg = w->arg;
	struct tls_demand demand;
	int r;

	w->tlsa = NULL;
	r = tls_demand_decide(w->of, &w->host, tlsa, w->arena, &demand, NULL);
	(void) tlspolicy_cancel(w);
	fn(fn_arg, r < 0 ? NULL : &demand);
}

static void host_on_soon(evutil_socket_t fd, short what, void *arg)
{
	static const struct tls_tlsa none = { .state = TLSA_NONE };

	(void) fd;
	(void) what;
	host_on_tlsa(arg, &none);
}

static int host_start(struct tlspolicy_wait *w, struct err *err)
{
	int r = -POD_E_SYNTAX;

	if (w->of->wish != TLS_WISH_NONE && tlsa_may_be(&w->host))
		r = tlsa_find(w->policy->dns, &w->host, host_on_tlsa, w, &w->tlsa, err);
	/* Under a name that is too long for it there are no records. */
	return r == -POD_E_SYNTAX ? call_soon(w, host_on_soon, err) : r;
}

int tlspolicy_host(struct tlspolicy *p, const struct tls_domain *domain, const struct tls_host *host,
                   struct arena *a, tlspolicy_host_fn *fn, void *arg, struct tlspolicy_wait **ret_wait,
                   struct err *err)
{
	struct tlspolicy_wait *w = wait_new(p, a, arg);
	int r;

	if (!w)
		return err_set(err, POD_E_NOMEM, "TLS policy of %s", host->name);
	w->of = domain;
	w->on_host = fn;
	w->host = *host;
	w->host.name = arena_str(a, span_of(host->name));
	w->host.canonical = arena_str(a, span_of(host->canonical));
	r = w->host.name && w->host.canonical ? host_start(w, err)
	                                      : err_set(err, POD_E_NOMEM, "TLS policy of %s", host->name);
	if (r < 0) {
		(void) tlspolicy_cancel(w);
		return r;
	}
	*ret_wait = w;
	return 0;
}

/* ---- counts ---- */

static void policy_on_write(evutil_socket_t fd, short what, void *arg)
{
	struct tlspolicy *p = arg;
	struct err err = { 0 };

	(void) fd;
	(void) what;
	if (tls_sessions_write(p->sessions, &err) < 0)
		log_event(NULL, LOGL_ERROR, "tlsrpt.not_written", F_ERR(&err));
}

void tlspolicy_report(struct tlspolicy *p, const struct tls_demand *demand, const struct tls_session *session)
{
	static const struct timeval later = { .tv_sec = WRITE_S };
	uint32_t day = (uint32_t) (clock_wall_s() / DAY_S);
	struct err err = { 0 };

	if (tls_sessions_count(p->sessions, day, demand, session, &err) < 0)
		log_event(NULL, LOGL_ERROR, "tlsrpt.not_written", F_STR("domain", demand->domain),
		          F_ERR(&err));
	if (tls_sessions_wait(p->sessions) && !evtimer_pending(p->writer, NULL))
		(void) evtimer_add(p->writer, &later);
}

/* ---- the whole ---- */

int tlspolicy_reload(struct tlspolicy *p, const struct conf *conf, struct err *err)
{
	const struct tls_client_options o = { .ca_file = conf->outbound.ca };
	struct tls_context *tls = NULL;
	int r = tls_client_create(&o, &tls, err);

	p->conf = conf;
	r = r ?: sts_reload(p->sts, conf->outbound.ca, (uint16_t) conf->outbound.sts_port, err);
	if (r < 0) {
		(void) tls_unref(tls);
		return r;
	}
	(void) tls_unref(p->tls); /* connections that use it hold it */
	p->tls = tls;
	return 0;
}

struct tls_context *tlspolicy_tls(struct tlspolicy *p)
{
	return p->tls;
}

static int open_parts(struct tlspolicy *p, const struct tlspolicy_options *o, struct err *err)
{
	const struct tls_client_options tls = { .ca_file = o->conf->outbound.ca };
	int r = tls_client_create(&tls, &p->tls, err);

	r = r ?: tls_state_open(o->conf, &p->kv, err);
	r = r ?: tls_sessions_open(p->kv, &p->sessions, err);
	r = r ?: http_client_create(o->base, &p->http, err);
	if (r == 0) {
		const struct sts_options sts = { .base = o->base,
			                         .dns = o->dns,
			                         .http = p->http,
			                         .ca_file = o->conf->outbound.ca,
			                         .kv = p->kv,
			                         .port = (uint16_t) o->conf->outbound.sts_port,
			                         .refresh = o->keeper };

		r = sts_create(&sts, &p->sts, err);
	}
	if (r == 0) {
		p->writer = evtimer_new(o->base, policy_on_write, p);
		r = p->writer ? 0 : err_set(err, POD_E_NOMEM, "TLS policies");
	}
	return r;
}

int tlspolicy_create(const struct tlspolicy_options *o, struct tlspolicy **ret_policy, struct err *err)
{
	struct tlspolicy *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(err, POD_E_NOMEM, "TLS policies");
	p->base = o->base;
	p->conf = o->conf;
	p->dns = o->dns;
	LIST_INIT(&p->waits);
	r = open_parts(p, o, err);
	if (r < 0) {
		(void) tlspolicy_free(p);
		return r;
	}
	*ret_policy = p;
	return 0;
}

struct tlspolicy *tlspolicy_free(struct tlspolicy *p)
{
	if (!p)
		return NULL;
	while (!LIST_EMPTY(&p->waits))
		(void) tlspolicy_cancel(LIST_FIRST(&p->waits));
	if (p->sessions && tls_sessions_wait(p->sessions))
		policy_on_write(-1, 0, p);
	if (p->writer)
		event_free(p->writer);
	(void) sts_free(p->sts);
	(void) http_client_free(p->http);
	(void) tls_sessions_free(p->sessions);
	(void) kv_close(p->kv);
	(void) tls_unref(p->tls);
	free(p);
	return NULL;
}
