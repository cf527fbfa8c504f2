/*
 * A buf is a growable run of bytes with one owner. Appending never fails half way: where memory or the
 * limit is out, the buf is marked failed, keeps what it had, and every later append does nothing, so that
 * a writer of many pieces checks once, at the end. Network data in flight lives in evbuffers, not here.
 */
#ifndef POD_BASE_BUF_H
#define POD_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>

#include "base/span.h"

struct buf {
	uint8_t *p;
	size_t len, cap;
	size_t limit; /* most bytes it may hold; 0 for no limit but memory */
	bool failed;
};

#define BUF_INIT ((struct buf){ 0 })

void buf_done(struct buf *b); /* frees the bytes; the buf is as BUF_INIT again */
void buf_clear(struct buf *b); /* empty and not failed, keeps the memory */
void buf_add(struct buf *b, struct span s);
void buf_add_byte(struct buf *b, uint8_t c);
void buf_add_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Room for n more bytes to be written by the caller, who then adds to len; NULL marks it failed. */
uint8_t *buf_reserve(struct buf *b, size_t n);
/* The bytes with a NUL behind them (not counted in len); "" where it failed or is empty. */
const char *buf_str(struct buf *b);

static inline struct span buf_span(const struct buf *b)
{
	return span_make(b->p, b->len);
}

#define _cleanup_buf_ __attribute__((cleanup(buf_done)))

#endif
