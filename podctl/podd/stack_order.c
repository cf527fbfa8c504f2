/* Switchover, failover and failback: the orders, what is entered in the directory, and how it went. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "podctl/podd/stack.h"

#define RECORD_ARENA (1u << 20)

/* ---- the operation ---- */

static void operation_begin(struct stack *s, const char *kind, size_t to)
{
	static uint64_t last_id; /* of this podd */

	s->operation = (struct operation){
		.kind = kind,
		.state = OPERATION_RUNNING,
		.id = ++last_id,
		.started_ms = clock_mono_ms(),
		.started_wall_s = clock_wall_s(),
	};
	(void) snprintf(s->operation.from, sizeof(s->operation.from), "%s", stack_primary(s)->name);
	(void) snprintf(s->operation.to, sizeof(s->operation.to), "%s", s->sites[to].name);
	log_event(NULL, LOGL_NOTICE, "operation.began", F_STR("volume", s->name), F_STR("kind", kind),
	          F_STR("from", s->operation.from), F_STR("to", s->operation.to));
}

void stack_order_done(struct stack *s, int r, const char *text)
{
	struct operation *o = &s->operation;

	if (o->state != OPERATION_RUNNING)
		return;
	o->state = r < 0 ? OPERATION_FAILED : OPERATION_DONE;
	o->ended_ms = clock_mono_ms();
	o->waits = false;
	o->r = r;
	(void) snprintf(o->text, sizeof(o->text), "%s", text);
	log_event(NULL, r < 0 ? LOGL_ERROR : LOGL_NOTICE, "operation.ended", F_STR("volume", s->name),
	          F_STR("kind", o->kind), F_STR("to", o->to), F_UINT("took_ms", o->ended_ms - o->started_ms),
	          F_STR("result", r < 0 ? text : "well"));
	if (r < 0 && stack_site_find(s, o->to) != s->core.primary)
		stack_site_release_peer(stack_primary(s), stack_site_find(s, o->to));
}

void stack_order_began_alone(struct stack *s, size_t to)
{
	operation_begin(s, "automatic failover", to);
}

/* ---- the directory ---- */

struct new_primary {
	const struct stack *stack;
	const struct stack_site *site;
	uint64_t token;
	bool strike_old;
};

static bool is_async(const Directory__Replica *replica)
{
	return strcmp(replica->mode, "async") == 0;
}

static int change_primary(void *arg, Directory__Volume *v, struct arena *a, struct err *err)
{
	const struct new_primary *n = arg;
	size_t old = volume_record_site(v, v->primary_site), new = volume_record_site(v, n->site->name);

	if (old == SIZE_MAX || new == SIZE_MAX)
		return err_set(err, POD_E_NOTFOUND, "no replica at %.64s", n->site->name);
	if (n->token <= v->token)
		return err_set(err, POD_E_STALE, "fencing token %llu is not newer than %llu",
		               (unsigned long long) n->token, (unsigned long long) v->token);
	v->replicas[old]->in_sync = !n->strike_old && !is_async(v->replicas[old]);
	v->replicas[new]->in_sync = true;
	v->primary_site = v->replicas[new]->site;
	v->primary_host = v->replicas[new]->host;
	v->token = n->token;
	return 0;
}

/* Those that no flush waits for lag from now on, whatever they had at the handing over. */
static void forget_async(struct stack *s)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(RECORD_ARENA);
	const Directory__Volume *v;

	if (!a || volume_record_get(s->podd, a, s->name, &v, NULL) < 0)
		return;
	for (size_t i = 0; i < v->n_replicas && i < s->core.n; i++)
		if (!v->replicas[i]->in_sync)
			stack_set_in_sync(&s->core, i, false, clock_mono_ms());
}

void stack_order_write(struct stack *s, size_t to, uint64_t token, bool strike_old)
{
	struct new_primary n = { s, &s->sites[to], token, strike_old };
	struct err err = { 0 };
	int r = volume_record_change(s->podd, s->name, change_primary, &n, &err);

	if (r == 0)
		log_event(NULL, LOGL_NOTICE, "volume.moved", F_STR("volume", s->name),
		          F_STR("site", s->sites[to].name), F_UINT("token", token));
	stack_on_written(&s->core, r, r < 0 ? err_text(&err) : "", clock_mono_ms());
	if (r == 0)
		forget_async(s);
}

