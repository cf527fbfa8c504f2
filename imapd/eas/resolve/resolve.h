/* ResolveRecipients (MS-ASCMD 2.2.1.15) and ValidateCert (2.2.1.22). */
#ifndef POD_IMAPD_EAS_RESOLVE_H
#define POD_IMAPD_EAS_RESOLVE_H

#include "imapd/eas/eas.h"

void eas_cmd_resolve_recipients(struct eas_request *rq);
void eas_cmd_validate_cert(struct eas_request *rq);

#endif
