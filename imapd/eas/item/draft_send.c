#include "imapd/eas/item/draft_send.h"

#include "imapd/eas/item/draft_store.h"
#include "imapd/eas/item/status.h"
#include "imapd/eas/send/draft.h"

bool eas_draft_is_to_go(const struct eas_request *rq, const struct eas_item_place *place,
                        const struct wbxml_node *command)
{
	return place->drafts && rq->version >= EAS_16_0 && wbxml_child(command, EMAIL2_SEND);
}

struct span eas_draft_name(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                           const struct wbxml_node *command)
{
	struct span id = span_head(wbxml_child_text(command, AIRSYNC_CLIENTID), 200);
	const char *name = command->tag == AIRSYNC_ADD
	                           ? arena_printf(rq->a, "add:%u:" SPAN_FMT, place->mailbox, SPAN_ARG(id))
	                           : arena_printf(rq->a, "draft:%u:%u", place->mailbox, uid);

	return name ? span_of(name) : SPAN_NONE;
}

bool eas_draft_has_gone(struct eas_request *rq, struct span name, struct eas_item_result *ret_result)
{
	if (!name.p || !eas_draft_was_sent(rq, name))
		return false;
	*ret_result = (struct eas_item_result){ .status = EAS_SYNC_OK, .gone = true };
	return true;
}

void eas_draft_go(struct eas_request *rq, const struct eas_item_place *place, struct span name,
                  struct eas_item_result *result)
{
	enum send_status status = name.p ? eas_send_draft(rq, place, result->uid, name) : SEND_RETRY_LATER;

	if (status != SEND_OK) {
		result->status = status == SEND_NOT_FOUND ? EAS_SYNC_NOT_FOUND : (unsigned int) status;
		return;
	}
	/* It is out and has its copy in Sent: that it could not be taken out of Drafts is no failure of the sending. */
	if (eas_draft_remove(rq, place, result->uid) < 0)
		log_event(&rq->log, LOGL_WARNING, "eas.draft_stays", F_UINT("uid", result->uid));
	result->gone = true;
}
