/* One replica of this host: its process, what it is told and what it says. */
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "podctl/podd/job.h"
#include "podctl/podd/replica_program.h"
#include "podctl/podd/snapshots.h"
#include "podctl/podd/stack.h"

#define ASK_TIMEOUT_MS     10000
#define PROMOTE_TIMEOUT_MS 60000
#define DEMOTE_WAIT_MS     20000
#define DEMOTE_TIMEOUT_MS  60000
/* It lives under a file system of this host: its memory stays, and is not waited for
 * (replicator/plugin/memory.h). */
#define CAPABILITIES (UINT64_C(1) << CAP_IPC_LOCK | UINT64_C(1) << CAP_SYS_RESOURCE)
#define RECORD_ARENA (1u << 20)

const char *stack_site_child(const struct stack_site *site, char *buf, size_t size)
{
	(void) snprintf(buf, size, "replicator:%s@%s", site->stack->name, site->name);
	return buf;
}

static void log_refused(struct stack_site *site, const char *what, int r, const char *text)
{
	struct stack *s = site->stack;
	char line[sizeof(s->refused)];

	(void) snprintf(line, sizeof(line), "%s %s: %s", site->name, what, text);
	if (strcmp(line, s->refused) != 0) /* it is tried again and again */
		log_event(NULL, LOGL_WARNING, "replica.refused", F_STR("volume", s->name),
		          F_STR("site", site->name), F_STR("what", what), F_CODE(r), F_STR("text", text));
	(void) snprintf(s->refused, sizeof(s->refused), "%s", line);
}

/* ---- in the directory ---- */

struct in_sync_change {
	const char *site;
	bool in_sync;
};

static int change_in_sync(void *arg, Directory__Volume *v, struct arena *a, struct err *err)
{
	const struct in_sync_change *c = arg;
	size_t i = volume_record_site(v, c->site);

	if (i == SIZE_MAX)
		return err_set(err, POD_E_NOTFOUND, "no replica at %.64s", c->site);
	v->replicas[i]->in_sync = c->in_sync;
	return 0;
}

static int write_in_sync(struct stack *s, size_t index, bool in_sync, struct err *err)
{
	struct in_sync_change c = { s->sites[index].name, in_sync };
	int r = volume_record_change(s->podd, s->name, change_in_sync, &c, err);

	if (r == 0)
		stack_set_in_sync(&s->core, index, in_sync, clock_mono_ms());
	return r;
}

/* ---- what it says ---- */

static void on_answered(void *arg, int r, const json_t *answer, const char *text)
{
	if (r < 0)
		log_refused(arg, "an answer", r, text);
}

/*
 * The primary asks to go on without a peer, or says that one has everything: first the directory, then the
 * answer. Of a primary that is being fenced nothing is taken any more, or it could go on without the very one
 * that takes over.
 */
static void on_membership(struct stack_site *site, const json_t *event, bool in_sync)
{
	struct stack *s = site->stack;
	const char *peer = json_string_value(json_object_get(event, "peer"));
	size_t index = peer ? stack_site_find(s, peer) : SIZE_MAX;
	struct err err = { 0 };
	json_t *answer;

	if (index == SIZE_MAX || index == site->index || site->index != s->core.primary ||
	    s->core.replicas[site->index].fenced)
		return;
	if (write_in_sync(s, index, in_sync, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "replica.not_entered", F_STR("volume", s->name),
		          F_STR("site", peer), F_ERR(&err)); /* it asks again */
		return;
	}
	log_event(NULL, in_sync ? LOGL_NOTICE : LOGL_ERROR, in_sync ? "replica.joined" : "replica.struck",
	          F_STR("volume", s->name), F_STR("site", peer));
	answer = json_pack("{ss, ss, sO}", "do", in_sync ? "joined" : "struck", "peer", peer, "serial",
	                   json_object_get(event, "serial"));
	if (replica_link_ask(site->link, answer, ASK_TIMEOUT_MS, on_answered, site, &err) < 0)
		log_refused(site, "an answer", -err.code, err_text(&err));
	stack_site_poll(&s->sites[index]); /* should the primary die now, a failover goes by what this one says */
}

