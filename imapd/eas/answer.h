/* How a request was answered, until it is sent. */
#ifndef POD_IMAPD_EAS_ANSWER_H
#define POD_IMAPD_EAS_ANSWER_H

#include "imapd/eas/eas.h"

enum eas_answer_kind {
	EAS_ANSWER_WBXML,  /* what is in rq->out, or nothing where that is empty */
	EAS_ANSWER_HTTP,   /* a code */
	EAS_ANSWER_BYTES,  /* of another type */
	EAS_ANSWER_PARKED, /* later */
};

/* Of 401. */
#define EAS_CHALLENGE "Basic realm=\"podmail\", charset=\"UTF-8\""

struct eas_answer {
	enum eas_answer_kind kind;
	int code;
	const char *type;
	unsigned int retry_after_s; /* of a 503; 0: the usual */
	struct evbuffer *bytes;
	struct buf out; /* what rq->out writes to */
};

/* Prepares rq->out. */
void eas_answer_init(struct eas_request *rq, struct eas_answer *answer);
void eas_answer_done(struct eas_answer *answer);
/* The HTTP code it will have, and the length of its body, for the log. */
int eas_answer_code(const struct eas_request *rq);
size_t eas_answer_len(const struct eas_request *rq);
/* Sends it and ends the exchange. */
void eas_answer_send(struct eas_request *rq);

#endif
