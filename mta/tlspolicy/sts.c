#include "mta/tlspolicy/sts.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fnv.h"
#include "base/log.h"

#define FETCH_MS     30000  /* RFC 8461 3.3 suggests a minute; the first message to a domain waits so long */
#define AGAIN_MS     300000 /* the same 3.3: no second attempt at the same version within five minutes */
#define REFRESH_S    86400  /* 10.2: once a day */
#define SWEEP_S      600
#define SWEEP_MAX    50
#define UNUSED_S     (30 * 86400)
#define FAILURES     256
#define QUERY_MEMORY (512u << 10)

/* A version that could not be had lately. */
struct failure {
	char domain[256], id[STS_ID_MAX + 1], why[200];
	enum tls_result fault;
	uint64_t until_ms;
};

struct sts {
	struct sts_options o;
	char *ca_file;
	struct sts_store store;
	struct event *sweep;
	LIST_HEAD(, query) queries;
	struct failure
		failures[FAILURES]; /* by a hash of the domain: a newer one takes an older one's place */
};

struct sts_wait {
	LIST_ENTRY(sts_wait) entry;
	sts_fn *fn;
	void *arg;
};

/* One domain, for all who wait for it; nobody may, when it only refreshes. */
struct query {
	LIST_ENTRY(query) entry;
	LIST_HEAD(, sts_wait) waits;
	struct sts *sts;
	struct arena *arena;
	const char *domain, *host;
	char id[STS_ID_MAX + 1];
	struct sts_entry old; /* what is on disk; text NULL: nothing */
	struct dns_lookup *lookup;
	struct http_request *request;
};

/* ---- failures ---- */

static struct failure *failure_slot(struct sts *s, const char *domain)
{
	return &s->failures[fnv32(FNV32_START, span_of(domain)) % FAILURES];
}

static const struct failure *failure_of(struct sts *s, const char *domain, const char *id)
{
	const struct failure *f = failure_slot(s, domain);

	return clock_mono_ms() < f->until_ms && strcmp(f->domain, domain) == 0 && strcmp(f->id, id) == 0
	               ? f
	               : NULL;
}

static void failure_note(struct query *q, enum tls_result fault, const char *why)
{
	struct failure *f = failure_slot(q->sts, q->domain);

	(void) snprintf(f->domain, sizeof(f->domain), "%s", q->domain);
	(void) snprintf(f->id, sizeof(f->id), "%s", q->id);
	(void) snprintf(f->why, sizeof(f->why), "%s", why);
	f->fault = fault;
	f->until_ms = clock_mono_ms() + AGAIN_MS;
}

/* ---- the end of a query ---- */

static void query_free(struct query *q)
{
	if (q->entry.le_prev)
		LIST_REMOVE(q, entry);
	while (!LIST_EMPTY(&q->waits))
		(void) sts_cancel(LIST_FIRST(&q->waits));
	(void) dns_lookup_cancel(q->lookup);
	(void) http_cancel(q->request);
	(void) arena_free(q->arena);
	free(q);
}

static void query_answer(struct query *q, const struct sts_finding *finding)
{
	while (!LIST_EMPTY(&q->waits)) {
		struct sts_wait *w = LIST_FIRST(&q->waits);
		sts_fn *fn = w->fn;
		void *arg = w->arg;

		(void) sts_cancel(w);
		fn(arg, finding);
	}
}

static void finish(struct query *q, const struct sts_policy *policy, const char *text, enum tls_result fault,
                   const char *why)
{
	const struct sts_finding finding = { .policy = policy, .text = text, .fault = fault, .why = why };

	LIST_REMOVE(q, entry); /* who is called may ask for the same domain again */
	q->entry.le_prev = NULL;
	query_answer(q, &finding);
	query_free(q);
}

static void finish_old(struct query *q, enum tls_result fault, const char *why)
{
	bool old = q->old.text != NULL;

	finish(q, old ? &q->old.policy : NULL, q->old.text, fault, why);
}

static void fail(struct query *q, enum tls_result fault, const char *why)
{
	log_event(NULL, LOGL_NOTICE, "sts.fetch_failed", F_STR("domain", q->domain),
	          F_STR("result", tls_result_name(fault)), F_STR("error", why),
	          F_STR("old_policy", q->old.text ? "kept" : "none"));
	failure_note(q, fault, why);
	finish_old(q, fault, why);
}

/* ---- fetching ---- */

/* RFC 8461 3.3: text/plain, with or without parameters. */
static bool is_plain_text(const char *type)
{
	static const char plain[] = "text/plain";
	size_t n = sizeof(plain) - 1;

	return strncasecmp(type, plain, n) == 0 && (type[n] == '\0' || type[n] == ';' || type[n] == ' ');
}

