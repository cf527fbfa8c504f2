/*
 * A message's bytes while it is coming in: in memory up to a size, in an unnamed file beyond it, so that a
 * large message costs disk and not memory, and nothing is left behind by a crash. A spool belongs to one
 * connection, which uses it again for its next message.
 */
#ifndef POD_MTA_SPOOL_H
#define POD_MTA_SPOOL_H

#include "base/err.h"
#include "base/span.h"

struct spool;

/* dir: for the files; kept by pointer. NULL where memory is out. */
struct spool *spool_create(size_t memory_max, const char *dir);
/* NULL is fine; returns NULL. */
struct spool *spool_free(struct spool *sp);
/* Forgets the message. Small memory is kept for the next one, large memory and files go. */
void spool_reset(struct spool *sp);
/* -POD_E_NOMEM, -POD_E_NOSPACE, -POD_E_IO. After a failure only spool_reset makes sense. */
int spool_add(struct spool *sp, struct span bytes, struct err *err);
uint64_t spool_size(const struct spool *sp);
/* All of it in one piece, until the next spool_add or spool_reset: memory, or the file mapped. */
int spool_bytes(struct spool *sp, struct span *ret_bytes, struct err *err);
/* A descriptor of it, owned by the spool, to be passed to another process; made from memory where need be. */
int spool_fd(struct spool *sp, int *ret_fd, struct err *err);
/* Copies bytes of it, all of which are there already. -POD_E_IO. */
int spool_read(struct spool *sp, uint64_t off, uint8_t *to, size_t len, struct err *err);
/*
 * Makes it hold head and what is in from at off and later; from may be the spool itself. A large rest goes
 * from file to file inside the kernel (as shared blocks where the file system can). After a failure it is as
 * it was.
 */
int spool_assemble(struct spool *sp, struct span head, const struct spool *from, uint64_t off,
                   struct err *err);

#endif
