/* The mount of a replicated volume and the store on it. */
#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "podctl/pod/owner.h"
#include "podctl/podd/stack.h"
#include "podctl/podd/volumes.h"

/*
 * The same place whichever site is the primary, so that the store's path never changes. The folder under the
 * mount is root's and closed: a store that is started without its mount finds nothing that it could write to.
 */
static const char *mount_dir(const struct stack *s, char *buf)
{
	(void) snprintf(buf, PATH_MAX, "%s/%s", s->podd->conf->pod.volumes_dir, s->name);
	return buf;
}

const char *stack_grown_file(const struct stack *s, char path[PATH_MAX])
{
	(void) snprintf(path, PATH_MAX, "%s/grown-%s", s->podd->conf->pod.run_dir, s->name);
	return path;
}

static const char *attach_child(const struct stack *s, char *buf, size_t size)
{
	(void) snprintf(buf, size, "attach:%s", s->name);
	return buf;
}

static int argv_set(struct stack *s, size_t replica, bool add, struct err *err)
{
	struct podd *p = s->podd;
	char program[PATH_MAX], dir[PATH_MAX], grown[PATH_MAX], child[CHILD_NAME_SIZE];
	const char *argv[16] = { podd_program(p, "volattach", program, sizeof(program)),
		                 "--socket",
		                 s->sites[replica].files.nbd,
		                 "--export",
		                 s->name,
		                 "--mount",
		                 mount_dir(s, dir),
		                 "--grown-file",
		                 stack_grown_file(s, grown) };
	const struct child_spec spec = { .rank = CHILD_MOUNT,
		                         .care = CHILD_ON_CALL,
		                         .process = { .argv = argv } };

	if (!s->core.made) { /* only then: a blank primary later on is a fault, not a wish for a new file
		                system */
		argv[9] = "--mkfs";
		argv[10] = "ext4";
	}
	(void) attach_child(s, child, sizeof(child));
	return add ? children_add(p->children, child, &spec, err)
	           : children_set_argv(p->children, child, argv, err);
}

int stack_parts_add(struct stack *s, struct err *err)
{
	char dir[PATH_MAX];
	struct stat here, above;
	int r = argv_set(s, s->core.primary, true, err);

	(void) mount_dir(s, dir);
	if (r < 0)
		return r;
	/* What a podd that was killed left there goes: under it may be processes that are gone. */
	if (stat(dir, &here) == 0 && stat(s->podd->conf->pod.volumes_dir, &above) == 0 &&
	    here.st_dev != above.st_dev)
		(void) umount2(dir, MNT_DETACH);
	r = owned_folder_make(dir, 0700, "", err);
	return r == 0 ? podd_add_volume(s->podd, s->name, err) : r;
}

/* ---- the mount ---- */

/* A mount whose process was killed is still there: it goes out of sight, whoever uses it. */
static void clear_mount(const struct stack *s)
{
	char dir[PATH_MAX];

	while (umount2(mount_dir(s, dir), MNT_DETACH) == 0)
		log_event(NULL, LOGL_NOTICE, "volume.mount_cleared", F_STR("volume", s->name));
}

void stack_mount(struct stack *s, size_t replica)
{
	char child[CHILD_NAME_SIZE];
	struct err err = { 0 };

	clear_mount(s);
	if (argv_set(s, replica, false, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "volume.not_mounted", F_STR("volume", s->name), F_ERR(&err));
		stack_on_mount(&s->core, false, clock_mono_ms());
		return;
	}
	children_start(s->podd->children, attach_child(s, child, sizeof(child)));
}

/* The new file system's root is the store's. */
void stack_on_mounted(struct stack *s)
{
	char dir[PATH_MAX], child[CHILD_NAME_SIZE];
	struct err err = { 0 };

	if (owned_folder_make(mount_dir(s, dir), 0700, s->podd->conf->pod.user_store, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "volume.not_mounted", F_STR("volume", s->name), F_ERR(&err));
		children_end(s->podd->children, attach_child(s, child, sizeof(child)), SUPERVISE_ASK);
		return;
	}
	stack_on_mount(&s->core, true, clock_mono_ms());
}

void stack_on_unmounted(struct stack *s)
{
	clear_mount(s);
	stack_on_mount(&s->core, false, clock_mono_ms());
}

void stack_unmount(struct stack *s, bool forced)
{
	char child[CHILD_NAME_SIZE];
	const struct child *c;

	children_end(s->podd->children, attach_child(s, child, sizeof(child)),
	             forced ? SUPERVISE_KILL : SUPERVISE_ASK);
	c = children_find(s->podd->children, child);
	if (!c || c->state == CHILD_STOPPED) /* else its end tells */
		stack_on_unmounted(s);
}

/* ---- the store ---- */

void stack_store_start(struct stack *s)
{
	char child[CHILD_NAME_SIZE];

	children_start(s->podd->children, volume_child_name(s->name, child, sizeof(child)));
}

void stack_store_stop(struct stack *s, bool forced)
{
	char child[CHILD_NAME_SIZE];
	const struct child *c;

	children_end(s->podd->children, volume_child_name(s->name, child, sizeof(child)),
	             forced ? SUPERVISE_KILL : SUPERVISE_ASK);
	c = children_find(s->podd->children, child);
	if (!c || c->state == CHILD_STOPPED)
		stack_on_store(&s->core, false, clock_mono_ms());
}
