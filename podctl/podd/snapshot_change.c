/* Holding, deleting and comparing snapshots. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "podctl/podd/snapshots.h"

#define ASK_TIMEOUT_MS    10000
#define DELETE_TIMEOUT_MS 120000
#define RECORD_ARENA      (1u << 20)

static Directory__Snapshot *record_of(const Directory__Volume *v, const char *name)
{
	for (size_t i = 0; i < v->n_snapshots; i++)
		if (strcmp(v->snapshots[i]->name, name) == 0)
			return v->snapshots[i];
	return NULL;
}

/* ---- hold ---- */

static void on_told(void *arg, int r, const json_t *answer, const char *text)
{
	const struct stack_site *site = arg;

	if (r < 0 && r != -POD_E_NOTFOUND) /* it may not have it yet, or not any more */
		log_event(NULL, LOGL_WARNING, "snapshot.not_held", F_STR("volume", site->stack->name),
		          F_STR("site", site->name), F_STR("text", text));
}

void volume_snapshots_tell(struct stack_site *site)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(RECORD_ARENA);
	const Directory__Volume *v;

	if (!a || volume_record_get(site->stack->podd, a, site->stack->name, &v, NULL) < 0)
		return;
	for (size_t i = 0; i < v->n_snapshots && replica_link_is_up(site->link); i++)
		(void) replica_link_ask(site->link,
		                        json_pack("{ss, ss, sb}", "do", "snapshot_hold", "name",
		                                  v->snapshots[i]->name, "hold", (int) v->snapshots[i]->held),
		                        ASK_TIMEOUT_MS, on_told, site, NULL);
}

struct hold {
	const char *name;
	bool hold;
};

static int change_hold(void *arg, Directory__Volume *v, struct arena *a, struct err *err)
{
	const struct hold *h = arg;
	Directory__Snapshot *record = record_of(v, h->name);

	if (!record)
		return err_set(err, POD_E_NOTFOUND,
		               "there is no snapshot %.64s",
		               h->name);
	record->held = h->hold;
	return 0;
}

/* Each site that talks is told, and waited for: the listing that follows is to show it. */
struct holding {
	size_t waiting, has_it;
	volume_snapshots_done_fn *done;
	void *arg;
	bool known; /* to the directory: a site that is away hears of it later */
};

static void holding_end(struct holding *h)
{
	volume_snapshots_done_fn *done = h->done;
	bool well = h->known || h->has_it;
	void *arg = h->arg;

	free(h);
	done(arg, well ? 0 : -POD_E_NOTFOUND, well ? "" : "no site has a snapshot of that name");
}

static void holding_on_answer(void *arg, int r, const json_t *answer, const char *text)
{
	struct holding *h = arg;

	h->has_it += r == 0;
	if (--h->waiting == 0)
		holding_end(h);
}

static void hold_at(struct holding *h, const struct stack_site *site, const char *name, bool hold)
{
	json_t *request = json_pack("{ss, ss, sb}", "do", "snapshot_hold", "name", name, "hold", (int) hold);

	h->waiting += replica_ask_aside(site->stack->podd->base, site->files.control, request, ASK_TIMEOUT_MS,
	                                holding_on_answer, h, NULL) == 0;
}

/* One that nobody asked for (an orphan, say) is not in the directory, but it is held, and can be let go, where it is. */
void volume_snapshots_hold(struct stack *s, const char *name, bool hold, volume_snapshots_done_fn *done, void *arg)
{
	struct holding *h = calloc(1, sizeof(*h));
	struct hold change = { name, hold };
	struct err err = { 0 };
	int r = h ? volume_record_change(s->podd, s->name, change_hold, &change, &err)
	          : err_set(&err, POD_E_NOMEM, "snapshot");

	if (r < 0 && r != -POD_E_NOTFOUND) {
		free(h);
		done(arg, r, err_text(&err));
		return;
	}
	*h = (struct holding){ .waiting = 1, .done = done, .arg = arg, .known = r == 0 };
	for (size_t i = 0; i < s->core.n; i++)
		if (s->core.replicas[i].talks)
			hold_at(h, &s->sites[i], name, hold);
	if (--h->waiting == 0)
		holding_end(h);
}

/* ---- delete ---- */

struct deletion {
	struct stack *stack;
	char name[64];
	volume_snapshots_done_fn *done;
	void *arg;
};

static int change_forget(void *arg, Directory__Volume *v, struct arena *a, struct err *err)
{
	const char *name = arg;
	size_t kept = 0;

	for (size_t i = 0; i < v->n_snapshots; i++)
		if (strcmp(v->snapshots[i]->name, name) != 0)
			v->snapshots[kept++] = v->snapshots[i];
	v->n_snapshots = kept;
	return 0;
}

