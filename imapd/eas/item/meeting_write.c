#include <stdio.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "imapd/eas/item/calendar.h"
#include "mime/date.h"

/* InstanceType (MS-ASEMAIL 2.2.2.40) */
enum { INSTANCE_SINGLE, INSTANCE_MASTER, INSTANCE_ONE, INSTANCE_EXCEPTION };
/* MeetingMessageType (MS-ASEMAIL 2.2.2.48) */
enum { MESSAGE_SILENT, MESSAGE_INITIAL, MESSAGE_FULL_UPDATE };

static void put_time(struct wbxml_writer *w, enum wbxml_tag tag, int64_t at_s)
{
	char text[CLOCK_ISO_SIZE];

	wbxml_str(w, tag, clock_format_iso(at_s * 1000, text, sizeof(text)));
}

/* "20261126T142000Z": how Until is written (MS-ASDTYPE 2.7.2). */
static void put_compact_time(struct wbxml_writer *w, enum wbxml_tag tag, int64_t at_s)
{
	char text[DATE_RFC3339_SIZE], compact[DATE_RFC3339_SIZE];
	size_t n = 0;

	date_format_rfc3339(at_s, text, sizeof(text));
	for (size_t i = 0; text[i]; i++)
		if (text[i] != '-' && text[i] != ':')
			compact[n++] = text[i];
	wbxml_text(w, tag, span_make(compact, n));
}

static void put_if(struct wbxml_writer *w, enum wbxml_tag tag, unsigned int n)
{
	if (n > 0)
		wbxml_uint(w, tag, n);
}

static void put_recurrence(struct wbxml_writer *w, const struct eas_recurrence *r, unsigned int version)
{
	wbxml_open(w, EMAIL_RECURRENCES);
	wbxml_open(w, EMAIL_RECURRENCE);
	wbxml_uint(w, EMAIL_TYPE, r->type);
	wbxml_uint(w, EMAIL_INTERVAL, r->interval);
	if (r->until_s != 0)
		put_compact_time(w, EMAIL_UNTIL, r->until_s);
	put_if(w, EMAIL_OCCURRENCES, r->occurrences);
	put_if(w, EMAIL_WEEKOFMONTH, r->week_of_month);
	put_if(w, EMAIL_DAYOFMONTH, r->day_of_month);
	put_if(w, EMAIL_DAYOFWEEK, r->day_of_week);
	put_if(w, EMAIL_MONTHOFYEAR, r->month_of_year);
	if (version >= 140)
		wbxml_uint(w, EMAIL2_CALENDARTYPE, 0);
	if (version >= 141 && r->type == EAS_WEEKLY)
		wbxml_uint(w, EMAIL2_FIRSTDAYOFWEEK, r->first_day_of_week);
	wbxml_close(w);
	wbxml_close(w);
}

static void put_location(struct wbxml_writer *w, struct span location, unsigned int version)
{
	if (location.len == 0)
		return;
	if (version < 160) {
		wbxml_text(w, EMAIL_LOCATION, location);
		return;
	}
	wbxml_open(w, AIRSYNCBASE_LOCATION);
	wbxml_text(w, AIRSYNCBASE_DISPLAYNAME, location);
	wbxml_close(w);
}

static unsigned int instance_type(const struct eas_meeting *m)
{
	if (m->has_instance)
		return m->method == EAS_MEETING_CANCELED ? INSTANCE_ONE : INSTANCE_EXCEPTION;
	return m->recurring ? INSTANCE_MASTER : INSTANCE_SINGLE;
}

static unsigned int message_type(const struct eas_meeting *m)
{
	if (m->method != EAS_MEETING_REQUEST)
		return MESSAGE_SILENT;
	return m->sequence > 0 ? MESSAGE_FULL_UPDATE : MESSAGE_INITIAL;
}

/* What all of Outlook's ids begin with. */
static const uint8_t class_id[16] = { 0x04, 0x00, 0x00, 0x00, 0x82, 0x00, 0xe0, 0x00,
	                              0x74, 0xc5, 0xb7, 0x10, 0x1a, 0x82, 0xe0, 0x08 };
#define OUTLOOK_PREFIX SPAN_LIT("040000008200E00074C5B7101A82E008")
#define INSTANCE_AT    16 /* the day of the instance: year high, low, month, day */
#define ZEROS_BEFORE   20

