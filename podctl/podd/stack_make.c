/* The store on a new volume's file system. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "podctl/podd/job.h"
#include "podctl/podd/stack.h"
#include "podctl/podd/volumes.h"

static int change_made(void *arg, Directory__Volume *v, struct arena *a, struct err *err)
{
	v->id = arg;
	v->state = (char *) (uintptr_t) VOLUME_STATE_ACTIVE;
	return 0;
}

/* The directory knows the volume by the id that its store gave itself. */
static int enter(const struct stack *s, const char *path, struct err *err)
{
	char id[64];
	int r = volume_id_read(path, id, sizeof(id), err);

	return r == 0 ? volume_record_change(s->podd, s->name, change_made, id, err) : r;
}

static void made(struct stack *s, int status, const char *said)
{
	char path[PATH_MAX];
	struct err err = { 0 };
	int r = 0;

	(void) snprintf(path, sizeof(path), "%s/%s", s->podd->conf->pod.volumes_dir, s->name);
	if (status != 0)
		r = err_set(&err, POD_E_IO, "%s", *said ? said : "stored failed");
	if (r == 0)
		r = enter(s, path, &err);
	if (r < 0)
		log_event(NULL, LOGL_ERROR, "volume.not_made", F_STR("volume", s->name), F_ERR(&err));
	else
		log_event(NULL, LOGL_INFO, "volume.added", F_STR("volume", s->name), F_STR("path", path));
	stack_on_made(&s->core, r, clock_mono_ms());
	stack_go_on(s);
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
