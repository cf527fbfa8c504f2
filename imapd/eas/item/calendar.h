/*
 * Invitations, their cancellations and answers (iMIP, RFC 6047; iTIP, RFC 5546) as MS-ASEMAIL's
 * MeetingRequest shows them. libical sits behind this header. Pure but for zones that an invitation names and
 * does not define: those are looked up in the system's zoneinfo.
 */
#ifndef POD_IMAPD_EAS_ITEM_CALENDAR_H
#define POD_IMAPD_EAS_ITEM_CALENDAR_H

#include "base/arena.h"
#include "base/err.h"
#include "imapd/eas/wbxml/wbxml.h"

#define EAS_CALENDAR_READ_MAX (1u << 20) /* longer ones are none */

enum eas_meeting_method {
	EAS_MEETING_REQUEST,
	EAS_MEETING_CANCELED,
	EAS_MEETING_ACCEPTED,
	EAS_MEETING_TENTATIVE, /* also a proposal of another time */
	EAS_MEETING_DECLINED,
};

enum eas_recurrence_type {
	EAS_DAILY = 0,
	EAS_WEEKLY = 1,
	EAS_MONTHLY = 2,
	EAS_MONTHLY_NTH = 3,
	EAS_YEARLY = 5,
	EAS_YEARLY_NTH = 6,
};

struct eas_recurrence {
	enum eas_recurrence_type type;
	unsigned int interval;
	unsigned int occurrences; /* 0: not said */
	int64_t until_s;          /* 0: not said */
	unsigned int day_of_week; /* Sunday 1, Monday 2, Tuesday 4 ...; 0: not said */
	unsigned int day_of_month, week_of_month, month_of_year;
	unsigned int first_day_of_week; /* 0 Sunday */
};

#define EAS_TIMEZONE_SIZE 172 /* MS-ASDTYPE 2.7.6 */

/* Times are seconds since 1970, UTC. Text is clean UTF-8. */
struct eas_meeting {
	enum eas_meeting_method method;
	bool all_day, recurring, has_instance, has_reminder;
	bool response_requested, disallow_new_time;
	int64_t start_s, end_s, stamp_s;
	int64_t instance_s;  /* RECURRENCE-ID: one instance of a series */
	uint32_t reminder_s; /* before the start */
	unsigned int sensitivity, busy_status, sequence;
	struct span uid, location, summary, organizer;
	struct eas_recurrence recurrence;
	uint8_t zone[EAS_TIMEZONE_SIZE];
};

/* text: UTF-8. -POD_E_SYNTAX: there is no event in it, or no method of the above. Results in a. */
int eas_meeting_read(struct arena *a, struct span text, struct eas_meeting *ret_meeting);

/* "IPM.Schedule.Meeting.Request" and its kin. */
const char *eas_meeting_class(const struct eas_meeting *m);

/* Writes the MeetingRequest element. */
void eas_meeting_write(struct wbxml_writer *w, struct arena *a, const struct eas_meeting *m,
                       unsigned int version);

/* GlobalObjId (MS-ASEMAIL 2.2.2.37): of Outlook's own UIDs their bytes, of others a wrapping; in base64. */
struct span eas_global_id(struct arena *a, const struct eas_meeting *m);

#endif
