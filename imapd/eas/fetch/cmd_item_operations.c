#include <stdlib.h>

#include "base/cleanup.h"
#include "imapd/eas/fetch/fetch.h"
#include "imapd/eas/fetch/internal.h"

/* Operations in one request; phones ask for a few attachments at a time. */
#define OPERATIONS_MAX 1000

static bool is_operation(const struct eas_request *rq, const struct wbxml_node *n)
{
	return n->tag == ITEMOPERATIONS_FETCH || n->tag == ITEMOPERATIONS_EMPTYFOLDERCONTENTS ||
	       (n->tag == ITEMOPERATIONS_MOVE && rq->version >= EAS_14_0);
}

static bool is_request(const struct eas_request *rq)
{
	size_t n = 0;

	if (!rq->body || rq->body->tag != ITEMOPERATIONS_ITEMOPERATIONS)
		return false;
	for (const struct wbxml_node *c = rq->body->first; c; c = c->next)
		if (!is_operation(rq, c) || ++n > OPERATIONS_MAX)
			return false;
	return n > 0;
}

static void run(struct eas_request *rq, const struct wbxml_node *n, struct eas_multipart *multipart)
{
	if (n->tag == ITEMOPERATIONS_FETCH)
		fetch_one(rq, n, multipart);
	else if (n->tag == ITEMOPERATIONS_MOVE)
		fetch_move_conversation(rq, n);
	else
		fetch_empty_folder(rq, n);
}

static void run_all(struct eas_request *rq, struct eas_multipart *multipart)
{
	struct wbxml_writer *w = &rq->out;

	wbxml_open(w, ITEMOPERATIONS_ITEMOPERATIONS);
	wbxml_uint(w, ITEMOPERATIONS_STATUS, FETCH_OK);
	wbxml_open(w, ITEMOPERATIONS_RESPONSE);
	for (const struct wbxml_node *n = rq->body->first; n; n = n->next)
		run(rq, n, multipart);
	wbxml_close(w);
	wbxml_close(w);
}

void eas_cmd_item_operations(struct eas_request *rq)
{
	struct eas_multipart *multipart;

	if (!is_request(rq)) {
		eas_answer_status(rq, ITEMOPERATIONS_ITEMOPERATIONS, FETCH_PROTOCOL_ERROR);
		return;
	}
	if (!rq->accept_multipart) {
		run_all(rq, NULL);
		return;
	}
	multipart = calloc(1, sizeof(*multipart));
	if (!multipart) {
		eas_answer_http(rq, 503);
		return;
	}
	run_all(rq, multipart);
	fetch_answer_multipart(rq, multipart);
	buf_done(&multipart->bytes);
	free(multipart);
}
