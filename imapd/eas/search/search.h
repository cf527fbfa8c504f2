/* Search (MS-ASCMD 2.2.1.16) and Find (16.1, 2.2.1.3): mail by what is in it, people by their names. */
#ifndef POD_IMAPD_EAS_SEARCH_SEARCH_H
#define POD_IMAPD_EAS_SEARCH_SEARCH_H

#include "imapd/eas/eas.h"

void eas_cmd_search(struct eas_request *rq);
void eas_cmd_find(struct eas_request *rq);

#endif
