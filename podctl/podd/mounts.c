#include "podctl/podd/mounts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "podctl/pod/owner.h"
#include "podctl/podd/mounts_internal.h"

#define MOUNTS_MAX 16

static const char *const state_names[] = { "starting",   "starting",   "starting", "mounted",
	                                   "unmounting", "unmounting", "gone" };

/* ---- one ---- */

void mount_free(struct mount *m)
{
	LIST_REMOVE(m, link);
	m->mounts->n--;
	if (m->look)
		event_free(m->look);
	(void) unlink(m->socket);
	(void) rmdir(m->dir);
	free(m);
}

void mount_answer(struct mount *m)
{
	int r = m->err.code ? -m->err.code : 0;
	struct waiter *w;

	while ((w = SLIST_FIRST(&m->waiters))) {
		SLIST_REMOVE_HEAD(&m->waiters, link);
		if (r == 0 && !(w->by_hand && m->by_hand))
			m->uses++;
		m->by_hand |= r == 0 && w->by_hand;
		w->done(w->arg, r, r == 0 ? m : NULL, r == 0 ? "" : err_text(&m->err));
		free(w);
	}
}

void mount_tell_leavers(struct mount *m)
{
	struct leaver *l;

	while ((l = SLIST_FIRST(&m->leavers))) {
		SLIST_REMOVE_HEAD(&m->leavers, link);
		l->gone(l->arg);
		free(l);
	}
}

const char *mount_path(const struct mount *m)
{
	return m->dir;
}

/* ---- asking for one ---- */

static struct mount *find(const struct mounts *ms, const struct mount_place *place)
{
	struct mount *m;

	LIST_FOREACH(m, &ms->list, link)
	if (strcmp(m->volume, place->volume) == 0 && strcmp(m->snapshot, place->snapshot) == 0 &&
	    (!place->site || strcmp(m->site, place->site) == 0))
		return m;
	return NULL;
}

/* The site that is meant; one whose replica talks to us. */
static int choose_site(const struct mounts *ms, const struct mount_place *place, struct stack_site **ret_site,
                       struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1u << 20);
	const Directory__Volume *v;
	struct stack *s;
	size_t i;
	int r = a ? volume_record_get(ms->podd, a, place->volume, &v, err)
	          : err_set(err, POD_E_NOMEM, "snapshot");

	if (r < 0)
		return r;
	if (!volume_record_is_replicated(v))
		return err_set(err, POD_E_UNSUPPORTED, "volume %.64s is a directory: it has no snapshots",
		               place->volume);
	s = stack_find(ms->podd, place->volume);
	if (!s)
		return err_set(err, POD_E_UNAVAILABLE, "volume %.64s could not be opened; the log says why",
		               place->volume);
	i = place->site ? stack_site_find(s, place->site) : s->core.primary;
	if (i == SIZE_MAX)
		return err_set(err, POD_E_NOTFOUND, "volume %.64s has no replica at %.64s", place->volume,
		               place->site);
	for (size_t j = 0; !place->site && !replica_link_is_up(s->sites[i].link) && j < s->core.n; j++)
		i = j;
	if (!replica_link_is_up(s->sites[i].link))
		return err_set(err, POD_E_UNAVAILABLE, "the replica of %.64s at %s does not answer",
		               place->volume, s->sites[i].name);
	*ret_site = &s->sites[i];
	return 0;
}

int mount_set_site(struct mount *m, const char *site)
{
	(void) snprintf(m->site, sizeof(m->site), "%s", site);
	return (size_t) snprintf(m->dir, sizeof(m->dir), "%s/%s@%s.%s", m->mounts->dir, m->volume,
	                         m->snapshot, m->site) < sizeof(m->dir)
	               ? 0
	               : -POD_E_LIMIT;
}

static int mount_create(struct mounts *ms, const struct mount_place *place, struct mount **ret,
                        struct err *err)
{
	struct stack_site *site = NULL;
	struct mount *m;
	int r = choose_site(ms, place, &site, err);

	if (r < 0)
		return r;
	if (ms->n == MOUNTS_MAX)
		return err_set(err, POD_E_LIMIT, "%d snapshots are mounted already", MOUNTS_MAX);
	m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(err, POD_E_NOMEM, "snapshot");
	m->mounts = ms;
	(void) snprintf(m->volume, sizeof(m->volume), "%s", place->volume);
	(void) snprintf(m->snapshot, sizeof(m->snapshot), "%s", place->snapshot);
	m->any_site = !place->site;
	LIST_INSERT_HEAD(&ms->list, m, link);
	ms->n++;
	if (mount_set_site(m, site->name) < 0 ||
	    (size_t) snprintf(m->socket, sizeof(m->socket), "%s/replica/s%u.nbd", ms->podd->conf->pod.run_dir,
	                      ++ms->last_number) >= sizeof(m->socket))
		r = err_set(err, POD_E_LIMIT, "names too long for the snapshot's mount");
	if (r == 0)
		r = mount_begin(m, site, err);
	if (r < 0)
		mount_free(m);
	else
		*ret = m;
	return r;
}

static int check_names(const struct mount_place *place, struct err *err)
{
	const size_t max = sizeof(((struct mount *) NULL)->snapshot);

	if (strlen(place->volume) >= max || strlen(place->snapshot) >= max || strchr(place->snapshot, '/') ||
	    place->snapshot[0] == '.' || !*place->snapshot)
		return err_set(err, POD_E_SYNTAX, "%.64s is no name of a snapshot", place->snapshot);
	return 0;
}

/* NULL: done was told why not. */
static struct mount *find_or_create(struct mounts *ms, const struct mount_place *place, struct err *err)
{
	struct mount *m = NULL;
	int r = ms->stopping ? err_set(err, POD_E_UNAVAILABLE, "the pod is stopping")
	                     : check_names(place, err);

