#include "imapd/eas/send/hand_over.h"

#include <stdio.h>

#include "base/fiber.h"
#include "imapd/http/http.h"
#include "submit/submit.h"

#define TIMEOUT_MS (5 * 60000) /* filters may look at it for so long (mta.milters: end_timeout) */

/* What came of it, for the fiber that waits. */
struct waiting {
	struct fiber *fiber;
	bool over;
	enum submit_outcome outcome;
	uint16_t code;
	char enhanced[12], text[300], rcpt[320];
	const struct composed *c;
};

static void on_submitted(void *arg, const struct submit_result *r)
{
	struct waiting *w = arg;

	w->over = true;
	w->outcome = r->outcome;
	w->code = r->code;
	(void) snprintf(w->enhanced, sizeof(w->enhanced), "%s", r->enhanced);
	(void) snprintf(w->text, sizeof(w->text), "%s", r->text);
	if (r->rcpt != SIZE_MAX)
		(void) snprintf(w->rcpt, sizeof(w->rcpt), SPAN_FMT, SPAN_ARG(w->c->rcpts[r->rcpt]));
	fiber_resume(w->fiber);
}

/* MS-ASCMD 2.2.2 for the mta's words. */
static enum send_status status_of(const struct waiting *w)
{
	switch (w->outcome) {
	case SUBMIT_TAKEN: return SEND_OK;
	case SUBMIT_SENDER_REFUSED: return SEND_DISABLED; /* suspended, or not theirs to use any more */
	case SUBMIT_RCPT_REFUSED: return SEND_RCPT_UNRESOLVED;
	case SUBMIT_MESSAGE_REFUSED: return strcmp(w->enhanced, "5.3.4") == 0 ? SEND_TOO_LARGE : SEND_FAILED;
	case SUBMIT_LATER:
		/* Rates (450, 452 4.7.1) are the user's own doing. */
		return w->code && strcmp(w->enhanced, "4.7.1") == 0 ? SEND_QUOTA : SEND_RETRY_LATER;
	case SUBMIT_UNKNOWN: break;
	}
	return SEND_RETRY_LATER;
}

static void log_outcome(struct eas_request *rq, const struct waiting *w)
{
	if (w->outcome == SUBMIT_TAKEN)
		log_event(&rq->log, LOGL_INFO, "eas.sent", F_SPAN("sender", w->c->sender),
		          F_UINT("recipients", w->c->n_rcpts), F_UINT("size", w->c->sent.len));
	else
		log_event(&rq->log, LOGL_NOTICE, "eas.not_sent", F_SPAN("sender", w->c->sender),
		          F_STR("rcpt", w->rcpt), F_UINT("code", w->code), F_STR("text", w->text));
}

/* The mta wants it in one piece. */
static int wire_of(const struct composed *c, struct buf *out)
{
	buf_add(out, buf_span(&c->wire_header));
	buf_add(out, span_skip(buf_span(&c->sent), c->sent_header_len));
	return out->failed ? -POD_E_NOMEM : 0;
}

enum send_status send_hand_over(struct eas_request *rq, const struct composed *c, const struct guid *id)
{
	_cleanup_buf_ struct buf wire = BUF_INIT;
	struct waiting w = { .fiber = fiber_self(), .c = c };
	struct submit_message m = { .login = account_address(rq->account),
		                    .sender = c->sender,
		                    .rcpts = c->rcpts,
		                    .n_rcpts = c->n_rcpts,
		                    .id = *id,
		                    .peer = http_peer(rq->exchange) };
	char path[SUBMIT_PATH_SIZE];
	struct submit *submit;
	struct err err = { 0 };
	int r = wire_of(c, &wire);

	m.bytes = buf_span(&wire);
	if (r == 0)
		r = submit_start(rq->parts->base, submit_path(rq->parts->conf, path, sizeof(path)),
		                 TIMEOUT_MS, &m, on_submitted, &w, &submit, &err);
	if (r < 0) {
		log_event(&rq->log, LOGL_ERROR, "eas.not_sent", F_ERR(&err));
		return SEND_RETRY_LATER;
	}
	while (!w.over)
		fiber_suspend();
	log_outcome(rq, &w);
	return status_of(&w);
}
