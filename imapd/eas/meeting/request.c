#include "imapd/eas/item/options.h"
#include "imapd/eas/meeting/internal.h"
#include "mime/date.h"

/* Of a child that is there; what is none leaves a mark. */
static int64_t date_of(const struct wbxml_node *parent, enum wbxml_tag tag, bool *bad)
{
	const struct wbxml_node *n = wbxml_child(parent, tag);
	struct mail_date date;

	if (!n)
		return 0;
	if (date_parse_rfc3339(n->text, &date) < 0) {
		*bad = true;
		return 0;
	}
	return date.unix_s;
}

/* SendResponse (16.0): a text of the user, and another time that they would like (16.1). */
static int read_send(const struct wbxml_node *send, struct meeting_request *q)
{
	const struct wbxml_node *body = wbxml_child(send, AIRSYNCBASE_BODY);
	uint64_t type = EAS_BODY_TEXT;

	q->send = true;
	q->proposed_s = date_of(send, MEETINGRESPONSE_PROPOSEDSTARTTIME, &q->bad_date);
	q->proposed_end_s = date_of(send, MEETINGRESPONSE_PROPOSEDENDTIME, &q->bad_date);
	if (!q->bad_date &&
	    ((q->proposed_s == 0) != (q->proposed_end_s == 0) || q->proposed_end_s < q->proposed_s))
		return -POD_E_SYNTAX;
	if (!body)
		return 0;
	if (wbxml_child_uint(body, AIRSYNCBASE_TYPE, EAS_BODY_HTML, &type) < 0 || type == 0)
		return -POD_E_SYNTAX;
	q->body = wbxml_child_text(body, AIRSYNCBASE_DATA);
	q->body_is_html = type == EAS_BODY_HTML;
	return 0;
}

int meeting_request_read(const struct wbxml_node *node, unsigned int version, struct meeting_request *ret)
{
	struct meeting_request q = { .collection_id = wbxml_child_text(node, MEETINGRESPONSE_COLLECTIONID),
		                     .request_id = wbxml_child_text(node, MEETINGRESPONSE_REQUESTID),
		                     .long_id = wbxml_child_text(node, SEARCH_LONGID) };
	const struct wbxml_node *send = wbxml_child(node, MEETINGRESPONSE_SENDRESPONSE);
	uint64_t response = 0;
	int r = 0;

	if (wbxml_child_uint(node, MEETINGRESPONSE_USERRESPONSE, EAS_RESPONSE_DECLINE, &response) <= 0 ||
	    response == 0)
		return -POD_E_SYNTAX;
	if (q.long_id.len == 0 && (q.collection_id.len == 0 || q.request_id.len == 0))
		return -POD_E_SYNTAX;
	q.response = (enum eas_meeting_response) response;
	if (version >= EAS_14_1)
		q.instance_s = date_of(node, MEETINGRESPONSE_INSTANCEID, &q.bad_date);
	if (send && version >= EAS_16_0)
		r = read_send(send, &q);
	if (r == 0)
		*ret = q;
	return r;
}
