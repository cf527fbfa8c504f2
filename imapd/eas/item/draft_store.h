/* Drafts in the store. Functions suspend the fiber. Internal to imapd/eas/item. */
#ifndef POD_IMAPD_EAS_ITEM_DRAFT_STORE_H
#define POD_IMAPD_EAS_ITEM_DRAFT_STORE_H

#include "imapd/eas/item/change.h"

/* Takes one out of its folder. 0 or -POD_E_*. */
int eas_draft_remove(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid);

/* A draft that is new: command is the Add element. */
void eas_draft_add(struct eas_request *rq, const struct eas_item_place *place,
                   const struct wbxml_node *command, struct eas_item_result *ret_result);

/* One that was added before as uid, by the same command: the files in it. */
void eas_draft_added(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                     const struct wbxml_node *command, struct eas_item_result *result);

/* One that is there: the message that it becomes takes its place. command is the Change element. */
void eas_draft_change(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                      const struct wbxml_node *command, const struct eas_change *change,
                      struct eas_item_result *ret_result);

#endif
