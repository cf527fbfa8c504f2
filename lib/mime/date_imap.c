/*
 * The date forms of IMAP (RFC 3501 section 9): fixed columns, nothing optional, so they are read
 * by position.
 */
#include "mime/date.h"

#include <stdio.h>

#include "base/err.h"
#include "mime/date_internal.h"

static bool digits_at(struct span s, size_t at, size_t n, int *ret_value)
{
	int v = 0;

	for (size_t i = at; i < at + n; i++) {
		if (i >= s.len || !ascii_is_digit(s.p[i]))
			return false;
		v = v * 10 + (s.p[i] - '0');
	}
	*ret_value = v;
	return true;
}

static bool byte_at(struct span s, size_t at, uint8_t c)
{
	return at < s.len && s.p[at] == c;
}

/* "-" date-month "-" date-year, 9 bytes, at the start of s. */
static bool parse_month_year(struct span s, struct civil_day *day)
{
	if (s.len < 9 || !byte_at(s, 0, '-') || !byte_at(s, 4, '-') || !digits_at(s, 5, 4, &day->year))
		return false;
	day->month = date_month_number(span_make(s.p + 1, 3));
	return day->month != 0;
}

/*
 * date-time = date-day-fixed "-" date-month "-" date-year SP time SP zone
 * date-day-fixed = (SP DIGIT) / 2DIGIT
 */
int date_parse_imap(struct span s, struct mail_date *ret_date)
{
	struct civil_day day;
	struct clock_time t;
	struct span zone = span_skip(s, 21);
	size_t pad = byte_at(s, 0, ' ');
	int zone_min = 0;

	if (s.len != 26 || !digits_at(s, pad, 2 - pad, &day.day) || !parse_month_year(span_skip(s, 2), &day))
		return -POD_E_SYNTAX;
	if (!byte_at(s, 11, ' ') || !digits_at(s, 12, 2, &t.hour) || !byte_at(s, 14, ':') ||
	    !digits_at(s, 15, 2, &t.min) || !byte_at(s, 17, ':') || !digits_at(s, 18, 2, &t.sec))
		return -POD_E_SYNTAX;
	if (!byte_at(s, 20, ' ') || (!byte_at(s, 21, '+') && !byte_at(s, 21, '-')) ||
	    !ascii_is_digit(s.p[22]) || date_zone_offset(&zone, &zone_min) < 0)
		return -POD_E_SYNTAX;
	return date_compose(day, t, zone_min, ret_date);
}

char *date_format_imap(struct mail_date d, char *buf, size_t size)
{
	int64_t days = date_day(d);
	int64_t second = date_local_s(d) - days * 86400;
	struct civil_day day = date_civil_from_days(days);
	unsigned int zone = (unsigned int) (d.zone_min < 0 ? -d.zone_min : d.zone_min);

	(void) snprintf(buf, size, "%2d-%s-%04d %02d:%02d:%02d %c%02u%02u", day.day,
	                date_month_name(day.month), day.year, (int) (second / 3600), (int) (second / 60 % 60),
	                (int) (second % 60), d.zone_min < 0 ? '-' : '+', zone / 60 % 100, zone % 60);
	return buf;
}

/* date-text = date-day "-" date-month "-" date-year; date-day = 1*2DIGIT */
int date_parse_imap_day(struct span s, int32_t *ret_days)
{
	struct civil_day day;
	size_t digits = byte_at(s, 1, '-') ? 1 : 2;

	if (s.len != digits + 9 || !digits_at(s, 0, digits, &day.day) ||
	    !parse_month_year(span_skip(s, digits), &day) || !date_civil_is_valid(day))
		return -POD_E_SYNTAX;
	*ret_days = (int32_t) date_days_from_civil(day);
	return 0;
}
