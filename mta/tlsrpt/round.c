#include <stdlib.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "mta/tlsrpt/internal.h"

#define TASKS_MAX    16           /* domains at a time */
#define NAMES_MEMORY (256u << 20) /* of all domains of a day */
#define TASK_MEMORY  (1u << 20)

struct task;

struct round {
	struct reports *reports;
	uint32_t day;
	bool again;
	struct arena *arena;
	struct name {
		struct name *next;
		char domain[];
	} * names, *last; /* not yet begun */
	LIST_HEAD(, task) tasks;
	unsigned int tasks_n;
	struct event *pump;
	struct round_result result;
	round_fn *fn;
	void *arg;
};

/* One domain: where its reports go, then one after the other. */
struct task {
	LIST_ENTRY(task) entry;
	struct round *round;
	struct arena *arena;
	const char *domain;
	struct dns_lookup *lookup;
	struct tlsrpt_rua rua[TLSRPT_RUA_MAX];
	size_t rua_n, at;
	struct buf compressed; /* empty until somebody wants it */
	struct sending *sending;
};

static void round_pump(struct round *r);

static void task_free(struct task *t)
{
	LIST_REMOVE(t, entry);
	t->round->tasks_n--;
	(void) dns_lookup_cancel(t->lookup);
	(void) sending_free(t->sending);
	buf_done(&t->compressed);
	(void) arena_free(t->arena);
	free(t);
}

/* The next domain begins in another turn, so that no callback is deep in others. */
static void task_finish(struct task *t)
{
	struct round *r = t->round;

	task_free(t);
	event_active(r->pump, EV_TIMEOUT, 1);
}

/* ---- the report ---- */

static int gather(void *arg, uint32_t day, const char *domain, const Tlspolicy__Sessions *row)
{
	(void) day;
	return tlsrpt_policy_add(arg, domain, row);
}

static int make_report(struct task *t, struct err *err)
{
	struct reports *reports = t->round->reports;
	const struct tlsrpt_about about = reports_about(reports, t->domain, t->round->day);
	json_t *policies = json_array();
	json_t *document;
	int r = sessions_each_of(reports->sessions, t->round->day, t->domain, gather, policies, err);

	document = r == 0 ? tlsrpt_document(&about, policies) : NULL;
	if (r < 0)
		json_decref(policies);
	if (r == 0 && (!document || tlsrpt_compress(document, &t->compressed) < 0))
		r = err_set(err, POD_E_NOMEM, "out of memory");
	json_decref(document);
	return r;
}

static void task_next(struct task *t);

static void task_on_sent(void *arg, int r, const char *text)
{
	struct task *t = arg;
	struct round *round = t->round;
	const struct tlsrpt_rua *rua = &t->rua[t->at++];
	struct err err = { 0 };

	t->sending = NULL;
	if (r == 0) {
		round->result.sent++;
		log_event(NULL, LOGL_INFO, "tlsrpt.sent", F_STR("domain", t->domain), F_STR("to", rua->uri));
		if (state_set_sent(round->reports, round->day, t->domain, rua->uri, &err) < 0)
			log_event(NULL, LOGL_ERROR, "tlsrpt.not_noted", F_STR("domain", t->domain),
			          F_ERR(&err));
	} else {
		round->result.failed++;
		log_event(NULL, LOGL_WARNING, "tlsrpt.not_sent", F_STR("domain", t->domain),
		          F_STR("to", rua->uri), F_STR("error", text));
	}
	task_next(t);
}

static void task_next(struct task *t)
{
	struct reports *reports = t->round->reports;
	const struct tlsrpt_about about = reports_about(reports, t->domain, t->round->day);
	struct err err = { 0 };

	while (t->at < t->rua_n && !t->round->again &&
	       state_is_sent(reports, t->round->day, t->domain, t->rua[t->at].uri))
		t->at++;
	if (t->at == t->rua_n) {
		task_finish(t);
		return;
	}
	if (t->compressed.len == 0 && make_report(t, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "tlsrpt.not_made", F_STR("domain", t->domain), F_ERR(&err));
		t->round->result.failed++;
		task_finish(t);
		return;
	}
	t->sending =
		sending_start(reports, &about, &t->rua[t->at], buf_span(&t->compressed), task_on_sent, t);
	if (!t->sending) {
		t->round->result.failed++;
		task_finish(t);
	}
}

/* ---- who wants one ---- */

