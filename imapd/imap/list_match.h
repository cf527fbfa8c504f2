/* Mailbox patterns of LIST and LSUB (RFC 3501 6.3.8). Pure. */
#ifndef POD_IMAPD_IMAP_LIST_MATCH_H
#define POD_IMAPD_IMAP_LIST_MATCH_H

#include "base/span.h"

/*
 * Whether the whole name matches: '*' stands for anything, '%' for anything without '/'. INBOX is compared
 * without regard to case. Both in UTF-8. Time is bounded by the product of the lengths (squared for '%' after
 * '*').
 */
bool imap_list_match(struct span pattern, struct span name);

#endif
