/*
 * The milters of each listener, as this worker asks them. A test connects to each, once where several
 * listeners have it:
 *
 *   "test": {"ok": true, "version": 6, "connect_us", "answer_us", "actions": [...], "steps": [...],
 *            "macros": {"mail": "i {mail_addr}"}}       or {"ok": false, "error": "words"}
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "mta/conn/admin_internal.h"
#include "mta/milter/probe.h"

#define TEST_MS 8000 /* podd waits a little longer for the whole */

/* One milter that is being tried, for all entries with the same socket. */
struct trial {
	struct admin_look *look;
	const struct conf_milter *milter;
	struct milter_probe *probe;
};

struct admin_look {
	LIST_ENTRY(admin_look) link;
	struct evhttp_request *rq;
	json_t *milters;
	struct milter_set *sets[SMTP_DOORS]; /* held, for a reload may come in between */
	struct trial *trials;
	size_t n, open;
};

static json_t *entry_of(const struct door *d, const struct milter_set *set, size_t i)
{
	size_t idle;
	const struct conf_milter *m = milter_set_at(set, i, &idle);

	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:i}", "listener", smtp_door_name(d), "name", m->name,
	                 "socket", m->socket, "protocol", (int) m->protocol, "on_failure",
	                 conf_milter_failure_name(m->on_failure), "idle", (int) idle);
}

static json_t *list(const struct worker *w)
{
	json_t *milters = json_array();

	for (size_t i = 0; i < SMTP_DOORS; i++) {
		const struct door *d = &w->doors[i];

		for (size_t k = 0; d->listener && k < milter_set_size(d->milters); k++)
			(void) json_array_append_new(milters, entry_of(d, d->milters, k));
	}
	return milters;
}

/* ---- a test ---- */

static void look_free(struct admin_look *l)
{
	LIST_REMOVE(l, link);
	for (size_t i = 0; i < l->n; i++)
		(void) milter_probe_cancel(l->trials[i].probe);
	for (size_t i = 0; i < SMTP_DOORS; i++)
		(void) milter_set_unref(l->sets[i]);
	json_decref(l->milters);
	free(l->trials);
	free(l);
}

static json_t *names_json(const char *const *names, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		(void) json_array_append_new(array, json_string(names[i]));
	return array;
}

static json_t *macros_json(const struct milter_terms *t)
{
	json_t *macros = json_object();

	for (size_t i = 0; i < MILTER_SYMBOL_LISTS; i++)
		if (t->symbols[i])
			(void) json_object_set_new(macros, milter_symbols_name(i),
			                           json_string(t->symbols[i]));
	return macros;
}

static json_t *result_json(const struct milter_probed *p)
{
	const char *actions[MILTER_NAMES_MAX], *steps[MILTER_NAMES_MAX];
	size_t n_actions, n_steps;

	if (!p->fine)
		return json_pack("{s:b, s:s}", "ok", 0, "error", p->why);
	n_actions = milter_terms_actions(p->terms, actions);
	n_steps = milter_terms_steps(p->terms, steps);
	return json_pack("{s:b, s:i, s:I, s:I, s:o, s:o, s:o}", "ok", 1, "version", (int) p->terms->version,
	                 "connect_us", (json_int_t) p->connect_us, "answer_us", (json_int_t) p->answer_us,
	                 "actions", names_json(actions, n_actions), "steps", names_json(steps, n_steps),
	                 "macros", macros_json(p->terms));
}

static void look_done(struct admin_look *l)
{
	http_serve_reply(l->rq, HTTP_OK, json_pack("{s:O}", "milters", l->milters));
	look_free(l);
}

static void note(struct trial *t, const struct milter_probed *result)
{
	json_t *test = result_json(result), *entry;
	size_t i;

	json_array_foreach(t->look->milters, i, entry)
	{
		const char *socket = json_string_value(json_object_get(entry, "socket"));

		if (socket && strcmp(socket, t->milter->socket) == 0)
			(void) json_object_set(entry, "test", test);
	}
	json_decref(test);
}

static void trial_on_result(void *arg, const struct milter_probed *result)
{
	struct trial *t = arg;

	t->probe = NULL;
	note(t, result);
	if (--t->look->open == 0)
		look_done(t->look);
}

static bool is_tried(const struct admin_look *l, const struct conf_milter *m)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->trials[i].milter->socket, m->socket) == 0)
			return true;
	return false;
}

static void try(struct admin_look *l, struct event_base *base, const struct conf_milter *m)
{
	struct trial *t = &l->trials[l->n++];
	struct err err = { 0 };

	*t = (struct trial){ .look = l, .milter = m };
	if (milter_probe_start(base, m, TEST_MS, trial_on_result, t, &t->probe, &err) == 0)
		l->open++;
	else
		note(t, &(struct milter_probed){ .why = err_text(&err) });
}

static void try_all(struct admin_look *l, struct worker *w)
{
	for (size_t i = 0; i < SMTP_DOORS; i++) {
		const struct door *d = &w->doors[i];

		l->sets[i] = d->listener && d->milters ? milter_set_ref(d->milters) : NULL;
		for (size_t k = 0; k < milter_set_size(l->sets[i]); k++) {
			const struct conf_milter *m = milter_set_at(l->sets[i], k, NULL);

			if (!is_tried(l, m))
				try(l, w->base, m);
		}
	}
}

static void look_start(struct smtp_admin *a, struct evhttp_request *rq, json_t *milters)
{
	struct admin_look *l = calloc(1, sizeof(*l));
	struct trial *trials = calloc(json_array_size(milters) + 1, sizeof(*trials));

	if (!l || !trials) {
		free(l);
		free(trials);
		json_decref(milters);
		http_serve_refuse(rq, HTTP_INTERNAL, "out of memory");
		return;
	}
	*l = (struct admin_look){ .rq = rq, .milters = milters, .trials = trials };
	LIST_INSERT_HEAD(&a->looks, l, link);
	try_all(l, a->w);
	if (l->open == 0)
		look_done(l);
}

void smtp_admin_milters(struct smtp_admin *a, struct evhttp_request *rq, bool test)
{
	json_t *milters = list(a->w);

	if (test && milters)
		look_start(a, rq, milters);
	else
		http_serve_reply(rq, HTTP_OK, json_pack("{s:o}", "milters", milters));
}

void smtp_admin_milters_stop(struct smtp_admin *a)
{
	while (!LIST_EMPTY(&a->looks))
		look_free(LIST_FIRST(&a->looks));
}
