/* Drafts that are sent (Email2:Send). Functions suspend the fiber. Internal to imapd/eas/item. */
#ifndef POD_IMAPD_EAS_ITEM_DRAFT_SEND_H
#define POD_IMAPD_EAS_ITEM_DRAFT_SEND_H

#include "imapd/eas/item/item.h"

/* Whether the client wants the draft of this Add or Change to be sent. */
bool eas_draft_is_to_go(const struct eas_request *rq, const struct eas_item_place *place,
                        const struct wbxml_node *command);
/*
 * What the memory of what was sent calls it: of an Add its ClientId, of a Change the message that it names.
 * SPAN_NONE where memory is out.
 */
struct span eas_draft_name(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                           const struct wbxml_node *command);
/*
 * It was sent before: *ret_result says so, as it did then. A client that lost the answer asks again, and the
 * draft is there no more.
 */
bool eas_draft_has_gone(struct eas_request *rq, struct span name, struct eas_item_result *ret_result);
/* Sends the message result->uid and takes it out of the folder; or says in the result why it does not go. */
void eas_draft_go(struct eas_request *rq, const struct eas_item_place *place, struct span name,
                  struct eas_item_result *result);

#endif
