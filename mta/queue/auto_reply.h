/* The answer of a user who is away (RFC 3834), written and handed to the queue. */
#ifndef POD_MTA_AUTO_REPLY_H
#define POD_MTA_AUTO_REPLY_H

#include "base/buf.h"
#include "directory/directory.h"
#include "mta/deliver/deliver.h"
#include "mta/queue/queue.h"

/* The message; id: for its Message-ID and Received field. Pure. -POD_E_NOMEM. */
int auto_reply_write(const struct deliver_reply *r, const char *trace, const char *hostname, int64_t now_s,
                     struct buf *out);
/*
 * Hands it to the queue. It is from nobody, and nobody is told what becomes of it. Where that fails it is
 * logged, no more: who wrote has been counted as answered, and an answer is a courtesy.
 */
void auto_reply_send(struct queue_client *queue, struct directory *dir, const char *hostname,
                     const struct deliver_reply *r);

#endif
