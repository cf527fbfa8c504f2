/*
 * ItemOperations (MS-ASCMD 2.2.1.10): messages and attachments by name, folders emptied, conversations moved;
 * and GetAttachment of the versions before 16.0 (2.2.1.8).
 */
#ifndef POD_IMAPD_EAS_FETCH_FETCH_H
#define POD_IMAPD_EAS_FETCH_FETCH_H

#include "imapd/eas/eas.h"

void eas_cmd_item_operations(struct eas_request *rq);
void eas_cmd_get_attachment(struct eas_request *rq);

#endif
