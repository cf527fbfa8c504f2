#include "podctl/podd/volumes.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "podctl/pod/owner.h"
#include "podctl/podd/job.h"
#include "podctl/podd/replica_ports.h"
#include "podctl/podd/replication_able.h"
#include "podctl/podd/stack.h"
#include "podctl/podd/volume_record.h"

#define CHILD_PREFIX "stored:"
#define READY_WAIT_S 45
#define SITE_CHUNK   65536 /* a replica's size is a multiple of it */

const char *volume_of_child(const char *child_name)
{
	size_t len = strlen(CHILD_PREFIX);

	return strncmp(child_name, CHILD_PREFIX, len) == 0 ? child_name + len : NULL;
}

const char *volume_child_name(const char *name, char *buf, size_t size)
{
	(void) snprintf(buf, size, CHILD_PREFIX "%s", name);
	return buf;
}

const struct child *volume_child(const struct podd *p, const char *name)
{
	char child[CHILD_NAME_SIZE];

	return children_find(p->children, volume_child_name(name, child, sizeof(child)));
}

bool volume_is_ready(const struct podd *p, const char *name)
{
	const struct child *child = volume_child(p, name);

	return child && child->state == CHILD_READY;
}

int podd_add_volume(struct podd *p, const char *name, struct err *err)
{
	char program[PATH_MAX], child[CHILD_NAME_SIZE];
	const char *const argv[] = { podd_program(p, "stored", program, sizeof(program)),
		                     "--config",
		                     p->options->config_file,
		                     "--volume",
		                     name,
		                     NULL };
	const struct child_spec spec = { .rank = CHILD_STORE, .process = { .argv = argv } };

	return children_add(p->children, volume_child_name(name, child, sizeof(child)), &spec, err);
}

int podd_start_volume(struct podd *p, const char *name, struct err *err)
{
	char child[CHILD_NAME_SIZE];
	int r = podd_add_volume(p, name, err);

	if (r == 0)
		children_start(p->children, volume_child_name(name, child, sizeof(child)));
	return r;
}

struct names {
	struct podd *podd;
	char **items;
	bool *replicated;
	size_t n;
};

static int collect_ours(void *arg, const char *name, const ProtobufCMessage *record)
{
	struct names *names = arg;
	const Directory__Volume *v = (const Directory__Volume *) record;

	if (strcmp(v->primary_host, names->podd->conf->pod.host) != 0)
		return 0;
	if (names->n == SUPERVISE_CHILDREN_MAX)
		return -POD_E_LIMIT;
	names->items[names->n] = strdup(name);
	names->replicated[names->n] = volume_record_is_replicated(v);
	return names->items[names->n++] ? 0 : -POD_E_NOMEM;
}

/* What is wrong with one volume is no reason not to serve the others. */
static void replicated_open(struct podd *p, const char *name)
{
	struct err err = { 0 };

	if (stack_open(p, name, &err) < 0)
		log_event(NULL, LOGL_ERROR, "volume.not_opened", F_STR("volume", name), F_ERR(&err));
}

int volumes_start(struct podd *p, struct err *err)
{
	_cleanup_(freep) bool *replicated = calloc(SUPERVISE_CHILDREN_MAX, sizeof(*replicated));
	struct names names = { .podd = p,
		               .items = calloc(SUPERVISE_CHILDREN_MAX, sizeof(char *)),
		               .replicated = replicated };
	int r = names.items && replicated
	                ? directory_each(p->dir, DIRECTORY_VOLUME, SPAN_NONE, collect_ours, &names, err)
	                : err_set(err, POD_E_NOMEM, "volumes");

	if (r == -POD_E_LIMIT)
		r = err_set(err, POD_E_LIMIT, "a host serves at most %d volumes", SUPERVISE_CHILDREN_MAX);
	for (size_t i = 0; i < names.n; i++) {
		if (r == 0 && replicated[i])
			replicated_open(p, names.items[i]);
		else if (r == 0)
			r = podd_start_volume(p, names.items[i], err);
		free(names.items[i]);
	}
	free(names.items);
	return r;
}