static void log_alarm(const struct stack_site *site, const char *name, const json_t *event)
{
	_cleanup_(freep) char *text = json_dumps(event, JSON_COMPACT);
	bool bad = strcmp(name, "broken") == 0 || strcmp(name, "snapshot_dropped") == 0;

	log_event(NULL, bad ? LOGL_ERROR : LOGL_NOTICE, "replica.event", F_STR("volume", site->stack->name),
	          F_STR("site", site->name), F_STR("event", text ? text : name));
}

/* Told by the primary of a peer: it stands with that. */
static void keep_verified(struct stack *s, const json_t *event)
{
	const char *peer = json_string_value(json_object_get(event, "peer"));
	size_t index = peer ? stack_site_find(s, peer) : SIZE_MAX;

	if (index == SIZE_MAX)
		return;
	json_decref(s->sites[index].verified);
	s->sites[index].verified = json_deep_copy(event);
}

static void site_on_event(void *arg, const json_t *event)
{
	struct stack_site *site = arg;
	const char *name = json_string_value(json_object_get(event, "event"));

	if (!name)
		return;
	if (strcmp(name, "strike") == 0 || strcmp(name, "join") == 0)
		on_membership(site, event, strcmp(name, "join") == 0);
	else
		log_alarm(site, name, event);
	if (strcmp(name, "verify_done") == 0)
		keep_verified(site->stack, event);
	stack_site_poll(site);
	stack_go_on(site->stack);
}

static bool says(const json_t *status, const char *key, bool otherwise)
{
	const json_t *value = json_object_get(status, key);

	return json_is_boolean(value) ? json_boolean_value(value) : otherwise;
}

static bool says_primary(const json_t *status)
{
	const char *role = json_string_value(json_object_get(status, "role"));

	return role && strcmp(role, "primary") == 0;
}

static void keep_status(struct stack_site *site, const json_t *status)
{
	json_decref(site->status);
	site->status = json_deep_copy(status);
	site->status_ms = clock_mono_ms();
	if (!says_primary(status))
		return;
	json_decref(site->as_primary);
	site->as_primary = json_incref(site->status);
}

static void on_dialled(void *arg, int r, const json_t *answer, const char *text)
{
	if (r < 0)
		log_refused(arg, "dial", r, text);
}

/* The primary tries a standby that was away less and less often; now it need not wait. */
static void tell_primary(struct stack_site *site)
{
	struct stack_site *primary = stack_primary(site->stack);

	if (site != primary && replica_link_is_up(primary->link))
		(void) replica_link_ask(primary->link, json_pack("{ss, ss}", "do", "dial", "peer", site->name),
		                        ASK_TIMEOUT_MS, on_dialled, primary, NULL);
}

static void site_on_up(void *arg, const json_t *status)
{
	struct stack_site *site = arg;
	struct stack *s = site->stack;
	char child[CHILD_NAME_SIZE];

	site->asking = 0;
	keep_status(site, status);
	stack_site_tell_peers(site);
	tell_primary(site);
	volume_snapshots_tell(site);
	children_is_ready(s->podd->children, stack_site_child(site, child, sizeof(child)));
	stack_on_talks(&s->core, site->index, says_primary(status), says(status, "consistent", true),
	               clock_mono_ms());
	stack_go_on(s);
}

static void site_on_down(void *arg)
{
	struct stack_site *site = arg;

	stack_on_gone(&site->stack->core, site->index, clock_mono_ms());
	stack_go_on(site->stack);
}

static const struct replica_link_ops site_ops = {
	.on_up = site_on_up,
	.on_down = site_on_down,
	.on_event = site_on_event,
};

