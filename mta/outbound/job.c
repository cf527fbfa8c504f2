/* A job's life: begun, answered, or cancelled. */
#include "mta/outbound/job.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mta/outbound/mail_name.h"
#include "mta/service/metrics.h"

#define ARENA_MAX (64u << 20)
#define TEXT_MAX  500

/* ---- the end ---- */

static void job_free(struct job *j)
{
	j->sign_call = sign_cancel(j->sign_call);
	job_hosts_cancel(j);
	j->race = race_free(j->race);
	j->conn = conn_free(j->conn);
	(void) event_del(&j->due);
	outbound__job__free_unpacked(j->record, NULL);
	body_close(&j->body);
	body_close(&j->encoded);
	j->o->jobs--;
	(void) arena_free(j->arena);
	free(j);
}

void job_cancel(struct job *j)
{
	job_free(j);
}

char *job_text(struct job *j, const char *text)
{
	static char nothing[1];
	char *kept = arena_str(j->arena, span_head(span_of(text), TEXT_MAX));

	for (char *p = kept; p && *p; p++)
		if ((uint8_t) *p < ' ' || (uint8_t) *p > '~')
			*p = '?';
	return kept ? kept : nothing;
}

void job_note(struct job *j, const struct job_trouble *t)
{
	log_event(NULL, LOGL_INFO, "remote.trouble", F_STR("trace", j->record->trace),
	          F_STR("destination", j->record->destination), F_STR("host", t->mta ? t->mta : ""),
	          F_UINT("code", t->code), F_STR("enhanced", t->enhanced), F_STR("text", t->text));
	if (t->for_good && j->temporary)
		return;
	j->temporary |= !t->for_good;
	j->fallback.state = t->for_good ? OUTBOUND__STATE__FAILED : OUTBOUND__STATE__DEFERRED;
	j->fallback.code = t->code;
	j->fallback.enhanced = job_text(j, t->enhanced);
	j->fallback.text = job_text(j, t->text);
	j->fallback.mta = job_text(j, t->mta ? t->mta : "");
	j->feedback.trouble = t->trouble;
	j->feedback.code = t->mta ? t->code : 0;
	j->feedback.text = j->fallback.text;
}

void job_note_ours(struct job *j, Outbound__Trouble trouble, unsigned int code, const char *enhanced,
                   const char *text)
{
	job_note(j, &(struct job_trouble){ trouble, code / 100 == 5, code, enhanced, text, NULL });
}

static const struct {
	enum mta_metric metric;
	const char *event;
} by_state[] = {
	[OUTBOUND__STATE__DEFERRED] = { M_OUTBOUND_DEFERRED, "remote.deferred" },
	[OUTBOUND__STATE__DELIVERED] = { M_OUTBOUND_DELIVERED, "remote.delivered" },
	[OUTBOUND__STATE__RELAYED] = { M_OUTBOUND_DELIVERED, "remote.delivered" },
	[OUTBOUND__STATE__FAILED] = { M_OUTBOUND_FAILED, "remote.failed" },
};

static void tell_outcome(const struct job *j, const struct job_target *t)
{
	const Outbound__Outcome *o = &t->outcome;

	metric_add(by_state[o->state].metric, 1);
	log_event(NULL, LOGL_INFO, by_state[o->state].event, F_STR("trace", j->record->trace),
	          F_STR("rcpt", t->target->address), F_STR("host", o->mta), F_UINT("code", o->code),
	          F_STR("enhanced", o->enhanced), F_STR("text", o->text));
}

static void finish_targets(struct job *j, Outbound__Outcome **ret)
{
	for (size_t i = 0; i < j->record->n_targets; i++) {
		struct job_target *t = &j->targets[i];

		if (!t->over)
			t->outcome = j->fallback;
		tell_outcome(j, t);
		ret[i] = &t->outcome;
	}
}

void job_finish(struct job *j)
{
	Outbound__Outcome **outcomes =
		arena_array(j->arena, j->record->n_targets, sizeof(Outbound__Outcome *));
	Outbound__Result result = OUTBOUND__RESULT__INIT;

	job_release(j);
	j->feedback.duration_ms = (uint32_t) (clock_mono_ms() - j->started_ms);
	if (outcomes) {
		finish_targets(j, outcomes);
		result.outcomes = outcomes;
		result.n_outcomes = j->record->n_targets;
	}
	result.feedback = &j->feedback;
	j->fn(j->arg, &result); /* without outcomes it cannot be read, which means: later */
	job_free(j);
}

/* ---- the beginning ---- */

/* What must not get into a command line, whoever let it into the queue. */
static bool is_safe(const char *s)
{
	for (; *s; s++)
		if ((uint8_t) *s < ' ' || *s == 0x7f)
			return false;
	return true;
}

/* A domain of other letters means the same in its xn-- form, which every server knows. */
static const char *ascii_domain(struct job *j, const char *address)
{
	const char *at = strrchr(address, '@'), *domain;
	struct span local;

	if (!at || mail_name_is_ascii(span_of(at)))
		return address;
	local = span_make(address, (size_t) (at - address));
	if (!mail_name_is_ascii(local) || mail_name_ascii(j->arena, span_of(at + 1), &domain) < 0)
		return address;
	return arena_printf(j->arena, SPAN_FMT "@%s", SPAN_ARG(local), domain);
}

