/* Opening: the chain is read, and what a crash left half done is finished or undone. */
#include "replicator/snapshot/snapshot_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "replicator/core/record.h"

static void closedirp(DIR **d)
{
	if (*d)
		(void) closedir(*d);
}

/* NAME of a file NAME.ending; false where it is none. */
static bool name_of(const char *file, const char *ending, char name[SNAPSHOT_NAME_SIZE])
{
	size_t len = strlen(file), tail = strlen(ending);

	if (len <= tail || len - tail >= SNAPSHOT_NAME_SIZE || strcmp(file + len - tail, ending) != 0)
		return false;
	memcpy(name, file, len - tail);
	name[len - tail] = '\0';
	return record_name_ok(name);
}

/* Calls fn with each file of the folder until it fails. */
static int each_file(struct snapshots *s, int (*fn)(struct snapshots *s, const char *file, struct err *err),
                     struct err *err)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	_cleanup_(closedirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		r = err_errno(err, errno, "snapshots: list their folder");
		closep(&fd);
		return r;
	}
	while (r == 0 && (errno = 0, e = readdir(d)) != NULL)
		r = fn(s, e->d_name, err);
	return r == 0 && errno ? err_errno(err, errno, "snapshots: list their folder") : r;
}

/* ---- the chain ---- */

static void tell_dropped(struct snapshots *s, const char *name)
{
	if (s->o.on_dropped)
		s->o.on_dropped(s->o.arg, name);
}

static int set_aside(struct snapshots *s, const char *name, bool deleted, struct err *err)
{
	int r = files_set_aside(s, name, deleted, err);

	if (r == 0 && !deleted)
		tell_dropped(s, name);
	return r;
}

/* A folder that is changed while it is read may show a file twice, under its old name and its new one. */
static bool in_chain(const struct snapshots *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->chain[i]->info.name, name) == 0)
			return true;
	return false;
}

/* Nobody knows what it was: 0 where something of it is in the chain all the same. */
static int load_rest(struct snapshots *s, const char *name, bool deleted, struct err *err)
{
	int r = files_rescue(s, name, &s->chain[s->n], err);

	if (r == 0) {
		s->n++;
		if (!deleted)
			tell_dropped(s, name);
		return 0;
	}
	if (r == -POD_E_NOTFOUND)
		s->damaged_reflink = true;
	else if (r != -POD_E_EXISTS)
		s->damaged_serial = UINT64_MAX;
	return set_aside(s, name, deleted, err);
}

/* One that cannot be used does not keep the volume from being served. */
static int load(struct snapshots *s, const char *file, struct err *err)
{
	char name[SNAPSHOT_NAME_SIZE];
	bool deleted = name_of(file, ".deleted", name);
	struct snapshot *sn = NULL;
	uint64_t serial;
	int r;

	if ((!deleted && !name_of(file, ".json", name)) || in_chain(s, name))
		return 0;
	if (s->n == CHAIN_MAX)
		return err_set(err, POD_E_LIMIT, "snapshots: more than %u", (unsigned int) CHAIN_MAX);
	r = snapshot_files_open(s, name, deleted, &sn, &serial, err);
	if (r == 0) {
		s->chain[s->n++] = sn;
		return 0;
	}
	if (r != -POD_E_CORRUPT && r != -POD_E_NOTFOUND && r != -POD_E_IO)
		return r;
	if (serial == UINT64_MAX)
		return load_rest(s, name, deleted, err);
	if (serial > s->damaged_serial)
		s->damaged_serial = serial;
	return set_aside(s, name, deleted, err);
}

static int by_serial(const void *a, const void *b)
{
	const struct snapshot *x = *(struct snapshot *const *) a, *y = *(struct snapshot *const *) b;

	return x->serial < y->serial ? -1 : x->serial > y->serial;
}

/* Older ones find in newer ones what they have not themselves: without a newer one their content is not what
 * it was. */
static bool leans(const struct snapshots *s, const struct snapshot *sn)
{
	return sn->serial < s->damaged_serial || (s->damaged_reflink && !sn->info.reflink);
}

static int set_aside_leaning(struct snapshots *s, struct err *err)
{
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct snapshot *sn = s->chain[i];

		if (r < 0 || !leans(s, sn)) {
			s->chain[kept++] = sn;
			continue;
		}
		r = set_aside(s, sn->info.name, sn->deleted, err);
		snapshot_free(sn);
	}
	s->n = kept;
	return r;
}

