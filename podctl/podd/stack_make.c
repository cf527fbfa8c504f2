/*
 * What makes a new volume: the store on its file system, and then its standbys. One that lacks some of this
 * has nothing to take over with, so they are waited for, for a while, before anybody has a mailbox there; and
 * the directory says how far a replica has to have come.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "podctl/podd/job.h"
#include "podctl/podd/stack.h"
#include "podctl/podd/volumes.h"

#define ASK_TIMEOUT_MS  10000
#define STANDBY_WAIT_MS 10000 /* one that is away does not keep the volume from being made */

struct made_volume {
	char *id;
	uint64_t lsn;
};

static int change_made(void *arg, Directory__Volume *v, struct arena *a, struct err *err)
{
	const struct made_volume *m = arg;

	v->id = m->id;
	v->made_lsn = m->lsn;
	v->state = (char *) (uintptr_t) VOLUME_STATE_ACTIVE;
	return 0;
}

/* The directory knows the volume by the id that its store gave itself. */
static int enter(const struct stack *s, const char *path, uint64_t lsn, struct err *err)
{
	char id[64];
	int r = volume_id_read(path, id, sizeof(id), err);

	return r == 0 ? volume_record_change(s->podd, s->name, change_made, &(struct made_volume){ id, lsn },
	                                     err)
	              : r;
}

static void make_end(struct stack *s, int r, struct err *err)
{
	char path[PATH_MAX];

	(void) snprintf(path, sizeof(path), "%s/%s", s->podd->conf->pod.volumes_dir, s->name);
	if (r == 0)
		r = enter(s, path, s->making.lsn, err);
	s->making.waits = false;
	if (r < 0)
		log_event(NULL, LOGL_ERROR, "volume.not_made", F_STR("volume", s->name), F_ERR(err));
	else
		log_event(NULL, LOGL_INFO, "volume.added", F_STR("volume", s->name), F_STR("path", path));
	stack_on_made(&s->core, r, clock_mono_ms());
	stack_go_on(s);
}

/* ---- its standbys ---- */

/* A site that has not got all of it; NULL: none. */
static const char *who_lacks(const struct stack *s, uint64_t lsn)
{
	for (size_t i = 0; i < s->core.n; i++) {
		const json_t *peer = stack_site_peer(&s->sites[s->core.primary], s->sites[i].name);

		if (i != s->core.primary &&
		    (uint64_t) json_integer_value(json_object_get(peer, "durable_lsn")) < lsn)
			return s->sites[i].name;
	}
	return NULL;
}

void stack_make_look(struct stack *s)
{
	const char *site;
	struct err err = { 0 };

	if (!s->making.waits || s->making.lsn == 0)
		return;
	site = who_lacks(s, s->making.lsn);
	if (site && clock_mono_ms() < s->making.until_ms)
		return;
	if (site)
		log_event(NULL, LOGL_WARNING, "volume.standby_empty", F_STR("volume", s->name),
		          F_STR("site", site));
	make_end(s, 0, &err);
}

static void on_made_status(void *arg, int r, const json_t *status, const char *text)
{
	struct stack *s = arg;
	struct err err = { 0 };

	if (r < 0) {
		make_end(s, err_set(&err, POD_E_UNAVAILABLE, "its primary: %s", text), &err);
		return;
	}
	s->making.lsn =
		(uint64_t) json_integer_value(json_object_get(json_object_get(status, "cursors"), "durable"));
	stack_make_look(s);
}

static void wait_for_standbys(struct stack *s)
{
	struct err err = { 0 };

	s->making = (struct stack_making){ .waits = true, .until_ms = clock_mono_ms() + STANDBY_WAIT_MS };
	if (replica_link_ask(stack_primary(s)->link, json_pack("{ss}", "do", "status"), ASK_TIMEOUT_MS,
	                     on_made_status, s, &err) < 0)
		make_end(s, -err.code, &err);
}

/* ---- its store ---- */

static void made(struct stack *s, int status, const char *said)
{
	struct err err = { 0 };

	if (status == 0)
		wait_for_standbys(s);
	else
		make_end(s, err_set(&err, POD_E_IO, "%s", *said ? said : "stored failed"), &err);
}

static void on_store_created(void *arg, int status, const char *said)
{
	made(arg, status, said);
}

void stack_make_store(struct stack *s)
{
	struct podd *p = s->podd;
	char program[PATH_MAX], file[PATH_MAX];
	const char *const argv[] = { podd_program(p, "stored", program, sizeof(program)),
		                     "--config",
		                     p->options->config_file,
		                     "--volume",
		                     s->name,
		                     "--create",
		                     NULL };
	const struct process_spec spec = { .argv = argv };
	struct err err = { 0 };

	(void) snprintf(file, sizeof(file), "%s/%s/volume.json", p->conf->pod.volumes_dir, s->name);
	if (access(file, F_OK) == 0) /* made by a podd that did not come to entering it */
		made(s, 0, "");
	else if (job_start(p->base, &spec, p->log, on_store_created, s, &err) < 0)
		made(s, -1, err_text(&err));
}
