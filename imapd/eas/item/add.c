#include "imapd/eas/eas.h"
#include "imapd/eas/item/draft_store.h"
#include "imapd/eas/item/status.h"

/* Mail of other folders comes by delivery or is sent: a client may add drafts alone, and those from 16.0 on.
 */
void eas_item_add(struct eas_request *rq, const struct eas_item_place *place,
                  const struct wbxml_node *command, struct eas_item_result *ret_result)
{
	if (place->drafts && rq->version >= EAS_16_0)
		eas_draft_add(rq, place, command, ret_result);
	else
		*ret_result = (struct eas_item_result){ .status = EAS_SYNC_CONVERSION_ERROR };
}
