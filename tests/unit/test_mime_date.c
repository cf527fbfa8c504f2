#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mime/date.h"

static void rfc5322_dates_are_read_in_all_their_old_forms(void **state)
{
	static const struct {
		const char *in;
		int r;
		int64_t unix_s;
		int zone_min;
	} cases[] = {
		{ "Fri, 21 Nov 1997 09:55:06 -0600", 0, 880127706, -360 },
		{ "21 Nov 1997 09:55 -0600", 0, 880127700, -360 },
		{ "21 Nov 97 09:55:06 GMT", 0, 880106106, 0 },
		{ "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n   -0330 "
		  "(Newfoundland Time)",
		  0, -27723480, -210 },
		{ "Fri, 21 Nov 1997 09(comment (nested \\) )):   55  :  06 -0600", 0, 880127706, -360 },
		{ "Sat, 1 Jan 49 00:00:00 PST", 0, 2493072000 + 8 * 3600, -480 },
		{ "1 Jan 50 00:00:00 EDT", 0, -631152000 + 4 * 3600, -240 },
		{ "1 Jan 100 00:00:00 Z", 0, 946684800, 0 },
		{ "1 Jan 2000 00:00:00 XYZ", 0, 946684800, 0 },
		{ "1 Jan 2000 00:00:00 A", 0, 946684800, 0 },
		{ "1 Jan 2000 00:00:00", 0, 946684800, 0 },
		{ "1 Jan 2000", 0, 946684800, 0 },
		{ "Saturday, 01-Jan-00 00:00:00 UTC", 0, 946684800, 0 },
		{ "Sat Jan  1 00:00:00 2000", 0, 946684800, 0 },
		{ "Sat Jan  1 00:00:00 EST 2000", 0, 946702800, -300 },
		{ "1 January 2000 00:00:00.123 +0100", 0, 946681200, 60 },
		{ "31 Dec 1998 23:59:60 +0000", 0, 915148800, 0 },
		{ "29 Feb 2000 12:00:00 +0000", 0, 951825600, 0 },
		{ "29 Feb 1900 12:00:00 +0000", -POD_E_SYNTAX, 0, 0 },
		{ "32 Jan 2000 00:00:00 +0000", -POD_E_SYNTAX, 0, 0 },
		{ "1 Jan 2000 24:00:00 +0000", -POD_E_SYNTAX, 0, 0 },
		{ "1 Ja 2000 00:00:00 +0000", -POD_E_SYNTAX, 0, 0 },
		{ "1 Jan 20000 00:00:00 +0000", -POD_E_SYNTAX, 0, 0 },
		{ "yesterday", -POD_E_SYNTAX, 0, 0 },
		{ "", -POD_E_SYNTAX, 0, 0 },
		{ "((((", -POD_E_SYNTAX, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mail_date d = { 0, 0 };

		assert_int_equal(date_parse_rfc5322(span_of(cases[i].in), &d), cases[i].r);
		assert_int_equal(d.unix_s, cases[i].unix_s);
		assert_int_equal(d.zone_min, cases[i].zone_min);
	}
}

static void rfc3339_dates_are_read_and_written(void **state)
{
	static const struct {
		const char *in;
		int r;
		int64_t unix_s;
		const char *utc;
	} cases[] = {
		{ "2026-11-21T02:56:43Z", 0, 1795229803, "2026-11-21T02:56:43Z" },
		{ "2026-11-21t02:56:43.125z", 0, 1795229803, "2026-11-21T02:56:43Z" },
		{ "2026-11-21T02:56:43+01:30", 0, 1795224403, "2026-11-21T01:26:43Z" },
		{ "2026-11-20T23:56:43-03:00", 0, 1795229803, "2026-11-21T02:56:43Z" },
		{ "1969-12-31T23:59:59Z", 0, -1, "1969-12-31T23:59:59Z" },
		{ "2026-11-21 02:56:43Z", -POD_E_SYNTAX, 0, NULL },
		{ "2026-11-21T02:56:43", -POD_E_SYNTAX, 0, NULL },
		{ "2026-11-21T02:56:43.Z", -POD_E_SYNTAX, 0, NULL },
		{ "2026-11-21T02:56:43+24:00", -POD_E_SYNTAX, 0, NULL },
		{ "2026-11-21T02:56:43+0100", -POD_E_SYNTAX, 0, NULL },
		{ "2026-11-21T02:56:43Zx", -POD_E_SYNTAX, 0, NULL },
		{ "2026-02-30T02:56:43Z", -POD_E_SYNTAX, 0, NULL },
		{ "2026-11-21T25:56:43Z", -POD_E_SYNTAX, 0, NULL },
		{ "26-11-21T02:56:43Z", -POD_E_SYNTAX, 0, NULL },
		{ "", -POD_E_SYNTAX, 0, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mail_date d = { 0, 0 };
		char text[DATE_RFC3339_SIZE];

		assert_int_equal(date_parse_rfc3339(span_of(cases[i].in), &d), cases[i].r);
		assert_int_equal(d.unix_s, cases[i].unix_s);
		if (cases[i].utc)
			assert_string_equal(date_format_rfc3339(d.unix_s, text, sizeof(text)), cases[i].utc);
	}
}

static void dates_are_written_as_rfc5322_and_imap_want_them(void **state)
{
	static const struct {
		struct mail_date d;
		const char *mail, *imap;
	} cases[] = {
		{ { 1795229803, 0 }, "Sat, 21 Nov 2026 02:56:43 +0000", "21-Nov-2026 02:56:43 +0000" },
		{ { 880127706, -360 }, "Fri, 21 Nov 1997 09:55:06 -0600", "21-Nov-1997 09:55:06 -0600" },
		{ { 0, 330 }, "Thu, 1 Jan 1970 05:30:00 +0530", " 1-Jan-1970 05:30:00 +0530" },
		{ { -1, 0 }, "Wed, 31 Dec 1969 23:59:59 +0000", "31-Dec-1969 23:59:59 +0000" },
		{ { INT64_MAX, 60 }, "Fri, 31 Dec 9999 23:59:59 +0100", "31-Dec-9999 23:59:59 +0100" },
		{ { INT64_MIN, -60 }, "Mon, 1 Jan 0001 00:00:00 -0100", " 1-Jan-0001 00:00:00 -0100" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char mail[DATE_RFC5322_SIZE], imap[DATE_IMAP_SIZE];

		assert_string_equal(date_format_rfc5322(cases[i].d, mail, sizeof(mail)), cases[i].mail);
		assert_string_equal(date_format_imap(cases[i].d, imap, sizeof(imap)), cases[i].imap);
	}
}

static void imap_dates_are_read_strictly(void **state)
{
	static const struct {
		const char *in;
		int r;
		int64_t unix_s;
	} cases[] = {
		{ "21-Nov-1997 09:55:06 -0600", 0, 880127706 },
		{ " 1-Jan-2000 00:00:00 +0000", 0, 946684800 },
		{ "01-jan-2000 00:00:00 +0000", 0, 946684800 },
		{ "1-Jan-2000 00:00:00 +0000", -POD_E_SYNTAX, 0 },
		{ "21-Nov-1997 09:55:06 -060", -POD_E_SYNTAX, 0 },
		{ "21-Nov-1997 09:55:06 - 060", -POD_E_SYNTAX, 0 },
		{ "31-Feb-1997 09:55:06 -0600", -POD_E_SYNTAX, 0 },
		{ "21-Nov-1997T09:55:06 -0600", -POD_E_SYNTAX, 0 },
		{ "", -POD_E_SYNTAX, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mail_date d = { 0, 0 };

		assert_int_equal(date_parse_imap(span_of(cases[i].in), &d), cases[i].r);
		assert_int_equal(d.unix_s, cases[i].unix_s);
	}
}

static void search_days_disregard_time_and_zone(void **state)
{
	int32_t days = 0;

	assert_int_equal(date_parse_imap_day(SPAN_LIT("1-Feb-1994"), &days), 0);
	assert_int_equal(days, 8797);
	assert_int_equal(date_parse_imap_day(SPAN_LIT("01-Feb-1994"), &days), 0);
	assert_int_equal(days, 8797);
	assert_int_equal(date_parse_imap_day(SPAN_LIT("30-Feb-1994"), &days), -POD_E_SYNTAX);
	assert_int_equal(date_parse_imap_day(SPAN_LIT("1-Feb-94"), &days), -POD_E_SYNTAX);
	assert_int_equal(date_parse_imap_day(SPAN_LIT(""), &days), -POD_E_SYNTAX);
	assert_int_equal(date_day((struct mail_date){ 86399, 0 }), 0);
	assert_int_equal(date_day((struct mail_date){ 86399, 1 }), 1);
	assert_int_equal(date_day((struct mail_date){ 0, -1 }), -1);
}

static void what_is_written_reads_back_the_same(void **state)
{
	for (int64_t s = -62135596800 + 86400; s < 253402300799 - 86400; s += 86400 * 97 + 12345) {
		struct mail_date d = { s, (int) (s % 840) }, mail = { 0, 0 }, imap = { 0, 0 };
		char text[DATE_RFC5322_SIZE];

		if (s < -61e9)
			continue; /* years of fewer than four digits are obs-year and mean something else */
		assert_int_equal(
			date_parse_rfc5322(span_of(date_format_rfc5322(d, text, sizeof(text))), &mail), 0);
		assert_int_equal(mail.unix_s, s);
		assert_int_equal(mail.zone_min, d.zone_min);
		assert_int_equal(date_parse_imap(span_of(date_format_imap(d, text, sizeof(text))), &imap), 0);
		assert_int_equal(imap.unix_s, s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc5322_dates_are_read_in_all_their_old_forms),
		cmocka_unit_test(rfc3339_dates_are_read_and_written),
		cmocka_unit_test(dates_are_written_as_rfc5322_and_imap_want_them),
		cmocka_unit_test(imap_dates_are_read_strictly),
		cmocka_unit_test(search_days_disregard_time_and_zone),
		cmocka_unit_test(what_is_written_reads_back_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
