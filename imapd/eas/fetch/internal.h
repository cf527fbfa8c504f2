/* The parts of ItemOperations. Internal to imapd/eas/fetch; all functions suspend the fiber. */
#ifndef POD_IMAPD_EAS_FETCH_INTERNAL_H
#define POD_IMAPD_EAS_FETCH_INTERNAL_H

#include "imapd/eas/eas.h"
#include "imapd/eas/item/multipart.h"

/* Statuses of ItemOperations (MS-ASCMD 2.2.3.177.8). */
enum fetch_status {
	FETCH_OK = 1,
	FETCH_PROTOCOL_ERROR = 2,
	FETCH_SERVER_ERROR = 3,
	FETCH_NOT_FOUND = 6,
	FETCH_BAD_RANGE = 8,
	FETCH_UNKNOWN_STORE = 9,
	FETCH_TOO_LARGE = 11,
	FETCH_BAD_ATTACHMENT = 15,
	FETCH_BLOCKED = 16,
	FETCH_PARTLY = 17,
	FETCH_BAD_IDS = 105,
	FETCH_UNSUPPORTED = 156,
};

/* r: 0 or -POD_E_*. */
unsigned int fetch_status_of(int r);

/* One operation: writes its element to rq->out. multipart: NULL where data goes into the document. */
void fetch_one(struct eas_request *rq, const struct wbxml_node *fetch, struct eas_multipart *multipart);
void fetch_empty_folder(struct eas_request *rq, const struct wbxml_node *operation);
void fetch_move_conversation(struct eas_request *rq, const struct wbxml_node *operation);

/* The answer with its parts beside it. */
void fetch_answer_multipart(struct eas_request *rq, struct eas_multipart *multipart);

#endif