static void take_policy(struct query *q, struct span text)
{
	struct sts_policy policy;
	const char *kept = arena_str(q->arena, text);
	struct err err = { 0 };

	if (!kept || strlen(kept) != text.len || sts_policy_parse(text, q->arena, &policy, &err) < 0) {
		fail(q, TLS_RESULT_STS_POLICY_INVALID, err.code ? err_text(&err) : "the policy is no text");
		return;
	}
	if (sts_store_put(&q->sts->store, q->domain, q->id, text, (uint64_t) clock_wall_s(), &err) < 0)
		log_event(NULL, LOGL_ERROR, "sts.store_failed", F_STR("domain", q->domain), F_ERR(&err));
	log_event(NULL, LOGL_INFO, "sts.fetched", F_STR("domain", q->domain), F_STR("id", q->id),
	          F_STR("mode", sts_mode_name(policy.mode)), F_UINT("max_age", policy.max_age_s));
	finish(q, &policy, kept, TLS_RESULT_SUCCESS, "");
}

static void query_on_fetched(void *arg, const struct http_answer *answer)
{
	struct query *q = arg;
	char why[80];

	q->request = NULL;
	if (answer->r < 0) {
		fail(q,
		     answer->r == -POD_E_AUTH    ? TLS_RESULT_STS_WEBPKI_INVALID
		     : answer->r == -POD_E_LIMIT ? TLS_RESULT_STS_POLICY_INVALID
		                                 : TLS_RESULT_STS_POLICY_FETCH_ERROR,
		     answer->why);
	} else if (answer->status != 200) {
		(void) snprintf(why, sizeof(why), "the server of the policy answers with status %u",
		                answer->status);
		fail(q, TLS_RESULT_STS_POLICY_FETCH_ERROR, why);
	} else if (!is_plain_text(answer->type)) {
		fail(q, TLS_RESULT_STS_POLICY_INVALID, "the policy is not text/plain");
	} else {
		take_policy(q, answer->body);
	}
}

static void query_on_host(void *arg, const struct dns_answer *answer)
{
	struct query *q = arg;
	const struct http_ask ask = {
		.url = arena_printf(q->arena, "https://%s:%u/.well-known/mta-sts.txt", q->host,
		                    q->sts->o.port),
		.addrs = answer->addr,
		.addrs_n = answer->n,
		.ca_file = q->sts->ca_file,
		.answer_max = STS_POLICY_MAX,
		.timeout_ms = FETCH_MS,
	};
	struct err err = { 0 };

	q->lookup = NULL;
	if (answer->outcome != DNS_FOUND)
		fail(q, TLS_RESULT_STS_POLICY_FETCH_ERROR,
		     answer->why[0] ? answer->why : "the host of the policy has no address");
	else if (!ask.url)
		fail(q, TLS_RESULT_STS_POLICY_FETCH_ERROR, "out of memory");
	else if (http_send(q->sts->o.http, &ask, query_on_fetched, q, &q->request, &err) < 0)
		fail(q, TLS_RESULT_STS_POLICY_FETCH_ERROR, err_text(&err));
}

static void fetch(struct query *q)
{
	if (dns_lookup(q->sts->o.dns, DNS_ADDR, q->host, 0, query_on_host, q, &q->lookup, NULL) < 0)
		fail(q, TLS_RESULT_STS_POLICY_FETCH_ERROR, "the host of the policy has no address");
}

/* ---- the record ---- */

static void read_old(struct query *q)
{
	struct err err = { 0 };
	int r = sts_store_get(&q->sts->store, q->domain, (uint64_t) clock_wall_s(), q->arena, &q->old, &err);

	if (r < 0 && r != -POD_E_NOTFOUND)
		log_event(NULL, LOGL_ERROR, "sts.store_failed", F_STR("domain", q->domain), F_ERR(&err));
	if (r < 0)
		q->old = (struct sts_entry){ 0 };
}

/* One that is a day old is good, and is fetched anew while the mail goes on its way. */
static void use_old(struct query *q)
{
	const struct sts_finding finding = { .policy = &q->old.policy, .text = q->old.text, .why = "" };
	uint64_t now_s = (uint64_t) clock_wall_s();
	struct err err = { 0 };

	if (now_s > q->old.used_s + REFRESH_S && sts_store_touch(&q->sts->store, q->domain, now_s, &err) < 0)
		log_event(NULL, LOGL_ERROR, "sts.store_failed", F_STR("domain", q->domain), F_ERR(&err));
	if (now_s <= q->old.fetched_s + REFRESH_S || failure_of(q->sts, q->domain, q->id)) {
		finish_old(q, TLS_RESULT_SUCCESS, "");
		return;
	}
	query_answer(q, &finding);
	fetch(q);
}

static void query_on_record(void *arg, const struct dns_answer *answer)
{
	struct query *q = arg;
	const struct failure *failed;
	int r = answer->outcome == DNS_FOUND ? sts_record_id(answer->txt, answer->n, q->id) : -POD_E_NOTFOUND;

	q->lookup = NULL;
	read_old(q);
	if (r < 0) {
		/* RFC 8461 3.1: an old policy outlives its record. */
		finish_old(q, r == -POD_E_SYNTAX ? TLS_RESULT_STS_POLICY_INVALID : TLS_RESULT_SUCCESS,
		           r == -POD_E_SYNTAX ? "the record of MTA-STS is malformed" : "");
		return;
	}
	failed = failure_of(q->sts, q->domain, q->id);
	if (q->old.text && strcmp(q->old.id, q->id) == 0)
		use_old(q);
	else if (failed)
		finish_old(q, failed->fault, failed->why);
	else
		fetch(q);
}

