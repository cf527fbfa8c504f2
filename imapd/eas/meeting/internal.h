/* Internal to imapd/eas/meeting. */
#ifndef POD_IMAPD_EAS_MEETING_INTERNAL_H
#define POD_IMAPD_EAS_MEETING_INTERNAL_H

#include "imapd/eas/eas.h"
#include "imapd/eas/item/calendar.h"
#include "imapd/eas/item/calendar_answer.h"

/* Of a Result (MS-ASCMD 2.2.3.177.9). */
enum meeting_status {
	MEETING_OK = 1,
	MEETING_INVALID = 2, /* no invitation is there by that id */
	MEETING_MAILBOX_ERROR = 3,
	MEETING_SERVER_ERROR = 4,
	MEETING_BAD_DATE = 104,
	MEETING_NOT_RECURRING = 146,
};

/* One Request. Spans are of its document. */
struct meeting_request {
	enum eas_meeting_response response;
	struct span collection_id, request_id, long_id;
	bool bad_date;
	int64_t instance_s; /* 0: the whole series */
	bool send;          /* SendResponse */
	struct span body;   /* UTF-8, of it */
	bool body_is_html;
	int64_t proposed_s, proposed_end_s; /* 0: none */
};

/* -POD_E_SYNTAX: it is not as the schema has it. */
int meeting_request_read(const struct wbxml_node *node, unsigned int version, struct meeting_request *ret);

/* Suspends. */
enum meeting_status meeting_answer(struct eas_request *rq, const struct meeting_request *q);

/* The message to the organizer, as a client would hand it in. Pure. */
struct meeting_mail {
	const char *from;
	struct span to_name, to; /* the organizer: a name, which may be empty, and local@domain */
	struct span summary;     /* what it is about */
	enum eas_meeting_response response;
	struct span text, html; /* of the user; html.p NULL: there is none */
	struct span calendar;
	const char *method, *boundary;
};
void meeting_mail_write(const struct meeting_mail *m, struct buf *out);

#endif