/* ---- adding one ---- */

struct volume_addition {
	struct podd *podd;
	struct volume_wish wish; /* its texts are the caller's: not used once this waits */
	char name[64], path[PATH_MAX];
	volume_add_fn *done;
	void *arg;
	struct event *patience; /* set while it waits for the process */
	LIST_ENTRY(volume_addition) link;
};

static void addition_end(struct volume_addition *va, int r, const char *text)
{
	volume_add_fn *done = va->done;
	void *arg = va->arg;

	LIST_REMOVE(va, link);
	if (va->patience)
		event_free(va->patience);
	free(va);
	done(arg, r, text);
}

/* A directory whose store is slow is there all the same; a replicated one that is not made yet is not. */
static void addition_on_patience_over(evutil_socket_t fd, short events, void *arg)
{
	struct volume_addition *va = arg;

	if (stack_find(va->podd, va->name))
		addition_end(va, -POD_E_TIMEOUT, "the volume is still being made; podctl status and the log say what it waits for");
	else
		addition_end(va, 0, "");
}

void volumes_on_ready(struct podd *p, const struct child *child)
{
	const char *name = volume_of_child(child->name);
	struct volume_addition *va, *next;

	for (va = LIST_FIRST(&p->volume_additions); va && name; va = next) {
		next = LIST_NEXT(va, link);
		if (va->patience && strcmp(va->name, name) == 0)
			addition_end(va, 0, "");
	}
}

void volumes_stop_waiting(struct podd *p)
{
	struct volume_addition *va, *next;

	for (va = LIST_FIRST(&p->volume_additions); va; va = next) {
		next = LIST_NEXT(va, link);
		if (va->patience) /* else `stored --create` runs, and ends it */
			addition_end(va, -POD_E_CANCELLED, "the pod is stopping");
	}
}

/* volume.json was written by `stored --create`; see its page in docs. */
int volume_id_read(const char *path, char *buf, size_t size, struct err *err)
{
	char file[PATH_MAX];
	json_error_t why;
	const char *id;
	json_t *json;
	int r = 0;

	if ((size_t) snprintf(file, sizeof(file), "%s/volume.json", path) >= sizeof(file))
		return err_set(err, POD_E_LIMIT, "%s: name too long", path);
	json = json_load_file(file, 0, &why);
	id = json_string_value(json_object_get(json, "id"));
	if (!json || !id || strlen(id) >= size)
		r = err_set(err, POD_E_CORRUPT, "%s: %s", file, json ? "it has no id" : why.text);
	else
		(void) snprintf(buf, size, "%s", id);
	json_decref(json);
	return r;
}

static int addition_enter(const struct volume_addition *va, struct err *err)
{
	Directory__Volume v = DIRECTORY__VOLUME__INIT;
	const struct pod_conf *pod = &va->podd->conf->pod;
	char id[64], endpoint[PATH_MAX + 64];
	int r = volume_id_read(va->path, id, sizeof(id), err);

	if (r < 0)
		return r;
	(void) snprintf(endpoint, sizeof(endpoint), "unix:%s/store-%s.sock", pod->run_dir, va->name);
	v.id = id;
	v.primary_host = (char *) (uintptr_t) pod->host;
	v.token = 1;
	v.endpoint = endpoint;
	v.path = (char *) (uintptr_t) va->path;
	v.state = (char *) (uintptr_t) VOLUME_STATE_ACTIVE;
	v.kind = (char *) (uintptr_t) VOLUME_KIND_DIRECTORY;
	return directory_create(va->podd->dir, DIRECTORY_VOLUME, span_of(va->name), &v.base, err);
}

/* From now on volumes_on_ready ends it. */
static int addition_wait(struct volume_addition *va, struct err *err)
{
	static const struct timeval patience = { .tv_sec = READY_WAIT_S };

	va->patience = evtimer_new(va->podd->base, addition_on_patience_over, va);
	if (!va->patience || event_add(va->patience, &patience) < 0)
		return err_set(err, POD_E_NOMEM, "volume %s", va->name);
	return 0;
}

