#include "imapd/eas/send/draft.h"

#include "base/cleanup.h"

enum send_status eas_send_draft(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid)
{
	_cleanup_(account_body_done) struct account_body body = { .map = NULL };
	struct send_order order = { .kind = COMPOSE_NEW, .save = true };
	/* Numbers of a mailbox's messages are never used again. */
	const char *id = arena_printf(rq->a, "draft:%u:%u", place->mailbox, uid);
	struct err err = { 0 };
	int r = id ? account_body_open(rq->account, place->mailbox, uid, &body, &err) : -POD_E_NOMEM;

	if (r == -POD_E_NOTFOUND)
		return SEND_NOT_FOUND;
	if (r < 0) {
		log_event(&rq->log, LOGL_WARNING, "eas.not_sent", F_CODE(r), F_ERR(&err));
		return SEND_RETRY_LATER;
	}
	order.client_id = span_of(id);
	order.mime = body.bytes;
	return eas_send(rq, &order);
}
