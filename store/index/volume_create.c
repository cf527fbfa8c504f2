#include "store/index/volume_create.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/index/index.h"
#include "store/maildir/layout.h"
#include "store/maildir/volume_file.h"

#define MAP_BYTES_NEW ((uint64_t) 64 << 30)

int index_create(const char *dir, unsigned int flags, const struct counters *first, struct kv **ret_kv,
                 struct tables *ret_tables, struct err *err)
{
	const struct kv_options o = { .map_bytes = MAP_BYTES_NEW, .tables_max = SCHEMA_TABLES, .flags = KV_CREATE | flags };
	KV_TXN txn = { 0 };
	struct kv *kv = NULL;
	struct tables t;
	int r = kv_open(dir, &o, &kv, err);

	if (r == 0)
		r = schema_open(kv, true, &t, err);
	if (r == 0)
		r = kv_txn_begin(kv, KV_WRITE, &txn, err);
	if (r == 0)
		r = counters_put(&txn, &t, first, err);
	if (r == 0)
		r = kv_txn_commit(&txn, err);
	if (r < 0) {
		kv_txn_abort(&txn);
		(void) kv_close(kv);
		return r;
	}
	*ret_kv = kv;
	*ret_tables = t;
	return 0;
}

static int is_empty(const char *path, struct err *err)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : err_errno(err, errno, "open %s", path);
	while (r == 0 && (e = readdir(d)))
		/* A file system's own folder is no obstacle: a volume is most often the whole of one. */
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && strcmp(e->d_name, "lost+found") != 0)
			r = err_set(err, POD_E_EXISTS, "%s is not empty", path);
	(void) closedir(d);
	return r;
}

static int make_folders(int dir, struct err *err)
{
	static const char *const folders[] = { LAYOUT_USERS, LAYOUT_STAGING, LAYOUT_TRASH };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
		r = file_mkdir(dir, folders[i], err);
	return r;
}

/* volume.json last: a volume without it is none, so one that was made half is made anew, not opened. */
static int make_files(int dir, const char *name, struct err *err)
{
	struct volume_file f = { .id = guid_new(), .created = clock_wall_s() };
	uint8_t key[VOLUME_SECRET_SIZE];
	int r;

	maildir_host_make(span_of(name), f.name);
	random_bytes(key, sizeof(key));
	r = volume_key_write(dir, key, err);
	if (r == 0 && syncfs(dir) < 0)
		r = err_errno(err, errno, "syncfs of the new volume");
	if (r == 0)
		r = volume_file_write(dir, &f, err);
	if (r == 0 && syncfs(dir) < 0)
		r = err_errno(err, errno, "syncfs of the new volume");
	return r;
}

int volume_create(const char *path, const char *name, struct err *err)
{
	const struct counters first = { .version = SCHEMA_VERSION, .next_user = 1, .next_mailbox = 1, .next_uidvalidity = 1 };
	_cleanup_(closep) int dir = -1;
	struct kv *kv = NULL;
	struct tables t;
	char index[PATH_MAX];
	int r = is_empty(path, err);

	if (r < 0)
		return r;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "make %s", path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_errno(err, errno, "open %s", path);
	if ((size_t) snprintf(index, sizeof(index), "%s/" LAYOUT_INDEX, path) >= sizeof(index))
		return err_set(err, POD_E_LIMIT, "the volume's path is too long");
	r = make_folders(dir, err);
	if (r == 0)
		r = index_create(index, 0, &first, &kv, &t, err);
	(void) kv_close(kv);
	return r < 0 ? r : make_files(dir, name, err);
}
