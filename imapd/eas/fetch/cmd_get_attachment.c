#include "base/cleanup.h"
#include "imapd/eas/fetch/attachment.h"
#include "imapd/eas/fetch/fetch.h"

static void answer(struct eas_request *rq, const struct attachment *at)
{
	struct evbuffer *body = evbuffer_new();
	const char *type = arena_str(rq->a, span_of(at->type));

	if (!body || !type || evbuffer_add(body, at->bytes.p, at->bytes.len) < 0)
		eas_answer_http(rq, 503);
	else
		eas_answer_bytes(rq, type, body);
	if (body)
		evbuffer_free(body);
}

/* What is not there is 500: so it is written, and clients wait for it (MS-ASCMD 2.2.1.8). */
void eas_cmd_get_attachment(struct eas_request *rq)
{
	_cleanup_(attachment_done) struct attachment at = { .a = NULL };
	uint64_t largest = attachment_largest(rq);
	int r = largest > 0 ? attachment_open(rq, span_of(rq->attachment_name), &at) : -POD_E_DENIED;

	if (r == -POD_E_DENIED || (r == 0 && at.bytes.len > largest))
		eas_answer_http(rq, 403);
	else if (r == 0)
		answer(rq, &at);
	else
		eas_answer_http(rq, r == -POD_E_UNAVAILABLE || r == -POD_E_TIMEOUT ? 503 : 500);
}