/* ---- orders ---- */

static int order_end_at_once(struct stack *s, int r, const struct err *err)
{
	if (r < 0)
		stack_order_done(s, r, err_text(err));
	stack_go_on(s);
	return r;
}

int stack_order_switchover(struct stack *s, size_t to, struct err *err)
{
	struct operation before = s->operation;
	int r;

	if (before.state == OPERATION_RUNNING)
		return err_set(err, POD_E_BUSY, "a %s is under way", before.kind);
	operation_begin(s, "switchover", to);
	if (!s->core.replicas[to].in_sync && stack_site_wait_for_peer(stack_primary(s), to)) {
		s->operation.waits = true;
		return 0;
	}
	r = stack_switchover(&s->core, to, clock_mono_ms(), err);
	return order_end_at_once(s, r, err);
}

static uint64_t number_of(const json_t *object, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(object, key));

	return v > 0 ? (uint64_t) v : 0;
}

/*
 * In sync: nothing. Else what the primary last said of it: what it lacks of the log and what is marked in the
 * bitmap, as of then; podd asks every second, and a primary that is dead has not written since.
 */
void stack_loss(const struct stack *s, size_t to, struct stack_loss *ret)
{
	const struct stack_site *primary = &s->sites[s->core.primary];
	const json_t *peer = stack_status_peer(primary->as_primary, s->sites[to].name);

	*ret = (struct stack_loss){ .none = s->core.replicas[to].in_sync && s->core.replicas[to].consistent };
	ret->known = ret->none || peer;
	if (ret->none || !peer)
		return;
	ret->bytes = number_of(peer, "lag_bytes") + number_of(peer, "dirty_bytes");
	ret->ms = number_of(peer, "lag_ms");
	ret->epochs = number_of(peer, "lag_epochs");
}

static int check_loss(const struct stack *s, size_t to, uint64_t max_loss_bytes, struct err *err)
{
	const char *site = s->sites[to].name;
	struct stack_loss loss;

	stack_loss(s, to, &loss);
	if (loss.none || max_loss_bytes == STACK_LOSS_ANY)
		return 0;
	if (!loss.known)
		return err_set(err, POD_E_LIMIT, "%s is not in sync, and nobody knows how much it lacks",
		               site);
	/* The figure is a moment old: nothing is what nobody can promise of one that is not in sync. */
	if (max_loss_bytes > 0 && loss.bytes <= max_loss_bytes && s->core.replicas[to].consistent)
		return 0;
	return err_set(err, POD_E_LIMIT,
	               "%s is not in sync: it lacks up to %llu bytes, %llu epochs, the last %llu.%03llu s%s",
	               site, (unsigned long long) loss.bytes, (unsigned long long) loss.epochs,
	               (unsigned long long) (loss.ms / 1000), (unsigned long long) (loss.ms % 1000),
	               s->core.replicas[to].consistent
	                       ? ""
	                       : "; it is in the middle of a resync and would fall back to before it");
}

/*
 * Whether there is a volume at all where it would be served: a replica that never got all of a new one, or is in the middle
 * of the first resync of a new disk, has nothing to go back to. No word of an operator makes it a volume, and under the next
 * token what the old primary has would not count any more.
 */
static int check_whole(const struct stack *s, size_t to, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(RECORD_ARENA);
	const struct stack_site *site = &s->sites[to];
	const Directory__Volume *v;
	uint64_t lsn = number_of(site->status, "promotable_lsn");
	int r = a ? volume_record_get(s->podd, a, s->name, &v, err) : err_set(err, POD_E_NOMEM, "failover");

	if (r < 0 || !s->core.replicas[to].talks) /* which is refused for that */
		return r;
	if (lsn > 0 && lsn >= v->made_lsn)
		return 0;
	return err_set(err, POD_E_LIMIT,
	               "%s never had the whole volume: there is nothing that could take over; what is at %s is all there is",
	               site->name, s->sites[s->core.primary].name);
}

