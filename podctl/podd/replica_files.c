#include "podctl/podd/replica_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/tls.h"
#include "podctl/pod/owner.h"

bool replica_is_here(const struct conf *conf, const Directory__Replica *replica)
{
	return strcmp(replica->host, conf->pod.host) == 0;
}

/* FNV-1a: to tell pods of one machine apart, nothing more. */
static unsigned long long hash_of(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text; text++)
		h = (h ^ (uint8_t) *text) * 0x100000001b3u;
	return h;
}

const char *replica_folder(const struct conf *conf, const char *volume, const char *site, char *buf)
{
	(void) snprintf(buf, PATH_MAX, "%s/%s/%s", conf->replication.sites_dir, site, volume);
	return buf;
}

int replica_files_of(const struct conf *conf, const char *volume, const Directory__Replica *replica,
                     struct replica_files *ret, struct err *err)
{
	const struct pod_conf *pod = &conf->pod;
	const char *site = replica->site;
	bool fits = true;

#define PATH(field, ...) \
	fits &= (size_t) snprintf(ret->field, sizeof(ret->field), __VA_ARGS__) < sizeof(ret->field)
	PATH(folder, "%s", replica->folder);
	PATH(nbd, "%s/replica/%s.%s.nbd", pod->run_dir, volume, site);
	PATH(control, "%s/replica/%s.%s.ctl", pod->run_dir, volume, site);
	PATH(stage, "%s/podmail-%016llx-%s.%s", conf->replication.stage_dir, hash_of(pod->dir), volume, site);
	PATH(cert, "%s/tls/replica-%s.pem", pod->dir, site);
	PATH(key, "%s/tls/replica-%s.key", pod->dir, site);
#undef PATH
	if (!fits || strlen(ret->nbd) >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
		return err_set(err, POD_E_LIMIT, "volume %s at %s: names too long for %s", volume, site,
		               ret->nbd);
	return 0;
}

/* SITES_DIR and SITES_DIR/SITE are to be passed through; what is in them is the replicators'. */
static int make_folders(const struct conf *conf, const char *site, const struct replica_files *f,
                        struct err *err)
{
	char at_site[PATH_MAX], run[PATH_MAX];
	const struct {
		const char *path, *user;
		mode_t mode;
	} folders[] = {
		{ conf->replication.sites_dir, "", 0711 },
		{ at_site, "", 0711 },
		{ f->folder, conf->pod.user_repl, 0700 },
		{ run, conf->pod.user_repl, 0700 },
	};
	int r = 0;

	(void) snprintf(at_site, sizeof(at_site), "%s/%s", conf->replication.sites_dir, site);
	(void) snprintf(run, sizeof(run), "%s/replica", conf->pod.run_dir);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
		r = owned_folder_make(folders[i].path, folders[i].mode, folders[i].user, err);
	return r;
}

/* The CA's certificate is for everyone, the site's key for the replicators alone. */
static int make_identity(const struct conf *conf, const char *site, const struct replica_files *f,
                         struct err *err)
{
	char dir[PATH_MAX], name[128];
	int r;

	(void) snprintf(dir, sizeof(dir), "%s/tls", conf->pod.dir);
	(void) snprintf(name, sizeof(name), "podmail-replica-%s", site);
	r = owned_folder_make(dir, 0755, "", err);
	if (r == 0)
		r = tls_make_identity(dir, f->cert, f->key, name, err);
	return r == 0 ? owned_file_give(f->key, 0600, conf->pod.user_repl, err) : r;
}

int replica_files_make(const struct conf *conf, const char *site, const struct replica_files *f,
                       struct err *err)
{
	int r = make_folders(conf, site, f, err);

	return r == 0 ? make_identity(conf, site, f, err) : r;
}

bool replica_files_complete(const struct replica_files *f)
{
	char path[PATH_MAX + 8];

	(void) snprintf(path, sizeof(path), "%s/meta", f->folder);
	return access(path, F_OK) == 0;
}

int replica_files_clear(const struct replica_files *f, struct err *err)
{
	DIR *d = opendir(f->folder);
	struct dirent *e;
	int r = 0;

	if (!d)
		return err_errno(err, errno, "%s", f->folder);
	while (r == 0 && (e = readdir(d))) {
		bool folder = e->d_type == DT_DIR;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), e->d_name, folder ? AT_REMOVEDIR : 0) < 0)
			r = err_errno(err, errno, "%s/%s", f->folder, e->d_name);
	}
	(void) closedir(d);
	return r;
}
