/*
 * What is kept of a message that may be answered while a recipient is away, from its delivery to the volume's
 * answer: whom to answer, and the fields that the answer refers to.
 */
#ifndef POD_MTA_ORIGIN_H
#define POD_MTA_ORIGIN_H

#include "mta/deliver/deliver.h"

struct deliver_origin;

/* NULL: it is not to be answered, or memory is out. Of a message in a file its beginning is read. */
struct deliver_origin *deliver_origin_of(const struct deliver_message *m);
struct deliver_origin *deliver_origin_free(struct deliver_origin *o);
/* Whether it was written to that user: by name, and not by themselves. */
bool deliver_origin_names(const struct deliver_origin *o, const struct deliver_mailbox *mailbox);
/* The volume's answer as what is to be sent; lives as long as both. */
struct deliver_reply deliver_origin_reply(const struct deliver_origin *o,
                                          const Podstore__DeliverAnswer *answer);

#endif