static struct query *query_start(struct sts *s, const char *domain, struct err *err)
{
	struct query *q = calloc(1, sizeof(*q));
	char *record;

	if (!q)
		return NULL;
	q->sts = s;
	LIST_INIT(&q->waits);
	LIST_INSERT_HEAD(&s->queries, q, entry);
	q->arena = arena_create(QUERY_MEMORY);
	q->domain = q->arena ? arena_str(q->arena, span_of(domain)) : NULL;
	q->host = q->domain ? arena_printf(q->arena, "mta-sts.%s", domain) : NULL;
	record = q->host ? arena_printf(q->arena, "_mta-sts.%s", domain) : NULL;
	if (record && dns_lookup(s->o.dns, DNS_TXT, record, 0, query_on_record, q, &q->lookup, err) == 0)
		return q;
	query_free(q);
	return NULL;
}

/* ---- the caller's ---- */

static struct query *query_of(struct sts *s, const char *domain)
{
	struct query *q;

	LIST_FOREACH(q, &s->queries, entry)
	if (strcmp(q->domain, domain) == 0)
		return q;
	return NULL;
}

int sts_find(struct sts *s, const char *domain, sts_fn *fn, void *arg, struct sts_wait **ret_wait,
             struct err *err)
{
	struct sts_wait *w = calloc(1, sizeof(*w));
	struct err local = { 0 };
	struct query *q = query_of(s, domain);

	if (w && !q)
		q = query_start(s, domain, &local);
	if (!w || !q) {
		free(w);
		return err_set(err, local.code ? (enum pod_error) local.code : POD_E_NOMEM,
		               "MTA-STS policy of %s: %s", domain, err_text(&local));
	}
	w->fn = fn;
	w->arg = arg;
	LIST_INSERT_HEAD(&q->waits, w, entry);
	*ret_wait = w;
	return 0;
}

struct sts_wait *sts_cancel(struct sts_wait *w)
{
	if (w) {
		LIST_REMOVE(w, entry);
		free(w);
	}
	return NULL;
}

static void refresh(void *arg, const char *domain)
{
	struct sts *s = arg;

	if (!query_of(s, domain))
		(void) query_start(s, domain, NULL);
}

static void sts_on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct sts *s = arg;
	uint64_t now_s = (uint64_t) clock_wall_s();
	struct err err = { 0 };

	(void) fd;
	(void) what;
	if (sts_store_sweep(&s->store, now_s, now_s - REFRESH_S, now_s - UNUSED_S, SWEEP_MAX, refresh, s,
	                    &err) < 0)
		log_event(NULL, LOGL_ERROR, "sts.store_failed", F_ERR(&err));
}

static int sweep_start(struct sts *s, struct err *err)
{
	const struct timeval every = { .tv_sec = SWEEP_S };

	if (!s->o.refresh)
		return 0;
	s->sweep = event_new(s->o.base, -1, EV_PERSIST, sts_on_sweep, s);
	return s->sweep && event_add(s->sweep, &every) == 0 ? 0 : err_set(err, POD_E_NOMEM, "MTA-STS");
}

int sts_create(const struct sts_options *o, struct sts **ret_sts, struct err *err)
{
	struct sts *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, POD_E_NOMEM, "MTA-STS");
	s->o = *o;
	s->ca_file = o->ca_file ? strdup(o->ca_file) : NULL; /* a reload may free the configuration */
	LIST_INIT(&s->queries);
	r = o->ca_file && !s->ca_file ? err_set(err, POD_E_NOMEM, "MTA-STS") : 0;
	r = r ?: sts_store_open(o->kv, &s->store, err) ?: sweep_start(s, err);
	if (r < 0) {
		(void) sts_free(s);
		return r;
	}
	*ret_sts = s;
	return 0;
}

int sts_reload(struct sts *s, const char *ca_file, uint16_t port, struct err *err)
{
	char *copy = ca_file ? strdup(ca_file) : NULL;

	if (ca_file && !copy)
		return err_set(err, POD_E_NOMEM, "MTA-STS");
	free(s->ca_file);
	s->ca_file = copy;
	s->o.ca_file = NULL; /* whoever gave it may have freed it */
	s->o.port = port;
	return 0;
}

struct sts *sts_free(struct sts *s)
{
	if (!s)
		return NULL;
	while (!LIST_EMPTY(&s->queries))
		query_free(LIST_FIRST(&s->queries));
	if (s->sweep)
		event_free(s->sweep);
	free(s->ca_file);
	free(s);
	return NULL;
}
