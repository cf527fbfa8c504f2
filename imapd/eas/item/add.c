#include "imapd/eas/item/item.h"
#include "imapd/eas/item/status.h"

void eas_item_add(struct eas_request *rq, const struct eas_item_place *place,
                  const struct wbxml_node *command, struct eas_item_result *ret_result)
{
	*ret_result = (struct eas_item_result){ .status = EAS_SYNC_CONVERSION_ERROR };
}
