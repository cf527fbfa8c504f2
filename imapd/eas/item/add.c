#include "imapd/eas/eas.h"
#include "imapd/eas/item/draft_send.h"
#include "imapd/eas/item/draft_store.h"
#include "imapd/eas/item/status.h"

/* Mail of other folders comes by delivery or is sent: a client may add drafts alone, and those from 16.0 on.
 */
void eas_item_add(struct eas_request *rq, const struct eas_item_place *place,
                  const struct wbxml_node *command, struct eas_item_result *ret_result)
{
	bool goes = eas_draft_is_to_go(rq, place, command);
	struct span name = goes ? eas_draft_name(rq, place, 0, command) : SPAN_NONE;

	if (goes && eas_draft_has_gone(rq, name, ret_result))
		return;
	if (place->drafts && rq->version >= EAS_16_0)
		eas_draft_add(rq, place, command, ret_result);
	else
		*ret_result = (struct eas_item_result){ .status = EAS_SYNC_CONVERSION_ERROR };
	if (goes && ret_result->status == EAS_SYNC_OK)
		eas_draft_go(rq, place, name, ret_result);
}

void eas_item_added(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                    const struct wbxml_node *command, struct eas_item_result *result)
{
	if (place->drafts && rq->version >= EAS_16_0)
		eas_draft_added(rq, place, uid, command, result);
}
