#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "imapd/eas/item/calendar.h"
#include "imapd/eas/item/calendar_answer.h"

#define BERLIN                                                                                     \
	"BEGIN:VTIMEZONE\r\nTZID:W. Europe\r\n"                                                    \
	"BEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\n" \
	"TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nTZNAME:CET\r\nEND:STANDARD\r\n"                 \
	"BEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\n"  \
	"TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n"
#define EVENT(method, lines)                                                                             \
	"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:" method "\r\n" BERLIN "BEGIN:VEVENT\r\nUID:abc@x\r\n" \
	"DTSTAMP:20261126T120000Z\r\n" lines "END:VEVENT\r\nEND:VCALENDAR\r\n"
#define AT_TEN "DTSTART;TZID=W. Europe:20261201T100000\r\nDTEND;TZID=W. Europe:20261201T113000\r\n"

static struct eas_meeting read_event(struct arena *a, const char *text)
{
	struct eas_meeting m;

	assert_int_equal(eas_meeting_read(a, span_of(text), &m), 0);
	return m;
}

static char *show(struct arena *a, const struct eas_meeting *m, unsigned int version)
{
	_cleanup_buf_ struct buf out = BUF_INIT, text = BUF_INIT;
	struct wbxml_node *root;
	struct wbxml_writer w;

	wbxml_begin(&w, &out);
	eas_meeting_write(&w, a, m, version);
	assert_int_equal(wbxml_decode(a, arena_dup(a, buf_span(&out)), &root, NULL), 0);
	wbxml_print(root, 20, &text);
	return arena_str(a, buf_span(&text));
}

static void assert_shows(const char *shown, const char *line)
{
	if (!strstr(shown, line))
		fail_msg("\"%s\" is not in:\n%s", line, shown);
}

static void an_invitation_shows_its_times_in_utc_and_its_zone(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct eas_meeting m = read_event(
		a, EVENT("REQUEST", AT_TEN "SUMMARY:Plan\r\nLOCATION:Room 1\\, left\r\n"
	                                   "ORGANIZER;CN=Ann Lee:mailto:ann@example.org\r\n"
	                                   "ATTENDEE;RSVP=TRUE:mailto:bob@example.org\r\nCLASS:PRIVATE\r\n"
	                                   "X-MICROSOFT-CDO-INTENDEDSTATUS:OOF\r\n"
	                                   "BEGIN:VALARM\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\n"));
	const char *shown = show(a, &m, 141);

	assert_int_equal(m.start_s, 1796115600);
	assert_int_equal(m.end_s - m.start_s, 5400);
	assert_shows(shown, " Email:InstanceType 0\n Email:Location Room 1, left\n");
	assert_shows(shown, " Email:Reminder 900\n Email:ResponseRequested 1\n Email:Sensitivity 2\n "
	                    "Email:BusyStatus 3\n");
	assert_shows(shown, " Email:DisallowNewTimeProposal 0\n Email2:MeetingMessageType 1\n");
	assert_true(span_eq(m.organizer, SPAN_LIT("\"Ann Lee\" <ann@example.org>")));
	assert_shows(show(a, &m, 160), " AirSyncBase:Location\n  AirSyncBase:DisplayName Room 1, left\n");
	assert_shows(show(a, &m, 160), " Calendar:UID abc@x\n");
	/* Bias -60; standard time: last Sunday of October, 3:00; daylight: last Sunday of March, 2:00,
	 * another -60 */
	assert_memory_equal(m.zone, ((uint8_t[]){ 0xc4, 0xff, 0xff, 0xff, 'C', 0, 'E', 0, 'T', 0 }), 10);
	assert_memory_equal(m.zone + 68,
	                    ((uint8_t[]){ 0, 0, 10, 0, 0, 0, 5, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }), 20);
	assert_memory_equal(
		m.zone + 152,
		((uint8_t[]){ 0, 0, 3, 0, 0, 0, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0xc4, 0xff, 0xff, 0xff }), 20);
}

