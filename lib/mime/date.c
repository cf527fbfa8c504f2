#include "mime/date.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mime/cfws.h"
#include "mime/date_internal.h"

#define DAY_S 86400

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
	                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char weekdays[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

/* RFC 5322 4.3: only these names had a meaning all agreed on; every other is -0000, "zone unknown". */
static const struct {
	const char *name;
	int min;
} zones[] = {
	{ "UT", 0 },     { "UTC", 0 },    { "GMT", 0 },    { "Z", 0 },      { "EST", -300 }, { "EDT", -240 },
	{ "CST", -360 }, { "CDT", -300 }, { "MST", -420 }, { "MDT", -360 }, { "PST", -480 }, { "PDT", -420 },
};

/*
 * Days since 1970-01-01 in the proleptic Gregorian calendar; years begin in March so that leap days come
 * last.
 */
int64_t date_days_from_civil(struct civil_day day)
{
	int64_t y = day.month <= 2 ? (int64_t) day.year - 1 : day.year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (day.month + (day.month > 2 ? -3 : 9)) + 2) / 5 + day.day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

struct civil_day date_civil_from_days(int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t mp = (5 * day_of_year + 2) / 153;
	int month = (int) (mp < 10 ? mp + 3 : mp - 9);

	return (struct civil_day){
		.year = (int) (year_of_era + era * 400 + (month <= 2)),
		.month = month,
		.day = (int) (day_of_year - (153 * mp + 2) / 5 + 1),
	};
}

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

bool date_civil_is_valid(struct civil_day d)
{
	static const int lengths[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	if (d.year < 1 || d.year > 9999 || d.month < 1 || d.month > 12 || d.day < 1)
		return false;
	return d.day <= lengths[d.month - 1] + (d.month == 2 && is_leap(d.year));
}

int date_month_number(struct span word)
{
	for (int i = 0; i < 12; i++)
		if (span_eq_nocase(span_head(word, 3), span_make(months[i], 3)))
			return i + 1;
	return 0;
}

const char *date_month_name(int month)
{
	return months[month - 1];
}

bool date_clock_is_valid(struct clock_time t)
{
	return t.hour < 24 && t.min < 60 && t.sec <= 60; /* 60: a leap second (RFC 5322 3.3) */
}

int date_compose(struct civil_day day, struct clock_time t, int zone_min, struct mail_date *ret_date)
{
	if (!date_civil_is_valid(day) || !date_clock_is_valid(t))
		return -POD_E_SYNTAX;
	ret_date->unix_s = date_days_from_civil(day) * DAY_S + (int64_t) t.hour * 3600 +
	                   (int64_t) t.min * 60 + t.sec - (int64_t) zone_min * 60;
	ret_date->zone_min = zone_min;
	return 0;
}

static bool take_byte(struct span *s, uint8_t c)
{
	cfws_skip(s);
	if (s->len == 0 || s->p[0] != c)
		return false;
	*s = span_skip(*s, 1);
	return true;
}

static struct span take_alpha(struct span *s)
{
	struct span word;
	size_t n = 0;

	cfws_skip(s);
	while (n < s->len && ascii_is_alpha(s->p[n]))
		n++;
	word = span_head(*s, n);
	*s = span_skip(*s, n);
	return word;
}

/* 1 to max_digits digits; returns how many there were, 0 for none. */
static size_t take_number(struct span *s, size_t max_digits, int *ret_value)
{
	size_t n = 0;
	int v = 0;

	cfws_skip(s);
	for (; n < s->len && n < max_digits && ascii_is_digit(s->p[n]); n++)
		v = v * 10 + (s->p[n] - '0');
	*s = span_skip(*s, n);
	if (n)
		*ret_value = v;
	return n;
}

/* year = 4*DIGIT, obs-year = 2*DIGIT: RFC 5322 4.3 says how short ones are meant. */
static bool take_year(struct span *s, int *ret_year)
{
	size_t digits = take_number(s, 5, ret_year);

	if (digits == 2)
		*ret_year += *ret_year < 50 ? 2000 : 1900;
	else if (digits == 3)
		*ret_year += 1900;
	return digits >= 2 && digits <= 4;
}

/* time-of-day = hour ":" minute [ ":" second ]; a fraction of a second, as some write it, is skipped. */
static bool take_clock(struct span *s, struct clock_time *t)
{
	int fraction;

	*t = (struct clock_time){ 0 };
	if (!take_number(s, 2, &t->hour) || !take_byte(s, ':') || !take_number(s, 2, &t->min))
		return false;
	if (!take_byte(s, ':'))
		return true;
	if (!take_number(s, 2, &t->sec))
		return false;
	if (s->len && s->p[0] == '.') {
		*s = span_skip(*s, 1);
		while (take_number(s, 9, &fraction))
			;
	}
	return true;
}

int date_zone_offset(struct span *s, int *ret_min)
{
	int sign = s->p[0] == '-' ? -1 : 1, hhmm;
	struct span digits = span_skip(*s, 1);

	if (take_number(&digits, 4, &hhmm) != 4 || hhmm % 100 > 59 || hhmm > 2400)
		return -POD_E_SYNTAX;
	*ret_min = sign * (hhmm / 100 * 60 + hhmm % 100);
	*s = digits;
	return 0;
}

/* zone = ("+" / "-") 4DIGIT / obs-zone; missing or unreadable is taken as +0000. */
static int take_zone(struct span *s)
{
	struct span word;
	int min = 0;

	cfws_skip(s);
	if (s->len && (s->p[0] == '+' || s->p[0] == '-'))
		return date_zone_offset(s, &min) == 0 ? min : 0;
	word = take_alpha(s);
	for (size_t i = 0; i < ARRAY_SIZE(zones); i++)
		if (span_eq_nocase(word, span_of(zones[i].name)))
			return zones[i].min;
	return 0;
}

/*
 * The order of ctime(), which old programs put there: "Nov 21 02:56:43 [zone] 2026", the weekday
 * taken off.
 */
static int parse_ctime(struct span s, int month, struct mail_date *ret_date)
{
	struct civil_day day = { .month = month };
	struct clock_time t;
	int zone;

	if (!take_number(&s, 2, &day.day) || !take_clock(&s, &t))
		return -POD_E_SYNTAX;
	zone = take_zone(&s);
	if (!take_year(&s, &day.year))
		return -POD_E_SYNTAX;
	return date_compose(day, t, zone, ret_date);
}

/*
 * date-time = [ day-of-week "," ] day month year time-of-day zone      (RFC 5322 3.3, obs forms 4.3)
 * The day of the week is not checked: a wrong one says nothing about which half is wrong.
 */
int date_parse_rfc5322(struct span s, struct mail_date *ret_date)
{
	struct civil_day day = { 0 };
	struct clock_time t;
	struct span word = take_alpha(&s);
	int month = date_month_number(word);

	if (month && word.len >= 3)
		return parse_ctime(s, month, ret_date);
	(void) take_byte(&s, ',');
	if (!take_number(&s, 2, &day.day)) {
		word = take_alpha(&s);
		month = date_month_number(word);
		return month && word.len >= 3 ? parse_ctime(s, month, ret_date) : -POD_E_SYNTAX;
	}
	(void) take_byte(&s, '-');
	word = take_alpha(&s);
	day.month = word.len >= 3 ? date_month_number(word) : 0;
	(void) take_byte(&s, '-');
	if (!take_year(&s, &day.year))
		return -POD_E_SYNTAX;
	cfws_skip(&s);
	/* a day alone, as some programs write, is its midnight, so that it still sorts and is found */
	if (s.len == 0)
		return date_compose(day, (struct clock_time){ 0 }, 0, ret_date);
	if (!take_clock(&s, &t))
		return -POD_E_SYNTAX;
	return date_compose(day, t, take_zone(&s), ret_date);
}

/* Local time of the date's zone, kept inside years that have four digits: file names may claim any second. */
int64_t date_local_s(struct mail_date d)
{
	const int64_t first = -62135596800, last = 253402300799;
	int64_t s = d.unix_s < first ? first : d.unix_s > last ? last : d.unix_s;
	int64_t local = s + (int64_t) d.zone_min * 60;

	return local < first || local > last ? s : local;
}

char *date_format_rfc5322(struct mail_date d, char *buf, size_t size)
{
	int64_t days = date_day(d), second = date_local_s(d) - days * DAY_S;
	struct civil_day day = date_civil_from_days(days);
	unsigned int zone = (unsigned int) (d.zone_min < 0 ? -d.zone_min : d.zone_min);

	(void) snprintf(buf, size, "%s, %d %s %04d %02d:%02d:%02d %c%02u%02u",
	                weekdays[((days + 4) % 7 + 7) % 7], day.day, months[day.month - 1], day.year,
	                (int) (second / 3600), (int) (second / 60 % 60), (int) (second % 60),
	                d.zone_min < 0 ? '-' : '+', zone / 60 % 100, zone % 60);
	return buf;
}

int32_t date_day(struct mail_date d)
{
	int64_t local = date_local_s(d);

	return (int32_t) (local >= 0 ? local / DAY_S : -((-local + DAY_S - 1) / DAY_S));
}
