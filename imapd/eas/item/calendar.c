#include "imapd/eas/item/calendar.h"

#include "base/cleanup.h"
#include "imapd/eas/item/calendar_file.h"
#include "imapd/eas/item/calendar_zone.h"
#include "imapd/eas/item/text.h"

static struct span text_of(struct arena *a, const char *text)
{
	struct span s = arena_dup(a, span_of(text ? text : ""));

	return s.len > 0 ? span_trim(eas_text_clean(a, s)) : SPAN_LIT("");
}

static icalproperty *property(icalcomponent *c, icalproperty_kind kind)
{
	return icalcomponent_get_first_property(c, kind);
}

static bool is_zero(struct icaltimetype t)
{
	return icaltime_is_null_time(t) || !icaltime_is_valid_time(t);
}

static int64_t seconds_of(struct icaltimetype t)
{
	return is_zero(t) ? 0 : (int64_t) icaltime_as_timet_with_zone(t, t.zone);
}

/* Properties of Outlook have no kind of their own. */
static const char *extension(icalcomponent *c, const char *name)
{
	for (icalproperty *p = property(c, ICAL_X_PROPERTY); p;
	     p = icalcomponent_get_next_property(c, ICAL_X_PROPERTY)) {
		const char *found = icalproperty_get_x_name(p);

		if (found && span_eq_nocase(span_of(found), span_of(name)))
			return icalproperty_get_x(p);
	}
	return NULL;
}

/* ---- method and answers ---- */

static icalparameter_partstat answer_of(icalcomponent *event)
{
	icalproperty *attendee = property(event, ICAL_ATTENDEE_PROPERTY);
	icalparameter *p =
		attendee ? icalproperty_get_first_parameter(attendee, ICAL_PARTSTAT_PARAMETER) : NULL;

	return p ? icalparameter_get_partstat(p) : ICAL_PARTSTAT_NONE;
}

static int method_of(icalcomponent *calendar, icalcomponent *event, enum eas_meeting_method *ret_method)
{
	switch (icalcomponent_get_method(calendar)) {
	case ICAL_METHOD_NONE:
	case ICAL_METHOD_ADD:
	case ICAL_METHOD_REQUEST: *ret_method = EAS_MEETING_REQUEST; return 0;
	case ICAL_METHOD_CANCEL: *ret_method = EAS_MEETING_CANCELED; return 0;
	case ICAL_METHOD_COUNTER: *ret_method = EAS_MEETING_TENTATIVE; return 0;
	case ICAL_METHOD_REPLY: break;
	default: return -POD_E_SYNTAX;
	}
	switch (answer_of(event)) {
	case ICAL_PARTSTAT_ACCEPTED: *ret_method = EAS_MEETING_ACCEPTED; break;
	case ICAL_PARTSTAT_DECLINED: *ret_method = EAS_MEETING_DECLINED; break;
	default: *ret_method = EAS_MEETING_TENTATIVE; break;
	}
	return 0;
}

const char *eas_meeting_class(const struct eas_meeting *m)
{
	static const char *const classes[] = {
		[EAS_MEETING_REQUEST] = "IPM.Schedule.Meeting.Request",
		[EAS_MEETING_CANCELED] = "IPM.Schedule.Meeting.Canceled",
		[EAS_MEETING_ACCEPTED] = "IPM.Schedule.Meeting.Resp.Pos",
		[EAS_MEETING_TENTATIVE] = "IPM.Schedule.Meeting.Resp.Tent",
		[EAS_MEETING_DECLINED] = "IPM.Schedule.Meeting.Resp.Neg",
	};

	return classes[m->method];
}

/* ---- properties ---- */

static struct span organizer_of(struct arena *a, icalcomponent *event)
{
	icalproperty *p = property(event, ICAL_ORGANIZER_PROPERTY);
	icalparameter *cn = p ? icalproperty_get_first_parameter(p, ICAL_CN_PARAMETER) : NULL;
	struct span address = text_of(a, p ? icalproperty_get_organizer(p) : NULL);
	struct span name = text_of(a, cn ? icalparameter_get_cn(cn) : NULL);

	if (span_starts_nocase(address, SPAN_LIT("mailto:")))
		address = span_skip(address, 7);
	if (name.len == 0 || span_find_byte(name, '"') != SIZE_MAX)
		return address;
	return span_of(arena_printf(a, "\"" SPAN_FMT "\" <" SPAN_FMT ">", SPAN_ARG(name), SPAN_ARG(address)));
}

