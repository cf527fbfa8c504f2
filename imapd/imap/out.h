/*
 * Protocol text on its way into an evbuffer, gathered in a chunk on the stack, so that a row of FETCH costs
 * no call and no allocation for each of its pieces. Flush it before it goes out of scope.
 */
#ifndef POD_IMAPD_IMAP_OUT_H
#define POD_IMAPD_IMAP_OUT_H

#include <event2/buffer.h>

#include "base/span.h"

#define IMAP_OUT_CHUNK  8192
#define IMAP_OUT_NUMBER 20 /* digits of 2^64-1 */

struct imap_out {
	struct evbuffer *to;
	size_t n;
	bool failed; /* memory was out: the connection has lost its thread */
	uint8_t chunk[IMAP_OUT_CHUNK];
};

static inline void imap_out_init(struct imap_out *o, struct evbuffer *to)
{
	o->to = to;
	o->n = 0;
	o->failed = false;
}

void imap_out_flush(struct imap_out *o);
void imap_out_big(struct imap_out *o, struct span s); /* beyond the chunk */

static inline void imap_out_span(struct imap_out *o, struct span s)
{
	if (s.len > sizeof(o->chunk) - o->n) {
		imap_out_big(o, s);
		return;
	}
	if (s.len > 0)
		memcpy(o->chunk + o->n, s.p, s.len);
	o->n += s.len;
}

#define imap_out_lit(o, text) imap_out_span((o), SPAN_LIT(text))

static inline void imap_out_byte(struct imap_out *o, uint8_t c)
{
	if (o->n == sizeof(o->chunk))
		imap_out_flush(o);
	o->chunk[o->n++] = c;
}

void imap_out_number(struct imap_out *o, uint64_t n);
void imap_out_str(struct imap_out *o, const char *s);
/* A string: quoted where it may be, else a literal. NULL pointer: NIL. */
void imap_out_string(struct imap_out *o, struct span s);
/* A mailbox name, UTF-8 turned into modified UTF-7, as a string. */
void imap_out_mailbox(struct imap_out *o, const char *name);

#endif
