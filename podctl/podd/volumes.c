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
#include "base/log.h"
#include "podctl/pod/owner.h"
#include "podctl/podd/job.h"

#define CHILD_PREFIX "stored:"
#define READY_WAIT_S 20

const char *volume_of_child(const char *child_name)
{
	size_t len = strlen(CHILD_PREFIX);

	return strncmp(child_name, CHILD_PREFIX, len) == 0 ? child_name + len : NULL;
}

const struct child *volume_child(const struct podd *p, const char *name)
{
	char child[CHILD_NAME_SIZE];

	(void) snprintf(child, sizeof(child), CHILD_PREFIX "%s", name);
	return children_find(p->children, child);
}

bool volume_is_ready(const struct podd *p, const char *name)
{
	const struct child *child = volume_child(p, name);

	return child && child->state == CHILD_READY;
}

int podd_start_volume(struct podd *p, const char *name, struct err *err)
{
	char program[PATH_MAX], child[CHILD_NAME_SIZE];
	const char *const argv[] = { podd_program(p, "stored", program, sizeof(program)),
		                     "--config",
		                     p->options->config_file,
		                     "--volume",
		                     name,
		                     NULL };
	const struct child_spec spec = { .rank = CHILD_STORE, .process = { .argv = argv } };

	(void) snprintf(child, sizeof(child), CHILD_PREFIX "%s", name);
	return children_run(p->children, child, &spec, err);
}

struct names {
	struct podd *podd;
	char **items;
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
	return names->items[names->n++] ? 0 : -POD_E_NOMEM;
}

int volumes_start(struct podd *p, struct err *err)
{
	struct names names = { .podd = p, .items = calloc(SUPERVISE_CHILDREN_MAX, sizeof(char *)) };
	int r = names.items ? directory_each(p->dir, DIRECTORY_VOLUME, SPAN_NONE, collect_ours, &names, err)
	                    : err_set(err, POD_E_NOMEM, "volumes");

	if (r == -POD_E_LIMIT)
		r = err_set(err, POD_E_LIMIT, "a host serves at most %d volumes", SUPERVISE_CHILDREN_MAX);
	for (size_t i = 0; i < names.n; i++) {
		if (r == 0)
			r = podd_start_volume(p, names.items[i], err);
		free(names.items[i]);
	}
	free(names.items);
	return r;
}

/* ---- adding one ---- */

struct volume_addition {
	struct podd *podd;
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

static void addition_on_patience_over(evutil_socket_t fd, short events, void *arg)
{
	addition_end(arg, 0, "");
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
static int volume_id_read(const char *path, char *buf, size_t size, struct err *err)
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
	return directory_create(va->podd->dir, DIRECTORY_VOLUME, span_of(va->name), &v.base, err);
}

/* The folder holds a volume: the rest of the pod may know. */
static int addition_serve(struct volume_addition *va, struct err *err)
{
	static const struct timeval patience = { .tv_sec = READY_WAIT_S };
	int r = addition_enter(va, err);

	if (r < 0)
		return r;
	log_event(NULL, LOGL_INFO, "volume.added", F_STR("volume", va->name), F_STR("path", va->path));
	va->patience = evtimer_new(va->podd->base, addition_on_patience_over, va);
	if (!va->patience || event_add(va->patience, &patience) < 0)
		return err_set(err, POD_E_NOMEM, "volume %s", va->name);
	return podd_start_volume(va->podd, va->name, err);
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

static int addition_start(struct volume_addition *va, struct err *err)
{
	char program[PATH_MAX];
	const char *const argv[] = { podd_program(va->podd, "stored", program, sizeof(program)),
		                     "--config",
		                     va->podd->options->config_file,
		                     "--volume",
		                     va->name,
		                     "--create",
		                     NULL };
	bool there = false;
	const struct process_spec spec = { .argv = argv };
	int r = addition_prepare(va, &there, err);

	if (r < 0)
		return r;
	return there ? addition_serve(va, err)
	             : job_start(va->podd->base, &spec, va->podd->log, addition_on_created, va, err);
}

static bool addition_under_way(const struct podd *p, const char *name)
{
	const struct volume_addition *va;

	LIST_FOREACH(va, &p->volume_additions, link)
	if (strcmp(va->name, name) == 0)
		return true;
	return false;
}

void volume_add(struct podd *p, const char *name, volume_add_fn *done, void *arg)
{
	struct volume_addition *va;
	struct err err = { 0 };
	int r;

	if (addition_under_way(p, name)) {
		done(arg, -POD_E_BUSY, "this volume is being made");
		return;
	}
	va = calloc(1, sizeof(*va));
	if (!va) {
		done(arg, -POD_E_NOMEM, "out of memory");
		return;
	}
	*va = (struct volume_addition){ .podd = p, .done = done, .arg = arg };
	(void) snprintf(va->name, sizeof(va->name), "%s", name);
	LIST_INSERT_HEAD(&p->volume_additions, va, link);
	r = addition_start(va, &err);
	if (r < 0)
		addition_end(va, r, err_text(&err));
}