/* The mta keeps what it delivered until then. */
static void tell_safe(struct stack_site *site, const json_t *status)
{
	struct stack *s = site->stack;
	uint64_t token = (uint64_t) json_integer_value(json_object_get(status, "token"));

	if (site->index == s->core.primary && says_primary(status) && token == s->core.token &&
	    safe_mark_take(&s->safe, status, site->asked_ms, token))
		safe_mark_publish(&s->safe, s->podd->conf->pod.run_dir, s->name);
}

static void on_status(void *arg, int r, const json_t *answer, const char *text)
{
	struct stack_site *site = arg;
	struct stack *s = site->stack;

	if (site->asking)
		site->asking--;
	if (r < 0)
		return; /* the link's end says more */
	keep_status(site, answer);
	tell_safe(site, answer);
	stack_on_state(&s->core, site->index, says_primary(answer), says(answer, "consistent", true),
	               json_is_string(json_object_get(answer, "broken")), clock_mono_ms());
	stack_make_look(s);
	stack_order_look(s);
	stack_go_on(s);
}

void stack_site_poll(struct stack_site *site)
{
	if (!site->asking)
		site->asked_ms = clock_wall_ms();
	if (replica_link_is_up(site->link) &&
	    replica_link_ask(site->link, json_pack("{ss}", "do", "status"), ASK_TIMEOUT_MS, on_status, site, NULL) == 0)
		site->asking++;
}

const json_t *stack_status_peer(const json_t *status, const char *peer)
{
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(status, "peers"), i, entry)
	{
		const char *name = json_string_value(json_object_get(entry, "name"));

		if (name && strcmp(name, peer) == 0)
			return entry;
	}
	return NULL;
}

const json_t *stack_site_peer(const struct stack_site *site, const char *peer)
{
	return stack_status_peer(site->status, peer);
}

/* ---- what it is told ---- */

static void on_peer_set(void *arg, int r, const json_t *answer, const char *text)
{
	if (r < 0)
		log_refused(arg, "peer_set", r, text);
}

static void tell_peer(struct stack_site *site, const Directory__Replica *peer)
{
	static const char *const compressions[] = { [REPLICATION_COMPRESS_NONE] = "none",
		                                    [REPLICATION_COMPRESS_LZ4] = "lz4",
		                                    [REPLICATION_COMPRESS_ZSTD] = "zstd" };
	const char *compress = compressions[site->stack->podd->conf->replication.compress];
	json_t *request =
		json_pack("{ss, ss, ss, ss, sI, sb, ss}", "do", "peer_set", "name", peer->site, "address",
	                  peer->endpoint, "mode", peer->mode, "wait_ms", (json_int_t) peer->wait_ms,
	                  "in_sync", (int) peer->in_sync, "compress", compress);
	struct err err = { 0 };

	if (replica_link_ask(site->link, request, ASK_TIMEOUT_MS, on_peer_set, site, &err) < 0)
		log_refused(site, "peer_set", -err.code, err_text(&err));
}

void stack_site_tell_peers(struct stack_site *site)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(RECORD_ARENA);
	struct err err = { 0 };
	const Directory__Volume *v;

	if (!a || volume_record_get(site->stack->podd, a, site->stack->name, &v, &err) < 0) {
		log_refused(site, "peers", -err.code, err_text(&err));
		return;
	}
	for (size_t i = 0; i < v->n_replicas; i++)
		if (i != site->index)
			tell_peer(site, v->replicas[i]);
}

static const Directory__Replica *replica_of(const struct stack *s, size_t index, struct arena *a)
{
	const Directory__Volume *v;

	return a && volume_record_get(s->podd, a, s->name, &v, NULL) == 0 && index < v->n_replicas
	               ? v->replicas[index]
	               : NULL;
}

static bool is_async(const Directory__Replica *replica)
{
	return replica && strcmp(replica->mode, "async") == 0;
}

