#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mta/tlsrpt/reports.h"
#include "mta/tlspolicy/sessions.h"

int reports_day_parse(const char *text, uint32_t *ret_day)
{
	struct tm tm = { 0 };
	char again[REPORTS_DAY_SIZE];
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	time_t t = end && !*end ? timegm(&tm) : -1;

	if (t < 0)
		return -POD_E_SYNTAX;
	/* "2026-02-31" is read, too, and is another day. */
	if (strcmp(reports_day_format((uint32_t) (t / DAY_S), again), text) != 0)
		return -POD_E_SYNTAX;
	*ret_day = (uint32_t) (t / DAY_S);
	return 0;
}

char *reports_day_format(uint32_t day, char *buf)
{
	time_t t = (time_t) day * DAY_S;
	struct tm tm;

	(void) gmtime_r(&t, &tm);
	if (strftime(buf, REPORTS_DAY_SIZE, "%Y-%m-%d", &tm) == 0)
		buf[0] = '\0';
	return buf;
}
