/*
 * Bias (4 bytes, minutes to be added to local time), StandardName (32 UTF-16 units), StandardDate (a
 * SYSTEMTIME: year 0, month, day of the week, its number in the month, hour, minute), StandardBias, and the
 * same of daylight time.
 */
#include "imapd/eas/item/calendar_zone.h"

enum { AT_BIAS = 0, AT_STANDARD = 4, AT_DAYLIGHT = 88 };

#define OFFSET_MAX_S 86400
#define NAME_UNITS   32
#define DATE_OFFSET  (2 * NAME_UNITS)
#define BIAS_OFFSET  (DATE_OFFSET + 16)

/* When one of the two begins, every year. */
struct rule {
	int offset_s;             /* east of Greenwich */
	int month, weekday, week; /* week 5: the last one; month 0: no rule */
	int hour, minute;
	struct icaltimetype since;
	const char *name;
};

static void put16(uint8_t *to, int v)
{
	to[0] = (uint8_t) v;
	to[1] = (uint8_t) (v >> 8);
}

static void put32(uint8_t *to, int32_t v)
{
	put16(to, v);
	put16(to + 2, v >> 16);
}

/* ASCII only: names are for people, and localised anyway. */
static void put_name(uint8_t *to, const char *name)
{
	for (size_t i = 0; name && name[i] && i < NAME_UNITS - 1; i++)
		if ((unsigned char) name[i] < 0x80)
			to[2 * i] = (uint8_t) name[i];
}

static void put_rule(uint8_t *to, const struct rule *r, int bias_min)
{
	uint8_t *date = to + DATE_OFFSET;

	put_name(to, r->name);
	if (r->month > 0) {
		put16(date + 2, r->month);
		put16(date + 4, r->weekday);
		put16(date + 6, r->week);
		put16(date + 8, r->hour);
		put16(date + 10, r->minute);
	}
	put32(to + BIAS_OFFSET, bias_min);
}

/* FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU, or BYDAY with BYMONTHDAY=8,9,10,11,12,13,14 for the second week. */
static void read_yearly(const struct icalrecurrencetype *r, struct rule *out)
{
	int week;

	if (r->freq != ICAL_YEARLY_RECURRENCE || r->by_month[0] < 1 || r->by_month[0] > 12 ||
	    r->by_day[0] == ICAL_RECURRENCE_ARRAY_MAX)
		return;
	week = icalrecurrencetype_day_position(r->by_day[0]);
	if (week == 0 && r->by_month_day[0] != ICAL_RECURRENCE_ARRAY_MAX)
		week = r->by_month_day[0] > 0 ? (r->by_month_day[0] + 6) / 7 : 5;
	if (week == 0)
		return;
	out->month = r->by_month[0];
	out->weekday = (int) icalrecurrencetype_day_day_of_week(r->by_day[0]) - ICAL_SUNDAY_WEEKDAY;
	out->week = week < 0 || week > 5 ? 5 : week;
}

static bool offset_is_sane(int offset_s)
{
	return offset_s >= -OFFSET_MAX_S && offset_s <= OFFSET_MAX_S;
}

static struct rule rule_of(icalcomponent *c)
{
	icalproperty *offset = icalcomponent_get_first_property(c, ICAL_TZOFFSETTO_PROPERTY);
	icalproperty *name = icalcomponent_get_first_property(c, ICAL_TZNAME_PROPERTY);
	icalproperty *rrule = icalcomponent_get_first_property(c, ICAL_RRULE_PROPERTY);
	icalproperty *start = icalcomponent_get_first_property(c, ICAL_DTSTART_PROPERTY);
	struct rule r = { .since = icaltime_null_time() };

	if (offset && offset_is_sane(icalproperty_get_tzoffsetto(offset)))
		r.offset_s = icalproperty_get_tzoffsetto(offset);
	if (name)
		r.name = icalproperty_get_tzname(name);
	if (start) {
		r.since = icalproperty_get_dtstart(start);
		r.hour = r.since.hour;
		r.minute = r.since.minute;
	}
	if (rrule) {
		struct icalrecurrencetype recurs = icalproperty_get_rrule(rrule);

		read_yearly(&recurs, &r);
	}
	return r;
}

/* The youngest of its kind: older ones are history. */
static bool latest_rule(icalcomponent *zone, icalcomponent_kind kind, struct rule *ret_rule)
{
	bool any = false;

	for (icalcomponent *c = icalcomponent_get_first_component(zone, kind); c;
	     c = icalcomponent_get_next_component(zone, kind)) {
		struct rule r = rule_of(c);

		if (!any || icaltime_compare(r.since, ret_rule->since) >= 0)
			*ret_rule = r;
		any = true;
	}
	return any;
}

void eas_zone_of(const icaltimezone *zone, struct icaltimetype at, uint8_t ret_blob[EAS_TIMEZONE_SIZE])
{
	/* libical's own functions fill in what they look up, so they take it without const */
	icaltimezone *z = (icaltimezone *) (uintptr_t) zone;
	icalcomponent *c = z ? icaltimezone_get_component(z) : NULL;
	struct rule standard = { .month = 0 }, summer = { .month = 0 };
	bool has_daylight;

	memset(ret_blob, 0, EAS_TIMEZONE_SIZE);
	if (!z || icaltime_is_null_time(at))
		return;
	if (!c || !latest_rule(c, ICAL_XSTANDARD_COMPONENT, &standard)) {
		put32(ret_blob + AT_BIAS, -icaltimezone_get_utc_offset(z, &at, NULL) / 60);
		return;
	}
	has_daylight =
		latest_rule(c, ICAL_XDAYLIGHT_COMPONENT, &summer) && summer.month > 0 && standard.month > 0;
	put32(ret_blob + AT_BIAS, -standard.offset_s / 60);
	if (!has_daylight) {
		standard.month = 0;
		put_rule(ret_blob + AT_STANDARD, &standard, 0);
		return;
	}
	put_rule(ret_blob + AT_STANDARD, &standard, 0);
	put_rule(ret_blob + AT_DAYLIGHT, &summer, -(summer.offset_s - standard.offset_s) / 60);
}