	if (r < 0)
		return NULL;
	m = find(ms, place);
	return m || mount_create(ms, place, &m, err) == 0 ? m : NULL;
}

static void take(struct mounts *ms, const struct mount_place *place, bool by_hand, mount_done_fn *done,
                 void *arg)
{
	struct err err = { 0 };
	struct mount *m = find_or_create(ms, place, &err);
	struct waiter *w = m ? calloc(1, sizeof(*w)) : NULL;

	if (!w) {
		if (m)
			(void) err_set(&err, POD_E_NOMEM, "snapshot");
		done(arg, -err.code, NULL, err_text(&err));
		return;
	}
	*w = (struct waiter){ .done = done, .arg = arg, .by_hand = by_hand };
	SLIST_INSERT_HEAD(&m->waiters, w, link);
	if (m->state == MOUNT_MOUNTED)
		mount_answer(m);
}

void mounts_take(struct mounts *ms, const struct mount_place *place, mount_done_fn *done, void *arg)
{
	take(ms, place, false, done, arg);
}

void mounts_give_back(struct mount *m)
{
	if (--m->uses > 0)
		return;
	if (m->state == MOUNT_MOUNTED)
		mount_take_down(m);
	else if (m->state == MOUNT_GONE)
		mount_end(m);
}

void mounts_hold(struct mounts *ms, const struct mount_place *place, mount_done_fn *done, void *arg)
{
	take(ms, place, true, done, arg);
}

static struct mount *find_by_hand(const struct mounts *ms, const struct mount_place *place)
{
	struct mount *m;

	LIST_FOREACH(m, &ms->list, link)
	if (m->by_hand && strcmp(m->volume, place->volume) == 0 &&
	    strcmp(m->snapshot, place->snapshot) == 0 && (!place->site || strcmp(m->site, place->site) == 0))
		return m;
	return NULL;
}

int mounts_let_go(struct mounts *ms, const struct mount_place *place, mount_gone_fn *gone, void *arg,
                  struct err *err)
{
	struct mount *m = find_by_hand(ms, place);
	struct leaver *l = m ? calloc(1, sizeof(*l)) : NULL;

	if (!m)
		return err_set(err, POD_E_NOTFOUND, "snapshot %.64s of volume %.64s is not mounted by hand",
		               place->snapshot, place->volume);
	if (!l)
		return err_set(err, POD_E_NOMEM, "snapshot");
	*l = (struct leaver){ .gone = gone, .arg = arg };
	SLIST_INSERT_HEAD(&m->leavers, l, link);
	m->by_hand = false;
	if (m->uses > 1)
		mount_tell_leavers(m);
	mounts_give_back(m);
	return 0;
}

/* ---- shown ---- */

json_t *mount_json(const struct mount *m)
{
	return json_pack("{ss, ss, ss, ss, ss, sI, sb, sI}", "volume", m->volume, "snapshot", m->snapshot,
	                 "site", m->site, "path", m->dir, "state", state_names[m->state], "uses",
	                 (json_int_t) m->uses, "by_hand", (int) m->by_hand, "since", (json_int_t) m->since);
}

json_t *mounts_json(const struct mounts *ms)
{
	json_t *list = json_array();
	const struct mount *m;

	LIST_FOREACH(m, &ms->list, link)
	if (json_array_append_new(list, mount_json(m)) < 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

/* ---- the whole ---- */

/* Processes of a podd that died went with it; a mount of one that was killed first may still be there. */
static void clear_leftovers(const struct mounts *ms)
{
	DIR *d = opendir(ms->dir);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[PATH_MAX + 256];

		if (e->d_name[0] == '.')
			continue;
		(void) snprintf(path, sizeof(path), "%s/%s", ms->dir, e->d_name);
		while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
			log_event(NULL, LOGL_NOTICE, "snapshot.leftover", F_STR("path", path));
		(void) rmdir(path);
	}
	if (d)
		(void) closedir(d);
}

int mounts_create(struct podd *p, struct mounts **ret_mounts, struct err *err)
{
	struct mounts *ms = calloc(1, sizeof(*ms));
	int r = 0;

	if (!ms)
		return err_set(err, POD_E_NOMEM, "snapshots");
	ms->podd = p;
	LIST_INIT(&ms->list);
	if ((size_t) snprintf(ms->dir, sizeof(ms->dir), "%s/snapshots", p->conf->pod.dir) >= sizeof(ms->dir))
		r = err_set(err, POD_E_LIMIT, "%s: name too long", p->conf->pod.dir);
	if (r == 0)
		r = owned_folder_make(ms->dir, 0711, "", err);
	if (r < 0) {
		free(ms);
		return r;
	}
	clear_leftovers(ms);
	*ret_mounts = ms;
	return 0;
}

void mounts_stop(struct mounts *ms)
{
	struct mount *m, *next;

	ms->stopping = true;
	for (m = LIST_FIRST(&ms->list); m; m = next) {
		next = LIST_NEXT(m, link);
		(void) err_set(&m->err, POD_E_CANCELLED, "the pod is stopping");
		mount_answer(m);
		mount_tell_leavers(m);
		if (m->state != MOUNT_ASKING) /* else its answer ends it */
			mount_take_down(m);
	}
}

struct mounts *mounts_free(struct mounts *ms)
{
	if (!ms)
		return NULL;
	while (!LIST_EMPTY(&ms->list)) {
		struct mount *m = LIST_FIRST(&ms->list);

		m->attach = process_free(m->attach);
		m->scratch = process_free(m->scratch);
		mount_free(m);
	}
	free(ms);
	return NULL;
}