static void recurrences_are_told_in_the_words_of_activesync(void **state)
{
	static const struct {
		const char *rule;
		struct eas_recurrence is;
	} cases[] = {
		{ "RRULE:FREQ=DAILY;INTERVAL=3;COUNT=4\r\n",
		  { .type = EAS_DAILY, .interval = 3, .occurrences = 4 } },
		{ "RRULE:FREQ=WEEKLY;BYDAY=TU,TH\r\n",
		  { .type = EAS_WEEKLY, .interval = 1, .day_of_week = 4 | 16 } },
		{ "RRULE:FREQ=WEEKLY\r\n", { .type = EAS_WEEKLY, .interval = 1, .day_of_week = 4 } },
		{ "RRULE:FREQ=MONTHLY\r\n", { .type = EAS_MONTHLY, .interval = 1, .day_of_month = 1 } },
		{ "RRULE:FREQ=MONTHLY;BYDAY=-1FR\r\n",
		  { .type = EAS_MONTHLY_NTH, .interval = 1, .day_of_week = 32, .week_of_month = 5 } },
		{ "RRULE:FREQ=MONTHLY;BYDAY=MO;BYSETPOS=2\r\n",
		  { .type = EAS_MONTHLY_NTH, .interval = 1, .day_of_week = 2, .week_of_month = 2 } },
		{ "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29\r\n",
		  { .type = EAS_YEARLY, .interval = 1, .day_of_month = 29, .month_of_year = 2 } },
		{ "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=1SU\r\n",
		  { .type = EAS_YEARLY_NTH,
		    .interval = 1,
		    .day_of_week = 1,
		    .week_of_month = 1,
		    .month_of_year = 3 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
		const char *text = arena_printf(a, EVENT("REQUEST", AT_TEN "%s"), cases[i].rule);
		struct eas_meeting m = read_event(a, text);
		struct eas_recurrence want = cases[i].is;

		assert_true(m.recurring);
		want.first_day_of_week = m.recurrence.first_day_of_week;
		assert_memory_equal(&m.recurrence, &want, sizeof(want));
		assert_shows(show(a, &m, 141), " Email:InstanceType 1\n");
	}
}

static void methods_and_answers_have_their_classes(void **state)
{
	static const struct {
		const char *text, *class;
	} cases[] = {
		{ EVENT("REQUEST", AT_TEN), "IPM.Schedule.Meeting.Request" },
		{ EVENT("CANCEL", AT_TEN), "IPM.Schedule.Meeting.Canceled" },
		{ EVENT("COUNTER", AT_TEN), "IPM.Schedule.Meeting.Resp.Tent" },
		{ EVENT("REPLY", AT_TEN "ATTENDEE;PARTSTAT=ACCEPTED:mailto:a@x\r\n"),
		  "IPM.Schedule.Meeting.Resp.Pos" },
		{ EVENT("REPLY", AT_TEN "ATTENDEE;PARTSTAT=DECLINED:mailto:a@x\r\n"),
		  "IPM.Schedule.Meeting.Resp.Neg" },
	};
	static const char *const none[] = { "", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "x",
		                            EVENT("PUBLISH", AT_TEN), "BEGIN:VEVENT\r\nEND:VEVENT\r\n" };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
		struct eas_meeting m = read_event(a, cases[i].text);

		assert_string_equal(eas_meeting_class(&m), cases[i].class);
	}
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
		struct eas_meeting m;

		assert_int_equal(eas_meeting_read(a, span_of(none[i]), &m), -POD_E_SYNTAX);
	}
}

static void days_and_instances_are_told_apart(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct eas_meeting m = read_event(a, EVENT("REQUEST", "DTSTART;VALUE=DATE:20261201\r\n"));

	assert_true(m.all_day && m.end_s - m.start_s == 86400);
	m = read_event(a, EVENT("REQUEST", AT_TEN "RECURRENCE-ID:20261201T090000Z\r\n"));
	assert_true(m.has_instance && m.instance_s == 1796115600);
	assert_shows(show(a, &m, 141), " Email:InstanceType 3\n");
}

static void ids_of_outlook_stay_and_others_are_wrapped(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct eas_meeting m = { .uid = SPAN_LIT("abc@x") };
	struct span bytes;

	assert_int_equal(base64_decode(a, eas_global_id(a, &m), &bytes), 0);
	assert_int_equal(bytes.len, 16 + 20 + 4 + 8 + 4 + 5 + 1);
	assert_memory_equal(bytes.p + 36, "\x12\0\0\0vCal-Uid\1\0\0\0abc@x", 22);
	m.uid = SPAN_LIT("040000008200E00074C5B7101A82E00800000000A0B1C2D3E4F50100000000000000001000000001020"
	                 "30405060708090A0B0C0D0E0F10");
	m.has_instance = true;
	m.instance_s = 1796115600;
	assert_int_equal(base64_decode(a, eas_global_id(a, &m), &bytes), 0);
	assert_int_equal(bytes.len, m.uid.len / 2);
	assert_memory_equal(bytes.p, "\x04\0\0\0\x82\0\xe0\0\x74\xc5\xb7\x10\x1a\x82\xe0\x08\x07\xea\x0c\x01",
	                    20);
}

/* ---- answers ---- */

static bool is_bobs(void *arg, struct span address)
{
	return span_eq_nocase(address, SPAN_LIT("robert@example.org"));
}

