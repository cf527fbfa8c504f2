#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "podctl/podd/freeze.h"
#include "podctl/podd/snapshots.h"

#define TAKE_TIMEOUT_MS  120000
#define LOOK_EVERY_MS    100
#define COMPLETE_WAIT_MS 20000

struct taking {
	struct stack *stack;
	char name[64];
	bool scheduled, hold, frozen;
	struct freeze *freeze;
	struct event *again; /* looks whether each site has it */
	uint64_t until_ms;
	volume_snapshots_done_fn *done;
	void *arg;
};

int snapshot_name_check(const char *name, struct err *err)
{
	static const char *const ours[] = { "auto-", "orphan-", "resync-" };
	size_t len = strlen(name);

	if (len == 0 || len > 63 || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-")] != '\0')
		return err_set(err, POD_E_SYNTAX,
		               "a snapshot's name is 1 to 63 small letters, digits, \".\", \"_\" and \"-\"");
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (strncmp(name, ours[i], strlen(ours[i])) == 0)
			return err_set(err, POD_E_SYNTAX,
			               "names that begin with \"%s\" are for podmail itself", ours[i]);
	return 0;
}

static void taking_end(struct taking *t, int r, const char *text)
{
	volume_snapshots_done_fn *done = t->done;
	void *arg = t->arg;

	t->stack->taking = false;
	(void) freeze_end(t->freeze);
	if (t->again)
		event_free(t->again);
	free(t);
	done(arg, r, text);
}

/* ---- the last: each site has it ---- */

static void taking_on_list(void *arg, const json_t *list)
{
	static const struct timeval moment = { .tv_usec = LOOK_EVERY_MS * 1000 };
	struct taking *t = arg;
	json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		if (strcmp(json_string_value(json_object_get(entry, "name")), t->name) == 0 &&
		    json_is_true(json_object_get(entry, "complete"))) {
			log_event(NULL, LOGL_INFO, "snapshot.complete", F_STR("volume", t->stack->name),
			          F_STR("snapshot", t->name));
			taking_end(t, 0, "");
			return;
		}
	}
	if (clock_mono_ms() > t->until_ms) {
		log_event(NULL, LOGL_WARNING, "snapshot.not_complete", F_STR("volume", t->stack->name),
		          F_STR("snapshot", t->name));
		taking_end(t, 0, "");
		return;
	}
	(void) event_add(t->again, &moment);
}

static void taking_on_again(evutil_socket_t fd, short events, void *arg)
{
	struct taking *t = arg;

	volume_snapshots_list(t->stack, taking_on_list, t);
}

/* ---- it is cut here ---- */

struct new_snapshot {
	const struct taking *taking;
	const json_t *answer;
	bool frozen;
};

static int change_add(void *arg, Directory__Volume *v, struct arena *a, struct err *err)
{
	const struct new_snapshot *n = arg;
	Directory__Snapshot *record = arena_new(a, Directory__Snapshot);
	Directory__Snapshot **list = arena_array(a, v->n_snapshots + 1, sizeof(Directory__Snapshot *));

	if (!record || !list)
		return err_set(err, POD_E_NOMEM, "snapshot");
	directory__snapshot__init(record);
	record->name = arena_str(a, span_of(n->taking->name));
	record->taken_ms = json_integer_value(json_object_get(n->answer, "time_ms"));
	record->lsn = (uint64_t) json_integer_value(json_object_get(n->answer, "lsn"));
	record->scheduled = n->taking->scheduled;
	record->held = n->taking->hold;
	record->consistency = arena_str(a, span_of(n->frozen ? "frozen" : "crash"));
	if (!record->name || !record->consistency)
		return err_set(err, POD_E_NOMEM, "snapshot");
	for (size_t i = 0; i < v->n_snapshots; i++)
		list[i] = v->snapshots[i];
	list[v->n_snapshots++] = record;
	v->snapshots = list;
	return 0;
}

static void taking_on_cut(void *arg, int r, const json_t *answer, const char *text)
{
	struct taking *t = arg;
	struct new_snapshot n = { t, answer, false };
	struct err err = { 0 };

	n.frozen = freeze_end(take_ptr(t->freeze));
	if (r < 0) {
		taking_end(t, r, text);
		return;
	}
	log_event(NULL, LOGL_NOTICE, "snapshot.taken", F_STR("volume", t->stack->name),
	          F_STR("snapshot", t->name), F_STR("consistency", n.frozen ? "frozen" : "crash"));
	if (volume_record_change(t->stack->podd, t->stack->name, change_add, &n, &err) < 0) {
		taking_end(t, -err.code, err_text(&err));
		return;
	}
	for (size_t i = 0; i < t->stack->core.n && t->hold; i++)
		volume_snapshots_tell(&t->stack->sites[i]);
	t->until_ms = clock_mono_ms() + COMPLETE_WAIT_MS;
	volume_snapshots_list(t->stack, taking_on_list, t);
}

static void taking_cut(struct taking *t)
{
	struct stack_site *primary = stack_primary(t->stack);
	struct err err = { 0 };

	/* Aside: the flush that follows may wait for a peer, and for our word that it is struck. */
	if (replica_ask_aside(t->stack->podd->base, primary->files.control,
	                      json_pack("{ss, ss}", "do", "snapshot_take", "name", t->name), TAKE_TIMEOUT_MS,
	                      taking_on_cut, t, &err) < 0)
		taking_end(t, -err.code, err_text(&err));
}

static void taking_on_frozen(void *arg, bool frozen)
{
	taking_cut(arg);
}

/* ---- the door ---- */

static void taking_begin(struct taking *t)
{
	const struct podd *p = t->stack->podd;
	unsigned int limit_ms = (unsigned int) p->conf->replication.freeze_limit_ms;
	char dir[PATH_MAX];

	(void) snprintf(dir, sizeof(dir), "%s/%s", p->conf->pod.volumes_dir, t->stack->name);
	if (limit_ms == 0 || freeze_begin(p->base, dir, limit_ms, taking_on_frozen, t, &t->freeze, NULL) < 0)
		taking_cut(t);
}

void volume_snapshots_take(struct stack *s, const char *name, bool scheduled, bool hold,
                           volume_snapshots_done_fn *done, void *arg)
{
	struct taking *t;

	if (!stack_serves(&s->core)) {
		done(arg, -POD_E_UNAVAILABLE, "the volume is not served now");
		return;
	}
	if (s->taking) {
		done(arg, -POD_E_BUSY, "another snapshot of the volume is being taken");
		return;
	}
	t = calloc(1, sizeof(*t));
	if (t)
		*t = (struct taking){
			.stack = s, .scheduled = scheduled, .hold = hold, .done = done, .arg = arg
		};
	if (!t || !(t->again = evtimer_new(s->podd->base, taking_on_again, t))) {
		free(t);
		done(arg, -POD_E_NOMEM, "out of memory");
		return;
	}
	(void) snprintf(t->name, sizeof(t->name), "%s", name);
	s->taking = true;
	taking_begin(t);
}
