/*
 * Bytes that an answer to ItemOperations has beside its document, where the client takes them so (MS-ASHTTP
 * multipart: MS-ASAcceptMultiPart). Part 0 is the document; these are 1 and up.
 */
#ifndef POD_IMAPD_EAS_ITEM_MULTIPART_H
#define POD_IMAPD_EAS_ITEM_MULTIPART_H

#include "base/buf.h"

#define EAS_MULTIPART_MAX 1000

struct eas_multipart {
	struct buf bytes; /* of all parts, one after the other; the owner's to free */
	uint32_t lengths[EAS_MULTIPART_MAX];
	uint32_t n;
};

/* Adds a part; its number, or 0 where there are too many. */
static inline uint32_t eas_multipart_add(struct eas_multipart *m, struct span bytes)
{
	if (m->n == EAS_MULTIPART_MAX || bytes.len > UINT32_MAX)
		return 0;
	buf_add(&m->bytes, bytes);
	m->lengths[m->n++] = (uint32_t) bytes.len;
	return m->n;
}

#endif
