/*
 * stored: one volume's mail, index and accounts. It parses no mail and no client's protocol: what comes in are
 * frames of our own front ends, over a socket that only they can connect to.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "proc/proc.h"
#include "store/offline.h"
#include "store/options.h"
#include "store/serve.h"

#define START_ARENA (1u << 20)

/* What it may do, and until when: sockets and metrics as whoever started it, mail as the store's own user. */
static int serve(const struct conf *conf, const char *volume, struct err *err)
{
	struct serving *s = NULL;
	int r = serve_prepare(conf, volume, &s, err);

	if (r == 0)
		r = privilege_drop(conf->pod.user_store, err);
	if (r == 0)
		r = privilege_harden(err);
	if (r == 0)
		r = serve_run(s, err);
	(void) serve_free(s);
	return r;
}

/* A volume's files belong to the store's user, so whoever touches them becomes it. */
static int offline(const struct conf *conf, const char *path, const struct store_options *o, struct err *err)
{
	int r = conf ? privilege_drop(conf->pod.user_store, err) : 0;

	if (r < 0)
		return r;
	switch (o->command) {
	case STORE_CREATE: return offline_create(path, o->volume ? o->volume : o->name);
	case STORE_REBUILD: return offline_rebuild(path, o);
	default: return offline_fsck(path, o);
	}
}

static int run_with_conf(const struct conf *conf, struct arena *a, const struct store_options *o, struct err *err)
{
	const char *path = NULL;
	int r = 0;

	if (o->command == STORE_SERVE)
		return serve(conf, o->volume, err);
	/* One that is being made is not in the directory yet: its place is given. */
	if (o->command == STORE_CREATE)
		path = arena_printf(a, "%s/%s", conf->pod.volumes_dir, o->volume);
	else
		r = serve_volume_path(conf, a, o->volume, &path, err);
	if (r == 0 && !path)
		r = err_set(err, POD_E_NOMEM, "no memory");
	return r < 0 ? r : offline(conf, path, o, err);
}

static int run(struct arena *a, const struct store_options *o, struct err *err)
{
	_cleanup_(conf_freep) const struct conf *conf = NULL;
	int r;

	if (!o->config)
		return offline(NULL, o->path, o, err);
	r = conf_load(o->config, a, NULL, &conf, err);
	if (r < 0)
		return r;
	log_setup("stored", STDERR_FILENO, conf->log.format, conf->log.level);
	return run_with_conf(conf, a, o, err);
}

int main(int argc, char **argv)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(START_ARENA);
	struct store_options o;
	struct err err = { 0 };
	int r = store_options_parse(argc, argv, &o);

	if (r >= 0)
		return r;
	log_setup("stored", STDERR_FILENO, LOG_FORMAT_TEXT, LOGL_INFO);
	if (o.command == STORE_SERVE)
		proc_die_with_parent(getppid());
	r = a ? run(a, &o, &err) : -POD_E_NOMEM;
	if (r >= 0)
		return r; /* an exit status */
	log_event(NULL, LOGL_ERROR, "stored.failed", F_ERR(&err));
	return STORE_EXIT_FAILED;
}
