#include "imapd/eas/meeting/internal.h"
#include "imapd/eas/meeting/meeting.h"

#define REQUESTS_MAX 100u

/* What older versions are told of a status that they do not know. */
static unsigned int status_for(const struct eas_request *rq, enum meeting_status status)
{
	return status > 100 && rq->version < EAS_14_0 ? MEETING_INVALID : status;
}

/* CalendarId would be the event in a calendar: where there is none, none is told. */
static void put_result(struct eas_request *rq, const struct meeting_request *q, enum meeting_status status)
{
	struct wbxml_writer *w = &rq->out;

	wbxml_open(w, MEETINGRESPONSE_RESULT);
	if (q->request_id.len)
		wbxml_text(w, MEETINGRESPONSE_REQUESTID, q->request_id);
	wbxml_uint(w, MEETINGRESPONSE_STATUS, status_for(rq, status));
	wbxml_close(w);
}

/* All of them are understood, or none is carried out. */
static int read_all(struct eas_request *rq, struct meeting_request **ret_requests, size_t *ret_n)
{
	const struct wbxml_node *first = rq->body->first;
	struct meeting_request *requests;
	size_t n = 0;
	int r = 0;

	for (const struct wbxml_node *c = first; c; c = c->next)
		if (c->tag != MEETINGRESPONSE_REQUEST || ++n > REQUESTS_MAX)
			return -POD_E_SYNTAX;
	requests = arena_array(rq->a, n + 1, sizeof(*requests));
	if (!requests)
		return -POD_E_NOMEM;
	for (size_t i = 0; r == 0 && i < n; i++, first = first->next)
		r = meeting_request_read(first, rq->version, &requests[i]);
	*ret_requests = requests;
	*ret_n = n;
	return r == 0 && n == 0 ? -POD_E_SYNTAX : r;
}

void eas_cmd_meeting_response(struct eas_request *rq)
{
	struct meeting_request *requests;
	size_t n;
	int r = read_all(rq, &requests, &n);

	if (r == -POD_E_SYNTAX) {
		eas_answer_status(rq, MEETINGRESPONSE_MEETINGRESPONSE, EAS_STATUS_INVALID_XML);
		return;
	}
	if (r < 0) {
		eas_answer_error(rq, MEETINGRESPONSE_MEETINGRESPONSE, r);
		return;
	}
	wbxml_open(&rq->out, MEETINGRESPONSE_MEETINGRESPONSE);
	for (size_t i = 0; i < n; i++)
		put_result(rq, &requests[i], meeting_answer(rq, &requests[i]));
	wbxml_close(&rq->out);
}
