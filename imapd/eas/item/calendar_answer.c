#include "imapd/eas/item/calendar_answer.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "imapd/eas/item/calendar_file.h"

#define PRODUCT "-//podmail//ActiveSync//EN"

struct answering {
	struct arena *a;
	const struct eas_meeting_answer *said;
	struct eas_calendar invitation;
	icalcomponent *event; /* of the answer */
};

static void component_freep(icalcomponent **c)
{
	if (*c)
		icalcomponent_free(*c);
}

static bool is_proposal(const struct eas_meeting_answer *said)
{
	return said->proposed_s != 0;
}

static struct icaltimetype utc(int64_t at_s)
{
	return icaltime_from_timet_with_zone((time_t) at_s, 0, icaltimezone_get_utc_timezone());
}

/* ---- what is taken over ---- */

static void copy_all(struct answering *w, icalproperty_kind kind)
{
	for (icalproperty *p = icalcomponent_get_first_property(w->invitation.event, kind); p;
	     p = icalcomponent_get_next_property(w->invitation.event, kind))
		icalcomponent_add_property(w->event, icalproperty_new_clone(p));
}

static void copy_properties(struct answering *w)
{
	static const icalproperty_kind always[] = { ICAL_UID_PROPERTY, ICAL_SEQUENCE_PROPERTY,
		                                    ICAL_ORGANIZER_PROPERTY, ICAL_SUMMARY_PROPERTY,
		                                    ICAL_LOCATION_PROPERTY };
	static const icalproperty_kind times[] = { ICAL_DTSTART_PROPERTY, ICAL_DTEND_PROPERTY,
		                                   ICAL_DURATION_PROPERTY };

	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		copy_all(w, always[i]);
	if (w->said->instance_s == 0)
		copy_all(w, ICAL_RECURRENCEID_PROPERTY);
	for (size_t i = 0; !is_proposal(w->said) && i < ARRAY_SIZE(times); i++)
		copy_all(w, times[i]);
}

/* The zones that its times name. */
static void copy_zones(struct answering *w, icalcomponent *calendar)
{
	for (icalcomponent *z =
	             icalcomponent_get_first_component(w->invitation.calendar, ICAL_VTIMEZONE_COMPONENT);
	     z; z = icalcomponent_get_next_component(w->invitation.calendar, ICAL_VTIMEZONE_COMPONENT))
		icalcomponent_add_component(calendar, icalcomponent_new_clone(z));
}

/* ---- what is said ---- */

static struct span address_of(const char *uri)
{
	struct span s = span_trim(span_of(uri ? uri : ""));

	return span_starts_nocase(s, SPAN_LIT("mailto:")) ? span_skip(s, 7) : s;
}

static bool is_named(const struct answering *w, struct span address)
{
	return span_eq_nocase(address, span_of(w->said->attendee));
}

static bool is_known(const struct answering *w, struct span address)
{
	return w->said->is_own(w->said->arg, address);
}

static icalproperty *find_attendee(struct answering *w,
                                   bool (*is)(const struct answering *w, struct span address))
{
	icalcomponent *event = w->invitation.event;
	icalproperty *p = icalcomponent_get_first_property(event, ICAL_ATTENDEE_PROPERTY);

	while (p && !is(w, address_of(icalproperty_get_attendee(p))))
		p = icalcomponent_get_next_property(event, ICAL_ATTENDEE_PROPERTY);
	return p;
}

/* As the organizer wrote them, so that they are known again; one who was not invited is named anew. */
static icalproperty *attendee_of(struct answering *w)
{
	icalproperty *p = find_attendee(w, is_named);
	const char *uri;

	if (!p)
		p = find_attendee(w, is_known);
	if (p)
		return icalproperty_new_clone(p);
	uri = arena_printf(w->a, "mailto:%s", w->said->attendee);
	return uri ? icalproperty_new_attendee(uri) : NULL;
}

static int add_attendee(struct answering *w)
{
	static const icalparameter_partstat parts[] = {
		[EAS_RESPONSE_ACCEPT] = ICAL_PARTSTAT_ACCEPTED,
		[EAS_RESPONSE_TENTATIVE] = ICAL_PARTSTAT_TENTATIVE,
		[EAS_RESPONSE_DECLINE] = ICAL_PARTSTAT_DECLINED,
	};
	icalproperty *p = attendee_of(w);

	if (!p)
		return -POD_E_NOMEM;
	icalproperty_remove_parameter_by_kind(p, ICAL_RSVP_PARAMETER);
	icalproperty_set_parameter(p, icalparameter_new_partstat(parts[w->said->response]));
	icalcomponent_add_property(w->event, p);
	return 0;
}

static int add_words(struct answering *w)
{
	const char *comment = arena_str(w->a, w->said->comment);

	icalcomponent_add_property(w->event, icalproperty_new_dtstamp(utc(w->said->now_s)));
	if (w->said->instance_s)
		icalcomponent_add_property(w->event, icalproperty_new_recurrenceid(utc(w->said->instance_s)));
	if (is_proposal(w->said)) {
		icalcomponent_add_property(w->event, icalproperty_new_dtstart(utc(w->said->proposed_s)));
		icalcomponent_add_property(w->event, icalproperty_new_dtend(utc(w->said->proposed_end_s)));
	}
	if (!comment)
		return -POD_E_NOMEM;
	if (*comment)
		icalcomponent_add_property(w->event, icalproperty_new_comment(comment));
	return add_attendee(w);
}

/* ---- the whole ---- */

static int print(struct arena *a, icalcomponent *calendar, struct span *ret_text)
{
	char *text = icalcomponent_as_ical_string_r(calendar);

	if (!text)
		return -POD_E_NOMEM;
	*ret_text = arena_dup(a, span_of(text));
	free(text);
	return ret_text->p ? 0 : -POD_E_NOMEM;
}

static int write_answer(struct answering *w, struct span *ret_text)
{
	_cleanup_(component_freep) icalcomponent *calendar = icalcomponent_new(ICAL_VCALENDAR_COMPONENT);
	int r;

	w->event = calendar ? icalcomponent_new(ICAL_VEVENT_COMPONENT) : NULL;
	if (!w->event)
		return -POD_E_NOMEM;
	icalcomponent_add_property(calendar, icalproperty_new_prodid(PRODUCT));
	icalcomponent_add_property(calendar, icalproperty_new_version("2.0"));
	icalcomponent_add_property(
		calendar,
		icalproperty_new_method(is_proposal(w->said) ? ICAL_METHOD_COUNTER : ICAL_METHOD_REPLY));
	copy_zones(w, calendar);
	icalcomponent_add_component(calendar, w->event);
	copy_properties(w);
	r = add_words(w);
	return r == 0 ? print(w->a, calendar, ret_text) : r;
}

int eas_meeting_answer_write(struct arena *a, struct span invitation, const struct eas_meeting_answer *answer,
                             struct span *ret_text, const char **ret_method)
{
	struct answering w = { .a = a, .said = answer };
	int r = eas_calendar_open(a, invitation, &w.invitation);

	if (r < 0)
		return r;
	r = write_answer(&w, ret_text);
	eas_calendar_done(&w.invitation);
	*ret_method = is_proposal(answer) ? "COUNTER" : "REPLY";
	return r;
}
