#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_MIN 1008 /* with malloc's own header this fills 1 KiB */
#define BLOCK_MAX (64 * 1024)

struct block {
	struct block *next;
	size_t size, used;
	alignas(max_align_t) unsigned char bytes[];
};

struct arena {
	struct block *newest;
	size_t limit, used, next_size;
};

struct arena *arena_create(size_t limit_bytes)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a) {
		a->limit = limit_bytes;
		a->next_size = BLOCK_MIN;
	}
	return a;
}

static void free_blocks(struct block *b)
{
	while (b) {
		struct block *next = b->next;

		free(b);
		b = next;
	}
}

struct arena *arena_free(struct arena *a)
{
	if (a) {
		free_blocks(a->newest);
		free(a);
	}
	return NULL;
}

void arena_release(struct arena *a)
{
	free_blocks(a->newest);
	a->newest = NULL;
	a->used = 0;
	a->next_size = BLOCK_MIN;
}

void arena_reset(struct arena *a)
{
	struct block *oldest = a->newest;

	while (oldest && oldest->next) {
		struct block *next = oldest->next;

		free(oldest);
		oldest = next;
	}
	if (oldest && oldest->size > BLOCK_MAX) { /* made for one large thing, which the next user may not need */
		free(oldest);
		oldest = NULL;
	}
	a->newest = oldest;
	if (oldest)
		oldest->used = 0;
	a->used = 0;
	a->next_size = BLOCK_MIN;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}

static struct block *block_add(struct arena *a, size_t need)
{
	size_t size = a->next_size > need ? a->next_size : need;
	struct block *b = malloc(sizeof(*b) + size);

	if (!b)
		return NULL;
	b->size = size;
	b->used = 0;
	b->next = a->newest;
	a->newest = b;
	if (a->next_size < BLOCK_MAX)
		a->next_size *= 2;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct block *b = a->newest;
	size_t need;
	void *p;

	if (__builtin_add_overflow(size ? size : 1, align - 1, &need))
		return NULL;
	need &= ~(align - 1);
	if (need > a->limit - a->used)
		return NULL;
	if (!b || b->size - b->used < need) {
		b = block_add(a, need);
		if (!b)
			return NULL;
	}
	p = b->bytes + b->used;
	b->used += need;
	a->used += need;
	return memset(p, 0, size);
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : arena_alloc(a, bytes);
}

void *arena_grow(struct arena *a, const void *old, size_t old_n, size_t n, size_t size)
{
	void *p = arena_array(a, n, size);

	if (p && old_n)
		memcpy(p, old, (old_n < n ? old_n : n) * size);
	return p;
}

struct span arena_dup(struct arena *a, struct span s)
{
	void *p = arena_alloc(a, s.len);

	if (!p)
		return SPAN_NONE;
	if (s.len)
		memcpy(p, s.p, s.len);
	return span_make(p, s.len);
}

char *arena_str(struct arena *a, struct span s)
{
	char *p = s.len < SIZE_MAX ? arena_alloc(a, s.len + 1) : NULL;

	if (p && s.len)
		memcpy(p, s.p, s.len);
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	p = n < 0 ? NULL : arena_alloc(a, (size_t) n + 1);
	if (p)
		(void) vsnprintf(p, (size_t) n + 1, fmt, again);
	va_end(again);
	return p;
}
