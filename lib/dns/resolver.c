#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unbound-event.h>
#include <unbound.h>

#include "base/cleanup.h"
#include "dns/internal.h"
#include "dns/setup.h"

#define LOOKUP_MEMORY (512u << 10) /* a reply has 64 KiB at most, as text several times that */
#define CLASS_IN      1

/* libunbound set up as one configuration says. What was asked of it before a reload is answered by it still.
 */
struct upstream {
	struct ub_ctx *ub;
	size_t users; /* lookups, and the dns whose new ones go here */
};

struct dns {
	struct upstream *up;
	char *said; /* the configuration of up, as conf_text has it */
	struct event_base *base;
	uint64_t timeout_ms;
	LIST_HEAD(, dns_lookup) lookups;
};

/* One question to libunbound; a lookup of addresses has two. */
struct question {
	struct dns_lookup *lookup;
	int id; /* libunbound's */
	bool waits;
	struct dns_answer answer;
};

struct dns_lookup {
	LIST_ENTRY(dns_lookup) entry;
	struct dns *dns;
	struct upstream *up;
	struct arena *arena;
	struct event *timer; /* the time limit; and fired by hand when all is there, so that callbacks come
	                        from the loop */
	uint64_t timeout_ms;
	struct question questions[2];
	size_t n, waiting;
	dns_answer_fn *on_answer;
	void *arg;
};

/* ---- what is asked ---- */

static struct upstream *upstream_unref(struct upstream *up)
{
	if (up && --up->users == 0) {
		if (up->ub)
			ub_ctx_delete(up->ub);
		free(up);
	}
	return NULL;
}

static int upstream_create(struct event_base *base, const struct dns_conf *conf, struct upstream **ret_up,
                           struct err *err)
{
	struct upstream *up = calloc(1, sizeof(*up));
	int r;

	if (!up)
		return err_set(err, POD_E_NOMEM, "making a resolver");
	up->users = 1;
	up->ub = ub_ctx_create_event(base);
	r = up->ub ? dns_setup(up->ub, conf, err) : err_set(err, POD_E_NOMEM, "making a resolver");
	if (r < 0)
		(void) upstream_unref(up);
	else
		*ret_up = up;
	return r;
}

/* All that an upstream is made from; NULL where there is no memory. */
static char *conf_text(const struct dns_conf *c)
{
	char *text;
	int n = asprintf(&text, "%s\n%s\n%s\n%s\n%s\n%llu", c->servers, c->stubs, c->unsigned_zones,
	                 c->trust_anchor ? c->trust_anchor : "", c->root_hints ? c->root_hints : "",
	                 (unsigned long long) c->cache_size);

	return n < 0 ? NULL : text;
}

int dns_reload(struct dns *dns, const struct dns_conf *conf, struct err *err)
{
	char *said = conf_text(conf);
	struct upstream *up = NULL;
	int r = said ? 0 : err_set(err, POD_E_NOMEM, "making a resolver");

	if (r == 0 && (!dns->said || strcmp(said, dns->said) != 0))
		r = upstream_create(dns->base, conf, &up, err);
	if (r == 0)
		dns->timeout_ms = conf->timeout_ms;
	if (!up) {
		free(said);
		return r;
	}
	(void) upstream_unref(dns->up);
	dns->up = up;
	free(dns->said);
	dns->said = said;
	return 0;
}

int dns_create(struct event_base *base, const struct dns_conf *conf, struct dns **ret_dns, struct err *err)
{
	struct dns *dns = calloc(1, sizeof(*dns));
	int r;

	if (!dns)
		return err_set(err, POD_E_NOMEM, "making a resolver");
	dns->base = base;
	LIST_INIT(&dns->lookups);
	r = dns_reload(dns, conf, err);
	if (r < 0)
		(void) dns_free(dns);
	else
		*ret_dns = dns;
	return r;
}

/* ---- a lookup ---- */

static void lookup_free(struct dns_lookup *l)
{
	if (l->entry.le_prev)
		LIST_REMOVE(l, entry);
	if (l->timer)
		event_free(l->timer);
	(void) arena_free(l->arena);
	(void) upstream_unref(l->up);
	free(l);
}

static void fail(struct question *q, enum dns_outcome outcome, const char *why)
{
	char *kept = arena_str(q->lookup->arena, span_of(why));

	q->answer.outcome = outcome;
	q->answer.why = kept ? kept : "";
	q->answer.n = 0;
	q->answer.secure = false;
}

static void take(struct question *q, struct span packet)
{
	int r = dns_reply_parse(packet, q->lookup->arena, &q->answer);

	if (r < 0)
		fail(q, DNS_TEMPORARY,
		     r == -POD_E_LIMIT ? "the answer is too large" : "the answer is malformed");
	else if (q->answer.outcome == DNS_TEMPORARY)
		fail(q, DNS_TEMPORARY, "the name servers refuse to answer");
}

static void one_less(struct dns_lookup *l)
{
	if (--l->waiting == 0)
		event_active(l->timer, EV_TIMEOUT, 1);
}

