#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

void buf_done(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .limit = b->limit };
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	size_t need, cap = b->cap ? b->cap : 64;
	uint8_t *p;

	if (b->failed)
		return NULL;
	if (__builtin_add_overflow(b->len, n, &need) || (b->limit && need > b->limit) || need > SIZE_MAX / 4) {
		b->failed = true;
		return NULL;
	}
	if (need <= b->cap && b->p)
		return b->p + b->len;
	while (cap < need)
		cap *= 2;
	p = realloc(b->p, cap);
	if (!p) {
		b->failed = true;
		return NULL;
	}
	b->p = p;
	b->cap = cap;
	return p + b->len;
}

void buf_add(struct buf *b, struct span s)
{
	uint8_t *to = s.len ? buf_reserve(b, s.len) : NULL;

	if (to) {
		memcpy(to, s.p, s.len);
		b->len += s.len;
	}
}

void buf_add_byte(struct buf *b, uint8_t c)
{
	buf_add(b, span_make(&c, 1));
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, span_of(s));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	uint8_t *to;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	to = n < 0 ? NULL : buf_reserve(b, (size_t) n + 1);
	if (to) {
		(void) vsnprintf((char *) to, (size_t) n + 1, fmt, ap);
		b->len += (size_t) n;
	}
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

const char *buf_str(struct buf *b)
{
	uint8_t *end = buf_reserve(b, 1);

	if (!end)
		return "";
	*end = '\0';
	return (const char *) b->p;
}
