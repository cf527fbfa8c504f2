#include "podctl/podd/replication_json.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"

static const char *const operation_states[] = { [OPERATION_NONE] = "none",
	                                        [OPERATION_RUNNING] = "running",
	                                        [OPERATION_DONE] = "done",
	                                        [OPERATION_FAILED] = "failed" };
static const char *const part_names[] = {
	[PART_DOWN] = "down", [PART_STARTING] = "starting", [PART_UP] = "up", [PART_ENDING] = "ending"
};

json_t *operation_json(const struct stack *s)
{
	const struct operation *o = &s->operation;
	uint64_t end = o->state == OPERATION_RUNNING ? clock_mono_ms() : o->ended_ms;
	char step[200];
	json_t *json;

	if (o->state == OPERATION_NONE)
		return json_null();
	json = json_pack("{sI, ss, ss, ss, ss, ss, sI, sI}", "id", (json_int_t) o->id, "kind", o->kind,
	                 "from", o->from, "to", o->to, "state", operation_states[o->state], "step",
	                 stack_order_step(s, step, sizeof(step)), "started", (json_int_t) o->started_wall_s,
	                 "took_ms", (json_int_t) (end - o->started_ms));
	if (json && o->state == OPERATION_FAILED)
		(void) json_object_set_new(
			json, "error",
			json_pack("{ss, ss}", "code", err_code_name(o->r), "message", o->text));
	return json;
}

/* Members that are taken over as they are, from a status or a peer's part of it. */
static void take(json_t *to, const json_t *from, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_t *value = json_object_get(from, keys[i]);

		if (value)
			(void) json_object_set(to, keys[i], value);
	}
}

/* How a replica stands, in a word: the primary's word of a peer, or that it does not answer. */
static const char *state_of(const struct stack *s, size_t i)
{
	const struct stack_replica *r = &s->core.replicas[i];
	const json_t *peer = stack_site_peer(&s->sites[s->core.primary], s->sites[i].name);
	const char *state = json_string_value(json_object_get(peer, "state"));

	if (r->fenced)
		return "fenced";
	if (!r->talks)
		return "down";
	if (r->broken)
		return "broken";
	if (i == s->core.primary)
		return !r->primary ? "waiting" : stack_serves(&s->core) ? "serving" : "primary";
	return state && s->core.replicas[s->core.primary].talks ? state : "no primary";
}

static json_t *replica_json(const struct stack *s, size_t i, const Directory__Replica *record)
{
	static const char *const own[] = { "token",     "generation",      "size",   "consistent",
		                           "snapshots", "snapshots_bytes", "broken", "cursors" };
	static const char *const of_peer[] = { "lag_bytes",   "lag_ms",         "lag_epochs",
		                               "dirty_bytes", "bytes_sent",     "resync_eta_ms",
		                               "verifying",   "verified_bytes", "paused",
		                               "reconnects",  "last_error",     "resync_bytes_sent",
		                               "bytes_raw",   "compress" };
	const struct stack_site *site = &s->sites[i];
	const json_t *peer = stack_site_peer(&s->sites[s->core.primary], site->name);
	json_t *json =
		json_pack("{ss, ss, ss, ss, ss, sb, ss, ss}", "site", site->name, "host", record->host,
	                  "role", i == s->core.primary ? "primary" : "secondary", "state", state_of(s, i),
	                  "mode", record->mode, "in_sync", (int) s->core.replicas[i].in_sync, "endpoint",
	                  record->endpoint, "folder", record->folder);

	take(json, site->status, own, ARRAY_SIZE(own));
	if (i != s->core.primary)
		take(json, peer, of_peer, ARRAY_SIZE(of_peer));
	if (site->verified)
		(void) json_object_set(json, "verify", site->verified);
	if (site->status)
		(void) json_object_set_new(json, "seen_ms",
		                           json_integer((json_int_t) (clock_mono_ms() - site->status_ms)));
	return json;
}

json_t *replication_json(const struct stack *s, const Directory__Volume *v)
{
	json_t *replicas = json_array();

	for (size_t i = 0; i < s->core.n && i < v->n_replicas; i++)
		(void) json_array_append_new(replicas, replica_json(s, i, v->replicas[i]));
	return json_pack("{ss, ss, ss, ss, sI, sI, sb, ss, ss, ss, so, so}", "volume", s->name, "primary",
	                 s->sites[s->core.primary].name, "home", v->home_site, "state", v->state, "token",
	                 (json_int_t) s->core.token, "size_bytes", (json_int_t) v->size_bytes, "serving",
	                 (int) stack_serves(&s->core), "mount", part_names[s->core.mount], "store",
	                 part_names[s->core.store], "path", v->path, "operation", operation_json(s),
	                 "replicas", replicas);
}