static void task_on_record(void *arg, const struct dns_answer *answer)
{
	struct task *t = arg;
	int r = answer->outcome == DNS_FOUND
	                ? tlsrpt_record_parse(answer->txt, answer->n, t->arena, t->rua, &t->rua_n)
	                : -POD_E_NOTFOUND;

	t->lookup = NULL;
	if (answer->outcome == DNS_TEMPORARY || answer->outcome == DNS_BOGUS || r == -POD_E_NOMEM) {
		t->round->result.failed++;
		log_event(NULL, LOGL_NOTICE, "tlsrpt.no_record", F_STR("domain", t->domain),
		          F_STR("error", answer->why));
	} else if (r == -POD_E_SYNTAX) {
		log_event(NULL, LOGL_NOTICE, "tlsrpt.no_record", F_STR("domain", t->domain),
		          F_STR("error", "the record names no place that can be reported to"));
	}
	if (r < 0) {
		task_finish(t);
		return;
	}
	t->round->result.asked++;
	task_next(t);
}

static void task_start(struct round *r, const char *domain)
{
	struct task *t = calloc(1, sizeof(*t));
	const char *name;

	r->result.domains++;
	if (!t) {
		r->result.failed++;
		return;
	}
	t->round = r;
	LIST_INSERT_HEAD(&r->tasks, t, entry);
	r->tasks_n++;
	t->arena = arena_create(TASK_MEMORY);
	t->domain = domain;
	name = t->arena ? arena_printf(t->arena, "_smtp._tls.%s", domain) : NULL;
	/* An address, or a name too long for a record to be under it, is reported to nobody. */
	if (!name || dns_lookup(r->reports->dns, DNS_TXT, name, 0, task_on_record, t, &t->lookup, NULL) < 0)
		task_finish(t);
}

/* ---- the round ---- */

static void round_pump(struct round *r)
{
	round_fn *fn = r->fn;
	void *arg = r->arg;
	struct round_result result;

	while (r->names && r->tasks_n < TASKS_MAX) {
		const char *domain = r->names->domain;

		r->names = r->names->next;
		task_start(r, domain);
	}
	if (r->names || r->tasks_n > 0)
		return;
	result = r->result;
	(void) round_free(r);
	fn(arg, &result);
}

static void round_on_pump(evutil_socket_t fd, short what, void *arg)
{
	(void) fd;
	(void) what;
	round_pump(arg);
}

/* Rows come sorted by domain: each is noted once. */
static int add_name(void *arg, uint32_t day, const char *domain, const Tlspolicy__Sessions *row)
{
	struct round *r = arg;
	struct name *n;

	(void) day;
	(void) row;
	if (r->last && strcmp(r->last->domain, domain) == 0)
		return 0;
	n = arena_alloc(r->arena, sizeof(*n) + strlen(domain) + 1);
	if (!n)
		return -POD_E_NOMEM;
	memcpy(n->domain, domain, strlen(domain) + 1);
	if (r->last)
		r->last->next = n;
	else
		r->names = n;
	r->last = n;
	return 0;
}

struct round *round_start(struct reports *reports, uint32_t day, bool again, round_fn *fn, void *arg,
                          struct err *err)
{
	struct round *r = calloc(1, sizeof(*r));
	int e;

	if (!r) {
		(void) err_set(err, POD_E_NOMEM, "TLS reports");
		return NULL;
	}
	*r = (struct round){ .reports = reports, .day = day, .again = again, .fn = fn, .arg = arg };
	LIST_INIT(&r->tasks);
	r->arena = arena_create(NAMES_MEMORY);
	r->pump = event_new(reports->base, -1, 0, round_on_pump, r);
	e = r->arena && r->pump ? tls_sessions_each(reports->sessions, day, day, add_name, r, err) : -POD_E_NOMEM;
	if (e < 0) {
		if (e == -POD_E_NOMEM)
			(void) err_set(err, POD_E_NOMEM, "TLS reports");
		return round_free(r);
	}
	event_active(r->pump, EV_TIMEOUT, 1);
	return r;
}

const struct round_result *round_result_so_far(const struct round *r)
{
	return &r->result;
}

struct round *round_free(struct round *r)
{
	if (!r)
		return NULL;
	while (!LIST_EMPTY(&r->tasks))
		task_free(LIST_FIRST(&r->tasks));
	if (r->pump)
		event_free(r->pump);
	(void) arena_free(r->arena);
	free(r);
	return NULL;
}