/* The folder holds a volume: the rest of the pod may know. */
static int addition_serve(struct volume_addition *va, struct err *err)
{
	int r = addition_enter(va, err);

	if (r < 0)
		return r;
	log_event(NULL, LOGL_INFO, "volume.added", F_STR("volume", va->name), F_STR("path", va->path));
	r = addition_wait(va, err);
	return r == 0 ? podd_start_volume(va->podd, va->name, err) : r;
}

static void addition_on_created(void *arg, int status, const char *said)
{
	struct volume_addition *va = arg;
	struct err err = { 0 };
	int r;

	if (status != 0) {
		(void) rmdir(va->path); /* it goes where nothing was written yet */
		(void) err_set(&err, POD_E_IO, "making volume %s: %s", va->name,
		               *said ? said : "stored failed");
		addition_end(va, -POD_E_IO, err_text(&err));
		return;
	}
	r = addition_serve(va, &err);
	if (r < 0)
		addition_end(va, r, err_text(&err));
}

static int addition_prepare(struct volume_addition *va, bool *ret_there, struct err *err)
{
	const struct pod_conf *pod = &va->podd->conf->pod;
	char file[PATH_MAX + 16];

	if ((size_t) snprintf(va->path, sizeof(va->path), "%s/%s", pod->volumes_dir, va->name) >=
	    sizeof(va->path))
		return err_set(err, POD_E_LIMIT, "%s/%s: name too long", pod->volumes_dir, va->name);
	(void) snprintf(file, sizeof(file), "%s/volume.json", va->path);
	*ret_there = access(file, F_OK) == 0;
	return *ret_there ? 0 : owned_folder_make(va->path, 0700, pod->user_store, err);
}

static int directory_start(struct volume_addition *va, struct err *err)
{
	char program[PATH_MAX];
	const char *const argv[] = { podd_program(va->podd, "stored", program, sizeof(program)),
		                     "--config",
		                     va->podd->options->config_file,
		                     "--volume",
		                     va->name,
		                     "--create",
		                     NULL };
	const struct process_spec spec = { .argv = argv };
	bool there = false;
	int r = addition_prepare(va, &there, err);

	if (r < 0)
		return r;
	return there ? addition_serve(va, err)
	             : job_start(va->podd->base, &spec, va->podd->log, addition_on_created, va, err);
}

/* ---- a replicated one ---- */

static const char *const mode_names[] = {
	[REPLICATION_SYNC] = "sync", [REPLICATION_SEMI_SYNC] = "semi-sync", [REPLICATION_ASYNC] = "async"
};

static char *unconst(const char *text)
{
	return (char *) (uintptr_t) text;
}

/* One at the site of this host, written, and one at the standby site; on this host both of them. */
static int replicas_fill(const struct volume_addition *va, struct arena *a, Directory__Replica *replicas,
                         struct err *err)
{
	const struct conf *conf = va->podd->conf;
	const char *const sites[] = { conf->pod.site, conf->replication.standby_site };
	const char *address = conf->replication.link_address;
	char folder[PATH_MAX];
	unsigned int ports[2];
	int r = replica_ports_find(va->podd, 2, ports, err);

	for (size_t i = 0; r == 0 && i < 2; i++) {
		directory__replica__init(&replicas[i]);
		replicas[i].site = unconst(sites[i]);
		replicas[i].host = unconst(conf->pod.host);
		replicas[i].mode =
			unconst(va->wish.mode ? va->wish.mode : mode_names[conf->replication.mode]);
		replicas[i].wait_ms = (uint32_t) conf->replication.sync_wait_ms;
		replicas[i].in_sync = i == 0;
		replicas[i].endpoint =
			arena_printf(a, strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, ports[i]);
		replicas[i].folder = arena_str(a, span_of(replica_folder(conf, va->name, sites[i], folder)));
		if (!replicas[i].endpoint || !replicas[i].folder)
			r = err_set(err, POD_E_NOMEM, "volume %s", va->name);
	}
	return r;
}

