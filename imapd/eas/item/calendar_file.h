/* An iCalendar object of a stranger (RFC 5545), read by libical. Internal to imapd/eas/item. */
#ifndef POD_IMAPD_EAS_ITEM_CALENDAR_FILE_H
#define POD_IMAPD_EAS_ITEM_CALENDAR_FILE_H

#include <libical/ical.h>

#include "base/arena.h"
#include "base/err.h"

/* Owns root, of which the others are parts; eas_calendar_done. */
struct eas_calendar {
	icalcomponent *root, *calendar, *event; /* the first VCALENDAR, and its first VEVENT */
};

/* text: UTF-8. -POD_E_SYNTAX: there is no event in it, or it is larger or deeper than any invitation. */
int eas_calendar_open(struct arena *a, struct span text, struct eas_calendar *ret);
void eas_calendar_done(struct eas_calendar *c);

#endif
