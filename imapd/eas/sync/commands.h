/* The commands of this folder. */
#ifndef POD_IMAPD_EAS_SYNC_COMMANDS_H
#define POD_IMAPD_EAS_SYNC_COMMANDS_H

#include "imapd/eas/eas.h"

void eas_cmd_sync(struct eas_request *rq);
void eas_cmd_get_item_estimate(struct eas_request *rq);
void eas_cmd_ping(struct eas_request *rq);
void eas_cmd_move_items(struct eas_request *rq);

#endif