bool stack_site_wait_for_peer(struct stack_site *site, size_t peer)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(RECORD_ARENA);
	const Directory__Replica *replica = replica_of(site->stack, peer, a);
	Directory__Replica waited_for;

	if (!is_async(replica))
		return false;
	waited_for = *replica;
	waited_for.mode = (char *) (uintptr_t) "sync";
	tell_peer(site, &waited_for);
	return true;
}

void stack_site_release_peer(struct stack_site *site, size_t peer)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(RECORD_ARENA);
	const Directory__Replica *replica = replica_of(site->stack, peer, a);
	struct err err = { 0 };

	if (!is_async(replica))
		return;
	if (write_in_sync(site->stack, peer, false, &err) < 0)
		log_refused(site, "peers", -err.code, err_text(&err));
	stack_site_tell_peers(site);
}

static void on_promoted(void *arg, int r, const json_t *answer, const char *text)
{
	struct stack_site *site = arg;

	if (r < 0)
		log_refused(site, "promotion", r, text);
	else
		log_event(NULL, LOGL_NOTICE, "replica.promoted", F_STR("volume", site->stack->name),
		          F_STR("site", site->name), F_UINT("token", site->stack->core.token));
	stack_on_promoted(&site->stack->core, site->index, r, text, clock_mono_ms());
	stack_go_on(site->stack);
}

/* Who flushes have to wait for is told anew right before: a secondary believes it, a primary keeps its own
 * list. */
void stack_site_promote(struct stack_site *site, uint64_t token, bool forced)
{
	json_t *request = json_pack("{ss, sI, sb}", "do", "promote", "token", (json_int_t) token, "force",
	                            (int) forced);
	struct err err = { 0 };

	stack_site_tell_peers(site);
	if (replica_link_ask(site->link, request, PROMOTE_TIMEOUT_MS, on_promoted, site, &err) < 0)
		on_promoted(site, -err.code, NULL, err_text(&err));
}

static void on_demoted(void *arg, int r, const json_t *answer, const char *text)
{
	struct stack_site *site = arg;

	if (r < 0)
		log_refused(site, "demotion", r, text);
	stack_on_demoted(&site->stack->core, site->index, r, text, clock_mono_ms());
	stack_go_on(site->stack);
}

/* Aside: while it waits for its peers it may have to be told that one was struck. */
void stack_site_demote(struct stack_site *site)
{
	json_t *request = json_pack("{ss, sI}", "do", "demote", "wait_ms", (json_int_t) DEMOTE_WAIT_MS);
	struct err err = { 0 };

	if (replica_ask_aside(site->stack->podd->base, site->files.control, request, DEMOTE_TIMEOUT_MS,
	                      on_demoted, site, &err) < 0)
		on_demoted(site, -err.code, NULL, err_text(&err));
}

/* ---- its process ---- */

static int process_add(struct stack_site *site, const Directory__Replica *replica, struct err *err)
{
	struct podd *p = site->stack->podd;
	const struct conf *conf = p->conf;
	char program[PATH_MAX], nbd[PATH_MAX + 8], child[CHILD_NAME_SIZE], rate[32];
	const char *const argv[] = { replica_program(p, program, sizeof(program)),
		                     "serve",
		                     "--folder",
		                     site->files.folder,
		                     "--name",
		                     site->stack->name,
		                     "--site",
		                     site->name,
		                     "--nbd",
		                     nbd,
		                     "--control",
		                     site->files.control,
		                     "--stage",
		                     site->files.stage,
		                     "--link-listen",
		                     replica->endpoint,
		                     "--tls-cert",
		                     site->files.cert,
		                     "--tls-key",
		                     site->files.key,
		                     "--tls-ca",
		                     conf->tls.ca,
		                     "--resync-rate",
		                     rate,
		                     "--log-format",
		                     conf->log.format == LOG_FORMAT_JSON ? "json" : "text",
		                     "--outlive-parent",
		                     NULL };
	const struct child_spec spec = {
		.rank = CHILD_DEVICE,
		.process = { .argv = argv,
		             .user = conf->pod.user_repl,
		             .capabilities = CAPABILITIES,
		             .outlives_us = true },
	};

	(void) snprintf(nbd, sizeof(nbd), "unix:%s", site->files.nbd);
	(void) snprintf(rate, sizeof(rate), "%llu", (unsigned long long) conf->replication.resync_rate);
	return children_add(p->children, stack_site_child(site, child, sizeof(child)), &spec, err);
}

