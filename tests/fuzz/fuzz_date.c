/* A date that was read is written and read again as the same moment. */
#include <stdlib.h>

#include "mime/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_imap(struct mail_date d)
{
	char text[DATE_IMAP_SIZE];
	struct mail_date again;

	if (date_parse_imap(span_of(date_format_imap(d, text, sizeof(text))), &again) < 0 ||
	    again.unix_s != d.unix_s || again.zone_min != d.zone_min)
		abort();
}

static void check_rfc3339(struct mail_date d)
{
	char text[DATE_RFC3339_SIZE];
	struct mail_date again;

	if (date_parse_rfc3339(span_of(date_format_rfc3339(d.unix_s, text, sizeof(text))), &again) < 0 ||
	    again.unix_s != d.unix_s)
		abort();
}

/* The first and the last day of the calendar cannot be told in every zone. */
static bool is_inside_calendar(struct mail_date d)
{
	return d.unix_s > -62135596800 + 172800 && d.unix_s < 253402300799 - 172800;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span s = span_make(data, len);
	struct mail_date d;
	char text[DATE_RFC5322_SIZE];
	int32_t days;

	if (date_parse_rfc5322(s, &d) == 0 && is_inside_calendar(d))
		check_imap(d);
	if (date_parse_imap(s, &d) == 0 && is_inside_calendar(d)) {
		check_imap(d);
		(void) date_format_rfc5322(d, text, sizeof(text));
	}
	(void) date_parse_imap_day(s, &days);
	if (date_parse_rfc3339(s, &d) == 0 && is_inside_calendar(d))
		check_rfc3339(d);
	if (len >= sizeof(d.unix_s)) {
		memcpy(&d.unix_s, data, sizeof(d.unix_s));
		d.zone_min = 0;
		(void) date_format_rfc5322(d, text, sizeof(text));
	}
	return 0;
}
