/* Provision (MS-ASPROV). */
#ifndef POD_IMAPD_EAS_PROVISION_H
#define POD_IMAPD_EAS_PROVISION_H

#include "imapd/eas/eas.h"

void eas_cmd_provision(struct eas_request *rq);

#endif
