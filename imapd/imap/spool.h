/*
 * The bytes of one message, in memory while they are few, in an unnamed temporary file beyond: an APPEND on
 * its way in, or a body that came in pieces on its way out. One owner.
 */
#ifndef POD_IMAPD_IMAP_SPOOL_H
#define POD_IMAPD_IMAP_SPOOL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct imap_spool {
	struct buf memory;
	int fd; /* -1 while all is in memory */
	uint64_t size;
	void *map; /* see imap_spool_map */
	size_t map_len;
};

#define IMAP_SPOOL_INIT ((struct imap_spool){ .fd = -1 })

void imap_spool_done(struct imap_spool *sp);
/* -POD_E_NOMEM, -POD_E_NOSPACE, -POD_E_IO: of no use any more. */
int imap_spool_add(struct imap_spool *sp, const char *temp_dir, struct span bytes);
/* A file that is there already, of that size; takes fd. */
void imap_spool_take_file(struct imap_spool *sp, int fd, uint64_t size);
/* All of it as one span, until the spool is done. */
int imap_spool_map(struct imap_spool *sp, struct span *ret_bytes);
/* A part of it: of the memory, or read into a. What is beyond the end is left out. */
int imap_spool_read(const struct imap_spool *sp, struct arena *a, uint64_t off, uint64_t len,
                    struct span *ret_bytes);

#endif
