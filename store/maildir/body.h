/* Message bodies on their way to a name: unnamed files, written by any thread, linked by the writer. */
#ifndef POD_STORE_MAILDIR_BODY_H
#define POD_STORE_MAILDIR_BODY_H

#include "base/err.h"
#include "base/span.h"

/*
 * A new unnamed file (O_TMPFILE) in the folder dir holding header, then bytes, then fd's first fd_size bytes (where
 * fd >= 0). Not durable before the syncfs that follows its linking. -POD_E_NOSPACE: the disk is full.
 */
int body_stage(int dir, struct span header, struct span bytes, int fd, uint64_t fd_size, int *ret_fd,
               uint64_t *ret_size, struct err *err);
/*
 * The same for bytes in memory, under a name from the start: for small bodies that the writer itself makes. The unnamed
 * file's detour over the file system's list of orphans, which all threads share, costs more than writing it.
 * -POD_E_EXISTS where the name is taken; nothing is left where it fails.
 */
int body_make(int dir, const char *name, struct span header, struct span bytes, int *ret_fd, struct err *err);
/* Gives the open file a (further) name: no data is copied. -POD_E_EXISTS where the name is taken. */
int body_link(int fd, int dir, const char *name, struct err *err);
/*
 * Copies fd from its start with every line end made CRLF, for messages other Maildir tools wrote. The result is as
 * body_stage's.
 */
int body_stage_crlf(int dir, int fd, int *ret_fd, uint64_t *ret_size, struct err *err);

/*
 * Whether a file that may never have been flushed has all its bytes: 1, or 0 where its size is another, or a block of it
 * reads as zeros, as blocks do that a power cut kept from the disk. No message has a block of NULs.
 */
int body_is_whole(int fd, uint64_t size, struct err *err);

#endif
