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

#endif
