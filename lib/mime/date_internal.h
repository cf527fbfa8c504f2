/* Calendar arithmetic shared by the RFC 5322 and the IMAP forms of dates. */
#ifndef POD_MIME_DATE_INTERNAL_H
#define POD_MIME_DATE_INTERNAL_H

#include "mime/date.h"

struct civil_day {
	int year, month, day; /* month and day from 1 */
};

struct clock_time {
	int hour, min, sec;
};

int64_t date_days_from_civil(struct civil_day day);
struct civil_day date_civil_from_days(int64_t days);
bool date_civil_is_valid(struct civil_day day);
bool date_clock_is_valid(struct clock_time t);

/* Number of the month whose English name starts as the word does, 0 for none; and its three letters. */
int date_month_number(struct span word);
const char *date_month_name(int month);

/* Takes "+hhmm" off *s, which starts with the sign. */
int date_zone_offset(struct span *s, int *ret_min);

/* -POD_E_SYNTAX where day or time do not exist. */
int date_compose(struct civil_day day, struct clock_time t, int zone_min, struct mail_date *ret_date);

/* Seconds since 1970 on the wall clock of the date's zone, bounded to the years 1 to 9999. */
int64_t date_local_s(struct mail_date d);

#endif