/* Without the folds of long lines. */
static char *answer(struct arena *a, const char *invitation, struct eas_meeting_answer said,
                    const char **ret_method)
{
	_cleanup_buf_ struct buf flat = BUF_INIT;
	struct span text;

	said.attendee = "bob@example.org";
	said.is_own = is_bobs;
	said.now_s = 1795702844;
	assert_int_equal(eas_meeting_answer_write(a, span_of(invitation), &said, &text, ret_method), 0);
	for (size_t i = 0; i < text.len; i++) {
		if (span_starts_nocase(span_skip(text, i), SPAN_LIT("\r\n ")))
			i += 2;
		else
			buf_add_byte(&flat, text.p[i]);
	}
	return arena_str(a, buf_span(&flat));
}

static void an_answer_is_the_invitation_with_what_the_attendee_says(void **state)
{
	static const char *const lines[] = {
		"METHOD:REPLY\r\n",
		"UID:abc@x\r\n",
		"SEQUENCE:3\r\n",
		"ORGANIZER;CN=Ann:mailto:ann@example.org\r\n",
		"DTSTART;TZID=W. Europe:20261201T100000\r\n",
		"TZID:W. Europe\r\n",
		"DTSTAMP:20261126T142044Z\r\n",
		"COMMENT:late\\, but there\r\n",
		"ATTENDEE;CN=Bob;PARTSTAT=TENTATIVE:mailto:Bob@Example.org\r\n",
	};
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	const char *method,
		*text = answer(
			a,
			EVENT("REQUEST", AT_TEN
	                      "SEQUENCE:3\r\nORGANIZER;CN=Ann:mailto:ann@example.org\r\nRRULE:FREQ=DAILY\r\n"
	                      "ATTENDEE;RSVP=TRUE:mailto:robert@example.org\r\nATTENDEE;CN=Bob;RSVP=TRUE;"
	                      "PARTSTAT="
	                      "NEEDS-ACTION:mailto:Bob@Example.org\r\nDESCRIPTION:long\r\n"),
			(struct eas_meeting_answer){ .response = EAS_RESPONSE_TENTATIVE,
	                                             .comment = SPAN_LIT("late, but there") },
			&method);

	assert_string_equal(method, "REPLY");
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_shows(text, lines[i]);
	assert_null(strstr(text, "robert"));
	assert_null(strstr(text, "FREQ=DAILY"));
	assert_null(strstr(text, "DESCRIPTION"));
}

static void who_was_invited_by_another_address_answers_by_that(void **state)
{
	static const char *const others[][2] = {
		{ "ATTENDEE:mailto:carl@example.org\r\nATTENDEE:MAILTO:robert@example.org\r\n",
		  "ATTENDEE;PARTSTAT=DECLINED:MAILTO:robert@example.org\r\n" },
		{ "ATTENDEE:mailto:carl@example.org\r\n",
		  "ATTENDEE;PARTSTAT=DECLINED:mailto:bob@example.org\r\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
		const char *method, *event = arena_printf(a, EVENT("REQUEST", AT_TEN "%s"), others[i][0]);
		const char *text = answer(
			a, event, (struct eas_meeting_answer){ .response = EAS_RESPONSE_DECLINE }, &method);

		assert_shows(text, others[i][1]);
		assert_null(strstr(text, "carl"));
		assert_null(strstr(text, "COMMENT"));
	}
}

static void an_answer_may_be_for_one_of_a_series_or_propose_another_time(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	const char *method, *event = EVENT("REQUEST", AT_TEN "RRULE:FREQ=WEEKLY\r\n");
	const char *text = answer(
		a, event,
		(struct eas_meeting_answer){ .response = EAS_RESPONSE_ACCEPT, .instance_s = 1796720400 },
		&method);

	assert_shows(text, "RECURRENCE-ID:20261208T090000Z\r\n");
	text = answer(a, event,
	              (struct eas_meeting_answer){ .response = EAS_RESPONSE_TENTATIVE,
	                                           .proposed_s = 1796202000,
	                                           .proposed_end_s = 1796205600 },
	              &method);
	assert_string_equal(method, "COUNTER");
	assert_shows(text, "METHOD:COUNTER\r\n");
	assert_shows(text, "DTSTART:20261202T090000Z\r\nDTEND:20261202T100000Z\r\n");
	assert_null(strstr(text, "20261201T"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_invitation_shows_its_times_in_utc_and_its_zone),
		cmocka_unit_test(recurrences_are_told_in_the_words_of_activesync),
		cmocka_unit_test(methods_and_answers_have_their_classes),
		cmocka_unit_test(days_and_instances_are_told_apart),
		cmocka_unit_test(ids_of_outlook_stay_and_others_are_wrapped),
		cmocka_unit_test(an_answer_is_the_invitation_with_what_the_attendee_says),
		cmocka_unit_test(who_was_invited_by_another_address_answers_by_that),
		cmocka_unit_test(an_answer_may_be_for_one_of_a_series_or_propose_another_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
