/* Body files of the queue: messages/ID under queue_dir. */
#ifndef POD_MTA_QUEUE_FILES_H
#define POD_MTA_QUEUE_FILES_H

#include "base/err.h"
#include "base/id.h"
#include "base/span.h"

/* Makes dir/messages where it is missing and opens it. */
int files_open(const char *dir, int *ret_dir_fd, struct err *err);
/* Writes a body, which is durable after files_sync. One that is there is replaced. */
int files_write(int dir_fd, const struct guid *id, struct span bytes, struct err *err);
int files_copy(int dir_fd, const struct guid *id, int from_fd, uint64_t size, struct err *err);
/* Bytes and names of all that was written: one flush, however many there are. */
int files_sync(int dir_fd, struct err *err);
int files_read(int dir_fd, const struct guid *id, int *ret_fd, struct err *err);
/* One that is not there is fine. */
int files_remove(int dir_fd, const struct guid *id, struct err *err);
/* Removes every file that keep() does not want. */
int files_sweep(int dir_fd, bool (*keep)(void *arg, const struct guid *id), void *arg, struct err *err);

#endif
