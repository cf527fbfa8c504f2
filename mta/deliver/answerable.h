/*
 * Whether a message may be answered by a program (RFC 3834 section 2): not what a program sent, what went to
 * a list or to many, what nobody would read. Pure.
 */
#ifndef POD_MTA_ANSWERABLE_H
#define POD_MTA_ANSWERABLE_H

#include "base/arena.h"
#include "base/span.h"

/* sender: of the envelope, which is who would be answered (RFC 3834 section 4). header: the message's. */
bool answerable_message(struct arena *a, struct span sender, struct span header);
/*
 * The addresses that the header names as recipients, as address_key has them, at most ANSWERABLE_NAMES_MAX:
 * who is none of them got it by a list or as a blind copy (RFC 3834 section 2). -POD_E_NOMEM.
 */
#define ANSWERABLE_NAMES_MAX 1000
int answerable_names(struct arena *a, struct span header, struct span **ret_names, size_t *ret_n);

#endif
