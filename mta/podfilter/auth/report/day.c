#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mta/podfilter/auth/report/report.h"

uint32_t report_day_of(int64_t now_s)
{
	return (uint32_t) (now_s / 86400);
}

int report_day_parse(const char *text, uint32_t *ret_day)
{
	struct tm tm = { 0 };
	char again[REPORT_DAY_SIZE];
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	time_t t = end && !*end ? timegm(&tm) : -1;

	/* timegm takes the 31st of February for a day in March */
	if (t < 0 || strcmp(report_day_format(report_day_of(t), again), text) != 0)
		return -POD_E_SYNTAX;
	*ret_day = report_day_of(t);
	return 0;
}

char *report_day_format(uint32_t day, char buf[REPORT_DAY_SIZE])
{
	time_t t = (time_t) day * 86400;
	struct tm tm;

	(void) gmtime_r(&t, &tm);
	(void) strftime(buf, REPORT_DAY_SIZE, "%Y-%m-%d", &tm);
	return buf;
}
