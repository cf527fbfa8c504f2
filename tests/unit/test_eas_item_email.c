#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "imapd/eas/item/categories.h"
#include "imapd/eas/item/email.h"
#include "imapd/eas/item/note_table.h"

#define HEADER                                                                                        \
	"From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\r\nTo: \"Ann, A.\" <ann@example.org>, "      \
	"bob@example.org\r\n"                                                                         \
	"Subject: Re: AW: the =?iso-8859-1?q?gr=FCn?= one\r\nMessage-ID: <3@x>\r\nReferences: <1@x> " \
	"<2@x>\r\n"                                                                                   \
	"X-Priority: 1\r\n"
#define ALTERNATIVE                                                                      \
	HEADER "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nText " \
	       "\xc3\xa4\xe2\x82\xac end\r\n"                                            \
	       "--b\r\nContent-Type: text/html\r\n\r\n<p>Text \xc3\xa4</p>\r\n--b--\r\n"

struct shown {
	const char *message;
	unsigned int version;
	uint32_t flags;
	struct eas_body_preference text, html, mime, part;
	enum eas_mime_support support;
	bool open; /* the message is opened, as it should not be where it need not */
};

static char blue[] = "Blue", forwarded[] = "$Forwarded", complete[] = "$FlagComplete",
	    two[] = "Two&ACA-words";
static char *keywords[] = { blue, forwarded, complete, two };
#define KEYWORD(n) (1u << (STORE_KEYWORD_SHIFT + (n)))
static const struct eas_item_place place = { .folder_id = "f1",
	                                     .keywords = keywords,
	                                     .keywords_n = ARRAY_SIZE(keywords) };

/* What a client is shown, as lines; kept is a note, or NULL. */
static char *show(struct arena *a, const struct shown *s, const struct eas_note *kept,
                  const struct wbxml_node *schema)
{
	_cleanup_buf_ struct buf out = BUF_INIT, text = BUF_INIT;
	struct eas_item item = { .place = &place, .uid = 7, .flags = s->flags, .internal_date = 1795702844 };
	struct eas_item_options o;
	struct mime_summary sum = { SPAN_NONE };
	struct wbxml_node *root;
	struct wbxml_writer w;
	struct eas_email e;

	eas_item_options_init(&o, s->version);
	o.body[EAS_BODY_TEXT] = s->text;
	o.body[EAS_BODY_HTML] = s->html;
	o.body[EAS_BODY_MIME] = s->mime;
	o.part = s->part;
	o.mime_support = s->support;
	assert_int_equal(mime_summarize(a, span_of(s->message), &sum), 0);
	item.bodystructure = sum.bodystructure;
	item.parts = sum.parts;
	item.headers = sum.headers;
	assert_int_equal(eas_email_begin(a, &item, &o, &e), 0);
	if (kept)
		eas_email_add_note(&e, kept);
	assert_int_equal(eas_email_needs_bytes(&e), s->open);
	if (s->open)
		assert_int_equal(eas_email_add_bytes(a, &e, span_of(s->message)), 0);
	wbxml_begin(&w, &out);
	wbxml_open(&w, AIRSYNC_APPLICATIONDATA);
	eas_email_write(&e, &w, schema);
	wbxml_close(&w);
	assert_false(out.failed);
	assert_int_equal(wbxml_decode(a, arena_dup(a, buf_span(&out)), &root, NULL), 0);
	wbxml_print(root, 200, &text);
	return arena_str(a, buf_span(&text));
}

static void assert_shows(const char *shown, const char *line)
{
	if (!strstr(shown, line))
		fail_msg("\"%s\" is not in:\n%s", line, shown);
}

static void assert_hides(const char *shown, const char *line)
{
	if (strstr(shown, line))
		fail_msg("\"%s\" is in:\n%s", line, shown);
}

#define WANTED(n)                                 \
	{                                         \
		.wanted = true, .truncation = (n) \
	}

