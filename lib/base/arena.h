/*
 * An arena hands out memory that is freed all at once: one per connection, one per command that is reset
 * after the reply. Each has a byte limit, so that a peer can make us use that much and no more.
 * An arena belongs to one thread at a time.
 */
#ifndef POD_BASE_ARENA_H
#define POD_BASE_ARENA_H

#include <stddef.h>

#include "base/span.h"

struct arena;

/* An arena that hands out at most limit_bytes. NULL where memory is out. Small until first used. */
struct arena *arena_create(size_t limit_bytes);
/* Frees the arena and all it handed out. NULL is fine; returns NULL. */
struct arena *arena_free(struct arena *a);
/* Takes all memory back but keeps the arena (and its first block, so that a busy loop allocates nothing). */
void arena_reset(struct arena *a);
/* As arena_reset, and gives every block back to the system: for a connection that goes idle. */
void arena_release(struct arena *a);
/* Bytes handed out since creation or the last reset. */
size_t arena_used(const struct arena *a);

/* Zeroed memory aligned for any type, or NULL where the limit or memory is out. */
void *arena_alloc(struct arena *a, size_t size);
/* An array of n elements; checks the multiplication. */
void *arena_array(struct arena *a, size_t n, size_t size);
/*
 * An array grown to hold `n` elements where it holds `old_n`: contents move, the old memory stays in the
 * arena, so grow by doubling. NULL as above, the old array then untouched.
 */
void *arena_grow(struct arena *a, const void *old, size_t old_n, size_t n, size_t size);

/* Copies. arena_dup keeps bytes; arena_str adds a NUL after them. SPAN_NONE / NULL where memory is out. */
struct span arena_dup(struct arena *a, struct span s);
char *arena_str(struct arena *a, struct span s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define arena_new(a, type) ((type *) arena_alloc((a), sizeof(type)))

static inline void arena_freep(struct arena **a)
{
	(void) arena_free(*a);
}

#endif
