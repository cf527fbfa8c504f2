/* What the files of this folder share beside eas.h. */
#ifndef POD_IMAPD_EAS_INTERNAL_H
#define POD_IMAPD_EAS_INTERNAL_H

#include "imapd/eas/answer.h"
#include "imapd/eas/commands.h"
#include "imapd/eas/loops.h"
#include "imapd/eas/park/park.h"
#include "imapd/eas/service.h"
#include "imapd/eas/turns.h"
#include "imapd/http/http.h"

struct eas_service {
	struct eas_parts parts;
	struct park park;
	struct turns turns;
	struct device_notice *notice; /* may be NULL */
	struct loops loops;
	uint64_t last_serial;
};

/* serve.c: the memory of a request, and its fields that hold for all of its life. NULL where memory is out.
 */
struct arena *eas_request_init(struct eas_request *rq, struct eas_service *s, struct http_exchange *x);
void eas_request_log(struct eas_request *rq);
/* Sends the answer, writes the line of the log, counts. */
void eas_request_finish(struct eas_request *rq, uint64_t began_us);

/* limit.c: false: it was answered that the device has to wait. */
bool eas_limit(struct eas_request *rq);

#endif