static void a_message_shows_what_its_header_says(void **state)
{
	static const char *const lines[] = {
		" Email:To \"Ann, A.\" <ann@example.org>, bob@example.org\n",
		" Email:From \"J\xc3\xb6rg\" <joerg@example.org>\n",
		" Email:Subject Re: AW: the gr\xc3\xbcn one\n",
		" Email:DateReceived 2026-11-26T14:20:44.000Z\n",
		" Email:DisplayTo Ann, A.; bob@example.org\n",
		" Email:ThreadTopic the gr\xc3\xbcn one\n",
		" Email:Importance 2\n",
		" Email:Read 1\n",
		" Email:MessageClass IPM.Note\n",
		" Email:InternetCPID 65001\n",
		" Email:Flag\n",
		" Email:ContentClass urn:content-classes:message\n",
		" AirSyncBase:NativeBodyType 2\n",
		" Email:Categories\n  Email:Category Blue\n  Email:Category Two words\n",
		" Email2:LastVerbExecuted 1\n",
		" Email2:IsDraft 0\n",
		" AirSyncBase:Body\n  AirSyncBase:Type 1\n  AirSyncBase:EstimatedDataSize 14\n  "
		"AirSyncBase:Truncated 1\n Email:",
	};
	_cleanup_(arena_freep) struct arena *a = arena_create(32 << 20);
	const struct shown s = { .message = ALTERNATIVE,
		                 .version = 161,
		                 .flags = STORE_FLAG_SEEN | STORE_FLAG_ANSWERED | KEYWORD(0) | KEYWORD(1) |
		                          KEYWORD(3),
		                 .support = EAS_MIME_UNSAID };
	const char *shown = show(a, &s, NULL, NULL);

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_shows(shown, lines[i]);
	assert_hides(shown, "Forwarded");
	assert_hides(shown, "Email:Cc");
	assert_hides(shown, "AirSyncBase:Data");
}

static void versions_have_the_properties_that_they_know(void **state)
{
	static const struct {
		const char *name;
		unsigned int since, until;
	} cases[] = {
		{ "Email:Flag", 120, 161 },         { "Email:BodyTruncated 0", 25, 25 },
		{ "AirSyncBase:Body", 120, 161 },   { "Email2:ConversationId", 140, 161 },
		{ "Email:Categories", 140, 161 },   { "Email2:IsDraft", 160, 161 },
		{ "Email:ContentClass", 120, 161 }, { "AirSyncBase:NativeBodyType", 120, 161 },
	};
	static const unsigned int versions[] = { 25, 120, 121, 140, 141, 160, 161 };

	for (size_t v = 0; v < ARRAY_SIZE(versions); v++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(32 << 20);
		const struct shown s = { .message = ALTERNATIVE,
			                 .version = versions[v],
			                 .support = EAS_MIME_UNSAID,
			                 .open = versions[v] < 120 };
		const char *shown = show(a, &s, NULL, NULL);

		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			if (versions[v] >= cases[i].since && versions[v] <= cases[i].until)
				assert_shows(shown, cases[i].name);
			else
				assert_hides(shown, cases[i].name);
		}
	}
}