/* ---- what belongs to nobody ---- */

static bool is_known(const struct snapshots *s, const char *name)
{
	char damaged[SNAPSHOT_PATH];

	if (in_chain(s, name))
		return true;
	(void) snprintf(damaged, sizeof(damaged), "%s.damaged", name);
	return faccessat(s->dir, damaged, F_OK, 0) == 0; /* kept for a human */
}

static int remove_leftover(struct snapshots *s, const char *file, struct err *err)
{
	char name[SNAPSHOT_NAME_SIZE];
	bool fresh = name_of(file, ".json.new", name);

	if (!fresh && !name_of(file, ".map", name) && !name_of(file, ".data", name))
		return 0;
	if ((fresh || !is_known(s, name)) && unlinkat(s->dir, file, 0) < 0)
		return err_errno(err, errno, "snapshots: remove %s", file);
	return 0;
}

/* ---- open and close ---- */

static int read_all(struct snapshots *s, struct err *err)
{
	uint64_t chunks = 0;
	int r = each_file(s, load, err);

	if (r < 0)
		return r;
	qsort(s->chain, s->n, sizeof(s->chain[0]), by_serial);
	s->serial = s->n ? s->chain[s->n - 1]->serial + 1 : 1;
	r = set_aside_leaning(s, err);
	r = r < 0 ? r : chain_settle(s, err);
	r = r < 0 ? r : each_file(s, remove_leftover, err);
	for (size_t i = 0; i < s->n; i++)
		chunks = s->chain[i]->chunks > chunks ? s->chain[i]->chunks : chunks;
	return r < 0 ? r : copy_reserve(s, chunks, err);
}

static int folder_open(struct snapshots *s, struct err *err)
{
	_cleanup_(closep) int folder = open(s->o.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0 || (mkdirat(folder, "snapshots", 0700) < 0 && errno != EEXIST))
		return err_errno(err, errno, "%s/snapshots", s->o.folder);
	s->dir = openat(folder, "snapshots", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->dir < 0 ? err_errno(err, errno, "%s/snapshots", s->o.folder) : 0;
}

static struct snapshots *snapshots_make(const struct snapshots_options *o)
{
	struct snapshots *s = calloc(1, sizeof(*s));
	pthread_rwlockattr_t attr;
	pthread_condattr_t monotonic;

	if (!s)
		return NULL;
	s->o = *o;
	s->dir = -1;
	s->run = aligned_alloc(4096, (size_t) RUN_CHUNKS * SNAPSHOT_CHUNK);
	/* Readers may be many and never pause: a write that waits to publish a copy goes before the next of
	 * them. */
	(void) pthread_rwlockattr_init(&attr);
	(void) pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	(void) pthread_rwlock_init(&s->lock, &attr);
	(void) pthread_rwlockattr_destroy(&attr);
	(void) pthread_mutex_init(&s->gate, NULL);
	(void) pthread_condattr_init(&monotonic);
	(void) pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void) pthread_cond_init(&s->gate_moved, &monotonic);
	(void) pthread_condattr_destroy(&monotonic);
	return s;
}

int snapshots_open(const struct snapshots_options *o, struct snapshots **ret_s, struct err *err)
{
	struct snapshots *s = snapshots_make(o);
	int r;

	if (!s || !s->run) {
		snapshots_close(s);
		return err_set(err, POD_E_NOMEM, "snapshots of %s", o->folder);
	}
	r = folder_open(s, err);
	r = r < 0 ? r : read_all(s, err);
	r = r < 0 ? r : sweeper_start(s, err);
	if (r < 0) {
		snapshots_close(s);
		return err_wrap(err, r, "%s", o->folder);
	}
	*ret_s = s;
	return 0;
}

struct snapshots *snapshots_close(struct snapshots *s)
{
	if (!s)
		return NULL;
	sweeper_stop(s);
	for (size_t i = 0; i < s->n; i++)
		snapshot_free(s->chain[i]);
	while (s->gone) {
		struct snapshot *sn = s->gone;

		s->gone = sn->next;
		snapshot_free(sn);
	}
	chunk_map_free(s->pending);
	closep(&s->dir);
	free(s->run);
	(void) pthread_rwlock_destroy(&s->lock);
	(void) pthread_mutex_destroy(&s->gate);
	(void) pthread_cond_destroy(&s->gate_moved);
	free(s);
	return NULL;
}