static bool is_outlook_uid(struct span uid)
{
	if (!span_starts_nocase(uid, OUTLOOK_PREFIX) || uid.len % 2 != 0 || uid.len < 2 * 40)
		return false;
	for (size_t i = 0; i < uid.len; i++)
		if (ascii_hex_value(uid.p[i]) < 0)
			return false;
	return true;
}

static void add_outlook_id(struct buf *out, struct span uid)
{
	for (size_t i = 0; i + 1 < uid.len; i += 2)
		buf_add_byte(out, (uint8_t) ascii_hex_pair(uid.p + i));
}

/* CLASSID, no instance, no time, zeros, then a length and "vCal-Uid", a version and the UID. */
static void add_wrapped_uid(struct buf *out, struct span uid)
{
	uint32_t n = (uint32_t) uid.len + 13;

	buf_add(out, span_make(class_id, sizeof(class_id)));
	for (size_t i = 0; i < ZEROS_BEFORE; i++)
		buf_add_byte(out, 0);
	for (int shift = 0; shift < 32; shift += 8)
		buf_add_byte(out, (uint8_t) (n >> shift));
	buf_add(out, SPAN_LIT("vCal-Uid\x01\x00\x00\x00"));
	buf_add(out, uid);
	buf_add_byte(out, 0);
}

static void set_instance(struct buf *out, int64_t instance_s)
{
	char text[DATE_RFC3339_SIZE];
	int year, month, day;

	date_format_rfc3339(instance_s, text, sizeof(text));
	if (out->failed || sscanf(text, "%4d-%2d-%2d", &year, &month, &day) != 3)
		return;
	out->p[INSTANCE_AT] = (uint8_t) (year >> 8);
	out->p[INSTANCE_AT + 1] = (uint8_t) year;
	out->p[INSTANCE_AT + 2] = (uint8_t) month;
	out->p[INSTANCE_AT + 3] = (uint8_t) day;
}

struct span eas_global_id(struct arena *a, const struct eas_meeting *m)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	if (is_outlook_uid(m->uid))
		add_outlook_id(&out, m->uid);
	else
		add_wrapped_uid(&out, m->uid);
	if (m->has_instance)
		set_instance(&out, m->instance_s);
	return out.failed ? SPAN_NONE : base64_encode(a, buf_span(&out));
}

/* Reminder of a request in seconds; where it has none, there is no element. */
void eas_meeting_write(struct wbxml_writer *w, struct arena *a, const struct eas_meeting *m,
                       unsigned int version)
{
	wbxml_open(w, EMAIL_MEETINGREQUEST);
	wbxml_uint(w, EMAIL_ALLDAYEVENT, m->all_day);
	put_time(w, EMAIL_STARTTIME, m->start_s);
	put_time(w, EMAIL_DTSTAMP, m->stamp_s);
	put_time(w, EMAIL_ENDTIME, m->end_s);
	wbxml_uint(w, EMAIL_INSTANCETYPE, instance_type(m));
	put_location(w, m->location, version);
	wbxml_text(w, EMAIL_ORGANIZER, m->organizer);
	if (m->has_instance)
		put_time(w, EMAIL_RECURRENCEID, m->instance_s);
	if (m->has_reminder)
		wbxml_uint(w, EMAIL_REMINDER, m->reminder_s);
	wbxml_uint(w, EMAIL_RESPONSEREQUESTED, m->response_requested);
	if (m->recurring)
		put_recurrence(w, &m->recurrence, version);
	wbxml_uint(w, EMAIL_SENSITIVITY, m->sensitivity);
	wbxml_uint(w, EMAIL_BUSYSTATUS, m->busy_status);
	wbxml_text(w, EMAIL_TIMEZONE, base64_encode(a, span_make(m->zone, sizeof(m->zone))));
	if (version >= 160)
		wbxml_text(w, CALENDAR_UID, m->uid);
	else
		wbxml_text(w, EMAIL_GLOBALOBJID, eas_global_id(a, m));
	if (version >= 140)
		wbxml_uint(w, EMAIL_DISALLOWNEWTIMEPROPOSAL, m->disallow_new_time);
	if (version >= 141)
		wbxml_uint(w, EMAIL2_MEETINGMESSAGETYPE, message_type(m));
	wbxml_close(w);
}
