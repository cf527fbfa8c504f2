#include "replicator/disk/disk_internal.h"

int meta_load(struct disk *d, struct err *err)
{
	uint8_t *blocks = d->bitmap_block; /* two blocks of aligned memory, not used yet */
	int slot, r = block_read(d->meta_fd, blocks, 2 * SUPERBLOCK_SIZE, 0);

	if (r < 0)
		return err_errno(err, -r, "meta: read");
	r = superblock_choose(blocks, blocks + SUPERBLOCK_SIZE, &d->sb, &slot, err);
	return err_wrap(err, r, "meta");
}

int meta_save(struct disk *d, const struct superblock *next, struct err *err)
{
	struct superblock s = *next;
	struct err e = { 0 };
	int r = disk_step(d, DISK_STEP_SUPERBLOCK);

	/* The slots take turns by the sequence number, so the one that is not written holds the state before.
	 */
	s.sequence = d->sb.sequence + 1;
	superblock_encode(&s, d->sb_block);
	if (r == 0)
		r = block_write_durably(d->meta_fd, d->sb_block, SUPERBLOCK_SIZE,
		                        s.sequence % 2 * SUPERBLOCK_SIZE);
	if (r < 0)
		return disk_break(d, err_errno(&e, -r, "meta: write"), &e, err);
	d->sb = s;
	return 0;
}

void disk_superblock(struct disk *d, struct superblock *ret)
{
	(void) pthread_mutex_lock(&d->meta_lock);
	*ret = d->sb;
	peers_to_superblock(d, ret); /* as they are now */
	(void) pthread_mutex_unlock(&d->meta_lock);
}

int disk_superblock_change(struct disk *d, void (*fn)(struct superblock *s, void *arg), void *arg,
                           struct err *err)
{
	struct superblock next;
	int r;

	(void) pthread_mutex_lock(&d->meta_lock);
	next = d->sb;
	fn(&next, arg);
	r = meta_save(d, &next, err);
	(void) pthread_mutex_unlock(&d->meta_lock);
	return r;
}