/* One that the primary does not have any more is only forgotten. */
static void deletion_on_answer(void *arg, int r, const json_t *answer, const char *text)
{
	struct deletion *d = arg;
	volume_snapshots_done_fn *done = d->done;
	void *done_arg = d->arg;
	struct err err = { 0 };

	(void) err_set(&err, POD_E_NONE, "%s", text);
	if (r == 0 || r == -POD_E_NOTFOUND) {
		int forgot =
			volume_record_change(d->stack->podd, d->stack->name, change_forget, d->name, &err);

		r = r == 0 ? forgot : r;
	}
	if (r == 0)
		log_event(NULL, LOGL_NOTICE, "snapshot.deleted", F_STR("volume", d->stack->name),
		          F_STR("snapshot", d->name));
	free(d);
	done(done_arg, r, r < 0 ? err_text(&err) : "");
}

void volume_snapshots_delete(struct stack *s, const char *name, volume_snapshots_done_fn *done, void *arg)
{
	struct deletion *d = calloc(1, sizeof(*d));
	struct err err = { 0 };

	if (!d) {
		done(arg, -POD_E_NOMEM, "out of memory");
		return;
	}
	*d = (struct deletion){ .stack = s, .done = done, .arg = arg };
	(void) snprintf(d->name, sizeof(d->name), "%s", name);
	if (replica_ask_aside(s->podd->base, stack_primary(s)->files.control,
	                      json_pack("{ss, ss}", "do", "snapshot_delete", "name", name), DELETE_TIMEOUT_MS,
	                      deletion_on_answer, d, &err) == 0)
		return;
	free(d);
	done(arg, -err.code, err_text(&err));
}

/* ---- verify ---- */

struct verification {
	struct stack *stack;
	json_t *sites;
	char name[64];
	size_t waiting;
	volume_snapshots_verified_fn *done;
	void *arg;
};

struct question {
	struct verification *verification;
	size_t site;
};

/* Every site answered, all with the same sum. */
static bool all_same(const json_t *sites, size_t n)
{
	const char *first = json_string_value(json_object_get(json_array_get(sites, 0), "checksum"));
	bool same = first && json_array_size(sites) == n;

	for (size_t i = 1; same && i < json_array_size(sites); i++) {
		const char *sum = json_string_value(json_object_get(json_array_get(sites, i), "checksum"));

		same = sum && strcmp(sum, first) == 0;
	}
	return same;
}

static void verification_end(struct verification *v)
{
	bool same = all_same(v->sites, v->stack->core.n);

	log_event(NULL, same ? LOGL_NOTICE : LOGL_ERROR, "snapshot.verified", F_STR("volume", v->stack->name),
	          F_STR("snapshot", v->name), F_STR("same", same ? "yes" : "no"));
	v->done(v->arg, json_pack("{ss, sb, so}", "name", v->name, "same", (int) same, "sites", v->sites));
	free(v);
}

static void verification_note(struct verification *v, size_t site, int r, const json_t *answer,
                              const char *text)
{
	json_t *entry = json_pack("{ss}", "site", v->stack->sites[site].name);

	if (r == 0)
		(void) json_object_set(entry, "checksum", json_object_get(answer, "checksum"));
	else
		(void) json_object_set_new(entry, "error", json_string(text));
	(void) json_array_append_new(v->sites, entry);
}

static void verification_on_answer(void *arg, int r, const json_t *answer, const char *text)
{
	struct question *q = arg;
	struct verification *v = q->verification;

	verification_note(v, q->site, r, answer, text);
	free(q);
	if (--v->waiting == 0)
		verification_end(v);
}

static void ask(struct verification *v, size_t site)
{
	struct question *q = calloc(1, sizeof(*q));
	json_t *request = json_pack("{ss, ss}", "do", "snapshot_checksum", "name", v->name);
	struct err err = { 0 };

	if (!q) {
		json_decref(request);
		verification_note(v, site, -POD_E_NOMEM, NULL, "out of memory");
		return;
	}
	*q = (struct question){ v, site };
	v->waiting++;
	if (replica_ask_aside(v->stack->podd->base, v->stack->sites[site].files.control, request, 0,
	                      verification_on_answer, q, &err) == 0)
		return;
	v->waiting--;
	free(q);
	verification_note(v, site, -err.code, NULL, err_text(&err));
}

void volume_snapshots_verify(struct stack *s, const char *name, volume_snapshots_verified_fn *done, void *arg)
{
	struct verification *v = calloc(1, sizeof(*v));

	if (!v || !(v->sites = json_array())) {
		free(v);
		done(arg, NULL);
		return;
	}
	v->stack = s;
	v->done = done;
	v->arg = arg;
	(void) snprintf(v->name, sizeof(v->name), "%s", name);
	for (size_t i = 0; i < s->core.n; i++)
		ask(v, i);
	if (v->waiting == 0)
		verification_end(v);
}
