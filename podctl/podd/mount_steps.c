/* How a snapshot is mounted and unmounted, process by process: see mounts.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "podctl/pod/owner.h"
#include "podctl/podd/mounts_internal.h"

#define LIST_TIMEOUT_MS   10000
#define LOOK_EVERY_MS     20
#define SCRATCH_WAIT_MS   10000      /* until nbdkit listens */
#define RETRY_TEXT        "retry=30" /* seconds, for a replicator that is started again */
#define DEAD_TIMEOUT_TEXT "60"

static void end_process(struct process *p)
{
	struct err err = { 0 };

	if (process_signal(p, SIGTERM, &err) < 0)
		log_event(NULL, LOGL_WARNING, "snapshot.not_ended", F_ERR(&err));
}

static void give_up(struct mount *m, int r, const char *what, const char *text);

/* Somebody wants it while it was being taken down. */
static void start_again(struct mount *m)
{
	struct stack *s = stack_find(m->mounts->podd, m->volume);
	size_t i = s ? stack_site_find(s, m->site) : SIZE_MAX;
	struct err err = { 0 };
	int r;

	if (m->look)
		event_free(m->look);
	m->look = NULL;
	m->socket_seen = false;
	m->asked = 0;
	m->err = (struct err){ 0 };
	(void) unlink(m->socket);
	r = i != SIZE_MAX ? mount_begin(m, &s->sites[i], &err)
	                  : err_set(&err, POD_E_NOTFOUND, "the replica is gone");
	if (r < 0) {
		m->state = MOUNT_ASKING;
		give_up(m, r, "", err_text(&err));
	}
}

void mount_end(struct mount *m)
{
	mount_tell_leavers(m);
	if (m->by_hand) { /* it ended by itself: nobody has it in hand any more */
		m->by_hand = false;
		m->uses--;
	}
	if (m->uses > 0)
		m->state = MOUNT_GONE; /* until they give it back */
	else if (SLIST_EMPTY(&m->waiters) || m->mounts->stopping)
		mount_free(m);
	else
		start_again(m);
}

/* Each end of a process comes back here. */
void mount_take_down(struct mount *m)
{
	if (m->look)
		(void) event_del(m->look);
	if (m->attach) {
		if (m->state != MOUNT_DETACHING)
			end_process(m->attach);
		m->state = MOUNT_DETACHING;
		return;
	}
	while (umount2(m->dir, MNT_DETACH) == 0) /* volattach was killed */
		;
	if (m->scratch) {
		if (m->state != MOUNT_ENDING)
			end_process(m->scratch);
		m->state = MOUNT_ENDING;
		return;
	}
	if (m->state == MOUNT_MOUNTED || m->state == MOUNT_DETACHING || m->state == MOUNT_ENDING)
		log_event(NULL, LOGL_INFO, "snapshot.unmounted", F_STR("volume", m->volume),
		          F_STR("snapshot", m->snapshot), F_STR("site", m->site));
	mount_end(m);
}

static void give_up(struct mount *m, int r, const char *what, const char *text)
{
	(void) err_set(&m->err, (enum pod_error) abs(r), "%s%s", what, text);
	log_event(NULL, LOGL_ERROR, "snapshot.not_mounted", F_STR("volume", m->volume),
	          F_STR("snapshot", m->snapshot), F_STR("site", m->site), F_ERR(&m->err));
	mount_answer(m);
	mount_take_down(m);
}

/* ---- volattach ---- */

static void keep_last_line(struct mount *m, struct span line)
{
	(void) snprintf(m->said, sizeof(m->said), SPAN_FMT, SPAN_ARG(span_head(line, sizeof(m->said) - 1)));
}

static void attach_on_line(void *arg, struct span line)
{
	keep_last_line(arg, line);
}

/* The journal has been replayed into the scratch file: from here on nobody writes. */
static void attach_on_ready(void *arg)
{
	struct mount *m = arg;

	if (m->state != MOUNT_ATTACHING)
		return;
	if (mount(NULL, m->dir, NULL, MS_REMOUNT | MS_RDONLY | MS_NOATIME | MS_NODEV | MS_NOSUID | MS_NOEXEC,
	          NULL) < 0) {
		give_up(m, -POD_E_IO, "the snapshot cannot be made read-only: ", strerror(errno));
		return;
	}
	m->state = MOUNT_MOUNTED;
	m->since = clock_wall_s();
	log_event(NULL, LOGL_INFO, "snapshot.mounted", F_STR("volume", m->volume),
	          F_STR("snapshot", m->snapshot), F_STR("site", m->site), F_STR("path", m->dir));
	mount_answer(m);
	if (m->uses == 0)
		mount_take_down(m);
}

static void attach_on_exit(void *arg, pid_t pid, int status)
{
	struct mount *m = arg;

	m->attach = NULL;
	if (m->state == MOUNT_ATTACHING)
		give_up(m, -POD_E_IO, "the snapshot cannot be mounted: ", m->said);
	else
		mount_take_down(m);
}

