#include "podctl/podd/folders.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/tls.h"
#include "podctl/pod/owner.h"

struct folder {
	const char *path, *user;
	mode_t mode_root, mode_caller; /* started by root, and not */
};

static int make(const struct folder *f, struct err *err)
{
	return owned_folder_make(f->path, geteuid() == 0 ? f->mode_root : f->mode_caller, f->user, err);
}

/* The folder that holds a file. */
static int make_parent(const char *file, mode_t mode, struct err *err)
{
	struct folder f = { .user = "", .mode_root = mode, .mode_caller = 0700 };
	char path[PATH_MAX];
	size_t len = strlen(file);

	while (len > 0 && file[len - 1] != '/')
		len--;
	if (len < 2 || len >= sizeof(path))
		return 0;
	(void) snprintf(path, sizeof(path), "%.*s", (int) len - 1, file);
	f.path = path;
	return make(&f, err);
}

int folders_make(const struct conf *conf, struct err *err)
{
	char metrics[PATH_MAX];
	/*
	 * run/ is the group's, so that each program can put its sockets there, and sticky, so that none can
	 * put its own in the place of another's and be told passwords. Set-group-id: what is made there is
	 * the group's.
	 */
	const struct folder folders[] = {
		{ conf->pod.run_dir, "", 03770, 0700 },
		{ metrics, "", 02770, 0700 },
		{ conf->pod.directory_dir, "", 02750, 0700 },
		{ conf->pod.volumes_dir, "", 0711, 0700 },
		{ conf->mta.queue_dir, conf->pod.user_mta, 0700, 0700 },
		{ conf->outbound.dir, conf->pod.user_mta, 0700, 0700 },
		{ conf->filter.dir, conf->pod.user_filter, 0700, 0700 },
	};
	int r = 0;

	if ((size_t) snprintf(metrics, sizeof(metrics), "%s/metrics", conf->pod.run_dir) >= sizeof(metrics))
		return err_set(err, POD_E_LIMIT, "%s: name too long", conf->pod.run_dir);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
		r = make(&folders[i], err);
	if (r == 0 && conf->log.file)
		r = make_parent(conf->log.file, 0750, err);
	return r;
}

/*
 * Workers of mta and imapd read certificate and key again at a reload, when they are no longer root: so the
 * key is the group's to read, which holds it in memory anyway. The CA's key is nobody's but ours.
 */
static int set_modes(const char *dir, struct err *err)
{
	static const struct {
		const char *name;
		mode_t mode;
	} files[] = {
		{ "ca.pem", 0644 }, { "ca.key", 0600 }, { "server.pem", 0644 }, { "server.key", 0640 }
	};
	char path[PATH_MAX + 16];
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++) {
		(void) snprintf(path, sizeof(path), "%s/%s", dir, files[i].name);
		r = owned_file_set(path, files[i].mode, err);
	}
	return r;
}

int certificate_make(const struct conf *conf, struct err *err)
{
	/*
	 * The first becomes the common name: clients as old as mbsync 1.4 know an address there and nowhere
	 * else.
	 */
	const char *all[] = { conf->pod.listen_address,
		              conf->pod.domain,
		              conf->mta.hostname,
		              "localhost",
		              "127.0.0.1",
		              "::1" };
	size_t any = strcmp(conf->pod.listen_address, "*") == 0 ? 1 : 0, n = ARRAY_SIZE(all) - any;
	const char *const *names = all + any;
	char dir[PATH_MAX], ours[PATH_MAX + 16];
	int r;

	(void) snprintf(dir, sizeof(dir), "%s/tls", conf->pod.dir);
	(void) snprintf(ours, sizeof(ours), "%s/server.pem", dir);
	if (strcmp(conf->tls.cert, ours) != 0 || access(ours, F_OK) == 0)
		return 0; /* an own certificate is never replaced, not even by its absence */
	r = make_parent(ours, 0755, err);
	if (r == 0)
		r = tls_make_self_signed(dir, names, n, err);
	return r == 0 ? set_modes(dir, err) : r;
}