int stack_order_failover(struct stack *s, size_t to, uint64_t max_loss_bytes, struct err *err)
{
	int r = to == s->core.primary ? 0 : check_whole(s, to, err); /* to itself is refused for what it is */

	if (r == 0)
		r = check_loss(s, to, max_loss_bytes, err);
	if (r < 0)
		return r;
	if (s->core.order)
		return err_set(err, POD_E_BUSY, "a %s is under way", s->operation.kind);
	operation_begin(s, "failover", to); /* also in the place of a failback that waits */
	r = stack_failover(&s->core, to, max_loss_bytes == STACK_LOSS_ANY, clock_mono_ms(), err);
	return order_end_at_once(s, r, err);
}

int stack_order_failback(struct stack *s, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(RECORD_ARENA);
	const Directory__Volume *v;
	int r = a ? volume_record_get(s->podd, a, s->name, &v, err) : err_set(err, POD_E_NOMEM, "failback");
	size_t home = r == 0 ? stack_site_find(s, v->home_site) : SIZE_MAX;

	if (r < 0)
		return r;
	if (home == SIZE_MAX)
		return err_set(err, POD_E_NOTFOUND, "there is no replica at its home, %.64s", v->home_site);
	if (home == s->core.primary)
		return err_set(err, POD_E_EXISTS, "it is at its home, %s", s->sites[home].name);
	if (s->operation.state == OPERATION_RUNNING)
		return err_set(err, POD_E_BUSY, "a %s is under way", s->operation.kind);
	operation_begin(s, "failback", home);
	s->operation.waits = true;
	(void) stack_site_wait_for_peer(stack_primary(s), home);
	stack_order_look(s);
	stack_go_on(s);
	return 0;
}

/* The peer's own state, where it will not come to be in sync by waiting. */
static const char *hopeless(const struct stack *s, size_t to)
{
	const json_t *peer = stack_site_peer(&s->sites[s->core.primary], s->sites[to].name);
	const char *state = json_string_value(json_object_get(peer, "state"));

	if (state && strcmp(state, "split-brain") == 0)
		return "it has a history of its own; a resync gives it ours and keeps its own as a snapshot";
	if (state && strcmp(state, "paused") == 0)
		return "its replication is paused";
	return NULL;
}

void stack_order_look(struct stack *s)
{
	size_t to = s->operation.waits ? stack_site_find(s, s->operation.to) : SIZE_MAX;
	const char *why = to == SIZE_MAX ? NULL : hopeless(s, to);
	struct err err = { 0 };
	int r;

	if (to == SIZE_MAX || s->core.order)
		return;
	if (why) {
		stack_order_done(s, -POD_E_STALE, why);
		return;
	}
	if (!s->core.replicas[to].in_sync || !s->core.replicas[to].consistent || !stack_serves(&s->core))
		return;
	s->operation.waits = false;
	r = stack_switchover(&s->core, to, clock_mono_ms(), &err);
	if (r < 0)
		stack_order_done(s, r, err_text(&err));
}

const char *stack_order_step(const struct stack *s, char *buf, size_t size)
{
	const json_t *peer;

	if (s->operation.state != OPERATION_RUNNING) {
		(void) snprintf(buf, size, "%s",
		                s->operation.state == OPERATION_FAILED ? s->operation.text : "done");
	} else if (!s->operation.waits) {
		(void) snprintf(buf, size, "%s", stack_step_text(&s->core));
	} else {
		peer = stack_site_peer(&s->sites[s->core.primary], s->operation.to);
		(void) snprintf(
			buf, size, "waiting for %s to have everything: %llu bytes to go, %llu s",
			s->operation.to,
			(unsigned long long) (number_of(peer, "lag_bytes") + number_of(peer, "dirty_bytes")),
			(unsigned long long) (number_of(peer, "resync_eta_ms") / 1000));
	}
	return buf;
}
