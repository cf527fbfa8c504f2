/*
 * Which 64 KiB chunks of the volume a peer may lack: kept where the log no longer reaches back to what the peer needs.
 * One bit a chunk, in memory, with the 4 KiB pages of it that changed since they were last saved marked for the disk
 * room (disk/meta.h). Pure; its owner holds a lock.
 */
#ifndef REPLICATOR_CORE_BITMAP_H
#define REPLICATOR_CORE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define BITMAP_CHUNK     65536u
#define BITMAP_PAGE      4096u /* bytes of bits that are saved together: 2 GiB of volume */

struct bitmap;

int bitmap_create(uint64_t volume_size, struct bitmap **ret_map, struct err *err);
struct bitmap *bitmap_free(struct bitmap *b);
/* Allocates: not on the I/O path. New chunks are clean. */
int bitmap_resize(struct bitmap *b, uint64_t volume_size, struct err *err);
void bitmap_set(struct bitmap *b, uint64_t offset, uint64_t length);
void bitmap_clear(struct bitmap *b, uint64_t offset, uint64_t length); /* whole chunks */
void bitmap_clear_all(struct bitmap *b);
void bitmap_set_all(struct bitmap *b);
/* The first marked run at or behind offset; false where there is none. */
bool bitmap_next(const struct bitmap *b, uint64_t offset, uint64_t *ret_offset, uint64_t *ret_length);
uint64_t bitmap_count(const struct bitmap *b); /* marked chunks */
/* The bits as they are saved, and the pages of them that changed. */
size_t bitmap_pages(const struct bitmap *b);
const uint8_t *bitmap_page(const struct bitmap *b, size_t page);
void bitmap_page_load(struct bitmap *b, size_t page, const uint8_t *bytes);
bool bitmap_take_dirty(struct bitmap *b, size_t *ret_page); /* and marks it saved */

#endif
