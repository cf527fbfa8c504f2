#include "imapd/eas/send/draft.h"

#include "base/cleanup.h"
#include "imapd/eas/send/remember.h"

bool eas_draft_was_sent(struct eas_request *rq, struct span client_id)
{
	return sending_was_done(rq, client_id);
}

enum send_status eas_send_draft(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                                struct span client_id)
{
	_cleanup_(account_body_done) struct account_body body = { .map = NULL };
	struct send_order order = { .kind = COMPOSE_NEW, .save = true, .client_id = client_id };
	struct err err = { 0 };
	int r = account_body_open(rq->account, place->mailbox, uid, &body, &err);

	if (r == -POD_E_NOTFOUND)
		return SEND_NOT_FOUND;
	if (r < 0) {
		log_event(&rq->log, LOGL_WARNING, "eas.not_sent", F_CODE(r), F_ERR(&err));
		return SEND_RETRY_LATER;
	}
	order.mime = body.bytes;
	return eas_send(rq, &order);
}
