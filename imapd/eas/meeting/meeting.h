/*
 * MeetingResponse (MS-ASCMD 2.2.1.11): the user accepts or declines an invitation that is in a mail. There is
 * no calendar here yet: what comes of it is the organizer's answer, where the server is to send it (16.0 and
 * later, SendResponse), and that the invitation leaves its folder for the deleted ones, as servers with a
 * calendar do it.
 */
#ifndef POD_IMAPD_EAS_MEETING_MEETING_H
#define POD_IMAPD_EAS_MEETING_MEETING_H

#include "imapd/eas/eas.h"

void eas_cmd_meeting_response(struct eas_request *rq);

#endif
