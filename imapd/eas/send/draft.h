/* Email2:Send: a draft goes out (16.0, MS-ASEMAIL 2.2.2.64). */
#ifndef POD_IMAPD_EAS_SEND_DRAFT_H
#define POD_IMAPD_EAS_SEND_DRAFT_H

#include "imapd/eas/item/item.h"
#include "imapd/eas/send/send.h"

/* Suspends. Whether what the client calls by that name, at most 255 bytes, went out before. */
bool eas_draft_was_sent(struct eas_request *rq, struct span client_id);
/*
 * Suspends. Sends the draft as it is in the store and keeps a copy in Sent; it stays where it is, and is the caller's to
 * remove. Under one client_id it goes out once.
 */
enum send_status eas_send_draft(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                                struct span client_id);

#endif
