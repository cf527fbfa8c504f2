/* The message that a reply or forward is of. */
#ifndef POD_IMAPD_EAS_SEND_SOURCE_H
#define POD_IMAPD_EAS_SEND_SOURCE_H

#include "imapd/eas/item/item.h"
#include "imapd/eas/send/send.h"

/* As the request names it. */
struct source_name {
	struct span folder_id, item_id, long_id;
};

struct source {
	struct eas_item_place place;
	uint32_t uid;
	struct account_body body;
};

/* Suspends. SEND_OK, SEND_NOT_FOUND, SEND_RETRY_LATER, SEND_SERVER_ERROR. */
enum send_status eas_source_open(struct eas_request *rq, const struct source_name *name, struct source *ret);
void eas_source_done(struct source *s);

#endif
