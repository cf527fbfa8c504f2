/*
 * Identifiers. A trace id follows one message from the SMTP session to the mailbox; a GUID names one
 * message for ever, in the file name and in the index. Both are time-ordered, so that a listing sorts by
 * age and an LMDB key made of one is appended, not inserted. Thread-safe.
 */
#ifndef POD_BASE_ID_H
#define POD_BASE_ID_H

#include <stdint.h>

#include "base/span.h"

#define ID_SIZE 16 /* bytes of a GUID */
#define ID_TEXT_SIZE 33 /* 32 lower-case hex digits and the NUL */
#define TRACE_ID_SIZE 17 /* 16 lower-case hex digits and the NUL */

struct guid {
	uint8_t b[ID_SIZE];
};

/* 48 bits of wall-clock milliseconds, then random bits (the layout of UUIDv7, RFC 9562 5.7). */
struct guid guid_new(void);
void guid_format(const struct guid *g, char text[ID_TEXT_SIZE]);
/* 32 hex digits; -POD_E_SYNTAX otherwise, *ret_guid untouched. */
int guid_parse(struct span text, struct guid *ret_guid);
static inline bool guid_eq(const struct guid *a, const struct guid *b)
{
	return memcmp(a->b, b->b, ID_SIZE) == 0;
}

/* A new trace id: 16 hex digits, of 40 bits time and 24 bits random. */
void trace_id_new(char text[TRACE_ID_SIZE]);

/* Fills p with bytes fit for keys (getrandom). It cannot fail: the process aborts where the kernel has none. */
void random_bytes(void *p, size_t len);

#endif