/* The earliest alarm before the start. */
static void read_reminder(icalcomponent *event, struct eas_meeting *m)
{
	for (icalcomponent *alarm = icalcomponent_get_first_component(event, ICAL_VALARM_COMPONENT); alarm;
	     alarm = icalcomponent_get_next_component(event, ICAL_VALARM_COMPONENT)) {
		icalproperty *p = property(alarm, ICAL_TRIGGER_PROPERTY);
		struct icaltriggertype t = p ? icalproperty_get_trigger(p) : icaltriggertype_from_int(0);
		int64_t before = p && icaltime_is_null_time(t.time)
		                         ? -(int64_t) icaldurationtype_as_int(t.duration)
		                         : -1;

		if (before >= 0 && before <= UINT32_MAX &&
		    (!m->has_reminder || (uint32_t) before > m->reminder_s)) {
			m->has_reminder = true;
			m->reminder_s = (uint32_t) before;
		}
	}
}

static unsigned int sensitivity_of(icalcomponent *event)
{
	icalproperty *p = property(event, ICAL_CLASS_PROPERTY);

	switch (p ? icalproperty_get_class(p) : ICAL_CLASS_PUBLIC) {
	case ICAL_CLASS_PRIVATE: return 2;
	case ICAL_CLASS_CONFIDENTIAL: return 3;
	default: return 0;
	}
}

/* What the organizer would like attendees to show, else what the event says of itself. */
static unsigned int busy_status_of(icalcomponent *event)
{
	static const char *const names[] = { "FREE", "TENTATIVE", "BUSY", "OOF", "WORKINGELSEWHERE" };
	static const char *const places[] = { "X-MICROSOFT-CDO-INTENDEDSTATUS",
		                              "X-MICROSOFT-CDO-BUSYSTATUS" };
	icalproperty *transparent = property(event, ICAL_TRANSP_PROPERTY);

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *value = extension(event, places[i]);

		for (unsigned int k = 0; value && k < ARRAY_SIZE(names); k++)
			if (span_eq_nocase(span_of(value), span_of(names[k])))
				return k;
	}
	if (transparent && icalproperty_get_transp(transparent) == ICAL_TRANSP_TRANSPARENT)
		return 0;
	return 2;
}

static bool response_is_requested(icalcomponent *event)
{
	for (icalproperty *p = property(event, ICAL_ATTENDEE_PROPERTY); p;
	     p = icalcomponent_get_next_property(event, ICAL_ATTENDEE_PROPERTY)) {
		icalparameter *rsvp = icalproperty_get_first_parameter(p, ICAL_RSVP_PARAMETER);

		if (rsvp && icalparameter_get_rsvp(rsvp) == ICAL_RSVP_TRUE)
			return true;
	}
	return false;
}

/* ---- recurrence ---- */

static unsigned int days_of(const struct icalrecurrencetype *r, unsigned int otherwise)
{
	unsigned int days = 0;

	for (size_t i = 0; i < ICAL_BY_DAY_SIZE && r->by_day[i] != ICAL_RECURRENCE_ARRAY_MAX; i++) {
		int day = (int) icalrecurrencetype_day_day_of_week(r->by_day[i]);

		if (day >= ICAL_SUNDAY_WEEKDAY && day <= ICAL_SATURDAY_WEEKDAY)
			days |= 1u << (day - ICAL_SUNDAY_WEEKDAY);
	}
	return days ? days : otherwise;
}

/* Which week of the month: 1 to 4, 5 for the last; 0 where the rule does not say. */
static unsigned int week_of(const struct icalrecurrencetype *r)
{
	int nth = 0;

	if (r->by_day[0] != ICAL_RECURRENCE_ARRAY_MAX)
		nth = icalrecurrencetype_day_position(r->by_day[0]);
	if (nth == 0 && r->by_set_pos[0] != ICAL_RECURRENCE_ARRAY_MAX)
		nth = r->by_set_pos[0];
	if (nth < 0)
		return 5;
	return nth > 5 ? 5 : (unsigned int) nth;
}

static unsigned int day_of(const struct icalrecurrencetype *r, struct icaltimetype start)
{
	int day = r->by_month_day[0];

	return day > 0 && day <= 31 ? (unsigned int) day : (unsigned int) start.day;
}

static unsigned int month_of(const struct icalrecurrencetype *r, struct icaltimetype start)
{
	int month = r->by_month[0];

	return month > 0 && month <= 12 ? (unsigned int) month : (unsigned int) start.month;
}

/* False: a rule that MS-ASEMAIL has no words for (hourly and the like). */
static bool read_frequency(const struct icalrecurrencetype *r, struct icaltimetype start,
                           struct eas_recurrence *out)
{
	unsigned int weekday = 1u << (icaltime_day_of_week(start) - 1);

