#include "kv/kv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "kv/kv_internal.h"

#define TABLES_DEFAULT  16
#define READERS_DEFAULT 126
#define MODE_DEFAULT    0600

/* Whoever may read the data has to be able to write the lock file: a reader enters its snapshot there. */
static mode_t lock_mode(mode_t mode)
{
	return mode | ((mode & 0444) >> 1);
}

/*
 * LMDB would make the lock file with the mode of the data file, cut down by the umask: make it before, as
 * it has to be. An empty one is LMDB's to fill.
 */
static int make_lock_file(int dir, mode_t mode, struct err *err)
{
	_cleanup_(closep) int fd = openat(dir, "lock.mdb", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0)
		return errno == EEXIST ? 0 : err_errno(err, errno, "creating lock.mdb");
	if (fchmod(fd, mode) < 0)
		return err_errno(err, errno, "setting the mode of lock.mdb");
	return 0;
}

static int prepare_folder(const char *path, mode_t mode, struct err *err)
{
	mode_t folder = mode | ((mode & 0444) >> 2); /* x where r */
	_cleanup_(closep) int dir = -1;

	if (mkdir(path, folder) == 0) {
		struct stat st;

		/* the set-group-ID bit that it got from its parent stays, so that the files get the group too
		 */
		if (stat(path, &st) < 0 || chmod(path, folder | (st.st_mode & S_ISGID)) < 0)
			return err_errno(err, errno, "setting the mode of %s", path);
	} else if (errno != EEXIST) {
		return err_errno(err, errno, "creating %s", path);
	}
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_errno(err, errno, "opening %s", path);
	return make_lock_file(dir, lock_mode(mode), err);
}

/* Makes the names of new files durable, which LMDB leaves to its user: data.mdb's, and the folder's own. */
static int sync_folder(const char *path, const char *name, struct err *err)
{
	_cleanup_(closep) int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(closep) int dir = top < 0 ? -1 : openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0 || fsync(dir) < 0)
		return err_errno(err, errno, "flushing the folder %s/%s", path, name);
	return 0;
}

static int finish_files(const char *path, mode_t mode, struct err *err)
{
	_cleanup_(freep) char *data = NULL;
	int r;

	if (asprintf(&data, "%s/data.mdb", path) < 0) {
		data = NULL;
		return err_set(err, POD_E_NOMEM, "opening %s", path);
	}
	if (chmod(data, mode) < 0)
		return err_errno(err, errno, "setting the mode of %s", data);
	r = sync_folder(path, ".", err);
	if (r < 0)
		return r;
	r = sync_folder(path, "..", err);
	/* One that we may not look into was not ours to change: who made our folder in it has flushed it. */
	return r == -POD_E_DENIED ? 0 : r;
}

/* 1: data.mdb is there, 0: it is not. */
static int has_data(const char *path, struct err *err)
{
	_cleanup_(closep) int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (dir >= 0 && fstatat(dir, "data.mdb", &st, 0) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	return err_errno(err, errno, "opening %s", path);
}

static int env_open(struct kv *kv, const char *path, const struct kv_options *o, mode_t mode, struct err *err)
{
	unsigned int flags = MDB_NOTLS;
	int r = mdb_env_create(&kv->env);

	if (r != 0)
		return kv_error(err, r, "creating an environment");
	if (o->flags & KV_READONLY)
		flags |= MDB_RDONLY;
	if (o->flags & KV_NOSYNC)
		flags |= MDB_NOSYNC;
	if (o->flags & KV_NOLOCK)
		flags |= MDB_NOLOCK;
	r = mdb_env_set_maxdbs(kv->env, o->tables_max ? o->tables_max : TABLES_DEFAULT);
	if (r == 0)
		r = mdb_env_set_maxreaders(kv->env, o->readers_max ? o->readers_max : READERS_DEFAULT);
	if (r == 0 && o->map_bytes)
		r = mdb_env_set_mapsize(kv->env, o->map_bytes);
	if (r == 0)
		r = mdb_env_open(kv->env, path, flags, mode);
	return kv_error(err, r, path);
}

static int open_files(struct kv *kv, const char *path, const struct kv_options *o, struct err *err)
{
	mode_t mode = o->mode ? o->mode : MODE_DEFAULT;
	bool create = (o->flags & (KV_CREATE | KV_READONLY)) == KV_CREATE;
	int there, r;

	if (create) {
		r = prepare_folder(path, mode, err);
		if (r < 0)
			return err_wrap(err, r, "%s", path);
	}
	there = has_data(path, err);
	if (there < 0)
		return there;
	if (!there && !create)
		return err_set(err, POD_E_NOTFOUND, "%s: no database there", path);
	r = env_open(kv, path, o, mode, err);
	return r < 0 || there ? r : finish_files(path, mode, err);
}

int kv_open(const char *dir, const struct kv_options *o, struct kv **ret_kv, struct err *err)
{
	struct kv *kv = calloc(1, sizeof(*kv));
	int r;

	if (!kv)
		return err_set(err, POD_E_NOMEM, "opening %s", dir);
	kv->flags = o->flags;
	if (pthread_mutex_init(&kv->tables_lock, NULL) != 0) {
		free(kv);
		return err_set(err, POD_E_NOMEM, "opening %s", dir);
	}
	r = open_files(kv, dir, o, err);
	if (r < 0) {
		(void) kv_close(kv);
		return r;
	}
	kv_reap_readers(kv);
	*ret_kv = kv;
	return 0;
}

struct kv *kv_close(struct kv *kv)
{
	if (!kv)
		return NULL;
	assert(atomic_load(&kv->running) == 0);
	for (size_t i = 0; i < KV_IDLE_READERS; i++) {
		MDB_txn *txn = atomic_exchange(&kv->idle[i], NULL);

		if (txn)
			mdb_txn_abort(txn);
	}
	if (kv->env)
		mdb_env_close(kv->env);
	(void) pthread_mutex_destroy(&kv->tables_lock);
	free(kv);
	return NULL;
}

int kv_sync(struct kv *kv, struct err *err)
{
	return kv_error(err, mdb_env_sync(kv->env, 1), "flushing the database");
}

void kv_reap_readers(struct kv *kv)
{
	int dead;

	(void) mdb_reader_check(kv->env, &dead); /* a failure only leaves the slots for the next time */
}

static int table_open(struct kv *kv, const char *name, unsigned int flags, kv_table *ret_table,
                      struct err *err)
{
	unsigned int mdb_flags = flags & KV_TABLE_CREATE ? MDB_CREATE : 0;
	KV_TXN txn = { 0 };
	MDB_dbi dbi;
	int r = kv_txn_begin(kv, kv->flags & KV_READONLY || !mdb_flags ? KV_READ : KV_WRITE, &txn, err);

	if (r < 0)
		return r;
	if (flags & KV_TABLE_INTEGER_KEYS)
		mdb_flags |= MDB_INTEGERKEY;
	r = mdb_dbi_open(txn_mdb(&txn), name, mdb_flags, &dbi);
	if (r != 0)
		return kv_error(err, r, name);
	r = kv_txn_commit(&txn, err); /* of a read transaction too: an abort would take the handle back */
	if (r == 0)
		*ret_table = dbi;
	return r;
}

int kv_table_open(struct kv *kv, const char *name, unsigned int flags, kv_table *ret_table, struct err *err)
{
	int r;

	if (kv->flags & KV_READONLY)
		flags &= ~KV_TABLE_CREATE;
	(void) pthread_mutex_lock(&kv->tables_lock);
	r = table_open(kv, name, flags, ret_table, err);
	(void) pthread_mutex_unlock(&kv->tables_lock);
	return r;
}
