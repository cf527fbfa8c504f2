/* Whether a message goes to Junk: it says "X-Spam: yes", which our filter removes where others have written
 * it. */
#ifndef POD_MTA_JUNK_H
#define POD_MTA_JUNK_H

#include "mta/deliver/deliver.h"

/* The folder that it is delivered to, "" for INBOX. Of a message in a file its beginning is read. */
const char *junk_folder_of(const struct deliver_message *m);

#endif