/* The directory first, as being made: whatever is cut short is then gone on with at the next start. */
static int replicated_enter(const struct volume_addition *va, struct arena *a, struct err *err)
{
	const struct conf *conf = va->podd->conf;
	Directory__Volume v = DIRECTORY__VOLUME__INIT;
	Directory__Replica replicas[2];
	Directory__Replica *list[] = { &replicas[0], &replicas[1] };
	uint64_t size = va->wish.size_bytes ? va->wish.size_bytes : conf->replication.volume_size;
	uint64_t log_size = va->wish.log_bytes ? va->wish.log_bytes : conf->replication.log_size;
	struct guid guid = guid_new();
	char id[ID_TEXT_SIZE];
	int r = replicas_fill(va, a, replicas, err);

	if (r < 0)
		return r;
	guid_format(&guid, id);
	v.id = v.replica_id = id;
	v.kind = unconst(VOLUME_KIND_REPLICATED);
	v.state = unconst(VOLUME_STATE_MAKING);
	v.primary_host = unconst(conf->pod.host);
	v.primary_site = v.home_site = unconst(conf->pod.site);
	v.token = 1;
	v.made_ms = clock_wall_ms();
	v.endpoint = arena_printf(a, "unix:%s/store-%s.sock", conf->pod.run_dir, va->name);
	v.path = unconst(va->path);
	v.size_bytes = (size + SITE_CHUNK - 1) / SITE_CHUNK * SITE_CHUNK;
	v.log_bytes = (log_size + (1u << 20) - 1) >> 20 << 20;
	v.replicas = list;
	v.n_replicas = ARRAY_SIZE(list);
	if (!v.endpoint)
		return err_set(err, POD_E_NOMEM, "volume %s", va->name);
	return directory_create(va->podd->dir, DIRECTORY_VOLUME, span_of(va->name), &v.base, err);
}

static int replicated_start(struct volume_addition *va, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	int r = a ? replication_able(va->podd, err) : err_set(err, POD_E_NOMEM, "volume %s", va->name);

	if (r == 0 && (size_t) snprintf(va->path, sizeof(va->path), "%s/%s", va->podd->conf->pod.volumes_dir,
	                                va->name) >= sizeof(va->path))
		r = err_set(err, POD_E_LIMIT, "%s: name too long", va->name);
	if (r == 0)
		r = replicated_enter(va, a, err);
	if (r == 0)
		r = addition_wait(va, err);
	return r == 0 ? stack_open(va->podd, va->name, err) : r;
}

/* ---- either ---- */

static bool wants_replication(const struct volume_addition *va)
{
	unsigned int configured = va->podd->conf->replication.volumes;

	if (va->wish.kind != VOLUME_AS_CONFIGURED)
		return va->wish.kind == VOLUME_REPLICATED;
	if (configured == REPLICATION_VOLUMES_AUTO)
		return replication_able(va->podd, NULL) == 0;
	return configured == REPLICATION_VOLUMES_REPLICATED;
}

static bool addition_under_way(const struct podd *p, const char *name)
{
	const struct volume_addition *va;

	LIST_FOREACH(va, &p->volume_additions, link)
	if (strcmp(va->name, name) == 0)
		return true;
	return false;
}

void volume_add(struct podd *p, const struct volume_wish *wish, volume_add_fn *done, void *arg)
{
	struct volume_addition *va;
	struct err err = { 0 };
	int r;

	if (addition_under_way(p, wish->name)) {
		done(arg, -POD_E_BUSY, "this volume is being made");
		return;
	}
	va = calloc(1, sizeof(*va));
	if (!va) {
		done(arg, -POD_E_NOMEM, "out of memory");
		return;
	}
	*va = (struct volume_addition){ .podd = p, .wish = *wish, .done = done, .arg = arg };
	(void) snprintf(va->name, sizeof(va->name), "%s", wish->name);
	LIST_INSERT_HEAD(&p->volume_additions, va, link);
	r = wants_replication(va) ? replicated_start(va, &err) : directory_start(va, &err);
	if (r < 0)
		addition_end(va, r, err_text(&err));
}