int stack_site_open(struct stack *s, size_t index, const Directory__Volume *v, struct err *err)
{
	struct stack_site *site = &s->sites[index];
	const Directory__Replica *replica = v->replicas[index];
	char child[CHILD_NAME_SIZE];
	int r;

	site->stack = s;
	site->index = index;
	if (strlen(replica->site) >= sizeof(site->name) ||
	    strlen(s->name) + strlen(replica->site) + sizeof("replicator:@") > sizeof(child))
		return err_set(err, POD_E_LIMIT, "%s: too long a name for a site", replica->site);
	(void) snprintf(site->name, sizeof(site->name), "%s", replica->site);
	r = replica_files_of(s->podd->conf, s->name, replica, &site->files, err);
	if (r == 0)
		r = replica_files_make(s->podd->conf, site->name, &site->files, err);
	if (r == 0)
		r = process_add(site, replica, err);
	return r == 0 ? replica_link_create(s->podd->base, site->files.control, &site_ops, site, &site->link,
	                                    err)
	              : r;
}

void stack_site_close(struct stack_site *site)
{
	site->link = replica_link_free(site->link);
	json_decref(site->status);
	json_decref(site->as_primary);
	json_decref(site->verified);
	site->status = site->as_primary = site->verified = NULL;
}

static void process_start_now(struct stack_site *site)
{
	char child[CHILD_NAME_SIZE];

	children_start(site->stack->podd->children, stack_site_child(site, child, sizeof(child)));
}

static void on_created(void *arg, int status, const char *said)
{
	struct stack_site *site = arg;

	if (status != 0)
		log_event(NULL, LOGL_ERROR, "replica.not_made", F_STR("volume", site->stack->name),
		          F_STR("site", site->name), F_STR("text", said));
	process_start_now(
		site); /* where it failed this fails too, again and again, and shows in the status */
}

static int create(struct stack_site *site, const Directory__Volume *v, struct err *err)
{
	struct podd *p = site->stack->podd;
	char program[PATH_MAX], size[32], log_size[32];
	const char *const argv[] = { replica_program(p, program, sizeof(program)),
		                     "create",
		                     "--folder",
		                     site->files.folder,
		                     "--size",
		                     size,
		                     "--log-size",
		                     log_size,
		                     "--volume-id",
		                     v->replica_id,
		                     NULL };
	const struct process_spec spec = { .argv = argv, .user = p->conf->pod.user_repl };
	int r = replica_files_clear(&site->files, err);

	(void) snprintf(size, sizeof(size), "%llu", (unsigned long long) v->size_bytes);
	(void) snprintf(log_size, sizeof(log_size), "%llu", (unsigned long long) v->log_bytes);
	return r == 0 ? job_start(p->base, &spec, p->log, on_created, site, err) : r;
}

/*
 * A standby whose disk was replaced is made anew and gets everything from the primary; it has nothing, so it
 * is in sync with nobody. A primary without its replica is left to fail: the other site has what it had.
 */
int stack_site_start(struct stack_site *site, const Directory__Volume *v, struct err *err)
{
	struct stack *s = site->stack;
	int r = 0;

	if (replica_files_complete(&site->files) || (s->core.made && site->index == s->core.primary)) {
		process_start_now(site);
		return 0;
	}
	if (s->core.made && v->replicas[site->index]->in_sync)
		r = write_in_sync(s, site->index, false, err);
	return r == 0 ? create(site, v, err) : r;
}
