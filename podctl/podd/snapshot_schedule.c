/* Snapshots by the clock, and the end of old ones: replicator/core/schedule.h says when and which. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "podctl/podd/snapshots.h"
#include "replicator/core/schedule.h"

#define LOOK_EVERY_MS 20000
#define RECORD_ARENA  (1u << 20)

/* ---- what goes ---- */

static void pruned(void *arg, int r, const char *text)
{
	const struct stack *s = arg;

	if (r < 0 && r != -POD_E_NOTFOUND)
		log_event(NULL, LOGL_WARNING, "snapshot.not_deleted", F_STR("volume", s->name),
		          F_STR("text", text));
}

static void prune_on_list(void *arg, const json_t *list)
{
	size_t n = json_array_size(list);
	_cleanup_(freep) struct schedule_snapshot *all = calloc(n + 1, sizeof(*all));
	_cleanup_(freep) bool *goes = calloc(n + 1, sizeof(*goes));
	struct stack *s = arg;

	s->looking = false;
	if (!all || !goes || !stack_serves(&s->core))
		return;
	for (size_t i = 0; i < n; i++) {
		const json_t *entry = json_array_get(list, i);

		all[i] = (struct schedule_snapshot){
			.name = json_string_value(json_object_get(entry, "name")),
			.held = json_is_true(json_object_get(entry, "held")),
			.complete = json_is_true(json_object_get(entry, "complete")),
		};
	}
	(void) schedule_prune(all, n, goes);
	for (size_t i = 0; i < n; i++)
		if (goes[i])
			volume_snapshots_delete(s, all[i].name, pruned, s);
}

static void prune(struct stack *s)
{
	s->looking = true;
	volume_snapshots_list(s, prune_on_list, s);
}

/* ---- what is due ---- */

static void on_taken(void *arg, int r, const char *text)
{
	struct stack *s = arg;

	if (r < 0)
		log_event(NULL, LOGL_ERROR, "snapshot.not_taken", F_STR("volume", s->name),
		          F_STR("text", text));
	else
		prune(s);
}

/* The slot's name, where it has none of that name and is old enough to be meant. */
static bool is_due(const struct stack *s, char name[SCHEDULE_NAME_SIZE])
{
	_cleanup_(arena_freep) struct arena *a = arena_create(RECORD_ARENA);
	const Directory__Volume *v;
	struct guid id;
	int64_t slot;

	if (!a || volume_record_get(s->podd, a, s->name, &v, NULL) < 0 ||
	    guid_parse(span_of(v->replica_id), &id) < 0)
		return false;
	slot = schedule_slot_ms(clock_wall_ms(), schedule_spread_minutes(id.b));
	schedule_name(slot, name);
	for (size_t i = 0; i < v->n_snapshots; i++)
		if (strcmp(v->snapshots[i]->name, name) == 0)
			return false;
	return slot >= v->made_ms;
}

void volume_snapshots_look(struct stack *s)
{
	uint64_t now = clock_mono_ms();
	char name[SCHEDULE_NAME_SIZE];

	if (now < s->looked_ms + LOOK_EVERY_MS || !stack_serves(&s->core) || s->core.order)
		return;
	s->looked_ms = now;
	if (s->podd->conf->replication.snapshots && !s->taking && is_due(s, name))
		volume_snapshots_take(s, name, true, false, on_taken, s);
	else if (!s->looking)
		prune(s);
}