/* sec and rcode as ub_resolve_event documents them: 1 is bogus, 2 is secure. */
static void question_on_reply(void *arg, int rcode, void *packet, int len, int sec, char *why, int limited)
{
	struct question *q = arg;
	struct dns_lookup *l = q->lookup;

	(void) limited;
	q->waits = false;
	q->answer.secure = sec == 2;
	if (sec == 1)
		fail(q, DNS_BOGUS, why ? why : "DNSSEC validation failed");
	else if (packet && len > 0 && (rcode == 0 || rcode == 3))
		take(q, span_make(packet, (size_t) len));
	else
		fail(q, DNS_TEMPORARY, "no name server gave an answer");
	one_less(l);
}

/* Those still on their way are given up. */
static void questions_end(struct dns_lookup *l, const char *why)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!l->questions[i].waits)
			continue;
		l->questions[i].waits = false;
		(void) ub_cancel(l->up->ub, l->questions[i].id);
		if (why)
			fail(&l->questions[i], DNS_TEMPORARY, why);
	}
	l->waiting = 0;
}

static void lookup_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct dns_lookup *l = arg;
	struct dns_answer *answer = &l->questions[0].answer;
	char why[80];

	(void) fd;
	(void) what;
	(void) snprintf(why, sizeof(why), "no answer within %llu ms", (unsigned long long) l->timeout_ms);
	questions_end(l, why);
	LIST_REMOVE(l, entry);
	l->entry.le_prev = NULL;
	if (l->n == 2) {
		answer->type = DNS_ADDR;
		if (dns_answer_merge(answer, &l->questions[1].answer, l->arena) < 0)
			fail(&l->questions[0], DNS_TEMPORARY, "the answer is too large");
	}
	l->on_answer(l->arg, answer);
	lookup_free(l);
}

static int ask(struct dns_lookup *l, enum dns_type type, const char *name, struct err *err)
{
	struct question *q = &l->questions[l->n++];
	int r;

	q->lookup = l;
	q->answer = (struct dns_answer){ .type = type, .name = name, .canonical = name, .why = "" };
	q->waits = true;
	l->waiting++;
	r = ub_resolve_event(l->up->ub, name, dns_type_number(type), CLASS_IN, q, question_on_reply, &q->id);
	if (r == 0)
		return 0;
	q->waits = false;
	l->waiting--;
	return err_set(err, r == UB_NOMEM ? POD_E_NOMEM : POD_E_SYNTAX, "dns: %s %s: %s", dns_type_name(type),
	               name, ub_strerror(r));
}

static int lookup_start(struct dns_lookup *l, enum dns_type type, const char *name, struct err *err)
{
	struct timeval limit = { .tv_sec = (time_t) (l->timeout_ms / 1000),
		                 .tv_usec = (suseconds_t) (l->timeout_ms % 1000 * 1000) };
	const char *kept;
	int r;

	l->arena = arena_create(LOOKUP_MEMORY);
	kept = l->arena ? arena_str(l->arena, span_of(name)) : NULL;
	l->timer = evtimer_new(l->dns->base, lookup_on_timer, l);
	if (!kept || !l->timer || event_add(l->timer, &limit) < 0)
		return err_set(err, POD_E_NOMEM, "looking up %s", name);
	/* What is in the cache is answered inside of ask: the lookup is not over while there is more to be
	 * asked. */
	l->waiting++;
	r = ask(l, type == DNS_ADDR ? DNS_AAAA : type, kept, err);
	if (r == 0 && type == DNS_ADDR)
		r = ask(l, DNS_A, kept, err);
	if (r == 0)
		one_less(l);
	return r;
}

int dns_lookup(struct dns *dns, enum dns_type type, const char *name, uint64_t timeout_ms,
               dns_answer_fn *on_answer, void *arg, struct dns_lookup **ret_lookup, struct err *err)
{
	struct dns_lookup *l;
	int r;

	if (!dns_name_is_valid(name))
		return err_set(err, POD_E_SYNTAX, "\"%.100s\" is no name of the DNS", name);
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(err, POD_E_NOMEM, "looking up %s", name);
	l->dns = dns;
	l->up = dns->up;
	l->up->users++;
	l->timeout_ms = timeout_ms ? timeout_ms : dns->timeout_ms;
	l->on_answer = on_answer;
	l->arg = arg;
	LIST_INSERT_HEAD(&dns->lookups, l, entry);
	r = lookup_start(l, type, name, err);
	if (r < 0) {
		(void) dns_lookup_cancel(l);
		return r;
	}
	*ret_lookup = l;
	return 0;
}

struct dns_lookup *dns_lookup_cancel(struct dns_lookup *l)
{
	if (l) {
		questions_end(l, NULL);
		lookup_free(l);
	}
	return NULL;
}

struct dns *dns_free(struct dns *dns)
{
	if (!dns)
		return NULL;
	while (!LIST_EMPTY(&dns->lookups))
		(void) dns_lookup_cancel(LIST_FIRST(&dns->lookups));
	(void) upstream_unref(dns->up);
	free(dns->said);
	free(dns);
	return NULL;
}
