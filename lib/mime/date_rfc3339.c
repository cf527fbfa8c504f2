/* date-time of RFC 3339 5.6: "2026-11-21T02:56:43Z", "2026-11-21T02:56:43.5+01:00". */
#include <stdio.h>

#include "base/err.h"
#include "mime/date_internal.h"

static bool take_number(struct span *s, size_t digits, int *ret_value)
{
	int v = 0;

	if (s->len < digits)
		return false;
	for (size_t i = 0; i < digits; i++) {
		if (!ascii_is_digit(s->p[i]))
			return false;
		v = 10 * v + (s->p[i] - '0');
	}
	*s = span_skip(*s, digits);
	*ret_value = v;
	return true;
}

/* One of the letters, in any case. */
static bool take_any(struct span *s, const char *letters)
{
	if (!s->len || !strchr(letters, ascii_upper(*s->p)))
		return false;
	*s = span_skip(*s, 1);
	return true;
}

/* Fractions of a second say nothing to those who count seconds. */
static bool take_fraction(struct span *s)
{
	size_t n = 0;

	if (!take_any(s, "."))
		return true;
	while (n < s->len && ascii_is_digit(s->p[n]))
		n++;
	*s = span_skip(*s, n);
	return n > 0;
}

/* time-offset = "Z" / ("+" / "-") time-hour ":" time-minute */
static bool take_offset(struct span *s, int *ret_min)
{
	bool west = s->len && *s->p == '-';
	int hour, min;

	*ret_min = 0;
	if (take_any(s, "Z"))
		return true;
	if (!take_any(s, "+-") || !take_number(s, 2, &hour) || !take_any(s, ":") || !take_number(s, 2, &min))
		return false;
	*ret_min = (west ? -1 : 1) * (hour * 60 + min);
	return hour < 24 && min < 60;
}

int date_parse_rfc3339(struct span s, struct mail_date *ret_date)
{
	struct civil_day d;
	struct clock_time t;
	int zone_min;
	bool ok = take_number(&s, 4, &d.year) && take_any(&s, "-") && take_number(&s, 2, &d.month) &&
	          take_any(&s, "-") && take_number(&s, 2, &d.day) && take_any(&s, "T") &&
	          take_number(&s, 2, &t.hour) && take_any(&s, ":") && take_number(&s, 2, &t.min) &&
	          take_any(&s, ":") && take_number(&s, 2, &t.sec) && take_fraction(&s) &&
	          take_offset(&s, &zone_min) && s.len == 0;

	return ok ? date_compose(d, t, zone_min, ret_date) : -POD_E_SYNTAX;
}

char *date_format_rfc3339(int64_t unix_s, char *buf, size_t size)
{
	struct mail_date utc = { unix_s, 0 };
	int64_t local = date_local_s(utc);
	struct civil_day d = date_civil_from_days(date_day(utc));
	int s = (int) (((local % 86400) + 86400) % 86400);

	(void) snprintf(buf, size, "%04d-%02d-%02dT%02d:%02d:%02dZ", d.year, d.month, d.day, s / 3600,
	                s / 60 % 60, s % 60);
	return buf;
}
