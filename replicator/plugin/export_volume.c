/* The volume itself, while this replica is primary. */
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "replicator/core/extent_map.h"
#include "replicator/plugin/export.h"

/* A connection made under an earlier term: its client may have acknowledged writes in its cache that are not
 * here. */
static int check_term(const struct export *e, struct err *err)
{
	if (e->term != atomic_load_explicit(&e->replica->term, memory_order_relaxed))
		return err_set(err, POD_E_STALE,
		               "this replica has stopped being primary since the client connected");
	return 0;
}

static int begin(struct export *e, struct err *err)
{
	int r = check_term(e, err);

	return r == 0 ? replication_write_begin(e->replica->link, err) : r;
}

/* r: of what was done between begin and here. */
static int end(struct export *e, int r, struct err *err)
{
	int ended = replication_write_end(e->replica->link, r < 0 ? NULL : err);

	return r < 0 ? r : ended;
}

static int volume_read(struct export *e, void *bytes, size_t size, uint64_t offset, struct err *err)
{
	int r = check_term(e, err);

	return r == 0 ? disk_read(e->replica->disk, offset, bytes, size, err) : r;
}

static int volume_write(struct export *e, const void *bytes, size_t size, uint64_t offset, struct err *err)
{
	int r = begin(e, err);

	return r == 0 ? end(e, disk_write(e->replica->disk, offset, bytes, size, err), err) : r;
}

static int volume_zero(struct export *e, uint64_t length, uint64_t offset, unsigned int flags,
                       struct err *err)
{
	int r = begin(e, err);

	return r == 0 ? end(e, disk_zero(e->replica->disk, offset, length, flags, err), err) : r;
}

static int volume_flush(struct export *e, struct err *err)
{
	int r = check_term(e, err);

	return r == 0 ? replication_flush(e->replica->link, err) : r;
}

static int add_extent(void *arg, uint64_t offset, uint64_t length, int kind)
{
	static const uint32_t types[] = {
		[EXTENT_DATA] = 0,
		[EXTENT_ZERO] = NBDKIT_EXTENT_ZERO,
		[EXTENT_TRIM] = NBDKIT_EXTENT_ZERO | NBDKIT_EXTENT_HOLE,
	};

	return nbdkit_add_extent(arg, offset, length, types[kind]) < 0 ? -POD_E_NOMEM : 0;
}

static int volume_extents(struct export *e, uint64_t length, uint64_t offset, struct nbdkit_extents *ret,
                          struct err *err)
{
	int r = check_term(e, err);

	return r == 0 ? disk_extents(e->replica->disk, offset, length, add_extent, ret, err) : r;
}

static const struct export_kind volume_kind = {
	.writable = true,
	.read = volume_read,
	.write = volume_write,
	.zero = volume_zero,
	.flush = volume_flush,
	.extents = volume_extents,
};

int export_volume_open(struct export *e, struct err *err)
{
	e->kind = &volume_kind;
	e->term = atomic_load(
		&e->replica->term); /* before the look at the role: a demotion in between is seen */
	if (!replica_is_primary(e->replica))
		return err_set(err, POD_E_STALE,
		               "%s is secondary at %s: the volume is served where it is primary",
		               e->replica->settings->name, e->replica->settings->site);
	e->size = disk_size(e->replica->disk);
	return 0;
}
