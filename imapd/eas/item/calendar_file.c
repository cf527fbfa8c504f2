#include "imapd/eas/item/calendar_file.h"

#include "imapd/eas/item/calendar.h"

/* libical frees components by recursion: what is nested deeper than any invitation is none. */
#define COMPONENTS_MAX 200

static bool is_readable(struct span text)
{
	size_t n = 0, at;

	if (text.len > EAS_CALENDAR_READ_MAX || memchr(text.p, 0, text.len))
		return false;
	for (; (at = span_find_nocase(text, SPAN_LIT("BEGIN:"))) != SIZE_MAX; text = span_skip(text, at + 6))
		if (++n > COMPONENTS_MAX)
			return false;
	return n > 0;
}

int eas_calendar_open(struct arena *a, struct span text, struct eas_calendar *ret)
{
	struct eas_calendar c = { NULL, NULL, NULL };
	char *copy;

	if (text.len == 0 || !is_readable(text))
		return -POD_E_SYNTAX;
	copy = arena_str(a, text);
	if (!copy)
		return -POD_E_NOMEM;
	c.root = icalparser_parse_string(copy);
	if (!c.root)
		return -POD_E_SYNTAX;
	/* A file may hold several calendars; the parser puts those into one component of its own. */
	c.calendar = icalcomponent_isa(c.root) == ICAL_VCALENDAR_COMPONENT
	                     ? c.root
	                     : icalcomponent_get_first_component(c.root, ICAL_VCALENDAR_COMPONENT);
	c.event = c.calendar ? icalcomponent_get_first_component(c.calendar, ICAL_VEVENT_COMPONENT) : NULL;
	if (!c.event) {
		eas_calendar_done(&c);
		return -POD_E_SYNTAX;
	}
	*ret = c;
	return 0;
}

void eas_calendar_done(struct eas_calendar *c)
{
	if (c->root)
		icalcomponent_free(c->root);
	*c = (struct eas_calendar){ NULL, NULL, NULL };
}
