/*
 * An attendee's answer to an invitation, for its organizer (iTIP, RFC 5546 3.2.3 REPLY and 3.2.7 COUNTER).
 * Pure.
 */
#ifndef POD_IMAPD_EAS_ITEM_CALENDAR_ANSWER_H
#define POD_IMAPD_EAS_ITEM_CALENDAR_ANSWER_H

#include "base/arena.h"
#include "base/err.h"

/* UserResponse (MS-ASCMD 2.2.3.196). */
enum eas_meeting_response { EAS_RESPONSE_ACCEPT = 1, EAS_RESPONSE_TENTATIVE = 2, EAS_RESPONSE_DECLINE = 3 };

struct eas_meeting_answer {
	enum eas_meeting_response response;
	const char *attendee; /* who answers, unless they were invited by another address of theirs: */
	bool (*is_own)(void *arg, struct span address);
	void *arg;
	struct span comment; /* UTF-8; may be empty */
	int64_t now_s;
	int64_t instance_s;                 /* one instance of a series; 0: all of it */
	int64_t proposed_s, proposed_end_s; /* another time that is proposed; 0: none is */
};

/*
 * invitation: the iCalendar object, UTF-8. The answer in a, with CRLF line ends; ret_method: "REPLY" or
 * "COUNTER". -POD_E_SYNTAX: there is no event in it; -POD_E_NOMEM.
 */
int eas_meeting_answer_write(struct arena *a, struct span invitation, const struct eas_meeting_answer *answer,
                             struct span *ret_text, const char **ret_method);

#endif
