/* Policies as a device reads them (MS-ASPROV 2.2.2.28). Pure. */
#ifndef POD_IMAPD_EAS_PROVISION_DOCUMENT_H
#define POD_IMAPD_EAS_PROVISION_DOCUMENT_H

#include "device/device.h"
#include "imapd/eas/wbxml/wbxml.h"

/* EASProvisionDoc with what a version knows; a setting without a value is not there. */
void provision_document(struct wbxml_writer *w, const struct device_policy_set *set, unsigned int version);
/*
 * The wap-provisioningdoc of version 2.5: whether there has to be a password (policy 4131 of Windows Mobile)
 * is all that it can say.
 */
const char *provision_wap(const struct device_policy_set *set);

#endif