	out->week_of_month = week_of(r);
	switch (r->freq) {
	case ICAL_DAILY_RECURRENCE:
		out->type = EAS_DAILY;
		out->day_of_week = days_of(r, 0);
		out->week_of_month = 0;
		return true;
	case ICAL_WEEKLY_RECURRENCE:
		out->type = EAS_WEEKLY;
		out->day_of_week = days_of(r, weekday);
		out->week_of_month = 0;
		return true;
	case ICAL_YEARLY_RECURRENCE: out->month_of_year = month_of(r, start); break;
	case ICAL_MONTHLY_RECURRENCE: break;
	default: return false;
	}
	if (out->week_of_month > 0) {
		out->type = r->freq == ICAL_YEARLY_RECURRENCE ? EAS_YEARLY_NTH : EAS_MONTHLY_NTH;
		out->day_of_week = days_of(r, weekday);
	} else {
		out->type = r->freq == ICAL_YEARLY_RECURRENCE ? EAS_YEARLY : EAS_MONTHLY;
		out->day_of_month = day_of(r, start);
	}
	return true;
}

static void read_recurrence(icalcomponent *event, struct icaltimetype start, struct eas_meeting *m)
{
	icalproperty *p = property(event, ICAL_RRULE_PROPERTY);
	struct eas_recurrence out = { .interval = 1 };
	struct icalrecurrencetype r;

	if (!p || is_zero(start))
		return;
	r = icalproperty_get_rrule(p);
	if (!read_frequency(&r, start, &out))
		return;
	if (r.interval > 0 && r.interval < 1000)
		out.interval = (unsigned int) r.interval;
	if (r.count > 0)
		out.occurrences = (unsigned int) r.count;
	else if (!icaltime_is_null_time(r.until))
		out.until_s = seconds_of(r.until);
	if (r.week_start >= ICAL_SUNDAY_WEEKDAY && r.week_start <= ICAL_SATURDAY_WEEKDAY)
		out.first_day_of_week = (unsigned int) (r.week_start - ICAL_SUNDAY_WEEKDAY);
	m->recurrence = out;
	m->recurring = true;
}

/* ---- the whole ---- */

static void read_times(icalcomponent *event, struct eas_meeting *m)
{
	struct icaltimetype start = icalcomponent_get_dtstart(event), end = icalcomponent_get_dtend(event);
	struct icaltimetype instance = icalcomponent_get_recurrenceid(event);

	m->all_day = start.is_date;
	m->start_s = seconds_of(start);
	m->end_s = is_zero(end) ? m->start_s + (m->all_day ? 86400 : 0) : seconds_of(end);
	m->stamp_s = seconds_of(icalcomponent_get_dtstamp(event));
	m->has_instance = !is_zero(instance);
	m->instance_s = seconds_of(instance);
	eas_zone_of(start.zone, start, m->zone);
	read_recurrence(event, start, m);
}

static int read_event(struct arena *a, icalcomponent *calendar, icalcomponent *event,
                      struct eas_meeting *ret_meeting)
{
	struct eas_meeting m = { 0 };
	const char *disallow = extension(event, "X-MICROSOFT-DISALLOW-COUNTER");
	int r = method_of(calendar, event, &m.method);

	if (r < 0)
		return r;
	read_times(event, &m);
	read_reminder(event, &m);
	m.uid = text_of(a, icalcomponent_get_uid(event));
	m.location = text_of(a, icalcomponent_get_location(event));
	m.summary = text_of(a, icalcomponent_get_summary(event));
	m.organizer = organizer_of(a, event);
	m.sensitivity = sensitivity_of(event);
	m.busy_status = busy_status_of(event);
	m.response_requested = response_is_requested(event);
	m.disallow_new_time = disallow && span_eq_nocase(span_of(disallow), SPAN_LIT("TRUE"));
	m.sequence =
		icalcomponent_get_sequence(event) > 0 ? (unsigned int) icalcomponent_get_sequence(event) : 0;
	*ret_meeting = m;
	return m.uid.p && m.location.p && m.summary.p && m.organizer.p ? 0 : -POD_E_NOMEM;
}

int eas_meeting_read(struct arena *a, struct span text, struct eas_meeting *ret_meeting)
{
	_cleanup_(eas_calendar_done) struct eas_calendar c = { NULL, NULL, NULL };
	int r = eas_calendar_open(a, text, &c);

	return r == 0 ? read_event(a, c.calendar, c.event, ret_meeting) : r;
}
