/* The items of STATUS (RFC 3501 6.3.10, RFC 7162 3.1.7), also for LIST ... RETURN (STATUS (...)) (RFC 5819).
 */
#ifndef POD_IMAPD_IMAP_STATUS_ITEMS_H
#define POD_IMAPD_IMAP_STATUS_ITEMS_H

#include "imapd/imap/out.h"
#include "imapd/imap/parse.h"
#include "storeproto/storeproto.h"

#define IMAP_STATUS_MESSAGES      1u
#define IMAP_STATUS_RECENT        2u
#define IMAP_STATUS_UIDNEXT       4u
#define IMAP_STATUS_UIDVALIDITY   8u
#define IMAP_STATUS_UNSEEN        16u
#define IMAP_STATUS_HIGHESTMODSEQ 32u

/* "(" status-att *(SP status-att) ")" */
int imap_status_items_parse(struct imap_parser *p, uint32_t *ret_items);
/* "* STATUS name (...)" */
void imap_out_status(struct imap_out *o, const Podstore__Mailbox *box, uint32_t items);

#endif
