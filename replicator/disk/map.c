#include "replicator/disk/disk_internal.h"

#include <assert.h>

/*
 * What the log holds and the image does not yet. A primary lays each record over the map as it is appended,
 * because who reads asks it at once. On a secondary nobody reads but a comparison now and then, and keeping
 * the map up to date was a sixth of what a standby took of its processor. There records are only counted; all
 * that are not in the map are in the stage, and whoever needs the map lays them over it first.
 */

/* Where what the map lacks begins; what the image has it need not have. */
static uint64_t lacks_from(const struct disk *d)
{
	return d->mapped_lsn > d->applied.lsn ? d->mapped_lsn : d->applied.lsn;
}

void map_catch_up(struct disk *d)
{
	uint64_t lsn = lacks_from(d);

	while (lsn < d->head.lsn) {
		struct record r;
		struct extent e;
		bool stands = record_peek(stage_at(&d->stage, lsn), lsn, &r);

		assert(stands);
		(void) stands;
		if (record_extent(&r, &e))
			extent_map_insert(d->map, &e);
		lsn = record_next(&r);
	}
	d->mapped_lsn = d->head.lsn;
	d->map_behind = 0;
}

void map_keep_up(struct disk *d)
{
	if (!d->map_is_late)
		return;
	map_catch_up(d);
	d->map_is_late = false;
}

void map_lag(struct disk *d, size_t size)
{
	d->map_is_late = true;
	if (d->head.lsn + size - lacks_from(d) > d->stage.size / 8 * 7)
		map_catch_up(d);
}

void map_append(struct disk *d, const struct extent *e)
{
	if (d->map_is_late)
		d->map_behind++;
	else
		extent_map_insert(d->map, e);
}

bool map_has_room(struct disk *d)
{
	if (extent_map_room(d->map) > d->map_behind)
		return true;
	map_catch_up(d); /* most of them take less than was kept for them */
	return extent_map_has_room(d->map);
}

void map_clear(struct disk *d)
{
	extent_map_clear(d->map);
	d->mapped_lsn = d->head.lsn;
	d->map_behind = 0;
}

void map_applied(struct disk *d, uint64_t mapped_lsn, size_t unmapped)
{
	if (d->mapped_lsn == mapped_lsn)
		d->map_behind -= unmapped;
	if (d->mapped_lsn < d->applied.lsn)
		d->mapped_lsn = d->applied.lsn;
}