static void start_attach(struct mount *m)
{
	static const struct process_ops ops = { attach_on_line, attach_on_ready, attach_on_exit };
	struct podd *p = m->mounts->podd;
	char program[PATH_MAX];
	const char *const argv[] = { podd_program(p, "volattach", program, sizeof(program)),
		                     "--socket",
		                     m->socket,
		                     "--export",
		                     "",
		                     "--mount",
		                     m->dir,
		                     "--dead-timeout",
		                     DEAD_TIMEOUT_TEXT,
		                     NULL };
	const struct process_spec spec = { .argv = argv };
	struct err err = { 0 };
	int r = owned_folder_make(m->dir, 0700, "", &err);

	m->state = MOUNT_ATTACHING;
	if (r == 0)
		r = process_start(p->base, &spec, p->log, &ops, m, &m->attach, &err);
	if (r < 0)
		give_up(m, r, "", err_text(&err));
}

/* ---- the scratch file's server ---- */

/* Trying to connect would be a client that breaks off, and a line in the log. */
static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void look_on_time(evutil_socket_t fd, short events, void *arg)
{
	static const struct timeval every = { .tv_usec = LOOK_EVERY_MS * 1000 };
	struct mount *m = arg;

	if (m->state != MOUNT_SCRATCH)
		return;
	if (m->socket_seen) { /* at the look before: bound then, and listening by now */
		start_attach(m);
		return;
	}
	if (clock_mono_ms() > m->look_until_ms) {
		give_up(m, -POD_E_TIMEOUT, "the snapshot's server does not start: ", m->said);
		return;
	}
	m->socket_seen = is_there(m->socket);
	(void) event_add(m->look, &every);
}

static void scratch_on_line(void *arg, struct span line)
{
	keep_last_line(arg, line);
}

static void scratch_on_exit(void *arg, pid_t pid, int status)
{
	struct mount *m = arg;

	m->scratch = NULL;
	if (m->state == MOUNT_SCRATCH || m->state == MOUNT_ATTACHING)
		give_up(m, -POD_E_IO, "the snapshot's server ended: ", m->said);
	else
		mount_take_down(m); /* reads fail from here on */
}

static int start_scratch(struct mount *m, const char *nbd, struct err *err)
{
	static const struct process_ops ops = { scratch_on_line, NULL, scratch_on_exit };
	static const struct timeval at_once = { 0 };
	struct podd *p = m->mounts->podd;
	char from[PATH_MAX + 8], export[160];
	const char *const argv[] = { "/usr/bin/env",
		                     "nbdkit",
		                     "--foreground",
		                     "--log=stderr",
		                     "--exit-with-parent",
		                     "--unix",
		                     m->socket,
		                     "--filter=cow",
		                     "nbd",
		                     from,
		                     export,
		                     RETRY_TEXT,
		                     NULL };
	const struct process_spec spec = { .argv = argv, .user = p->conf->pod.user_repl };

	(void) snprintf(from, sizeof(from), "socket=%s", nbd);
	(void) snprintf(export, sizeof(export), "export=%s@%s", m->volume, m->snapshot);
	m->look = evtimer_new(p->base, look_on_time, m);
	if (!m->look || event_add(m->look, &at_once) < 0)
		return err_set(err, POD_E_NOMEM, "snapshot");
	m->look_until_ms = clock_mono_ms() + SCRATCH_WAIT_MS;
	m->state = MOUNT_SCRATCH;
	return process_start(p->base, &spec, p->log, &ops, m, &m->scratch, err);
}

/* ---- the replica ---- */

static bool has_snapshot(const json_t *answer, const char *name)
{
	const json_t *list = json_object_get(answer, "snapshots"), *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		const char *is = json_string_value(json_object_get(entry, "name"));

		if (is && strcmp(is, name) == 0)
			return true;
	}
	return false;
}

/* An orphan is where it came to be, and nowhere else. False: all were asked. */
static bool ask_next_site(struct mount *m, struct stack *s)
{
	for (size_t i = 0; m->any_site && i < s->core.n; i++)
		if (!(m->asked & 1u << i) && replica_link_is_up(s->sites[i].link) &&
		    mount_set_site(m, s->sites[i].name) == 0 && mount_begin(m, &s->sites[i], NULL) == 0)
			return true;
	return false;
}

static void on_listed(void *arg, int r, const json_t *answer, const char *text)
{
	struct mount *m = arg;
	struct stack *s = stack_find(m->mounts->podd, m->volume);
	size_t site = s ? stack_site_find(s, m->site) : SIZE_MAX;
	struct err err = { 0 };

	if (m->mounts->stopping) {
		mount_free(m);
		return;
	}
	if (r < 0) {
		give_up(m, r, "", text);
		return;
	}
	if (site != SIZE_MAX && has_snapshot(answer, m->snapshot))
		r = start_scratch(m, s->sites[site].files.nbd, &err);
	else if (s && ask_next_site(m, s))
		return;
	else
		r = err_set(&err, POD_E_NOTFOUND, "there is no snapshot %s of volume %s%s%s", m->snapshot,
		            m->volume, m->any_site ? "" : " at ", m->any_site ? "" : m->site);
	if (r < 0)
		give_up(m, r, "", err_text(&err));
}

int mount_begin(struct mount *m, struct stack_site *site, struct err *err)
{
	m->state = MOUNT_ASKING;
	m->asked |= 1u << site->index;
	return replica_link_ask(site->link, json_pack("{ss}", "do", "snapshot_list"), LIST_TIMEOUT_MS,
	                        on_listed, m, err);
}
