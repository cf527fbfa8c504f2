#include "podctl/date.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* mktime() takes the 31st of a short month for the first of the next: what comes back then differs. */
static bool is_real(const struct tm *asked, const struct tm *made)
{
	return asked->tm_year == made->tm_year && asked->tm_mon == made->tm_mon &&
	       asked->tm_mday == made->tm_mday && asked->tm_hour == made->tm_hour &&
	       asked->tm_min == made->tm_min;
}

int date_parse(struct span text, int64_t *ret_seconds, struct err *err)
{
	struct tm tm = { .tm_isdst = -1 }, made;
	char copy[32], *end;
	time_t t;

	(void) snprintf(copy, sizeof(copy), SPAN_FMT, SPAN_ARG(text));
	end = strptime(copy, "%Y-%m-%d", &tm);
	if (end && (*end == ' ' || *end == 'T'))
		end = strptime(end + 1, "%H:%M", &tm);
	made = tm;
	t = end && !*end && text.len < sizeof(copy) ? mktime(&made) : -1;
	if (t <= 0 || !is_real(&tm, &made))
		return err_set(err, POD_E_SYNTAX,
		               "\"" SPAN_FMT "\" is no date; write 2026-11-26 or \"2026-11-26 14:30\"",
		               SPAN_ARG(text));
	*ret_seconds = t;
	return 0;
}
