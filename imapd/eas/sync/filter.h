/* FilterType (MS-ASCMD 2.2.3.68.2): how far back a device wants a folder's mail. Pure. */
#ifndef POD_IMAPD_EAS_SYNC_FILTER_H
#define POD_IMAPD_EAS_SYNC_FILTER_H

#include <stdint.h>

#define EAS_FILTER_MAX 8u /* what a request may say at all */

/*
 * Beside the FilterType, where one is kept: ConversationMode (14.0, MS-ASCMD 2.2.3.36). Of a conversation
 * that has a message within the filter all messages of the folder are, however old.
 */
#define EAS_FILTER_CONVERSATIONS 0x10u

/*
 * Messages from before this time, in seconds since 1970, are left out; 0: none are. It is the beginning of a
 * day (UTC), so that a day's sync looks at what a device holds once and not at every request. A filter that
 * mail does not have (6 to 8) leaves nothing out.
 */
int64_t eas_filter_cutoff(unsigned int filter, int64_t now);

#endif