static int take_targets(struct job *j)
{
	j->targets = arena_array(j->arena, j->record->n_targets, sizeof(*j->targets));
	if (!j->targets)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < j->record->n_targets; i++) {
		struct job_target *t = &j->targets[i];

		t->target = j->record->targets[i];
		outbound__outcome__init(&t->outcome);
		t->address = ascii_domain(j, t->target->address);
		if (!t->address)
			return -POD_E_NOMEM;
		if (is_safe(t->target->address) && *t->target->address)
			continue;
		t->over = true;
		t->outcome.state = OUTBOUND__STATE__FAILED;
		t->outcome.code = 553;
		t->outcome.enhanced = job_text(j, "5.1.3");
		t->outcome.text = job_text(j, "that is no address");
	}
	return 0;
}

static const struct route *copy_route(struct job *j, const struct route *r)
{
	struct route *copy = r ? arena_new(j->arena, struct route) : NULL;

	if (!copy)
		return NULL;
	*copy = *r;
	copy->host = arena_str(j->arena, span_of(r->host));
	if (r->login) {
		copy->login = arena_str(j->arena, span_of(r->login));
		copy->password = arena_str(j->arena, span_of(r->password));
	}
	return copy;
}

static int find_domain(struct job *j)
{
	struct span d = span_of(j->record->destination);

	if (mail_name_is_literal(d)) {
		j->domain = j->record->destination;
		return 0;
	}
	return mail_name_ascii(j->arena, d, &j->domain);
}

static void begin(struct job *j)
{
	bool unsound = !is_safe(j->record->sender) || !is_safe(j->record->destination);
	int r = find_domain(j);

	if (unsound || r == -POD_E_SYNTAX) {
		job_note_ours(j, OUTBOUND__TROUBLE__NONE, 550, "5.1.2", "the destination is no domain");
		job_finish(j);
		return;
	}
	j->route = copy_route(j, routes_find(j->o->routes, span_of(j->domain)));
	j->same =
		arena_printf(j->arena, "%s %d%d", j->domain, j->record->require_tls, j->record->tls_optional);
	if (r < 0 || !j->same) {
		job_note_ours(j, OUTBOUND__TROUBLE__LOCAL, 451, "4.3.0", "out of memory");
		job_finish(j);
		return;
	}
	if (!job_reuse_destination(j))
		job_look_up(j);
}

static void job_on_signed(void *arg, struct span fields)
{
	struct job *j = arg;
	struct err err = { 0 };

	j->sign_call = NULL;
	if (body_prepend(&j->body, fields, &err) == 0) {
		j->record->size = j->body.bytes.len;
		begin(j);
		return;
	}
	job_note_ours(j, OUTBOUND__TROUBLE__LOCAL, 451, "4.3.0", err_text(&err));
	job_finish(j);
}

/* What no user submitted and no milter saw is signed only here. */
static bool asks_for_signature(struct job *j)
{
	const struct conf *conf = j->o->conf;

	if (j->record->own && conf->filter.enabled && conf->auth.sign)
		j->sign_call = sign_start(j->o, j->record->trace, j->body.bytes, job_on_signed, j);
	return j->sign_call != NULL;
}

static void on_due(evutil_socket_t fd, short what, void *job)
{
	struct job *j = job;

	/* A message that cannot be read is our trouble, and was noted. */
	if (j->temporary)
		job_finish(j);
	else if (!asks_for_signature(j))
		begin(j);
}

static void open_body(struct job *j, struct span bytes, int fd)
{
	struct err err = { 0 };
	int r = fd < 0 ? body_copy(bytes, j->record->size, &j->body, &err)
	               : body_open(fd, j->record->size, &j->body, &err);

	if (r == 0) {
		/* RFC 8689 4.1: of both, REQUIRETLS counts. */
		j->record->tls_optional |= j->body.tls_optional && !j->record->require_tls;
		return;
	}
	j->body.fd = -1;
	job_note_ours(j, OUTBOUND__TROUBLE__LOCAL, 451, "4.3.0", err_text(&err));
}

struct job *job_start(struct outbound *o, Outbound__Job *record, struct span body, int body_fd,
                      job_done_fn *fn, void *arg)
{
	struct job *j = calloc(1, sizeof(*j));
	struct arena *a = j ? arena_create(ARENA_MAX) : NULL;

	if (!a) {
		free(j);
		outbound__job__free_unpacked(record, NULL);
		closep(&body_fd);
		return NULL;
	}
	*j = (struct job){ .o = o,
		           .record = record,
		           .arena = a,
		           .body = { .fd = -1 },
		           .encoded = { .fd = -1 },
		           .fn = fn,
		           .arg = arg,
		           .started_ms = clock_mono_ms() };
	o->jobs++;
	metric_add(M_OUTBOUND_JOBS, 1);
	outbound__outcome__init(&j->fallback);
	outbound__feedback__init(&j->feedback);
	(void) evtimer_assign(&j->due, o->base, on_due, j);
	open_body(j, body, body_fd);
	if (take_targets(j) < 0) {
		job_free(j);
		return NULL;
	}
	event_active(&j->due, EV_TIMEOUT, 0);
	return j;
}
