/* The device's memory of what it sent, in the store. In a request's fiber; functions suspend. */
#ifndef POD_IMAPD_EAS_SEND_REMEMBER_H
#define POD_IMAPD_EAS_SEND_REMEMBER_H

#include "base/id.h"
#include "imapd/eas/eas.h"

struct sending_id {
	struct span client_id; /* empty: it is not remembered */
	struct guid id;        /* of the delivery */
	bool done;             /* it went out before */
};

/*
 * Finds what was sent under s->client_id, or notes that it is about to be sent: s->id and s->done are set,
 * durably, before anything goes out. 0 or -POD_E_*.
 */
int sending_begin(struct eas_request *rq, struct sending_id *s, struct err *err);
/* Whether that went out before. */
bool sending_was_done(struct eas_request *rq, struct span client_id);
/* It went out. That this is not noted is no failure: the id is. */
void sending_done(struct eas_request *rq, const struct sending_id *s);

#endif
