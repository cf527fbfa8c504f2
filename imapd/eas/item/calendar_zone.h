/* A zone of an invitation as ActiveSync says it (MS-ASDTYPE 2.7.6). Internal to imapd/eas/item. */
#ifndef POD_IMAPD_EAS_ITEM_CALENDAR_ZONE_H
#define POD_IMAPD_EAS_ITEM_CALENDAR_ZONE_H

#include <libical/ical.h>

#include "imapd/eas/item/calendar.h"

/* zone NULL: UTC. at: of which time's offset it is where the zone has no rule that goes on. */
void eas_zone_of(const icaltimezone *zone, struct icaltimetype at, uint8_t ret_blob[EAS_TIMEZONE_SIZE]);

#endif