static void bodies_are_as_long_as_they_may_be(void **state)
{
	/* "Text ä€ end" is 14 bytes: the second character begins at 5, the third at 7 */
	static const struct {
		struct shown shown;
		const char *body;
	} cases[] = {
		{ { ALTERNATIVE, 121, .text = WANTED(EAS_UNLIMITED) },
		  "Type 1\n  AirSyncBase:EstimatedDataSize 14\n  AirSyncBase:Truncated 0\n  AirSyncBase:Data "
		  "Text \xc3\xa4\xe2\x82\xac "
		  "end\n E" },
		{ { ALTERNATIVE, 121, .text = WANTED(14) },
		  "Truncated 0\n  AirSyncBase:Data Text \xc3\xa4\xe2\x82\xac end\n E" },
		{ { ALTERNATIVE, 121, .text = WANTED(13) },
		  "Truncated 1\n  AirSyncBase:Data Text \xc3\xa4\xe2\x82\xac en\n E" },
		{ { ALTERNATIVE, 121, .text = WANTED(9) },
		  "Truncated 1\n  AirSyncBase:Data Text \xc3\xa4\n E" },
		{ { ALTERNATIVE, 121, .text = WANTED(7) },
		  "Truncated 1\n  AirSyncBase:Data Text \xc3\xa4\n E" },
		{ { ALTERNATIVE, 121, .text = WANTED(6) }, "Truncated 1\n  AirSyncBase:Data Text \n E" },
		{ { ALTERNATIVE, 121, .text = WANTED(0) },
		  "EstimatedDataSize 14\n  AirSyncBase:Truncated 1\n E" },
		{ { ALTERNATIVE, 121, .text = { true, true, 0, 13 } },
		  "EstimatedDataSize 14\n  AirSyncBase:Truncated 1\n E" },
		{ { ALTERNATIVE, 121, .text = { true, true, 0, 14 } },
		  "Data Text \xc3\xa4\xe2\x82\xac end\n E" },
		/* one that has to be whole and is too long leaves its place to the other */
		{ { ALTERNATIVE, 121, .html = { true, true, 0, 13 }, .text = WANTED(5) },
		  "Type 1\n  AirSyncBase:EstimatedDataSize 14\n  AirSyncBase:Truncated 1\n  "
		  "AirSyncBase:Data Text \n E" },
		{ { ALTERNATIVE, 121, .html = { true, true, 0, 13 }, .text = { true, true, 0, 13 } },
		  "Type 2\n  AirSyncBase:EstimatedDataSize 14\n  AirSyncBase:Truncated 1\n E" },
		{ { ALTERNATIVE, 121, .html = { true, true, 0, 14 }, .text = WANTED(EAS_UNLIMITED) },
		  "Type 2\n  AirSyncBase:EstimatedDataSize 14\n  AirSyncBase:Truncated 0\n  "
		  "AirSyncBase:Data <p>Text \xc3\xa4</p>\n E" },
		{ { ALTERNATIVE, 140, .html = WANTED(4) },
		  "Type 2\n  AirSyncBase:EstimatedDataSize 14\n  AirSyncBase:Truncated 1\n  "
		  "AirSyncBase:Data <p>T\n E" },
		{ { ALTERNATIVE, 140, .text = { true, false, 6, 0 } },
		  "Truncated 1\n  AirSyncBase:Preview Text \xc3\xa4\n E" },
		{ { ALTERNATIVE, 121, .text = { true, false, 6, 0 } }, "Truncated 1\n E" },
		{ { ALTERNATIVE, 141, .mime = WANTED(5), .support = EAS_MIME_ALWAYS },
		  "Type 4\n  AirSyncBase:EstimatedDataSize 337\n  AirSyncBase:Truncated 1\n  "
		  "AirSyncBase:Data From:\n E" },
		{ { ALTERNATIVE, 141, .part = WANTED(3) },
		  " AirSyncBase:BodyPart\n  AirSyncBase:Status 1\n  AirSyncBase:Type 2\n  "
		  "AirSyncBase:EstimatedDataSize 14\n  "
		  "AirSyncBase:Truncated 1\n  AirSyncBase:Data <p>\n" },
		{ { ALTERNATIVE, 25 },
		  " Email:BodyTruncated 0\n Email:Body Text \xc3\xa4\xe2\x82\xac end\n Email:BodySize 14\n" },
		{ { "\r\n", 121, .text = WANTED(10) },
		  "EstimatedDataSize 0\n  AirSyncBase:Truncated 0\n  AirSyncBase:Data\n E" },
		{ { "Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\xe4", 121,
		    .mime = WANTED(EAS_UNLIMITED), .support = EAS_MIME_ALWAYS },
		  "Data Content-Type: text/plain; charset=iso-8859-1\\x0d\\x0a\\x0d\\x0a\xe4\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(32 << 20);
		struct shown s = cases[i].shown;

		s.open = true;
		assert_shows(show(a, &s, NULL, NULL), cases[i].body);
	}
}

static void attachments_are_told_without_opening_the_message(void **state)
{
	static const char message[] =
		"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: "
		"text/html\r\n\r\nx\r\n"
		"--b\r\nContent-Type: image/png; name=\"i \xe2\x82\xac.png\"\r\nContent-ID: <1@x>\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n";
	_cleanup_(arena_freep) struct arena *a = arena_create(32 << 20);
	struct shown s = { .message = message, .version = 141, .support = EAS_MIME_UNSAID };

	assert_shows(show(a, &s, NULL, NULL), " AirSyncBase:Attachments\n  AirSyncBase:Attachment\n   "
	                                      "AirSyncBase:DisplayName i \xe2\x82\xac.png\n"
	                                      "   AirSyncBase:FileReference f1:7:2\n   AirSyncBase:Method "
	                                      "1\n   AirSyncBase:EstimatedDataSize 3\n"
	                                      "   AirSyncBase:ContentId 1@x\n   AirSyncBase:IsInline 1\n");
	s.version = 25;
	s.open = true;
	assert_shows(show(a, &s, NULL, NULL),
	             " Email:Attachments\n  Email:Attachment\n   Email:DisplayName i \xe2\x82\xac.png\n"
	             "   Email:AttName f1:7:2\n   Email:AttMethod 1\n   Email:AttSize 3\n");
}

static void a_schema_chooses_properties(void **state)
{
	struct wbxml_node subject = { .tag = EMAIL_SUBJECT },
			  schema = { .tag = ITEMOPERATIONS_SCHEMA, .first = &subject };
	_cleanup_(arena_freep) struct arena *a = arena_create(32 << 20);
	const struct shown s = { .message = ALTERNATIVE, .version = 141, .support = EAS_MIME_UNSAID };

	assert_string_equal(show(a, &s, NULL, &schema),
	                    "AirSync:ApplicationData\n Email:Subject Re: AW: the gr\xc3\xbcn one\n");
}

/* ---- classes ---- */

static void a_message_has_the_class_of_what_it_is(void **state)
{
#define REPORT(action)                                                                             \
	"Content-Type: multipart/report; report-type=delivery-status; "                            \
	"boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"                                                \
	"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns;x\r\n\r\nAction: " action \
	"\r\n\r\n--b--\r\n"
#define INVITATION(method, more)                                                                     \
	"Content-Type: text/calendar; method=" method "\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:" method    \
	"\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20261126T000000Z\r\nDTSTART:20261201T100000Z\r\n" more \
	"END:VEVENT\r\nEND:VCALENDAR\r\n"
	static const struct {
		const char *message, *class;
		bool open;
	} cases[] = {
		{ "\r\nx", "IPM.Note", false },
		{ "Content-Type: application/pkcs7-mime\r\n\r\nx", "IPM.Note.SMIME", false },
		{ "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; "
		  "boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--",
		  "IPM.Note.SMIME.MultipartSigned", false },
		{ REPORT("failed"), "REPORT.IPM.Note.NDR", true },
		{ REPORT("delivered"), "REPORT.IPM.Note.DR", true },
		{ INVITATION("REQUEST", ""), "IPM.Schedule.Meeting.Request", true },
		{ INVITATION("CANCEL", ""), "IPM.Schedule.Meeting.Canceled", true },
		{ INVITATION("REPLY", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:a@x\r\n"),
		  "IPM.Schedule.Meeting.Resp.Pos", true },
		{ INVITATION("REPLY", "ATTENDEE;PARTSTAT=DECLINED:mailto:a@x\r\n"),
		  "IPM.Schedule.Meeting.Resp.Neg", true },
		{ INVITATION("REPLY", "ATTENDEE;PARTSTAT=TENTATIVE:mailto:a@x\r\n"),
		  "IPM.Schedule.Meeting.Resp.Tent", true },
		{ "Content-Type: text/calendar; method=REQUEST\r\n\r\nnothing", "IPM.Note", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(32 << 20);
		const struct shown s = { .message = cases[i].message,
			                 .version = 141,
			                 .open = cases[i].open,
			                 .support = EAS_MIME_UNSAID };
		const char *line = arena_printf(a, " Email:MessageClass %s\n", cases[i].class);

		assert_shows(show(a, &s, NULL, NULL), line);
	}
}

/* ---- conversations ---- */

static void messages_of_a_conversation_share_its_id(void **state)
{
	static const struct {
		const char *header;
		bool same;    /* as "<1@x>" */
		size_t index; /* bytes */
	} cases[] = {
		{ "Message-ID: <1@x>\r\n", true, 5 },
		{ "Message-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\n", true, 10 },
		{ "Message-ID: <3@x>\r\nIn-Reply-To: <2@x>\r\nReferences: <1@x>\r\n <2@x>\r\n", true, 15 },
		{ "Message-ID: <4@x>\r\nSubject: Re: x\r\n", false, 5 },
		{ "Subject: x\r\n", false, 5 },
		{ "Message-ID: <5@x>\r\nThread-Index: AdRxAAAAAAECAwQFBgcICQoLDA0ODwECAwQF\r\n", false, 10 },
	};
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	uint8_t first[16], id[16];
	struct span root = SPAN_NONE, index;

	assert_int_equal(eas_conversation_id(a, span_of(cases[0].header), first), 0);
	assert_int_equal(eas_conversation_index(a, span_of(cases[0].header), &root), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(eas_conversation_id(a, span_of(cases[i].header), id), 0);
		assert_int_equal(memcmp(first, id, 16) == 0, cases[i].same);
		assert_int_equal(eas_conversation_index(a, span_of(cases[i].header), &index), 0);
		assert_int_equal(index.len, cases[i].index);
		if (cases[i].same)
			assert_memory_equal(index.p, root.p, 5);
	}
}

static void a_topic_is_the_subject_without_its_marks(void **state)
{
	static const char *const cases[][2] = {
		{ "x", "x" },
		{ "Re: x", "x" },
		{ "RE: Fwd:AW: x ", "x" },
		{ "Re[2]: x", "x" },
		{ "Re : x", "x" },
		{ "Todo: x", "Todo: x" },
		{ "Real: x", "Real: x" },
		{ "Re:", "" },
		{ "\xe5\x9b\x9e\xe5\xa4\x8d\xef\xbc\x9a x", "x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_true(span_eq(eas_subject_topic(span_of(cases[i][0])), span_of(cases[i][1])));
}

/* ---- flags ---- */

struct flag_child {
	enum wbxml_tag tag;
	const char *text;
};

static const struct wbxml_node *flag_element(struct arena *a, const struct flag_child *c, size_t n)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct wbxml_node *root;
	struct wbxml_writer w;

	wbxml_begin(&w, &out);
	wbxml_open(&w, EMAIL_FLAG);
	for (size_t i = 0; i < n && c[i].text; i++)
		wbxml_str(&w, c[i].tag, c[i].text);
	wbxml_close(&w);
	assert_int_equal(wbxml_decode(a, arena_dup(a, buf_span(&out)), &root, NULL), 0);
	return root;
}

#define DAY(n) "2026-11-2" #n "T00:00:00.000Z"

static void bad_flags_are_refused(void **state)
{
	static const struct {
		struct flag_child children[4];
		int r;
	} cases[] = {
		{ { { 0, NULL } }, 0 },
		{ { { EMAIL_STATUS, "2" } }, 0 },
		{ { { EMAIL_STATUS, "3" } }, -POD_E_SYNTAX },
		{ { { EMAIL_STATUS, "" } }, -POD_E_SYNTAX },
		{ { { EMAIL_STATUS, "2" }, { EMAIL_STATUS, "2" } }, -POD_E_SYNTAX },
		{ { { EMAIL_FLAGTYPE, "x" } }, -POD_E_SYNTAX },
		{ { { EMAIL_STATUS, "2" }, { TASKS_STARTDATE, DAY(1) }, { TASKS_STARTDATE, DAY(1) } },
		  -POD_E_SYNTAX },
		{ { { EMAIL_STATUS, "2" }, { TASKS_STARTDATE, "soon" } }, -POD_E_SYNTAX },
		{ { { EMAIL_STATUS, "2" }, { TASKS_STARTDATE, DAY(2) }, { TASKS_DUEDATE, DAY(1) } },
		  -POD_E_SYNTAX },
		{ { { EMAIL_STATUS, "2" }, { TASKS_UTCSTARTDATE, DAY(2) }, { TASKS_UTCDUEDATE, DAY(1) } },
		  -POD_E_SYNTAX },
		{ { { EMAIL_STATUS, "2" }, { TASKS_STARTDATE, DAY(1) }, { TASKS_DUEDATE, DAY(1) } }, 0 },
		{ { { EMAIL_STATUS, "2" }, { TASKS_REMINDERSET, "1" } }, -POD_E_SYNTAX },
		{ { { EMAIL_STATUS, "2" }, { TASKS_REMINDERSET, "1" }, { TASKS_REMINDERTIME, DAY(1) } }, 0 },
		{ { { EMAIL_STATUS, "2" }, { TASKS_REMINDERSET, "yes" } }, -POD_E_SYNTAX },
		{ { { EMAIL_STATUS, "2" }, { EMAIL_SUBJECT, "x" } }, -POD_E_SYNTAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
		struct eas_note note = { .flag = EAS_FLAG_NONE };

		assert_int_equal(eas_flag_read(a, flag_element(a, cases[i].children, 4), 0, &note),
		                 cases[i].r);
	}
}

static void a_flag_keeps_what_was_said_of_it(void **state)
{
	static const struct flag_child children[] = { { EMAIL_STATUS, "2" },
		                                      { EMAIL_FLAGTYPE, "Call" },
		                                      { TASKS_DUEDATE, DAY(9) },
		                                      { TASKS_REMINDERSET, "0" } };
	static const struct flag_child done[] = { { EMAIL_STATUS, "1" } };
	_cleanup_(arena_freep) struct arena *a = arena_create(32 << 20);
	_cleanup_buf_ struct buf table = BUF_INIT;
	const struct shown s = {
		.message = "\r\nx", .version = 141, .flags = STORE_FLAG_FLAGGED, .support = EAS_MIME_UNSAID
	};
	const struct shown completed = {
		.message = "\r\nx", .version = 141, .flags = KEYWORD(2), .support = EAS_MIME_UNSAID
	};
	const struct span guid = SPAN_LIT("0123456789abcdef");
	struct eas_note note = { .verb = 3, .verb_s = 86400 }, again;

	assert_shows(show(a, &s, NULL, NULL),
	             " Email:Flag\n  Email:Status 2\n  Email:FlagType Flag for follow up\n E");
	assert_int_equal(eas_flag_read(a, flag_element(a, children, ARRAY_SIZE(children)), 0, &note), 0);
	eas_note_table_put(SPAN_NONE, guid, &note, &table);
	assert_int_equal(eas_note_table_find(buf_span(&table), guid, &again), 0);
	assert_int_equal(again.verb, 3);
	assert_int_equal(again.verb_s, 86400);
	assert_shows(show(a, &s, &again, NULL),
	             " Email:Flag\n  Email:Status 2\n  Email:FlagType Call\n  Tasks:DueDate " DAY(
			     9) "\n  Tasks:ReminderSet 0\n E");
	/* details of a flag are none of a flag that is not it */
	assert_hides(show(a, &completed, &again, NULL), "Call");
	assert_int_equal(eas_flag_read(a, flag_element(a, done, 1), 60, &note), 0);
	assert_shows(
		show(a, &completed, &note, NULL),
		" Email:Flag\n  Email:Status 1\n  Email:FlagType Flag for follow up\n  Email:CompleteTime "
		"1970-01-01T00:01:00.000Z\n  Tasks:DateCompleted 1970-01-01T00:01:00.000Z\n E");
}

static void a_full_table_of_notes_forgets_the_oldest(void **state)
{
	struct buf table = BUF_INIT;
	struct eas_note note = { .flag = EAS_FLAG_ACTIVE }, found;
	uint8_t guid[16] = { 0 };

	for (unsigned int i = 0; i <= EAS_NOTE_TABLE_MAX; i++) {
		struct buf next = BUF_INIT;

		guid[0] = (uint8_t) i;
		guid[1] = (uint8_t) (i >> 8);
		eas_note_table_put(buf_span(&table), span_make(guid, 16), &note, &next);
		buf_done(&table);
		table = next;
	}
	assert_int_equal(eas_note_table_find(buf_span(&table), span_make(guid, 16), &found), 0);
	memset(guid, 0, sizeof(guid));
	assert_int_equal(eas_note_table_find(buf_span(&table), span_make(guid, 16), &found), -POD_E_NOTFOUND);
	guid[0] = 1;
	assert_int_equal(eas_note_table_find(buf_span(&table), span_make(guid, 16), &found), 0);
	assert_int_equal(eas_note_table_find(SPAN_LIT("junk"), span_make(guid, 16), &found), -POD_E_NOTFOUND);
	buf_done(&table);
}

static void categories_are_keywords_and_back(void **state)
{
	static const char *const names[] = { "Blue", "Two words", "100%", "$cost", "J\xc3\xb6rg",
		                             "a&b",  "(x)",       "Junk", "\"q\"" };
	static const char *const none[] = { "$Forwarded", "\\Seen", "NonJunk", "" };
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct span category;
	const char *keyword;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(eas_category_keyword(a, span_of(names[i]), &keyword), 0);
		assert_null(strpbrk(keyword, "(){ %*\"\\]"));
		assert_true(eas_keyword_category(a, span_of(keyword), &category));
		assert_true(span_eq(category, span_of(names[i])));
	}
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_false(eas_keyword_category(a, span_of(none[i]), &category));
	assert_int_equal(eas_category_keyword(a, SPAN_LIT(""), &keyword), -POD_E_SYNTAX);
	assert_int_equal(eas_category_keyword(a, SPAN_LIT("\xff"), &keyword), -POD_E_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_shows_what_its_header_says),
		cmocka_unit_test(versions_have_the_properties_that_they_know),
		cmocka_unit_test(bodies_are_as_long_as_they_may_be),
		cmocka_unit_test(attachments_are_told_without_opening_the_message),
		cmocka_unit_test(a_schema_chooses_properties),
		cmocka_unit_test(a_message_has_the_class_of_what_it_is),
		cmocka_unit_test(messages_of_a_conversation_share_its_id),
		cmocka_unit_test(a_topic_is_the_subject_without_its_marks),
		cmocka_unit_test(bad_flags_are_refused),
		cmocka_unit_test(a_flag_keeps_what_was_said_of_it),
		cmocka_unit_test(a_full_table_of_notes_forgets_the_oldest),
		cmocka_unit_test(categories_are_keywords_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
