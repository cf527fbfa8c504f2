#include <stdlib.h>

#include "base/cleanup.h"
#include "podctl/podd/snapshots.h"

#define LIST_TIMEOUT_MS 10000
#define RECORD_ARENA    (1u << 20)

struct listing {
	struct stack *stack;
	json_t *by_site[STACK_REPLICAS_MAX]; /* NULL: it does not answer */
	size_t waiting;
	volume_snapshots_list_fn *done;
	void *arg;
};

struct question {
	struct listing *listing;
	size_t site;
};

/* ---- putting it together ---- */

/* What the names of those say that nobody asked for: replicator/link/link_internal.h makes them. */
static const char *kind_of(const char *name, const Directory__Snapshot *record)
{
	if (record)
		return record->scheduled ? "scheduled" : "manual";
	if (strncmp(name, "orphan-", 7) == 0)
		return "orphan";
	return strncmp(name, "resync-", 7) == 0 ? "resync" : "unknown";
}

static const Directory__Snapshot *record_of(const Directory__Volume *v, const char *name)
{
	for (size_t i = 0; v && i < v->n_snapshots; i++)
		if (strcmp(v->snapshots[i]->name, name) == 0)
			return v->snapshots[i];
	return NULL;
}

static json_t *entry_of(json_t *all, const char *name)
{
	json_t *entry;
	size_t i;

	json_array_foreach(all, i, entry) if (strcmp(json_string_value(json_object_get(entry, "name")),
	                                             name) == 0) return entry;
	return NULL;
}

static json_t *entry_new(json_t *all, const char *name, const Directory__Snapshot *record)
{
	json_t *entry =
		json_pack("{ss, ss, ss, sb, so}", "name", name, "kind", kind_of(name, record), "consistency",
	                  record && *record->consistency ? record->consistency : "crash", "held",
	                  record ? (int) record->held : 0, "sites", json_array());

	if (entry && record) { /* until a site says so itself */
		(void) json_object_set_new(entry, "taken", json_integer(record->taken_ms / 1000));
		(void) json_object_set_new(entry, "lsn", json_integer((json_int_t) record->lsn));
	}
	return entry && json_array_append_new(all, entry) == 0 ? entry : NULL;
}

static void add_found(json_t *all, const struct listing *l, size_t site, const json_t *found,
                      const Directory__Volume *v)
{
	const char *name = json_string_value(json_object_get(found, "name"));
	json_t *entry = name ? entry_of(all, name) : NULL;

	if (name && !entry)
		entry = entry_new(all, name, record_of(v, name));
	if (!entry)
		return;
	(void) json_object_set_new(
		entry, "taken", json_integer(json_integer_value(json_object_get(found, "time_ms")) / 1000));
	(void) json_object_set(entry, "lsn", json_object_get(found, "lsn"));
	(void) json_object_set(entry, "epoch", json_object_get(found, "epoch"));
	if (json_is_true(json_object_get(found, "held")) && !record_of(v, name))
		(void) json_object_set_new(entry, "held", json_true());
	(void) json_array_append_new(json_object_get(entry, "sites"),
	                             json_pack("{ss, sO, sO}", "site", l->stack->sites[site].name,
	                                       "copied_bytes", json_object_get(found, "copied_bytes"), "lsn",
	                                       json_object_get(found, "lsn")));
}

/* Each site has it, cut at the same point. */
static bool is_complete(const json_t *entry, size_t sites)
{
	const json_t *list = json_object_get(entry, "sites"), *at;
	json_int_t lsn = json_integer_value(json_object_get(entry, "lsn"));
	bool same = json_array_size(list) == sites;

	for (size_t i = 0; i < json_array_size(list); i++) {
		at = json_array_get(list, i);
		same &= json_integer_value(json_object_get(at, "lsn")) == lsn;
	}
	return same;
}

static int by_age(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *) a, "taken"));
	json_int_t y = json_integer_value(json_object_get(*(json_t *const *) b, "taken"));

	return x < y ? -1 : x > y;
}

static json_t *sorted(json_t *all)
{
	size_t n = json_array_size(all);
	_cleanup_(freep) json_t **items = calloc(n + 1, sizeof(json_t *));
	json_t *list = json_array();

	for (size_t i = 0; items && i < n; i++)
		items[i] = json_array_get(all, i);
	if (items)
		qsort(items, n, sizeof(json_t *), by_age);
	for (size_t i = 0; items && i < n; i++)
		(void) json_array_append(list, items[i]);
	json_decref(all);
	return list;
}

static json_t *put_together(const struct listing *l, const Directory__Volume *v)
{
	json_t *all = json_array(), *found, *entry;
	size_t i;

	for (i = 0; v && i < v->n_snapshots; i++)
		(void) entry_new(all, v->snapshots[i]->name, v->snapshots[i]);
	for (size_t site = 0; site < l->stack->core.n; site++)
		json_array_foreach(l->by_site[site], i, found) add_found(all, l, site, found, v);
	json_array_foreach(all, i, entry)(void)
		json_object_set_new(entry, "complete", json_boolean(is_complete(entry, l->stack->core.n)));
	return sorted(all);
}

/* ---- asking ---- */

static void listing_end(struct listing *l)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(RECORD_ARENA);
	const Directory__Volume *v = NULL;
	json_t *list = NULL;

	if (a && volume_record_get(l->stack->podd, a, l->stack->name, &v, NULL) == 0)
		list = put_together(l, v);
	l->done(l->arg, list);
	json_decref(list);
	for (size_t i = 0; i < STACK_REPLICAS_MAX; i++)
		json_decref(l->by_site[i]);
	free(l);
}

static void listing_on_answer(void *arg, int r, const json_t *answer, const char *text)
{
	struct question *q = arg;
	struct listing *l = q->listing;

	if (r == 0)
		l->by_site[q->site] = json_deep_copy(json_object_get(answer, "snapshots"));
	free(q);
	if (--l->waiting == 0)
		listing_end(l);
}

/* A question that cannot be asked is answered as one that was not. */
static void ask(struct listing *l, size_t site)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return;
	*q = (struct question){ l, site };
	l->waiting++;
	if (replica_ask_aside(l->stack->podd->base, l->stack->sites[site].files.control,
	                      json_pack("{ss}", "do", "snapshot_list"), LIST_TIMEOUT_MS, listing_on_answer, q,
	                      NULL) == 0)
		return;
	l->waiting--;
	free(q);
}

void volume_snapshots_list(struct stack *s, volume_snapshots_list_fn *done, void *arg)
{
	struct listing *l = calloc(1, sizeof(*l));

	if (!l) {
		done(arg, NULL);
		return;
	}
	*l = (struct listing){ .stack = s, .done = done, .arg = arg };
	for (size_t i = 0; i < s->core.n; i++)
		if (s->core.replicas[i].talks)
			ask(l, i);
	if (l->waiting == 0)
		listing_end(l);
}
